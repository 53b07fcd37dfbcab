//! `mainsd demo` in a build without the simulated UPS.

use std::ffi::OsString;
use std::process::ExitCode;

use super::out::complain;

const WORDS: &str = "this build of mainsd has no simulated UPS (feature 'test'), so no demonstration";

/// Runs the program: says why it does not.
#[must_use]
pub fn main(_: Vec<OsString>) -> ExitCode {
    complain(&format!("mainsd demo: {WORDS}"));
    ExitCode::FAILURE
}

/// For `mainsd help demo`.
#[must_use]
pub fn usage() -> String {
    format!("{WORDS}\n")
}
