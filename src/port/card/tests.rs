#![allow(clippy::disallowed_methods, reason = "sockets go by the real clock")]

use std::net::UdpSocket as Sender;
use std::sync::atomic::{AtomicU16, Ordering};

use mio::{Events, Poll};

use super::*;

/// A port for a card at this address, which has looked it up.
fn port_for(poll: &Poll, port: u16, card: &str) -> CardPort {
    let target = Some(Target { host: card.to_owned(), port: 80 });
    let listening = Listening { port, target };
    let mut port = CardPort::new(listening, DeviceLocks::default(), Token(16), Instant::now());
    assert!(port.prepare());
    port.start(poll.registry(), Instant::now());
    port.transmit(poll.registry(), Transmit::LookUp, Instant::now());
    let found = vec![card.parse().unwrap()];
    assert_eq!(port.poll_event(), Some(Event::Addresses(Ok(found))));
    port
}

/// A port that no other test of this program is given.
fn free_port() -> u16 {
    static CALLS: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 200).unwrap() * 100;
    socket::free_local_port(first + CALLS.fetch_add(20, Ordering::Relaxed), 20).unwrap()
}

/// Sends from an address of the loopback network, and waits until the kernel has it: it does so at once.
fn send(from: &str, port: u16, text: &str) {
    Sender::bind((from, 0)).unwrap().send_to(text.as_bytes(), ("127.0.0.1", port)).unwrap();
}

fn come(port: &mut CardPort, poll: &Poll) -> Vec<String> {
    port.take_waiting(poll.registry(), Instant::now());
    let texts = std::iter::from_fn(|| port.poll_event()).map(|event| match event {
        Event::Datagram { bytes, .. } => String::from_utf8(bytes).unwrap(),
        other => panic!("{other:?}"),
    });
    texts.collect()
}

#[test]
fn what_a_card_sends_comes_to_the_port_that_is_for_it_and_no_card_is_lost() {
    let poll = Poll::new().unwrap();
    let number = free_port();
    let mut ports = ["127.0.0.21", "127.0.0.22"].map(|card| (card, port_for(&poll, number, card)));
    for round in 0..20 {
        for card in ["127.0.0.21", "127.0.0.22", "127.0.0.23"] {
            send(card, number, &format!("{card} {round}"));
        }
    }
    let all: Vec<(&str, Vec<String>)> =
        ports.iter_mut().map(|(card, port)| (*card, come(port, &poll))).collect();
    for (card, texts) in &all {
        let own = texts.iter().filter(|text| text.starts_with(card)).count();
        let others = texts.iter().filter(|text| !text.starts_with("127.0.0.23")).count();
        assert_eq!((own, others), (20, 20), "{card}: {texts:?}");
    }
    // What comes from elsewhere comes to one of them.
    assert_eq!(all.iter().map(|(_, texts)| texts.len()).sum::<usize>(), 60);
}

#[test]
fn a_port_that_is_held_is_told_once_and_taken_when_it_is_free() {
    let poll = Poll::new().unwrap();
    let number = free_port();
    let holder = Sender::bind(("0.0.0.0", number)).unwrap();
    let listening = Listening { port: number, target: None };
    let mut now = Instant::now();
    let mut port = CardPort::new(listening, DeviceLocks::default(), Token(16), now);
    port.prepare();
    port.start(poll.registry(), now);
    let deaf = port.poll_event();
    let words = format!("UDP port {number}: it is held by ");
    assert!(matches!(&deaf, Some(Event::Deaf(text)) if text.starts_with(&words)), "{deaf:?}");
    now += RETRY_INTERVAL;
    assert!(port.poll_timeout().is_some_and(|at| at <= now));
    port.handle_timeout(poll.registry(), now);
    assert_eq!(port.poll_event(), None, "it has been told");
    drop(holder);
    // A child of another test may have it for a moment more.
    let limit = Instant::now() + Duration::from_secs(60);
    let event = loop {
        now += RETRY_INTERVAL;
        port.handle_timeout(poll.registry(), now);
        match port.poll_event() {
            None if Instant::now() < limit => std::thread::yield_now(),
            event => break event,
        }
    };
    assert_eq!(event, Some(Event::Listening));
    assert_eq!(port.poll_timeout(), None, "nothing is left to be done");
    send("127.0.0.1", number, "here");
    assert_eq!(come(&mut port, &poll), ["here"]);
}

#[test]
fn a_flood_takes_a_share_of_the_loop_only() {
    let mut poll = Poll::new().unwrap();
    let number = free_port();
    let mut port = port_for(&poll, number, "127.0.0.24");
    let now = Instant::now();
    for _ in 0..200 {
        send("127.0.0.25", number, "flood");
    }
    port.read(poll.registry(), now);
    let count = port.events.len();
    assert!(count > 0 && count <= 64, "{count}");
    assert_eq!(port.poll_timeout(), Some(now + PAUSE));
    // The loop is not woken until then.
    let mut events = Events::with_capacity(8);
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    events.clear();
    send("127.0.0.25", number, "flood");
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(events.is_empty());
    port.handle_timeout(poll.registry(), now + PAUSE);
    assert!(port.events.len() > count);
}

#[test]
fn a_flood_from_elsewhere_keeps_no_packet_of_the_card_out() {
    let mut poll = Poll::new().unwrap();
    let number = free_port();
    let mut port = port_for(&poll, number, "127.0.0.26");
    let now = Instant::now();
    let flood = || (0..200).for_each(|_| send("127.0.0.27", number, "flood"));
    let own = |port: &CardPort| {
        let is_own = |event: &&Event| matches!(event, Event::Datagram { bytes, .. } if bytes == b"card");
        port.events.iter().filter(is_own).count()
    };
    flood();
    send("127.0.0.26", number, "card");
    port.read(poll.registry(), now);
    assert_eq!(own(&port), 1);
    assert!(matches!(port.events.front(), Some(Event::Datagram { bytes, .. }) if bytes == b"card"));
    // Nor while the flood has to wait: what the card sends then wakes the loop, and it alone.
    assert_eq!(port.poll_timeout(), Some(now + PAUSE));
    let mut events = Events::with_capacity(8);
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    flood();
    send("127.0.0.26", number, "card");
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    let woken: Vec<Token> = events.iter().map(mio::event::Event::token).collect();
    let [token] = woken[..] else { panic!("{woken:?}") };
    let before = port.events.len();
    port.ready(poll.registry(), token, now);
    assert_eq!((own(&port), port.events.len() - before), (2, 1));
}
