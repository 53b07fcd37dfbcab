//! The one table of directives. It drives parsing, `mainsd check`, the list in `mainsd.conf(5)` and the example
//! configuration; a default value stands nowhere else.

mod control;
mod eeprom;
mod general;
mod network;
mod power;
mod records;
mod retired;
mod snmp;
mod value;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use retired::{RETIRED, Retired};
pub(super) use value::{is_blank, printable, trimmed};

use super::nis_allow::NisAllow;
use super::settings::Config;
use crate::drivers::{PortLock, Traits, UpsType};
use crate::ups::TestSchedule;

/// What a directive of a file can be, with the way into [`Config`].
#[derive(Clone, Copy)]
pub enum Kind {
    /// A whole number.
    Number {
        /// What one of it is.
        unit: Unit,
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
        /// What a number below `min` means.
        below: Below,
        /// Reads it.
        get: fn(&Config) -> i64,
        /// Writes it; the value is in range, or negative where `below` says that this means off.
        put: fn(&mut Config, i64),
    },
    /// `on` or `off`.
    Switch {
        /// Reads it.
        get: fn(&Config) -> bool,
        /// Writes it.
        put: fn(&mut Config, bool),
    },
    /// One word out of a list.
    Word {
        /// The list.
        words: fn() -> Vec<&'static str>,
        /// Reads it.
        get: fn(&Config) -> &'static str,
        /// Writes it, when the list has the word.
        put: fn(&mut Config, &str) -> bool,
        /// What to say to those who wrote a value of another time or program.
        hint: fn(&str) -> Option<&'static str>,
    },
    /// The rest of the line.
    Text {
        /// What it is, for messages.
        what: &'static str,
        /// Longest, in bytes; longer is cut with a warning.
        max: usize,
        /// Reads it.
        get: fn(&Config) -> &str,
        /// Writes it.
        put: fn(&mut Config, String),
    },
    /// A command line, given to the shell as it is; blank: the built-in choice.
    Command {
        /// Reads it.
        get: fn(&Config) -> &Option<String>,
        /// Writes it.
        put: fn(&mut Config, Option<String>),
    },
    /// A folder, not blank.
    Folder {
        /// Reads it.
        get: fn(&Config) -> &Path,
        /// Writes it.
        put: fn(&mut Config, PathBuf),
    },
    /// A file; blank: none.
    File {
        /// Reads it.
        get: fn(&Config) -> &Option<PathBuf>,
        /// Writes it.
        put: fn(&mut Config, Option<PathBuf>),
    },
    /// Dates for self tests; `off`: none.
    Schedule {
        /// Reads it.
        get: fn(&Config) -> Option<TestSchedule>,
        /// Writes it.
        put: fn(&mut Config, Option<TestSchedule>),
    },
    /// One or more addresses.
    Addresses {
        /// Reads them.
        get: fn(&Config) -> &Vec<IpAddr>,
        /// Writes them.
        put: fn(&mut Config, Vec<IpAddr>),
    },
    /// One or more addresses or networks.
    Networks {
        /// Reads them.
        get: fn(&Config) -> &Vec<NisAllow>,
        /// Writes them.
        put: fn(&mut Config, Vec<NisAllow>),
    },
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Per cent of a full battery.
    Percent,
    /// Volts.
    Volts,
    /// 1024 bytes.
    Kibibytes,
    /// Readings of the UPS.
    Readings,
    /// Connections.
    Clients,
    /// A TCP and UDP port number.
    Port,
}

/// What a number below the range means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Below {
    /// An error.
    Refused,
    /// Switched off; the number is kept, because status shows it (apcupsd: `-1`).
    Off,
    /// Not configured; the number is kept. For settings that the UPS keeps itself.
    Unset,
    /// The smallest of the range, with a warning: 3.14.14 accepts it, and a file that works must go on working.
    Smallest,
}

/// Whether a running daemon can take a new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// On SIGHUP, without dropping clients or the UPS.
    InPlace,
    /// Only at the next start.
    Restart,
    /// The daemon does not use it.
    Unused,
}

/// With what a directive does nothing, and why; for people.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// Whether it does nothing with this UPSTYPE.
    pub with: fn(&UpsType) -> bool,
    /// Why, and what does something instead.
    pub because: &'static str,
}

/// A setting that the UPS keeps.
const KEPT_IN_THE_UPS: Idle = Idle {
    with: |driver| !driver.is(Traits::KEEPS_SETTINGS),
    because: "only 'mainsd --configure' with UPSTYPE apcsmart writes it",
};
/// A number that a simple cable does not tell.
const NOT_ON_A_CABLE: Idle = Idle {
    with: |driver| !driver.is(Traits::MEASURES),
    because: "a simple cable tells no numbers; TIMEOUT works with it",
};
/// The place of a lock that the port does not have.
const ONLY_WITH_A_LOCK: Idle =
    Idle { with: |driver| driver.lock == PortLock::None, because: "its port has no lock; the line can go" };

/// One directive. The texts are plain prose; a word in `backticks` is literal, an empty line ends a paragraph.
#[derive(Clone, Copy)]
pub struct Directive {
    /// Upper case.
    pub name: &'static str,
    /// Other names of the same setting.
    pub aliases: &'static [&'static str],
    /// Type and range.
    pub kind: Kind,
    /// As a file would say it; empty: not set.
    pub default: &'static str,
    /// What 0 means, where it is not a number like others; for people.
    pub zero: &'static str,
    /// What an absent or blank value means; for people.
    pub blank: &'static str,
    /// The value that the example configuration sets, where it is not the default.
    pub shipped: Option<&'static str>,
    /// The UPSTYPEs with which it does nothing.
    pub idle: Idle,
    /// Whether a running daemon can take a new value.
    pub reload: Reload,
    /// What it does, for a person at three in the morning.
    pub doc: &'static str,
    /// Why the default, or the shipped value, is what it is.
    pub why: &'static str,
    /// What differs from apcupsd 3.14.14; empty: nothing.
    pub compat: &'static str,
    /// A value somebody would really write.
    pub example: &'static str,
}

/// A heading over directives.
pub struct Section {
    /// For people.
    pub title: &'static str,
    /// In the order of the man page.
    pub directives: &'static [Directive],
}

/// All sections, in the order of the man page.
pub const SECTIONS: &[Section] = &[
    Section { title: "The UPS", directives: general::UPS },
    Section { title: "SNMP", directives: snmp::SNMP },
    Section { title: "Folders", directives: general::FOLDERS },
    Section { title: "Power failure", directives: power::POWER },
    Section { title: "Hooks and shutdown", directives: power::SHUTDOWN },
    Section { title: "Network information server", directives: network::NETWORK },
    Section { title: "Control socket", directives: control::CONTROL },
    Section { title: "Records", directives: records::RECORDS },
    Section { title: "ShareUPS", directives: general::SHARE },
    Section { title: "Settings kept in the UPS", directives: eeprom::EEPROM },
];

/// Every directive that has an effect, in the order of the man page.
pub fn all() -> impl Iterator<Item = &'static Directive> {
    SECTIONS.iter().flat_map(|section| section.directives)
}

/// The directive of that name or alias; the name in upper case.
pub fn find(name: &str) -> Option<&'static Directive> {
    all().find(|d| d.name == name || d.aliases.contains(&name))
}

/// A word list and the ways of a `Word` kind for an enumeration that has `from_word`, `word` and `words`.
macro_rules! word {
    ($type:ty, $field:ident, optional) => {
        word!($type, $field, optional, |_| None)
    };
    ($type:ty, $field:ident, optional, $hint:expr) => {
        $crate::config::directives::Kind::Word {
            words: <$type>::words,
            get: |c| c.$field.as_ref().map_or("", |v| v.word()),
            put: |c, w| match <$type>::from_word(w) {
                Some(value) => {
                    c.$field = Some(value);
                    true
                }
                None => false,
            },
            hint: $hint,
        }
    };
}
use word;

const fn seconds(
    min: i64,
    max: i64,
    below: Below,
    get: fn(&Config) -> i64,
    put: fn(&mut Config, i64),
) -> Kind {
    Kind::Number { unit: Unit::Seconds, min, max, below, get, put }
}

/// Longest span that a directive takes: a year.
const YEAR: i64 = 365 * 24 * 3600;
/// A day.
const DAY: i64 = 24 * 3600;

fn duration(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

fn whole_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Ranges keep every number far inside an `i32`; negative ones are checked by the reader.
fn narrow(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
}

/// A text of the manual, for `mainsd check --explain`, the man page and the example configuration; the tests make the
/// latter two from this table. A build without the feature `check` has none.
const fn said(text: &'static str) -> &'static str {
    if cfg!(any(feature = "check", test)) { text } else { "" }
}

/// What the entries of the table do not say.
const BASE: Directive = Directive {
    name: "",
    aliases: &[],
    kind: Kind::Switch { get: |_| false, put: |_, _| {} },
    default: "",
    zero: "",
    blank: "(not set)",
    shipped: None,
    idle: Idle { with: |_| false, because: "" },
    reload: Reload::InPlace,
    doc: "",
    why: "",
    compat: "",
    example: "",
};
