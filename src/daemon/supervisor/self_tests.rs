//! The self tests of SELFTESTSCHEDULE: ordered like a client's that waits for the result, and told in the log.

#![allow(
    clippy::disallowed_methods,
    reason = "the dates of SELFTESTSCHEDULE are those of the clock on the wall"
)]

use std::time::Instant;

use super::Supervisor;
use crate::daemon::control::desk::{Asked, OWN};
use crate::daemon::self_tests::Ups;
use crate::power::Order;
use crate::sys::clock;
use crate::sys::local::Peer;
use crate::ups::{Command, Event, Priority, SelfTestResult};
use crate::wire::control::{Answer, Outcome, Request};

/// The order, as a client gives it.
const ORDER: &[u8] = b"self-test --wait";

impl Supervisor {
    /// Gives the clock on the wall, which is real otherwise: what it shows at a moment, in seconds since 1970-01-01 00:00 of local time.
    pub fn set_local_time(&mut self, local_time: Box<dyn Fn(Instant) -> i64>) {
        self.local_time = local_time;
    }

    /// Orders a test if a date has come and nothing speaks against it.
    pub(super) fn look_at_schedule(&mut self, now: Instant) {
        let flags = self.status.snapshot().flags;
        self.self_tests.note(flags, now);
        let schedule = self.config.self_test_schedule;
        if !self.self_tests.is_due(schedule.is_some(), now) {
            return;
        }
        let Some(schedule) = schedule else { return };
        let local = (self.local_time)(now);
        let ups = Ups {
            flags,
            charge: self.status.snapshot().values.battery_charge,
            against: self.against(Command::SelfTest, true).map(|answer| answer.text),
            last_test: self.machine.view().last_self_test_at,
        };
        match self.self_tests.look(schedule, local, &ups, now) {
            None => {}
            Some(Err(why)) => {
                self.log(Priority::Notice, &format!("Scheduled self test left out: {why}"), now);
            }
            Some(Ok(())) => {
                self.self_tests.had_failed = self.has_failed();
                self.log(Priority::Notice, "Scheduled self test: the UPS is told to test itself", now);
                if let Ok(request) = Request::parse(ORDER) {
                    let from = Peer { pid: 0, uid: self.control.owner, is_member: false };
                    self.control.desk.queue(Asked { number: OWN, from, request }, Command::SelfTest);
                }
            }
        }
    }

    /// The test has ended, or could not be ordered.
    pub(super) fn self_test_ended(&mut self, answer: &Answer, now: Instant) {
        let Answer { outcome, text, .. } = answer;
        let priority = if *outcome == Outcome::Done { Priority::Notice } else { Priority::Warning };
        self.log(priority, &format!("Scheduled self test: {text}"), now);
        // One that the UPS has refused has not failed, whatever became of the one before.
        let is_result = !answer.values.is_empty() || !self.self_tests.had_failed;
        if *outcome == Outcome::Refused && is_result && self.has_failed() {
            self.events.offer(Order::Event(Event::SelfTestFailed), now);
        }
    }

    /// Whether the UPS says that its last test was not passed.
    fn has_failed(&self) -> bool {
        let result = self.status.snapshot().values.self_test;
        result.is_some_and(SelfTestResult::has_failed)
    }
}

/// What clocks show here now.
pub(super) fn local_time() -> i64 {
    let unix = clock::unix_seconds(clock::now());
    unix.saturating_add(clock::local_of(unix).utc_offset.into())
}
