//! Text to value and back, by the kind of a directive.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Below, Directive, Kind, Unit};
use crate::config::device;
use crate::config::nis_allow::NisAllow;
use crate::config::settings::Config;
use crate::drivers::DeviceForm;
use crate::ups::{TestSchedule, is_unsafe};

/// Longest piece of a foreign text that a message repeats, in characters.
const QUOTED_CHARS_MAX: usize = 60;

/// A foreign text for a message: cut to a bearable length, with nothing in it that a terminal or a log would act upon.
pub fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text.get(..QUOTED_CHARS_MAX * 4).unwrap_or(text));
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == QUOTED_CHARS_MAX {
            out.push_str("...");
            break;
        }
        if is_unsafe(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// White space as C's `isspace` has it, which is what apcupsd asks.
pub(in crate::config) fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// The words of a value, as C's `isspace` separates them.
fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| is_blank(*b)).filter(|w| !w.is_empty())
}

/// White space removed at both ends.
pub(in crate::config) fn trimmed(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|b| !is_blank(*b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !is_blank(*b)).map_or(start, |at| at + 1);
    text.get(start..end).unwrap_or_default()
}

impl Directive {
    /// Reads `value` (without comment, quotes and outer white space) into `config`. What is doubtful but usable is told
    /// in `warnings`. An error leaves `config` as it was, and says what is wrong and what is accepted.
    pub fn read(&self, config: &mut Config, value: &[u8], warnings: &mut Vec<String>) -> Result<(), String> {
        let hint = if is_variable(value) { ": a variable that was not replaced by its value" } else { "" };
        let wrong = |what: &str| Err(format!("{what}{hint}; accepted: {}", self.accepted()));
        if !hint.is_empty()
            && matches!(self.kind, Kind::Text { .. } | Kind::Folder { .. } | Kind::File { .. })
        {
            // Not quoted: DEVICE may hold a passphrase.
            warnings.push(format!("taken as it stands{hint}; this file knows no variables"));
        }
        match self.kind {
            Kind::Number { min, max, below, put, .. } => {
                if value.is_empty() {
                    return wrong("no value");
                }
                let Some(number) = integer(value) else {
                    return wrong(&format!("'{}' is not a whole number", printable(value)));
                };
                match number {
                    // A status line shows it as an `int`.
                    n if n > max || n < i64::from(i32::MIN) => {
                        return wrong(&format!("{} is out of range", printable(value)));
                    }
                    n if n >= min => put(config, n),
                    n => match below {
                        Below::Refused => return wrong(&format!("{n} is out of range")),
                        Below::Off | Below::Unset => put(config, n),
                        Below::Smallest => {
                            warnings.push(format!("{n} is taken as {min}; accepted: {}", self.accepted()));
                            put(config, min);
                        }
                    },
                }
            }
            Kind::Switch { put, .. } => {
                let Some(word) = self.one_word(value, warnings) else { return wrong("no value") };
                match word.to_ascii_lowercase().as_str() {
                    "on" => put(config, true),
                    "off" => put(config, false),
                    _ => return wrong(&format!("'{}' is neither on nor off", printable(word.as_bytes()))),
                }
            }
            Kind::Word { put, hint, .. } => {
                let Some(word) = self.one_word(value, warnings) else { return wrong("no value") };
                if !put(config, &word) {
                    let shown = printable(word.as_bytes());
                    return match hint(&word.to_ascii_lowercase()) {
                        Some(hint) => wrong(&format!("'{shown}' is no value of {}: {hint}", self.name)),
                        None => wrong(&format!("'{shown}' is no value of {}", self.name)),
                    };
                }
            }
            Kind::Text { max, put, what, .. } => {
                let Ok(text) = without_nul(value) else { return wrong("the value has a NUL byte in it") };
                let mut text = String::from_utf8_lossy(text).into_owned();
                if text.as_bytes() != value {
                    warnings.push(format!("the {what} is not UTF-8; what is not is shown as \u{fffd}"));
                }
                if text.chars().any(char::is_control) {
                    warnings
                        .push(format!("the {what} has control characters in it; they are taken as blanks"));
                    text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                }
                if text.len() > max {
                    warnings.push(format!("the {what} is longer than {max} bytes; the rest is cut off"));
                    let end = (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                    text.truncate(end);
                }
                put(config, text);
            }
            Kind::Command { put, .. } => match without_nul(value).ok().map(std::str::from_utf8) {
                Some(Ok(text)) => put(config, (!text.is_empty()).then(|| text.to_owned())),
                _ => return wrong("the value is not UTF-8 text"),
            },
            Kind::Folder { put, .. } => match without_nul(value) {
                Ok([]) => return wrong("no value"),
                Ok(path) => put(config, self.path(path, warnings)),
                Err(()) => return wrong("the value has a NUL byte in it"),
            },
            Kind::File { put, .. } => match without_nul(value) {
                Ok([]) => put(config, None),
                Ok(word) if word.eq_ignore_ascii_case(self.blank.as_bytes()) => put(config, None),
                Ok(path) => put(config, Some(self.path(path, warnings))),
                Err(()) => return wrong("the value has a NUL byte in it"),
            },
            Kind::Schedule { put, .. } => {
                let text = printable(value);
                match TestSchedule::parse(&text) {
                    None if text.is_empty() || text.eq_ignore_ascii_case("off") => put(config, None),
                    None => return wrong(&format!("'{text}' is no schedule")),
                    schedule => put(config, schedule),
                }
            }
            Kind::Addresses { put, .. } => match self.list::<IpAddr>(value, MAX_ADDRESSES) {
                Ok(list) => put(config, list),
                Err(what) => return wrong(&what),
            },
            Kind::Networks { put, .. } => match self.list::<NisAllow>(value, MAX_NETWORKS) {
                Ok(list) => put(config, list),
                Err(what) => return wrong(&what),
            },
        }
        Ok(())
    }

    /// The value as a file would say it; empty: not set. [`Directive::read`] reads it back to the same.
    pub fn show(&self, config: &Config) -> String {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        match self.kind {
            Kind::Number { get, .. } => get(config).to_string(),
            Kind::Switch { get, .. } => if get(config) { "on" } else { "off" }.to_owned(),
            Kind::Word { get, .. } => get(config).to_owned(),
            Kind::Text { get, .. } => get(config).to_owned(),
            Kind::Command { get, .. } => get(config).clone().unwrap_or_default(),
            Kind::Folder { get, .. } => path(get(config)),
            Kind::File { get, .. } => get(config).as_deref().map(path).unwrap_or_default(),
            Kind::Schedule { get, .. } => get(config).map_or("off".to_owned(), |it| it.to_string()),
            Kind::Addresses { get, .. } => joined(get(config)),
            Kind::Networks { get, .. } => joined(get(config)),
        }
    }

    /// The value for people: with its unit, words for what is off or absent, and without passphrases.
    pub fn present(&self, config: &Config) -> String {
        let shown = self.show(config);
        match self.kind {
            Kind::Number { below: Below::Off, get, .. } if get(config) < 0 => "off".to_owned(),
            Kind::Number { below: Below::Unset, get, .. } if get(config) < 0 => self.blank.to_owned(),
            Kind::Number { .. } if shown == "0" => match self.zero {
                "" => format!("0{}", self.unit_text()),
                meaning => meaning.to_owned(),
            },
            Kind::Number { .. } => format!("{shown}{}", self.unit_text()),
            _ if shown.is_empty() => self.blank.to_owned(),
            Kind::Text { .. } if self.name == "DEVICE" => without_secret(config, shown),
            _ => printable_line(&shown),
        }
    }

    /// Writes the default of the table into `config`. An empty default leaves it as it is: not set.
    pub fn set_default(&self, config: &mut Config) {
        if !self.default.is_empty() {
            let read = self.read(config, self.default.as_bytes(), &mut Vec::new());
            debug_assert!(read.is_ok(), "default of {}: {read:?}", self.name);
        }
    }

    /// What a file may say, as a phrase.
    pub fn accepted(&self) -> String {
        match self.kind {
            Kind::Number { unit, min, max, below, .. } => {
                let of = match unit {
                    Unit::Port => "a port number",
                    Unit::Seconds => "a whole number of seconds",
                    Unit::Minutes => "a whole number of minutes",
                    Unit::Percent => "a whole percentage",
                    Unit::Volts => "a whole number of volts",
                    Unit::Kibibytes => "a whole number of KiB",
                    Unit::Readings => "a whole number of readings",
                    Unit::Clients => "a whole number of connections",
                };
                let off = match below {
                    Below::Off => ", or -1 for off",
                    Below::Unset => ", or -1 to leave it as it is",
                    Below::Refused | Below::Smallest => "",
                };
                format!("{of} from {min} to {max}{off}")
            }
            Kind::Switch { .. } => "on, off".to_owned(),
            Kind::Word { words, .. } => words().join(", "),
            Kind::Text { what, max, .. } => format!("a {what} of up to {max} bytes, or blank"),
            Kind::Command { .. } => "a command line, or blank".to_owned(),
            Kind::Folder { .. } => "the absolute path of a directory".to_owned(),
            Kind::File { .. } => "the absolute path of a file, or blank for none".to_owned(),
            Kind::Schedule { .. } => {
                "weekly or monthly, a day from sun to sat, and a time such as 03:00; or off".to_owned()
            }
            Kind::Addresses { .. } => {
                "IPv4 and IPv6 addresses of this machine, separated by blanks (0.0.0.0 and :: are all of them)".to_owned()
            }
            Kind::Networks { .. } => {
                "IPv4 and IPv6 addresses and networks, separated by blanks, such as 192.168.0.0/16 (0.0.0.0/0 and ::/0 are \
                 everybody)"
                    .to_owned()
            }
        }
    }

    /// The unit as it follows a number: ` seconds`; empty where there is none.
    pub fn unit_text(&self) -> &'static str {
        match self.kind {
            Kind::Number { unit, .. } => match unit {
                Unit::Seconds => " seconds",
                Unit::Minutes => " minutes",
                Unit::Percent => " percent",
                Unit::Volts => " volts",
                Unit::Kibibytes => " KiB",
                Unit::Readings => " readings",
                Unit::Clients => " connections",
                Unit::Port => "",
            },
            _ => "",
        }
    }

    /// Why the default is what it is, without the value itself.
    pub fn reason(&self) -> String {
        let bare =
            ["Not set: ", "0: ", "-1: ", "On: ", "Off: "].iter().find_map(|lead| self.why.strip_prefix(lead));
        let Some(bare) = bare else { return self.why.to_owned() };
        let mut chars = bare.chars();
        chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
    }

    /// The first word; 3.14.14 ignores the rest in silence, we with a warning.
    fn one_word(&self, value: &[u8], warnings: &mut Vec<String>) -> Option<String> {
        let mut words = words(value);
        let first = words.next()?;
        if let Some(more) = words.next() {
            warnings
                .push(format!("only the first word counts; ignored: '{}' and what follows", printable(more)));
        }
        Some(String::from_utf8_lossy(first).into_owned())
    }

    fn path(&self, bytes: &[u8], warnings: &mut Vec<String>) -> PathBuf {
        let path = PathBuf::from(OsStr::from_bytes(bytes));
        if path.is_relative() {
            warnings.push(format!(
                "'{}' is not absolute: it depends on the folder that the daemon is started in, and is lost in the background; \
                 accepted: {}",
                printable(bytes),
                self.accepted()
            ));
        }
        path
    }

    fn list<T: std::str::FromStr + PartialEq>(&self, value: &[u8], max: usize) -> Result<Vec<T>, String> {
        let mut list = Vec::new();
        for word in words(value).flat_map(|w| w.split(|b| *b == b',')).filter(|w| !w.is_empty()) {
            let parsed = std::str::from_utf8(word).ok().and_then(|w| w.parse().ok());
            match parsed {
                Some(item) if list.contains(&item) => {}
                Some(item) => list.push(item),
                None => return Err(format!("'{}' is not a numeric address", printable(word))),
            }
            if list.len() > max {
                return Err(format!("more than {max} of them"));
            }
        }
        if list.is_empty() { Err("no address given".to_owned()) } else { Ok(list) }
    }
}

/// Most addresses to listen on: each costs two descriptors, and the server has places for 64.
const MAX_ADDRESSES: usize = 32;
/// Most networks in NISALLOW: each costs a comparison for each client.
const MAX_NETWORKS: usize = 256;

fn without_nul(value: &[u8]) -> Result<&[u8], ()> {
    if value.contains(&0) { Err(()) } else { Ok(value) }
}

fn joined<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

/// As [`printable`], but whole: a value of the file's owner, not of a foreigner.
fn printable_line(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { '\u{fffd}' } else { c }).collect()
}

/// A DEVICE as it may be shown.
fn without_secret(config: &Config, device: String) -> String {
    let form = config.ups_type.map_or(DeviceForm::Free, |driver| driver.device);
    printable_line(&device::without_secret(form, device))
}

/// Whether the value is what a template leaves behind that nobody has filled in.
fn is_variable(value: &[u8]) -> bool {
    let holds = |mark: &[u8]| value.windows(mark.len()).any(|part| part == mark);
    holds(b"${") || holds(b"{{")
}

/// Digits with an optional sign and nothing else. A number too long for 64 bits is as good as the longest: the range
/// says the rest.
fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude =
        digits.iter().fold(0i64, |sum, d| sum.saturating_mul(10).saturating_add(i64::from(d - b'0')));
    Some(if negative { -magnitude } else { magnitude })
}
