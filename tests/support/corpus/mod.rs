//! The device files in `tests/devices`, for the tests that walk them.
#![allow(dead_code, clippy::disallowed_methods, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod believed;
pub mod device;
pub mod fake;
pub mod names;
