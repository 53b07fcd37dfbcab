//! Reports to values, in the units of [`crate::ups`] (usb-hid §8, §9, §11).

use super::copies::LOW_BATTERY;
use super::figures::packed_date;
use super::layout::Layout;
use super::meaning::Meaning;
use super::quirks::Quirks;
use super::scale::Quantity;
use super::store::Store;
use super::table::{Key, TABLE, When};
use crate::ups::{
    AlarmDelay, Celsius, Hertz, Identity, Percent, SelfTestInterval, SelfTestResult, Sensitivity,
    StatusFlags, TransferCause, Values, VoltAmps, Volts, Watts,
};

/// Where the load gets its power from, as the UPS says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// From mains.
    Mains,
    /// From the battery.
    Battery,
    /// The report that must say it has no bit set at all: no data (usb-hid §13).
    Blank,
    /// The bits contradict each other and the line voltage does not help.
    Contradiction,
    /// No report says it.
    Unknown,
}

impl Line {
    /// `Some(true)`: on battery.
    pub(super) const fn on_battery(self) -> Option<bool> {
        match self {
            Self::Mains => Some(false),
            Self::Battery => Some(true),
            Self::Blank | Self::Contradiction | Self::Unknown => None,
        }
    }
}

/// What an interrupt report hints at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hint {
    /// The line state it shows, if it shows one.
    pub on_battery: Option<bool>,
    /// It shows another alarm bit than the last read.
    pub alarm: bool,
    /// It shows another value than the last read.
    pub changed: bool,
    /// It shows another state of the self test than the last read.
    pub test: bool,
    /// It shows another bit of the line state than the last read, or another cause of the last transfer.
    pub line: bool,
}

/// One device's reports, seen as values.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub layout: &'a Layout,
    pub store: &'a Store,
    pub quirks: Quirks,
    pub meaning: &'a Meaning,
}

impl View<'_> {
    /// The raw number of a value.
    pub(super) fn raw(&self, key: Key) -> Option<i64> {
        let (field, bytes) = self.store.field(self.layout.slot(key))?;
        field.raw(bytes)
    }

    /// The value in its base unit.
    pub(super) fn number(&self, key: Key) -> Option<f64> {
        let (field, bytes) = self.store.field(self.layout.slot(key))?;
        field.physical(bytes)
    }

    pub(super) fn bit(&self, key: Key) -> Option<bool> {
        self.raw(key).map(|raw| raw != 0)
    }

    /// The line state (usb-hid §6, §9, §14, §15).
    pub(super) fn line(&self) -> Line {
        line_of(
            self.quirks,
            self.raw(Key::StatusFlag),
            self.bit(Key::AcPresent),
            self.bit(Key::Discharging),
            || self.line_report_is_blank(),
            || self.line_voltage_is_good(),
        )
    }

    /// What an interrupt report would change if it were believed.
    pub(super) fn hint(&self, report: &[u8], id: u8) -> Hint {
        let fields = || self.layout.inputs.iter().filter(|(_, field)| field.report_id == id);
        let of = |wanted| fields().find(|(key, _)| *key == wanted).and_then(|(_, field)| field.raw(report));
        let bit = |key| of(key).map(|raw| raw != 0);
        let line = line_of(
            self.quirks,
            of(Key::StatusFlag),
            bit(Key::AcPresent),
            bit(Key::Discharging),
            || false,
            || self.line_voltage_is_good(),
        );
        let mut hint = Hint { on_battery: line.on_battery(), ..Hint::default() };
        for (key, field) in fields() {
            let (raw, known) = (field.raw(report), self.raw(*key));
            if raw.is_some() && raw != known {
                hint.test |= *key == Key::Test;
                hint.line |= *key == Key::LineFailCause;
                match TABLE.get(*key as usize).map(|row| row.when) {
                    Some(When::Status) => hint.alarm = true,
                    Some(When::Line) => hint.line |= *key != Key::StatusFlag && known.is_some(),
                    None => {}
                    Some(_) => hint.changed = true,
                }
            }
        }
        // The status flag has alarms of its own beside the line state.
        let alarms = |flag: i64| flag & 0xe7;
        hint.alarm |= of(Key::StatusFlag)
            .is_some_and(|flag| Some(alarms(flag)) != self.raw(Key::StatusFlag).map(alarms));
        hint
    }

    /// The status bits other than the line state: `BATTPRESENT` and bits 0 to 7, unconfirmed.
    pub(super) fn flags(&self) -> StatusFlags {
        let gone = self.bit(Key::BatteryPresent) == Some(false) && !self.is_contradicted(Key::BatteryPresent);
        let mut flags = StatusFlags::default().with(StatusFlags::BATTPRESENT, !gone);
        // The flag's bits are STATFLAG's own, and it replaces what the single bits say.
        if let Some(flag) = self.raw(Key::StatusFlag).filter(|flag| flag & 0x18 != 0) {
            let others = !(StatusFlags::ONLINE | StatusFlags::ONBATT).bits();
            return flags | StatusFlags::from_bits_retain(flag as u32 & 0xff & others);
        }
        let set = |key| self.bit(key) == Some(true) && !self.is_contradicted(key);
        flags.set(StatusFlags::OVERLOAD, set(Key::Overload));
        flags.set(StatusFlags::BOOST, set(Key::Boost));
        flags.set(StatusFlags::TRIM, set(Key::Trim));
        flags.set(StatusFlags::REPLACEBATT, set(Key::NeedReplacement));
        let low = LOW_BATTERY.into_iter().any(set) || (self.low_is_contradicted() && self.low_is_confirmed());
        flags.set(StatusFlags::BATTLOW, low);
        flags
    }

    /// Everything measured.
    pub(super) fn values(&self) -> Values {
        Values {
            line_voltage: self.measured(Quantity::LineVoltage).map(Volts),
            output_voltage: self.measured(Quantity::OutputVoltage).map(Volts),
            battery_voltage: self.measured(Quantity::BatteryVoltage).map(Volts),
            frequency: self.measured(Quantity::Frequency).map(Hertz),
            load: self.load().map(Percent),
            temperature: self.temperature(Key::Temperature).map(Celsius),
            ambient_temperature: self.temperature(Key::AmbientTemperature).map(Celsius),
            humidity: self.humidity().map(Percent),
            battery_charge: self.charge().map(Percent),
            runtime_left: self.runtime(),
            transfer_cause: self.raw(Key::LineFailCause).map(transfer_cause),
            self_test: self.raw(Key::Test).map(self_test),
            alarm_delay: self.raw(Key::AlarmControl).map(|raw| match raw {
                1 => AlarmDelay::Never,
                _ => AlarmDelay::ThirtySeconds,
            }),
            ..Values::default()
        }
    }

    /// Everything that is read once, but for the strings.
    pub(super) fn identity(&self) -> Identity {
        let whole = |key| self.number(key).map(|value| value.trunc() as i32);
        Identity {
            manufacture_date: self.raw(Key::ManufactureDate).and_then(packed_date),
            battery_date: self.raw(Key::BatteryDate).and_then(packed_date),
            sensitivity: self.raw(Key::Sensitivity).map(|raw| match raw {
                0 => Sensitivity::Low,
                1 => Sensitivity::Medium,
                2 => Sensitivity::High,
                _ => Sensitivity::Unknown,
            }),
            wake_delay: self.delay(Key::WakeDelay),
            shutdown_delay: self.delay(Key::ShutdownDelay),
            low_transfer: self.transfer_limit(Key::LowTransfer).map(|volts| volts.trunc() as i32),
            high_transfer: self.transfer_limit(Key::HighTransfer).map(|volts| volts.trunc() as i32),
            return_charge: whole(Key::ReturnCharge),
            self_test_interval: self.raw(Key::SelfTestInterval).map(|raw| match raw {
                0 => SelfTestInterval::None,
                1 => SelfTestInterval::PowerOn,
                2 => SelfTestInterval::SevenDays,
                _ => SelfTestInterval::FourteenDays,
            }),
            nominal_output_voltage: self.nominal_voltage(Key::NominalOutputVoltage),
            nominal_line_voltage: self.nominal_voltage(Key::NominalLineVoltage),
            nominal_battery_voltage: self.nominal_battery_voltage().map(Volts),
            nominal_power: self.rating(Key::NominalPower).map(Watts),
            nominal_apparent_power: self.rating(Key::NominalApparentPower).map(VoltAmps),
            ..Identity::default()
        }
    }

    /// Index of a string descriptor; 0 means no string.
    pub(super) fn string_index(&self, key: Key) -> Option<u8> {
        self.raw(key).and_then(|raw| u8::try_from(raw).ok()).filter(|index| *index != 0)
    }

    /// All status bits together are zero, in a report that has room for both AC and discharging: no UPS is in that state.
    fn line_report_is_blank(&self) -> bool {
        let keys = [Key::StatusFlag, Key::AcPresent, Key::Discharging, Key::BatteryPresent];
        let known = || keys.into_iter().filter_map(|key| self.raw(key));
        known().count() >= 2 && known().all(|raw| raw == 0)
    }

    /// Three ASCII digits, first digit in the most significant byte, where the model packs them so (usb-hid §15).
    pub(super) fn digits_or_number(&self, key: Key) -> Option<f64> {
        let digits =
            if self.quirks.contains(Quirks::ASCII_DIGITS) { ascii_digits(self.raw(key)?) } else { None };
        digits.map(f64::from).or_else(|| self.number(key))
    }
}

/// The line state from its parts.
pub(super) fn line_of(
    quirks: Quirks,
    flag: Option<i64>,
    ac_present: Option<bool>,
    discharging: Option<bool>,
    blank: impl FnOnce() -> bool,
    voltage_is_good: impl FnOnce() -> Option<bool>,
) -> Line {
    let is = |on_battery| if on_battery { Line::Battery } else { Line::Mains };
    match flag.map(|flag| flag & 0x18) {
        Some(0x08) => return Line::Mains,
        Some(0x10) => return Line::Battery,
        _ => {}
    }
    if blank() {
        return Line::Blank;
    }
    match (ac_present, discharging) {
        (Some(true), Some(false)) => Line::Mains,
        (Some(false), Some(true)) => Line::Battery,
        (Some(ac), None) => is(!ac),
        (None, Some(discharging)) => is(discharging),
        (Some(true), Some(true)) if quirks.contains(Quirks::AC_PRESENT_DECIDES) => {
            is(voltage_is_good() == Some(false))
        }
        (Some(true), Some(true)) => is(quirks.contains(Quirks::DISCHARGING_DECIDES)),
        // Seen for seconds during tests. On APC units apcupsd would say mains here, others say battery.
        (Some(false), Some(false)) if quirks.contains(Quirks::DISCHARGING_DECIDES) => match voltage_is_good()
        {
            Some(good) => is(!good),
            None => Line::Contradiction,
        },
        (Some(false), Some(false)) => Line::Battery,
        (None, None) => Line::Unknown,
    }
}

/// `LASTXFER` from APCLineFailCause (usb-hid §11).
fn transfer_cause(raw: i64) -> TransferCause {
    match raw {
        0 => TransferCause::None,
        1 | 4 | 8 | 9 => TransferCause::LowLine,
        2 => TransferCause::HighLine,
        3 => TransferCause::Ripple,
        5 | 11 | 12 | 13 => TransferCause::SelfTest,
        6 | 10 => TransferCause::Forced,
        7 => TransferCause::Frequency,
        _ => TransferCause::Unknown,
    }
}

/// `SELFTEST` from Test (usb-hid §8).
fn self_test(raw: i64) -> SelfTestResult {
    match raw {
        1 => SelfTestResult::Passed,
        2 => SelfTestResult::Warning,
        3 | 4 => SelfTestResult::Failed,
        5 => SelfTestResult::InProgress,
        6 => SelfTestResult::NotAvailable,
        _ => SelfTestResult::Unknown,
    }
}

fn ascii_digits(raw: i64) -> Option<u16> {
    let bytes = u32::try_from(raw).ok().filter(|raw| *raw <= 0x00ff_ffff)?.to_be_bytes();
    bytes
        .iter()
        .skip(1)
        .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u16::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(quirks: Quirks, ac: bool, discharging: bool, good: Option<bool>) -> Line {
        line_of(quirks, None, Some(ac), Some(discharging), || false, || good)
    }

    fn apc(name: &str) -> Quirks {
        Quirks::of(&super::super::DeviceInfo {
            vendor: 0x051d,
            product: 2,
            product_name: Some(name.into()),
            ..Default::default()
        })
    }

    #[test]
    fn the_status_flag_decides_and_a_senseless_flag_does_not() {
        let quirks = apc("Back-UPS ES 850G2");
        let with = |flag| line_of(quirks, Some(flag), Some(true), Some(false), || false, || None);
        assert_eq!(with(0x10), Line::Battery);
        assert_eq!(with(0x08), Line::Mains);
        assert_eq!(with(0x18), Line::Mains, "both bits: the single bits decide");
        assert_eq!(with(0x00), Line::Mains);
    }

    #[test]
    fn discharging_with_ac_present_is_battery_on_apc_and_mains_elsewhere() {
        assert_eq!(line(apc("Back-UPS RS 1500"), true, true, Some(true)), Line::Battery);
        assert_eq!(line(Quirks::default(), true, true, None), Line::Mains);
    }

    #[test]
    fn on_the_noisy_family_ac_present_decides_while_the_line_voltage_is_good() {
        let bx = apc("Back-UPS BX1600MI FW:294201G -302201G");
        assert_eq!(line(bx, true, true, Some(true)), Line::Mains);
        assert_eq!(line(bx, true, true, None), Line::Mains);
        assert_eq!(line(bx, true, true, Some(false)), Line::Battery);
        assert_eq!(line(bx, false, true, Some(true)), Line::Battery, "the two agree");
    }

    #[test]
    fn neither_bit_is_told_by_the_line_voltage_on_apc() {
        let quirks = apc("Back-UPS RS 1000G");
        assert_eq!(line(quirks, false, false, Some(true)), Line::Mains);
        assert_eq!(line(quirks, false, false, Some(false)), Line::Battery);
        assert_eq!(line(quirks, false, false, None), Line::Contradiction);
        assert_eq!(line(Quirks::default(), false, false, None), Line::Battery);
    }

    #[test]
    fn a_blank_report_says_nothing() {
        assert_eq!(line_of(Quirks::default(), None, Some(false), Some(false), || true, || None), Line::Blank);
    }

    #[test]
    fn three_ascii_digits_are_a_number_and_anything_else_is_not() {
        assert_eq!(ascii_digits(0x31_32_33), Some(123));
        assert_eq!(ascii_digits(0x30_34_36), Some(46));
        assert_eq!(ascii_digits(120), None);
        assert_eq!(ascii_digits(-1), None);
    }
}
