//! How long a status answer takes to render: `cargo bench --bench status`.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use mainsd::report::{Facts, Renderer, Snapshot, Stamp};
use mainsd::server::nis::Cache;
use mainsd::ups::{
    Celsius, Hertz, Identity, Minutes, Percent, SelfTestResult, StatusFlags, TransferCause, Values,
};
use mainsd::ups::{Volts, Watts};

/// A Back-UPS on USB: the most common case.
fn snapshot() -> Snapshot {
    Snapshot {
        facts: Facts {
            hostname: "upshost".into(),
            version: "0.1.0 (21 November 2026) mainsd".into(),
            cable: "USB Cable".into(),
            driver: "USB UPS Driver".into(),
            class: "Stand Alone".into(),
            start_time: Stamp::new(1_795_230_000, 3600),
            battery_level: 5,
            minutes: 3,
            ..Facts::default()
        },
        ups_name: Some("rack1".into()),
        polled_at: Some(Stamp::new(1_795_230_590, 3600)),
        identity: Identity {
            model: Some("Back-UPS ES 850G2 ".into()),
            firmware: Some("931.a10.D USB FW:a".into()),
            serial: Some("5B2120T12345".into()),
            battery_date: Some("2021-05-20".into()),
            low_transfer: Some(180),
            high_transfer: Some(266),
            nominal_line_voltage: Some(230),
            nominal_battery_voltage: Some(Volts(12.0)),
            nominal_power: Some(Watts(520.0)),
            ..Identity::default()
        },
        values: Values {
            line_voltage: Some(Volts(231.0)),
            load: Some(Percent(17.0)),
            battery_charge: Some(Percent(100.0)),
            runtime_left: Some(Minutes(32.4)),
            output_voltage: Some(Volts(230.0)),
            battery_voltage: Some(Volts(13.5)),
            frequency: Some(Hertz(50.0)),
            temperature: Some(Celsius(29.2)),
            transfer_cause: Some(TransferCause::None),
            self_test: Some(SelfTestResult::Passed),
            ..Values::default()
        },
        flags: StatusFlags::from_bits_retain(0x0500_0008),
        now: Stamp::new(1_795_230_596, 3600),
        ..Snapshot::default()
    }
}

/// Prints how long one turn of `work` takes: the best of ten rounds, so that other programs count little.
fn measure(name: &str, mut work: impl FnMut()) {
    let mut best = Duration::MAX;
    let turns = 20_000;
    for _ in 0..10 {
        let start = Instant::now();
        for _ in 0..turns {
            work();
        }
        best = best.min(start.elapsed() / turns);
    }
    println!("{name:<48} {:>9.3} µs", best.as_secs_f64() * 1e6);
}

fn main() {
    let snapshot = snapshot();
    let mut renderer = Renderer::default();
    measure("render the status as text", || {
        black_box(renderer.text(black_box(&snapshot)));
    });
    let mut cache = Cache::new(snapshot.clone());
    let mut second = 0;
    measure("render and frame, a new second each time", || {
        second += 1;
        black_box(cache.status(Stamp::new(second, 3600), |_| ()));
    });
    let now = Stamp::new(1_795_230_596, 3600);
    measure("the same second again", || {
        black_box(cache.status(black_box(now), |_| ()));
    });
}
