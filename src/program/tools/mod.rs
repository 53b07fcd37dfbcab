//! Programs for a person beside the daemon, one row and one module each. A build without the feature `tools` has none of them.

use std::ffi::OsString;
use std::process::ExitCode;

#[cfg(feature = "tools")]
pub mod apctest;
#[cfg(feature = "tools")]
pub mod ctl;
#[cfg(feature = "tools")]
pub mod doctor;
#[cfg(all(feature = "tools", feature = "test"))]
pub mod drill;
#[cfg(feature = "tools")]
pub mod probe;

/// A program that a first argument names.
pub(super) struct Tool {
    /// The first argument.
    pub word: &'static str,
    /// Runs it; the arguments follow the word.
    pub main: fn(Vec<OsString>) -> ExitCode,
    /// Its help text.
    pub usage: fn() -> String,
}

/// All of them.
#[cfg(feature = "tools")]
const TOOLS: &[Tool] = &[
    Tool { word: "ctl", main: ctl::main, usage: ctl::usage },
    Tool { word: "apctest", main: apctest::main, usage: apctest::usage },
    Tool { word: "doctor", main: doctor::main, usage: doctor::usage },
    #[cfg(feature = "test")]
    Tool { word: "drill", main: drill::main, usage: drill::usage },
    Tool { word: "probe", main: probe::main, usage: probe::usage },
];
#[cfg(not(feature = "tools"))]
const TOOLS: &[Tool] = &[];

/// All that there can be, with the feature that each needs last.
const POSSIBLE: &[(&str, &str)] = &[
    ("ctl", "tools"),
    ("apctest", "tools"),
    ("doctor", "tools"),
    ("drill", DRILL_NEEDS),
    ("probe", "tools"),
];
const DRILL_NEEDS: &str = if cfg!(feature = "tools") { "test" } else { "tools" };
/// The one of this word.
pub(super) fn named(word: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.word == word)
}

/// Why [`named`] has found none of this word, where another build has it.
pub(super) fn lacked(word: &str) -> Option<String> {
    let (_, feature) = POSSIBLE.iter().find(|(possible, _)| *possible == word)?;
    Some(format!("this build of mainsd has no '{word}' (feature '{feature}')"))
}

/// The words of all of them.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().map(|tool| tool.word)
}
