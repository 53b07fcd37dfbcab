//! Simple signalling from the modem lines to the events, in fake time. What a real port does is tried in the virtual machine
//! (`tests/ci/vm.rs`).

use std::time::{Duration, Instant};

use crate::support::corpus::believed::no_limits;
use mainsd::bus::serial::{Lines, Transmit};
use mainsd::link::dumb::{CABLES, Cable, DumbLink, HOLD};
use mainsd::link::{Link, LinkEvent};
use mainsd::power::{AtStart, Machine, Order};
use mainsd::report::{Facts, Snapshot, Stamp, text};
use mainsd::ups::{Event, Values};
use proptest::prelude::*;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Link and power machine, with a clock of their own.
struct Guard {
    cable: &'static Cable,
    link: DumbLink,
    machine: Machine,
    began: Instant,
    now: Instant,
    lines: Lines,
    values: Values,
    /// Event and when, from the beginning; the shutdown as [`Event::DoShutdown`].
    events: Vec<(Duration, Event)>,
}

impl Guard {
    /// On mains for ten seconds.
    fn new(cable: &'static Cable) -> Self {
        let now = Instant::now();
        let mut link = DumbLink::new(cable, "/dev/ttyS0", secs(60));
        link.handle_opened(now);
        let machine = Machine::new(no_limits(), now, AtStart::default());
        let (lines, values, events) = (Lines::empty(), Values::default(), Vec::new());
        let mut guard = Self { cable, link, machine, began: now, now, lines, values, events };
        guard.ups(false, false);
        guard.pass(secs(10));
        assert_eq!(guard.events, []);
        guard
    }

    fn ups(&mut self, on_battery: bool, low: bool) {
        let mut lines = Lines::empty();
        let said = [Some(self.cable.on_battery).zip(Some(on_battery)), self.cable.low_battery.zip(Some(low))];
        for ((line, level), says) in said.into_iter().flatten() {
            if says == level {
                lines = lines.union(line);
            }
        }
        self.lines = lines;
    }

    fn work(&mut self) {
        self.machine.handle_timeout(self.now);
        while let Some(transmit) = self.link.poll_transmit(self.now) {
            if transmit == Transmit::Look {
                let rest = self.cable.rest;
                self.link.handle_lines(self.now, Some(self.lines.union(rest.raise)));
            }
        }
        loop {
            if let Some(event) = self.link.poll_event() {
                match event {
                    LinkEvent::Attached(_) => self.machine.handle_attached(self.now),
                    LinkEvent::Reading(reading) => {
                        self.machine.handle_reading(self.now, &reading);
                        self.values = reading.values;
                    }
                    LinkEvent::Lost { reason } => self.machine.handle_lost(self.now, &reason),
                    LinkEvent::Command(result) => self.machine.handle_command_result(self.now, &result),
                    _ => {}
                }
                continue;
            }
            let event = match self.machine.poll_order() {
                None => return,
                Some(Order::Event(event) | Order::EventWithReason(event, _)) => event,
                Some(Order::Shutdown { .. }) => Event::DoShutdown,
                Some(Order::SetPace(poll_rate)) => {
                    self.link.set_poll_rate(poll_rate, self.now);
                    continue;
                }
                Some(Order::Command(command)) => {
                    self.link.command(command, self.now);
                    continue;
                }
                Some(_) => continue,
            };
            self.events.push((self.now - self.began, event));
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.work();
        loop {
            let next = [self.link.poll_timeout(), self.machine.poll_timeout()].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.work();
        }
        self.now = end;
    }

    /// The status report of this moment, each record's key with its value; of moments and spans only that they are there.
    fn status(&self) -> Vec<String> {
        let view = self.machine.view();
        let moment = |at: Option<Instant>| at.map(|_| Stamp::new(1_795_230_000, 3600));
        let facts = Facts {
            hostname: "(none)".into(),
            version: "3.14.14 (31 May 2016) debian".into(),
            cable: "APC Cable 940-0119A".into(),
            driver: "DUMB UPS Driver".into(),
            share: Some(String::new()),
            battery_level: 5,
            minutes: 3,
            ..Facts::default()
        };
        let snapshot = Snapshot {
            facts,
            ups_name: Some("bench".into()),
            values: self.values.clone(),
            flags: view.flags,
            transfers: view.transfers,
            on_battery_at: moment(view.on_battery_at),
            off_battery_at: moment(view.off_battery_at),
            ..Snapshot::default()
        };
        compared(&text(&snapshot))
    }

    fn told(&self) -> Vec<Event> {
        self.events.iter().map(|(_, event)| *event).collect()
    }
}

fn compared(report: &str) -> Vec<String> {
    let record = |line: &str| match line.split_once(": ").unwrap() {
        (key, _) if key.starts_with("APC ") => key.to_owned(),
        (key, value)
            if value.contains("+0") || value.ends_with(" Seconds") && !key.starts_with("MAXTIME") =>
        {
            key.to_owned()
        }
        _ => line.to_owned(),
    };
    report.lines().map(record).collect()
}

/// The same as recorded from apcupsd 3.14.14.
fn recorded(name: &str) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/nis").join(name);
    let bytes = std::fs::read(path).unwrap();
    let mut report = String::new();
    let mut rest = &bytes[..];
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (record, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
        report.push_str(std::str::from_utf8(record).unwrap());
        rest = after;
    }
    compared(&report)
}

#[test]
fn the_status_is_that_of_apcupsd_in_every_state() {
    let mut guard = Guard::new(Cable::of_name("940-0119A").unwrap());
    assert_eq!(guard.status(), recorded("status-dumb-online.bin"));
    guard.ups(true, false);
    guard.pass(secs(14));
    assert_eq!(guard.status(), recorded("status-dumb-onbatt.bin"));
    guard.ups(false, true);
    guard.pass(secs(14));
    assert_eq!(guard.status(), recorded("status-dumb-lowbatt.bin"));
    guard.ups(true, true);
    guard.pass(secs(24));
    assert_eq!(guard.status(), recorded("status-dumb-shutting-down.bin"));
}

#[test]
fn every_cable_shuts_the_machine_down_at_low_battery_on_battery_and_never_on_mains() {
    for cable in &CABLES {
        let mut guard = Guard::new(cable);
        guard.ups(false, true);
        guard.pass(secs(600));
        assert_eq!(guard.told(), [], "{}", cable.name);
        guard.ups(false, false);
        guard.pass(secs(10));
        guard.ups(true, false);
        guard.pass(secs(600));
        assert_eq!(guard.told(), [Event::PowerOut, Event::OnBattery], "{}", cable.name);
        guard.ups(false, false);
        guard.pass(secs(60));
        let outage = [Event::PowerOut, Event::OnBattery, Event::OffBattery, Event::MainsBack];
        assert_eq!(guard.told(), outage, "{}", cable.name);
        guard.events.clear();
        guard.ups(true, false);
        guard.pass(secs(60));
        guard.ups(true, true);
        guard.pass(secs(20));
        let mut end = vec![Event::PowerOut, Event::OnBattery];
        if cable.low_battery.is_some() {
            end.extend([Event::Failing, Event::DoShutdown]);
        }
        assert_eq!(guard.told(), end, "{}", cable.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// What the lines say for less than [`HOLD`], with rests that a look can see, is no event; a real outage after it is one
    /// within 3 s.
    #[test]
    fn flicker_is_no_event_and_an_outage_is_one(
        cable in 0..CABLES.len(),
        flicker in prop::collection::vec((any::<bool>(), 1..500_u64, 260..2000_u64), 0..40),
    ) {
        let mut guard = Guard::new(&CABLES[cable]);
        for (low, out, back) in flicker {
            prop_assert!(Duration::from_millis(out) < HOLD);
            guard.ups(true, low);
            guard.pass(Duration::from_millis(out));
            guard.ups(false, low);
            guard.pass(Duration::from_millis(back));
        }
        let noise: Vec<_> = guard.told().into_iter().filter(|event| !matches!(event, Event::CommFailure)).collect();
        prop_assert_eq!(noise, []);
        guard.events.clear();
        let failed = guard.now - guard.began;
        guard.ups(true, false);
        guard.pass(secs(20));
        let power_out = guard.events.iter().find(|(_, event)| *event == Event::PowerOut);
        prop_assert!(power_out.is_some_and(|(at, _)| *at - failed <= secs(3)), "{:?}", guard.events);
        guard.ups(false, false);
        guard.pass(secs(3));
        prop_assert_eq!(guard.told().last().copied(), Some(Event::MainsBack));
    }
}
