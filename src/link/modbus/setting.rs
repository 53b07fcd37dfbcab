//! What the UPS keeps and can be told to change: the date of its battery, and its name (modbus §7).

use super::order::Outcome;
use crate::ups::{Setting, SettingValue};
use crate::wire::modbus::{Answer, BATTERY_DATE, NAME, Request, Span};

/// The beginning of 2000, in days since that of 1970.
const DATES_BEGIN: i64 = 10_957;

/// What is written for a setting, and where it is read back. `Err`: why there is no such order.
pub(super) fn write(setting: Setting, value: SettingValue) -> Result<(Request, &'static [Span]), String> {
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
        _ => Err("this setting of the UPS is changed at its front panel".to_owned()),
    }
}

/// Whether the UPS keeps what was written; `None`: not what it has said now. An illegal value may be acknowledged and not kept
/// (modbus §2.1).
pub(super) fn read_back(write: Request, answer: Option<&Answer>) -> Option<Outcome> {
    let Some(Answer::Registers(kept)) = answer else { return None };
    let is_kept = match write {
        Request::Write { value, .. } => kept == &[value],
        Request::WriteText { words, .. } => kept == &words,
        Request::Read(_) => false,
    };
    is_kept.then(|| Ok("written, and reads back the same".to_owned()))
}
