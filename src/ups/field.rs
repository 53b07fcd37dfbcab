//! Each value that is shown of a UPS: what it is called in a status, in NUT, as a metric and in HID, its unit, and where it
//! lies.
//!
//! `report` writes the status from [`FIELDS`], `link::net` reads a master's status by it, `link::usb` is held against its
//! usages, and so is the table of `mainsd-nis(7)`.

mod table;

pub use table::{FIELDS, key};

use super::{Identity, Values};

/// One value that is shown of a UPS.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Key in a status (status-fields §1): at most nine bytes.
    pub key: &'static str,
    /// Variable of Network UPS Tools (names §1).
    pub nut: Option<&'static str>,
    /// Metric, in its base unit (names §2). `None` for a text.
    pub metric: Option<&'static str>,
    /// Usage page and usage of the HID Power Device class, or of APC's own page ff86, that APC units report the value
    /// under (usb-hid §7).
    pub hid: Option<u32>,
    /// How the value is written in a status, and where it lies.
    pub form: Form,
}

/// How a value is written in a status, and where it lies. What has no value has no record.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// A text of the UPS.
    Text(Text),
    /// One decimal and a unit.
    Tenths(Access<f64>),
    /// Two decimals and a unit.
    Hundredths(Access<f64>),
    /// Without decimals, and a unit.
    Truncated(Access<f64>),
    /// An integer and a unit.
    Whole(Access<i32>),
    /// An integer written with a decimal that is always 0, and a unit.
    WholePoint0(Access<i32>),
    /// A byte in hexadecimal.
    Hex2(fn(Said<'_>) -> Option<u8>),
    /// A text that the daemon knows.
    DaemonText(DaemonText),
    /// An integer that the daemon knows, and its unit.
    DaemonNumber(DaemonNumber, Unit),
    /// A date that the daemon knows.
    Date(DaemonDate),
    /// The same, or `N/A`.
    DateOrNone(DaemonDate),
    /// The words of the status flags.
    Words,
    /// The status flags in hexadecimal.
    Hex8,
}

/// What a UPS says, to be read.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// What does not change.
    pub identity: &'a Identity,
    /// What is measured.
    pub values: &'a Values,
}

/// What a UPS says, to be filled in.
#[derive(Debug)]
pub struct SaidMut<'a> {
    /// What does not change.
    pub identity: &'a mut Identity,
    /// What is measured.
    pub values: &'a mut Values,
}

/// A number that a UPS says.
#[derive(Clone, Copy, Debug)]
pub struct Access<T: 'static> {
    /// Its unit in [`Said`] and in a status.
    pub unit: Unit,
    /// The number.
    pub get: fn(Said<'_>) -> Option<T>,
    /// Sets the number. `None`: a slave does not relay it (nis §9.2).
    pub set: Option<fn(SaidMut<'_>, Option<T>)>,
}

/// A text that a UPS says.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// Most bytes of it in a status.
    pub longest: usize,
    /// The text.
    pub get: for<'a> fn(Said<'a>) -> Option<&'a str>,
    /// Sets what the text of a status says. `None`: a slave does not relay it (nis §9.2).
    pub set: Option<fn(SaidMut<'_>, &str)>,
}

/// A text that the daemon knows, not the UPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaemonText {
    /// Name of this computer.
    Hostname,
    /// Version of the daemon.
    Version,
    /// Name of the UPS: configured, or else as the UPS has it.
    UpsName,
    /// What UPSCABLE means.
    Cable,
    /// What UPSTYPE means.
    Driver,
    /// What UPSCLASS means.
    Class,
    /// What UPSMODE means.
    Share,
    /// The master of a slave.
    Master,
}

/// A number that the daemon knows, not the UPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaemonNumber {
    /// BATTERYLEVEL.
    BatteryLevel,
    /// MINUTES.
    Minutes,
    /// TIMEOUT.
    Timeout,
    /// Transfers to battery since the start.
    Transfers,
    /// Time on battery of this outage.
    TimeOnBattery,
    /// Time on battery since the start.
    TotalOnBattery,
}

/// A date that the daemon knows, not the UPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaemonDate {
    /// The last poll.
    Polled,
    /// The start of the daemon.
    Started,
    /// The last answer of the master of a slave.
    MasterPolled,
    /// The last transfer to battery.
    OnBattery,
    /// The last return to mains.
    OffBattery,
    /// The last self test.
    SelfTest,
    /// Now.
    Now,
}

/// Unit of a number in a status. NUT and metrics count time in seconds, and metrics shares of 1, not of 100 (names §1, §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is its name")]
pub enum Unit {
    None,
    Volts,
    Percent,
    Minutes,
    Seconds,
    Celsius,
    Hertz,
    Amps,
    Watts,
    VoltAmps,
}

impl Unit {
    /// The unit as it stands behind the number in a status; empty: none does (status-fields §1).
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Volts => "Volts",
            Self::Percent => "Percent",
            Self::Minutes => "Minutes",
            Self::Seconds => "Seconds",
            Self::Celsius => "C",
            Self::Hertz => "Hz",
            Self::Amps => "Amps",
            Self::Watts => "Watts",
            Self::VoltAmps => "VA",
        }
    }
}

impl Form {
    /// The unit, if the value is a number.
    #[must_use]
    pub const fn unit(&self) -> Option<Unit> {
        match self {
            Self::Tenths(number) | Self::Hundredths(number) | Self::Truncated(number) => Some(number.unit),
            Self::Whole(number) | Self::WholePoint0(number) => Some(number.unit),
            Self::DaemonNumber(_, unit) => Some(*unit),
            Self::Text(_) | Self::Hex2(_) | Self::DaemonText(_) => None,
            Self::Date(_) | Self::DateOrNone(_) | Self::Words | Self::Hex8 => None,
        }
    }
}

impl Field {
    /// The value with this status key.
    #[must_use]
    pub fn of_key(key: &[u8]) -> Option<&'static Self> {
        FIELDS.iter().find(|field| field.key.as_bytes() == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_unique<'a>(names: impl Iterator<Item = &'a str>) {
        let mut seen = Vec::new();
        for name in names {
            assert!(!seen.contains(&name), "{name} twice");
            seen.push(name);
        }
        assert!(seen.len() > 30);
    }

    #[test]
    fn names_are_unique_and_keys_fit_their_nine_columns() {
        assert_unique(FIELDS.iter().map(|field| field.key));
        assert_unique(FIELDS.iter().filter_map(|field| field.nut));
        assert_unique(FIELDS.iter().filter_map(|field| field.metric));
        assert!(FIELDS.iter().all(|field| (1..=9).contains(&field.key.len())));
        assert_eq!(FIELDS.last().map(|field| field.key), Some(key::END));
    }

    #[test]
    fn a_nut_variable_is_words_with_dots_between() {
        for name in FIELDS.iter().filter_map(|field| field.nut) {
            let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
            assert!(name.contains('.') && name.split('.').all(is_word), "{name}");
        }
    }

    #[test]
    fn a_metric_ends_in_its_base_unit_and_no_text_has_one() {
        for Field { key, metric, form, .. } in &FIELDS {
            let base = match form.unit() {
                Some(Unit::None) if *key == "NUMXFERS" => "total",
                Some(Unit::None) => "packs",
                Some(Unit::Volts) => "volts",
                Some(Unit::Percent) => "ratio",
                Some(Unit::Minutes | Unit::Seconds) if *key == "CUMONBATT" => "seconds_total",
                Some(Unit::Minutes | Unit::Seconds) => "seconds",
                Some(Unit::Celsius) => "celsius",
                Some(Unit::Hertz) => "hertz",
                Some(Unit::Amps) => "amperes",
                Some(Unit::Watts) => "watts",
                Some(Unit::VoltAmps) => "volt_amperes",
                None => match form {
                    Form::Words => "status",
                    Form::Date(_) | Form::DateOrNone(_) if *key != key::END => "timestamp_seconds",
                    _ => {
                        assert_eq!(*metric, None, "{key}");
                        continue;
                    }
                },
            };
            let name = metric.unwrap_or_default();
            let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(
                plain && name.starts_with("mainsd_") && name.ends_with(&format!("_{base}")),
                "{key}: {name}"
            );
        }
    }

    /// Sets each value that can be set, and looks that it alone is there then.
    #[test]
    fn what_is_set_is_what_is_got_and_nothing_else_is() {
        let mut count = 0;
        for field in &FIELDS {
            let (mut identity, mut values) = (Identity::default(), Values::default());
            let said = SaidMut { identity: &mut identity, values: &mut values };
            match field.form {
                Form::Text(Text { set: Some(set), .. }) => set(said, "High line voltage"),
                Form::Tenths(Access { set: Some(set), .. })
                | Form::Truncated(Access { set: Some(set), .. }) => {
                    set(said, Some(7.0));
                }
                Form::Whole(Access { set: Some(set), .. })
                | Form::WholePoint0(Access { set: Some(set), .. }) => set(said, Some(7)),
                _ => continue,
            }
            count += 1;
            let said = Said { identity: &identity, values: &values };
            let shown = |form: &Form| match form {
                Form::Text(Text { get, .. }) => get(said).map(str::to_owned),
                Form::Tenths(Access { get, .. })
                | Form::Hundredths(Access { get, .. })
                | Form::Truncated(Access { get, .. }) => get(said).map(|number| number.to_string()),
                Form::Whole(Access { get, .. }) | Form::WholePoint0(Access { get, .. }) => {
                    get(said).map(|number| number.to_string())
                }
                Form::Hex2(get) => get(said).map(|number| number.to_string()),
                _ => None,
            };
            for other in &FIELDS {
                let expected = (other.key == field.key).then_some(match field.form {
                    Form::Text(_) if field.key == "SENSE" => "High",
                    Form::Text(_) if field.key == "SELFTEST" => "??",
                    Form::Text(_) => "High line voltage",
                    _ => "7",
                });
                assert_eq!(shown(&other.form).as_deref(), expected, "{} set, {} got", field.key, other.key);
            }
        }
        assert_eq!(count, 25, "the keys that a slave relays, UPSNAME and UPSMODE left out");
    }
}
