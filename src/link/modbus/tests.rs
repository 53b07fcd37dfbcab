#![allow(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::*;
use crate::bus::{serial, stream};
use crate::ups::{Item, Reading, StatusFlags, TransferCause};
use unit::Unit;

mod believed;
mod card;
mod missing;
mod orders;
mod random;
mod reboot;
#[path = "../../../tests/support/modbus/unit.rs"]
#[allow(clippy::cast_possible_truncation, reason = "bytes are made")]
mod unit;

const SECOND: Duration = Duration::from_secs(1);
/// From a request to its answer.
const DELAY: Duration = Duration::from_millis(60);

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrives,
    Lost,
    Garbled,
    Twice,
    Late(Duration),
}

type Fates = Box<dyn FnMut(&[u8]) -> Fate>;

/// A UPS at the other end, and the clock.
struct Bench {
    unit: Unit,
    link: SerialModbus,
    now: Instant,
    start: Instant,
    coming: VecDeque<(Instant, Vec<u8>)>,
    fate: Fates,
    told: Vec<(Instant, LinkEvent)>,
    requests: Vec<(Instant, Vec<u8>)>,
    /// When something came.
    arrivals: BTreeSet<Instant>,
    reopened: usize,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let mut link = SerialModbus::new("/dev/ttyS0", 60 * SECOND);
        link.handle_event(now, serial::Event::Opened);
        Self {
            unit: Unit::new(),
            link,
            now,
            start: now,
            coming: VecDeque::new(),
            fate: Box::new(|_| Fate::Arrives),
            told: Vec::new(),
            requests: Vec::new(),
            arrivals: BTreeSet::new(),
            reopened: 0,
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            while let Some(transmit) = self.link.poll_transmit(self.now) {
                match transmit {
                    serial::Transmit::Bytes(frame) => self.asked(frame),
                    serial::Transmit::Reopen => {
                        self.reopened += 1;
                        self.link.handle_event(self.now, serial::Event::Opened);
                    }
                    other => panic!("{other:?}"),
                }
            }
            while let Some(event) = self.link.poll_event() {
                self.told.push((self.now, event));
            }
            let deadline = self.link.poll_timeout();
            let next = self.coming.front().map(|(at, _)| *at).into_iter().chain(deadline).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            // A deadline that stays in the past would be a loop without end.
            self.now = self.now.max(next);
            let has_come = self.coming.front().is_some_and(|(at, _)| *at <= self.now);
            match if has_come { self.coming.pop_front() } else { None } {
                Some((_, bytes)) => {
                    self.arrivals.insert(self.now);
                    self.link.handle_event(self.now, serial::Event::Bytes(bytes));
                }
                None => self.link.handle_timeout(self.now),
            }
        }
    }

    fn asked(&mut self, frame: Vec<u8>) {
        let fate = (self.fate)(&frame);
        if let Some(answer) = self.unit.rtu(&frame) {
            // In the order of the requests: a line has no other.
            let last = self.coming.back().map_or(self.now, |(at, _)| *at);
            let late = if let Fate::Late(by) = fate { by } else { Duration::ZERO };
            let at = (self.now + DELAY + late).max(last);
            match fate {
                Fate::Lost => {}
                Fate::Garbled => {
                    let mut bytes = answer;
                    bytes[2] ^= 0x10;
                    self.coming.push_back((at, bytes));
                }
                Fate::Arrives | Fate::Late(_) => self.coming.push_back((at, answer)),
                Fate::Twice => self.coming.push_back((at, [answer.clone(), answer].concat())),
            }
        }
        self.requests.push((self.now, frame));
    }

    fn readings(&self) -> impl Iterator<Item = (Instant, &Reading)> {
        self.told.iter().filter_map(|(at, event)| match event {
            LinkEvent::Reading(reading) => Some((*at, &**reading)),
            _ => None,
        })
    }

    fn last(&self) -> &Reading {
        self.readings().last().expect("a reading").1
    }

    fn is_lost(&self) -> bool {
        let state = self.told.iter().rev().find_map(|(_, event)| match event {
            LinkEvent::Lost { .. } => Some(true),
            LinkEvent::Attached(_) => Some(false),
            _ => None,
        });
        state != Some(false)
    }

    /// The first reading that is on battery after this moment.
    fn on_battery_after(&self, at: Instant) -> Option<Duration> {
        let mut later = self.readings().filter(|(told, _)| *told >= at);
        let found = later.find(|(_, reading)| reading.status.contains(StatusFlags::ONBATT))?;
        Some(found.0.duration_since(at))
    }
}

#[test]
fn a_ups_is_known_within_two_seconds() {
    let mut bench = Bench::new();
    bench.run(2 * SECOND);
    let attached = bench.told.iter().find_map(|(_, event)| match event {
        LinkEvent::Attached(identity) => Some(identity.clone()),
        _ => None,
    });
    let identity = attached.expect("attached");
    assert_eq!(identity.model.as_deref(), Some("Smart-UPS 750"));
    assert_eq!(identity.firmware.as_deref(), Some("UPS 09.3 / 0001"));
    assert_eq!(identity.serial.as_deref(), Some("AS1234567890"));
    assert_eq!(identity.name.as_deref(), Some("rack"));
    assert_eq!(identity.manufacture_date.as_deref(), Some("2024-01-01"));
    assert_eq!(identity.battery_date.as_deref(), Some("2024-08-22"));
    assert_eq!(
        (identity.nominal_output_voltage, identity.high_transfer, identity.low_transfer),
        (Some(230), Some(253), Some(207))
    );
    assert_eq!((identity.shutdown_delay, identity.wake_delay), (Some(20), Some(5)));
    assert_eq!(
        (identity.nominal_power, identity.nominal_apparent_power),
        (Some(crate::ups::Watts(500.0)), Some(crate::ups::VoltAmps(750.0)))
    );
    let reading = bench.last();
    assert_eq!(reading.status, StatusFlags::ONLINE | StatusFlags::BATTPRESENT);
    assert_eq!(reading.mains, Some(true));
    let values = &reading.values;
    assert_eq!(values.battery_charge, Some(crate::ups::Percent(100.0)));
    assert_eq!(values.runtime_left, Some(crate::ups::Minutes(60.0)), "rounded down");
    assert_eq!(values.line_voltage, Some(crate::ups::Volts(231.0)));
    assert_eq!(values.output_current, Some(crate::ups::Amps(1.5)));
    assert_eq!(values.temperature, Some(crate::ups::Celsius(31.0)));
    assert_eq!(values.transfer_cause, None, "not on battery");
    assert_eq!(values.self_test, Some(crate::ups::SelfTestResult::NotAvailable));
}

#[test]
fn a_full_poll_is_two_requests_beside_the_status_and_takes_less_than_half_a_second() {
    let mut bench = Bench::new();
    bench.run(5 * SECOND);
    let before = bench.requests.len();
    let begun = bench.now;
    bench.link.command(Command::Poll, begun);
    bench.run(SECOND / 2);
    let answered =
        bench.told.iter().find(|(_, event)| matches!(event, LinkEvent::Command(_))).expect("an answer");
    assert!(answered.0.duration_since(begun) < SECOND / 2);
    assert!(bench.requests.len() - before <= 3, "{:?}", bench.requests);
}

#[test]
fn a_power_failure_is_seen_twice_within_a_second_and_a_half() {
    let mut bench = Bench::new();
    bench.run(10 * SECOND + SECOND / 3);
    let at = bench.now;
    bench.unit.mains(false);
    bench.run(2 * SECOND);
    assert!(bench.on_battery_after(at).unwrap() <= SECOND + DELAY + Duration::from_millis(50));
    let samples: BTreeSet<Instant> = bench
        .readings()
        .filter(|(told, reading)| {
            *told <= at + 3 * SECOND / 2 && reading.status.contains(StatusFlags::ONBATT)
        })
        .filter_map(|(_, reading)| reading.read.of(Item::Line))
        .collect();
    assert!(samples.len() >= 2, "two looks of their own: {samples:?}");
    assert_eq!(bench.last().mains, Some(false));
    assert_eq!(bench.last().values.transfer_cause, Some(TransferCause::LowLine));
    assert_eq!(bench.last().values.line_voltage, Some(crate::ups::Volts(0.0)));
    bench.unit.mains(true);
    bench.run(2 * SECOND);
    assert_eq!(bench.last().values.transfer_cause, Some(TransferCause::LowLine), "it stays");
    assert!(bench.last().status.contains(StatusFlags::ONLINE));
}

#[test]
fn on_battery_the_status_is_asked_for_every_second_before_everything_else() {
    let mut bench = Bench::new();
    bench.unit.mains(false);
    bench.link.set_poll_rate(PollRate::Fast, bench.now);
    bench.run(3 * SECOND);
    let from = bench.requests.len();
    bench.run(20 * SECOND);
    let is_status = |frame: &[u8]| frame[..6] == [1, 3, 0, 0, 0, 2];
    let at: Vec<Instant> =
        bench.requests[from..].iter().filter(|(_, frame)| is_status(frame)).map(|it| it.0).collect();
    assert!(at.len() >= 18, "{}", at.len());
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] <= SECOND + Duration::from_millis(300)), "{at:?}");
}

#[test]
fn the_line_is_silent_for_45_ms_before_each_request() {
    let mut bench = Bench::new();
    bench.run(5 * SECOND);
    let mut last = bench.start;
    for (at, _) in &bench.requests {
        assert!(*at - last >= Duration::from_millis(45));
        last = *at + DELAY;
    }
}

#[test]
fn a_block_that_is_refused_is_read_item_by_item_and_only_what_is_refused_alone_is_left_out() {
    let mut bench = Bench::new();
    bench.unit.refused = vec![22, 135, 1027];
    bench.run(10 * SECOND);
    assert!(!bench.is_lost());
    let reading = bench.last();
    assert_eq!(reading.values.temperature, None);
    assert_eq!(reading.values.battery_charge, Some(crate::ups::Percent(100.0)));
    assert!(reading.status.contains(StatusFlags::BATTPRESENT), "nothing says that it is not there");
    let identity = bench.told.iter().find_map(|(_, event)| match event {
        LinkEvent::Attached(identity) => Some(identity.clone()),
        _ => None,
    });
    assert_eq!(identity.map(|it| (it.high_transfer, it.low_transfer)), Some((Some(253), None)));
    // It is not asked for again until the connection is made anew.
    let before = bench.unit.asked.len();
    bench.link.command(Command::Poll, bench.now);
    bench.run(10 * SECOND);
    assert!(!bench.unit.asked[before..].iter().any(|(_, address, count)| (*address, *count) == (135, 1)));
    bench.unit.mains(false);
    let at = bench.now;
    bench.run(2 * SECOND);
    assert!(bench.on_battery_after(at).is_some());
}

#[test]
fn the_status_is_asked_for_again_however_often_it_is_refused() {
    let mut bench = Bench::new();
    bench.run(3 * SECOND);
    bench.unit.refused = vec![0];
    bench.run(5 * SECOND);
    assert!(!bench.is_lost(), "not yet");
    bench.unit.refused.clear();
    bench.unit.mains(false);
    let at = bench.now;
    bench.run(2 * SECOND);
    assert!(bench.on_battery_after(at).is_some());
}

#[test]
fn bad_checksums_alone_lose_nothing_for_some_seconds_and_silence_is_a_loss_after_ten() {
    let mut bench = Bench::new();
    bench.run(5 * SECOND);
    bench.fate = Box::new(|_| Fate::Garbled);
    bench.run(5 * SECOND);
    assert!(!bench.is_lost());
    bench.fate = Box::new(|_| Fate::Arrives);
    bench.run(5 * SECOND);
    assert!(!bench.is_lost());
    bench.fate = Box::new(|_| Fate::Lost);
    bench.run(9 * SECOND);
    assert!(!bench.is_lost());
    bench.run(3 * SECOND);
    assert!(bench.is_lost());
    assert_eq!(bench.reopened, 1);
    bench.run(60 * SECOND);
    let losses = bench.told.iter().filter(|(_, event)| matches!(event, LinkEvent::Lost { .. })).count();
    assert_eq!(losses, 1, "told once");
    bench.fate = Box::new(|_| Fate::Arrives);
    bench.run(5 * SECOND);
    assert!(!bench.is_lost(), "it is there again");
}

#[test]
fn what_makes_no_sense_is_no_data() {
    let mut bench = Bench::new();
    bench.run(3 * SECOND);
    for status in [1 << 1 | 1 << 2, 1 << 2 | 1 << 4, u32::MAX] {
        bench.unit.set32(0, status);
        let at = bench.now;
        bench.run(4 * SECOND);
        assert_eq!(bench.on_battery_after(at), None, "{status:x}");
        assert!(!bench.is_lost());
        bench.unit.mains(true);
        bench.run(2 * SECOND);
    }
    bench.unit.registers.insert(130, 120 << 9);
    bench.link.command(Command::Poll, bench.now);
    bench.run(SECOND);
    assert_eq!(bench.last().values.battery_charge, Some(crate::ups::Percent(100.0)), "what it said before");
}

#[test]
fn a_charge_or_runtime_that_was_never_more_than_0_is_one_that_the_ups_does_not_have() {
    let mut bench = Bench::new();
    bench.unit.battery(0, 0, false);
    bench.run(3 * SECOND);
    let values = &bench.last().values;
    assert_eq!((values.battery_charge, values.runtime_left), (None, None));
    bench.unit.battery(5, 120, false);
    bench.link.command(Command::Poll, bench.now);
    bench.run(SECOND);
    bench.unit.battery(0, 0, true);
    bench.link.command(Command::Poll, bench.now);
    bench.run(SECOND);
    let values = &bench.last().values;
    assert_eq!(
        (values.battery_charge, values.runtime_left),
        (Some(crate::ups::Percent(0.0)), Some(crate::ups::Minutes(0.0)))
    );
    assert!(bench.last().status.contains(StatusFlags::BATTLOW));
}

#[test]
fn noise_without_end_keeps_no_memory_and_loses_the_ups() {
    let mut bench = Bench::new();
    bench.run(3 * SECOND);
    for _ in 0..1500 {
        bench.link.handle_event(bench.now, serial::Event::Bytes(vec![0x55; 64]));
        bench.run(SECOND / 100);
    }
    assert!(bench.is_lost());
}

#[test]
fn a_card_is_asked_over_tcp_and_a_closed_connection_is_made_anew_before_it_is_a_loss() {
    let mut now = Instant::now();
    let mut unit = Unit::new();
    let target = stream::Target::parse("card", PORT);
    let mut link = TcpModbus::new(&target, 60 * SECOND, now);
    let mut events: Vec<LinkEvent> = Vec::new();
    let mut connections = 0;
    let end = now + 30 * SECOND;
    let mut closed = false;
    while now < end {
        while let Some(transmit) = link.poll_transmit(now) {
            match transmit {
                stream::Transmit::Connect { target: 0, .. } => {
                    connections += 1;
                    link.handle_event(now, stream::Event::Connected);
                }
                stream::Transmit::Send(frame) => {
                    // In two parts, and with an answer to nobody before it.
                    let answer = unit.tcp(&frame);
                    let foreign = unit.tcp(&[0xff, 0xff, 0, 0, 0, 6, 1, 3, 0, 0, 0, 2]);
                    let (first, rest) = answer.split_at(4);
                    for bytes in [&foreign, first, rest] {
                        link.handle_event(now, stream::Event::Bytes(bytes.to_vec()));
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        events.extend(std::iter::from_fn(|| link.poll_event()));
        if !closed && now > end - 15 * SECOND {
            closed = true;
            link.handle_event(now, stream::Event::Closed("reset".to_owned()));
        }
        now = link.poll_timeout().map_or(end, |at| at.max(now + Duration::from_millis(1)));
        link.handle_timeout(now);
    }
    assert_eq!(connections, 2);
    assert!(!events.iter().any(|event| matches!(event, LinkEvent::Lost { .. })));
    assert!(events.iter().filter(|event| matches!(event, LinkEvent::Reading(_))).count() > 20);
}
