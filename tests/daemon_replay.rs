//! Recorded outages of apcupsd 3.14.14, played again to the real program on a simulated UPS: the same log texts in the
//! same order, the same hooks with the same arguments. Delays are shortened, never the order.
//!
//! Hooks of apcupsd ran at the same time; ours run in the order of their log lines (power-events §10 item 9).

mod support;

use mainsd::ups::Event;
use support::{Capture, Daemon, Setup, play};

/// The harness's delays, or the recorded ones where a scenario depends on their proportion.
fn setup(directives: &[(&str, &str)]) -> Setup {
    let base = Setup::new("test").with("UPSNAME", "simups").with("NOLOGON", "disable");
    let base = base.with("BATTERYLEVEL", "5").with("MINUTES", "3");
    directives.iter().fold(base, |setup, (keyword, value)| setup.with(keyword, value))
}

/// Plays `script`, waits until as many hooks have run as were recorded, and compares.
fn replay(name: &str, directives: &[(&str, &str)], script: &str) {
    let capture = Capture::read(name);
    let daemon = play(script, setup(directives));
    let ran = daemon.hooks().wait_for_count(capture.hooks.len(), support::PATIENCE);
    assert!(ran, "{name}: {} hooks were recorded; {}", capture.hooks.len(), daemon.describe());
    compare(name, &capture, daemon);
}

fn compare(name: &str, capture: &Capture, daemon: Daemon) {
    let ran: Vec<String> = daemon.hooks().since(0).into_iter().map(|line| line.text).collect();
    let log: Vec<String> = daemon.log().into_iter().filter(|text| is_about_power(text)).collect();
    let (end, scratch) = daemon.terminate_keeping();
    assert!(end.status.success(), "{name}: {end:?}");
    assert_eq!(log, capture.log, "{name}: log; the hooks were {ran:?}");

    let in_order: Vec<String> = log.iter().filter_map(|text| hook_of(text)).collect();
    let expected: Vec<String> = in_order.iter().map(|event| format!("{event} simups 1 0")).collect();
    assert_eq!(ran, expected, "{name}: hooks");
    let (mut ours, mut theirs) = (in_order, capture.hooks.clone());
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs, "{name}: hooks that were recorded");
    assert_eq!(scratch.path().join("flags/powerfail").exists(), capture.powerfail, "{name}: powerfail");
}

fn is_about_power(text: &str) -> bool {
    hook_of(text).is_some() || ["User logins prohibited", "Allowing logins"].contains(&text)
}

/// The hook that goes with a log line.
fn hook_of(text: &str) -> Option<String> {
    if text.starts_with("UPS Self Test completed: ") {
        return Some("endselftest".to_owned());
    }
    Event::ALL.iter().find(|event| event.text() == text).map(|event| event.arg().to_owned())
}

/// What is shown, the recording, directives that differ from the harness's, and the script.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

const ROWS: [Row; 22] = [
    (
        "a blip is announced and taken back",
        "short-blip",
        &[("ONBATTERYDELAY", "20")],
        "1 mains off\n3 mains on",
    ),
    (
        "an outage and a blip after it",
        "normal-outage",
        &[("ONBATTERYDELAY", "1")],
        "1 mains off\n4 mains on\n6 mains off\n6.5 mains on",
    ),
    (
        "onbattery follows at once without a delay",
        "onbatterydelay-zero",
        &[("ONBATTERYDELAY", "0")],
        "1 mains off\n3 mains on",
    ),
    ("timeout shuts down", "timeout", &[("ONBATTERYDELAY", "1"), ("TIMEOUT", "2")], "1 mains off"),
    (
        "timeout counts again from onbattery",
        "onbatterydelay-then-timeout",
        &[("ONBATTERYDELAY", "2"), ("TIMEOUT", "3")],
        "1 mains off",
    ),
    (
        "a timeout shorter than the delay comes first",
        "timeout-less-than-onbatterydelay",
        &[("ONBATTERYDELAY", "6"), ("TIMEOUT", "2")],
        "1 mains off",
    ),
    (
        "low battery must hold for five seconds",
        "failing-lowbatt",
        &[("ONBATTERYDELAY", "1")],
        "1 mains off\n3 lowbatt on\n5 lowbatt off\n7 lowbatt on",
    ),
    (
        "charge at the limit must hold for five seconds",
        "loadlimit",
        &[("ONBATTERYDELAY", "1")],
        "0 lapse 0\n1 mains off\n3 charge 4\n5 charge 50\n7 charge 5",
    ),
    (
        "charge is named before runtime and the delay does not matter",
        "load-and-runtime-together",
        &[("ONBATTERYDELAY", "9")],
        "0 lapse 0\n0 lowbatt off\n1 charge 3\n1 runtime 1\n1 mains off",
    ),
    (
        "a daemon started in an outage announces it",
        "start-on-battery",
        &[("ONBATTERYDELAY", "9")],
        "0 lowbatt off\n0 runtime 2\n0 mains off",
    ),
    (
        "onbattery and online with low battery is an emergency",
        "emergency",
        &[("ONBATTERYDELAY", "1")],
        "1 mains off\n4 status 0x58",
    ),
    ("a self test is announced as one", "selftest", &[("ONBATTERYDELAY", "1")], "1 selftest 3 passed"),
    (
        "a failed self test says so and keeps nobody out",
        "selftest-failed-nologon-always",
        &[("NOLOGON", "always")],
        "1 selftest 3 capacity",
    ),
    ("a battery is taken out and put in", "battdetach", &[], "1 battery out\n4 battery in"),
    ("a daemon started without a battery says so", "start-without-battery", &[], "0 battery out"),
    (
        "lost communication on mains hides a whole outage",
        "commlost-on-mains",
        &[("COMMLOSTDELAY", "2")],
        "1 unplug\n4 mains off\n5 mains on\n6 plug\n7 unplug\n8 plug",
    ),
    (
        "communication comes back after mains did",
        "commlost-then-mains-back",
        &[("ONBATTERYDELAY", "1"), ("COMMLOSTDELAY", "2")],
        "1 mains off\n3.5 unplug\n7 mains on\n8 plug",
    ),
    (
        "users are kept out before the timeout",
        "nologon-timeout",
        &[("ONBATTERYDELAY", "1"), ("NOLOGON", "timeout"), ("TIMEOUT", "10")],
        "1 mains off",
    ),
    (
        "users are kept out at a charge above the limit and let in again",
        "nologon-percent",
        &[("ONBATTERYDELAY", "1"), ("NOLOGON", "percent"), ("BATTERYLEVEL", "50")],
        "0 lapse 0\n1 mains off\n3 charge 55.1\n5 charge 55\n8 mains on",
    ),
    (
        "users are kept out by the shutdown itself",
        "nologon-percent-timeout-shutdown",
        &[("ONBATTERYDELAY", "1"), ("NOLOGON", "percent"), ("TIMEOUT", "2")],
        "1 mains off",
    ),
    (
        "users are kept out at a runtime above the limit",
        "nologon-minutes-runlimit",
        &[("ONBATTERYDELAY", "1"), ("NOLOGON", "minutes"), ("MINUTES", "10")],
        "1 mains off\n3 runtime 11\n6 runtime 10\n14 mains on",
    ),
    (
        "a calibration is announced as a test and no limit counts in it",
        "calibration",
        &[("ONBATTERYDELAY", "1"), ("TIMEOUT", "2")],
        "1 calibration on\n4 lowbatt on\n9 lowbatt off\n9 calibration off",
    ),
];

#[test]
fn recorded_outages_give_the_same_log_lines_hooks_and_flags() {
    support::at_once(
        ROWS.into_iter()
            .map(|(shown, name, directives, script)| (shown, move || replay(name, directives, script))),
    );
}
