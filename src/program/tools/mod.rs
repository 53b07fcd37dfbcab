//! Programs for a person beside the daemon, one row and one module each. A build without the feature `tools` has none of them.

use std::ffi::OsString;
use std::process::ExitCode;

#[cfg(feature = "tools")]
pub mod ctl;
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
    Tool { word: "probe", main: probe::main, usage: probe::usage },
];
#[cfg(not(feature = "tools"))]
const TOOLS: &[Tool] = &[];

/// The words of those that a build without the feature lacks.
#[cfg(not(feature = "tools"))]
const LACKED: &[&str] = &["ctl", "probe"];
#[cfg(feature = "tools")]
const LACKED: &[&str] = &[];

/// The one of this word.
pub(super) fn named(word: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.word == word)
}

/// Why there is none of this word, where another build has it.
pub(super) fn lacked(word: &str) -> Option<String> {
    LACKED.contains(&word).then(|| format!("this build of mainsd has no '{word}' (feature 'tools')"))
}

/// The words of all of them.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().map(|tool| tool.word)
}
