//! A UPS that speaks Modbus: bytes between and within its frames on a line, answers to nobody over TCP.

use std::collections::VecDeque;

use mainsd::bus::{serial, stream};
use mainsd::link::Link;
use mainsd::link::modbus::{SerialModbus, TcpModbus};

use super::*;
use crate::support::modbus::Unit;

/// What comes unasked, so often, and how long an answer takes.
#[derive(Clone, Debug)]
struct Noise {
    bytes: Vec<u8>,
    every: Duration,
    latency: Duration,
}

impl Noise {
    fn new(random: &mut Random, words: &[&[u8]]) -> Self {
        let count = random.below(3);
        Self {
            bytes: (0..count).flat_map(|_| random.one_of(words).to_vec()).collect(),
            every: random.millis(5, 300),
            latency: random.millis(10, 130),
        }
    }
}

/// What a way of being connected has of its own.
trait Way: Link {
    fn new(now: Instant) -> Self;
    fn came(&mut self, now: Instant, bytes: Vec<u8>);
    /// The frame that is sent, if something else is not done.
    fn sent(&mut self, now: Instant) -> Option<Option<Vec<u8>>>;
    fn answer(unit: &mut Unit, frame: &[u8]) -> Option<Vec<u8>>;
}

impl Way for SerialModbus {
    fn new(now: Instant) -> Self {
        let mut link = Self::new("port", Duration::from_secs(60));
        link.handle_event(now, serial::Event::Opened);
        link
    }

    fn came(&mut self, now: Instant, bytes: Vec<u8>) {
        self.handle_event(now, serial::Event::Bytes(bytes));
    }

    fn sent(&mut self, now: Instant) -> Option<Option<Vec<u8>>> {
        Some(match self.poll_transmit(now)? {
            serial::Transmit::Bytes(frame) => Some(frame),
            serial::Transmit::Reopen => {
                self.handle_event(now, serial::Event::Opened);
                None
            }
            other => panic!("{other:?}"),
        })
    }

    fn answer(unit: &mut Unit, frame: &[u8]) -> Option<Vec<u8>> {
        unit.rtu(frame)
    }
}

impl Way for TcpModbus {
    fn new(now: Instant) -> Self {
        Self::new(&stream::Target::parse("card", 502), Duration::from_secs(60), now)
    }

    fn came(&mut self, now: Instant, bytes: Vec<u8>) {
        self.handle_event(now, stream::Event::Bytes(bytes));
    }

    fn sent(&mut self, now: Instant) -> Option<Option<Vec<u8>>> {
        Some(match self.poll_transmit(now)? {
            stream::Transmit::Send(frame) => Some(frame.into_owned()),
            stream::Transmit::Connect { .. } => {
                self.handle_event(now, stream::Event::Connected);
                None
            }
            stream::Transmit::Close => None,
        })
    }

    fn answer(unit: &mut Unit, frame: &[u8]) -> Option<Vec<u8>> {
        Some(unit.tcp(frame))
    }
}

fn life<L: Way>(random: &mut Random, noise: &Noise) -> (u64, Option<String>) {
    let mut now = start();
    let times = Times::new(now, random);
    let mut unit = Unit::new();
    let mut link = L::new(now);
    let mut judge = Judge::new(times);
    let mut coming: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut noise_at = times.noise;
    let mut steps = 0;
    while now < times.end {
        steps += 1;
        unit.mains(now < times.fails);
        link.handle_timeout(now);
        while let Some(sent) = link.sent(now) {
            if let Some(answer) = sent.and_then(|frame| L::answer(&mut unit, &frame)) {
                coming.push_back((now + noise.latency, answer));
            }
        }
        while let Some(event) = link.poll_event() {
            if let Some(poll_rate) = judge.take(&event, now) {
                link.set_poll_rate(poll_rate, now);
            }
        }
        let timer = link.poll_timeout().map(|at| at.max(now + Duration::from_micros(200)));
        let noises = (noise_at < times.quiet && !noise.bytes.is_empty()).then_some(noise_at);
        let answers = coming.front().map(|(at, _)| *at);
        now = [timer, noises, answers].into_iter().flatten().fold(times.end, Instant::min).max(now);
        if noises.is_some_and(|at| at <= now) {
            link.came(now, noise.bytes.clone());
            noise_at = now + noise.every;
        }
        while coming.front().is_some_and(|(at, _)| *at <= now) {
            link.came(now, coming.pop_front().unwrap().1);
        }
    }
    (steps, judge.broken().map(|broken| format!("{broken}: {noise:?}")))
}

#[test]
fn a_ups_on_a_line_is_heard_or_lost_whatever_comes_unasked() {
    // Single bytes, the beginning of an answer, a whole one that nobody asked for, another unit's.
    let words: [&[u8]; 5] =
        [&[0x55], &[1, 3, 4], &[1, 3, 4, 0, 0, 0, 4, 0xfa, 0x30], &[2, 3, 2, 0, 0], &[0; 40]];
    lives(30_000, |random| {
        let noise = Noise::new(random, &words);
        life::<SerialModbus>(random, &noise)
    });
}

#[test]
fn a_card_is_heard_or_lost_whatever_comes_unasked() {
    let words: [&[u8]; 2] = [&[0xff, 0xff, 0, 0, 0, 7, 1, 3, 4, 0, 0, 0, 4], &[0, 1, 0, 0, 0, 3, 1, 0x83, 2]];
    lives(30_000, |random| {
        let noise = Noise::new(random, &words);
        life::<TcpModbus>(random, &noise)
    });
}
