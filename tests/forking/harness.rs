//! The harness of this program and of `ci` itself, on a few tests that only it runs.

use std::process::{Command, Stdio};

use crate::support::runner::{self, Group, Needs, Options, Role, prepared, tests};
use crate::support::{Scratch, free_port};

pub const TESTS: Group = Group {
    tests: tests![
        every_test_runs_in_a_process_of_its_own_and_a_failure_is_told_with_its_words,
        filters_choose_tests_as_with_the_usual_harness,
        what_a_test_prints_is_shown_when_it_fails_or_when_asked_for,
        what_needs_ci_is_skipped_with_its_reason_and_runs_in_ci,
        what_ci_has_no_time_for_runs_in_ci_where_it_is_asked_for,
        what_a_machine_does_not_have_is_skipped_and_fails_in_ci,
        what_all_tests_of_a_group_need_is_made_once,
        two_long_groups_run_side_by_side,
        what_a_group_needs_built_is_built_beside_the_tests_of_others,
        a_command_line_that_is_not_understood_is_a_failure,
        many_ports_are_few_descriptors,
    ],
    ..Group::new(module_path!())
};

pub const ROLE: Role = ("harness", |args| runner::run(&SAMPLES, args, &["--role", ROLE.0]));
pub const LONG_ROLE: Role =
    ("long-harness", |args| runner::run(&LONG_SAMPLES, args, &["--role", LONG_ROLE.0]));

pub const BUILD_ROLE: Role =
    ("building-harness", |args| runner::run(&BUILD_SAMPLES, args, &["--role", BUILD_ROLE.0]));

/// What the harness is tried on.
const SAMPLES: [Group; 5] = [
    Group { tests: tests![is_alone, is_alone_too, fails], ..Group::new("program::plain") },
    Group { needs: Needs::Ci("the moon"), tests: tests![is_alone], ..Group::new("program::moon") },
    Group {
        needs: Needs::Asked("MAINSD_TEST_ASKED", "a year"),
        tests: tests![is_alone],
        ..Group::new("program::year")
    },
    Group {
        needs: Needs::Machine("a second sun", || false),
        tests: tests![is_alone],
        ..Group::new("program::sun")
    },
    Group {
        apart: Some(1),
        prepare: Some(|names| format!("{} for {}", std::process::id(), names.join(" "))),
        tests: tests![has_what_was_made, has_what_was_made_too],
        ..Group::new("program::prepared")
    },
];

/// Two that take long, and one after them.
const LONG_SAMPLES: [Group; 3] = [
    Group { tests: tests![meets_the_other], long: true, ..Group::new("program::long") },
    Group { tests: tests![meets_the_other], long: true, ..Group::new("program::long_too") },
    Group { tests: tests![is_alone], long: true, ..Group::new("program::long_last") },
];

/// Of two that need something built, the first is built beside another's test, and for the second it fails.
const BUILD_SAMPLES: [Group; 3] = [
    Group { tests: tests![meets_the_other], ..Group::new("program::plain") },
    Group {
        tests: tests![has_met],
        long: true,
        build: Some(|_| {
            assert_eq!(rustix::process::getpriority_process(None).unwrap(), 19);
            meets_the_other();
        }),
        ..Group::new("program::built")
    },
    Group {
        tests: tests![is_alone],
        long: true,
        build: Some(|names| panic!("no {}", names.join(" "))),
        ..Group::new("program::broken")
    },
];

/// The folder in which they meet.
const MEETING: &str = "MAINSD_TEST_MEETING";

/// Passes when the same test of another group runs at the same time: each end of the pipe waits for the other to be opened.
fn meets_the_other() {
    let folder = std::path::PathBuf::from(std::env::var_os(MEETING).unwrap());
    let pipe = folder.join("pipe");
    // The first one here reads.
    match std::fs::create_dir(folder.join("first")) {
        Ok(()) => assert_eq!(std::fs::read(pipe).unwrap(), b"met"),
        Err(_) => std::fs::write(pipe, "met").unwrap(),
    }
}

/// Passes once the pipe was written to.
fn has_met() {
    let folder = std::path::PathBuf::from(std::env::var_os(MEETING).unwrap());
    assert!(folder.join("first").exists());
}

fn is_alone() {
    println!("said by is_alone");
    let threads = std::fs::read_dir("/proc/self/task").unwrap().count();
    assert_eq!(threads, 1, "a test may fork");
}

fn is_alone_too() {
    is_alone();
}

fn fails() {
    eprintln!("said before the end");
    panic!("on purpose");
}

fn has_what_was_made() {
    let parent = std::os::unix::process::parent_id();
    assert_eq!(prepared(), format!("{parent} for has_what_was_made has_what_was_made_too"));
}

fn has_what_was_made_too() {
    has_what_was_made();
}

/// Exit status and output of the harness with these arguments.
fn harness(args: &[&str], in_ci: bool) -> (Option<i32>, String) {
    asked(args, in_ci, false)
}

/// The same, `asked` for what CI has no time for.
fn asked(args: &[&str], in_ci: bool, asked: bool) -> (Option<i32>, String) {
    let mut command: Command = runner::role(ROLE.0);
    let set = |is_set: bool| if is_set { "1" } else { "0" };
    command.args(args).env("MAINSD_CI", set(in_ci)).env("MAINSD_TEST_ASKED", set(asked)).stdin(Stdio::null());
    let done = command.output().unwrap();
    let text = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8(text).unwrap())
}

fn every_test_runs_in_a_process_of_its_own_and_a_failure_is_told_with_its_words() {
    let (code, text) = harness(&["plain::"], false);
    assert_eq!(code, Some(101), "{text}");
    for line in ["test plain::is_alone ... ok\n", "test plain::fails ... FAILED\n", "\n    plain::fails\n"] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    assert!(text.contains("---- plain::fails ----\nsaid before the end\n"), "{text}");
    assert!(text.contains("on purpose"), "{text}");
    assert!(text.contains("test result: FAILED. 2 passed; 1 failed; 0 skipped; 5 filtered out;"), "{text}");
}

fn filters_choose_tests_as_with_the_usual_harness() {
    let ran = |args: &[&str]| {
        let (code, text) = harness(&[args, &["--list"]].concat(), false);
        assert_eq!(code, Some(0), "{text}");
        text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(ran(&[]).len(), 8);
    assert_eq!(ran(&["too"]), ["plain::is_alone_too", "prepared::has_what_was_made_too"]);
    assert_eq!(ran(&["moon", "sun"]), ["moon::is_alone", "sun::is_alone"]);
    assert_eq!(ran(&["plain::is_alone", "--exact"]), ["plain::is_alone"]);
    assert_eq!(ran(&["is_alone", "--exact"]), [""; 0]);
    assert_eq!(ran(&["plain::", "--skip", "fails", "--skip=too"]), ["plain::is_alone"]);
    assert_eq!(ran(&["--ignored"]), [""; 0]);
    let (code, text) = harness(&["nothing_has_this_name"], false);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("ok. 0 passed; 0 failed; 0 skipped; 8 filtered out;"), "{text}");
}

fn what_a_test_prints_is_shown_when_it_fails_or_when_asked_for() {
    let (_, quiet) = harness(&["plain::is_alone"], false);
    assert!(!quiet.contains("said by is_alone"), "{quiet}");
    let (code, shown) = harness(&["plain::is_alone", "--nocapture", "--test-threads=1"], false);
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(shown.matches("said by is_alone\n").count(), 2, "{shown}");
    let (_, quiet) = harness(&["plain::is_alone", "-q"], false);
    assert!(!quiet.contains("test plain"), "{quiet}");
    assert!(quiet.contains("ok. 2 passed;"), "{quiet}");
}

fn what_needs_ci_is_skipped_with_its_reason_and_runs_in_ci() {
    let (code, text) = harness(&["moon"], false);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("test moon::is_alone ... skipped: needs the moon; MAINSD_CI=1 runs it\n"),
        "{text}"
    );
    assert!(text.contains("ok. 0 passed; 0 failed; 1 skipped; 7 filtered out;"), "{text}");
    let (code, text) = harness(&["moon"], true);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("test moon::is_alone ... ok\n"), "{text}");
}

fn what_ci_has_no_time_for_runs_in_ci_where_it_is_asked_for() {
    for (in_ci, is_asked) in [(true, false), (false, true)] {
        let (code, text) = asked(&["year"], in_ci, is_asked);
        assert_eq!(code, Some(0), "{text}");
        let line = "year::is_alone ... skipped: needs a year; MAINSD_CI=1 MAINSD_TEST_ASKED=1 runs it\n";
        assert!(text.contains(line), "{text}");
    }
    let (code, text) = asked(&["year"], true, true);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("test year::is_alone ... ok\n"), "{text}");
}

fn what_a_machine_does_not_have_is_skipped_and_fails_in_ci() {
    let (code, text) = harness(&["sun"], false);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("test sun::is_alone ... skipped: needs a second sun"), "{text}");
    let (code, text) = harness(&["sun"], true);
    assert_eq!(code, Some(101), "{text}");
    assert!(text.contains("---- sun::is_alone ----\nneeds a second sun\n"), "{text}");
}

fn what_all_tests_of_a_group_need_is_made_once() {
    let (code, text) = harness(&["prepared"], false);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("ok. 2 passed;"), "{text}");
}

/// Exit status and output of the harness in this role, with tests that would wait for ever without each other.
fn meeting(role: &str) -> (Option<i32>, String) {
    let scratch = Scratch::new();
    let made = Command::new("mkfifo").arg(scratch.path().join("pipe")).status().unwrap();
    assert!(made.success());
    let done = Command::new("timeout")
        .arg("60")
        .arg(std::env::current_exe().unwrap())
        .args(["--role", role, "--test-threads", "4"])
        .env(MEETING, scratch.path())
        .output()
        .unwrap();
    (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned())
}

fn two_long_groups_run_side_by_side() {
    let (code, text) = meeting(LONG_ROLE.0);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("ok. 3 passed;"), "{text}");
}

fn what_a_group_needs_built_is_built_beside_the_tests_of_others() {
    let (code, text) = meeting(BUILD_ROLE.0);
    assert_eq!(code, Some(101), "{text}");
    for line in ["test plain::meets_the_other ... ok\n", "test built::has_met ... ok\n"] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    assert!(text.contains("---- broken::is_alone ----\nwhat it needs failed: no is_alone\n"), "{text}");
}

fn a_command_line_that_is_not_understood_is_a_failure() {
    for args in [&["--frobnicate"][..], &["--skip"], &["--test-threads", "0"], &["--test-threads=many"]] {
        let (code, text) = harness(args, false);
        assert_eq!(code, Some(101), "{args:?}: {text}");
        assert!(text.starts_with("error: ") && text.lines().count() == 1, "{args:?}: {text}");
    }
    let words = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
    assert!(Options::parse(&words(&["-q"]), Some("none")).is_err());
    assert_eq!(Options::parse(&[], Some("7")), Options::parse(&words(&["--test-threads", "7"]), None));
    let (code, text) = harness(&["--help"], false);
    assert_eq!(code, Some(0));
    assert!(text.contains("--skip FILTER"), "{text}");
}

/// A program of hundreds of tests asks for more ports than most systems let a process have files.
fn many_ports_are_few_descriptors() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    let mut ports: Vec<u16> = (0..500).map(|_| free_port()).collect();
    assert!(descriptors() <= before + 20, "{before} before, {} after", descriptors());
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 500, "each is given away once");
}
