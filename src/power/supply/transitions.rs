//! Readings, and the changes of the line that they make.

use std::time::{Duration, Instant};

use super::comm::{Comm, FIRST_CONTACT};
use super::debounce::{Debounce, Sample};
use super::outage::{CAUSE_PAUSE, Line, Mains, Outage, Query, UnconfirmedOutage};
use super::{Candidate, News, Order, Supply, text};
use crate::ups::{
    Command, CommandResult, Event, Evidence, Item, LowBatteryFlag, Priority, ReadTimes, Reading, StatusFlags,
    TransferCause, Values,
};

/// `changeme` comes again after this (power-events §6).
const CHANGE_ME_AGAIN: Duration = Duration::from_secs(9 * 3600);
/// And so many times in all, until the flag has been away.
const CHANGE_ME_TIMES: u32 = 6;

impl Supply {
    /// The UPS has been heard.
    pub(in crate::power) fn contact(&mut self) {
        let was = std::mem::replace(&mut self.comm, Comm::Up);
        if was.is_lost() {
            self.event(Event::CommOk);
        }
    }

    pub(in crate::power) fn lose(&mut self, reason: &str) {
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
                // Samples from before and after a loss are no agreement.
                let mains = self.samples.candidate.take().is_some_and(|candidate| !candidate.on_battery);
                self.classify();
                self.master.on_battery = self.outage().is_some() && !mains;
                if self.on_battery_since().is_none() {
                    self.low.end();
                }
            }
        }
    }

    /// Takes in a reading; `read`: when its items were read, by this machine's clock; `decided`: the host shuts down. The values
    /// that are to be shown.
    pub(in crate::power) fn read(&mut self, reading: &Reading, read: &ReadTimes, decided: bool) -> Values {
        let bits = reading.status & StatusFlags::FROM_UPS;
        let line_bits = StatusFlags::ONLINE | StatusFlags::ONBATT;
        if !bits.intersects(line_bits) {
            if let Some(what) = self.known.reject("status without a line state", self.now) {
                self.log_rejected(what);
            }
            let judged = self.known.judge(&reading.values, read, false, self.now);
            return self.known.shown(&reading.values, &judged);
        }
        let (now, n) = (self.now, self.settings.confirm_polls);
        let line_at = read.of(Item::Line);
        // A sample taken at the moment itself may be from before.
        self.samples.held_up = self.samples.held_up.filter(|since| line_at <= Some(*since));
        let low = bits.contains(StatusFlags::BATTLOW);
        let trusted = self.settings.low_battery_flag == LowBatteryFlag::Ups;
        let taken = self.known.take(reading, read, low && trusted, now);
        if let Some(what) = taken.complaint {
            self.log_rejected(what);
        }
        self.last_status = bits;
        self.cause.query.reading(read.of(Item::TransferCause));
        if let Line::Mains(Mains { ended_test: Some(query), .. }) = &mut self.line {
            query.reading(read.of(Item::SelfTest));
        }
        let flag = |flag, item| Sample::new(bits.contains(flag), read.of(item));
        let low = flag(StatusFlags::BATTLOW, Item::LowBattery);
        self.low.note(low, flag(line_bits, Item::Line));
        let times = [read.of(Item::Charge), read.of(Item::Runtime), line_at];
        self.low.note_values(&self.settings, &taken, times);
        if self.battery.present.note(flag(StatusFlags::BATTPRESENT, Item::BatteryPresent), n) {
            let present = self.battery.present.believed();
            self.event(if present { Event::BattAttach } else { Event::BattDetach });
        }
        self.replace_battery(flag(StatusFlags::REPLACEBATT, Item::ReplaceBattery));
        let is_new = self.note_line(flag(StatusFlags::ONBATT, Item::Line), reading.evidence);
        if self.samples.candidate.is_none() {
            self.apply_reading(line_at.filter(|_| is_new), decided);
        }
        self.known.shown(&reading.values, &taken)
    }

    fn log_rejected(&mut self, what: &str) {
        let count = self.known.kept_out;
        self.log(
            Priority::Warning,
            format!("Ignored what the UPS said: implausible {what} ({count} ignored so far)."),
        );
    }

    fn replace_battery(&mut self, flagged: Sample) {
        let now = self.now;
        if self.battery.replace.note(flagged, self.settings.confirm_polls) && !self.battery.replace.believed()
        {
            // Keeps the moment of the last one, so that a flag that comes and goes is not repeated either.
            self.battery.change_me = self.battery.change_me.map(|(at, _)| (at, 0));
        }
        if !self.battery.replace.believed() {
            return;
        }
        let (due, times) = match self.battery.change_me {
            None => (true, 0),
            Some((at, times)) => (now.saturating_duration_since(at) > CHANGE_ME_AGAIN, times),
        };
        if due && times < CHANGE_ME_TIMES {
            self.battery.change_me = Some((now, times.saturating_add(1)));
            self.event(Event::ChangeMe);
        }
    }

    /// Takes in what the line is said to be; `false`: nothing new.
    fn note_line(&mut self, sample: Sample, evidence: Evidence) -> bool {
        let Sample { says: on_battery, at: Some(at) } = sample else { return false };
        let copy = |(last, said): (Instant, bool)| at < last || (at == last && said == on_battery);
        if self.samples.last.is_some_and(copy) {
            return false;
        }
        self.samples.last = Some((at, on_battery));
        if !on_battery {
            self.samples.mains_at = Some(at);
        }
        self.line_sampled(on_battery, at, evidence);
        true
    }

    /// Collects agreement on a change of the line; changes it when there is enough.
    fn line_sampled(&mut self, on_battery: bool, at: Instant, evidence: Evidence) {
        let believed = match self.line {
            Line::Unknown => None,
            Line::Mains(_) => Some(false),
            Line::Transferred { .. } | Line::Test(_) | Line::Battery(_) => Some(true),
        };
        if believed == Some(on_battery) {
            self.samples.candidate = None;
            return;
        }
        if believed.is_none() && !on_battery {
            // Nothing is done because of it before another sample agrees, so it can be shown at once.
            self.samples.candidate = None;
            self.line = Line::Mains(Mains::new(self.now));
            return;
        }
        let mut candidate = self
            .samples
            .candidate
            .filter(|candidate| candidate.on_battery == on_battery)
            .unwrap_or(Candidate { on_battery, streak: Debounce::NONE });
        if on_battery && evidence == Evidence::AlertCauseAndRead {
            self.cause.query = Query::Fresh;
        } else if on_battery && candidate.streak.first().is_none() {
            self.cause.query = Query::Idle;
            self.ask_cause();
        }
        candidate.streak.note(Sample::new(true, Some(at)));
        self.samples.candidate = Some(candidate);
        let mut since = candidate.streak.since(self.settings.confirm_polls);
        if since.is_none() && evidence != Evidence::Poll && self.samples.at_once.take(self.now) {
            since = candidate.streak.first();
        }
        let Some(since) = since else { return };
        self.samples.candidate = None;
        if on_battery {
            self.finish_test();
            self.line = Line::Transferred { since, confirmed: self.now };
            if evidence == Evidence::AlertCauseAndRead {
                self.classify();
            }
        } else {
            self.mains_is_back();
        }
    }

    /// What a reading means in the state that it has led to, or confirms; `line_at`: when the line was read, if that is new.
    fn apply_reading(&mut self, line_at: Option<Instant>, decided: bool) {
        match &mut self.line {
            Line::Unknown => {}
            Line::Mains(mains) => {
                mains.agreed.note(Sample::new(true, line_at));
                if mains.agreed.since(self.settings.confirm_polls).is_some() {
                    self.news.push_back(News::MainsConfirmed);
                }
                self.finish_test_if_told();
            }
            Line::Transferred { .. } => self.consider_cause(),
            Line::Test(_) => self.in_test(line_at),
            Line::Battery(outage) => {
                if let Some(unconfirmed) = &mut outage.unconfirmed {
                    unconfirmed.agreed.note(Sample::new(true, line_at));
                    if unconfirmed.agreed.since(self.settings.confirm_polls).is_some() {
                        outage.unconfirmed = None;
                    }
                }
                self.note_limits();
                self.test_after_all(decided);
                self.tell_flag();
            }
        }
    }

    /// Asks why the UPS transferred, if it is one that says.
    pub(super) fn ask_cause(&mut self) {
        self.cause.again_at = None;
        if self.known.transfer_cause.is_some() {
            self.cause.query = Query::asked(self.now);
            self.order(Order::Command(Command::ReadTransferCause));
        }
    }

    /// Announces a confirmed transfer if enough is known of its cause, else asks again.
    ///
    /// The cause that a UPS names at first can be that of the transfer before. It counts at once if it has become another
    /// one since mains was seen, or if what is known of mains agrees with it; the same as before is asked for again,
    /// until `Timer::Cause`.
    fn consider_cause(&mut self) {
        let Line::Transferred { since, .. } = self.line else { return };
        let Some(cause) = self.known.transfer_cause else { return self.classify() };
        let is_news = self.samples.mains_at.is_some_and(|mains| self.known.cause_changed_after(mains));
        let gone = self.known.mains_is_there().not().from(since).shows();
        let agrees = gone && !matches!(cause.value, TransferCause::None | TransferCause::SelfTest);
        let dead = self.known.line_is_dead().from(since).shows();
        let answered = self.cause.query.is_read();
        let calibrates = self.known.calibrates().from(since).shows();
        if dead || calibrates || self.long_test_is_said(since) || (answered && (is_news || agrees)) {
            self.classify();
        } else if self.cause.query == Query::Fresh && self.cause.again_at.is_none() {
            self.cause.again_at = self.now.checked_add(CAUSE_PAUSE);
        }
    }

    /// Takes in what the limits are judged by.
    pub(super) fn note_limits(&mut self) {
        let (level, minutes) = (self.settings.battery_level, self.settings.minutes);
        let Line::Battery(outage) = &mut self.line else { return };
        if let Some(charge) = self.known.charge.filter(|charge| charge.at >= outage.values_from) {
            let low = level.is_some_and(|limit| charge.value <= limit.0);
            outage.charge_low.note(Sample::new(low, Some(charge.at)));
            outage.first_charge.get_or_insert((charge.value, charge.at));
        }
        if let Some(runtime) = self.known.runtime.filter(|runtime| runtime.at >= outage.values_from) {
            let low = minutes.is_some_and(|limit| runtime.value <= limit.0);
            outage.runtime_low.note(Sample::new(low, Some(runtime.at)));
        }
    }

    /// Says, once in an outage, that the UPS calls its battery low and that this does not count.
    fn tell_flag(&mut self) {
        let (now, n) = (self.now, self.settings.confirm_polls);
        let Line::Battery(outage) = &mut self.line else { return };
        let due = self.low.due(&self.settings, outage.since).is_some_and(|at| at <= now);
        if outage.flag_told || due || self.low.said_since(n).is_none() {
            return;
        }
        let text = match self.settings.low_battery_flag {
            LowBatteryFlag::Ups => return,
            LowBatteryFlag::Confirm if !self.low.is_doubtful(n, outage.since, now) => return,
            LowBatteryFlag::Confirm => "does not count while charge and runtime speak against it",
            LowBatteryFlag::Ignore => "does not count",
        };
        outage.flag_told = true;
        let values = text::battery(self);
        let word = self.settings.low_battery_flag.word();
        self.log(
            Priority::Notice,
            format!(
                "The UPS says that its battery is low; {values}. With LOWBATTERYFLAG {word} that {text}."
            ),
        );
    }

    /// An outage that an earlier run announced, and that has not been seen to end.
    pub(super) fn resume_saved_outage(&mut self, since: Instant, announced: bool) {
        let mut outage = Outage::new(since, since, since);
        outage.taken_over = true;
        outage.announced = announced;
        if announced {
            let counted_from = since.checked_add(self.settings.on_battery_delay);
            outage.counted_from = counted_from.map_or(self.now, |at| at.min(self.now));
        }
        let until = self.now.checked_add(FIRST_CONTACT).unwrap_or(self.now);
        outage.unconfirmed = Some(UnconfirmedOutage { agreed: Debounce::NONE, until });
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
        self.cause.query = Query::Idle;
        self.cause.again_at = None;
        self.counters.off_battery_at = Some(now);
        self.counters.total = self.counters.total.saturating_add(now.saturating_duration_since(since));
        match was {
            Line::Test(test) if test.announced_as.is_none() => {
                self.counters.last_self_test_at = Some(test.since);
                self.line = Line::Mains(Mains { ended_test: Some(Query::asked(now)), ..Mains::new(now) });
                self.order(Order::Command(Command::ReadSelfTest));
            }
            was => {
                if was.announced() {
                    self.event(Event::OffBattery);
                }
                self.event(Event::MainsBack);
            }
        }
        self.news.push_back(News::MainsBack);
    }

    /// How a command to this UPS ended.
    pub(in crate::power) fn command_result(&mut self, result: &CommandResult) {
        match (result.command, &result.outcome) {
            (Command::ReadTransferCause, Ok(_)) => {
                self.cause.query.answered();
                self.consider_cause();
            }
            (Command::ReadTransferCause, Err(_)) => {
                self.cause.query = Query::Idle;
                self.classify();
            }
            (Command::ReadSelfTest, Ok(_)) => {
                if let Line::Mains(Mains { ended_test: Some(query), .. }) = &mut self.line {
                    query.answered();
                }
                self.finish_test_if_told();
            }
            (Command::ReadSelfTest, Err(_)) => self.finish_test(),
            (
                Command::Poll
                | Command::KillPower
                | Command::PowerOff
                | Command::SelfTest
                | Command::Calibrate
                | Command::AbortTest
                | Command::Set(..)
                | Command::Beeper(_)
                | Command::PanelTest
                | Command::Record
                | Command::Outlets
                | Command::Outlet(..),
                _,
            ) => {}
        }
    }
}
