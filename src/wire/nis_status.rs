//! What a status answer says (nis §9.2, §9.3). Keys are taken exactly; a value that is there and empty is empty, `N/A` is not
//! there.

use super::decimal::decimal;
use super::nis::split_record;
use crate::ups::{
    Access, DaemonDate, DaemonNumber, DaemonText, Field, Form, Identity, SaidMut, StatusFlags, Text, Values,
    clean,
};

/// One status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MasterStatus {
    /// STATFLAG, all bits.
    pub flags: StatusFlags,
    /// UPSMODE.
    pub mode: Option<String>,
    /// STARTTIME: another one is another run of the master, perhaps of another program.
    pub started: Option<String>,
    /// UPSNAME and what does not change.
    pub identity: Identity,
    /// What is measured.
    pub values: Values,
    /// VERSION.
    pub version: Option<String>,
    /// LASTSTEST, as the server writes it.
    pub tested: Option<String>,
    /// HOSTNAME.
    pub host: Option<String>,
    /// When the answer was made, as the server writes it.
    pub now: Option<String>,
    /// MBATTCHG.
    pub battery_level: Option<i32>,
    /// MINTIMEL.
    pub minutes: Option<i32>,
    /// TONBATT, in seconds.
    pub time_on_battery: Option<i32>,
}

impl MasterStatus {
    /// What these keys and values say; `None` if there is no STATFLAG, so that it is no status.
    pub fn of_records<'a>(records: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<Self> {
        let mut status = Self::default();
        let mut flags = None;
        for (key, value) in records {
            match Field::of_key(key).map(|field| &field.form) {
                Some(Form::Hex8) => flags = flags.or_else(|| hexadecimal(value)),
                Some(form) if value.trim_ascii() != b"N/A" => status.note(form, value),
                _ => {}
            }
        }
        status.flags = flags?;
        Some(status)
    }

    /// Takes one record. What a slave does not relay is left out (nis §9.2).
    fn note(&mut self, form: &Form, value: &[u8]) {
        let said = SaidMut { identity: &mut self.identity, values: &mut self.values };
        match form {
            Form::DaemonText(DaemonText::UpsName) => self.identity.name = Some(text(value)),
            Form::DaemonText(DaemonText::Version) => self.version = Some(text(value)),
            Form::Date(DaemonDate::SelfTest) => self.tested = Some(text(value)),
            Form::DaemonText(DaemonText::Hostname) => self.host = Some(text(value)),
            Form::DaemonText(DaemonText::Class) => self.mode = Some(text(value)),
            Form::Date(DaemonDate::Started) => self.started = Some(text(value)),
            Form::Date(DaemonDate::Now) => self.now = Some(text(value)),
            Form::DaemonNumber(DaemonNumber::BatteryLevel, _) => self.battery_level = whole(value),
            Form::DaemonNumber(DaemonNumber::Minutes, _) => self.minutes = whole(value),
            Form::DaemonNumber(DaemonNumber::TimeOnBattery, _) => self.time_on_battery = whole(value),
            Form::Text(Text { set: Some(set), .. }) => set(said, &String::from_utf8_lossy(value)),
            Form::Tenths(Access { set: Some(set), .. })
            | Form::Hundredths(Access { set: Some(set), .. })
            | Form::Truncated(Access { set: Some(set), .. }) => set(said, number(value)),
            Form::Whole(Access { set: Some(set), .. }) | Form::WholePoint0(Access { set: Some(set), .. }) => {
                set(said, whole(value));
            }
            _ => {}
        }
    }
}

fn text(value: &[u8]) -> String {
    clean(&String::from_utf8_lossy(value))
}

/// The first word, if it is a number.
fn number(value: &[u8]) -> Option<f64> {
    let word = value.split(u8::is_ascii_whitespace).find(|word| !word.is_empty())?;
    decimal(std::str::from_utf8(word).ok()?)
}

/// As [`number`], cut to whole units as in 3.14.14.
fn whole(value: &[u8]) -> Option<i32> {
    let number = number(value).filter(|number| number.abs() < f64::from(i32::MAX))?;
    // The bound makes the conversion exact.
    #[allow(clippy::cast_possible_truncation)]
    Some(number as i32)
}

/// What a record says that is STATFLAG.
#[must_use]
pub fn flags_of(record: &[u8]) -> Option<StatusFlags> {
    let (key, value) = split_record(record)?;
    if matches!(Field::of_key(key)?.form, Form::Hex8) { hexadecimal(value) } else { None }
}

fn hexadecimal(value: &[u8]) -> Option<StatusFlags> {
    let digits = std::str::from_utf8(value).ok()?.trim().strip_prefix("0x")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| plain).map(StatusFlags::from_bits_retain)
}
