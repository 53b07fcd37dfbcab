//! Self tests and calibrations: on battery, but not because mains failed.
//!
//! The benefit of the doubt is bounded on every side: 40 s for a self test; charge and time for a calibration, and for a
//! self test of which the UPS says that it is under way and that mains is there; and none once the UPS names another cause,
//! the line voltage or mains is gone, or the UPS falls silent for good.

use std::time::{Duration, Instant};

use super::debounce::Sample;
use super::outage::{
    ASK_AGAIN, ASK_SOON, AfterAll, CALIBRATION_AT_LEAST, CALIBRATION_CHARGE, CALIBRATION_ENDING,
    CALIBRATION_IF_UNKNOWN, Line, MAINS_SETTLES, Mains, Outage, Query, SELF_TEST_LONGEST, Test,
};
use super::{Order, Supply};
use crate::ups::{Command, Event, Priority, SelfTestResult, TransferCause};

impl Supply {
    /// A confirmed transfer is announced as what it is, as far as can be told now.
    pub(super) fn classify(&mut self) {
        let Line::Transferred { since, confirmed } = self.line else { return };
        let now = self.now;
        let calibration = self.known.calibrates().from(since).shows();
        let cause = self.known.cause_is_self_test();
        let self_test = cause.from(since).shows() || (cause.says && self.cause.query == Query::Fresh);
        let with_mains = self.long_test_is_said(since);
        let dead = self.known.line_is_dead().from(since).shows();
        self.cause.query = Query::Idle;
        self.cause.again_at = None;
        self.counters.transfers = self.counters.transfers.saturating_add(1);
        self.counters.on_battery_at = Some(since);
        if (calibration || self_test || with_mains) && !dead {
            let longest = if calibration { self.calibration_longest() } else { SELF_TEST_LONGEST };
            let mut test = Test::new(since, since.checked_add(longest).unwrap_or(now), now);
            test.calibration = calibration;
            self.line = Line::Test(test);
            self.take_for_long_test();
            self.event(Event::StartSelfTest);
        } else {
            let mut outage = Outage::new(since, confirmed, since);
            outage.asked = Some(now);
            self.line = Line::Battery(outage);
            self.event(Event::PowerOut);
            self.note_limits();
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

    /// The UPS says that a self test is under way and that mains is there: both read since `from`.
    fn says_long_test(&self, from: Instant) -> Sample {
        let (test, mains) = (self.known.tests_itself(), self.known.mains_is_there());
        test.and(mains).from(from)
    }

    /// When such a test is taken for an outage, if the load has run from battery since `since`: the bounds of a calibration,
    /// counted from when the UPS said first that a test is under way. One that has said so for days is not believed.
    fn long_test_until(&self, since: Instant) -> Option<Instant> {
        let from = self.known.tests_itself_since()?.min(since);
        from.checked_add(self.calibration_longest()).filter(|until| *until > self.now)
    }

    /// Whether the last samples say that a self test is under way with mains present, and that can be.
    pub(super) fn long_test_is_said(&self, since: Instant) -> bool {
        self.says_long_test(since).shows() && self.long_test_until(since).is_some()
    }

    /// The bounds of a calibration hold for this test if the UPS says that it is under way with mains present.
    fn take_for_long_test(&mut self) {
        let Line::Test(test) = &self.line else { return };
        if test.with_mains || !self.long_test_is_said(test.since) {
            return;
        }
        let until = self.long_test_until(test.since);
        let Line::Test(test) = &mut self.line else { return };
        test.with_mains = true;
        test.until = test.until.max(until.unwrap_or(test.until));
    }

    /// A reading in a test.
    pub(super) fn in_test(&mut self, line_at: Option<Instant>) {
        let (now, n) = (self.now, self.settings.confirm_polls);
        self.take_for_long_test();
        let longest = self.calibration_longest();
        let Line::Test(test) = &mut self.line else { return };
        let since = test.since;
        let calibrates = self.known.calibrates().from(since);
        if calibrates.shows() && !test.calibration {
            test.calibration = true;
            test.until = test.until.max(since.checked_add(longest).unwrap_or(now));
        }
        let known = &self.known;
        let long = test.calibration || test.with_mains;
        let mains = known.mains_is_there().from(since);
        test.mains_seen |= mains.from(since.checked_add(MAINS_SETTLES).unwrap_or(now)).shows();
        test.refuted.line_dead.note(known.line_is_dead().from(since));
        if test.mains_seen {
            test.refuted.mains_gone.note(mains.not());
        }
        if let Some(charge) = known.charge {
            let low = long && charge.value < CALIBRATION_CHARGE;
            test.refuted.charge_low.note(Sample::new(low, Some(charge.at)).from(since));
        }
        if let Some(cause) = known.transfer_cause {
            // A cause that never was "self test" is a left-over: it counts once it has become another one.
            let other = cause.value != TransferCause::SelfTest && !test.calibration;
            let other = other && known.cause_changed_after(since);
            test.refuted.other_cause.note(Sample::new(other, Some(cause.at)));
        }
        test.calibration_over.note(Sample { says: test.calibration && !calibrates.says, ..calibrates });
        let said = known.tests_itself().and(known.mains_is_there());
        // What the UPS does not say any more was read last with the line state.
        test.with_mains_over.note(Sample {
            says: test.with_mains && !said.says,
            at: said.at.or(line_at.filter(|_| !said.says)),
        });
        if let Some(reason) = test.refuted.reason(n) {
            return self.test_is_an_outage(now, reason);
        }
        self.test_goes_on();
    }

    /// What has ended of a test, and what is asked about the rest.
    fn test_goes_on(&mut self) {
        let (now, n) = (self.now, self.settings.confirm_polls);
        let named = self.known.cause_is_self_test().says;
        let Line::Test(test) = &mut self.line else { return };
        let calibration_over = test.calibration_over.since(n).is_some();
        let with_mains_over = test.with_mains_over.since(n).is_some();
        test.calibration &= !calibration_over;
        test.with_mains &= !with_mains_over;
        let short = !test.calibration && !test.with_mains;
        if short && (calibration_over || with_mains_over) {
            test.calibration_over.end();
            test.with_mains_over.end();
            let ending = now.checked_add(CALIBRATION_ENDING).unwrap_or(now);
            // What was a test only by those words has nothing else to be one by.
            let by_start = test.since.checked_add(SELF_TEST_LONGEST).filter(|_| calibration_over || named);
            test.until = by_start.map_or(ending, |at| at.max(ending));
        }
        if test.refuted.in_doubt() && now.saturating_duration_since(test.polled) >= ASK_SOON {
            test.polled = now;
            self.order(Order::Command(Command::Poll));
        } else if !test.calibration && now.saturating_duration_since(test.asked) >= ASK_AGAIN {
            test.asked = now;
            self.ask_cause();
        }
    }

    /// The UPS says, after the transfer had been announced as an outage, that it is a test: no limit counts, within the
    /// bounds of such a test, and once in an outage only. `decided`: the host shuts down, which no test takes back.
    pub(super) fn test_after_all(&mut self, decided: bool) {
        let (now, n) = (self.now, self.settings.confirm_polls);
        let Line::Battery(Outage { since, tested: false, .. }) = self.line else { return };
        let low = self.known.charge.is_some_and(|charge| charge.value < CALIBRATION_CHARGE);
        let dead = self.known.line_is_dead().from(since).shows();
        let possible = !low && !dead && !decided;
        let after = self.samples.mains_at.unwrap_or(since);
        let until = [
            since.checked_add(SELF_TEST_LONGEST).filter(|until| *until > now),
            self.long_test_until(since),
            now.checked_add(self.calibration_longest()),
        ];
        let calibrates = self.known.calibrates().from(since);
        let with_mains = self.says_long_test(since);
        let cause = self.known.cause_is_self_test();
        let cause = Sample { says: cause.says && self.known.cause_changed_after(after), ..cause };
        let Line::Battery(outage) = &mut self.line else { return };
        let when = |possible: bool, sample: Sample| Sample { says: sample.says && possible, ..sample };
        outage.after_all.calibration.note(when(possible, calibrates));
        outage.after_all.with_mains.note(when(possible && until[1].is_some(), with_mains));
        let unannounced = !outage.announced;
        outage.after_all.cause.note(when(possible && unannounced && until[0].is_some(), cause.from(since)));
        let is = |streak: super::debounce::Debounce| streak.since(n).is_some();
        let of =
            [is(outage.after_all.cause), is(outage.after_all.with_mains), is(outage.after_all.calibration)];
        let longest = of.into_iter().zip(until).filter(|(is, _)| *is).filter_map(|(_, until)| until).max();
        let Some(until) = longest else { return self.ask_whether_test(decided) };
        let mut test = Test::new(since, until, now);
        test.calibration = of[2];
        test.with_mains = of[1];
        test.announced_as = Some(Box::new(outage.clone()));
        self.line = Line::Test(test);
        let what = if of[2] { "calibration" } else { "self test" };
        self.log(
            Priority::Notice,
            format!(
                "The UPS says that this is a {what}, not a power failure: no limit counts while it lasts."
            ),
        );
    }

    /// Until `onbattery` is due the UPS is asked for the cause if it has named none since the transfer: it may come late. What
    /// one sample says is asked for again.
    fn ask_whether_test(&mut self, decided: bool) {
        let now = self.now;
        let named = self.samples.mains_at.is_some_and(|mains| self.known.cause_changed_after(mains));
        let Line::Battery(outage) = &mut self.line else { return };
        let due = outage.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= ASK_SOON);
        if !due || decided || outage.unconfirmed.is_some() {
            return;
        }
        let AfterAll { with_mains, cause, .. } = outage.after_all;
        if with_mains.first().is_some() {
            outage.asked = Some(now);
            self.order(Order::Command(Command::Poll));
        } else if !outage.announced && (!named || cause.first().is_some()) {
            outage.asked = Some(now);
            self.ask_cause();
        }
    }

    /// A test has turned out to be an outage: it is announced by `onbattery` and its limits count from that moment.
    pub(super) fn test_is_an_outage(&mut self, from: Instant, reason: &str) {
        let Line::Test(test) = &self.line else { return };
        let mut outage = Outage::new(test.since, from, from);
        outage.tested = true;
        outage.taken_over = self.line.is_taken_over();
        let announced = test.announced_as.as_ref().is_some_and(|outage| outage.announced);
        outage.announced = true;
        self.cause.query = Query::Idle;
        self.line = Line::Battery(outage);
        let text = format!("Taken for a power failure, not for a test: {reason}.");
        if announced {
            self.log(Priority::Notice, text);
        } else {
            self.order(Order::EventWithReason(Event::OnBattery, text));
        }
        self.note_limits();
    }

    /// Tells the result of a self test that has ended, once the UPS has said it; asks again while it says that the test is
    /// under way.
    pub(super) fn finish_test_if_told(&mut self) {
        let told = matches!(&self.line, Line::Mains(Mains { ended_test: Some(Query::Fresh), .. }));
        let result = self.known.self_test.filter(|_| told);
        match result {
            Some(said) if said.value == SelfTestResult::InProgress => {
                if let Line::Mains(Mains { ended_test: Some(query), .. }) = &mut self.line {
                    if self.now.saturating_duration_since(said.at) >= ASK_SOON {
                        *query = Query::asked(self.now);
                        self.order(Order::Command(Command::ReadSelfTest));
                    }
                }
            }
            _ if told => self.finish_test(),
            _ => {}
        }
    }

    /// Tells the result of a self test that has ended, as it is known now.
    pub(super) fn finish_test(&mut self) {
        let Line::Mains(mains) = &mut self.line else { return };
        if mains.ended_test.take().is_none() {
            return;
        }
        let result = self.known.self_test.map_or("Not supported", |said| said.value.log_text());
        self.log(Priority::Alert, format!("UPS Self Test completed: {result}"));
        self.order(Order::Hook(Event::EndSelfTest));
    }
}
