//! What the UPS keeps and can be told to change: the date of its battery, and its name (modbus §7).

use super::order::Outcome;
use crate::ups::{Setting, SettingValue, ShortText, civil};
use crate::wire::modbus::{Answer, BATTERY_DATE, NAME, Request, Span};

/// The beginning of 2000, in days since that of 1970.
const DATES_BEGIN: i64 = 10_957;

/// What is written for a setting, and where it is read back. `Err`: why there is no such order.
pub(super) fn write(setting: Setting, value: SettingValue) -> Result<(Request, &'static [Span]), String> {
    match (setting, value) {
        (Setting::BatteryDate, SettingValue::Text(text)) => {
            let days = days(text).ok_or("a date of this UPS is MM/DD/YY, such as 08/23/26")?;
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

/// Days since the beginning of 2000 of a date as apcupsd's files have it, MM/DD/YY (modbus §2.2).
fn days(text: ShortText) -> Option<u16> {
    let mut parts = text.as_str().split('/').map(|part| part.parse::<i64>().ok());
    let (month, day, year) = (parts.next()??, parts.next()??, parts.next()??);
    let is_it = |days: &u16| civil(DATES_BEGIN + i64::from(*days)) == (2000 + year, month, day);
    // A century.
    (0..36_525).find(is_it).filter(|_| parts.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_counted_from_the_beginning_of_2000() {
        let of = |text| ShortText::new(text).and_then(days);
        assert_eq!(of("01/01/00"), Some(0));
        assert_eq!(of("03/01/00"), Some(60));
        assert_eq!(of("08/22/24"), Some(9_000));
        for bad in [
            "13/01/20", "02/30/24", "02/29/23", "00/01/20", "01/00/20", "1/2", "1/2/3/4", "2024-8-2", "a/b/c",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
