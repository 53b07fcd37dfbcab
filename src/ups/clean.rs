//! Text from outside: what a device, a master, a file or another program says is never a line of ours, and never an order
//! to a terminal.
//!
//! Two functions, used at two places. [`clean`] where a text comes in and becomes a value: names and serial numbers.
//! [`one_line`] where a line goes out, whatever came in: the log's one exit, and debug output.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Longest line that goes out, in bytes. The longest of ours, the reason for a shutdown, has some 400.
pub const MAX_LINE: usize = 2000;

/// What ends a line that was cut.
const CUT: &str = " ...";

/// Whether a character ends a line, moves a terminal's cursor, or turns the direction in which text is read.
///
/// Control characters are those of C0 and C1 (C1 holds a second form of the escape that begins a terminal's orders); the
/// others are the line and paragraph separators and the directional formatting characters of Unicode (UAX #9 §2).
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{061c}')
}

/// A text from outside as it is kept: each character that [`is_unsafe`] becomes a blank, as apcupsd does with MODEL
/// (nis §5.2). All others stay, blanks at the end too.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { ' ' } else { c }).collect()
}

/// A line as it goes out: each character that [`is_unsafe`] is shown as an escape (`\n`, `\u{1b}`), and what comes after
/// [`MAX_LINE`] bytes is cut off.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_LINE && !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len().min(MAX_LINE));
    for c in text.chars() {
        let before = line.len();
        if is_unsafe(c) {
            // Writing to a String cannot fail.
            let _ = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
        if line.len() > MAX_LINE - CUT.len() {
            line.truncate(before);
            line.push_str(CUT);
            break;
        }
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_that_is_kept_has_blanks_for_what_would_end_a_line() {
        assert_eq!(clean("Back-UPS ES 850G2 "), "Back-UPS ES 850G2 ");
        assert_eq!(clean("a\nb\r\n\tc\u{1b}[2J\u{9b}m\u{202e}d\u{2028}"), "a b   c [2J m d ");
        assert_eq!(clean("Büro 10 °C"), "Büro 10 °C");
    }

    #[test]
    fn a_line_that_goes_out_shows_what_would_end_it() {
        assert!(matches!(one_line("Power failure."), Cow::Borrowed("Power failure.")));
        assert_eq!(one_line("a\nb\u{1b}[2J\0"), "a\\nb\\u{1b}[2J\\u{0}");
        assert_eq!(one_line("ä\u{202e}"), "ä\\u{202e}");
    }

    #[test]
    fn a_long_line_is_cut() {
        assert_eq!(one_line(&"x".repeat(MAX_LINE)).len(), MAX_LINE);
        let cut = one_line(&"é".repeat(MAX_LINE)).into_owned();
        assert!(cut.len() <= MAX_LINE && cut.ends_with("é ..."), "{cut}");
    }

    proptest! {
        #[test]
        fn whatever_goes_in_one_short_line_comes_out(text in "\\PC{0,40}|[\\x00-\\x20\u{7f}-\u{a0}\u{2020}-\u{2070}é]{0,2500}") {
            let line = one_line(&text);
            prop_assert!(line.len() <= MAX_LINE && !line.chars().any(is_unsafe));
            prop_assert!(!clean(&text).chars().any(is_unsafe));
        }
    }
}
