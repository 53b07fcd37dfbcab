//! Faults injected into the real program while outages happen to its simulated UPS: no shutdown may be missed, and none
//! may be a false one.
//!
//! Each seed picks a story and a fault and all that is random in them. `cargo test` plays a few; `MAINSD_CI=1` plays every
//! story under every fault; `MAINSD_FAULT_RUNS=n` plays seeds 0 to n - 1, `MAINSD_FAULT_SEED=n` that one, both so many from that one on,
//! `MAINSD_FAULT_JOBS=n` so many at a time.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test drives real processes by the real clock and fails by panicking"
)]

mod faults;
mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use faults::fault::{FAULTS, Fault};
use faults::judge::judge;
use faults::record::{Record, Seen};
use faults::run::{Outcome, Plan};
use faults::story::KINDS;
use faults::table::table;

/// Seeds that `cargo test` plays.
const FEW: u64 = 12;
/// Runs at a time: they wait most of the time.
const AT_A_TIME: u64 = 24;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn no_shutdown_is_missed_and_none_is_false_whatever_breaks() {
    let complete = std::env::var_os("MAINSD_CI").is_some_and(|value| value == "1");
    let pairs = (KINDS.len() * FAULTS.len()) as u64;
    let seeds = match (number("MAINSD_FAULT_SEED"), number("MAINSD_FAULT_RUNS")) {
        (Some(seed), runs) => seed..seed + runs.unwrap_or(1),
        (None, Some(runs)) => 0..runs,
        (None, None) => 0..if complete { pairs } else { FEW },
    };
    let next = AtomicU64::new(seeds.start);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..number("MAINSD_FAULT_JOBS").unwrap_or(AT_A_TIME).min(seeds.end - seeds.start) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if let Some(outcome) = play(seed, complete) {
                        eprint!("{}", outcome.report);
                        outcomes.lock().unwrap().push(outcome);
                    }
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
    let failed: Vec<String> =
        outcomes.iter().filter(|o| !o.report.is_empty()).map(|o| o.plan.title()).collect();
    assert!(failed.is_empty(), "{} of {}; see above:\n{}", failed.len(), outcomes.len(), failed.join("\n"));
}

fn play(seed: u64, complete: bool) -> Option<Outcome> {
    let plan = Plan::new(seed);
    if let Some(missing) = plan.needs() {
        assert!(!complete, "{} needs {missing}", plan.title());
        println!("skipped: {} needs {missing}", plan.title());
        return None;
    }
    let title = plan.title();
    let played = std::panic::catch_unwind(|| plan.play());
    Some(played.unwrap_or_else(|panic| {
        eprintln!("=== {title}\nthe test itself has panicked; see above");
        std::panic::resume_unwind(panic)
    }))
}

#[test]
fn as_many_seeds_as_there_are_pairs_play_each_story_under_each_fault() {
    let pairs = KINDS.len() * FAULTS.len();
    let played: std::collections::BTreeSet<_> =
        (0..pairs as u64).map(Plan::new).map(|plan| (plan.story.kind, plan.fault)).collect();
    assert_eq!(played.len(), pairs);
    assert!(pairs >= 200, "{pairs}");
}

fn seen(at: f64, text: &str) -> Seen {
    Seen { at, text: text.to_owned() }
}

/// What a good run of seed 2, an outage to TIMEOUT, leaves behind.
fn good_run() -> (Plan, Record) {
    let plan = Plan::new(2);
    let limit = plan.story.limit.expect("a shutdown is due");
    let record = Record {
        hooks: vec![seen(limit + 0.1, "doshutdown harness 1 0")],
        log: vec![
            seen(plan.story.off, "Power failure."),
            seen(limit, "Initiating system shutdown!"),
            seen(limit, "Shutdown because TIMEOUT is over; on battery for 9 s; and so on."),
        ],
        ..Record::default()
    };
    (plan, record)
}

#[test]
fn the_judge_accepts_a_good_run_and_finds_each_way_to_fail() {
    type Spoil = fn(&mut Plan, &mut Record);
    let table: [(&str, Spoil); 9] = [
        ("MISSED", |_, record| record.hooks.clear()),
        ("MISSED", |plan, record| record.hooks[0].at = plan.story.limit.unwrap() + 1000.0),
        ("before the limit", |plan, record| record.hooks[0].at = plan.story.limit.unwrap() - 0.1),
        ("none was called for", |plan, _| plan.story.limit = None),
        ("2 doshutdown hooks", |_, record| record.hooks.push(record.hooks[0].clone())),
        ("no line explains", |_, record| drop(record.log.pop())),
        ("not paired", |_, record| record.log.push(record.log[0].clone())),
        ("no powerout", |_, record| drop(record.log.remove(0))),
        ("without a word", |plan, record| {
            record.log.remove(1);
            record.done.push(seen(plan.story.off + 1.0, "SIGTERM"));
        }),
    ];
    let (plan, record) = good_run();
    assert_eq!(judge(&plan.story, Fault::Nothing, &record).wrong, [""; 0]);
    for (words, spoil) in table {
        let (mut plan, mut record) = good_run();
        spoil(&mut plan, &mut record);
        let wrong = judge(&plan.story, Fault::Nothing, &record).wrong;
        assert!(wrong.iter().any(|line| line.contains(words)), "{words}: {wrong:?}");
    }
}

#[test]
fn a_hook_that_does_not_work_is_no_shutdown() {
    let (plan, record) = good_run();
    assert!(judge(&plan.story, Fault::HooksHang, &record).missed);
}
