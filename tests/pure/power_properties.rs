//! Random lives of the power machine: nothing that must hold is ever broken (issue "never a false shutdown", (a) to (f)).
//!
//! `MAINSD_POWER_STEPS=5000000 cargo test --release --test pure power_properties::` for a long run; `MAINSD_POWER_SEED` to
//! repeat one.

use std::time::Instant;

use crate::support::power_steps::{Summary, run};
use crate::support::random::{Random, number};
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

#[test]
fn hundreds_of_thousands_of_steps_break_nothing() {
    let wanted = number("MAINSD_POWER_STEPS").unwrap_or(100_000);
    let first = number("MAINSD_POWER_SEED").unwrap_or(1);
    let mut sum = Summary::default();
    let mut seed = first;
    while sum.steps < wanted {
        let mut random = Random::new(seed);
        let length = 20 + random.next() % 300;
        let bytes = random.bytes(length);
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
        sum.foreign += life.foreign;
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
        // One in 256 steps asks for it, and few lives have taken an outage over by then.
        assert!(sum.foreign >= wanted / 60_000, "only {} outages of another UPS", sum.foreign);
    }
}
