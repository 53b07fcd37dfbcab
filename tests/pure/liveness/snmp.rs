//! A network card by SNMP: answers to nobody, another card's, senseless datagrams, and what it sends by itself.

use std::collections::VecDeque;
use std::net::IpAddr;

use mainsd::bus::datagram::{Event, Socket, Transmit};
use mainsd::link::Link;
use mainsd::link::snmp::{Device, Settings, SnmpLink};

use super::*;
use crate::support::snmp::{Unit, element, integer};

const CARD: [u8; 4] = [10, 0, 0, 7];

/// What comes unasked, so often, and how long an answer takes.
#[derive(Clone, Debug)]
struct Noise {
    datagrams: Vec<(Vec<u8>, Socket)>,
    every: Duration,
    latency: Duration,
}

/// An answer with a number that a request may have had, and a notification.
fn words() -> Vec<(Vec<u8>, Socket)> {
    let message = |kind: u8, request: i64| {
        let number = |value: i64| element(2, &integer(value));
        let content = [number(request), number(0), number(0), element(0x30, &[])].concat();
        element(0x30, &[number(1), element(4, b"private"), element(kind, &content)].concat())
    };
    vec![
        (message(0xa2, 3), Socket::Peer),
        (message(0xa2, 900), Socket::Peer),
        (vec![0x30, 0x82, 0xff], Socket::Peer),
        (Vec::new(), Socket::Peer),
        (message(0xa7, 5), Socket::Listener),
        (message(0xa6, 6), Socket::Listener),
        (vec![0x30, 3, 2, 1, 3], Socket::Listener),
    ]
}

fn life(random: &mut Random, noise: &Noise, unit: Unit) -> (u64, Option<String>) {
    let mut now = start();
    let times = Times::new(now, random);
    let mut unit = unit;
    let settings = Settings {
        device: Device::parse("card").unwrap(),
        version: None,
        login: None,
        poll_time: Duration::from_secs(60),
        first_number: 1,
    };
    let mut link = SnmpLink::new(settings, now);
    let mut judge = Judge::new(times);
    let mut coming: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut noise_at = times.noise;
    let mut steps = 0;
    let address = IpAddr::from(CARD);
    while now < times.end {
        steps += 1;
        unit.mains(now < times.fails);
        link.handle_timeout(now);
        while let Some(transmit) = link.poll_transmit(now) {
            match transmit {
                Transmit::Open => link.handle_event(now, Event::Opened(vec![address])),
                Transmit::Send(bytes) => {
                    coming.extend(unit.answer(&bytes).map(|answer| (now + noise.latency, answer)));
                }
                Transmit::Answer(..) => {}
            }
        }
        while let Some(event) = link.poll_event() {
            if let Some(poll_rate) = judge.take(&event, now) {
                link.set_poll_rate(poll_rate, now);
            }
        }
        let timer = link.poll_timeout().map(|at| at.max(now + Duration::from_micros(200)));
        let noises = (noise_at < times.quiet && !noise.datagrams.is_empty()).then_some(noise_at);
        let answers = coming.front().map(|(at, _)| *at);
        now = [timer, noises, answers].into_iter().flatten().fold(times.end, Instant::min).max(now);
        let mut came = |bytes, socket| {
            link.handle_event(now, Event::Bytes { bytes, from: (address, 161).into(), socket });
        };
        if noises.is_some_and(|at| at <= now) {
            noise.datagrams.iter().cloned().for_each(|(bytes, socket)| came(bytes, socket));
            noise_at = now + noise.every;
        }
        while coming.front().is_some_and(|(at, _)| *at <= now) {
            came(coming.pop_front().unwrap().1, Socket::Peer);
        }
    }
    (steps, judge.broken().map(|broken| format!("{broken}: {noise:?}")))
}

#[test]
fn a_card_is_heard_or_lost_whatever_comes_unasked() {
    let words = words();
    lives(40_000, |random| {
        let count = random.below(4);
        let noise = Noise {
            datagrams: (0..count).map(|_| words[random.below(words.len() as u64) as usize].clone()).collect(),
            every: random.millis(5, 300),
            latency: random.millis(1, 900),
        };
        let mut unit = match random.below(3) {
            0 => Unit::powernet(),
            1 => Unit::rfc1628(),
            _ => Unit::mge(),
        };
        unit.versions = vec![random.below(2) as i64];
        life(random, &noise, unit)
    });
}
