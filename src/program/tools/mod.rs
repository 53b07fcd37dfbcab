//! Programs for a person beside the daemon, one row and one module each. A build without the feature `tools` has none of them.

use std::ffi::OsString;
use std::process::ExitCode;

#[cfg(feature = "tools")]
pub mod ctl;
#[cfg(all(feature = "tools", feature = "test"))]
pub mod drill;

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
    #[cfg(feature = "test")]
    Tool { word: "drill", main: drill::main, usage: drill::usage },
];
#[cfg(not(feature = "tools"))]
const TOOLS: &[Tool] = &[];

/// The words of those that a build without the features lacks, with the feature.
#[cfg(not(feature = "tools"))]
const LACKED: &[(&str, &str)] = &[("ctl", "tools"), ("drill", "tools")];
#[cfg(all(feature = "tools", not(feature = "test")))]
const LACKED: &[(&str, &str)] = &[("drill", "test")];
#[cfg(all(feature = "tools", feature = "test"))]
const LACKED: &[(&str, &str)] = &[];

/// The one of this word.
pub(super) fn named(word: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.word == word)
}

/// Why there is none of this word, where another build has it.
pub(super) fn lacked(word: &str) -> Option<String> {
    let (_, feature) = LACKED.iter().find(|(lacked, _)| *lacked == word)?;
    Some(format!("this build of mainsd has no '{word}' (feature '{feature}')"))
}

/// The words of all of them.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().map(|tool| tool.word)
}
