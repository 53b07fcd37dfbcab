//! Seeded runs of the real program: an outage story, a fault, and a judge that knows what must come of them.

pub mod act;
pub mod deaths;
pub mod fault;
pub mod guard;
pub mod judge;
pub mod plan;
pub mod record;
pub mod roles;
pub mod run;
pub mod story;
pub mod table;

use std::sync::Mutex;

use super::random::number;
use plan::Plan;
use run::Outcome;
use table::table;

/// Runs at a time: they wait most of the time.
const AT_A_TIME: u64 = 24;

/// Plays the seeds from 0 to `count` - 1, or those that the environment names, of these those with certain words in their title; fails with
/// the titles of the runs in which something went wrong.
pub fn play_seeds(count: u64) {
    let seeds = match (number("MAINSD_FAULT_SEED"), number("MAINSD_FAULT_RUNS")) {
        (Some(seed), runs) => seed..seed + runs.unwrap_or(1),
        (None, runs) => 0..runs.unwrap_or(count),
    };
    let wanted = std::env::var("MAINSD_FAULT_TITLE").unwrap_or_default();
    // 32-bit MIPS counts no 64 bits at once.
    let left = Mutex::new(seeds.clone());
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..number("MAINSD_FAULT_JOBS").unwrap_or(AT_A_TIME).min(seeds.end - seeds.start) {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some(seed) = next else { return };
                    if !Plan::new(seed).title().contains(&wanted) {
                        continue;
                    }
                    let outcome = play(seed);
                    eprint!("{}", outcome.report);
                    outcomes.lock().unwrap().push(outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    println!("{}", table(&outcomes));
    println!(
        "slowest end after SIGTERM: {:?}",
        outcomes.iter().map(|o| o.slowest_end).max().unwrap_or_default()
    );
    println!(
        "slowest return of a role: {:.1} s",
        outcomes.iter().map(|o| o.slowest_return).fold(0.0, f64::max)
    );
    let failed: Vec<String> =
        outcomes.iter().filter(|o| !o.report.is_empty()).map(Outcome::in_short).collect();
    assert!(failed.is_empty(), "{} of {}; see above:\n{}", failed.len(), outcomes.len(), failed.join("\n"));
}

fn play(seed: u64) -> Outcome {
    let plan = Plan::new(seed);
    let title = plan.title();
    if let Some(missing) = plan.needs() {
        panic!("{title} needs {missing}");
    }
    let played = std::panic::catch_unwind(|| plan.play());
    played.unwrap_or_else(|panic| {
        eprintln!("=== {title}\nthe test itself has panicked; see above");
        std::panic::resume_unwind(panic)
    })
}
