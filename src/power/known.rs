//! What the UPS last said that can be true: implausible values are not data (power-events §10 item 6).

use std::time::{Duration, Instant};

use crate::ups::{Reading, SelfTestResult, StatusFlags, TransferCause};

/// A runtime from here on is long: a charge of 0 beside it is a lie.
const LONG_RUNTIME_MINUTES: f64 = 5.0;
/// Up to here a charge is low enough that a runtime of 0 beside it can be true.
const LOW_CHARGE_PERCENT: f64 = 20.0;
/// 65535 seconds in minutes: the mark of a value that is not known in 16-bit reports.
const UNKNOWN_RUNTIME_MINUTES: f64 = 65535.0 / 60.0;
/// Charge and runtime both 0 without LOWBATT is what a unit says that has just been enumerated; after this long it is
/// what the unit means.
const ZEROS_BELIEVED_AFTER: Duration = Duration::from_secs(60);
/// Every mains system is well above this, every failed one well below it. Volts.
const MAINS_VOLTS: f64 = 80.0;
/// How often, at most, a line is logged about values that were kept out.
pub(super) const SAY_AT_MOST_EVERY: Duration = Duration::from_secs(60);

/// A value and when it was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Aged {
    pub(super) value: f64,
    pub(super) at: Instant,
}

/// The last believable values.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Per cent.
    pub(super) charge: Option<Aged>,
    /// Minutes.
    pub(super) runtime: Option<Aged>,
    pub(super) transfer_cause: Option<TransferCause>,
    pub(super) self_test: Option<SelfTestResult>,
    /// The last reading that stated the line.
    pub(super) read_at: Option<Instant>,
    line_volts: Option<f64>,
    /// This UPS has shown a line voltage above zero, so a zero from it means something.
    shows_line_volts: bool,
    both_zero_since: Option<Instant>,
    /// Readings and values kept out so far.
    pub(super) kept_out: u64,
    said_at: Option<Instant>,
}

/// What became of one reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Taken {
    /// The charge in this reading, if it is data. Per cent.
    pub(super) charge: Option<f64>,
    /// The runtime in this reading, if it is data. Minutes.
    pub(super) runtime: Option<f64>,
    /// What was kept out, for a line in the log that is due.
    pub(super) complaint: Option<&'static str>,
}

impl Known {
    /// Takes in a reading that states the line.
    pub(super) fn take(&mut self, reading: &Reading, now: Instant) -> Taken {
        let values = &reading.values;
        self.read_at = Some(now);
        self.transfer_cause = values.transfer_cause;
        self.self_test = values.self_test;
        if let Some(volts) = values.line_voltage.map(|v| v.0).filter(|v| v.is_finite() && *v >= 0.0) {
            self.line_volts = Some(volts);
            self.shows_line_volts |= volts >= MAINS_VOLTS;
        }
        let low = reading.status.contains(StatusFlags::BATTLOW);
        let charge = values.battery_charge.map(|v| v.0);
        let runtime = values.runtime_left.map(|v| v.0);
        let (good_charge, good_runtime) = self.plausible(charge, runtime, low, now);
        let mut taken = Taken { charge: good_charge, runtime: good_runtime, complaint: None };
        if let Some(value) = good_charge {
            self.charge = Some(Aged { value, at: now });
        }
        if let Some(value) = good_runtime {
            self.runtime = Some(Aged { value, at: now });
        }
        if charge.is_some() && good_charge.is_none() {
            taken.complaint = self.keep_out("battery charge", now);
        }
        if runtime.is_some() && good_runtime.is_none() {
            taken.complaint = self.keep_out("runtime", now).or(taken.complaint);
        }
        taken
    }

    /// Counts something that is not data; its name comes back when a line about it is due.
    pub(super) fn keep_out(&mut self, what: &'static str, now: Instant) -> Option<&'static str> {
        self.kept_out = self.kept_out.saturating_add(1);
        let due = self.said_at.is_none_or(|said| now.saturating_duration_since(said) >= SAY_AT_MOST_EVERY);
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
        now: Instant,
    ) -> (Option<f64>, Option<f64>) {
        let charge = charge.filter(|v| v.is_finite() && (0.0..=120.0).contains(v));
        let runtime = runtime.filter(|v| v.is_finite() && *v >= 0.0 && *v < 65535.0);
        let runtime = runtime.filter(|v| (v - UNKNOWN_RUNTIME_MINUTES).abs() > 0.01);
        if low {
            self.both_zero_since = None;
            return (charge, runtime);
        }
        if charge == Some(0.0) && runtime == Some(0.0) {
            let since = *self.both_zero_since.get_or_insert(now);
            let believed = now.saturating_duration_since(since) >= ZEROS_BELIEVED_AFTER;
            return if believed { (charge, runtime) } else { (None, None) };
        }
        self.both_zero_since = None;
        let long = runtime.is_some_and(|v| v >= LONG_RUNTIME_MINUTES);
        let near_end = charge.is_some_and(|v| v <= LOW_CHARGE_PERCENT)
            || self.runtime.is_some_and(|last| last.value < LONG_RUNTIME_MINUTES);
        (charge.filter(|v| *v > 0.0 || !long), runtime.filter(|v| *v > 0.0 || near_end))
    }

    /// What the last reading said that is data.
    pub(super) fn latest(&self) -> Taken {
        let of_it =
            |aged: Option<Aged>| aged.filter(|aged| Some(aged.at) == self.read_at).map(|aged| aged.value);
        Taken { charge: of_it(self.charge), runtime: of_it(self.runtime), complaint: None }
    }

    /// The line voltage says that mains is gone.
    pub(super) fn line_is_dead(&self) -> bool {
        self.shows_line_volts && self.line_volts.is_some_and(|volts| volts < MAINS_VOLTS)
    }
}
