//! Tests that need a process of their own: they fork much, or take nearly all files that a process may have; and one that root skips.
#![deny(dead_code, reason = "a test that no list names is never run")]
#![allow(clippy::disallowed_methods, reason = "tests drive real processes by the real clock")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod background;
mod flapping;
mod harness;
mod nis_attack;
mod nis_crowd;
mod ordinary_user;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    support::runner::main(
        &[
            background::TESTS,
            flapping::TESTS,
            harness::TESTS,
            nis_crowd::TESTS,
            nis_attack::TESTS,
            ordinary_user::TESTS,
        ],
        &[background::ROLE, harness::ROLE, harness::LONG_ROLE, harness::BUILD_ROLE, nis_attack::ROLE],
    )
}
