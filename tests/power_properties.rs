//! Random lives of the power machine: nothing that must hold is ever broken (issue "never a false shutdown", (a) to (f)).
//!
//! `MAINSD_POWER_STEPS=5000000 cargo test --release --test power_properties` for a long run; `MAINSD_POWER_SEED` to
//! repeat one.

#[path = "support/power_steps.rs"]
mod power_steps;

use std::time::Instant;

use power_steps::{Summary, run};
use proptest::prelude::*;

#[allow(clippy::disallowed_methods)] // any moment will do; there is no other way to have one
fn start() -> Instant {
    Instant::now() + std::time::Duration::from_secs(1_000_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_life_in_which_nothing_is_broken(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        run(&bytes, start());
    }
}

/// SplitMix64: small, seeded, good enough to choose steps.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[test]
fn hundreds_of_thousands_of_steps_break_nothing() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let wanted = number("MAINSD_POWER_STEPS").unwrap_or(300_000);
    let first = number("MAINSD_POWER_SEED").unwrap_or(1);
    let mut sum = Summary::default();
    let mut seed = first;
    while sum.steps < wanted {
        let mut random = Random(seed);
        let length = 20 + random.next() % 300;
        let bytes: Vec<u8> = (0..length).map(|_| random.next().to_le_bytes()[0]).collect();
        let life = std::panic::catch_unwind(|| run(&bytes, start()));
        let Ok(life) = life else { panic!("MAINSD_POWER_SEED={seed} MAINSD_POWER_STEPS=1 repeats this") };
        sum.steps += life.steps;
        sum.outages += life.outages;
        sum.tests += life.tests;
        sum.shutdowns += life.shutdowns;
        sum.waits += life.waits;
        sum.kills += life.kills;
        sum.comm_failures += life.comm_failures;
        sum.restarts += life.restarts;
        seed += 1;
    }
    println!("seeds {first} to {seed}: {sum:?}");
    // A run in which little happens shows little.
    if wanted >= 100_000 {
        let least = wanted / 3000;
        for (count, what) in [
            (sum.outages, "outages"),
            (sum.tests, "self tests"),
            (sum.shutdowns, "shutdowns"),
            (sum.waits, "shutdowns that waited for slaves"),
            (sum.kills, "kills"),
            (sum.comm_failures, "communication failures"),
            (sum.restarts, "restarts"),
        ] {
            assert!(count >= least, "only {count} {what} in {} steps", sum.steps);
        }
    }
}
