//! Any bytes as a life of the power machine; what must hold is checked after each step.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/support/power_steps.rs"]
mod power_steps;

fuzz_target!(|bytes: &[u8]| {
    power_steps::run(bytes, Instant::now() + Duration::from_secs(1_000_000));
});
