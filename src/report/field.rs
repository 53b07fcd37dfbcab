//! The status keys: one table of key, form and source (status-fields §1). Nothing outside it is ever reported:
//! clients log or fail on keys they do not know (status-fields §8).

use std::fmt::Write as _;
use std::time::Duration;

use super::{Snapshot, Stamp};
use crate::ups::StatusFlags;

/// How a key's value is written, and where it is taken from. `None` from the source: the key is left out.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// Text of at most so many bytes.
    Text(usize, fn(&Snapshot) -> Option<&str>),
    /// A date, and the two spaces that follow it.
    Date(fn(&Snapshot) -> Option<Stamp>),
    /// A date, or `N/A` without spaces.
    DateOrNone(fn(&Snapshot) -> Option<Stamp>),
    /// The words of the status flags.
    Words(fn(&Snapshot) -> StatusFlags),
    /// One decimal and a unit.
    Tenths(&'static str, fn(&Snapshot) -> Option<f64>),
    /// Two decimals and a unit.
    Hundredths(&'static str, fn(&Snapshot) -> Option<f64>),
    /// An integer and a unit; no unit if it is empty.
    Whole(&'static str, fn(&Snapshot) -> Option<i64>),
    /// An integer written with a decimal that is always 0, and a unit.
    WholePoint0(&'static str, fn(&Snapshot) -> Option<i32>),
    /// A byte in hexadecimal.
    Hex2(fn(&Snapshot) -> Option<u8>),
    /// The status flags in hexadecimal.
    Hex8(fn(&Snapshot) -> StatusFlags),
}

/// One status key.
#[derive(Clone, Copy)]
pub(super) struct Field {
    /// The key.
    pub key: &'static str,
    /// Form and source of its value.
    pub form: Form,
}

const fn field(key: &'static str, form: Form) -> Field {
    Field { key, form }
}

/// Longest text that leaves a record within its limit: without key, colon, space and newline.
const MAX_TEXT: usize = super::MAX_RECORD - 12;

/// A measured value this large is no measurement, and its digits would break the record.
const ABSURD: f64 = 1e9;

use Form::{Date, DateOrNone, Hex2, Hex8, Hundredths, Tenths, Text, Whole, WholePoint0, Words};

/// Every key in the order of a response; the header `APC` is made from the rest. Source: status-fields §1.
#[rustfmt::skip]
pub(super) const FIELDS: [Field; 64] = [
    field("DATE",      Date(|s| Some(s.polled_at.unwrap_or(s.now)))),
    field("HOSTNAME",  Text(MAX_TEXT, |s| Some(&s.facts.hostname))),
    field("VERSION",   Text(MAX_TEXT, |s| Some(&s.facts.version))),
    field("UPSNAME",   Text(MAX_TEXT, |s| s.ups_name.as_deref())),
    field("CABLE",     Text(MAX_TEXT, |s| Some(&s.facts.cable))),
    field("DRIVER",    Text(MAX_TEXT, |s| Some(&s.facts.driver))),
    field("UPSMODE",   Text(MAX_TEXT, |s| Some(&s.facts.class))),
    field("STARTTIME", Date(|s| Some(s.facts.start_time))),
    field("SHARE",     Text(MAX_TEXT, |s| s.facts.share.as_deref())),
    field("MASTERUPD", Date(|s| s.master.as_ref().map(|(at, _)| *at))),
    field("MASTER",    Text(MAX_TEXT, |s| s.master.as_ref().map(|(_, name)| name.as_str()))),
    field("MODEL",     Text(MAX_TEXT, |s| s.identity.model.as_deref())),
    field("STATUS",    Words(|s| s.flags)),
    field("LINEV",     Tenths("Volts", |s| s.values.line_voltage.map(|v| v.0))),
    field("LOADPCT",   Tenths("Percent", |s| s.values.load.map(|v| v.0))),
    field("LOADAPNT",  Tenths("Percent", |s| s.values.load_apparent.map(|v| v.0))),
    field("BCHARGE",   Tenths("Percent", |s| s.values.battery_charge.map(|v| v.0))),
    field("TIMELEFT",  Tenths("Minutes", |s| s.values.runtime_left.map(|v| v.0))),
    field("MBATTCHG",  Whole("Percent", |s| Some(s.facts.battery_level.into()))),
    field("MINTIMEL",  Whole("Minutes", |s| Some(s.facts.minutes.into()))),
    field("MAXTIME",   Whole("Seconds", |s| Some(s.facts.timeout.into()))),
    field("MAXLINEV",  Tenths("Volts", |s| s.values.line_voltage_max.map(|v| v.0))),
    field("MINLINEV",  Tenths("Volts", |s| s.values.line_voltage_min.map(|v| v.0))),
    field("OUTPUTV",   Tenths("Volts", |s| s.values.output_voltage.map(|v| v.0))),
    field("SENSE",     Text(MAX_TEXT, |s| s.identity.sensitivity.map(|v| v.text()))),
    field("DWAKE",     Whole("Seconds", |s| s.identity.wake_delay.map(i64::from))),
    field("DSHUTD",    Whole("Seconds", |s| s.identity.shutdown_delay.map(i64::from))),
    field("DLOWBATT",  Whole("Minutes", |s| s.identity.low_battery_minutes.map(i64::from))),
    field("LOTRANS",   WholePoint0("Volts", |s| s.identity.low_transfer)),
    field("HITRANS",   WholePoint0("Volts", |s| s.identity.high_transfer)),
    field("RETPCT",    WholePoint0("Percent", |s| s.identity.return_charge)),
    field("ITEMP",     Tenths("C", |s| s.values.temperature.map(|v| v.0))),
    field("ALARMDEL",  Text(MAX_TEXT, |s| s.values.alarm_delay.map(|v| v.text()))),
    field("BATTV",     Tenths("Volts", |s| s.values.battery_voltage.map(|v| v.0))),
    field("LINEFREQ",  Tenths("Hz", |s| s.values.frequency.map(|v| v.0))),
    field("OUTCURNT",  Hundredths("Amps", |s| s.values.output_current.map(|v| v.0))),
    field("LASTXFER",  Text(MAX_TEXT, |s| s.values.transfer_cause.map(|v| v.text()))),
    field("NUMXFERS",  Whole("", |s| Some(s.transfers.into()))),
    field("XONBATT",   Date(|s| s.on_battery_at.filter(|_| s.transfers > 0))),
    field("TONBATT",   Whole("Seconds", |s| Some(seconds(s.time_on_battery)))),
    field("CUMONBATT", Whole("Seconds", |s| Some(seconds(s.total_on_battery)))),
    field("XOFFBATT",  DateOrNone(|s| s.off_battery_at)),
    field("LASTSTEST", Date(|s| s.last_self_test_at)),
    field("SELFTEST",  Text(MAX_TEXT, |s| s.values.self_test.map(|v| v.code()))),
    field("STESTI",    Text(8, |s| s.identity.self_test_interval.as_ref().map(|v| v.text()))),
    field("STATFLAG",  Hex8(|s| s.flags)),
    field("DIPSW",     Hex2(|s| s.values.dip_switches)),
    field("REG1",      Hex2(|s| s.values.register_1)),
    field("REG2",      Hex2(|s| s.values.register_2)),
    field("REG3",      Hex2(|s| s.values.register_3)),
    field("MANDATE",   Text(19, |s| s.identity.manufacture_date.as_deref())),
    field("SERIALNO",  Text(31, |s| s.identity.serial.as_deref())),
    field("BATTDATE",  Text(19, |s| s.identity.battery_date.as_deref())),
    field("NOMOUTV",   Whole("Volts", |s| s.identity.nominal_output_voltage.map(i64::from))),
    field("NOMINV",    Whole("Volts", |s| s.identity.nominal_line_voltage.map(i64::from))),
    field("NOMBATTV",  Tenths("Volts", |s| s.identity.nominal_battery_voltage.map(|v| v.0))),
    field("NOMPOWER",  Whole("Watts", |s| s.identity.nominal_power.and_then(|v| truncated(v.0)))),
    field("NOMAPNT",   Whole("VA", |s| s.identity.nominal_apparent_power.and_then(|v| truncated(v.0)))),
    field("HUMIDITY",  Tenths("Percent", |s| s.values.humidity.map(|v| v.0))),
    field("AMBTEMP",   Tenths("C", |s| s.values.ambient_temperature.map(|v| v.0))),
    field("EXTBATTS",  Whole("", |s| s.values.external_batteries.map(i64::from))),
    field("BADBATTS",  Whole("", |s| s.values.bad_batteries.map(i64::from))),
    field("FIRMWARE",  Text(19, |s| s.identity.firmware.as_deref())),
    field("END APC",   Date(|s| Some(s.now))),
];

/// The words of `STATUS`, in their order. Source: status-fields §2, rows 1 to 8 and 10.
const WORDS: [(StatusFlags, &str); 8] = [
    (StatusFlags::CALIBRATION, "CAL "),
    (StatusFlags::TRIM, "TRIM "),
    (StatusFlags::BOOST, "BOOST "),
    (StatusFlags::ONLINE, "ONLINE "),
    (StatusFlags::ONBATT, "ONBATT "),
    (StatusFlags::OVERLOAD, "OVERLOAD "),
    (StatusFlags::BATTLOW, "LOWBATT "),
    (StatusFlags::REPLACEBATT, "REPLACEBATT "),
];

/// Appends the words of `STATUS`, each with the space that follows it (status-fields §2).
fn push_words(out: &mut String, flags: StatusFlags) {
    if flags.contains(StatusFlags::SHUTDOWN) {
        out.push_str("SHUTTING DOWN");
    } else if flags.contains(StatusFlags::COMMLOST) {
        out.push_str("COMMLOST ");
    } else {
        for (flag, word) in WORDS {
            if flags.contains(flag) {
                out.push_str(word);
            }
        }
        if !flags.contains(StatusFlags::BATTPRESENT) {
            out.push_str("NOBATT ");
        }
        if flags.contains(StatusFlags::SLAVE) {
            out.push_str("SLAVE ");
        }
    }
}

/// Appends the field's value; `false` if there is none and the key is left out.
pub(super) fn push_value(out: &mut String, form: Form, snapshot: &Snapshot) -> bool {
    // Writing to a String cannot fail.
    let written = match form {
        Text(limit, source) => source(snapshot).map(|text| {
            push_ascii(out, text, limit);
            Ok(())
        }),
        Date(source) => source(snapshot).map(|at| write!(out, "{at}  ")),
        DateOrNone(source) => Some(match source(snapshot) {
            Some(at) => write!(out, "{at}  "),
            None => out.write_str("N/A"),
        }),
        Words(source) => {
            push_words(out, source(snapshot));
            Some(Ok(()))
        }
        Tenths(unit, source) => {
            source(snapshot).filter(is_number).map(|value| write!(out, "{value:.1} {unit}"))
        }
        Hundredths(unit, source) => {
            source(snapshot).filter(is_number).map(|value| write!(out, "{value:.2} {unit}"))
        }
        Whole("", source) => source(snapshot).map(|value| write!(out, "{value}")),
        Whole(unit, source) => source(snapshot).map(|value| write!(out, "{value} {unit}")),
        WholePoint0(unit, source) => source(snapshot).map(|value| write!(out, "{value}.0 {unit}")),
        Hex2(source) => source(snapshot).map(|value| write!(out, "0x{value:02X}")),
        Hex8(source) => Some(write!(out, "0x{:08X}", source(snapshot).bits())),
    };
    written.is_some_and(|result| result.is_ok())
}

/// Appends text as clients can bear it: at most `limit` bytes of printable ASCII. A control character becomes a space
/// as in 3.14.14, any other character a question mark: one client reads the stream as UTF-8 cut at NUL, others count
/// bytes (nis §8).
fn push_ascii(out: &mut String, text: &str, limit: usize) {
    out.extend(text.chars().take(limit).map(|c| match c {
        ' '..='~' => c,
        c if c.is_control() => ' ',
        _ => '?',
    }));
}

fn is_number(value: &f64) -> bool {
    value.abs() < ABSURD
}

fn truncated(value: f64) -> Option<i64> {
    // The bound makes the conversion exact.
    #[allow(clippy::cast_possible_truncation)]
    is_number(&value).then_some(value as i64)
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ups::{Names, Volts};

    #[test]
    fn status_words_follow_the_table() {
        let table = [
            (0x0500_0008, "ONLINE "),
            (0x0504_0010, "ONBATT "),
            (0x0506_0410, "ONBATT SLAVE "),
            (0x0500_0108, "COMMLOST "),
            (0x0506_0350, "SHUTTING DOWN"),
            (0x0100_007f, "CAL TRIM BOOST ONLINE ONBATT OVERLOAD LOWBATT NOBATT "),
            (0x0400_00ff, "CAL TRIM BOOST ONLINE ONBATT OVERLOAD LOWBATT REPLACEBATT "),
            (0x0500_0000, ""),
        ];
        for (flags, expected) in table {
            let mut words = String::new();
            push_words(&mut words, StatusFlags::from_bits_retain(flags));
            assert_eq!(words, expected, "0x{flags:08X}");
        }
    }

    fn shown(volts: f64) -> String {
        let mut snapshot = Snapshot::default();
        snapshot.values.battery_voltage = Some(Volts(volts));
        let mut out = String::new();
        if !push_value(&mut out, Tenths("Volts", |s| s.values.battery_voltage.map(|v| v.0)), &snapshot) {
            out.push_str("absent");
        }
        out
    }

    #[test]
    fn decimals_round_the_exact_binary_value_as_printf_does() {
        let table =
            [(27.66, "27.7"), (0.25, "0.2"), (0.35, "0.3"), (0.05, "0.1"), (100.0, "100.0"), (-3.04, "-3.0")];
        for (value, text) in table {
            assert_eq!(shown(value), format!("{text} Volts"));
        }
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e9] {
            assert_eq!(shown(value), "absent");
        }
    }

    #[test]
    fn keys_are_unique_and_fit_their_nine_columns() {
        for (i, field) in FIELDS.iter().enumerate() {
            assert!((1..=9).contains(&field.key.len()), "{}", field.key);
            assert!(FIELDS[..i].iter().all(|other| other.key != field.key), "{} twice", field.key);
        }
    }

    #[test]
    fn the_manual_lists_every_key_with_its_form_and_its_other_names() {
        let manual = include_str!("../../man/mainsd-nis.7");
        let table = manual.split(".It Sy Key Ta Sy Value Ta Sy NUT Ta Sy HID\n").nth(1).unwrap();
        let printed: Vec<&str> = table.lines().take_while(|line| line.starts_with(".It ")).collect();
        let expected: Vec<String> = FIELDS
            .iter()
            .map(|field| {
                let value = match field.form {
                    Text(..) => "text".into(),
                    Date(_) => "date".into(),
                    DateOrNone(_) => "date or N/A".into(),
                    Words(_) => "words".into(),
                    Tenths(unit, _) => format!("{unit}, 1 decimal"),
                    Hundredths(unit, _) => format!("{unit}, 2 decimals"),
                    Whole("", _) => "number".into(),
                    Whole(unit, _) => unit.into(),
                    WholePoint0(unit, _) => format!("{unit}, decimal 0"),
                    Hex2(_) => "0x, 2 digits".into(),
                    Hex8(_) => "0x, 8 digits".into(),
                };
                let names = Names::of_key(field.key);
                let nut = names.and_then(|names| names.nut).unwrap_or("\\-");
                let hid = names.and_then(|names| names.hid);
                let hid = hid.map_or("\\-".into(), |u| format!("{:04x}:{:04x}", u >> 16, u & 0xffff));
                format!(".It {} Ta {value} Ta {nut} Ta {hid}", field.key)
            })
            .collect();
        assert_eq!(printed, expected);
        for names in Names::ALL {
            assert!(FIELDS.iter().any(|field| field.key == names.key), "{} is no key", names.key);
        }
    }
}
