//! What of the UPS's words is believed: alarms that two reads agree on, and values that can be (usb-hid §9, §13, §15, §17).

use std::time::{Duration, Instant};

use crate::ups::{StatusFlags, Values};

/// Agreeing reads that raise an alarm, or say that a battery is gone or back.
const AGREEING: u8 = 2;
/// A log line about ignored data at most this often.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// A fall of the charge by more than this between two reads must be read twice, in per cent.
const SUDDEN_FALL: f64 = 20.0;
/// With this much runtime left the charge is not 0, in minutes.
const LONG_RUNTIME: f64 = 5.0;
/// With this much charge the runtime is not 0 unless the UPS also says that the battery is low, in per cent.
const HIGH_CHARGE: f64 = 50.0;

/// Alarms that need two agreeing reads.
const ALARMS: [StatusFlags; 2] = [StatusFlags::BATTLOW, StatusFlags::REPLACEBATT];

/// What is believed, and what waits for its confirmation.
#[derive(Clone, Debug)]
pub(super) struct Belief {
    flags: StatusFlags,
    alarms: [u8; ALARMS.len()],
    battery: u8,
    charge: Option<f64>,
    fallen_to: Option<f64>,
    ignored: u32,
    reason: Option<String>,
    logged_at: Option<Instant>,
}

impl Default for Belief {
    fn default() -> Self {
        Self {
            flags: StatusFlags::BATTPRESENT,
            alarms: [0; ALARMS.len()],
            battery: 0,
            charge: None,
            fallen_to: None,
            ignored: 0,
            reason: None,
            logged_at: None,
        }
    }
}

impl Belief {
    /// Takes the flags of one poll and returns what is believed of them. An alarm ends with the first read that no longer
    /// shows it.
    pub(super) fn flags(&mut self, read: StatusFlags) -> StatusFlags {
        let waiting = ALARMS.iter().fold(StatusFlags::BATTPRESENT, |set, alarm| set | *alarm);
        let mut believed = StatusFlags(read.0 & !waiting.0);
        for (alarm, count) in ALARMS.iter().zip(&mut self.alarms) {
            *count = if read.contains(*alarm) { count.saturating_add(1).min(AGREEING) } else { 0 };
            believed.set(*alarm, *count == AGREEING);
        }
        let present = self.flags.contains(StatusFlags::BATTPRESENT);
        let changed = read.contains(StatusFlags::BATTPRESENT) != present;
        self.battery = if changed { self.battery + 1 } else { 0 };
        if self.battery >= AGREEING {
            self.battery = 0;
            believed.set(StatusFlags::BATTPRESENT, !present);
        } else {
            believed.set(StatusFlags::BATTPRESENT, present);
        }
        self.flags = believed;
        believed
    }

    /// Whether something waits for a second read.
    pub(super) fn is_waiting(&self) -> bool {
        self.battery > 0
            || self.fallen_to.is_some()
            || self.alarms.iter().any(|count| (1..AGREEING).contains(count))
    }

    /// Takes out of `values` what cannot be.
    pub(super) fn values(&mut self, mut values: Values, flags: StatusFlags) -> Values {
        let charge = values.battery_charge.map(|charge| charge.0);
        let runtime = values.runtime_left.map(|runtime| runtime.0);
        if let Some(percent) = charge {
            if !(0.0..=110.0).contains(&percent) {
                self.ignore(format!("battery charge {percent:.0} %"));
                values.battery_charge = None;
            } else if percent == 0.0 && runtime.is_some_and(|minutes| minutes > LONG_RUNTIME) {
                self.ignore(format!(
                    "battery charge 0 % with {:.1} minutes left",
                    runtime.unwrap_or_default()
                ));
                values.battery_charge = None;
            }
        }
        if runtime == Some(0.0)
            && charge.is_some_and(|percent| percent >= HIGH_CHARGE)
            && !flags.contains(StatusFlags::BATTLOW)
        {
            self.ignore(format!("runtime 0 with battery charge {:.0} %", charge.unwrap_or_default()));
            values.runtime_left = None;
        }
        if values.load.is_some_and(|load| !(0.0..=400.0).contains(&load.0)) {
            self.ignore(format!("load {:.0} %", values.load.map_or(0.0, |load| load.0)));
            values.load = None;
        }
        self.sudden_fall(&mut values);
        values
    }

    /// Notes that something was not used.
    pub(super) fn ignore(&mut self, what: String) {
        self.ignored = self.ignored.saturating_add(1);
        self.reason = Some(what);
    }

    /// The line about what was not used, at most once a minute.
    pub(super) fn log_line(&mut self, now: Instant) -> Option<String> {
        if self.logged_at.is_some_and(|at| now.saturating_duration_since(at) < LOG_EVERY) {
            return None;
        }
        let reason = self.reason.take()?;
        self.logged_at = Some(now);
        let count = std::mem::take(&mut self.ignored);
        let times = if count > 1 { format!(" ({count} times)") } else { String::new() };
        Some(format!("UPS reported implausible data, not used: {reason}{times}"))
    }

    /// A charge that falls far in one step is shown as before until a second read agrees.
    fn sudden_fall(&mut self, values: &mut Values) {
        let Some(charge) = &mut values.battery_charge else { return };
        let fell = self.charge.is_some_and(|before| charge.0 < before - SUDDEN_FALL);
        let agreed = self.fallen_to.is_some_and(|to| (charge.0 - to).abs() <= SUDDEN_FALL / 2.0);
        if fell && !agreed {
            self.fallen_to = Some(charge.0);
            charge.0 = self.charge.unwrap_or(charge.0);
        } else {
            self.fallen_to = None;
            self.charge = Some(charge.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ups::{Minutes, Percent};

    const GOOD: StatusFlags = StatusFlags::BATTPRESENT;

    #[test]
    fn an_alarm_needs_two_agreeing_reads_and_ends_with_one() {
        let mut belief = Belief::default();
        let low = GOOD | StatusFlags::BATTLOW;
        assert_eq!(belief.flags(low), GOOD);
        assert!(belief.is_waiting());
        assert_eq!(belief.flags(GOOD), GOOD);
        assert_eq!(belief.flags(low), GOOD);
        assert_eq!(belief.flags(low), low);
        assert!(!belief.is_waiting());
        assert_eq!(belief.flags(GOOD), GOOD);
    }

    #[test]
    fn a_battery_is_gone_or_back_after_two_agreeing_reads() {
        let mut belief = Belief::default();
        let gone = StatusFlags::default();
        assert_eq!(belief.flags(gone), GOOD);
        assert_eq!(belief.flags(gone), gone);
        assert_eq!(belief.flags(GOOD), gone);
        assert_eq!(belief.flags(gone), gone);
        assert_eq!(belief.flags(GOOD), gone);
        assert_eq!(belief.flags(GOOD), GOOD);
    }

    #[test]
    fn overload_boost_and_calibration_pass_at_once() {
        let mut belief = Belief::default();
        let flags = GOOD | StatusFlags::OVERLOAD | StatusFlags::BOOST | StatusFlags::CALIBRATION;
        assert_eq!(belief.flags(flags), flags);
    }

    fn values(charge: f64, minutes: f64) -> Values {
        Values {
            battery_charge: Some(Percent(charge)),
            runtime_left: Some(Minutes(minutes)),
            ..Values::default()
        }
    }

    #[test]
    fn a_charge_of_nothing_with_a_long_runtime_is_no_data() {
        let mut belief = Belief::default();
        let seen = belief.values(values(0.0, 55.0), GOOD);
        assert_eq!((seen.battery_charge, seen.runtime_left), (None, Some(Minutes(55.0))));
    }

    #[test]
    fn no_runtime_with_a_high_charge_is_no_data_unless_the_battery_is_low() {
        let mut belief = Belief::default();
        assert_eq!(belief.values(values(100.0, 0.0), GOOD).runtime_left, None);
        let low = GOOD | StatusFlags::BATTLOW;
        assert_eq!(belief.values(values(100.0, 0.0), low).runtime_left, Some(Minutes(0.0)));
        assert_eq!(belief.values(values(90.0, 0.0), GOOD).runtime_left, None);
        assert_eq!(Belief::default().values(values(4.0, 0.0), GOOD).runtime_left, Some(Minutes(0.0)));
    }

    #[test]
    fn a_sudden_fall_of_the_charge_must_be_read_twice() {
        let mut belief = Belief::default();
        let mut read = |charge| belief.values(values(charge, 2.0), GOOD).battery_charge;
        assert_eq!(read(100.0), Some(Percent(100.0)));
        assert_eq!(read(1.0), Some(Percent(100.0)));
        assert_eq!(read(100.0), Some(Percent(100.0)));
        assert_eq!(read(30.0), Some(Percent(100.0)));
        assert_eq!(read(29.0), Some(Percent(29.0)));
    }

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn ignored_data_is_logged_once_a_minute_with_its_count() {
        let mut belief = Belief::default();
        let start = Instant::now();
        assert_eq!(belief.log_line(start), None);
        belief.ignore("a status report without a bit set".into());
        assert!(belief.log_line(start).is_some());
        belief.ignore("x".into());
        belief.ignore("x".into());
        assert_eq!(belief.log_line(start + Duration::from_secs(59)), None);
        let line = belief.log_line(start + Duration::from_secs(60)).expect("a line");
        assert!(line.ends_with("x (2 times)"), "{line}");
    }
}
