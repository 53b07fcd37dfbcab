//! The black-box harness itself: a test that waits for a line must see it, and must not see what is not there.

use std::time::Duration;

use crate::support::{self, Lines, Scratch, Setup};

#[test]
fn a_line_is_seen_whether_it_comes_before_or_after_the_wait_begins() {
    let lines = Lines::default();
    lines.push("first".to_owned());
    let later = lines.clone();
    let writer = std::thread::spawn(move || later.push("second".to_owned()));
    assert_eq!(lines.wait(0, support::TIMEOUT, |text| text == "first").map(|(number, _)| number), Some(0));
    assert_eq!(lines.wait(1, support::TIMEOUT, |text| text == "second").map(|(number, _)| number), Some(1));
    assert!(lines.wait(1, Duration::from_millis(1), |text| text == "first").is_none());
    writer.join().unwrap();
}

#[test]
fn a_hook_of_the_harness_logs_its_arguments_to_the_fifo() {
    let scratch = Scratch::new();
    support::write_config(&Setup::new("usb"), &scratch, 1);
    let fifo = std::fs::OpenOptions::new().read(true).write(true).open(scratch.path().join("hooks")).unwrap();
    let hooks = Lines::collect(fifo);
    let hook = scratch.path().join("scripts/apccontrol");
    let done = support::run_program(&hook, ["powerout", "harness", "1", "1"]);
    assert!(done.status.success(), "{done:?}");
    assert!(hooks.wait(0, support::TIMEOUT, |text| text == "powerout harness 1 1").is_some());
}
