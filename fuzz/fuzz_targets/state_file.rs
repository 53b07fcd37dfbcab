//! What lies in the state file or a lock file may be anything.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mainsd::journal::{BootClock, emit_state, parse_lock, parse_state};

const BOOT: &str = "2d0ef0c5-6a0f-4c30-8f6e-0f0a4a6f2a0c";

fuzz_target!(|bytes: &[u8]| {
    assert!(parse_lock(bytes).is_none_or(|pid| pid > 0));
    let clock = BootClock { now: Instant::now(), uptime: Duration::from_secs(1_000_000) };
    if let Some(saved) = parse_state(bytes, BOOT, clock) {
        assert!(saved.on_battery_since.is_none_or(|since| since <= clock.now));
        assert_eq!(parse_state(emit_state(&saved, BOOT, clock).as_bytes(), BOOT, clock), Some(saved));
    }
});
