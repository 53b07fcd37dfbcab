//! Numbers as people and devices write them: `230.5`, `-12`. The standard library's own parser is right to the last digit for any
//! power of ten, and brings tables of 15 KB for that.

/// The most digits that are looked at, so that the number without its point is exact in a `f64`.
const DIGITS_MAX: u32 = 15;

/// The number that this text is: perhaps a sign, then digits with at most one point among them. No exponents, no words. The
/// nearest `f64` there is, if the number has no more than 15 digits; of a longer fraction the rest is left out. `None`: it is no
/// such number, or has more than 15 digits before its point.
#[must_use]
pub fn decimal(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let (mut number, mut digits, mut scale) = (0_u64, 0, 1.0);
    for (digit, is_whole) in whole.bytes().map(|b| (b, true)).chain(fraction.bytes().map(|b| (b, false))) {
        if !digit.is_ascii_digit() || is_whole && digits == DIGITS_MAX {
            return None;
        }
        if digits < DIGITS_MAX {
            number = number * 10 + u64::from(digit - b'0');
            digits += 1;
            scale *= if is_whole { 1.0 } else { 10.0 };
        }
    }
    // Both are exact, so that one division gives the nearest number.
    let number = number as f64 / scale;
    Some(if text.starts_with('-') { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::decimal;
    use proptest::prelude::*;

    #[test]
    fn a_number_may_have_a_sign_and_a_point_anywhere() {
        let cases = [
            ("230.5", 230.5),
            ("-12", -12.0),
            ("+3.", 3.0),
            (".5", 0.5),
            ("000000000000000000001", 1.0),
            ("0", 0.0),
        ];
        cases.iter().for_each(|(text, number)| assert_eq!(decimal(text), Some(*number), "{text}"));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "",
            ".",
            "-",
            "--1",
            "+-1",
            "1.2.3",
            "1e3",
            "inf",
            "nan",
            "0x10",
            " 1",
            "1 ",
            "1,5",
            "1000000000000000",
        ] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn digits_past_the_fifteenth_are_left_out_and_have_to_be_digits() {
        assert_eq!(decimal("0.33333333333333333333333"), Some(0.333_333_333_333_333));
        assert_eq!(decimal("0.333333333333333333333x3"), None);
    }

    proptest! {
        #[test]
        fn up_to_fifteen_digits_it_is_the_number_of_the_standard_library(
            text in "[-+]?([0-9]{1,8}(\\.[0-9]{0,7})?|\\.[0-9]{1,15})"
        ) {
            prop_assert_eq!(decimal(&text), text.parse().ok());
        }

        #[test]
        fn any_text_is_answered(text in ".{0,40}") {
            let _ = decimal(&text);
        }
    }
}
