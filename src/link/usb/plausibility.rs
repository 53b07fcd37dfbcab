//! What of the UPS's words is believed: alarms that two reads agree on, and values that can be (usb-hid §9, §13, §15, §17).

use std::time::{Duration, Instant};

use crate::ups::{Item, ReadTimes, StatusFlags, Values};

/// Agreeing samples that raise an alarm, or say that a battery is gone or back.
const AGREEING: u8 = 2;
/// A log line about ignored data at most this often.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// A fall of the charge by more than this between two reads must be read twice, in per cent.
const SUDDEN_FALL: f64 = 20.0;
/// With this much runtime left the charge is not 0, in minutes.
const LONG_RUNTIME: f64 = 5.0;
/// With this much charge the runtime is not 0 unless the UPS also says that the battery is low, in per cent.
const HIGH_CHARGE: f64 = 50.0;

/// The flags that are believed when samples agree: those an answer must be read for, and how many it takes to raise and to
/// take back each.
const HELD: [(StatusFlags, Item, [u8; 2]); 3] = [
    (StatusFlags::BATTLOW, Item::LowBattery, [AGREEING, 1]),
    (StatusFlags::REPLACEBATT, Item::ReplaceBattery, [AGREEING, 1]),
    (StatusFlags::BATTPRESENT, Item::BatteryPresent, [AGREEING, AGREEING]),
];

/// What is believed, and what waits for its confirmation.
#[derive(Clone, Debug)]
pub(super) struct Plausibility {
    held: [Held; HELD.len()],
    /// The charge that is shown, and when it was read.
    charge: Option<(f64, Option<Instant>)>,
    /// Far below it, read once.
    fallen_to: Option<(f64, Option<Instant>)>,
    ignored: u32,
    reason: Option<String>,
    logged_at: Option<Instant>,
}

/// One flag.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    believed: bool,
    /// The last sample that said what is believed.
    at: Option<Instant>,
    /// The last of those in a row that said otherwise, and how many they are.
    contrary_at: Option<Instant>,
    contrary: u8,
}

impl Held {
    /// Takes in what was read at `at`. A copy of what was read before changes nothing.
    fn note(&mut self, says: bool, at: Option<Instant>, needed: u8) {
        let newer = at > self.at && at > self.contrary_at;
        if !newer {
            return;
        }
        if says == self.believed {
            *self = Self { believed: says, at, ..Self::default() };
            return;
        }
        self.contrary = self.contrary.saturating_add(1);
        self.contrary_at = at;
        if self.contrary >= needed {
            *self = Self { believed: says, at, ..Self::default() };
        }
    }
}

impl Default for Plausibility {
    fn default() -> Self {
        let held = HELD
            .map(|(flag, ..)| Held { believed: StatusFlags::BATTPRESENT.contains(flag), ..Held::default() });
        Self { held, charge: None, fallen_to: None, ignored: 0, reason: None, logged_at: None }
    }
}

impl Plausibility {
    /// Takes the flags of one poll, read at these times, and returns what is believed of them; each that is held back gets the
    /// time of the last sample that agrees with it. An alarm ends with the first sample that no longer shows it.
    pub(super) fn flags(&mut self, said: StatusFlags, read: &mut ReadTimes) -> StatusFlags {
        let mut believed = said;
        for (held, (flag, item, [raise, end])) in self.held.iter_mut().zip(HELD) {
            let says = said.contains(flag);
            held.note(says, read.of(item), if says { raise } else { end });
            believed.set(flag, held.believed);
            read.set(item, held.at);
        }
        believed
    }

    /// Whether something waits for a second sample.
    pub(super) fn is_waiting(&self) -> bool {
        self.fallen_to.is_some() || self.held.iter().any(|held| held.contrary > 0)
    }

    /// Takes out of `values`, read at these times, what cannot be.
    pub(super) fn values(&mut self, mut values: Values, flags: StatusFlags, read: &mut ReadTimes) -> Values {
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
        self.sudden_fall(&mut values, read);
        for (item, is_said) in
            [(Item::Charge, values.battery_charge.is_some()), (Item::Runtime, values.runtime_left.is_some())]
        {
            read.set(item, read.of(item).filter(|_| is_said));
        }
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

    /// A charge that falls far in one step is shown as before until a second sample agrees.
    fn sudden_fall(&mut self, values: &mut Values, read: &mut ReadTimes) {
        let Some(charge) = &mut values.battery_charge else { return };
        let at = read.of(Item::Charge);
        let fell = self.charge.is_some_and(|(before, _)| charge.0 < before - SUDDEN_FALL);
        let agreed = self
            .fallen_to
            .is_some_and(|(to, fell_at)| (charge.0 - to).abs() <= SUDDEN_FALL / 2.0 && at > fell_at);
        if fell && !agreed {
            self.fallen_to = Some((charge.0, at));
            let (before, before_at) = self.charge.unwrap_or((charge.0, at));
            charge.0 = before;
            read.set(Item::Charge, before_at);
        } else {
            self.fallen_to = None;
            self.charge = Some((charge.0, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ups::{Minutes, Percent};

    const GOOD: StatusFlags = StatusFlags::BATTPRESENT;
    const LOW: StatusFlags = StatusFlags::from_bits_retain(GOOD.bits() | StatusFlags::BATTLOW.bits());
    const GONE: StatusFlags = StatusFlags::empty();

    /// Plausibility, and a clock.
    struct Look {
        belief: Plausibility,
        now: Instant,
    }

    impl Look {
        #[allow(clippy::disallowed_methods)] // any moment will do; there is no other way to have one
        fn new() -> Self {
            Self { belief: Plausibility::default(), now: Instant::now() }
        }

        /// A second later.
        fn read(&mut self, flags: StatusFlags) -> StatusFlags {
            self.now += Duration::from_secs(1);
            self.again(flags)
        }

        /// The same sample in another reading.
        fn again(&mut self, flags: StatusFlags) -> StatusFlags {
            self.belief.flags(flags, &mut self.times())
        }

        fn times(&self) -> ReadTimes {
            let mut read = ReadTimes::default();
            for item in Item::ALL {
                read.set(item, Some(self.now));
            }
            read
        }

        fn values(&mut self, values: Values, flags: StatusFlags) -> Values {
            self.now += Duration::from_secs(1);
            let mut read = self.times();
            self.belief.values(values, flags, &mut read)
        }
    }

    #[test]
    fn an_alarm_needs_two_agreeing_samples_and_ends_with_one() {
        let mut look = Look::new();
        assert_eq!(look.read(LOW), GOOD);
        assert!(look.belief.is_waiting());
        assert_eq!(look.read(GOOD), GOOD);
        assert_eq!(look.read(LOW), GOOD);
        assert_eq!(look.read(LOW), LOW);
        assert!(!look.belief.is_waiting());
        assert_eq!(look.read(GOOD), GOOD);
    }

    #[test]
    fn a_battery_is_gone_or_back_after_two_agreeing_samples() {
        let mut look = Look::new();
        assert_eq!(look.read(GONE), GOOD);
        assert_eq!(look.read(GONE), GONE);
        assert_eq!(look.read(GOOD), GONE);
        assert_eq!(look.read(GONE), GONE);
        assert_eq!(look.read(GOOD), GONE);
        assert_eq!(look.read(GOOD), GOOD);
    }

    #[test]
    fn a_copy_raises_no_alarm_and_takes_no_battery_away() {
        let mut look = Look::new();
        look.read(GOOD);
        look.read(StatusFlags::BATTLOW);
        for _ in 0..5 {
            assert_eq!(look.again(StatusFlags::BATTLOW), GOOD);
        }
        assert!(look.belief.is_waiting());
        assert_eq!(look.read(StatusFlags::BATTLOW), StatusFlags::BATTLOW);
    }

    #[test]
    fn what_is_held_back_has_the_time_of_the_last_sample_that_agrees_with_it() {
        let mut look = Look::new();
        look.read(GOOD);
        let agreed = Some(look.now);
        look.now += Duration::from_secs(1);
        let mut read = look.times();
        look.belief.flags(LOW, &mut read);
        assert_eq!(read.of(Item::LowBattery), agreed);
        assert_eq!(read.of(Item::ReplaceBattery), Some(look.now));
    }

    #[test]
    fn overload_boost_and_calibration_pass_at_once() {
        let flags = GOOD | StatusFlags::OVERLOAD | StatusFlags::BOOST | StatusFlags::CALIBRATION;
        assert_eq!(Look::new().read(flags), flags);
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
        let seen = Look::new().values(values(0.0, 55.0), GOOD);
        assert_eq!((seen.battery_charge, seen.runtime_left), (None, Some(Minutes(55.0))));
    }

    #[test]
    fn no_runtime_with_a_high_charge_is_no_data_unless_the_battery_is_low() {
        let mut look = Look::new();
        assert_eq!(look.values(values(100.0, 0.0), GOOD).runtime_left, None);
        assert_eq!(look.values(values(100.0, 0.0), LOW).runtime_left, Some(Minutes(0.0)));
        assert_eq!(look.values(values(90.0, 0.0), GOOD).runtime_left, None);
        assert_eq!(Look::new().values(values(4.0, 0.0), GOOD).runtime_left, Some(Minutes(0.0)));
    }

    #[test]
    fn a_sudden_fall_of_the_charge_must_be_read_twice() {
        let mut look = Look::new();
        let mut read = |charge| look.values(values(charge, 2.0), GOOD).battery_charge;
        assert_eq!(read(100.0), Some(Percent(100.0)));
        assert_eq!(read(1.0), Some(Percent(100.0)));
        assert_eq!(read(100.0), Some(Percent(100.0)));
        assert_eq!(read(30.0), Some(Percent(100.0)));
        assert_eq!(read(29.0), Some(Percent(29.0)));
    }

    #[test]
    fn a_copy_of_a_charge_that_fell_does_not_confirm_it() {
        let mut look = Look::new();
        look.values(values(100.0, 2.0), GOOD);
        let before = Some(look.now);
        look.values(values(30.0, 2.0), GOOD);
        for _ in 0..3 {
            let mut read = look.times();
            let seen = look.belief.values(values(30.0, 2.0), GOOD, &mut read);
            assert_eq!((seen.battery_charge, read.of(Item::Charge)), (Some(Percent(100.0)), before));
        }
        assert_eq!(look.values(values(29.0, 2.0), GOOD).battery_charge, Some(Percent(29.0)));
    }

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn ignored_data_is_logged_once_a_minute_with_its_count() {
        let mut belief = Plausibility::default();
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
