//! A UPS that speaks HID and Modbus over USB, a fake clock, and the loop between them and the link.
#![allow(dead_code, clippy::disallowed_methods, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use mainsd::bus::usb::{Event, TransferError, Transmit};
use mainsd::link::usb::Settings;
use mainsd::link::usb_modbus::UsbModbusLink;
use mainsd::link::{Link, LinkEvent};
use mainsd::ups::{Command, Identity, Reading};

use super::corpus::device::device;
use super::corpus::fake::FakeUps;
use super::modbus::Unit;

/// A Smart-UPS with the two usages: output report 0x90, input report 0x89.
pub const SMART: &str = "apc-smart-ups-3000-pid3";
/// The id of the report to it.
pub const TO_UPS: u8 = 0x90;
/// The id of the report from it.
pub const FROM_UPS: u8 = 0x89;
const MILLISECOND: Duration = Duration::from_millis(1);

/// What becomes of a report that is sent to it by Modbus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    Answered,
    /// It is answered so late.
    Late(Duration),
    /// The answer has a wrong byte here.
    Wrong(usize),
    /// Of the reports of the answer only the first so many come.
    Cut(usize),
    /// It is taken, and nothing comes.
    Silent,
    /// The transfer fails.
    Fails(TransferError),
    /// The transfer never ends.
    Hangs,
    /// These bytes come as a report instead.
    Noise(Vec<u8>),
}

enum Coming {
    Control(Result<Vec<u8>, TransferError>),
    Sent(Result<(), TransferError>),
    Report(Vec<u8>),
}

pub struct Both {
    pub link: UsbModbusLink,
    pub ups: FakeUps,
    pub unit: Unit,
    pub now: Instant,
    pub fate: Box<dyn FnMut() -> Fate>,
    coming: Vec<(Instant, Coming)>,
    pub told: Vec<(Instant, LinkEvent)>,
    /// When a report was sent by Modbus.
    pub sent: Vec<Instant>,
    /// When what has come.
    pub arrivals: std::collections::BTreeSet<Instant>,
    pub reopened: usize,
    is_sending: bool,
}

impl Both {
    /// The UPS is about to be opened.
    pub fn new(modbus_first: bool) -> Self {
        let now = Instant::now();
        let link = UsbModbusLink::new(Settings { poll_time: Duration::from_secs(60) }, modbus_first, now);
        Self {
            link,
            ups: FakeUps::new(device(SMART)),
            unit: Unit::new(),
            now,
            fate: Box::new(|| Fate::Answered),
            coming: Vec::new(),
            told: Vec::new(),
            sent: Vec::new(),
            arrivals: std::collections::BTreeSet::new(),
            reopened: 0,
            is_sending: false,
        }
    }

    /// One that has been open for ten seconds.
    pub fn attached(fate: Fate) -> Self {
        let mut both = Self::new(false);
        both.fate = Box::new(move || fate.clone());
        both.open();
        both.run(Duration::from_secs(10));
        assert!(both.identity().is_some(), "{:?}", both.told);
        both
    }

    pub fn open(&mut self) {
        self.coming.clear();
        self.is_sending = false;
        let info = self.ups.info.clone();
        self.link.handle_event(self.now, Event::Opened(info));
    }

    pub fn close(&mut self) {
        self.coming.clear();
        self.is_sending = false;
        self.link.handle_event(self.now, Event::Closed("unplugged".into()));
    }

    /// On battery, or back, by HID: by the report that says so, in silence.
    pub fn hid_mains(&mut self, on: bool) {
        self.ups.feature(&[0x07, if on { 0x0c } else { 0x0a }, 0x00]);
    }

    fn come(&mut self, after: Duration, what: Coming) {
        self.coming.push((self.now + after, what));
        self.coming.sort_by_key(|(at, _)| *at);
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..2_000_000 {
            while let Some(transmit) = self.link.poll_transmit(self.now) {
                self.carry_out(transmit);
            }
            while let Some(event) = self.link.poll_event() {
                self.told.push((self.now, event));
            }
            let deadline = self.link.poll_timeout();
            let next = self.coming.first().map(|(at, _)| *at).into_iter().chain(deadline).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            if self.coming.first().is_some_and(|(at, _)| *at <= self.now) {
                let (_, what) = self.coming.remove(0);
                self.arrivals.insert(self.now);
                match what {
                    Coming::Control(result) => {
                        let result = result.as_deref().map_err(|error| *error);
                        self.link.handle_event(self.now, Event::Control(result));
                    }
                    Coming::Sent(result) => {
                        self.is_sending = false;
                        self.link.handle_event(self.now, Event::InterruptSent(result));
                    }
                    Coming::Report(report) => self.link.handle_event(self.now, Event::Interrupt(&report)),
                }
            } else {
                self.link.handle_timeout(self.now);
            }
        }
        panic!("the link never comes to rest");
    }

    fn carry_out(&mut self, transmit: Transmit) {
        match transmit {
            Transmit::ControlIn { timeout, .. } | Transmit::ControlOut { timeout, .. } => {
                let result = self.ups.control(self.now, &transmit);
                let after = if result == Err(TransferError::Timeout) { timeout } else { 2 * MILLISECOND };
                self.come(after, Coming::Control(result));
            }
            Transmit::InterruptOut { data, timeout } => {
                assert!(!self.is_sending, "one at a time");
                assert_eq!((data.len(), data[0]), (64, TO_UPS));
                self.is_sending = true;
                self.sent.push(self.now);
                self.send(&data, timeout);
            }
            Transmit::InterruptLen(_) => {}
            Transmit::LeaveAlone => panic!("it is a UPS"),
            Transmit::Reopen | Transmit::Reset => {
                self.reopened += 1;
                self.open();
            }
        }
    }

    fn send(&mut self, data: &[u8], timeout: Duration) {
        let fate = (self.fate)();
        match fate {
            Fate::Hangs => return,
            Fate::Fails(TransferError::Timeout) => {
                return self.come(timeout, Coming::Sent(Err(TransferError::Timeout)));
            }
            Fate::Fails(error) => return self.come(MILLISECOND, Coming::Sent(Err(error))),
            _ => self.come(MILLISECOND, Coming::Sent(Ok(()))),
        }
        let mut answer = self.unit.usb(&data[1..]);
        let mut after = 20 * MILLISECOND;
        match fate {
            Fate::Silent => return,
            Fate::Noise(bytes) => {
                return self.come(after, Coming::Report([&[FROM_UPS], &bytes[..]].concat()));
            }
            Fate::Late(late) => after += late,
            Fate::Wrong(at) => {
                for report in &mut answer {
                    report[at % 63] ^= 0x41;
                }
            }
            Fate::Cut(count) => answer.truncate(count),
            _ => {}
        }
        for part in answer {
            after += 10 * MILLISECOND;
            self.come(after, Coming::Report([&[FROM_UPS], &part[..]].concat()));
        }
    }

    /// Gives an order and returns how it ended.
    pub fn command(&mut self, command: Command) -> Result<String, String> {
        self.told.clear();
        self.link.command(command, self.now);
        self.run(Duration::from_secs(30));
        let results: Vec<_> = self
            .told
            .iter()
            .filter_map(|(_, event)| match event {
                LinkEvent::Command(result) if result.command == command => Some(result.outcome.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(results.len(), 1, "one answer to {command:?}");
        results[0].clone()
    }

    pub fn identity(&self) -> Option<&Identity> {
        self.told.iter().rev().find_map(|(_, event)| match event {
            LinkEvent::Attached(identity) => Some(&**identity),
            _ => None,
        })
    }

    pub fn readings(&self) -> Vec<(Instant, &Reading)> {
        let readings = self.told.iter().filter_map(|(at, event)| match event {
            LinkEvent::Reading(reading) => Some((*at, &**reading)),
            _ => None,
        });
        readings.collect()
    }

    pub fn last(&self) -> &Reading {
        self.readings().pop().expect("a reading").1
    }

    pub fn losses(&self) -> usize {
        self.told.iter().filter(|(_, event)| matches!(event, LinkEvent::Lost { .. })).count()
    }

    /// Lines about Modbus.
    pub fn lines(&self) -> Vec<&str> {
        let lines = self.told.iter().filter_map(|(_, event)| match event {
            LinkEvent::Log(_, text) if text.contains("Modbus") => Some(&**text),
            _ => None,
        });
        lines.collect()
    }
}
