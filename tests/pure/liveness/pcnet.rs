//! A network card that sends packets, of which some are lost, among those of others, recorded ones and rubbish.

use std::net::SocketAddr;

use mainsd::bus::card::{Event, Transmit};
use mainsd::link::Link;
use mainsd::link::pcnet::{Card, PORT, PcnetLink, Settings};

use super::*;
use crate::support::pcnet::{PHRASE, USER, Unit};

/// Between two packets of the card (pcnet §4).
const INTERVAL: Duration = Duration::from_secs(25);

/// What comes beside the card's packets.
#[derive(Clone, Debug)]
struct Noise {
    packets: Vec<Vec<u8>>,
    every: Duration,
}

impl Noise {
    fn new(random: &mut Random, recorded: &[Vec<u8>]) -> Self {
        let count = 1 + random.below(4);
        let packets = (0..count).map(|_| match random.below(4) {
            0 => recorded[index(random, recorded.len())].clone(),
            1 => {
                let mut forged = Unit::new("10.0.0.1");
                forged.phrase = "another phrase".to_owned();
                forged.starts = 200;
                forged.packet()
            }
            2 => {
                let mut cut = recorded[index(random, recorded.len())].clone();
                cut.truncate(index(random, cut.len()));
                cut
            }
            _ => b"MASTATUS\nSR=FF\nSU=FFFFFF\n51=10\nSD=1\nMD=0\n".to_vec(),
        });
        Self { packets: packets.collect(), every: random.millis(1, 900) }
    }
}

fn index(random: &mut Random, length: usize) -> usize {
    usize::try_from(random.below(length as u64)).unwrap()
}

fn life(random: &mut Random) -> (u64, Option<String>) {
    let mut now = start();
    let times = Times::new(now, random);
    let mut unit = Unit::new("10.0.0.1");
    unit.starts = 2;
    // An outage of long ago, and a while on mains before.
    let recorded: Vec<Vec<u8>> = (0..12)
        .map(|number| {
            unit.mains(number < 6);
            unit.packet()
        })
        .collect();
    unit.starts = 9;
    unit.mains(true);
    let noise = Noise::new(random, &recorded);
    let from: SocketAddr = "10.0.0.1:9".parse().unwrap();
    let card = Card::new("10.0.0.1", (USER, PHRASE), 80);
    let settings = Settings { card: Some(card), port: PORT, counters: Some([9, 0]) };
    let mut link = PcnetLink::new(settings, now);
    let mut judge = Judge::new(times);
    let (mut next, mut noise_at, mut failed, mut steps) = (now, times.noise, false, 0);
    while now < times.end {
        steps += 1;
        link.handle_timeout(now);
        while let Some(transmit) = link.poll_transmit(now) {
            assert_eq!(transmit, Transmit::LookUp);
            link.handle_event(now, Event::Addresses(Ok(vec![from.ip()])));
        }
        while let Some(event) = link.poll_event() {
            assert!(!matches!(event, LinkEvent::Remote(true)), "nobody has ordered it: {noise:?}");
            if let LinkEvent::Reading(reading) = &event {
                assert!(failed || !reading.status.contains(StatusFlags::ONBATT), "mains is there: {noise:?}");
            }
            judge.take(&event, now);
        }
        let timer = link.poll_timeout().map(|at| at.max(now + Duration::from_micros(200)));
        let noises = (noise_at < times.quiet).then_some(noise_at);
        let fails = (!failed).then_some(times.fails);
        now = [timer, noises, fails, Some(next)].into_iter().flatten().fold(times.end, Instant::min).max(now);
        if noises.is_some_and(|at| at <= now) {
            for bytes in noise.packets.clone() {
                link.handle_event(now, Event::Datagram { bytes, from });
            }
            noise_at = now + noise.every;
        }
        if !failed && now >= times.fails {
            (failed, next) = (true, now);
            unit.mains(false);
        }
        if now >= next {
            unit.uptime += 100;
            link.handle_event(now, Event::Datagram { bytes: unit.packet(), from });
            next = now + INTERVAL;
        }
    }
    (steps, judge.broken().map(|broken| format!("{broken}: {noise:?}")))
}

#[test]
fn a_card_is_heard_whatever_others_send_and_nobody_else_is() {
    lives(30_000, life);
}
