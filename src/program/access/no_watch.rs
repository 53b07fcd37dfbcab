//! `--watch` in a build without it.

use std::process::ExitCode;

use super::{Target, Voice};

/// Says why there is none.
pub(super) fn run(voice: Voice, _: bool, _: Target) -> ExitCode {
    voice.complain("this build of mainsd has no '--watch' (feature 'tools')");
    ExitCode::FAILURE
}
