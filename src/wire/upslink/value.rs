//! Answers (apcsmart §8).

use std::fmt;

use crate::ups::{AlarmDelay, SelfTestResult, Sensitivity, TransferCause};
use crate::wire::decimal::decimal;

/// Longest number that any unit sends is `0060:` or `026.40`; longer than this is something else.
const NUMBER_MAX: usize = 8;
/// Longest text kept.
const TEXT_MAX: usize = 64;

/// What an answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Decimal, with or without fraction.
    Number,
    /// Decimal; the fraction is cut off.
    Whole,
    /// Two hexadecimal digits.
    Hex,
    /// One letter (apcsmart §8.3).
    TransferCause,
    /// Two letters (apcsmart §8.4).
    SelfTest,
    /// One letter (apcsmart §8.5).
    Sensitivity,
    /// One character (apcsmart §8.5).
    AlarmDelay,
    /// Free text.
    Text,
    /// Contains alert characters that are none.
    Raw,
}

/// A decoded answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `NA`: the unit does not know the query, or has nothing to say now.
    NotAvailable,
    /// A number; finite.
    Number(f64),
    /// A whole number.
    Whole(i32),
    /// A byte.
    Hex(u8),
    /// Why the UPS last went on battery.
    TransferCause(TransferCause),
    /// How the last self test ended.
    SelfTest(SelfTestResult),
    /// Sensitivity.
    Sensitivity(Sensitivity),
    /// Alarm delay.
    AlarmDelay(AlarmDelay),
    /// Printable text; never empty.
    Text(String),
}

/// Not an answer to this query. An empty answer is one of these, never a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad;

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an answer to this query")
    }
}

impl std::error::Error for Bad {}

/// What `answer` (without CR and LF, alerts taken out) says.
///
/// # Errors
/// [`Bad`] if it does not look as `form` says.
pub fn decode(form: Form, answer: &[u8]) -> Result<Value, Bad> {
    if answer == super::NOT_AVAILABLE {
        return Ok(Value::NotAvailable);
    }
    Ok(match form {
        Form::Number => Value::Number(number(answer)?),
        Form::Whole => {
            let value = number(answer)?;
            // At most eight digits, so it fits.
            #[allow(clippy::cast_possible_truncation)]
            Value::Whole(value.trunc() as i32)
        }
        Form::Hex => Value::Hex(hex(answer)?),
        Form::TransferCause => Value::TransferCause(transfer_cause(answer)?),
        Form::SelfTest => Value::SelfTest(self_test(answer)?),
        Form::Sensitivity => Value::Sensitivity(match letter(answer)? {
            b'H' => Sensitivity::High,
            b'M' => Sensitivity::Medium,
            b'L' => Sensitivity::Low,
            b'A' => Sensitivity::Auto,
            _ => Sensitivity::Unknown,
        }),
        Form::AlarmDelay => Value::AlarmDelay(match letter(answer)? {
            b'0' => AlarmDelay::FiveSeconds,
            b'T' => AlarmDelay::ThirtySeconds,
            b'L' => AlarmDelay::LowBattery,
            b'N' => AlarmDelay::Never,
            _ => AlarmDelay::Always,
        }),
        Form::Text => text(answer)?,
        Form::Raw => return Err(Bad),
    })
}

fn number(answer: &[u8]) -> Result<f64, Bad> {
    let text = std::str::from_utf8(answer).map_err(|_| Bad)?.trim();
    let text = text.strip_suffix(':').unwrap_or(text);
    if text.len() > NUMBER_MAX || text.starts_with('+') {
        return Err(Bad);
    }
    decimal(text).ok_or(Bad)
}

fn hex(answer: &[u8]) -> Result<u8, Bad> {
    match answer {
        [high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            let text = std::str::from_utf8(answer).map_err(|_| Bad)?;
            u8::from_str_radix(text, 16).map_err(|_| Bad)
        }
        _ => Err(Bad),
    }
}

/// One upper-case letter or digit; a longer answer belongs to another query.
fn letter(answer: &[u8]) -> Result<u8, Bad> {
    match answer {
        [letter] if letter.is_ascii_alphanumeric() => Ok(*letter),
        _ => Err(Bad),
    }
}

fn transfer_cause(answer: &[u8]) -> Result<TransferCause, Bad> {
    Ok(match letter(answer)? {
        b'R' => TransferCause::Ripple,
        b'H' => TransferCause::HighLine,
        b'L' => TransferCause::LowLine,
        b'T' => TransferCause::Notch,
        b'O' => TransferCause::None,
        b'K' => TransferCause::Forced,
        b'S' => TransferCause::SelfTest,
        _ => TransferCause::Unknown,
    })
}

fn self_test(answer: &[u8]) -> Result<SelfTestResult, Bad> {
    match answer {
        b"OK" => Ok(SelfTestResult::Passed),
        b"BT" => Ok(SelfTestResult::FailedCapacity),
        b"NG" => Ok(SelfTestResult::FailedOverload),
        [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Ok(SelfTestResult::NotAvailable),
        _ => Err(Bad),
    }
}

fn text(answer: &[u8]) -> Result<Value, Bad> {
    if answer.is_empty() || answer == super::SMART || answer.iter().all(|byte| !byte.is_ascii_graphic()) {
        return Err(Bad);
    }
    // A status report shows one line of ASCII: what is not printable becomes a blank (apcsmart §8, ^A).
    let clean = answer.iter().take(TEXT_MAX).map(|byte| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => ' ',
    });
    Ok(Value::Text(clean.collect()))
}

#[cfg(test)]
mod tests {
    use super::super::form;
    use super::*;

    fn said(query: u8, answer: &[u8]) -> Result<Value, Bad> {
        decode(form(query).unwrap(), answer)
    }

    #[test]
    fn the_examples_of_the_reference_decode() {
        assert_eq!(said(b'B', b"27.37"), Ok(Value::Number(27.37)));
        assert_eq!(said(b'C', b"029.2"), Ok(Value::Number(29.2)));
        assert_eq!(said(b'j', b"0060:"), Ok(Value::Number(60.0)));
        assert_eq!(said(b'Q', b"08"), Ok(Value::Hex(8)));
        assert_eq!(said(b'Q', b"ff"), Ok(Value::Hex(255)));
        assert_eq!(said(b'G', b"S"), Ok(Value::TransferCause(TransferCause::SelfTest)));
        assert_eq!(said(b'G', b"Z"), Ok(Value::TransferCause(TransferCause::Unknown)));
        assert_eq!(said(b'X', b"BT"), Ok(Value::SelfTest(SelfTestResult::FailedCapacity)));
        assert_eq!(said(b'X', b"NO"), Ok(Value::SelfTest(SelfTestResult::NotAvailable)));
        assert_eq!(said(b's', b"A"), Ok(Value::Sensitivity(Sensitivity::Auto)));
        assert_eq!(said(b'k', b"0"), Ok(Value::AlarmDelay(AlarmDelay::FiveSeconds)));
        assert_eq!(said(b'p', b"020"), Ok(Value::Whole(20)));
        assert_eq!(said(b'>', b"000"), Ok(Value::Whole(0)));
        assert_eq!(said(b'E', b"ON "), Ok(Value::Text("ON ".into())));
        assert_eq!(said(1, b"Smart-UPS\x001000"), Ok(Value::Text("Smart-UPS 1000".into())));
        assert_eq!(said(b'L', b"NA"), Ok(Value::NotAvailable));
    }

    #[test]
    fn nothing_and_the_answers_of_other_queries_are_no_values() {
        for query in super::super::POLLED.iter().chain(super::super::READ_ONCE).chain(b"Q") {
            assert_eq!(said(*query, b""), Err(Bad), "{}", char::from(*query));
            assert_eq!(said(*query, b"   "), Err(Bad), "{}", char::from(*query));
        }
        for (query, answer) in [
            (b'Q', b"SM".as_slice()),
            (b'Q', b"8"),
            (b'Q', b"080"),
            (b'Q', b"+8"),
            (b'L', b"SM"),
            (b'L', b"inf"),
            (b'L', b"1e9"),
            (b'L', b"2.3.0"),
            (b'L', b"."),
            (b'f', b"100.0123.4"),
            (b'G', b"LL"),
            (b'X', b"50.00"),
            (b's', b"H100"),
            (b'n', b"SM"),
        ] {
            assert_eq!(said(query, answer), Err(Bad), "{} {answer:?}", char::from(query));
        }
    }
}
