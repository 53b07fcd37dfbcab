//! The status text of every device in `tests/devices`, as `apcaccess` shows it, against `tests/devices/expected` and against
//! what is known to be true of it.
//!
//! A new device file needs a new expected file: run with `MAINSD_BLESS=1`, which writes it, then compare every line
//! of it with the values in the device file before committing it.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use crate::support::corpus::device::{Device, Truth, devices, folder};
use crate::support::corpus::fake::{Bench, FakeUps};
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

/// A UPS that cannot say where its power comes from guards nobody.
fn tells_its_line(device: &&Device) -> bool {
    !device.is("no-line-state")
}

/// After five minutes on mains.
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
    bench.run(Duration::from_secs(300));
    let Some(identity) = bench.identity().cloned() else {
        panic!("{}: not attached: {}", device.file, bench.losses().join(", "));
    };
    let reading = bench.last_reading();
    let snapshot = Snapshot {
        facts: Facts { start_time: Stamp::new(0, 0), ..Facts::default() },
        ups_name: identity.name.clone(),
        identity,
        values: bench.believed().0.pop().expect("a reading").values,
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
    writeln!(out, "STATFLAG : 0x{:08X}|", reading.status.bits()).expect("memory");
    out
}

#[test]
fn every_device_gives_its_expected_status() {
    let bless = std::env::var_os("MAINSD_BLESS").is_some();
    let mut wrong = String::new();
    for device in devices().iter().filter(tells_its_line) {
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

#[test]
fn every_device_shows_what_is_true_of_it_and_leaves_out_what_cannot_be() {
    let mut wrong = String::new();
    for device in devices().iter().filter(tells_its_line) {
        let status = status_of(device);
        let shown = |key: &str| {
            let mut lines = status.lines().filter_map(|line| line.split_once(':'));
            lines
                .find(|(name, _)| name.trim_end() == key)
                .map(|(_, value)| value.trim_end_matches('|').trim())
        };
        for (key, truth) in &device.true_values {
            let value = shown(key);
            let right = match truth {
                Truth::Text(text) => value == Some(text.as_str()),
                Truth::Number(number) => value
                    .and_then(|value| value.split(' ').next()?.parse::<f64>().ok())
                    .is_some_and(|value| (value - number).abs() < 0.051),
            };
            if !right {
                writeln!(wrong, "{}: {key} is {value:?}, true is {truth:?}", device.file).expect("memory");
            }
        }
        for key in &device.left_out {
            if let Some(value) = shown(key) {
                writeln!(wrong, "{}: {key} is {value:?}, which cannot be", device.file).expect("memory");
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn a_device_that_does_not_say_its_line_state_is_told_as_lost_and_never_attached() {
    for device in devices().iter().filter(|device| !tells_its_line(device)) {
        let mut bench = Bench::new(FakeUps::new(device));
        bench.open();
        bench.run(Duration::from_secs(120));
        assert_eq!(bench.attachments(), 0, "{}", device.file);
        assert!(bench.losses()[0].contains("does not say its line state"), "{:?}", bench.losses());
    }
}
