//! What the UPS last said that can be true, and when it said so: implausible values are not data (power-events §10 item 6).

use std::time::{Duration, Instant};

use super::debounce::Sample;
use crate::ups::{Item, Percent, ReadTimes, Reading, SelfTestResult, StatusFlags, TransferCause, Values};

/// A runtime from here on is long: a charge of 0 beside it is a lie.
const LONG_RUNTIME_MINUTES: f64 = 5.0;
/// Up to here a charge is low enough that a runtime of 0 beside it can be true.
const LOW_CHARGE_PERCENT: f64 = 20.0;
/// 65535 seconds in minutes: the mark of a value that is not known in 16-bit reports.
const UNKNOWN_RUNTIME_MINUTES: f64 = 65535.0 / 60.0;
/// Charge and runtime both 0 without LOWBATT is what a unit says that has just been enumerated; after this long it is
/// what the unit means.
const ZEROS_BELIEVED_AFTER: Duration = Duration::from_secs(60);
/// A charge that falls by more than this between two samples is shown when a second sample agrees. Per cent.
const SUDDEN_FALL_PERCENT: f64 = 20.0;
/// Every mains system is well above this, every failed one well below it. Volts.
const MAINS_VOLTS: f64 = 80.0;
/// How often, at most, a line is logged about values that were kept out.
pub(super) const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// A value and when it was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::power) struct Aged {
    pub(in crate::power) value: f64,
    pub(in crate::power) at: Instant,
}

/// Something that is said again and again: the last sample, and the first of those in a row that said the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said<T> {
    pub(super) value: T,
    pub(super) at: Instant,
    since: Instant,
    /// Something else was said before.
    changed: bool,
}

impl<T: Copy + PartialEq> Said<T> {
    /// Takes in one more sample; `None`: it is not said any more. Without a time, and older, it says nothing.
    fn note(this: &mut Option<Self>, value: Option<T>, at: Option<Instant>) {
        let (Some(value), Some(at)) = (value, at) else {
            if value.is_none() {
                *this = None;
            }
            return;
        };
        *this = match *this {
            Some(said) if at < said.at => Some(said),
            Some(said) if said.value == value => Some(Self { at, ..said }),
            said => Some(Self { value, at, since: at, changed: said.is_some() }),
        };
    }

    /// Since when it says something else than before; `None` if nobody knows of a change.
    pub(super) fn changed_at(&self) -> Option<Instant> {
        self.changed.then_some(self.since)
    }
}

/// The last believable values.
#[derive(Clone, Debug, Default)]
pub(super) struct Measurements {
    /// Per cent.
    pub(super) charge: Option<Aged>,
    /// Minutes.
    pub(super) runtime: Option<Aged>,
    /// The samples of charge and runtime before these.
    pub(super) before: [Option<Aged>; 2],
    pub(super) transfer_cause: Option<Said<TransferCause>>,
    pub(super) self_test: Option<Said<SelfTestResult>>,
    /// Whether mains is there and normal, as the UPS says it apart from what feeds the load.
    mains: Option<Said<bool>>,
    /// CALIBRATION.
    calibration: Option<Said<bool>>,
    /// When the line state was read last.
    pub(super) read_at: Option<Instant>,
    line_volts: Option<Aged>,
    /// This UPS has shown a line voltage above zero, so a zero from it means something.
    shows_line_volts: bool,
    both_zero_since: Option<Instant>,
    /// When charge and runtime were read last, data or not.
    judged: [Option<Instant>; 2],
    /// Readings and values kept out so far.
    pub(super) kept_out: u64,
    said_at: Option<Instant>,
}

/// What became of a value in a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Verdict {
    /// The UPS does not say it.
    #[default]
    NotSaid,
    /// It cannot be true.
    Implausible,
    /// It is data.
    Data(f64),
}

impl Verdict {
    const fn data(self) -> Option<f64> {
        match self {
            Self::Data(value) => Some(value),
            Self::NotSaid | Self::Implausible => None,
        }
    }
}

/// What became of one reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Accepted {
    /// Per cent.
    pub(super) charge: Verdict,
    /// Minutes.
    pub(super) runtime: Verdict,
    /// What was kept out, for a line in the log that is due.
    pub(super) complaint: Option<&'static str>,
}

impl Measurements {
    /// Takes in a reading that states the line. `low`: the battery is low, so that zeros can be true.
    pub(super) fn take(&mut self, reading: &Reading, read: &ReadTimes, low: bool, now: Instant) -> Accepted {
        let values = &reading.values;
        self.read_at = self.read_at.max(read.of(Item::Line));
        Said::note(&mut self.transfer_cause, values.transfer_cause, read.of(Item::TransferCause));
        Said::note(&mut self.self_test, values.self_test, read.of(Item::SelfTest));
        Said::note(&mut self.mains, reading.mains, read.of(Item::Mains));
        let calibrates = reading.status.contains(StatusFlags::CALIBRATION);
        Said::note(&mut self.calibration, Some(calibrates), read.of(Item::Calibration));
        if let Some(volts) = values.line_voltage.map(|v| v.0).filter(|v| v.is_finite() && *v >= 0.0) {
            keep_newer(&mut self.line_volts, &mut None, Some(volts), read.of(Item::LineVoltage));
            self.shows_line_volts |= volts >= MAINS_VOLTS;
        }
        self.take_battery(values, read, low, now)
    }

    /// What of charge and runtime is data. `low`: the battery is low, so that zeros can be true.
    pub(super) fn judge(&mut self, values: &Values, read: &ReadTimes, low: bool, now: Instant) -> Accepted {
        let charge = values.battery_charge.map(|v| v.0);
        let runtime = values.runtime_left.map(|v| v.0);
        let times = [read.of(Item::Charge), read.of(Item::Runtime)];
        let at = times.into_iter().flatten().max().unwrap_or(now);
        let (good_charge, good_runtime) = self.plausible(charge, runtime, low, at);
        Accepted {
            charge: verdict(charge, good_charge),
            runtime: verdict(runtime, good_runtime),
            complaint: None,
        }
    }

    fn take_battery(&mut self, values: &Values, read: &ReadTimes, low: bool, now: Instant) -> Accepted {
        let mut taken = self.judge(values, read, low, now);
        let times = [read.of(Item::Charge), read.of(Item::Runtime)];
        let [charge_before, runtime_before] = &mut self.before;
        keep_newer(&mut self.charge, charge_before, taken.charge.data(), times[0]);
        keep_newer(&mut self.runtime, runtime_before, taken.runtime.data(), times[1]);
        let new = [times[0] > self.judged[0], times[1] > self.judged[1]];
        self.judged = [times[0].max(self.judged[0]), times[1].max(self.judged[1])];
        if taken.charge == Verdict::Implausible && new[0] {
            taken.complaint = self.reject("battery charge", now);
        }
        if taken.runtime == Verdict::Implausible && new[1] {
            taken.complaint = self.reject("runtime", now).or(taken.complaint);
        }
        taken
    }

    /// What of a reading's values is to be shown: of charge and runtime only what is data, and of a charge that has just fallen
    /// far the one before.
    pub(super) fn shown(&self, values: &Values, taken: &Accepted) -> Values {
        let mut shown = values.clone();
        if taken.charge == Verdict::Implausible {
            shown.battery_charge = None;
        } else if shown.battery_charge.is_some() {
            if let Some(before) = self.fallen_from() {
                shown.battery_charge = Some(Percent(before));
            }
        }
        if taken.runtime == Verdict::Implausible {
            shown.runtime_left = None;
        }
        shown
    }

    /// The charge that the last sample alone has fallen far from. Per cent.
    fn fallen_from(&self) -> Option<f64> {
        let ([Some(before), _], Some(last)) = (self.before, self.charge) else { return None };
        (last.value < before.value - SUDDEN_FALL_PERCENT).then_some(before.value)
    }

    /// Counts something that is not data; its name comes back when a line about it is due.
    pub(super) fn reject(&mut self, what: &'static str, now: Instant) -> Option<&'static str> {
        self.kept_out = self.kept_out.saturating_add(1);
        let due = self.said_at.is_none_or(|said| now.saturating_duration_since(said) >= LOG_INTERVAL);
        if due {
            self.said_at = Some(now);
        }
        due.then_some(what)
    }

    fn plausible(
        &mut self,
        charge: Option<f64>,
        runtime: Option<f64>,
        low: bool,
        at: Instant,
    ) -> (Option<f64>, Option<f64>) {
        let charge = charge.filter(|v| v.is_finite() && (0.0..=120.0).contains(v));
        let runtime = runtime.filter(|v| v.is_finite() && *v >= 0.0 && *v < 65535.0);
        let runtime = runtime.filter(|v| (v - UNKNOWN_RUNTIME_MINUTES).abs() > 0.01);
        if low {
            self.both_zero_since = None;
            return (charge, runtime);
        }
        if charge == Some(0.0) && runtime == Some(0.0) {
            let since = *self.both_zero_since.get_or_insert(at);
            let believed = at.saturating_duration_since(since) >= ZEROS_BELIEVED_AFTER;
            return if believed { (charge, runtime) } else { (None, None) };
        }
        self.both_zero_since = None;
        let long = runtime.is_some_and(|v| v >= LONG_RUNTIME_MINUTES);
        let near_end = charge.is_some_and(|v| v <= LOW_CHARGE_PERCENT)
            || self.runtime.is_some_and(|last| last.value < LONG_RUNTIME_MINUTES);
        (charge.filter(|v| *v > 0.0 || !long), runtime.filter(|v| *v > 0.0 || near_end))
    }

    /// The line voltage says that mains is gone.
    pub(super) fn line_is_dead(&self) -> Sample {
        let volts = self.line_volts;
        let dead = self.shows_line_volts && volts.is_some_and(|volts| volts.value < MAINS_VOLTS);
        Sample::new(dead, volts.map(|volts| volts.at))
    }

    /// The UPS says, apart from what feeds the load, that mains is there and normal.
    pub(super) fn mains_is_there(&self) -> Sample {
        Sample::new(self.mains.is_some_and(|mains| mains.value), self.mains.map(|mains| mains.at))
    }

    /// The UPS says that it calibrates.
    pub(super) fn calibrates(&self) -> Sample {
        let said = self.calibration;
        Sample::new(said.is_some_and(|said| said.value), said.map(|said| said.at))
    }

    /// The UPS says that a self test is under way.
    pub(super) fn tests_itself(&self) -> Sample {
        let test = self.self_test;
        let running = test.is_some_and(|test| test.value == SelfTestResult::InProgress);
        Sample::new(running, test.map(|test| test.at))
    }

    /// Since when it says so.
    pub(super) fn tests_itself_since(&self) -> Option<Instant> {
        self.self_test.filter(|test| test.value == SelfTestResult::InProgress).map(|test| test.since)
    }

    /// The UPS says that it transferred for a self test.
    pub(super) fn cause_is_self_test(&self) -> Sample {
        let cause = self.transfer_cause;
        let test = cause.is_some_and(|cause| cause.value == TransferCause::SelfTest);
        Sample::new(test, cause.map(|cause| cause.at))
    }

    /// The UPS names a cause that has become another one after this moment.
    pub(super) fn cause_changed_after(&self, moment: Instant) -> bool {
        self.transfer_cause.and_then(|cause| cause.changed_at()).is_some_and(|at| at > moment)
    }
}

/// Keeps the value, and the one before it, unless it is older than the one that is kept.
fn keep_newer(kept: &mut Option<Aged>, before: &mut Option<Aged>, value: Option<f64>, at: Option<Instant>) {
    let (Some(value), Some(at)) = (value, at) else { return };
    let new = Aged { value, at };
    if kept.is_none_or(|kept| at >= kept.at && kept != new) {
        *before = kept.replace(new);
    }
}

fn verdict(said: Option<f64>, good: Option<f64>) -> Verdict {
    match (said, good) {
        (None, _) => Verdict::NotSaid,
        (Some(_), None) => Verdict::Implausible,
        (Some(_), Some(value)) => Verdict::Data(value),
    }
}
