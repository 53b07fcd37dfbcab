//! The values of a status as text: each in the form that the table of fields gives it (status-fields §1). Nothing outside
//! the table is ever reported: clients log or fail on keys they do not know (status-fields §8).

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::{Snapshot, Stamp};
use crate::ups::{Access, DaemonDate, DaemonNumber, DaemonText, Fixed, Form, Said, StatusFlags, Text, Unit};

/// Longest text that leaves a record within its limit: without key, colon, space and newline.
const MAX_TEXT: usize = super::MAX_RECORD - 12;

/// A measured value this large is no measurement, and its digits would break the record.
const SHOWN_VALUE_MAX: f64 = 1e9;

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
pub(super) fn push_value(out: &mut String, form: &Form, snapshot: &Snapshot) -> bool {
    let said = Said { identity: &snapshot.identity, values: &snapshot.values };
    // Writing to a String cannot fail.
    let written = match *form {
        Form::Text(_) | Form::DaemonText(_) => text_of(form, said, snapshot).map(|(text, longest)| {
            push_ascii(out, text, longest);
            Ok(())
        }),
        Form::Date(date) => date_of(snapshot, date).map(|at| write!(out, "{at}  ")),
        Form::DateOrNone(date) => Some(match date_of(snapshot, date) {
            Some(at) => write!(out, "{at}  "),
            None => out.write_str("N/A"),
        }),
        Form::Words => {
            push_words(out, snapshot.flags);
            Some(Ok(()))
        }
        Form::Tenths(Access { unit, get, .. }) => {
            get(said).filter(is_number).map(|value| write!(out, "{:.1} {}", Fixed(value), unit.text()))
        }
        Form::Hundredths(Access { unit, get, .. }) => {
            get(said).filter(is_number).map(|value| write!(out, "{:.2} {}", Fixed(value), unit.text()))
        }
        Form::Truncated(Access { unit, get, .. }) => {
            get(said).and_then(truncated).map(|value| push_whole(out, value, unit))
        }
        Form::Whole(Access { unit, get, .. }) => get(said).map(|value| push_whole(out, value.into(), unit)),
        Form::WholePoint0(Access { unit, get, .. }) => {
            get(said).map(|value| write!(out, "{value}.0 {}", unit.text()))
        }
        Form::DaemonNumber(number, unit) => Some(push_whole(out, number_of(snapshot, number), unit)),
        Form::Hex2(get) => get(said).map(|value| write!(out, "0x{value:02X}")),
        Form::Hex8 => Some(write!(out, "0x{:08X}", snapshot.flags.bits())),
    };
    written.is_some_and(|result| result.is_ok())
}

fn push_whole(out: &mut String, value: i64, unit: Unit) -> fmt::Result {
    match unit {
        Unit::None => write!(out, "{value}"),
        unit => write!(out, "{value} {}", unit.text()),
    }
}

/// The text, and the most bytes of it that may be shown.
fn text_of<'a>(form: &Form, said: Said<'a>, snapshot: &'a Snapshot) -> Option<(&'a str, usize)> {
    let facts = &snapshot.facts;
    let daemon_text = match *form {
        Form::Text(Text { longest, get, .. }) => return Some((get(said)?, longest.min(MAX_TEXT))),
        Form::DaemonText(text) => text,
        _ => return None,
    };
    let text = match daemon_text {
        DaemonText::Hostname => &facts.hostname,
        DaemonText::Version => &facts.version,
        DaemonText::UpsName => snapshot.ups_name.as_deref()?,
        DaemonText::Cable => &facts.cable,
        DaemonText::Driver => &facts.driver,
        DaemonText::Class => &facts.class,
        DaemonText::Share => facts.share.as_deref()?,
        DaemonText::Master => &snapshot.master.as_ref()?.1,
    };
    Some((text, MAX_TEXT))
}

fn number_of(snapshot: &Snapshot, number: DaemonNumber) -> i64 {
    match number {
        DaemonNumber::BatteryLevel => snapshot.facts.battery_level.into(),
        DaemonNumber::Minutes => snapshot.facts.minutes.into(),
        DaemonNumber::Timeout => snapshot.facts.timeout.into(),
        DaemonNumber::Transfers => snapshot.transfers.into(),
        DaemonNumber::TimeOnBattery => seconds(snapshot.time_on_battery),
        DaemonNumber::TotalOnBattery => seconds(snapshot.total_on_battery),
    }
}

fn date_of(snapshot: &Snapshot, date: DaemonDate) -> Option<Stamp> {
    match date {
        DaemonDate::Polled => Some(snapshot.polled_at.unwrap_or(snapshot.now)),
        DaemonDate::Started => Some(snapshot.facts.start_time),
        DaemonDate::MasterPolled => snapshot.master.as_ref().map(|(at, _)| *at),
        DaemonDate::OnBattery => snapshot.on_battery_at.filter(|_| snapshot.transfers > 0),
        DaemonDate::OffBattery => snapshot.off_battery_at,
        DaemonDate::SelfTest => snapshot.last_self_test_at,
        DaemonDate::Now => Some(snapshot.now),
    }
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
    value.abs() < SHOWN_VALUE_MAX
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
    use crate::ups::{FIELDS, Field, Volts, key};

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
        let field = Field::of_key(key::BATTERY_VOLTAGE.as_bytes()).unwrap();
        if !push_value(&mut out, &field.form, &snapshot) {
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
    fn the_manual_lists_every_key_with_its_form_and_its_other_names() {
        let manual = include_str!("../../man/mainsd-nis.7");
        let table = manual.split(".It Sy Key Ta Sy Value Ta Sy NUT Ta Sy HID\n").nth(1).unwrap();
        let printed: Vec<&str> = table.lines().take_while(|line| line.starts_with(".It ")).collect();
        let expected: Vec<String> = FIELDS
            .iter()
            .map(|field| {
                let unit = field.form.unit().map_or("", Unit::text);
                let value = match field.form {
                    Form::Text(_) | Form::DaemonText(_) => "text".into(),
                    Form::Date(_) => "date".into(),
                    Form::DateOrNone(_) => "date or N/A".into(),
                    Form::Words => "words".into(),
                    Form::Tenths(_) => format!("{unit}, 1 decimal"),
                    Form::Hundredths(_) => format!("{unit}, 2 decimals"),
                    Form::Whole(_) | Form::Truncated(_) | Form::DaemonNumber(..) if unit.is_empty() => {
                        "number".into()
                    }
                    Form::Whole(_) | Form::Truncated(_) | Form::DaemonNumber(..) => unit.into(),
                    Form::WholePoint0(_) => format!("{unit}, decimal 0"),
                    Form::Hex2(_) => "0x, 2 digits".into(),
                    Form::Hex8 => "0x, 8 digits".into(),
                };
                let nut = field.nut.unwrap_or("\\-");
                let hid = field.hid.map_or("\\-".into(), |u| format!("{:04x}:{:04x}", u >> 16, u & 0xffff));
                format!(".It {} Ta {value} Ta {nut} Ta {hid}", field.key)
            })
            .collect();
        assert_eq!(printed, expected);
    }
}
