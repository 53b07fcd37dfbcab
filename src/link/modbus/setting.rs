//! What the UPS keeps and can be told to change: the date of its battery, its name, transfer voltages and delays (modbus §3.2, §7).

use super::order::Outcome;
use crate::ups::{Identity, Setting, SettingValue};
use crate::wire::modbus::{
    Answer, BATTERY_DATE, HIGH_TRANSFER, LOW_TRANSFER, NAME, OFF_DELAY, ON_DELAY, Request, Span,
};

/// The beginning of 2000, in days since that of 1970.
const DATES_BEGIN: i64 = 10_957;

/// Longest delay, in seconds: what the register holds (modbus §3.1).
const LONGEST_DELAY: u32 = 32_767;

/// What is written for a setting of this UPS, and where it is read back. `Err`: why there is no such order.
pub(super) fn write(
    setting: Setting,
    value: SettingValue,
    ups: &Identity,
) -> Result<(Request, &'static [Span]), String> {
    let number = |span: &'static [Span], value: u32| {
        let address = span.first().map_or(0, |span| span.address);
        let value = u16::try_from(value).map_err(|_| CANNOT_BE)?;
        Ok((Request::Write { address, value }, span))
    };
    match (setting, value) {
        (Setting::BatteryDate, SettingValue::Text(text)) => {
            let days = text.day().and_then(|day| u16::try_from(day - DATES_BEGIN).ok());
            let days = days.ok_or("a date of this UPS is MM/DD/YY, such as 08/23/26")?;
            Ok((Request::Write { address: BATTERY_DATE.address, value: days }, &[BATTERY_DATE]))
        }
        (Setting::Name, SettingValue::Text(text)) => {
            let mut bytes = [b' '; 16];
            bytes.iter_mut().zip(text.padded()).for_each(|(to, from)| *to = from);
            let mut words = [0; 8];
            let pairs =
                bytes.chunks_exact(2).filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)));
            words.iter_mut().zip(pairs).for_each(|(to, from)| *to = from);
            Ok((Request::WriteText { address: NAME.address, words }, &[NAME]))
        }
        (Setting::LowTransfer, SettingValue::Number(volts)) => {
            transfer(ups.low_transfer, volts)?;
            ups.permit_transfer(setting, volts)?;
            number(&[LOW_TRANSFER], volts)
        }
        (Setting::HighTransfer, SettingValue::Number(volts)) => {
            transfer(ups.high_transfer, volts)?;
            ups.permit_transfer(setting, volts)?;
            number(&[HIGH_TRANSFER], volts)
        }
        (Setting::ShutdownDelay | Setting::WakeDelay, SettingValue::Number(seconds)) => {
            let (now, span): (_, &[Span]) = match setting {
                Setting::WakeDelay => (ups.wake_delay, &[ON_DELAY]),
                _ => (ups.shutdown_delay, &[OFF_DELAY]),
            };
            now.ok_or(LACKS)?;
            number(span, Some(seconds).filter(|seconds| *seconds <= LONGEST_DELAY).ok_or(CANNOT_BE)?)
        }
        _ => Err("this setting of the UPS is changed at its front panel".to_owned()),
    }
}

const LACKS: &str = "the UPS does not tell this setting, so it is not changed";
const CANNOT_BE: &str = "that cannot be";

/// Whether a transfer voltage may be written. The register counts whole volts where what it has can be such a voltage; nobody finds out by
/// trying what a load lives on.
fn transfer(now: Option<i32>, volts: u32) -> Result<(), String> {
    let now = now.filter(|now| (50..=500).contains(now)).ok_or(LACKS)?;
    let can_be = |volts: i32| (now / 2..=now * 3 / 2).contains(&volts);
    i32::try_from(volts).ok().filter(|volts| can_be(*volts)).map(|_| ()).ok_or_else(|| CANNOT_BE.to_owned())
}

/// Whether the UPS keeps what was written; `None`: not what it has said now. An illegal value may be acknowledged and not kept
/// (modbus §2.1).
pub(super) fn read_back(write: Request, answer: Option<&Answer>) -> Option<Outcome> {
    let Some(Answer::Registers(kept)) = answer else { return None };
    let is_kept = match write {
        Request::Write { value, .. } => kept == &[value],
        Request::WriteText { words, .. } => kept == &words,
        Request::Read(_) | Request::WriteLong { .. } => false,
    };
    is_kept.then(|| Ok("written, and reads back the same".to_owned()))
}
