//! The unit of a runtime whose descriptor names none: seconds, as the class demands, or minutes (usb-hid §4, §14).
//!
//! Two things tell. What a unit of this charge and load would run at full load with a full battery: no UPS is made for some
//! seconds of it, and none for hours; and on battery, with a steady load, whether the number falls by about one in a second or
//! in a minute. Several readings must agree. Until they do there is no runtime: MINUTES cannot be judged by it, and slaves
//! would judge by what is shown. A wrong guess would be a false shutdown in one direction and a missed one in the other.

use std::time::{Duration, Instant};

/// What the number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Minutes,
}

impl Unit {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Minutes => "minutes",
        }
    }
}

/// One reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// When it was taken from the UPS.
    pub at: Instant,
    pub runtime: f64,
    /// Per cent.
    pub charge: Option<f64>,
    /// Per cent.
    pub load: Option<f64>,
    pub on_battery: bool,
    /// The UPS wants a new battery: the runtime may be as short as it looks.
    pub battery_is_bad: bool,
    /// The runtime at which the UPS calls its battery low, in the same unknown unit.
    pub limit: Option<f64>,
    /// Not one field of the descriptor has a unit: such firmware counts seconds, as far as is known (Powercom).
    pub without_units: bool,
}

/// Readings that must agree.
const AGREEING: u8 = 3;
/// Runtime at full load with a full battery, in the unit of the number. Recorded units have 290 to 900 seconds, and those with
/// minutes 4 to 15; old batteries and battery packs widen both.
const TOO_SHORT_FOR_SECONDS: f64 = 20.0;
const TOO_LONG_FOR_MINUTES: f64 = 150.0;
/// What a UPS takes for itself, as a part of the full load.
const OWN_USE: f64 = 0.05;
/// A battery gives less at a high load (Peukert).
const PEUKERT: f64 = 1.15;
/// With less charge than this the runtime says little about the unit, in per cent.
const LEAST_CHARGE: f64 = 20.0;
/// From this many seconds, or up to this many minutes, a UPS calls its battery low.
const LIMIT_IN_SECONDS: f64 = 60.0;
const LIMIT_IN_MINUTES: f64 = 15.0;
/// The load is steady while it stays within so many per cent of the rating.
const STEADY_LOAD_PERCENT: f64 = 5.0;
/// A countdown in seconds shows in this time, by at least so many steps, each no longer than the time since the one before it allows.
const SECONDS_SHOW: Duration = Duration::from_secs(20);
const SECOND_STEPS: u32 = 5;
const SECONDS_FALL: f64 = 0.3;
/// One in minutes shows in this time, by two steps of one.
const MINUTES_SHOW: Duration = Duration::from_secs(150);
const MINUTE_STEPS: u32 = 2;
const MINUTES_FALL: f64 = 0.06;

/// What is known of the unit.
#[derive(Clone, Debug, Default)]
pub(super) struct RuntimeUnit {
    decided: Option<Unit>,
    /// What the last readings in a row spoke for, and how many they were.
    agreed: Option<(Unit, u8)>,
    /// Readings that were looked at.
    samples: u32,
    last: Option<Instant>,
    countdown: Option<Countdown>,
    /// The countdown itself has decided: nothing is stronger.
    counted: bool,
}

/// A stretch on battery with a steady load.
#[derive(Clone, Copy, Debug)]
struct Countdown {
    since: Instant,
    from: f64,
    load: Option<f64>,
    last: f64,
    last_at: Instant,
    steps: u32,
}

impl RuntimeUnit {
    pub(super) const fn decided(&self) -> Option<Unit> {
        self.decided
    }

    /// Whether further readings soon would help: the first few, while nothing is decided.
    pub(super) const fn wants_samples(&self) -> bool {
        self.decided.is_none() && self.samples < AGREEING as u32
    }

    /// Takes in a reading; copies of one are none. `Some` when the unit is decided by it, or decided otherwise than before.
    pub(super) fn note(&mut self, sample: &Sample) -> Option<Unit> {
        if self.last.is_some_and(|last| sample.at <= last)
            || !sample.runtime.is_finite()
            || sample.runtime < 0.0
        {
            return None;
        }
        self.last = Some(sample.at);
        self.samples = self.samples.saturating_add(1);
        if let Some(unit) = self.count_down(sample) {
            // It may overrule what was only plausible.
            if !self.counted {
                self.counted = true;
                return (self.decided.replace(unit) != Some(unit)).then_some(unit);
            }
            return None;
        }
        if self.decided.is_some() {
            return None;
        }
        let unit = plausible(sample)?;
        let agreeing = match self.agreed {
            Some((before, number)) if before == unit => number + 1,
            _ => 1,
        };
        self.agreed = Some((unit, agreeing));
        if agreeing < AGREEING {
            return None;
        }
        self.decided = Some(unit);
        self.decided
    }

    /// How fast the number falls on battery.
    fn count_down(&mut self, sample: &Sample) -> Option<Unit> {
        let steady = |before: Option<f64>| match (before, sample.load) {
            (Some(before), Some(load)) => (before - load).abs() <= STEADY_LOAD_PERCENT,
            (None, None) => true,
            _ => false,
        };
        let begun = Countdown {
            since: sample.at,
            from: sample.runtime,
            load: sample.load,
            last: sample.runtime,
            last_at: sample.at,
            steps: 0,
        };
        let going = self.countdown.filter(|before| {
            let passed = sample.at.saturating_duration_since(before.last_at).as_secs_f64();
            let fallen = before.last - sample.runtime;
            // A jump up, or down by more than any countdown, is a new estimate.
            sample.on_battery && steady(before.load) && fallen >= 0.0 && fallen <= 4.0 * passed + 2.0
        });
        let Some(mut countdown) = going else {
            self.countdown = sample.on_battery.then_some(begun);
            return None;
        };
        countdown.steps += u32::from(sample.runtime < countdown.last);
        countdown.last = sample.runtime;
        countdown.last_at = sample.at;
        self.countdown = Some(countdown);
        let time = sample.at.saturating_duration_since(countdown.since);
        let fall = (countdown.from - countdown.last) / time.as_secs_f64().max(0.001);
        if time >= SECONDS_SHOW && countdown.steps >= SECOND_STEPS && fall >= SECONDS_FALL {
            return Some(Unit::Seconds);
        }
        let may_be_minutes = plausible(sample) != Some(Unit::Seconds);
        let slow = time >= MINUTES_SHOW && countdown.steps >= MINUTE_STEPS && fall <= MINUTES_FALL;
        (slow && may_be_minutes).then_some(Unit::Minutes)
    }
}

/// What one reading speaks for by itself.
fn plausible(sample: &Sample) -> Option<Unit> {
    let charge = sample.charge.filter(|charge| *charge >= LEAST_CHARGE)? / 100.0;
    let at_full = |load: f64| sample.runtime / charge * libm::pow(load / 100.0 + OWN_USE, PEUKERT);
    // An unknown load may be any.
    let (least, most) = match sample.load {
        Some(load) => (at_full(load.clamp(0.0, 100.0)), at_full(load.clamp(0.0, 100.0))),
        None => (at_full(0.0), at_full(100.0)),
    };
    let by_limit = match sample.limit {
        Some(limit) if (LIMIT_IN_SECONDS..=3600.0).contains(&limit) => Some(Unit::Seconds),
        Some(limit) if (1.0..=LIMIT_IN_MINUTES).contains(&limit) => Some(Unit::Minutes),
        _ => None,
    };
    if least > TOO_LONG_FOR_MINUTES {
        return (by_limit != Some(Unit::Minutes)).then_some(Unit::Seconds);
    }
    if most < TOO_SHORT_FOR_SECONDS {
        let may_be = by_limit != Some(Unit::Seconds) && !sample.battery_is_bad && !sample.without_units;
        return (may_be && sample.runtime > 0.0).then_some(Unit::Minutes);
    }
    by_limit.or(sample.without_units.then_some(Unit::Seconds))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // any moment will do; there is no other way to have one
mod tests {
    use super::*;

    struct Watch {
        unit: RuntimeUnit,
        sample: Sample,
    }

    impl Watch {
        fn new(runtime: f64, charge: f64, load: f64) -> Self {
            let sample = Sample {
                at: Instant::now(),
                runtime,
                charge: Some(charge),
                load: Some(load),
                on_battery: false,
                battery_is_bad: false,
                limit: None,
                without_units: false,
            };
            Self { unit: RuntimeUnit::default(), sample }
        }

        /// So many seconds later.
        fn read(&mut self, seconds: u64, change: impl FnOnce(&mut Sample)) -> Option<Unit> {
            self.sample.at += Duration::from_secs(seconds);
            change(&mut self.sample);
            self.unit.note(&self.sample)
        }

        /// Five readings on mains.
        fn on_mains(mut self) -> Option<Unit> {
            for _ in 0..5 {
                self.read(60, |_| {});
            }
            self.unit.decided()
        }
    }

    #[test]
    fn recorded_runtimes_in_seconds_are_seconds_and_36_minutes_of_a_gxt5_are_minutes() {
        // Runtime and load of the recorded devices that say their unit.
        for (seconds, load) in [
            (868.0, 34.0),
            (3320.0, 10.0),
            (3300.0, 13.0),
            (1637.0, 25.0),
            (2666.0, 11.0),
            (6180.0, 7.0),
            (1248.0, 24.0),
            (2311.0, 20.0),
            (11387.0, 0.0),
            (28110.0, 0.0),
            (4710.0, 5.0),
            (2160.0, 9.0),
        ] {
            assert_eq!(
                Watch::new(seconds, 100.0, load).on_mains(),
                Some(Unit::Seconds),
                "{seconds} s at {load} %"
            );
            let minutes = (seconds / 60.0_f64).floor();
            assert_eq!(
                Watch::new(minutes, 100.0, load).on_mains(),
                Some(Unit::Minutes),
                "{minutes} min at {load} %"
            );
        }
        assert_eq!(Watch::new(36.0, 100.0, 9.0).on_mains(), Some(Unit::Minutes));
    }

    #[test]
    fn one_reading_or_two_decide_nothing_and_copies_are_none() {
        let mut watch = Watch::new(36.0, 100.0, 9.0);
        for _ in 0..5 {
            assert_eq!(watch.unit.note(&watch.sample), None);
        }
        assert_eq!(watch.read(1, |_| {}), None);
        assert!(watch.unit.wants_samples());
        assert_eq!(
            watch.read(1, |sample| sample.runtime = 2160.0),
            None,
            "another opinion: from the beginning"
        );
        assert_eq!(watch.read(1, |sample| sample.runtime = 36.0), None);
        assert_eq!(watch.read(1, |_| {}), None);
        assert_eq!(watch.read(1, |_| {}), Some(Unit::Minutes));
        assert_eq!(watch.read(1, |sample| sample.runtime = 2160.0), None, "decided");
        assert_eq!(watch.unit.decided(), Some(Unit::Minutes));
    }

    #[test]
    fn without_charge_or_with_an_old_battery_nothing_is_plausible() {
        let mut watch = Watch::new(36.0, 100.0, 9.0);
        watch.sample.charge = None;
        assert_eq!(watch.on_mains(), None);
        assert_eq!(Watch::new(60.0, 100.0, 60.0).on_mains(), None, "an old battery, or many packs");
        let mut watch = Watch::new(20.0, 100.0, 50.0);
        watch.sample.battery_is_bad = true;
        assert_eq!(watch.on_mains(), None, "20 seconds are what such a battery may have");
        let mut watch = Watch::new(36.0, 100.0, 9.0);
        watch.sample.load = None;
        assert_eq!(watch.on_mains(), None, "with no load it could be seconds of a good battery");
        let mut watch = Watch::new(7000.0, 100.0, 0.0);
        watch.sample.load = None;
        assert_eq!(watch.on_mains(), Some(Unit::Seconds));
    }

    #[test]
    fn the_limit_in_the_same_unit_helps_and_contradicting_facts_do_not_decide() {
        let with_limit = |runtime, limit| {
            let mut watch = Watch::new(runtime, 100.0, 50.0);
            watch.sample.limit = Some(limit);
            watch.on_mains()
        };
        assert_eq!(with_limit(100.0, 120.0), Some(Unit::Seconds));
        assert_eq!(with_limit(100.0, 2.0), Some(Unit::Minutes), "packs of batteries");
        assert_eq!(with_limit(20.0, 300.0), None);
        assert_eq!(with_limit(2000.0, 5.0), None);
        assert_eq!(with_limit(100.0, 16_777_215.0), None, "all ones");
    }

    /// On battery, read every second.
    fn discharge(mut watch: Watch, seconds: u64, runtime: impl Fn(u64) -> f64) -> Watch {
        for second in 0..seconds {
            watch.read(1, |sample| {
                sample.on_battery = true;
                sample.runtime = runtime(second);
            });
        }
        watch
    }

    #[test]
    fn a_countdown_tells_where_nothing_else_does() {
        // 60 at 60 % load may be either.
        let seconds = discharge(Watch::new(60.0, 100.0, 60.0), 25, |second| 60.0 - second as f64);
        assert_eq!(seconds.unit.decided(), Some(Unit::Seconds));
        let minutes = discharge(Watch::new(60.0, 100.0, 60.0), 200, |second| 60.0 - (second / 60) as f64);
        assert_eq!(minutes.unit.decided(), Some(Unit::Minutes));
        let frozen = discharge(Watch::new(60.0, 100.0, 60.0), 600, |_| 60.0);
        assert_eq!(frozen.unit.decided(), None);
    }

    #[test]
    fn a_countdown_in_seconds_overrules_minutes_that_were_only_plausible() {
        let mut watch = Watch::new(50.0, 100.0, 10.0);
        for _ in 0..3 {
            watch.read(60, |_| {});
        }
        assert_eq!(watch.unit.decided(), Some(Unit::Minutes), "a battery of seconds");
        let watch = discharge(watch, 25, |second| 50.0 - second as f64);
        assert_eq!(watch.unit.decided(), Some(Unit::Seconds));
    }

    #[test]
    fn a_load_that_comes_and_goes_is_no_countdown() {
        let mut watch = Watch::new(60.0, 100.0, 60.0);
        for second in 0..300_u32 {
            watch.read(1, |sample| {
                sample.on_battery = true;
                let heavy = second / 10 % 2 == 1;
                sample.load = Some(if heavy { 90.0 } else { 60.0 });
                sample.runtime = if heavy { 38.0 } else { 60.0 };
            });
        }
        assert_eq!(watch.unit.decided(), None);
        // A runtime that is estimated anew in jumps is none either.
        let jumps =
            discharge(Watch::new(100.0, 100.0, 60.0), 200, |second| 100.0 - (second / 40) as f64 * 8.0);
        assert_eq!(jumps.unit.decided(), None);
    }
}
