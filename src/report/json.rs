//! A status text as JSON, for `apcaccess --json`. Made from the text, so that it works with every server of the
//! protocol.

use crate::ups::Field;

/// The status as a JSON object: one member a record, in its order, the key as it is.
///
/// A value that is a number with a unit becomes the number; the unit belongs to the key and never changes
/// (status-fields §1). `N/A` becomes `null`. All else, and each key we do not know, is a string without the blanks at
/// its end. Of a repeated key the first counts.
#[must_use]
pub fn json(text: &str) -> String {
    let mut out = String::from("{");
    let mut seen: Vec<&str> = Vec::new();
    for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
        let key = key.trim();
        if seen.contains(&key) {
            continue;
        }
        out.push_str(if seen.is_empty() { "\n  " } else { ",\n  " });
        seen.push(key);
        out.push_str(&quoted(key));
        out.push_str(": ");
        out.push_str(&json_value(key, value));
    }
    out.push_str(if seen.is_empty() { "}" } else { "\n}" });
    out
}

/// One value as JSON, by the rules of [`json`].
#[must_use]
pub fn json_value(key: &str, value: &str) -> String {
    let value = value.trim();
    if value == "N/A" {
        return "null".into();
    }
    if is_number(key) {
        let number = value.split(' ').next().unwrap_or_default();
        if is_decimal(number) {
            return number.into();
        }
    }
    quoted(value)
}

/// The lines of an answer to `events` as a JSON array of objects with `time` and `message`.
#[must_use]
pub fn json_events(text: &str) -> String {
    // The two spaces behind the date separate it from the message (nis §6).
    array(text, |line| {
        let (time, message) = line.split_once("  ").unwrap_or(("", line));
        vec![("time", time), ("message", message)]
    })
}

/// The lines of an answer to `clients` as a JSON array of objects with `how`, `since` and `address`.
#[must_use]
pub fn json_clients(text: &str) -> String {
    array(text, |line| {
        let (how, rest) = line.split_once(' ').unwrap_or(("", line));
        let (since, address) = rest.trim_start().split_once("  ").unwrap_or(("", rest));
        vec![("how", how), ("since", since), ("address", address)]
    })
}

/// An answer of the control socket as a JSON object: the members, then objects of names and texts.
#[must_use]
pub fn json_answer(members: &[(&str, &str)], objects: &[(&str, &[(String, String)])]) -> String {
    let pair = |(name, text): (&str, &str)| format!("{}: {}", quoted(name), quoted(text));
    let mut all: Vec<String> = members.iter().copied().map(pair).collect();
    for (name, pairs) in objects {
        let inner: Vec<String> = pairs.iter().map(|(name, text)| pair((name, text))).collect();
        all.push(format!("{}: {{{}}}", quoted(name), inner.join(", ")));
    }
    format!("{{{}}}", all.join(", "))
}

/// One object a line.
fn array(text: &str, members: fn(&str) -> Vec<(&'static str, &str)>) -> String {
    let mut out = String::from("[");
    for (i, line) in text.lines().enumerate() {
        out.push_str(if i == 0 { "\n  {" } else { ",\n  {" });
        for (j, (name, value)) in members(line).into_iter().enumerate() {
            out.push_str(if j == 0 { "\"" } else { ", \"" });
            out.push_str(name);
            out.push_str("\": ");
            out.push_str(&quoted(value.trim_end()));
        }
        out.push('}');
    }
    out.push_str(if text.is_empty() { "]" } else { "\n]" });
    out
}

/// Whether the key's values are numbers, by the table of fields.
fn is_number(key: &str) -> bool {
    Field::of_key(key.as_bytes()).is_some_and(|field| field.form.unit().is_some())
}

/// Whether a text is a number as JSON writes it, and as servers of the protocol do: without an exponent.
fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    is_digits(whole) && is_digits(fraction) && (whole == "0" || !whole.starts_with('0'))
}

/// A text as a JSON string.
#[must_use]
pub fn quoted(text: &str) -> String {
    // A text cannot fail. As a `Value` it would bring the numbers of the crate along, 2 KB.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_type_of_their_key() {
        let table = [
            ("LINEV", " 229.7 Volts", "229.7"),
            ("BCHARGE", " 100.0 Percent", "100.0"),
            ("NUMXFERS", " 0", "0"),
            ("MBATTCHG", " -1 Percent", "-1"),
            ("LOTRANS", " 208.0 Volts", "208.0"),
            ("ITEMP", " N/A", "null"),
            ("XOFFBATT", " N/A", "null"),
            ("XOFFBATT", " 2026-11-21 04:10:42 +0100  ", "\"2026-11-21 04:10:42 +0100\""),
            ("STATUS", " ONLINE ", "\"ONLINE\""),
            ("STATFLAG", " 0x05000008", "\"0x05000008\""),
            ("ALARMDEL", " 5 Seconds", "\"5 Seconds\""),
            ("SERIALNO", " 123456", "\"123456\""),
            ("STESTI", " 336", "\"336\""),
            ("FUTURE", " 12 Volts", "\"12 Volts\""),
            ("LINEV", " off", "\"off\""),
            ("LINEV", "", "\"\""),
            ("UPSNAME", " a\"b\\c", "\"a\\\"b\\\\c\""),
        ];
        for (key, value, expected) in table {
            assert_eq!(json_value(key, value), expected, "{key}:{value}");
        }
    }

    #[test]
    fn a_status_is_one_object_in_the_order_of_its_records() {
        let text = "APC      : 001,002,0000\nLINEV    : 230.0 Volts\nEND APC  : 2026  \nLINEV    : 1.0 Volts\nnoise\n";
        let expected = "{\n  \"APC\": \"001,002,0000\",\n  \"LINEV\": 230.0,\n  \"END APC\": \"2026\"\n}";
        assert_eq!(json(text), expected);
        assert_eq!(json(""), "{}");
    }

    #[test]
    fn a_client_is_an_object_with_its_three_columns() {
        let text = "watch    2026-11-21 04:09:56 +0100  ::1\npolling  2026-11-21 04:09:57 +0100  10.0.0.7\n";
        let expected = "[\n  {\"how\": \"watch\", \"since\": \"2026-11-21 04:09:56 +0100\", \"address\": \"::1\"},\n  \
                        {\"how\": \"polling\", \"since\": \"2026-11-21 04:09:57 +0100\", \"address\": \"10.0.0.7\"}\n]";
        assert_eq!((json_clients(text), json_clients("")), (expected.to_owned(), "[]".to_owned()));
    }

    fn cases(number: u32) -> proptest::test_runner::Config {
        let mut config = proptest::test_runner::Config::with_cases(number);
        config.failure_persistence = None;
        config
    }

    #[test]
    fn a_decimal_is_what_json_calls_a_number() {
        let texts =
            ["0", "-0", "00", "01", "-01", "1.", ".5", "-.5", "-", "", "1.0.0", "+1", "0.0", "-10.25", "1e3"];
        for text in texts {
            let is_number = serde_json::from_str::<serde_json::Number>(text).is_ok() && !text.contains('e');
            assert_eq!(is_decimal(text), is_number, "{text}");
        }
        proptest::proptest!(cases(2000), |(text in "-?[01][09.]{0,4}|[ 0-9.+-]{0,4}")| {
            let is_number = serde_json::from_str::<serde_json::Number>(text.trim()).is_ok();
            proptest::prop_assert_eq!(is_decimal(text.trim()), is_number, "{}", text);
        });
    }

    #[test]
    fn any_text_becomes_json_that_parses() {
        proptest::proptest!(cases(300), |(text in "(([A-Z ]{1,9}|LINEV    |NUMXFERS ): ?.{0,20}\n?){0,6}")| {
            let value: serde_json::Value = serde_json::from_str(&json(&text)).unwrap();
            proptest::prop_assert!(value.is_object());
            for array in [json_events(&text), json_clients(&text)] {
                let value: serde_json::Value = serde_json::from_str(&array).unwrap();
                proptest::prop_assert!(value.is_array());
            }
        });
    }
}
