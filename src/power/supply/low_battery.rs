//! The UPS's word that its battery is low, and what it counts for (LOWBATTERYFLAG).
//!
//! There is firmware that says so at once when mains fails, with a full battery. With `confirm` the word counts when charge
//! or runtime say the same, and when they are no witnesses: not said, implausible, or standing still.

use std::time::{Duration, Instant};

use super::Settings;
use super::debounce::{Debounce, Sample};
use super::limits::DEBOUNCE;
use super::measurements::{Accepted, Verdict};
use crate::ups::{LowBatteryFlag, NEAR_END_MINUTES, NEAR_END_PERCENT};

/// A value that has not changed for so long on battery says nothing about the battery.
const STANDS_STILL: Duration = Duration::from_secs(60);

/// What the UPS says of a low battery, and what its values say about that.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct LowBattery {
    /// LOWBATT.
    flag: Debounce,
    /// LOWBATT with ONLINE and ONBATT together.
    emergency: Debounce,
    charge: Witness,
    runtime: Witness,
}

/// A value that a battery that becomes empty must move.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Witness {
    value: Option<f64>,
    /// Since when it is what it is.
    unchanged_since: Option<Instant>,
    /// It says that the battery is nearly empty, or says nothing that can be used.
    confirms: Debounce,
    /// Which of these, for the log.
    why: &'static str,
}

impl Witness {
    fn note(&mut self, verdict: Verdict, near_end: f64, at: Option<Instant>, line_at: Option<Instant>) {
        match verdict {
            Verdict::NotSaid => {
                *self = Self { value: None, unchanged_since: None, ..*self };
                self.confirms.note(Sample::new(true, line_at));
                self.why = "is not known";
            }
            Verdict::Implausible => {
                self.confirms.note(Sample::new(true, at));
                self.why = "is implausible";
            }
            Verdict::Data(value) => {
                let newer = self.confirms.latest().is_none_or(|last| at >= Some(last));
                if self.value != Some(value) && newer {
                    (self.value, self.unchanged_since) = (Some(value), at);
                }
                self.confirms.note(Sample::new(value <= near_end, at));
                self.why = "agrees";
            }
        }
    }

    /// From when on it does not speak against a low battery, and why; `None`: it does, as far as can be seen.
    fn confirmed(&self, samples: u32, on_battery: Instant) -> Option<(Instant, &'static str)> {
        let still = self.unchanged_since.and_then(|since| since.max(on_battery).checked_add(STANDS_STILL));
        let still = still.map(|at| (at, "has not changed for 60 s"));
        let says = self.confirms.since(samples).map(|at| (at, self.why));
        [says, still].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

impl LowBattery {
    /// Takes in one reading. `line`: when the line state was read, and whether it is on line and on battery at once.
    pub(super) fn note(&mut self, flag: Sample, both_lines: Sample) {
        self.flag.note(flag);
        self.emergency.note(flag.and(both_lines));
    }

    /// Takes in what a reading says of charge and runtime, with the times of these, and of the line state.
    pub(super) fn note_values(&mut self, settings: &Settings, taken: &Accepted, at: [Option<Instant>; 3]) {
        let [charge_at, runtime_at, line_at] = at;
        let (charge, runtime) = (f64::from(NEAR_END_PERCENT), f64::from(NEAR_END_MINUTES));
        let percent = settings.battery_level.map_or(charge, |limit| limit.0.max(charge));
        let minutes = settings.minutes.map_or(runtime, |limit| limit.0.max(runtime));
        self.charge.note(taken.charge, percent, charge_at, line_at);
        self.runtime.note(taken.runtime, minutes, runtime_at, line_at);
    }

    /// Ends what is half believed: samples from before and after a loss are no agreement.
    pub(super) const fn end(&mut self) {
        self.flag.end();
        self.emergency.end();
    }

    /// Since when the UPS says so, whatever it counts for.
    pub(super) fn said_since(&self, samples: u32) -> Option<Instant> {
        self.flag.since(samples)
    }

    /// From when on the flag has counted for so long that the machine is shut down.
    pub(super) fn due(&self, settings: &Settings, on_battery: Instant) -> Option<Instant> {
        let held = self.flag.since(settings.confirm_polls)?.checked_add(DEBOUNCE)?;
        self.counts(settings, held, on_battery)
    }

    /// From when on low battery while on line and on battery at once is an emergency.
    pub(super) fn emergency_at(&self, settings: &Settings, on_battery: Instant) -> Option<Instant> {
        self.counts(settings, self.emergency.since(settings.confirm_polls)?, on_battery)
    }

    /// The last word before a silence was a low battery: when that counts if nothing else is heard after `at`.
    pub(super) fn latched_at(
        &self,
        settings: &Settings,
        at: Instant,
        on_battery: Instant,
    ) -> Option<Instant> {
        self.flag.first()?;
        self.counts(settings, at, on_battery)
    }

    /// Whether the last sample says so, and it counts now.
    pub(super) fn is_said(&self, settings: &Settings, on_battery: Option<Instant>, now: Instant) -> bool {
        let counts = |at| self.counts(settings, at, on_battery.unwrap_or(now)).is_some_and(|at| at <= now);
        self.flag.first().is_some_and(counts)
    }

    /// Whether the last sample says that the battery fails, and it counts now.
    pub(super) fn is_emergency(
        &self,
        settings: &Settings,
        on_battery: Option<Instant>,
        now: Instant,
    ) -> bool {
        let counts = |at| self.counts(settings, at, on_battery.unwrap_or(now)).is_some_and(|at| at <= now);
        self.emergency.first().is_some_and(counts)
    }

    /// Whether charge and runtime speak against a low battery.
    pub(super) fn is_doubtful(&self, samples: u32, on_battery: Instant, now: Instant) -> bool {
        self.confirmed_at(samples, on_battery).is_none_or(|at| at > now)
    }

    fn counts(&self, settings: &Settings, at: Instant, on_battery: Instant) -> Option<Instant> {
        match settings.low_battery_flag {
            LowBatteryFlag::Ups => Some(at),
            LowBatteryFlag::Confirm => Some(self.confirmed_at(settings.confirm_polls, on_battery)?.max(at)),
            LowBatteryFlag::Ignore => None,
        }
    }

    fn confirmed_at(&self, samples: u32, on_battery: Instant) -> Option<Instant> {
        self.confirmed(samples, on_battery).map(|(at, ..)| at)
    }

    /// From when on charge or runtime do not speak against a low battery; which, and why.
    fn confirmed(&self, samples: u32, on_battery: Instant) -> Option<(Instant, &'static str, &'static str)> {
        let of =
            |witness: Witness, name| witness.confirmed(samples, on_battery).map(|(at, why)| (at, name, why));
        let witnesses = [of(self.charge, "charge"), of(self.runtime, "runtime")];
        witnesses.into_iter().flatten().min_by_key(|(at, ..)| *at)
    }

    /// For the log: which value does not speak against a low battery, and why.
    pub(super) fn confirmed_by(&self, samples: u32, on_battery: Instant, now: Instant) -> Option<String> {
        let (_, name, why) = self.confirmed(samples, on_battery).filter(|(at, ..)| *at <= now)?;
        Some(format!("{name} {why}"))
    }
}
