//! The language of the control socket (mainsd-control(7)): one request a line, one answer of lines.
//!
//! ```text
//! request:  the words of an order, what follows them          "transfer low 196"
//! answer:   value NAME: TEXT                                  any number
//!           permitted NAME: VALUES                            any number
//!           done TEXT | refused TEXT | usage TEXT | lost TEXT the last line
//! ```

mod answer;
mod table;

pub use answer::{Answer, AnswerReader, Foreign, Outcome};
pub use table::{Action, Argument, ORDERS, Right, Row, When};

use std::fmt;

use crate::ups::{Setting, SettingValue};

/// Longest request in bytes, without its newline.
pub const MAX_REQUEST: usize = 120;

/// An order with what follows its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The order.
    pub row: &'static Row,
    /// `--wait`: the answer comes when it is over.
    pub waits: bool,
    /// The new value of a setting, or the number of an outlet group.
    pub value: Option<SettingValue>,
}

impl Request {
    /// The request in a line without its newline.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        if line.len() > MAX_REQUEST {
            return Err(TooLong.to_string());
        }
        let plain = line.strip_suffix(b"\r").unwrap_or(line);
        let text = match std::str::from_utf8(plain) {
            Ok(text) if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) => text,
            _ => return Err("an order has plain characters only".to_owned()),
        };
        let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let Some(first) = words.first() else { return Err("no order".to_owned()) };
        let begins = |row: &&Row| {
            let mut given = words.iter();
            row.words.split(' ').all(|word| given.next() == Some(&word))
        };
        let Some(row) = ORDERS.iter().filter(begins).max_by_key(|row| row.words.len()) else {
            return Err(unknown(first));
        };
        let rest = words.get(row.words.split(' ').count()..).unwrap_or_default();
        let request = Self { row, waits: false, value: None };
        match (row.argument, rest) {
            (Argument::Group, [number, "--yes"]) => match number.parse() {
                Ok(number @ 1..=9) => Ok(Self { value: Some(SettingValue::Number(number)), ..request }),
                _ => Err(format!("'{number}' is no outlet group")),
            },
            (Argument::Group, _) => {
                Err(format!("'{}' needs the number of an outlet group, and --yes", row.words))
            }
            (Argument::Yes, []) => Err(format!("'{}' needs --yes", row.words)),
            (Argument::None | Argument::Wait | Argument::Value, []) | (Argument::Yes, ["--yes"]) => {
                Ok(request)
            }
            (Argument::Wait, ["--wait"]) => Ok(Self { waits: true, ..request }),
            (Argument::Value, _) => request.with_value(&rest.join(" ")),
            (Argument::None | Argument::Wait | Argument::Yes, [more, ..]) => {
                Err(format!("'{}' does not take '{more}'", row.words))
            }
        }
    }

    fn with_value(self, text: &str) -> Result<Self, String> {
        let Action::Setting(setting) = self.row.action else { return Ok(self) };
        let value = SettingValue::parse(setting, text)
            // Some UPSes know a date by its place among eight characters (apcsmart §10.3).
            .filter(|_| setting != Setting::BatteryDate || text.len() == 8);
        match value {
            Some(value) => Ok(Self { value: Some(value), ..self }),
            None => Err(format!("'{}' cannot be '{text}': {}", self.row.words, self.row.help)),
        }
    }

    /// Who may give it.
    #[must_use]
    pub const fn right(&self) -> Right {
        match (self.row.action, self.value) {
            (Action::Setting(_), None) => Right::Read,
            _ => self.row.right,
        }
    }

    /// When it is taken.
    #[must_use]
    pub const fn when(&self) -> When {
        match (self.row.action, self.value) {
            (Action::Setting(_), None) => When::Always,
            _ => self.row.when,
        }
    }
}

/// What could have been meant.
fn unknown(first: &str) -> String {
    let known: Vec<&str> =
        ORDERS.iter().map(|row| row.words).filter(|words| words.split(' ').next() == Some(first)).collect();
    if known.is_empty() {
        return "no such order ('mainsd ctl help' lists them)".to_owned();
    }
    format!("no such order; there is: {}", known.join(", "))
}

/// Takes lines out of bytes that come in any pieces. Keeps no more than one line.
#[derive(Clone, Debug, Default)]
pub struct LineReader(Vec<u8>);

/// A line is longer than [`MAX_REQUEST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "longer than {MAX_REQUEST} characters")
    }
}

impl LineReader {
    /// Takes bytes up to the end of the next line. Gives how many were taken, and the line if it is complete, without its newline.
    ///
    /// # Errors
    /// [`TooLong`]: the reader is of no further use.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(usize, Option<Vec<u8>>), TooLong> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        if self.0.len() + part.len() > MAX_REQUEST {
            return Err(TooLong);
        }
        self.0.extend_from_slice(part);
        Ok(match end {
            Some(end) => (end + 1, Some(std::mem::take(&mut self.0))),
            None => (part.len(), None),
        })
    }

    /// Whether a line has begun.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        !self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ups::{Beeper, Switch};

    fn parse(line: &str) -> Result<Request, String> {
        Request::parse(line.as_bytes())
    }

    #[test]
    fn each_order_is_known_by_its_words_and_nothing_is_there_twice() {
        for row in ORDERS {
            let line = match row.argument {
                Argument::Yes => format!("{} --yes", row.words),
                Argument::Group => format!("{} 1 --yes", row.words),
                _ => row.words.to_owned(),
            };
            assert_eq!(parse(&line).unwrap().row, row, "{line}");
            assert_eq!(ORDERS.iter().filter(|other| other.words == row.words).count(), 1, "{}", row.words);
            if row.argument != Argument::Value {
                assert!(parse(&format!("{line} --no")).is_err(), "{line}");
            }
            assert!(!row.help.ends_with('.') && row.words.len() < MAX_REQUEST / 4);
        }
    }

    #[test]
    fn the_longer_order_is_meant_and_values_are_read() {
        assert_eq!(parse("self-test").unwrap().row.action, Action::SelfTest);
        assert!(parse("self-test --wait").unwrap().waits);
        assert_eq!(parse("self-test result").unwrap().row.action, Action::SelfTestResult);
        assert_eq!(parse(" beeper   mute\r").unwrap().row.action, Action::Beeper(Beeper::Mute));
        let low = parse("transfer low 196").unwrap();
        assert_eq!(
            (low.value, low.right(), low.when()),
            (Some(SettingValue::Number(196)), Right::Group, When::Calm)
        );
        let shown = parse("transfer low").unwrap();
        assert_eq!((shown.value, shown.right(), shown.when()), (None, Right::Read, When::Always));
        let off = parse("outlet off 2 --yes").unwrap();
        assert_eq!(
            (off.row.action, off.value, off.right(), off.when()),
            (Action::Outlet(Switch::Off), Some(SettingValue::Number(2)), Right::Root, When::Calm)
        );
        assert_eq!(parse("name MY UPS").unwrap().value.unwrap().to_string(), "MY UPS");
    }

    #[test]
    fn what_is_no_order_is_told_in_words() {
        for (line, words) in [
            ("", "no order"),
            ("dance", "no such order ('mainsd ctl help' lists them)"),
            ("beeper", "no such order; there is: beeper on, beeper off, beeper mute"),
            ("shutdown now", "'shutdown now' needs --yes"),
            ("outlet", "no such order; there is: outlet on, outlet off, outlet reboot"),
            ("outlet off", "'outlet off' needs the number of an outlet group, and --yes"),
            ("outlet off 1", "'outlet off' needs the number of an outlet group, and --yes"),
            ("outlet off --yes", "'outlet off' needs the number of an outlet group, and --yes"),
            ("outlet off 0 --yes", "'0' is no outlet group"),
            ("outlet off main --yes", "'main' is no outlet group"),
            ("poll now", "'poll' does not take 'now'"),
            ("poll\t", "an order has plain characters only"),
            (
                "transfer low high",
                "'transfer low' cannot be 'high': the line voltage below which it goes to battery, in volts",
            ),
            (
                "battery date 1/1/27",
                "'battery date' cannot be '1/1/27': when the battery was replaced: 8 characters",
            ),
        ] {
            assert_eq!(parse(line).unwrap_err(), words, "{line}");
        }
        assert_eq!(parse(&"x".repeat(MAX_REQUEST + 1)).unwrap_err(), "longer than 120 characters");
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_lines_or_too_long(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>(), Just(b' '), b'a'..=b'z'], 0..400),
            piece in 1_usize..50,
        ) {
            let mut reader = LineReader::default();
            let mut lines = Vec::new();
            'all: for mut rest in bytes.chunks(piece) {
                while !rest.is_empty() {
                    let Ok((used, line)) = reader.read(rest) else { break 'all };
                    prop_assert!(used > 0);
                    rest = &rest[used..];
                    lines.extend(line);
                }
            }
            let whole: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            for (line, expected) in lines.iter().zip(whole) {
                prop_assert_eq!(line, expected);
                let _ = Request::parse(line);
            }
        }
    }
}
