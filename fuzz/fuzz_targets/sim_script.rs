//! Any bytes as the script of a simulated UPS, played for as many deadlines as come.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mainsd::link::{Link, LinkEvent};
use mainsd::link::simulated::{Script, Simulated};
use mainsd::ups::Command;

const COMMANDS: [Command; 6] = [
    Command::Poll,
    Command::KillPower,
    Command::PowerOff,
    Command::SelfTest,
    Command::Calibrate,
    Command::AbortTest,
];

fuzz_target!(|bytes: &[u8]| {
    let Ok(script) = Script::parse(&String::from_utf8_lossy(bytes)) else { return };
    let start = Instant::now();
    let mut link = Simulated::new(script, Duration::from_secs(60), start);
    let mut now = start;
    for turn in 0..200 {
        link.handle_timeout(now);
        while let Some(event) = link.poll_event() {
            let LinkEvent::Reading(reading) = event else { continue };
            let charge = reading.values.battery_charge.expect("is always reported").0;
            assert!((0.0..=100.0).contains(&charge));
            let runtime = reading.values.runtime_left.expect("is always reported").0;
            assert!(runtime.is_finite() && runtime >= 0.0);
        }
        if let Some(command) = COMMANDS.get(turn / 7).filter(|_| turn % 7 == 0) {
            link.command(*command, now);
        }
        now = link.poll_timeout().map_or(now, |at| at.max(now));
    }
});
