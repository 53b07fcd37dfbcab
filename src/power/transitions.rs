//! Readings, and the changes of the line that they make.

use std::time::Duration;

use super::Order;
use super::comm::Comm;
use super::known::Taken;
use super::machine::{Candidate, CauseQuery, Flag, Machine};
use super::outage::{
    CALIBRATION_AT_LEAST, CALIBRATION_CHARGE, CALIBRATION_ENDING, CALIBRATION_IF_UNKNOWN, Line, Mains,
    Outage, SELF_TEST_LONGEST, Test,
};
use super::streak::Streak;
use crate::ups::{
    Command, CommandResult, Event, Priority, Reading, SelfTestResult, StatusFlags, TransferCause,
};

/// `changeme` comes again after this (power-events §6).
const CHANGE_ME_AGAIN: Duration = Duration::from_secs(9 * 3600);
/// And so many times in all, until the flag has been away.
const CHANGE_ME_TIMES: u32 = 6;

impl Machine {
    /// The UPS has been heard.
    pub(super) fn contact(&mut self) {
        let was = std::mem::replace(&mut self.comm, Comm::Up);
        if was.is_lost() {
            self.event(Event::CommOk);
        }
    }

    pub(super) fn lose(&mut self, reason: &str) {
        match &mut self.comm {
            Comm::Starting { reason: kept, .. }
            | Comm::Silent { reason: kept, .. }
            | Comm::Lost { reason: kept, .. } => {
                reason.clone_into(kept);
            }
            Comm::Up => {
                self.comm = Comm::Silent { since: self.now, reason: reason.to_owned() };
                // Readings from before and after a loss are no agreement.
                self.candidate = None;
                if matches!(self.line, Line::Transferred { .. }) {
                    self.classify();
                }
            }
        }
    }

    pub(super) fn read(&mut self, reading: &Reading) {
        let bits = reading.status & StatusFlags::FROM_UPS;
        let line_bits = StatusFlags::ONLINE | StatusFlags::ONBATT;
        if !bits.intersects(line_bits) {
            if let Some(what) = self.known.keep_out("status without a line state", self.now) {
                self.complain(what);
            }
            return;
        }
        let (now, n) = (self.now, self.settings.confirm_polls);
        let taken = self.known.take(reading, now);
        if let Some(what) = taken.complaint {
            self.complain(what);
        }
        self.said = bits;
        match self.cause {
            CauseQuery::Asked { .. } => self.cause = CauseQuery::Asked { read: true },
            CauseQuery::Answered => self.cause = CauseQuery::Fresh,
            CauseQuery::Idle | CauseQuery::Fresh => {}
        }
        let on_battery = bits.contains(StatusFlags::ONBATT);
        let low = bits.contains(StatusFlags::BATTLOW);
        self.low.note(low, now);
        self.emergency.note(low && bits.contains(line_bits), now);
        if self.battery_present.note(bits.contains(StatusFlags::BATTPRESENT), now, n) {
            let present = self.battery_present.believed();
            self.event(if present { Event::BattAttach } else { Event::BattDetach });
        }
        self.replace_battery(bits.contains(StatusFlags::REPLACEBATT));
        self.line_says(on_battery, reading);
        self.in_state(on_battery, bits, taken);
    }

    fn complain(&mut self, what: &str) {
        let count = self.known.kept_out;
        self.log(
            Priority::Warning,
            format!("Ignored what the UPS said: implausible {what} ({count} ignored so far)."),
        );
    }

    fn replace_battery(&mut self, flagged: bool) {
        let now = self.now;
        if self.replace.note(flagged, now, self.settings.confirm_polls) && !self.replace.believed() {
            // Keeps the moment of the last one, so that a flag that comes and goes is not repeated either.
            self.change_me = self.change_me.map(|(at, _)| (at, 0));
        }
        if !self.replace.believed() {
            return;
        }
        let (due, times) = match self.change_me {
            None => (true, 0),
            Some((at, times)) => (now.saturating_duration_since(at) > CHANGE_ME_AGAIN, times),
        };
        if due && times < CHANGE_ME_TIMES {
            self.change_me = Some((now, times.saturating_add(1)));
            self.event(Event::ChangeMe);
        }
    }

    /// Collects agreement on a change of the line; changes it when there is enough.
    fn line_says(&mut self, on_battery: bool, reading: &Reading) {
        let believed = match self.line {
            Line::Unknown => None,
            Line::Mains(_) => Some(false),
            Line::Transferred { .. } | Line::Test(_) | Line::Battery(_) => Some(true),
        };
        if believed == Some(on_battery) {
            self.candidate = None;
            if !on_battery {
                self.cause = CauseQuery::Idle;
            }
            return;
        }
        let mut candidate = self
            .candidate
            .filter(|candidate| candidate.on_battery == on_battery)
            .unwrap_or(Candidate { on_battery, streak: Streak::NONE });
        candidate.streak.note(true, self.now);
        self.candidate = Some(candidate);
        if on_battery && self.cause == CauseQuery::Idle && self.known.transfer_cause.is_some() {
            self.cause = CauseQuery::Asked { read: false };
            self.order(Order::Command(Command::ReadTransferCause));
        }
        let agreed = candidate.streak.since(self.settings.confirm_polls);
        let agreed = if Self::believed_at_once(reading) { candidate.streak.first() } else { agreed };
        let Some(since) = agreed else { return };
        self.candidate = None;
        if on_battery {
            self.finish_test();
            self.line = Line::Transferred { since, confirmed: self.now };
        } else {
            self.mains_is_back();
        }
    }

    /// What a reading means in the state that it has led to.
    fn in_state(&mut self, on_battery: bool, bits: StatusFlags, taken: Taken) {
        let now = self.now;
        if self.candidate.is_some() {
            return;
        }
        match &mut self.line {
            Line::Unknown => {}
            Line::Mains(_) => {
                if self.cause == CauseQuery::Idle && self.result_is_in() {
                    self.finish_test();
                }
            }
            Line::Transferred { .. } => {
                let known = self.known.transfer_cause.is_none() || self.cause == CauseQuery::Fresh;
                if known || bits.contains(StatusFlags::CALIBRATION) || self.known.line_is_dead() {
                    self.classify();
                    if let Line::Battery(_) = self.line {
                        self.note_limits(taken);
                    }
                }
            }
            Line::Test(test) if on_battery => {
                let calibrates = bits.contains(StatusFlags::CALIBRATION);
                test.calibration_over.note(test.calibration && !calibrates, now);
                let other_cause = !calibrates
                    && self.cause == CauseQuery::Fresh
                    && self.known.transfer_cause.is_some_and(|cause| cause != TransferCause::SelfTest);
                let too_low =
                    test.calibration && taken.charge.is_some_and(|charge| charge < CALIBRATION_CHARGE);
                test.refuted.note(other_cause || too_low || self.known.line_is_dead(), now);
                let n = self.settings.confirm_polls;
                if test.refuted.since(n).is_some() {
                    self.test_is_an_outage();
                    self.note_limits(taken);
                } else if test.calibration_over.since(n).is_some() {
                    test.calibration = false;
                    let by_start = test.since.checked_add(SELF_TEST_LONGEST).unwrap_or(now);
                    test.until = now.checked_add(CALIBRATION_ENDING).unwrap_or(now).max(by_start);
                    self.ask_cause();
                }
            }
            Line::Battery(_) if on_battery => self.note_limits(taken),
            Line::Test(_) | Line::Battery(_) => {}
        }
    }

    fn ask_cause(&mut self) {
        if self.known.transfer_cause.is_some() {
            self.cause = CauseQuery::Asked { read: false };
            self.order(Order::Command(Command::ReadTransferCause));
        }
    }

    fn note_limits(&mut self, taken: Taken) {
        let now = self.now;
        let level = self.settings.battery_level;
        let minutes = self.settings.minutes;
        let Line::Battery(outage) = &mut self.line else { return };
        outage.not_before = None;
        if let Some(charge) = taken.charge {
            outage.charge_low.note(level.is_some_and(|limit| charge <= limit.0), now);
            outage.first_charge.get_or_insert((charge, now));
        }
        if let Some(runtime) = taken.runtime {
            outage.runtime_low.note(minutes.is_some_and(|limit| runtime <= limit.0), now);
        }
    }

    /// An outage that an earlier run announced, and that has not been seen to end.
    pub(super) fn take_over(&mut self, since: std::time::Instant, announced: bool) {
        let mut outage = Outage::new(since, since);
        outage.announced = announced;
        if announced {
            outage.counted_from =
                since.checked_add(self.settings.on_battery_delay).map_or(self.now, |at| at.min(self.now));
        }
        outage.not_before = self.now.checked_add(super::comm::FIRST_CONTACT);
        let seconds = self.now.saturating_duration_since(since).as_secs();
        self.line = Line::Battery(outage);
        self.log(
            Priority::Warning,
            format!("On battery for {seconds} s already when this daemon started: that time counts."),
        );
    }

    /// The transfer is announced as what it is, as far as can be told now.
    pub(super) fn classify(&mut self) {
        let Line::Transferred { since, .. } = self.line else { return };
        let calibration = self.said.contains(StatusFlags::CALIBRATION);
        let test = calibration
            || self.known.transfer_cause == Some(TransferCause::SelfTest) && self.cause_is_fresh();
        self.counters.transfers = self.counters.transfers.saturating_add(1);
        self.counters.on_battery_at = Some(since);
        self.cause = CauseQuery::Idle;
        if test && !self.known.line_is_dead() {
            let longest = if calibration { self.calibration_longest() } else { SELF_TEST_LONGEST };
            self.line = Line::Test(Test {
                since,
                until: since.checked_add(longest).unwrap_or(self.now),
                calibration,
                refuted: Streak::NONE,
                calibration_over: Streak::NONE,
            });
            self.event(Event::StartSelfTest);
        } else {
            self.line = Line::Battery(Outage::new(since, self.now));
            self.event(Event::PowerOut);
        }
    }

    fn cause_is_fresh(&self) -> bool {
        matches!(self.cause, CauseQuery::Fresh)
    }

    fn calibration_longest(&self) -> Duration {
        self.known.runtime.map_or(CALIBRATION_IF_UNKNOWN, |runtime| {
            Duration::try_from_secs_f64(runtime.value * 120.0)
                .unwrap_or(CALIBRATION_IF_UNKNOWN)
                .max(CALIBRATION_AT_LEAST)
        })
    }

    /// A test has turned out to be an outage: it is announced by `onbattery` and its limits count from now.
    pub(super) fn test_is_an_outage(&mut self) {
        let Line::Test(test) = &self.line else { return };
        let mut outage = Outage::new(test.since, self.now);
        outage.announced = true;
        self.line = Line::Battery(outage);
        self.event(Event::OnBattery);
    }

    fn mains_is_back(&mut self) {
        if matches!(self.line, Line::Transferred { .. }) {
            self.classify();
        }
        let now = self.now;
        let was = std::mem::replace(&mut self.line, Line::Mains(Mains { since: now, ended_test: None }));
        self.cause = CauseQuery::Idle;
        let since = match was {
            Line::Unknown | Line::Mains(_) => {
                if self.powerfail == Some(Flag::Stale) {
                    self.powerfail = None;
                    self.order(Order::RemovePowerfail);
                    self.log(
                        Priority::Notice,
                        "Removed the powerfail flag that an earlier power failure left behind.",
                    );
                }
                self.order(Order::RemoveNologin);
                return;
            }
            Line::Transferred { since, .. } => since,
            Line::Test(test) => {
                self.counters.last_self_test_at = Some(test.since);
                self.line = Line::Mains(Mains { since: now, ended_test: Some(test.since) });
                self.order(Order::Command(Command::ReadSelfTest));
                test.since
            }
            Line::Battery(outage) => {
                if outage.announced {
                    self.event(Event::OffBattery);
                }
                self.event(Event::MainsBack);
                outage.since
            }
        };
        if std::mem::take(&mut self.no_login) {
            self.log(Priority::Alert, "Allowing logins");
        }
        self.order(Order::RemoveNologin);
        self.counters.off_battery_at = Some(now);
        self.counters.total = self.counters.total.saturating_add(now.saturating_duration_since(since));
        if self.powerfail == Some(Flag::Stale) {
            self.powerfail = None;
            self.order(Order::RemovePowerfail);
        }
    }

    /// A result is there that is no "in progress".
    fn result_is_in(&self) -> bool {
        false
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

    pub(super) fn command_result(&mut self, result: &CommandResult) {
        match (result.command, &result.outcome) {
            (Command::ReadTransferCause, Ok(_)) => match self.cause {
                CauseQuery::Asked { read: true } => {
                    self.cause = CauseQuery::Fresh;
                    self.classify();
                }
                CauseQuery::Asked { read: false } => self.cause = CauseQuery::Answered,
                CauseQuery::Idle | CauseQuery::Answered | CauseQuery::Fresh => {}
            },
            (Command::ReadTransferCause, Err(_)) => {
                self.cause = CauseQuery::Idle;
                self.classify();
            }
            (Command::ReadSelfTest, _) => self.finish_test(),
            (Command::KillPower, outcome) => self.kill_result(outcome),
            (
                Command::Poll
                | Command::PowerOff
                | Command::SelfTest
                | Command::Calibrate
                | Command::AbortTest,
                _,
            ) => {}
        }
    }
}
