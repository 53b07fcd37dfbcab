//! A daemon that was held up: the clock went on, and what the UPS says now nobody knows.

use super::*;

fn decided(b: &mut Bench) -> Vec<String> {
    let words = ["timeout", "shutdown", "command", "offbattery", "mainsback"];
    let mut log = b.happened();
    log.retain(|line| words.iter().any(|word| line.contains(word)));
    log
}

/// The daemon runs again, at this second; nothing has happened in between.
fn goes_on_at(b: &mut Bench, second: f64) {
    b.now = b.instant(second);
    b.machine.handle_timeout(b.now);
    b.drain();
}

#[test]
fn a_limit_that_passed_while_the_daemon_was_held_up_waits_for_a_look_at_the_ups() {
    // A paused virtual machine, a frozen process: the clock went on, mains is back, and nobody has said so yet.
    let mut b = Bench::new(|s| s.timeout = Some(secs(30.0)));
    b.mains_lost();
    b.run_to(10.0);
    b.happened();
    goes_on_at(&mut b, 100.0);
    assert_eq!(decided(&mut b), ["100 command Poll"]);
    b.line_silently(StatusFlags::ONLINE);
    b.poll(Evidence::Poll);
    b.run_to(200.0);
    assert_eq!(decided(&mut b), ["101 offbattery", "101 mainsback"]);
}

#[test]
fn a_limit_that_passed_while_the_daemon_was_held_up_counts_once_the_ups_has_said_that_it_is_so() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(30.0)));
    b.mains_lost();
    b.run_to(10.0);
    goes_on_at(&mut b, 100.0);
    b.happened();
    // This one may have been on its way since before.
    b.poll(Evidence::Poll);
    assert_eq!(decided(&mut b), [""; 0]);
    b.run_to(101.5);
    assert_eq!(decided(&mut b)[..2], ["101 timeout", "101 shutdown Timeout"]);
}

#[test]
fn a_copy_of_what_was_read_before_the_daemon_was_held_up_is_no_look_at_the_ups() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(30.0)));
    b.mains_lost();
    b.run_to(10.0);
    let before = b.reading(Evidence::Poll);
    b.answers = false;
    goes_on_at(&mut b, 100.0);
    b.happened();
    b.now = b.instant(101.0);
    b.feed(&Reading { at: b.now, ..before });
    b.run_to(102.5);
    assert_eq!(decided(&mut b), [""; 0]);
    b.run_to(104.0);
    assert_eq!(decided(&mut b)[..2], ["103 timeout", "103 shutdown Timeout"]);
}

#[test]
fn a_limit_that_passed_while_the_daemon_was_held_up_waits_three_seconds_for_a_ups_that_says_nothing() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(30.0)));
    b.mains_lost();
    b.run_to(10.0);
    b.answers = false;
    goes_on_at(&mut b, 100.0);
    b.happened();
    b.run_to(104.0);
    assert_eq!(decided(&mut b)[..2], ["103 timeout", "103 shutdown Timeout"]);
}

#[test]
fn a_limit_due_right_after_a_resume_waits_for_a_look_at_the_ups() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(30.0)));
    b.mains_lost();
    b.run_to(35.9);
    b.happened();
    b.machine.handle_resume(b.now);
    b.drain();
    b.answers = false;
    b.run_to(38.0);
    assert_eq!(decided(&mut b), ["35 command Poll"]);
    b.run_to(40.0);
    assert_eq!(decided(&mut b)[..2], ["38 timeout", "38 shutdown Timeout"]);
}

#[test]
fn a_daemon_that_is_held_up_again_and_again_shuts_down_all_the_same() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(30.0)));
    b.mains_lost();
    b.run_to(10.0);
    b.happened();
    for second in [100.0, 200.0] {
        goes_on_at(&mut b, second);
    }
    assert_eq!(decided(&mut b)[..2], ["100 command Poll", "200 timeout"]);
}

#[test]
fn ups_power_is_not_told_off_by_a_daemon_that_was_held_up_before_it_has_looked() {
    let mut b = Bench::new(|s| {
        s.timeout = Some(secs(30.0));
        s.kill_delay = Some(secs(20.0));
    });
    b.mains_lost();
    b.run_to(40.0);
    b.happened();
    goes_on_at(&mut b, 100.0);
    assert_eq!(decided(&mut b), ["100 command Poll"]);
    b.line_silently(StatusFlags::ONLINE);
    b.poll(Evidence::Poll);
    b.run_to(110.0);
    assert_eq!(decided(&mut b), ["101 offbattery", "101 mainsback"]);
}
