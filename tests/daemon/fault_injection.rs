//! Faults injected into the real program while outages happen to its simulated UPS: no shutdown may be missed, and none
//! may be a false one.
//!
//! Each seed picks a story and a fault and all that is random in them. `cargo test` plays a few; `tests/ci/fault_injection.rs` plays
//! every story under every fault. `MAINSD_FAULT_RUNS=n` plays seeds 0 to n - 1, `MAINSD_FAULT_SEED=n` that one, both so many from that
//! one on, `MAINSD_FAULT_TITLE=words` of these those of whose story and fault the words are a part, `MAINSD_FAULT_JOBS=n` so many at a time.

use crate::support::MAIN;
use crate::support::faults::fault::{FAULTS, Fault};
use crate::support::faults::judge::judge;
use crate::support::faults::plan::Plan;
use crate::support::faults::play_seeds;
use crate::support::faults::record::{Record, Return, Seen};
use crate::support::faults::story::KINDS;

/// Seeds that `cargo test` plays: each fault once, and each story.
const FEW: u64 = FAULTS.len() as u64;

#[test]
fn no_shutdown_is_missed_and_none_is_false_whatever_breaks() {
    play_seeds(FEW);
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
        hooks: vec![
            seen(plan.story.off, "powerout harness 1 0"),
            seen(plan.story.off + 1.0, "onbattery harness 1 0"),
            seen(limit + 0.1, "doshutdown harness 1 0"),
        ],
        log: vec![
            seen(plan.story.off, "Power failure."),
            seen(plan.story.off + 1.0, "Running on UPS batteries."),
            seen(limit, "Initiating system shutdown!"),
            seen(limit, "Shutdown because TIMEOUT is over; on battery for 9 s; and so on."),
        ],
        ..Record::default()
    };
    (plan, record)
}

type Spoil = fn(&mut Plan, &mut Record);

/// Each of these ways to fail is found in a run that was good before.
fn each_is_found(good: impl Fn() -> (Plan, Record), fault: Fault, table: &[(&str, Spoil)]) {
    let (plan, record) = good();
    assert_eq!(judge(&plan.story, fault, &record).wrong, [""; 0]);
    for (words, spoil) in table {
        let (mut plan, mut record) = good();
        spoil(&mut plan, &mut record);
        let wrong = judge(&plan.story, fault, &record).wrong;
        assert!(wrong.iter().any(|line| line.contains(words)), "{words}: {wrong:?}");
    }
}

#[test]
fn the_judge_accepts_a_good_run_and_finds_each_way_to_fail() {
    let table: [(&str, Spoil); 12] = [
        ("MISSED", |_, record| record.hooks.clear()),
        ("MISSED", |plan, record| record.hooks[2].at = plan.story.limit.unwrap() + 1000.0),
        ("before the limit", |plan, record| record.hooks[2].at = plan.story.limit.unwrap() - 0.1),
        ("none was called for", |plan, _| plan.story.limit = None),
        ("2 doshutdown hooks", |_, record| record.hooks.push(record.hooks[2].clone())),
        ("no line explains", |_, record| drop(record.log.pop())),
        ("not paired", |_, record| record.log.push(record.log[0].clone())),
        ("no powerout", |_, record| drop(record.log.remove(0))),
        ("a false mainsback", |plan, record| {
            plan.story.announced = false;
            record.log.push(seen(1.0, "Power is back. UPS running on mains."));
        }),
        ("is taken over", |plan, record| {
            plan.story.announced = false;
            record
                .log
                .push(seen(1.0, "On battery for 5 s already when this daemon started: that time counts."));
        }),
        ("without a word", |plan, record| {
            record.log.remove(2);
            record.done.push(seen(plan.story.off + 1.0, "SIGTERM"));
        }),
        ("ended by itself", |_, record| {
            record.log.push(seen(1.0, "The main process (4) was ended by signal 6"));
        }),
    ];
    each_is_found(good_run, Fault::Nothing, &table);
}

/// The same, and the main process was stopped soon after the outage began, and another one killed after it had decided.
fn good_run_of_three() -> (Plan, Record) {
    let (plan, mut record) = good_run();
    let (off, limit) = (plan.story.off, plan.story.limit.unwrap());
    record.deaths = vec![off + 1.5, limit + 0.2];
    record.hangs = 1;
    record.returns = [1.1, 0.1].map(|took| Return { role: MAIN, took, is_late: false }).to_vec();
    let again = record.log[2..].to_vec();
    record.log.extend(again);
    record.log.push(seen(off + 2.6, "The main process (4) was stopped for 1 s and was killed"));
    record.log.push(seen(limit + 0.3, "The main process (5) was ended by signal 9"));
    (plan, record)
}

#[test]
fn the_judge_accepts_a_good_run_of_three_main_processes_and_finds_each_way_to_fail() {
    let table: [(&str, Spoil); 9] = [
        ("2 doshutdown hooks", |_, record| record.hooks.push(record.hooks[2].clone())),
        ("6 decisions", |_, record| record.log.extend(vec![record.log[2].clone(); 4])),
        ("was back after", |_, record| record.returns[1].is_late = true),
        ("not counted on", |_, record| record.hooks[2].at += 18.0),
        ("but not for what was started since", |_, record| {
            record.log[3].text =
                "Shutdown because TIMEOUT is over; on battery for 0 s; and so on.".to_owned();
        }),
        ("1 powerout hooks for 2", |plan, record| {
            record.log.insert(1, seen(plan.story.off + 2.0, "Power failure."))
        }),
        ("0 onbattery hooks for 1", |_, record| drop(record.hooks.remove(1))),
        ("ended by itself", |_, record| record.hangs = 0),
        ("ended by itself", |_, record| {
            record
                .log
                .push(seen(1.0, "The main process (6) says what this program never says and was killed"));
        }),
    ];
    each_is_found(good_run_of_three, Fault::MainDies, &table);
}

#[test]
fn a_hook_that_does_not_work_is_no_shutdown() {
    let (plan, record) = good_run();
    assert!(judge(&plan.story, Fault::HooksHang, &record).missed);
}
