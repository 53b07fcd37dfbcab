//! Readings, and the changes of the line that they make.

use std::time::{Duration, Instant};

use super::Order;
use super::comm::{Comm, FIRST_CONTACT};
use super::known::Taken;
use super::machine::{Candidate, Flag, Machine};
use super::outage::{Hearsay, Line, Mains, Outage, Query};
use super::streak::Streak;
use super::text;
use crate::ups::{Command, CommandResult, Event, Evidence, Priority, Reading, StatusFlags};

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
            Comm::Starting { reason: kept, .. } => {
                reason.clone_into(kept);
                self.master.on_battery = self.outage().is_some();
            }
            Comm::Silent { reason: kept, .. } => reason.clone_into(kept),
            Comm::Lost { reason: kept, .. } => {
                let news = kept.is_empty() && !reason.is_empty();
                reason.clone_into(kept);
                if news {
                    self.log(Priority::Warning, text::no_answer(reason));
                }
            }
            Comm::Up => {
                self.comm = Comm::Silent { since: self.now, reason: reason.to_owned() };
                // Readings from before and after a loss are no agreement.
                let mains = self.candidate.take().is_some_and(|candidate| !candidate.on_battery);
                self.classify();
                self.master.on_battery = self.outage().is_some() && !mains;
                if self.on_battery_since().is_none() {
                    self.low = Streak::NONE;
                    self.emergency = Streak::NONE;
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
        // One that comes with the moment itself may be from before.
        self.held_up = self.held_up.filter(|since| *since == now);
        let taken = self.known.take(reading, now);
        if let Some(what) = taken.complaint {
            self.complain(what);
        }
        self.said = bits;
        self.cause.reading();
        if let Line::Mains(Mains { ended_test: Some(query), .. }) = &mut self.line {
            query.reading();
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
        if self.candidate.is_none() {
            self.in_state(bits, taken);
        }
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
            return;
        }
        if believed.is_none() && !on_battery {
            // Nothing is done because of it before another reading agrees, so it can be shown at once.
            self.candidate = None;
            self.line = Line::Mains(Mains::new(self.now));
            return;
        }
        let mut candidate = self
            .candidate
            .filter(|candidate| candidate.on_battery == on_battery)
            .unwrap_or(Candidate { on_battery, streak: Streak::NONE });
        if on_battery && reading.evidence == Evidence::AlertCauseAndRead {
            self.cause = Query::Fresh;
        } else if on_battery && candidate.streak.first().is_none() {
            self.cause = Query::Idle;
            self.ask_cause();
        }
        candidate.streak.note(true, self.now);
        self.candidate = Some(candidate);
        let needed = if Self::believed_at_once(reading) { 1 } else { self.settings.confirm_polls };
        let Some(since) = candidate.streak.since(needed) else { return };
        self.candidate = None;
        if on_battery {
            self.finish_test();
            self.line = Line::Transferred { since, confirmed: self.now };
        } else {
            self.mains_is_back();
        }
    }

    /// What a reading means in the state that it has led to, or confirms.
    fn in_state(&mut self, bits: StatusFlags, taken: Taken) {
        let calibrates = bits.contains(StatusFlags::CALIBRATION);
        match &mut self.line {
            Line::Unknown => {}
            Line::Mains(mains) => {
                mains.agreed.note(true, self.now);
                if mains.agreed.since(self.settings.confirm_polls).is_some() {
                    self.tidy_up();
                }
                self.finish_test_if_told();
            }
            Line::Transferred { .. } => {
                let said = self.known.transfer_cause.is_none() || self.cause == Query::Fresh;
                if said || calibrates || self.known.line_is_dead() {
                    self.classify();
                }
            }
            Line::Test(_) => self.in_test(calibrates, taken),
            Line::Battery(_) => {
                self.note_limits(taken);
                self.calibrates_after_all(calibrates);
            }
        }
    }

    /// Asks why the UPS transferred, if it is one that says.
    pub(super) fn ask_cause(&mut self) {
        if self.known.transfer_cause.is_some() {
            self.cause = Query::ASKED;
            self.order(Order::Command(Command::ReadTransferCause));
        }
    }

    /// Takes in what the limits are judged by.
    pub(super) fn note_limits(&mut self, taken: Taken) {
        let (now, n) = (self.now, self.settings.confirm_polls);
        let (level, minutes) = (self.settings.battery_level, self.settings.minutes);
        let Line::Battery(outage) = &mut self.line else { return };
        if let Some(hearsay) = &mut outage.hearsay {
            hearsay.agreed.note(true, now);
            if hearsay.agreed.since(n).is_some() {
                outage.hearsay = None;
            }
        }
        if let Some(charge) = taken.charge {
            outage.charge_low.note(level.is_some_and(|limit| charge <= limit.0), now);
            outage.first_charge.get_or_insert((charge, now));
        }
        if let Some(runtime) = taken.runtime {
            outage.runtime_low.note(minutes.is_some_and(|limit| runtime <= limit.0), now);
        }
    }

    /// An outage that an earlier run announced, and that has not been seen to end.
    pub(super) fn take_over(&mut self, since: Instant, announced: bool) {
        let mut outage = Outage::new(since, since);
        outage.announced = announced;
        if announced {
            let counted_from = since.checked_add(self.settings.on_battery_delay);
            outage.counted_from = counted_from.map_or(self.now, |at| at.min(self.now));
        }
        let until = self.now.checked_add(FIRST_CONTACT).unwrap_or(self.now);
        outage.hearsay = Some(Hearsay { agreed: Streak::NONE, until });
        self.line = Line::Battery(outage);
        let seconds = self.now.saturating_duration_since(since).as_secs();
        self.log(
            Priority::Warning,
            format!("On battery for {seconds} s already when this daemon started: that time counts."),
        );
    }

    /// The load runs from mains again.
    fn mains_is_back(&mut self) {
        self.classify();
        let now = self.now;
        let Some(since) = self.on_battery_since() else { return };
        let was = std::mem::replace(&mut self.line, Line::Mains(Mains::new(now)));
        self.cause = Query::Idle;
        if let Some(closed) = self.latch.closed_mut() {
            // The next outage may find the machine running, its shutdown cancelled: that needs a new order first.
            closed.kill_at = None;
        }
        self.counters.off_battery_at = Some(now);
        self.counters.total = self.counters.total.saturating_add(now.saturating_duration_since(since));
        match was {
            Line::Test(test) if test.announced_as.is_none() => {
                self.counters.last_self_test_at = Some(test.since);
                self.line = Line::Mains(Mains { ended_test: Some(Query::ASKED), ..Mains::new(now) });
                self.order(Order::Command(Command::ReadSelfTest));
            }
            was => {
                if was.announced() {
                    self.event(Event::OffBattery);
                }
                self.event(Event::MainsBack);
            }
        }
        self.allow_logins();
    }

    /// Mains is confirmed: removes what an earlier run left behind.
    fn tidy_up(&mut self) {
        if self.tidied {
            return;
        }
        self.tidied = true;
        if !self.no_login {
            self.order(Order::RemoveNologin);
        }
        if self.powerfail == Some(Flag::Stale) {
            self.powerfail = None;
            self.order(Order::RemovePowerfail);
            self.log(
                Priority::Notice,
                "Removed the powerfail flag that an earlier power failure left behind.",
            );
        }
    }

    pub(super) fn command_result(&mut self, result: &CommandResult) {
        match (result.command, &result.outcome) {
            (Command::ReadTransferCause, outcome) => {
                self.cause.answered();
                if outcome.is_err() {
                    self.cause = Query::Idle;
                }
                if matches!(self.cause, Query::Fresh | Query::Idle) {
                    self.classify();
                }
            }
            (Command::ReadSelfTest, Ok(_)) => {
                if let Line::Mains(Mains { ended_test: Some(query), .. }) = &mut self.line {
                    query.answered();
                }
                self.finish_test_if_told();
            }
            (Command::ReadSelfTest, Err(_)) => self.finish_test(),
            (Command::KillPower, outcome) => self.kill_result(outcome),
            (
                Command::Poll
                | Command::PowerOff
                | Command::SelfTest
                | Command::Calibrate
                | Command::AbortTest
                | Command::Set(..),
                _,
            ) => {}
        }
    }
}
