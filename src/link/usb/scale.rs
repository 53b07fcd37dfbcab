//! The one rule for voltages and frequencies that a descriptor scales wrongly (usb-hid §4, §14).
//!
//! First the descriptor itself: no device counts voltages in tens of microvolts or frequencies in tens of hertz, so such an exponent is
//! one of the known mistakes, and [`mend`] puts it right whoever made the unit. Then the values: each reading that only one
//! power of ten makes plausible is a vote for that power. Votes of several readings decide once, and the decision holds for
//! as long as the device is open, so that a reading near an edge never changes the scale. What no scale makes plausible is
//! left out. A reading of 0 is 0 on every scale and says nothing.

use std::ops::RangeInclusive;
use std::time::Instant;

use crate::ups::key;
use crate::wire::hid::{Field, ReportDescriptor};

/// Mains voltages of the world, measured while they are good. Less than a factor of ten wide: one power of ten fits at most.
const MAINS: RangeInclusive<f64> = 80.0..=520.0;
/// Frequencies of mains, and of generators that still feed a UPS.
const FREQUENCY: RangeInclusive<f64> = 40.0..=70.0;
/// Frequencies that can be measured.
const MEASURED_FREQUENCY: RangeInclusive<f64> = 20.0..=80.0;
/// Battery voltage as a part of the nominal: from nearly empty to charged in the cold.
const BATTERY_RATIO: RangeInclusive<f64> = 0.65..=1.5;
/// A battery voltage that may be right, whatever the state of the battery.
const POSSIBLE_RATIO: RangeInclusive<f64> = 0.2..=3.0;
/// Highest battery voltage of any unit.
const MOST_BATTERY: f64 = 1000.0;
/// A measured voltage as a part of the nominal, when it is to show that the scale is ten times too low.
const NEAR_NOMINAL: RangeInclusive<f64> = 0.7..=1.3;
/// No battery has this much of its nominal voltage.
const HALF_AGAIN: f64 = 1.4;
/// Readings that decide.
const DECIDES: u8 = 3;
/// More votes for one factor are not counted.
const MOST_VOTES: u8 = 20;

/// Puts right the exponents that cannot be meant.
pub(super) fn mend(descriptor: &mut ReportDescriptor) {
    for field in descriptor.fields_mut() {
        field.exponent = field.exponent.saturating_add(match (field.unit, field.exponent) {
            // The bias of the unit was forgotten: 0 is volts, -1 tenths.
            (Field::UNIT_VOLT | Field::UNIT_WATT, ..=0) => 7,
            // Delta, also as Tripp Lite, Liebert, Legrand and Minuteman: 1 means tenths.
            (Field::UNIT_VOLT, 1) => 5,
            (Field::UNIT_HERTZ | Field::UNIT_AMPERE, 1) => -2,
            _ => 0,
        });
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Quantity {
    LineVoltage,
    OutputVoltage,
    BatteryVoltage,
    Frequency,
}

impl Quantity {
    pub(super) const ALL: [Self; 4] =
        [Self::LineVoltage, Self::OutputVoltage, Self::BatteryVoltage, Self::Frequency];

    /// Status key, for the log.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::LineVoltage => key::LINE_VOLTAGE,
            Self::OutputVoltage => key::OUTPUT_VOLTAGE,
            Self::BatteryVoltage => key::BATTERY_VOLTAGE,
            Self::Frequency => key::FREQUENCY,
        }
    }
}

/// Between what the descriptor says and what the numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Factor {
    Literal,
    /// Times ten to this power.
    Ten(i8),
    /// Battery voltages of some CyberPower units.
    TwoThirds,
}

impl Factor {
    /// The value of a field's raw number.
    pub(super) fn scale(self, field: &Field, raw: i64) -> f64 {
        match self {
            Self::Literal => field.scale(raw),
            // By the exponent, so that tenths come out exact.
            Self::Ten(power) => Field { exponent: field.exponent.saturating_add(power), ..*field }.scale(raw),
            Self::TwoThirds => field.scale(raw) * 2.0 / 3.0,
        }
    }
}

/// What else is known when a reading is judged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Around {
    /// The UPS says that mains feeds the load.
    pub on_mains: bool,
    /// Nominal voltage of mains, if it is one.
    pub nominal_mains: Option<f64>,
    /// Nominal voltage of the battery.
    pub nominal_battery: Option<f64>,
    /// This family's battery voltage may be half as high again.
    pub half_again: bool,
}

/// The factor that this reading speaks for; `None`: it speaks for none, or more than one would do.
pub(super) fn judge(quantity: Quantity, value: f64, around: &Around) -> Option<Factor> {
    if value == 0.0 || !value.is_finite() {
        return None;
    }
    match quantity {
        Quantity::LineVoltage | Quantity::OutputVoltage => {
            if MAINS.contains(&value) {
                return Some(Factor::Literal);
            }
            if value > *MAINS.end() {
                return power(-4..=-1, |factor| MAINS.contains(&(value * factor)));
            }
            // Too low: only with mains there and a nominal voltage that says what it should be. A brown-out, the noise of a
            // dead line and a UPS of 12 V are not too low.
            let nominal = around.nominal_mains.filter(|_| around.on_mains)?;
            power(1..=4, |factor| NEAR_NOMINAL.contains(&(value * factor / nominal)))
        }
        Quantity::BatteryVoltage => {
            let ratio = value / around.nominal_battery?;
            if around.half_again && (HALF_AGAIN..2.2).contains(&ratio) {
                return Some(Factor::TwoThirds);
            }
            // On charge it is 1.05 to 1.2 times the nominal voltage; in discharge a right voltage and one that is half as high
            // again look alike.
            if around.half_again && !around.on_mains {
                return None;
            }
            if BATTERY_RATIO.contains(&ratio) {
                return Some(Factor::Literal);
            }
            if POSSIBLE_RATIO.contains(&ratio) {
                return None;
            }
            let powers = if ratio > 1.0 { -4..=-1 } else { 1..=4 };
            power(powers, |factor| BATTERY_RATIO.contains(&(ratio * factor)))
        }
        Quantity::Frequency => {
            if FREQUENCY.contains(&value) {
                return Some(Factor::Literal);
            }
            if MEASURED_FREQUENCY.contains(&value) || (value < 20.0 && !around.on_mains) {
                return None;
            }
            let powers = if value > 20.0 { -4..=-1 } else { 1..=4 };
            power(powers, |factor| FREQUENCY.contains(&(value * factor)))
        }
    }
}

/// The only power of ten that will do.
fn power(powers: RangeInclusive<i8>, will_do: impl Fn(f64) -> bool) -> Option<Factor> {
    let mut found = powers.filter(|power| will_do(10_f64.powi(i32::from(*power))));
    let power = found.next()?;
    found.next().is_none().then_some(Factor::Ten(power))
}

/// Whether a value can be shown.
pub(super) fn can_be(quantity: Quantity, value: f64, around: &Around) -> bool {
    if value == 0.0 {
        return true;
    }
    match quantity {
        // What would be printed as 0.0 is not 0.
        Quantity::LineVoltage | Quantity::OutputVoltage => (0.05..=*MAINS.end()).contains(&value),
        Quantity::BatteryVoltage => {
            (0.5..=MOST_BATTERY).contains(&value)
                && around.nominal_battery.is_none_or(|nominal| value / nominal <= *POSSIBLE_RATIO.end())
                && around.nominal_battery.is_none_or(|nominal| value / nominal >= 0.05)
        }
        Quantity::Frequency => MEASURED_FREQUENCY.contains(&value),
    }
}

/// How one quantity is scaled.
#[derive(Clone, Debug, Default)]
pub(super) struct Scale {
    votes: Vec<(Factor, u8)>,
    decided: Option<Factor>,
    /// When the last reading that was counted was taken from the UPS.
    at: Option<Instant>,
}

impl Scale {
    /// Counts a reading that was taken from the UPS at `at`; a copy of one is none. `Some` when it decides.
    pub(super) fn vote(&mut self, factor: Option<Factor>, at: Option<Instant>) -> Option<Factor> {
        if self.decided.is_some() || at <= self.at {
            return None;
        }
        let factor = factor?;
        self.at = at;
        match self.votes.iter_mut().find(|(other, _)| *other == factor) {
            Some((_, votes)) => *votes = (*votes + 1).min(MOST_VOTES),
            None => self.votes.push((factor, 1)),
        }
        let (best, votes, lead) = self.best()?;
        if votes >= DECIDES && lead >= DECIDES {
            self.decided = Some(best);
        }
        self.decided
    }

    /// The factor that has the most votes, how many, and how many more than the next.
    fn best(&self) -> Option<(Factor, u8, u8)> {
        let (best, votes) = self.votes.iter().copied().max_by_key(|(_, votes)| *votes)?;
        let others = self.votes.iter().filter(|(factor, _)| *factor != best).map(|(_, votes)| *votes);
        Some((best, votes, votes.saturating_sub(others.max().unwrap_or(0))))
    }

    /// The factor that counts now: the decided one; until then what the readings so far speak for, if they agree.
    pub(super) fn factor(&self) -> Factor {
        self.decided.unwrap_or_else(|| match self.best() {
            // That a number is too small is not believed of one reading.
            Some((Factor::Ten(1..), votes, _)) if votes < DECIDES => Factor::Literal,
            Some((best, _, 1..)) => best,
            _ => Factor::Literal,
        })
    }
}

/// Nominal voltages of batteries: multiples of 6 V in lead, and those of lithium cells.
fn is_battery(volts: f64) -> bool {
    let blocks = (volts / 6.0).round();
    let lead = blocks >= 1.0 && (volts - blocks * 6.0).abs() <= 0.05;
    lead || [12.8, 25.6, 38.4, 51.2].iter().any(|nominal| (volts - nominal).abs() <= 0.05)
}

/// The nominal battery voltage, if what the UPS says can be one: at most 120 V in a unit of this rating (watts or volt-amperes),
/// and not the voltage of mains.
pub(super) fn nominal_battery(
    field: &Field,
    raw: i64,
    rating: Option<f64>,
    mains: &[Option<f64>],
) -> Option<f64> {
    /// A unit of up to 2 kW has no longer string of batteries.
    const SMALL_UNIT_WATTS: f64 = 2000.0;
    const SMALL_UNIT_BATTERY_VOLTS_MAX: f64 = 120.0;
    let small = rating.is_some_and(|rating| rating <= SMALL_UNIT_WATTS);
    let possible = |volts: f64| {
        (3.0..=MOST_BATTERY).contains(&volts)
            && !(small && volts > SMALL_UNIT_BATTERY_VOLTS_MAX)
            && !(volts >= *MAINS.start() && mains.contains(&Some(volts)))
    };
    let literal = Factor::Literal.scale(field, raw);
    if possible(literal) && (literal <= 60.0 || is_battery(literal)) {
        return Some(literal);
    }
    let scaled = [-1, -2].map(|power| Factor::Ten(power).scale(field, raw));
    scaled.into_iter().filter(|_| literal > 60.0).find(|volts| possible(*volts) && is_battery(*volts))
}

/// A nominal voltage of mains, in whole volts, if what the UPS says can be one. A UPS of 12 or 24 V has a lower one.
pub(super) fn nominal_mains(value: f64) -> Option<i32> {
    let mut volts = value.trunc() as i32;
    // Some units get the exponent wrong (usb-hid §8).
    while volts > 1000 {
        volts /= 10;
    }
    (5..=520).contains(&volts).then_some(volts)
}

/// Whether it is the nominal voltage of an alternating mains.
pub(super) fn is_mains(volts: f64) -> bool {
    (90.0..=*MAINS.end()).contains(&volts)
}

/// A transfer limit in volts, if it can be one of a mains of this nominal voltage.
pub(super) fn transfer_limit(value: f64, nominal_mains: Option<f64>) -> Option<f64> {
    let mut volts = value;
    while volts > *MAINS.end() {
        volts /= 10.0;
    }
    // A nominal voltage may be that of another country: RS 550G (usb-hid §15).
    let fits = nominal_mains.is_none_or(|nominal| (0.3..=3.0).contains(&(volts / nominal)));
    (volts >= 5.0 && fits).then_some(volts)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // any moment will do; there is no other way to have one
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const MAINS_230: Around =
        Around { on_mains: true, nominal_mains: Some(230.0), nominal_battery: Some(12.0), half_again: false };
    const OUTAGE_230: Around = Around { on_mains: false, ..MAINS_230 };

    fn line(value: f64) -> Option<Factor> {
        judge(Quantity::LineVoltage, value, &MAINS_230)
    }

    fn battery(value: f64) -> Option<Factor> {
        judge(Quantity::BatteryVoltage, value, &OUTAGE_230)
    }

    #[test]
    fn a_voltage_that_one_power_of_ten_makes_plausible_speaks_for_it() {
        assert_eq!(line(231.0), Some(Factor::Literal));
        assert_eq!(line(2310.0), Some(Factor::Ten(-1)));
        assert_eq!(line(23100.0), Some(Factor::Ten(-2)));
        assert_eq!(line(2.31), Some(Factor::Ten(2)));
        assert_eq!(line(400.0), Some(Factor::Literal), "three phases");
        assert_eq!(line(4000.0), Some(Factor::Ten(-1)));
    }

    #[test]
    fn a_brown_out_a_dead_line_and_a_ups_of_12_volts_speak_for_nothing_else() {
        assert_eq!(line(80.0), Some(Factor::Literal));
        assert_eq!(line(75.0), None);
        assert_eq!(line(0.0), None);
        for noise in [0.4, 2.3, 5.0, 23.0] {
            assert_eq!(judge(Quantity::LineVoltage, noise, &OUTAGE_230), None, "{noise} V in an outage");
        }
        let direct = Around { nominal_mains: None, on_mains: true, ..Around::default() };
        for volts in [5.0, 9.0, 12.0, 24.0, 48.0] {
            assert_eq!(judge(Quantity::LineVoltage, volts, &direct), None, "{volts} V direct current");
            assert!(can_be(Quantity::LineVoltage, volts, &direct));
        }
    }

    #[test]
    fn a_battery_at_its_end_is_no_battery_of_another_scale() {
        for volts in [13.8, 12.0, 10.5, 8.0] {
            assert_eq!(battery(volts), Some(Factor::Literal), "{volts}");
        }
        for volts in [6.0, 2.5, 20.0, 36.0] {
            assert_eq!(battery(volts), None, "{volts}");
        }
        assert_eq!(battery(136.0), Some(Factor::Ten(-1)));
        assert_eq!(battery(80.0), Some(Factor::Ten(-1)), "8.0 V in tenths");
        assert_eq!(battery(1.36), Some(Factor::Ten(1)));
        let unknown = Around { nominal_battery: None, ..OUTAGE_230 };
        assert_eq!(judge(Quantity::BatteryVoltage, 136.0, &unknown), None);
    }

    #[test]
    fn a_battery_that_reads_half_as_high_again_is_known_on_mains() {
        let of = |on_mains, ratio: f64| {
            let around =
                Around { on_mains, nominal_battery: Some(24.0), half_again: true, ..Around::default() };
            judge(Quantity::BatteryVoltage, 24.0 * ratio, &around)
        };
        assert_eq!((of(true, 1.66), of(false, 1.45)), (Some(Factor::TwoThirds), Some(Factor::TwoThirds)));
        assert_eq!((of(true, 1.1), of(false, 1.1)), (Some(Factor::Literal), None));
    }

    #[test]
    fn frequencies_without_their_point_get_it() {
        let of = |value| judge(Quantity::Frequency, value, &MAINS_230);
        assert_eq!(of(50.0), Some(Factor::Literal));
        assert_eq!(of(499.0), Some(Factor::Ten(-1)));
        assert_eq!(of(6050.0), Some(Factor::Ten(-2)));
        assert_eq!(of(38.0), None, "a generator");
        assert_eq!(judge(Quantity::Frequency, 5.0, &OUTAGE_230), None, "noise");
        assert!(!can_be(Quantity::Frequency, 6050.0, &MAINS_230));
    }

    #[test]
    fn what_would_be_printed_as_0_is_not_shown_and_0_is() {
        assert!(can_be(Quantity::LineVoltage, 0.0, &OUTAGE_230));
        assert!(!can_be(Quantity::LineVoltage, 0.0024, &OUTAGE_230));
        assert!(!can_be(Quantity::BatteryVoltage, 0.4, &OUTAGE_230));
    }

    fn moments() -> impl FnMut() -> Option<Instant> {
        let mut now = Instant::now();
        move || {
            now += Duration::from_secs(1);
            Some(now)
        }
    }

    #[test]
    fn three_readings_decide_and_a_copy_is_none() {
        let (mut scale, mut next) = (Scale::default(), moments());
        let at = next();
        assert_eq!(scale.vote(Some(Factor::Ten(-1)), at), None);
        for _ in 0..5 {
            assert_eq!(scale.vote(Some(Factor::Ten(-1)), at), None, "a copy");
        }
        assert_eq!(scale.factor(), Factor::Ten(-1), "what the readings so far speak for");
        scale.vote(None, next());
        assert_eq!(scale.vote(Some(Factor::Ten(-1)), next()), None);
        assert_eq!(scale.vote(Some(Factor::Ten(-1)), next()), Some(Factor::Ten(-1)));
        for _ in 0..50 {
            assert_eq!(scale.vote(Some(Factor::Literal), next()), None);
        }
        assert_eq!(scale.factor(), Factor::Ten(-1), "decided for good");
    }

    #[test]
    fn a_garbled_reading_does_not_decide_and_one_reading_makes_nothing_larger() {
        let (mut scale, mut next) = (Scale::default(), moments());
        scale.vote(Some(Factor::Ten(2)), next());
        assert_eq!(scale.factor(), Factor::Literal);
        for _ in 0..3 {
            scale.vote(Some(Factor::Literal), next());
        }
        assert_eq!(scale.decided, None, "three to one");
        scale.vote(Some(Factor::Literal), next());
        assert_eq!(scale.decided, Some(Factor::Literal));
    }

    proptest! {
        /// A UPS whose scale is off by a power of ten: whatever its line and battery do after the first three readings on mains,
        /// what is shown is what is there.
        #[test]
        fn once_decided_no_reading_changes_the_scale(
            power in -2_i32..=2,
            volts in prop::collection::vec(0.0_f64..300.0, 1..200),
            on_mains in any::<bool>(),
        ) {
            let (mut scale, mut next) = (Scale::default(), moments());
            let said = |volts: f64| volts * 10_f64.powi(power);
            for _ in 0..3 {
                scale.vote(judge(Quantity::LineVoltage, said(230.0), &MAINS_230), next());
            }
            prop_assert!(scale.decided.is_some());
            for volts in volts {
                let around = Around { on_mains, ..MAINS_230 };
                scale.vote(judge(Quantity::LineVoltage, said(volts), &around), next());
                let shown = match scale.factor() {
                    Factor::Ten(by) => said(volts) * 10_f64.powi(i32::from(by)),
                    _ => said(volts),
                };
                prop_assert!((shown - volts).abs() < 1e-6, "{} for {}", shown, volts);
            }
        }

        /// A UPS whose scale is right shows what it says whatever that is, from the first reading on.
        #[test]
        fn a_right_scale_is_never_changed(volts in prop::collection::vec((0.0_f64..300.0, any::<bool>()), 1..100)) {
            let (mut scale, mut next) = (Scale::default(), moments());
            for (volts, on_mains) in volts {
                // Mains that feeds a load is no noise.
                let volts = if on_mains { 80.0 + volts / 2.0 } else { volts };
                scale.vote(judge(Quantity::LineVoltage, volts, &Around { on_mains, ..MAINS_230 }), next());
                prop_assert_eq!(scale.factor(), Factor::Literal);
            }
        }
    }

    fn volts(exponent: i8, bit_size: u32) -> Field {
        Field {
            kind: crate::wire::hid::ReportKind::Feature,
            report_id: 1,
            bit_offset: 0,
            bit_size,
            count: 1,
            usage: crate::wire::hid::Usage(0x0084_0040),
            collection: None,
            flags: 0,
            logical_min: 0,
            logical_max: 0xffff,
            physical_min: 0,
            physical_max: 0,
            unit: Field::UNIT_VOLT,
            exponent,
        }
    }

    #[test]
    fn a_nominal_battery_voltage_fits_its_unit_and_is_not_that_of_mains() {
        let of = |exponent, raw, rating| nominal_battery(&volts(exponent, 16), raw, rating, &[Some(230.0)]);
        assert_eq!(of(7, 24, Some(540.0)), Some(24.0));
        assert_eq!(of(6, 120, None), Some(12.0));
        assert_eq!(of(7, 360, Some(900.0)), Some(36.0), "30 blocks in a unit of 900 W");
        assert_eq!(of(7, 240, Some(9000.0)), Some(240.0), "20 blocks in one of 9 kW");
        assert_eq!(of(5, 1380, None), Some(13.8));
        assert_eq!(of(5, 220, None), None, "2.2 V");
        assert_eq!(of(7, 230, None), None, "mains");
        assert_eq!(of(7, 238, None), None, "no number of blocks");
        assert_eq!(of(5, 5120, None), Some(51.2));
    }

    #[test]
    fn transfer_limits_fit_their_mains() {
        assert_eq!(transfer_limit(160.0, Some(230.0)), Some(160.0));
        assert_eq!(transfer_limit(2950.0, Some(230.0)), Some(295.0));
        assert_eq!(transfer_limit(0.0, None), None);
        assert_eq!(transfer_limit(16.0, Some(230.0)), None);
    }
}
