//! Characters that web pages and word processors put in the place of the plain ones. A blank is a blank, whatever its kind;
//! dashes and quotes are taken for what they stand for where nothing else can be meant. Each is named, for it looks right.

use std::borrow::Cow;

/// A character and what it is called.
type Named = (char, &'static str);

const BLANKS: [Named; 13] = [
    ('\u{a0}', "a no-break space"),
    ('\u{1680}', "an ogham space mark"),
    ('\u{2002}', "an en space"),
    ('\u{2003}', "an em space"),
    ('\u{2007}', "a figure space"),
    ('\u{2009}', "a thin space"),
    ('\u{200b}', "a zero width space"),
    ('\u{2028}', "a line separator"),
    ('\u{202f}', "a narrow no-break space"),
    ('\u{205f}', "a mathematical space"),
    ('\u{2060}', "a word joiner"),
    ('\u{3000}', "an ideographic space"),
    ('\u{feff}', "a byte order mark"),
];

const DASHES: [Named; 9] = [
    ('\u{ad}', "a soft hyphen"),
    ('\u{2010}', "a typographic hyphen"),
    ('\u{2011}', "a no-break hyphen"),
    ('\u{2012}', "a figure dash"),
    ('\u{2013}', "an en dash"),
    ('\u{2014}', "an em dash"),
    ('\u{2015}', "a horizontal bar"),
    ('\u{2212}', "a minus sign"),
    ('\u{ff0d}', "a full-width hyphen"),
];

const QUOTES: [char; 13] = [
    '\u{ab}', '\u{bb}', '\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}', '\u{201c}', '\u{201d}', '\u{201e}',
    '\u{201f}', '\u{2039}', '\u{203a}', '\u{ff02}',
];

/// Those of the above that Windows-1252 has, by their byte.
const WINDOWS: [(u8, char); 13] = [
    (0x82, '\u{201a}'),
    (0x84, '\u{201e}'),
    (0x8b, '\u{2039}'),
    (0x91, '\u{2018}'),
    (0x92, '\u{2019}'),
    (0x93, '\u{201c}'),
    (0x94, '\u{201d}'),
    (0x96, '\u{2013}'),
    (0x97, '\u{2014}'),
    (0x9b, '\u{203a}'),
    (0xa0, '\u{a0}'),
    (0xab, '\u{ab}'),
    (0xbb, '\u{bb}'),
];

/// The pieces of a text: each character with its bytes; of what is no UTF-8, the meaning that Windows-1252 gives to a byte.
fn pieces(text: &[u8]) -> Vec<(Option<char>, &[u8])> {
    let mut all = Vec::new();
    for chunk in text.utf8_chunks() {
        let valid = chunk.valid();
        for (at, c) in valid.char_indices() {
            all.push((Some(c), valid.as_bytes().get(at..at + c.len_utf8()).unwrap_or_default()));
        }
        let of_byte = |byte: &u8| WINDOWS.iter().find(|(its, _)| its == byte).map(|(_, c)| *c);
        for byte in chunk.invalid().chunks(1) {
            all.push((byte.first().and_then(of_byte), byte));
        }
    }
    all
}

fn named(table: &[Named], c: Option<char>) -> Option<&Named> {
    table.iter().find(|(its, _)| Some(*its) == c)
}

fn words(found: &Named) -> String {
    format!("{} (U+{:04X})", found.1, u32::from(found.0))
}

/// The text with plain characters in the place of those in `table`, and the words for the first of these.
fn replaced<'a>(text: &'a [u8], table: &'a [Named], plain: u8) -> (Cow<'a, [u8]>, Option<String>) {
    if text.is_ascii() {
        return (Cow::Borrowed(text), None);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut first = None;
    for (c, bytes) in pieces(text) {
        match named(table, c) {
            Some(found) => {
                first.get_or_insert_with(|| words(found));
                out.push(plain);
            }
            None => out.extend(bytes),
        }
    }
    if first.is_some() { (Cow::Owned(out), first) } else { (Cow::Borrowed(text), None) }
}

/// The text with plain blanks, and the words for the first that was none.
pub(super) fn with_plain_blanks(text: &[u8]) -> (Cow<'_, [u8]>, Option<String>) {
    replaced(text, &BLANKS, b' ')
}

/// The text with `-` for each dash, and the words for the first that was none.
pub(super) fn with_plain_dashes(text: &[u8]) -> (Cow<'_, [u8]>, Option<String>) {
    replaced(text, &DASHES, b'-')
}

/// The words for a dash at the beginning of a word of a command line, where an option begins.
pub(super) fn option_dash(command: &[u8]) -> Option<String> {
    let mut before = b' ';
    for (c, bytes) in pieces(command) {
        if let (b' ' | b'\t', Some(found)) = (before, named(&DASHES, c)) {
            return Some(words(found));
        }
        before = bytes.last().copied().unwrap_or(b' ');
    }
    None
}

/// What is between typographic quotes, if the text begins and ends with one and these two are nowhere else in it; and whether
/// it begins or ends with one.
pub(super) fn between_quotes(text: &[u8]) -> (Option<&[u8]>, bool) {
    if text.is_ascii() {
        return (None, false);
    }
    let quote = |piece: Option<&(Option<char>, &[u8])>| {
        piece.filter(|(c, _)| c.is_some_and(|c| QUOTES.contains(&c))).map(|(_, bytes)| bytes.len())
    };
    let all = pieces(text);
    let ends = [all.first(), all.last()].map(|piece| piece.and_then(|(c, _)| *c));
    let again = all.iter().skip(1).rev().skip(1).any(|(c, _)| c.is_some() && ends.contains(c));
    match (quote(all.first()), quote(all.last())) {
        (Some(first), Some(last)) if all.len() > 1 && !again => (text.get(first..text.len() - last), true),
        (first, last) => (None, first.is_some() || last.is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_of_every_kind_become_plain_ones_and_the_first_is_named() {
        let (text, words) = with_plain_blanks("TIMEOUT\u{a0}\u{2009}30".as_bytes());
        assert_eq!((&*text, words.as_deref()), (&b"TIMEOUT  30"[..], Some("a no-break space (U+00A0)")));
        let (text, words) = with_plain_blanks(b"TIMEOUT\xa030");
        assert_eq!((&*text, words.as_deref()), (&b"TIMEOUT 30"[..], Some("a no-break space (U+00A0)")));
        // The same byte as the second of another character.
        let (text, words) = with_plain_blanks("voil\u{e0}".as_bytes());
        assert_eq!((&*text, words), ("voil\u{e0}".as_bytes(), None));
        assert!(matches!(with_plain_blanks(b"plain \xff text"), (Cow::Borrowed(_), None)));
    }

    #[test]
    fn dashes_of_every_kind_become_plain_ones() {
        for (dash, name) in DASHES {
            let text = format!("{dash}1");
            let (plain, words) = with_plain_dashes(text.as_bytes());
            assert_eq!(&*plain, b"-1", "{name}");
            assert!(words.is_some_and(|words| words.starts_with(name)));
        }
        assert_eq!(&*with_plain_dashes(b"\x961").0, b"-1");
    }

    #[test]
    fn an_option_after_a_typographic_dash_is_seen_and_a_dash_between_words_is_not() {
        assert_eq!(option_dash("shutdown \u{2013}h now".as_bytes()).as_deref(), Some("an en dash (U+2013)"));
        assert_eq!(option_dash("\u{2014}help".as_bytes()).as_deref(), Some("an em dash (U+2014)"));
        assert_eq!(option_dash("echo left\u{2013}right -h".as_bytes()), None);
    }

    #[test]
    fn typographic_quotes_are_taken_off_as_a_pair_only() {
        for pair in ["\u{201c}usb\u{201d}", "\u{201e}usb\u{201c}", "\u{ab}usb\u{bb}", "\u{2018}usb\u{2019}"] {
            assert_eq!(between_quotes(pair.as_bytes()), (Some(&b"usb"[..]), true), "{pair}");
        }
        assert_eq!(between_quotes(b"\x93usb\x94"), (Some(&b"usb"[..]), true));
        assert_eq!(between_quotes("\u{201c}usb".as_bytes()), (None, true));
        assert_eq!(between_quotes("\u{201c}".as_bytes()), (None, true));
        let two = "\u{201c}one\u{201d} and \u{201c}two\u{201d}";
        assert_eq!(between_quotes(two.as_bytes()), (None, true));
        let apostrophe = "\u{201c}Bob\u{2019}s\u{201d}";
        assert_eq!(between_quotes(apostrophe.as_bytes()), (Some("Bob\u{2019}s".as_bytes()), true));
        assert_eq!(between_quotes("B\u{fc}ro".as_bytes()), (None, false));
        assert_eq!(between_quotes(b""), (None, false));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_lose_nothing_but_what_is_replaced(text in proptest::collection::vec(proptest::num::u8::ANY, 0..100)) {
            assert_eq!(pieces(&text).into_iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect::<Vec<u8>>(), text);
            let (once, _) = with_plain_blanks(&text);
            assert_eq!(with_plain_blanks(&once).1, None);
            let _ = (with_plain_dashes(&text), option_dash(&text), between_quotes(&text));
        }
    }
}
