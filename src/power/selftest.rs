//! Self tests and calibrations: on battery, but not because mains failed.
//!
//! The benefit of the doubt is bounded on every side: 40 s for a self test, charge and time for a calibration, and none
//! once the UPS names another cause, the line voltage is gone, or the UPS falls silent for good.

use std::time::{Duration, Instant};

use super::Order;
use super::known::Taken;
use super::latch::Latch;
use super::machine::Machine;
use super::outage::{
    ASK_AGAIN, CALIBRATION_AT_LEAST, CALIBRATION_CHARGE, CALIBRATION_ENDING, CALIBRATION_IF_UNKNOWN, Line,
    Mains, Outage, Query, SELF_TEST_LONGEST, Test,
};
use super::streak::Streak;
use crate::ups::{Event, Priority, SelfTestResult, StatusFlags, TransferCause};

impl Machine {
    /// A confirmed transfer is announced as what it is, as far as can be told now.
    pub(super) fn classify(&mut self) {
        let Line::Transferred { since, confirmed } = self.line else { return };
        let now = self.now;
        let calibration = self.said.contains(StatusFlags::CALIBRATION);
        let self_test =
            self.cause == Query::Fresh && self.known.transfer_cause == Some(TransferCause::SelfTest);
        self.cause = Query::Idle;
        self.counters.transfers = self.counters.transfers.saturating_add(1);
        self.counters.on_battery_at = Some(since);
        if (calibration || self_test) && !self.known.line_is_dead() {
            let longest = if calibration { self.calibration_longest() } else { SELF_TEST_LONGEST };
            self.line = Line::Test(Test {
                since,
                until: since.checked_add(longest).unwrap_or(now),
                calibration,
                refuted: Streak::NONE,
                calibration_over: Streak::NONE,
                asked: now,
                announced_as: None,
            });
            self.event(Event::StartSelfTest);
        } else {
            self.line = Line::Battery(Outage::new(since, confirmed));
            self.event(Event::PowerOut);
            self.note_limits(self.known.latest());
        }
    }

    /// Twice the runtime that the UPS claims, within bounds.
    fn calibration_longest(&self) -> Duration {
        self.known.runtime.map_or(CALIBRATION_IF_UNKNOWN, |runtime| {
            Duration::try_from_secs_f64(runtime.value * 120.0)
                .unwrap_or(CALIBRATION_IF_UNKNOWN)
                .max(CALIBRATION_AT_LEAST)
        })
    }

    /// A reading in a test.
    pub(super) fn in_test(&mut self, calibrates: bool, taken: Taken) {
        let (now, n) = (self.now, self.settings.confirm_polls);
        let longest = self.calibration_longest();
        let fresh = self.cause == Query::Fresh;
        let other_cause =
            fresh && self.known.transfer_cause.is_some_and(|cause| cause != TransferCause::SelfTest);
        let dead = self.known.line_is_dead();
        let Line::Test(test) = &mut self.line else { return };
        if calibrates && !test.calibration {
            test.calibration = true;
            test.until = test.since.checked_add(longest).unwrap_or(now);
        }
        let too_low = test.calibration && taken.charge.is_some_and(|charge| charge < CALIBRATION_CHARGE);
        test.refuted.note(dead || too_low || (other_cause && !test.calibration), now);
        test.calibration_over.note(test.calibration && !calibrates, now);
        if test.refuted.since(n).is_some() {
            self.test_is_an_outage(now);
            self.note_limits(taken);
            return;
        }
        if test.calibration_over.since(n).is_some() {
            test.calibration = false;
            let by_start = test.since.checked_add(SELF_TEST_LONGEST).unwrap_or(now);
            test.until = now.checked_add(CALIBRATION_ENDING).unwrap_or(now).max(by_start);
        }
        if !test.calibration && now.saturating_duration_since(test.asked) >= ASK_AGAIN {
            test.asked = now;
            self.ask_cause();
        }
    }

    /// The UPS says that it calibrates after the transfer had been announced as an outage: no limit counts, within the
    /// bounds of a calibration, and once in an outage only.
    pub(super) fn calibrates_after_all(&mut self, calibrates: bool) {
        let (now, n) = (self.now, self.settings.confirm_polls);
        let longest = self.calibration_longest();
        let low = self.known.charge.is_some_and(|charge| charge.value < CALIBRATION_CHARGE);
        let possible = calibrates && !low && !self.known.line_is_dead() && self.latch == Latch::Armed;
        let Line::Battery(outage) = &mut self.line else { return };
        outage.calibration.note(possible && !outage.tested, now);
        if outage.calibration.since(n).is_none() {
            return;
        }
        let test = Test {
            since: outage.since,
            until: now.checked_add(longest).unwrap_or(now),
            calibration: true,
            refuted: Streak::NONE,
            calibration_over: Streak::NONE,
            asked: now,
            announced_as: Some(Box::new(outage.clone())),
        };
        self.line = Line::Test(test);
    }

    /// A test has turned out to be an outage: it is announced by `onbattery` and its limits count from that moment.
    pub(super) fn test_is_an_outage(&mut self, from: Instant) {
        let Line::Test(test) = &self.line else { return };
        let mut outage = Outage::new(test.since, from);
        outage.tested = true;
        let announced = test.announced_as.as_ref().is_some_and(|outage| outage.announced);
        outage.announced = true;
        self.cause = Query::Idle;
        self.line = Line::Battery(outage);
        if !announced {
            self.event(Event::OnBattery);
        }
    }

    /// Tells the result of a self test that has ended, once the UPS has said it.
    pub(super) fn finish_test_if_told(&mut self) {
        let told = matches!(&self.line, Line::Mains(Mains { ended_test: Some(Query::Fresh), .. }));
        if told && self.known.self_test != Some(SelfTestResult::InProgress) {
            self.finish_test();
        }
    }

    /// Tells the result of a self test that has ended, as it is known now.
    pub(super) fn finish_test(&mut self) {
        let Line::Mains(mains) = &mut self.line else { return };
        if mains.ended_test.take().is_none() {
            return;
        }
        let result = self.known.self_test.map_or("Not supported", SelfTestResult::log_text);
        self.log(Priority::Alert, format!("UPS Self Test completed: {result}"));
        self.order(Order::Hook(Event::EndSelfTest));
    }
}
