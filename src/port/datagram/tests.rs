//! Real sockets on loopback.
#![allow(clippy::disallowed_methods, reason = "sockets go by the real clock")]

use std::net::{Ipv4Addr, UdpSocket};

use mio::{Events, Poll};

use super::*;

const LIMIT: Duration = Duration::from_secs(30);

/// Turns the port's loop until there is an event.
fn next(poll: &mut Poll, port: &mut DatagramPort) -> Event {
    let limit = Instant::now() + LIMIT;
    let mut events = Events::with_capacity(8);
    loop {
        if let Some(event) = port.poll_event() {
            return event;
        }
        let now = Instant::now();
        assert!(now < limit, "no event");
        // The end of a look-up is a signal, which wakes the loop of a daemon only.
        let until = port.poll_timeout().unwrap_or(limit).min(now + Duration::from_millis(20));
        crate::sys::poll_through_signals(poll, &mut events, until.saturating_duration_since(now));
        for event in &events {
            port.ready(poll.registry(), event.token(), Instant::now());
        }
        port.handle_timeout(poll.registry(), Instant::now());
    }
}

fn peer() -> (UdpSocket, Target) {
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    peer.set_read_timeout(Some(LIMIT)).unwrap();
    let port = peer.local_addr().unwrap().port();
    (peer, Target { host: "127.0.0.1".to_owned(), port })
}

fn bytes(event: Event) -> (Vec<u8>, SocketAddr, Socket) {
    match event {
        Event::Bytes { bytes, from, socket } => (bytes, from, socket),
        event => panic!("{event:?}"),
    }
}

#[test]
fn datagrams_go_to_the_peer_and_come_from_it_whole_and_one_by_one() {
    let mut poll = Poll::new().unwrap();
    let (agent, target) = peer();
    let mut port = DatagramPort::new(Some(target), None, Token(7), Instant::now());
    port.transmit(poll.registry(), Transmit::Open, Instant::now());
    assert_eq!(port.poll_event(), Some(Event::Opened(vec![Ipv4Addr::LOCALHOST.into()])));
    port.transmit(poll.registry(), Transmit::Send(b"ask".to_vec()), Instant::now());
    let mut buffer = [0; 8];
    let (length, from) = agent.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"ask");
    for answer in [&b"one"[..], &[], &[5; 8192]] {
        agent.send_to(answer, from).unwrap();
        let expected = (answer.to_vec(), agent.local_addr().unwrap(), Socket::Peer);
        assert_eq!(bytes(next(&mut poll, &mut port)), expected);
    }
    Port::close(&mut port, poll.registry());
    assert_eq!(port.poll_event(), None);
}

#[test]
fn where_nobody_listens_the_socket_is_closed_with_the_words_of_the_system() {
    let mut poll = Poll::new().unwrap();
    let (agent, target) = peer();
    drop(agent);
    let mut port = DatagramPort::new(Some(target), None, Token(7), Instant::now());
    port.transmit(poll.registry(), Transmit::Open, Instant::now());
    assert!(matches!(port.poll_event(), Some(Event::Opened(_))));
    port.transmit(poll.registry(), Transmit::Send(b"ask".to_vec()), Instant::now());
    assert_eq!(next(&mut poll, &mut port), Event::Closed("Connection refused".to_owned()));
}

#[test]
fn a_name_is_looked_up_and_each_opening_takes_the_next_address() {
    let mut poll = Poll::new().unwrap();
    let (_agent, target) = peer();
    let named = Target { host: "localhost".to_owned(), ..target };
    let mut port = DatagramPort::new(Some(named), None, Token(7), Instant::now());
    port.transmit(poll.registry(), Transmit::Open, Instant::now());
    let Event::Opened(first) = next(&mut poll, &mut port) else { panic!("not open") };
    assert!(first.contains(&Ipv4Addr::LOCALHOST.into()), "{first:?}");
    for turn in 1..=first.len() {
        port.transmit(poll.registry(), Transmit::Open, Instant::now());
        let mut expected = first.clone();
        expected.rotate_left(turn % first.len());
        assert_eq!(next(&mut poll, &mut port), Event::Opened(expected));
    }
    let nowhere = Target { host: "nowhere.invalid".to_owned(), port: 161 };
    let mut port = DatagramPort::new(Some(nowhere), None, Token(7), Instant::now());
    port.transmit(poll.registry(), Transmit::Open, Instant::now());
    assert_eq!(next(&mut poll, &mut port), Event::Closed("its name has no address".to_owned()));
}

/// A port for UDP that is free for both kinds of addresses.
fn free_port() -> u16 {
    peer().1.port
}

#[test]
fn a_listener_hears_everybody_and_answers() {
    let mut poll = Poll::new().unwrap();
    let number = free_port();
    let mut port = DatagramPort::new(None, Some(number), Token(7), Instant::now());
    port.listen();
    port.start(poll.registry(), Instant::now());
    assert_eq!(next(&mut poll, &mut port), Event::Listening(Ok(())));
    for own in ["127.0.0.1:0", "[::1]:0"] {
        // A machine without IPv6 has no such address.
        let Ok(sender) = UdpSocket::bind(own) else { continue };
        sender.set_read_timeout(Some(LIMIT)).unwrap();
        let from = sender.local_addr().unwrap();
        sender.send_to(b"trap", (from.ip(), number)).unwrap();
        assert_eq!(bytes(next(&mut poll, &mut port)), (b"trap".to_vec(), from, Socket::Listener));
        port.transmit(poll.registry(), Transmit::Answer(from, b"heard".to_vec()), Instant::now());
        let mut buffer = [0; 8];
        assert_eq!(sender.recv(&mut buffer).unwrap(), 5);
    }
}

#[test]
fn a_port_that_somebody_has_is_told_once_and_taken_when_it_is_free() {
    let poll = Poll::new().unwrap();
    let holder = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let number = holder.local_addr().unwrap().port();
    let mut now = Instant::now();
    let mut port = DatagramPort::new(None, Some(number), Token(7), now);
    port.listen();
    port.start(poll.registry(), now);
    let Some(Event::Listening(Err(why))) = port.poll_event() else { panic!("it is held") };
    assert!(why.starts_with(&format!("UDP port {number} is held by ")), "{why}");
    assert_eq!(port.poll_log().unwrap().1, format!("{why}; it is tried again"));
    for _ in 0..3 {
        now = port.poll_timeout().unwrap();
        port.handle_timeout(poll.registry(), now);
        assert_eq!((port.poll_event(), port.poll_log()), (None, None));
    }
    drop(holder);
    // A child of another test may have it for a moment more.
    let limit = Instant::now() + 2 * LIMIT;
    let event = loop {
        now += AGAIN_MAX;
        port.handle_timeout(poll.registry(), now);
        match port.poll_event() {
            None if Instant::now() < limit => std::thread::yield_now(),
            event => break event,
        }
    };
    assert_eq!(event, Some(Event::Listening(Ok(()))));
    assert_eq!(port.poll_log().unwrap().1, format!("UDP port {number} is listened at now"));
}

/// More than the pause between two tries.
const AGAIN_MAX: Duration = Duration::from_secs(61);

#[test]
fn a_program_that_gives_one_order_takes_no_port() {
    let poll = Poll::new().unwrap();
    let mut port = DatagramPort::new(None, Some(free_port()), Token(7), Instant::now());
    port.start(poll.registry(), Instant::now());
    assert_eq!((port.poll_event(), port.poll_log(), port.poll_timeout()), (None, None, None));
}

#[test]
fn a_flood_is_read_in_portions_and_does_not_keep_the_loop_busy() {
    let mut poll = Poll::new().unwrap();
    let number = free_port();
    let mut now = Instant::now();
    let mut port = DatagramPort::new(None, Some(number), Token(7), now);
    port.listen();
    port.start(poll.registry(), now);
    assert_eq!(next(&mut poll, &mut port), Event::Listening(Ok(())));
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut heard = 0;
    for _ in 0..40 {
        for _ in 0..100 {
            sender.send_to(b"x", (Ipv4Addr::LOCALHOST, number)).unwrap();
        }
        port.ready(poll.registry(), Token(9), now);
        heard += std::iter::from_fn(|| port.poll_event()).count();
    }
    assert_eq!(heard, 256, "no more at one moment");
    now = port.poll_timeout().unwrap();
    port.handle_timeout(poll.registry(), now);
    heard += std::iter::from_fn(|| port.poll_event()).count();
    assert!((270..=274).contains(&heard), "{heard}: one in 4 ms");
}
