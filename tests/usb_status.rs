//! The status text of every device in `tests/devices`, as `apcaccess` shows it, against `tests/devices/expected`.
//!
//! A new device file needs a new expected file: run with `MAINSD_BLESS=1`, which writes it, then compare every line
//! of it with the values in the device file before committing it.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

mod corpus;

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use corpus::device::{Device, devices, folder};
use corpus::fake::{Bench, FakeUps};
use mainsd::report::{Facts, Snapshot, Stamp, text};

/// What the daemon adds of its own is left out: these keys say nothing about a device.
const OF_THE_DAEMON: [&str; 20] = [
    "APC",
    "DATE",
    "HOSTNAME",
    "VERSION",
    "CABLE",
    "DRIVER",
    "UPSMODE",
    "STARTTIME",
    "SHARE",
    "MBATTCHG",
    "MINTIMEL",
    "MAXTIME",
    "NUMXFERS",
    "XONBATT",
    "TONBATT",
    "CUMONBATT",
    "XOFFBATT",
    "LASTSTEST",
    "STATFLAG",
    "END APC",
];

fn status_of(device: &Device) -> String {
    let mut ups = FakeUps::new(device);
    if device.input_reports.is_empty() {
        ups.add_line_state();
    }
    let mut bench = Bench::new(ups);
    bench.open();
    bench.run(Duration::from_secs(5));
    // One that answers no read may speak by itself.
    if let Some(report) = device.input_reports.first().filter(|_| bench.identity().is_none()) {
        bench.interrupt(report);
        bench.run(Duration::from_secs(1));
        bench.interrupt(report);
    }
    bench.run(Duration::from_secs(20));
    let Some(identity) = bench.identity().cloned() else {
        panic!("{}: not attached: {}", device.file, bench.losses().join(", "));
    };
    let reading = bench.last_reading();
    let snapshot = Snapshot {
        facts: Facts { start_time: Stamp::new(0, 0), ..Facts::default() },
        ups_name: identity.name.clone(),
        identity,
        values: reading.values.clone(),
        flags: reading.status,
        now: Stamp::new(0, 0),
        ..Snapshot::default()
    };
    let mut out = String::new();
    for line in text(&snapshot).lines() {
        let key = line.split(':').next().unwrap_or_default().trim_end();
        if !OF_THE_DAEMON.contains(&key) {
            // A marker at the end shows trailing blanks.
            writeln!(out, "{line}|").expect("memory");
        }
    }
    writeln!(out, "STATFLAG : 0x{:08X}|", reading.status.0).expect("memory");
    out
}

#[test]
fn every_device_gives_its_expected_status() {
    let bless = std::env::var_os("MAINSD_BLESS").is_some();
    let mut wrong = String::new();
    for device in devices() {
        let file = folder().join("expected").join(format!("{}.txt", device.file));
        let status = status_of(device);
        match fs::read_to_string(&file) {
            Ok(expected) if expected == status => {}
            _ if bless => fs::write(&file, &status).expect("the expected file can be written"),
            Ok(expected) => {
                writeln!(wrong, "{}:\n--- expected\n{expected}--- now\n{status}", device.file)
                    .expect("memory");
            }
            Err(_) => {
                writeln!(
                    wrong,
                    "{0}: there is no tests/devices/expected/{0}.txt. Run this test with MAINSD_BLESS=1, which \
                     writes it, and compare each of its lines with {0}.toml. Now it would be:\n{status}",
                    device.file
                )
                .expect("memory");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
