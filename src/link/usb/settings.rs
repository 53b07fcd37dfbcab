//! What a USB UPS keeps and can be told to change: where it lies, what is written for it, and what the UPS permits (usb-hid §8, §11).

use super::decode::View;
use super::figures::packed_date;
use super::scale::transfer_limit;
use super::table::Key;
use crate::ups::{Setting, SettingValue, ShortText, civil};

/// Each level of the sensitivity at its number.
const LEVELS: &[&str] = &["L", "M", "H"];
/// Each interval of self tests, in hours, at its number.
const INTERVALS: &[&str] = &["OFF", "ON", "168", "336"];
/// Those that have a few values, or a range.
const RANGED: [Setting; 6] = [
    Setting::SelfTestInterval,
    Setting::Sensitivity,
    Setting::LowTransfer,
    Setting::HighTransfer,
    Setting::ReturnCharge,
    Setting::OutputVoltage,
];

/// What is to be written.
pub(super) struct RawSetting {
    pub key: Key,
    pub raw: i64,
    /// The UPS may take the nearest of its own values instead.
    pub near: bool,
}

/// Where a setting lies that can be written.
pub(super) const fn key_of(setting: Setting) -> Option<Key> {
    match setting {
        Setting::Sensitivity => Some(Key::Sensitivity),
        Setting::LowTransfer => Some(Key::LowTransfer),
        Setting::HighTransfer => Some(Key::HighTransfer),
        Setting::ReturnCharge => Some(Key::ReturnCharge),
        Setting::SelfTestInterval => Some(Key::SelfTestInterval),
        Setting::OutputVoltage => Some(Key::NominalOutputVoltage),
        Setting::BatteryDate => Some(Key::BatteryDate),
        Setting::WakeDelay
        | Setting::ShutdownDelay
        | Setting::AlarmDelay
        | Setting::LowBattery
        | Setting::Name => None,
    }
}

/// What a setting means for this UPS. `Err`: why it cannot have it.
pub(super) fn wanted(view: View<'_>, setting: Setting, value: SettingValue) -> Result<RawSetting, String> {
    let key = key_of(setting).ok_or(match setting {
        Setting::WakeDelay | Setting::ShutdownDelay => {
            "a delay of a USB UPS is a countdown: it begins when it is written"
        }
        Setting::AlarmDelay => "a USB UPS has no delay of its alarm: beeper on, off or mute",
        Setting::Name => "the name is a string of the USB device, which can only be read",
        _ => "this driver does not change this setting",
    })?;
    let field = view.layout.slot(key).feature.ok_or("the UPS has no report for this")?;
    let (raw, near) = match value {
        SettingValue::Text(text) if setting == Setting::BatteryDate => {
            (packed(text).ok_or("a date of this UPS is MM/DD/YY, such as 08/23/26")?, false)
        }
        SettingValue::Text(text) => {
            let is_it = |word: &&str| text.as_str().eq_ignore_ascii_case(word);
            let number = words_of(setting).iter().position(is_it).and_then(|at| i64::try_from(at).ok());
            (number.ok_or_else(|| format!("it may be one of {}", words_of(setting).join(" ")))?, false)
        }
        SettingValue::Number(number) => (field.unscale(number.into()), true),
    };
    if near && !is_plain(view, setting) {
        return Err("this UPS has it in another form".to_owned());
    }
    match range(view, setting) {
        Some((low, high)) if !(low..=high).contains(&raw) => {
            return Err(format!("the UPS permits {}", text(view, setting).unwrap_or_default()));
        }
        None if near && !can_be(view, setting, field.scale(raw)) => {
            return Err("that cannot be".to_owned());
        }
        _ => {}
    }
    if let SettingValue::Number(volts) = value {
        view.identity().permit_transfer(setting, volts)?;
    }
    Ok(RawSetting { key, raw, near })
}

/// What the UPS permits, where it says so.
pub(super) fn permitted(view: View<'_>) -> Vec<(Setting, String)> {
    RANGED.into_iter().filter_map(|setting| Some((setting, text(view, setting)?))).collect()
}

/// The words of a setting, each at its number.
const fn words_of(setting: Setting) -> &'static [&'static str] {
    match setting {
        Setting::Sensitivity => LEVELS,
        Setting::SelfTestInterval => INTERVALS,
        _ => &[],
    }
}

/// The least and the greatest raw number that the UPS permits. A range that leaves out what the UPS has is that of another model
/// (usb-hid §4), and one from 0 says how wide the field is, where it is not of per cent or of words.
fn range(view: View<'_>, setting: Setting) -> Option<(i64, i64)> {
    let key = key_of(setting)?;
    let field = view.layout.slot(key).feature?;
    let (low, high) = (field.logical_min, field.logical_max);
    let says = low > 0 || setting == Setting::ReturnCharge && high <= 100 || !words_of(setting).is_empty();
    (says && setting != Setting::BatteryDate && (low..=high).contains(&view.raw(key)?)).then_some((low, high))
}

fn text(view: View<'_>, setting: Setting) -> Option<String> {
    let (low, high) = range(view, setting)?;
    let words = words_of(setting);
    if !words.is_empty() {
        let named = words.iter().zip(0..).filter(|(_, number)| (low..=high).contains(number));
        return Some(named.map(|(word, _)| *word).collect::<Vec<_>>().join(" "));
    }
    let field = view.layout.slot(key_of(setting)?).feature.filter(|_| is_plain(view, setting))?;
    let shown = |raw| field.scale(raw).trunc() as i64;
    Some(if low == high { shown(low).to_string() } else { format!("{}-{}", shown(low), shown(high)) })
}

/// Whether a number is shown as it stands in the report: so it can be written.
fn is_plain(view: View<'_>, setting: Setting) -> bool {
    let identity = view.identity();
    let shown = match setting {
        Setting::LowTransfer => identity.low_transfer,
        Setting::HighTransfer => identity.high_transfer,
        Setting::OutputVoltage => identity.nominal_output_voltage,
        _ => identity.return_charge,
    };
    let number = key_of(setting).and_then(|key| view.number(key));
    shown.is_some() && shown.map(f64::from) == number.map(f64::trunc)
}

/// Whether a number can be meant, of a UPS that does not say what it permits. Nobody finds out by trying what a load lives on.
fn can_be(view: View<'_>, setting: Setting, number: f64) -> bool {
    match setting {
        Setting::LowTransfer | Setting::HighTransfer => {
            transfer_limit(number, view.identity().nominal_line_voltage.map(f64::from)) == Some(number)
        }
        Setting::ReturnCharge => number <= 100.0,
        _ => false,
    }
}

/// A date as a UPS packs it (usb-hid §8).
fn packed(text: ShortText) -> Option<i64> {
    let (year, month, day) = civil(text.day()?);
    Some((year - 1980) << 9 | month << 5 | day).filter(|raw| packed_date(*raw).is_some())
}
