//! Numbers whose scale or unit must be known before they mean anything, and numbers that cannot be: voltages, frequency, charge,
//! runtime, temperature, ratings, delays and dates (usb-hid §5, §8, §14, §15).

use std::time::Instant;

use super::decode::{Line, View};
use super::meaning::{Facts, Number};
use super::quirks::Quirks;
use super::runtime::{Sample, Unit};
use super::scale::{self, Around, Quantity};
use super::table::Key;
use crate::ups::Minutes;
use crate::wire::hid::Field;

/// Where a unit has a sensor. Degrees Celsius.
const TEMPERATURES: std::ops::RangeInclusive<f64> = -40.0..=120.0;
/// Up to this a charge over 100 is a full battery; beyond it is no charge. Per cent.
const MOST_CHARGE: f64 = 120.0;
/// More than a unit can carry for a moment. Per cent.
const MOST_LOAD: f64 = 400.0;
/// Ratings of whole units, in watts or volt-amperes; the lower bound is that of fields without a unit.
const RATINGS: std::ops::RangeInclusive<f64> = 100.0..=1e6;
const SMALLEST_RATING: f64 = 10.0;
/// A measured voltage as a part of the nominal one of the same mains.
const OF_NOMINAL: std::ops::RangeInclusive<f64> = 0.55..=1.6;

/// Places of a value that are tried one after the other until one suits.
const PLACES: [Key; 15] = [
    Key::Charge,
    Key::Runtime,
    Key::LineVoltage,
    Key::OutputVoltage,
    Key::BatteryVoltage,
    Key::Frequency,
    Key::Load,
    Key::Temperature,
    Key::NominalBatteryVoltage,
    Key::NominalOutputVoltage,
    Key::NominalLineVoltage,
    Key::NominalPower,
    Key::NominalApparentPower,
    Key::LowTransfer,
    Key::HighTransfer,
];

impl Quantity {
    const fn place(self) -> Key {
        match self {
            Self::LineVoltage => Key::LineVoltage,
            Self::OutputVoltage => Key::OutputVoltage,
            Self::BatteryVoltage => Key::BatteryVoltage,
            Self::Frequency => Key::Frequency,
        }
    }
}

impl View<'_> {
    /// A measured voltage or frequency in its base unit; `None` if the UPS does not say it or it cannot be.
    pub(super) fn measured(&self, quantity: Quantity) -> Option<f64> {
        if quantity == Quantity::Frequency && self.quirks.contains(Quirks::ASCII_DIGITS) {
            let hertz = self.digits_or_number(Key::Frequency);
            return hertz.filter(|hertz| scale::can_be(quantity, *hertz, &self.around()));
        }
        self.meaning.value(quantity, &self.measured_number(quantity)?, &self.around())
    }

    fn measured_number(&self, quantity: Quantity) -> Option<Number> {
        let told = self.store.told(self.layout.slot(quantity.place()))?;
        Some(Number { field: told.field, raw: told.field.raw(told.bytes)?, at: told.at })
    }

    fn around(&self) -> Around {
        let nominal = [Key::NominalLineVoltage, Key::NominalOutputVoltage]
            .into_iter()
            .find_map(|key| self.nominal_mains(key).map(f64::from).filter(|volts| scale::is_mains(*volts)));
        Around {
            on_mains: self.line() == Line::Mains,
            nominal_mains: nominal,
            nominal_battery: self.nominal_battery(),
            half_again: self.quirks.contains(Quirks::BATTERY_VOLTAGE_TIMES_ONE_AND_HALF),
        }
    }

    /// What this poll says about the meaning of the numbers.
    pub(super) fn facts(&self) -> Facts {
        let around = self.around();
        Facts {
            measured: Quantity::ALL.map(|quantity| {
                let ascii = quantity == Quantity::Frequency && self.quirks.contains(Quirks::ASCII_DIGITS);
                self.measured_number(quantity).filter(|_| !ascii)
            }),
            runtime: self.runtime_sample(around.on_mains),
            low_contradicted_on_mains: around.on_mains && self.low_is_contradicted(),
            charge_over_100: self.raw(Key::Charge).is_some_and(|raw| raw > 100),
            around,
        }
    }

    /// Places of values that do not answer, or say what cannot be.
    pub(super) fn unsuitable(&self) -> impl Iterator<Item = Key> {
        PLACES.into_iter().filter(|key| {
            let slot = self.layout.slot(*key);
            (slot.feature.is_some() || slot.input.is_some()) && !self.suits(*key)
        })
    }

    fn suits(&self, key: Key) -> bool {
        let of = |quantity| {
            self.measured_number(quantity).is_some_and(|number| {
                let around = self.around();
                let value = number.field.scale(number.raw);
                // Another place of the battery voltage that says 0 V says nothing.
                let silent = value == 0.0 && self.layout.is_passed_over(key) && key == Key::BatteryVoltage;
                !silent
                    && (scale::can_be(quantity, value, &around)
                        || scale::judge(quantity, value, &around).is_some())
            })
        };
        match key {
            Key::LineVoltage => of(Quantity::LineVoltage),
            Key::OutputVoltage => of(Quantity::OutputVoltage),
            Key::BatteryVoltage => of(Quantity::BatteryVoltage),
            Key::Frequency => self.quirks.contains(Quirks::ASCII_DIGITS) || of(Quantity::Frequency),
            Key::Temperature => self.temperature(key).is_some(),
            Key::NominalBatteryVoltage => self.nominal_battery().is_some(),
            Key::NominalLineVoltage | Key::NominalOutputVoltage => {
                self.nominal_mains(key).is_some_and(|volts| scale::is_mains(f64::from(volts)))
            }
            Key::NominalPower | Key::NominalApparentPower => self.rating(key).is_some(),
            Key::LowTransfer | Key::HighTransfer => self.transfer_limit(key).is_some(),
            Key::Charge => self.charge().is_some(),
            _ => self.raw(key).is_some(),
        }
    }

    /// The line voltage is known, and inside the transfer limits (or about nominal where there are none).
    pub(super) fn line_voltage_is_good(&self) -> Option<bool> {
        let volts = self.meaning.scaled(Quantity::LineVoltage, &self.measured_number(Quantity::LineVoltage)?);
        let nominal = self.nominal_mains(Key::NominalLineVoltage).map(f64::from);
        let low = self.transfer_limit(Key::LowTransfer).or(nominal.map(|nominal| nominal * 0.8))?;
        let high = self.transfer_limit(Key::HighTransfer).or(nominal.map(|nominal| nominal * 1.2))?;
        Some(volts > low && volts < high)
    }

    /// Volts.
    pub(super) fn transfer_limit(&self, key: Key) -> Option<f64> {
        let nominal = self.nominal_mains(Key::NominalLineVoltage).map(f64::from);
        scale::transfer_limit(self.digits_or_number(key)?, nominal.filter(|volts| scale::is_mains(*volts)))
    }

    /// A nominal voltage, in whole volts.
    fn nominal_mains(&self, key: Key) -> Option<i32> {
        scale::nominal_mains(self.number(key)?)
    }

    /// A nominal voltage that nothing measured and no transfer limit contradicts.
    pub(super) fn nominal_voltage(&self, key: Key) -> Option<i32> {
        let nominal = self.nominal_mains(key)?;
        let volts = f64::from(nominal);
        let measured = [
            self.measured(Quantity::LineVoltage).filter(|_| self.line() == Line::Mains),
            self.measured(Quantity::OutputVoltage),
        ];
        // Less is no measure: the line, or the output, is dead.
        let measured = || measured.into_iter().flatten().filter(|measured| *measured >= 5.0);
        let agrees = measured().next().is_none()
            || measured().any(|volts_now| OF_NOMINAL.contains(&(volts_now / volts)));
        if !agrees || key == Key::NominalOutputVoltage {
            return Some(nominal).filter(|_| agrees);
        }
        // RS 550G reports 100 V on 230 V mains: below its own lower limit (usb-hid §15).
        let (low, high) = (self.transfer_limit(Key::LowTransfer), self.transfer_limit(Key::HighTransfer));
        Some(nominal).filter(|_| {
            low.is_none_or(|low| low.trunc() <= volts) && high.is_none_or(|high| high.trunc() >= volts)
        })
    }

    fn nominal_battery(&self) -> Option<f64> {
        let (field, bytes) = self.store.field(self.layout.slot(Key::NominalBatteryVoltage))?;
        let rating =
            [Key::NominalPower, Key::NominalApparentPower].into_iter().find_map(|key| self.rating(key));
        let mains = [Key::NominalLineVoltage, Key::NominalOutputVoltage]
            .map(|key| self.nominal_mains(key).map(f64::from));
        scale::nominal_battery(&field, field.raw(bytes)?, rating, &mains)
    }

    pub(super) fn nominal_battery_voltage(&self) -> Option<f64> {
        let nominal = self.nominal_battery()?;
        let volts = self.measured(Quantity::BatteryVoltage);
        let halved = self.quirks.contains(Quirks::NOMINAL_BATTERY_HALVED)
            && volts.is_some_and(|volts| (1.7..2.6).contains(&(volts / nominal)));
        Some(if halved { nominal * 2.0 } else { nominal })
    }

    /// Watts or volt-amperes.
    pub(super) fn rating(&self, key: Key) -> Option<f64> {
        let (field, bytes) = self.store.field(self.layout.slot(key))?;
        let value = field.physical(bytes)?;
        let can_be = match field.unit {
            Field::UNIT_WATT => value >= SMALLEST_RATING && value <= *RATINGS.end(),
            0 => RATINGS.contains(&value),
            // A unit left over from another field: so is the place.
            _ => false,
        };
        can_be.then_some(value)
    }

    /// Degrees Celsius, from kelvin or from what some units send without a unit: Celsius. No sensor is at either of the
    /// confusable temperatures.
    pub(super) fn temperature(&self, key: Key) -> Option<f64> {
        let (field, bytes) = self.store.field(self.layout.slot(key))?;
        // 0 kelvin is no sensor.
        if field.unit == Field::UNIT_KELVIN && field.raw(bytes)? == 0 {
            return None;
        }
        let value = field.physical(bytes)?;
        let celsius = if value > 200.0 { value - 273.15 } else { value };
        TEMPERATURES.contains(&celsius).then_some(celsius)
    }

    pub(super) fn humidity(&self) -> Option<f64> {
        self.number(Key::Humidity).filter(|percent| (0.0..=100.0).contains(percent))
    }

    /// Per cent. The capacity types ignore the unit of the field: APC declares per cent as ampere-seconds (usb-hid §8). It is one
    /// of real ampere-seconds (usb-hid §14) when a full battery has more than 100 of them; which of both does not change with
    /// the charge.
    pub(super) fn charge(&self) -> Option<f64> {
        let (field, bytes) = self.store.field(self.layout.slot(Key::Charge))?;
        let value = Field { unit: 0, ..field }.physical(bytes)?;
        let percent = self.raw(Key::CapacityMode) == Some(2) || field.unit != Field::UNIT_AMPERE_SECOND;
        let full =
            [Key::FullChargeCapacity, Key::DesignCapacity].into_iter().find_map(|key| self.capacity(key));
        let value = match full.filter(|full| !percent && *full > 100.0) {
            Some(full) => (value / full * 100.0).min(100.0),
            // More than the battery can hold in per cent, and nobody says how much that is.
            None if !percent
                && full.is_none()
                && (value > 100.0 || self.meaning.charge_is_no_percentage()) =>
            {
                return None;
            }
            None => value,
        };
        (0.0..=MOST_CHARGE).contains(&value).then_some(value.min(100.0))
    }

    /// Per cent.
    pub(super) fn load(&self) -> Option<f64> {
        self.digits_or_number(Key::Load).filter(|load| (0.0..=MOST_LOAD).contains(load))
    }

    fn capacity(&self, key: Key) -> Option<f64> {
        let (field, bytes) = self.store.field(self.layout.slot(key))?;
        Field { unit: 0, ..field }.physical(bytes).filter(|full| *full > 0.0)
    }

    pub(super) fn runtime(&self) -> Option<Minutes> {
        let (field, value) = self.runtime_number()?;
        if self.quirks.contains(Quirks::ASCII_DIGITS) {
            return Some(Minutes(value));
        }
        let unit =
            if field.unit == Field::UNIT_SECOND { Some(Unit::Seconds) } else { self.meaning.runtime_unit() };
        unit.map(|unit| match unit {
            Unit::Seconds => Minutes::from_secs(value),
            Unit::Minutes => Minutes(value),
        })
    }

    fn runtime_number(&self) -> Option<(Field, f64)> {
        let (field, bytes) = self.store.field(self.layout.slot(Key::Runtime))?;
        let raw = field.raw(bytes)?;
        // All ones: unknown or overflow (usb-hid §15).
        if raw < 0 || (field.bit_size >= 16 && (raw == 0xffff || raw == 0xffff_ffff)) {
            return None;
        }
        Some((field, field.scale(raw)))
    }

    fn runtime_sample(&self, on_mains: bool) -> Option<Sample> {
        let at: Instant = self.store.told(self.layout.slot(Key::Runtime))?.at?;
        let (field, runtime) = self.runtime_number()?;
        if field.unit == Field::UNIT_SECOND || self.quirks.contains(Quirks::ASCII_DIGITS) {
            return None;
        }
        Some(Sample {
            at,
            runtime,
            charge: self.charge(),
            load: self.digits_or_number(Key::Load).filter(|load| (0.0..=200.0).contains(load)),
            on_battery: !on_mains && self.line() == Line::Battery,
            battery_is_bad: self.raw(Key::NeedReplacement).is_some_and(|raw| raw != 0),
            limit: self.number(Key::RemainingTimeLimit),
            without_units: self.layout.without_units,
        })
    }

    /// Seconds; -1 when no countdown runs, also where the physical range or a missing sign makes that another number.
    pub(super) fn delay(&self, key: Key) -> Option<i32> {
        let (field, bytes) = self.store.field(self.layout.slot(key))?;
        let raw = field.raw(bytes)?;
        let all_ones = field.logical_min >= 0
            && (16..63).contains(&field.bit_size)
            && raw == (1_i64 << field.bit_size) - 1;
        if raw == -1 || all_ones {
            return Some(-1);
        }
        Some(field.scale(raw).trunc() as i32)
    }
}

/// `YYYY-MM-DD` from a packed date; `None` for what is no date of a UPS (usb-hid §8, §16).
pub(super) fn packed_date(raw: i64) -> Option<String> {
    let (year, month, day) = ((raw >> 9 & 0x7f) + 1980, raw >> 5 & 15, raw & 31);
    let days = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    ((1990..=2079).contains(&year) && (1..=12).contains(&month) && (1..=days).contains(&day))
        .then(|| format!("{year}-{month:02}-{day:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_that_is_none_is_not_shown() {
        assert_eq!(packed_date(0x5262), Some("2021-03-02".into()));
        assert_eq!(packed_date(0), None);
        assert_eq!(packed_date(3), None, "a string index");
        assert_eq!(packed_date(0x53ff), None, "month 15");
        assert_eq!(packed_date(41 << 9 | 2 << 5 | 30), None, "30 February");
        assert_eq!(packed_date(0x7f << 9 | 12 << 5 | 31), None, "2107");
    }
}
