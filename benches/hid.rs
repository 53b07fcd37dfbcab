//! How long a report descriptor takes to parse and a poll's reports to decode, for each recorded device: `cargo bench --bench hid`.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark of files that the tests hold")]

#[path = "../tests/support/corpus/mod.rs"]
mod corpus;

use std::hint::black_box;
use std::time::{Duration, Instant};

use mainsd::wire::hid::{ReportDescriptor, ReportKind};

/// Microseconds that one turn of `work` takes: the best of ten rounds, so that other programs count little.
fn measure(mut work: impl FnMut()) -> f64 {
    let turns = 500;
    let round = |_| {
        let start = Instant::now();
        (0..turns).for_each(|_| work());
        start.elapsed() / turns
    };
    (0..10).map(round).min().unwrap_or(Duration::ZERO).as_secs_f64() * 1e6
}

fn main() {
    println!("{:<34} {:>6} {:>12} {:>9} {:>16}", "device", "bytes", "parse", "reports", "decode them all");
    for device in corpus::device::devices() {
        let parse = measure(|| {
            let _ = black_box(ReportDescriptor::parse(black_box(&device.descriptor)));
        });
        let descriptor = ReportDescriptor::parse(&device.descriptor).expect("the tests hold that it parses");
        let features: Vec<_> =
            descriptor.fields().iter().filter(|field| field.kind == ReportKind::Feature).collect();
        let decode = measure(|| {
            for field in &features {
                if let Some(report) = device.feature_reports.get(&field.report_id) {
                    black_box(field.physical(black_box(report)));
                }
            }
        });
        println!(
            "{:<34} {:>6} {parse:>9.1} µs {:>9} {decode:>13.2} µs",
            device.file,
            device.descriptor.len(),
            device.feature_reports.len()
        );
    }
}
