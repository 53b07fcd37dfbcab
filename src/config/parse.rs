//! Bytes to [`Config`]: the grammar of config §1, with every problem of a file found in one run. Total: any bytes give a
//! configuration and a list of diagnostics.

use std::borrow::Cow;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Severity};
use super::directives::{self, Directive, Kind, RETIRED, is_blank, printable, trimmed};
use super::rules;
use super::settings::Config;
use super::suggest::nearest_directive;
use super::typography::{between_quotes, option_dash, with_plain_blanks, with_plain_dashes};

/// Most diagnostics of one severity that are kept; the rest is counted.
const MOST_KEPT: usize = 200;

/// What the first line of a file of this format begins with.
const HEADER: &[u8] = b"## apcupsd.conf v1.1 ##";

/// Where an effective value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Not in the file.
    Default,
    /// This line of the file, counted from 1.
    Line(u32),
    /// Another directive overrides it; its name.
    Because(&'static str),
}

/// A file, understood.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The file, as its reader named it.
    pub name: Arc<str>,
    /// What is effective: where a value is wrong, what stood before or the default.
    pub config: Config,
    /// Everything there is to say, in the order of the lines.
    pub diagnostics: Vec<Diagnostic>,
    origins: Vec<(&'static str, Origin)>,
}

impl Parsed {
    /// Where the value of a directive (its name in upper case) comes from.
    pub fn origin(&self, name: &str) -> Origin {
        self.origins.iter().find(|(n, _)| *n == name).map_or(Origin::Default, |(_, origin)| *origin)
    }

    /// Whether the daemon must refuse this file.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }

    /// The diagnostics of one severity.
    pub fn of(&self, severity: Severity) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(move |d| d.severity == severity)
    }
}

/// Reads a whole file. `name` is what diagnostics call it.
pub fn parse(text: &[u8], name: &str) -> Parsed {
    let mut reader = Reader {
        out: Parsed {
            name: name.into(),
            config: Config::of_table(),
            diagnostics: Vec::new(),
            origins: Vec::new(),
        },
        counts: [0; 4],
    };
    match text {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            reader.say(
                Severity::Error,
                None,
                "",
                "the file is UTF-16; save it as plain text (UTF-8)".to_owned(),
            );
        }
        _ => reader.lines(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)),
    }
    reader.finish()
}

/// The state of one run over a file.
pub(super) struct Reader {
    /// What is handed out in the end.
    pub(super) out: Parsed,
    /// Diagnostics by severity, those not kept included.
    counts: [usize; 4],
}

impl Reader {
    /// Adds a diagnostic.
    pub(super) fn say(&mut self, severity: Severity, line: Option<u32>, keyword: &str, text: String) {
        if self.is_full(severity) {
            self.count(severity);
            return;
        }
        self.count(severity);
        let file = self.out.name.clone();
        self.out.diagnostics.push(Diagnostic { severity, file, line, keyword: keyword.to_owned(), text });
    }

    fn is_full(&self, severity: Severity) -> bool {
        self.counts.get(severity as usize).is_none_or(|count| *count >= MOST_KEPT)
    }

    fn count(&mut self, severity: Severity) {
        if let Some(count) = self.counts.get_mut(severity as usize) {
            *count += 1;
        }
    }

    /// Adds a diagnostic about the value of a directive, wherever it comes from.
    pub(super) fn say_about(&mut self, severity: Severity, keyword: &'static str, text: String) {
        let line = match self.out.origin(keyword) {
            Origin::Line(line) => Some(line),
            Origin::Default | Origin::Because(_) => None,
        };
        self.say(severity, line, keyword, text);
    }

    /// Notes that a directive's value is not the file's own.
    pub(super) fn set_origin(&mut self, name: &'static str, origin: Origin) {
        match self.out.origins.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = origin,
            None => self.out.origins.push((name, origin)),
        }
    }

    fn lines(&mut self, text: &[u8]) {
        if !text.is_empty() && !text.starts_with(HEADER) {
            let header = String::from_utf8_lossy(HEADER);
            self.say(
                Severity::Debug,
                Some(1),
                "",
                format!("the file does not begin with '{header}'; it need not"),
            );
        }
        for (index, line) in text.split(|b| *b == b'\n').enumerate() {
            self.line(u32::try_from(index + 1).unwrap_or(u32::MAX), line);
        }
    }

    fn line(&mut self, number: u32, original: &[u8]) {
        let (plain, odd_blank) = with_plain_blanks(original);
        let line = trimmed(&plain);
        if line.is_empty() || line.starts_with(b"#") {
            return;
        }
        let end = line.iter().position(|b| is_blank(*b)).unwrap_or(line.len());
        let (word, rest) = line.split_at_checked(end).unwrap_or((line, b""));
        let (word, rest) = match split_at_equals(word, rest) {
            Some((name, value)) => {
                // What is ignored need not be spelt well.
                if directives::find(&name).is_some() {
                    let text = "only a blank stands between name and value; the '=' is left out".to_owned();
                    self.say(Severity::Warning, Some(number), &name, text);
                }
                (name.into_bytes(), value)
            }
            None => (word.to_ascii_uppercase(), rest.to_vec()),
        };
        let keyword = printable(&word);
        let name = String::from_utf8_lossy(&word);
        match directives::find(&name) {
            Some(directive) => {
                // One in a comment is nobody's business.
                let odd_blank = odd_blank.and_then(|_| with_plain_blanks(without_comment(original)).1);
                if let Some(blank) = odd_blank {
                    let text = format!("{blank} is taken as a blank; apcupsd takes it as part of the word");
                    self.say(Severity::Warning, Some(number), &keyword, text);
                }
                self.directive(number, directive, &keyword, &rest);
            }
            None => self.unknown(number, &keyword, &name),
        }
    }

    fn directive(&mut self, number: u32, directive: &'static Directive, keyword: &str, rest: &[u8]) {
        let mut warnings = Vec::new();
        let value = without_comment(rest);
        // A command line is for the shell, which knows what quotes are.
        let value = match directive.kind {
            Kind::Command { .. } => value,
            _ => unquoted(value, &mut warnings),
        };
        let value = plain_dashes(directive, value, &mut warnings);
        let value = &*value;
        if value.contains(&b'#')
            && matches!(directive.kind, Kind::Text { .. } | Kind::Folder { .. } | Kind::File { .. })
        {
            warnings.push(
                "the '#' is kept as part of the value; a comment begins after a blank (apcupsd would cut here)".to_owned(),
            );
        }
        let before = directive.show(&self.out.config);
        let read = directive.read(&mut self.out.config, value, &mut warnings);
        for text in warnings {
            self.say(Severity::Warning, Some(number), keyword, text);
        }
        if let Err(text) = read {
            return self.say(Severity::Error, Some(number), keyword, text);
        }
        if let Origin::Line(earlier) = self.out.origin(directive.name) {
            let (severity, text) = if directive.show(&self.out.config) == before {
                (Severity::Debug, format!("set to the same in line {earlier}"))
            } else {
                (Severity::Warning, format!("set before in line {earlier}; the last one counts, this one"))
            };
            self.say(severity, Some(number), keyword, text);
        }
        self.set_origin(directive.name, Origin::Line(number));
    }

    fn unknown(&mut self, number: u32, keyword: &str, name: &str) {
        if self.is_full(Severity::Warning) {
            return self.count(Severity::Warning);
        }
        let text = if let Some(retired) = RETIRED.iter().find(|r| r.name == name) {
            format!("a directive of {}; ignored, {}", retired.of, retired.advice)
        } else if let Some(near) = nearest_directive(name) {
            format!("unknown directive, ignored; the nearest known name is {near}")
        } else {
            "unknown directive, ignored; mainsd.conf(5) has the list of all".to_owned()
        };
        self.say(Severity::Warning, Some(number), keyword, text);
    }

    fn finish(mut self) -> Parsed {
        rules::apply(&mut self);
        let file = self.out.name.clone();
        let shown =
            [(Severity::Error, "errors"), (Severity::Warning, "warnings"), (Severity::Advice, "remarks")];
        for (severity, what) in shown {
            let count = self.counts.get(severity as usize).map_or(0, |count| count.saturating_sub(MOST_KEPT));
            if count > 0 {
                let text = format!("{count} more {what} are not shown; is this the right file?");
                let file = file.clone();
                self.out.diagnostics.push(Diagnostic {
                    severity,
                    file,
                    line: None,
                    keyword: String::new(),
                    text,
                });
            }
        }
        self.out
    }
}

/// What follows a keyword, up to the first `#` that begins it or has white space before it.
fn without_comment(rest: &[u8]) -> &[u8] {
    let starts = |at: &usize| match at.checked_sub(1).and_then(|before| rest.get(before)) {
        None => true,
        Some(before) => is_blank(*before),
    };
    let hash = rest.iter().enumerate().filter(|(_, b)| **b == b'#').map(|(at, _)| at).find(starts);
    trimmed(rest.get(..hash.unwrap_or(rest.len())).unwrap_or(rest))
}

/// The value with plain dashes where nothing but these can be meant. In a name or a path a dash may be any; in a command
/// line it is for the shell, and only named.
fn plain_dashes<'a>(directive: &Directive, value: &'a [u8], warnings: &mut Vec<String>) -> Cow<'a, [u8]> {
    let plain = match directive.kind {
        Kind::Number { .. } | Kind::Word { .. } => value.len(),
        // A serial number, a bus port path, a host: what is behind it may be a passphrase.
        _ if directive.name == "DEVICE" && !value.starts_with(b"/") => {
            value.iter().position(|byte| *byte == b':').unwrap_or(value.len())
        }
        _ => 0,
    };
    if let Some((head, tail)) = value.split_at_checked(plain).filter(|(head, _)| !head.is_empty()) {
        let (head, dash) = with_plain_dashes(head);
        let Some(dash) = dash else { return Cow::Borrowed(value) };
        warnings.push(format!("{dash} is taken as '-'; apcupsd does not know it"));
        return Cow::Owned([&*head, tail].concat());
    }
    if let (Kind::Command { .. }, Some(dash)) = (directive.kind, option_dash(value)) {
        warnings.push(format!(
            "{dash} stands where an option begins, and the program will not know it; write '-' or '--'"
        ));
    }
    Cow::Borrowed(value)
}

/// Takes off a pair of double or typographic quotes around the value: apcupsd keeps them, so that a quoted path is never
/// found.
fn unquoted<'a>(value: &'a [u8], warnings: &mut Vec<String>) -> &'a [u8] {
    match between_quotes(value) {
        (Some(inner), _) => {
            warnings
                .push("typographic quotes around a value have no meaning here; they are left out".to_owned());
            return trimmed(inner);
        }
        (None, true) => {
            warnings.push(
                "typographic quotes have no meaning here; these are kept as part of the value".to_owned(),
            );
        }
        (None, false) => {}
    }
    match value {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'"') => {
            warnings.push("double quotes around a value have no meaning here; they are left out".to_owned());
            trimmed(inner)
        }
        [b'"', ..] | [.., b'"'] => {
            warnings
                .push("double quotes have no meaning here; these are kept as part of the value".to_owned());
            value
        }
        _ => value,
    }
}

/// For `NAME=value`, `NAME =value` and `NAME = value` with a known name: the name in upper case, and the value.
fn split_at_equals(word: &[u8], rest: &[u8]) -> Option<(String, Vec<u8>)> {
    let (name, value) = match word.iter().position(|b| *b == b'=') {
        Some(at) => {
            let (name, value) = word.split_at_checked(at)?;
            (name, [value.get(1..)?, rest].concat())
        }
        None => (word, trimmed(rest).strip_prefix(b"=")?.to_vec()),
    };
    let name = std::str::from_utf8(name).ok()?.to_ascii_uppercase();
    let known = directives::find(&name).is_some() || RETIRED.iter().any(|r| r.name == name);
    known.then_some((name, value))
}

#[cfg(test)]
mod tests;
