//! What lies in the state file or a lock file may be anything.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mainsd::journal::{BootClock, SavedState, UpsIdentity, emit_state, parse_lock, parse_state};

const BOOT: &str = "2d0ef0c5-6a0f-4c30-8f6e-0f0a4a6f2a0c";

fuzz_target!(|bytes: &[u8]| {
    assert!(parse_lock(bytes).is_none_or(|pid| pid > 0));
    let clock = BootClock { now: Instant::now(), uptime: Duration::from_secs(1_000_000) };
    if let Some(SavedState { ups, outage }) = parse_state(bytes, BOOT, clock) {
        assert!(outage.on_battery_since.is_none_or(|since| since <= clock.now));
        // Of the first version no UPS is known; what is written has one.
        let ups = ups.unwrap_or_default();
        let text = emit_state(&ups, &outage, BOOT, clock);
        assert_eq!(parse_state(text.as_bytes(), BOOT, clock), Some(SavedState { ups: Some(ups), outage }));
    }
    // Whatever a device calls itself, its state can be read again.
    let (driver, device) = bytes.split_at(bytes.len() / 2);
    let ups = UpsIdentity::new(&String::from_utf8_lossy(driver), &String::from_utf8_lossy(device));
    let text = emit_state(&ups, &Default::default(), BOOT, clock);
    assert_eq!(parse_state(text.as_bytes(), BOOT, clock).and_then(|saved| saved.ups), Some(ups));
});
