//! The device files in `tests/devices`, for the tests that walk them.
#![allow(dead_code)]

pub mod device;
pub mod names;
