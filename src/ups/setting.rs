//! What a UPS keeps and can be told to change.

use std::fmt;
use std::ops::Range;

use super::civil;

/// The days of 2000 to 2099, counted from 1970-01-01.
const CENTURY: Range<i64> = 10_957..10_957 + 36_525;

/// A setting that the UPS keeps itself (apcsmart §8, kind E).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setting {
    /// SENSITIVITY: H, M, L.
    Sensitivity,
    /// WAKEUP, seconds.
    WakeDelay,
    /// SLEEP, seconds.
    ShutdownDelay,
    /// LOTRANSFER, volts.
    LowTransfer,
    /// HITRANSFER, volts.
    HighTransfer,
    /// RETURNCHARGE, per cent.
    ReturnCharge,
    /// BEEPSTATE: 0, T, L, N.
    AlarmDelay,
    /// LOWBATT, minutes.
    LowBattery,
    /// SELFTEST: 336, 168, ON, OFF.
    SelfTestInterval,
    /// OUTPUTVOLTS, volts.
    OutputVoltage,
    /// BATTDATE: 8 characters.
    BatteryDate,
    /// UPSNAME: up to 8 characters.
    Name,
}

impl Setting {
    /// Whether its values are numbers.
    #[must_use]
    pub const fn is_number(self) -> bool {
        match self {
            Self::WakeDelay
            | Self::ShutdownDelay
            | Self::LowTransfer
            | Self::HighTransfer
            | Self::ReturnCharge
            | Self::LowBattery
            | Self::OutputVoltage => true,
            Self::Sensitivity
            | Self::AlarmDelay
            | Self::SelfTestInterval
            | Self::BatteryDate
            | Self::Name => false,
        }
    }
}

/// The value of a [`Setting`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SettingValue {
    /// In the unit of the setting.
    Number(u32),
    /// A word, a date or a name.
    Text(ShortText),
}

impl SettingValue {
    /// The value that a text means for this setting; `None`: it cannot have it.
    #[must_use]
    pub fn parse(setting: Setting, text: &str) -> Option<Self> {
        match setting.is_number() {
            true => text.parse().ok().map(Self::Number),
            false => ShortText::new(text).map(Self::Text),
        }
    }
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.as_str().fmt(f),
        }
    }
}

/// Up to eight printable characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShortText([u8; 8]);

impl ShortText {
    /// `None` if the text is empty, longer than eight characters, or has others than letters, digits, blanks, `-`, `_`, `.` and `/`:
    /// the rest of ASCII means something else to some UPSes.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" -_./".contains(&byte);
        let mut bytes = [b' '; 8];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        (!text.trim().is_empty() && text.bytes().all(plain)).then_some(Self(bytes))
    }

    /// Eight characters, filled up with blanks.
    #[must_use]
    pub const fn padded(&self) -> [u8; 8] {
        self.0
    }

    /// The day, counted from 1970-01-01, of a date as apcupsd's files have it: MM/DD/YY, of the years 2000 to 2099.
    #[must_use]
    pub fn day(&self) -> Option<i64> {
        let mut parts = self.as_str().split('/').map(|part| part.parse::<i64>().ok());
        let (month, day, year) = (parts.next()??, parts.next()??, parts.next()??);
        let is_it = |days: &i64| civil(*days) == (2000 + year, month, day);
        CENTURY.into_iter().find(is_it).filter(|_| parts.next().is_none())
    }

    /// Without the blanks behind it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default().trim_end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plain_short_text_is_no_text() {
        for bad in ["", "  ", "ninechars", "a!b", "a#", "a%", "ä", "a\r"] {
            assert_eq!(ShortText::new(bad), None, "{bad}");
        }
        assert_eq!(ShortText::new("ON").unwrap().as_str(), "ON");
    }

    #[test]
    fn a_short_date_is_a_day_of_this_century_or_none() {
        let of = |text| ShortText::new(text).and_then(|text| text.day()).map(|day| day - CENTURY.start);
        assert_eq!(of("01/01/00"), Some(0));
        assert_eq!(of("03/01/00"), Some(60));
        assert_eq!(of("08/22/24"), Some(9_000));
        assert_eq!(of("12/31/99"), Some(36_524));
        for bad in [
            "13/01/20", "02/30/24", "02/29/23", "00/01/20", "01/00/20", "1/2", "1/2/3/4", "2024-8-2", "a/b/c",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_setting_has_numbers_or_words() {
        assert_eq!(SettingValue::parse(Setting::HighTransfer, "261"), Some(SettingValue::Number(261)));
        assert_eq!(SettingValue::parse(Setting::HighTransfer, "high"), None);
        let text = SettingValue::parse(Setting::SelfTestInterval, "336").unwrap();
        assert_eq!(
            (text.to_string(), text),
            ("336".to_owned(), SettingValue::Text(ShortText::new("336").unwrap()))
        );
    }
}
