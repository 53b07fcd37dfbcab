//! A Smart-UPS of the first generation, in fake time: it says nothing to what it does not know, so that each query is waited for.

use std::time::{Duration, Instant};

use mainsd::bus::serial::Transmit;
use mainsd::link::apcsmart::{ApcSmartLink, Settings};
use mainsd::link::{Link, LinkEvent};
use mainsd::report::{Snapshot, text};
use mainsd::ups::{Command, Identity, PollRate, Reading};

use crate::support::Status;
use crate::support::smart::{Generation, Unit};

/// From a byte to the answer of the unit.
const THINKS: Duration = Duration::from_millis(30);

/// Link and unit, with a clock of their own.
struct Watched {
    link: ApcSmartLink,
    unit: Unit,
    now: Instant,
    identity: Option<Identity>,
    reading: Option<Reading>,
    /// How the last order ended.
    outcome: Option<Result<String, String>>,
}

impl Watched {
    /// For so many seconds.
    fn new(unit: Unit, seconds: u64) -> Self {
        let now = Instant::now();
        let settings = Settings { poll_time: Duration::from_secs(1), port: "/dev/ttyS0".to_owned() };
        let mut link = ApcSmartLink::new(settings);
        link.handle_opened(now);
        let mut watched = Self { link, unit, now, identity: None, reading: None, outcome: None };
        watched.pass(seconds);
        watched
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            self.work();
            // An answer comes long before anything else is due.
            let answer = (!self.unit.out.is_empty()).then(|| self.now + THINKS);
            let next = answer.or_else(|| self.link.poll_timeout());
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.link.handle_bytes(self.now, &std::mem::take(&mut self.unit.out));
            self.link.handle_timeout(self.now);
        }
        self.now = end;
    }

    fn work(&mut self) {
        while let Some(transmit) = self.link.poll_transmit(self.now) {
            match transmit {
                Transmit::Bytes(_) | Transmit::Look | Transmit::Switch(..) | Transmit::Break(_) => {
                    panic!("{transmit:?}")
                }
                Transmit::Byte(byte) => self.unit.receive(byte, self.now),
                Transmit::Reopen => self.link.handle_opened(self.now),
            }
        }
        while let Some(event) = self.link.poll_event() {
            match event {
                LinkEvent::Attached(identity) => self.identity = Some(*identity),
                LinkEvent::Reading(reading) => self.reading = Some(*reading),
                LinkEvent::Command(result) => self.outcome = Some(result.outcome),
                LinkEvent::Lost { reason } => panic!("lost: {reason}"),
                _ => {}
            }
        }
    }

    /// What clients would be told.
    fn status(&self) -> Status {
        let reading = self.reading.clone().expect("a reading");
        let identity = self.identity.clone().expect("a UPS");
        Status::from_text(&text(&Snapshot { identity, values: reading.values, ..Snapshot::default() }))
    }
}

#[test]
fn an_early_smart_ups_is_probed() {
    let watched = Watched::new(Unit::new(Generation::First), 120);
    let status = watched.status();
    for (key, value) in [
        ("MODEL", "APC Smart-UPS 400"),
        ("FIRMWARE", "4QI"),
        ("LINEV", "230.0 Volts"),
        ("BCHARGE", "100.0 Percent"),
        ("NOMBATTV", "24.0 Volts"),
    ] {
        assert_eq!(status.get(key), Some(value), "{}", status.text());
    }
    for absent in ["TIMELEFT", "SERIALNO", "REG1", "HUMIDITY", "EXTBATTS", "SENSE"] {
        assert_eq!(status.get(absent), None, "{absent}");
    }
}

#[test]
fn the_power_of_an_early_unit_is_killed_in_its_own_way() {
    // It says `*` without the end of a line, and knows two digits.
    for (status, way) in [("50", "S"), ("08", "@000")] {
        let mut unit = Unit::new(Generation::First);
        unit.set(b'Q', status);
        let mut watched = Watched::new(unit, 60);
        watched.link.set_poll_rate(PollRate::Fast, watched.now);
        watched.link.command(Command::KillPower, watched.now);
        watched.pass(60);
        assert_eq!(watched.unit.killed, Some(way), "{:?}", watched.outcome);
        assert!(watched.outcome.as_ref().is_some_and(Result::is_ok), "{:?}", watched.outcome);
    }
}
