//! Recorded outages of apcupsd 3.14.14, played again to the real program on a simulated UPS: the same log texts in the
//! same order, the same hooks with the same arguments. Delays are shortened, never the order.
//!
//! Hooks of apcupsd ran at the same time; ours run in the order of their log lines (power-events §10 item 9).

use crate::support::{self, Capture, Daemon, Setup, play};
use mainsd::ups::Event;

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
    let ran = daemon.hooks().wait_for_count(capture.hooks.len(), support::TIMEOUT);
    assert!(ran, "{name}: {} hooks were recorded; {}", capture.hooks.len(), daemon.describe());
    compare(name, &capture, daemon);
}

fn compare(name: &str, capture: &Capture, daemon: Daemon) {
    let ran: Vec<String> = daemon.hooks().since(0).into_iter().map(|line| line.text).collect();
    let log = || daemon.log().into_iter().filter(|text| is_about_power(text)).collect::<Vec<_>>();
    let complete = || Some(log()).filter(|log| *log == capture.log);
    let log = support::poll_until(support::TIMEOUT, complete).unwrap_or_else(log);
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

/// A test of each row: the recording, directives that differ from the harness's, and the script.
macro_rules! replays {
    ($($shown:ident($name:expr, $directives:expr, $script:expr $(,)?))*) => {
        $(
            #[test]
            fn $shown() {
                replay($name, $directives, $script);
            }
        )*
    };
}

replays! {
    a_blip_is_announced_and_taken_back(
        "short-blip",
        &[("ONBATTERYDELAY", "20")],
        "1 mains off\n3 mains on",
    )
    an_outage_and_a_blip_after_it(
        "normal-outage",
        &[("ONBATTERYDELAY", "1")],
        "1 mains off\n4 mains on\n6 mains off\n6.5 mains on",
    )
    onbattery_follows_at_once_without_a_delay(
        "onbatterydelay-zero",
        &[("ONBATTERYDELAY", "0")],
        "1 mains off\n3 mains on",
    )
    timeout_shuts_down("timeout", &[("ONBATTERYDELAY", "1"), ("TIMEOUT", "2")], "1 mains off")
    timeout_counts_again_from_onbattery(
        "onbatterydelay-then-timeout",
        &[("ONBATTERYDELAY", "2"), ("TIMEOUT", "3")],
        "1 mains off",
    )
    a_timeout_shorter_than_the_delay_comes_first(
        "timeout-less-than-onbatterydelay",
        &[("ONBATTERYDELAY", "6"), ("TIMEOUT", "2")],
        "1 mains off",
    )
    low_battery_must_hold_for_five_seconds(
        "failing-lowbatt",
        &[("ONBATTERYDELAY", "1")],
        "1 mains off\n3 lowbatt on\n5 lowbatt off\n7 lowbatt on",
    )
    charge_at_the_limit_must_hold_for_five_seconds(
        "loadlimit",
        &[("ONBATTERYDELAY", "1")],
        "0 lapse 0\n1 mains off\n3 charge 4\n5 charge 50\n7 charge 5",
    )
    charge_is_named_before_runtime_and_the_delay_does_not_matter(
        "load-and-runtime-together",
        &[("ONBATTERYDELAY", "9")],
        "0 lapse 0\n0 lowbatt off\n1 charge 3\n1 runtime 1\n1 mains off",
    )
    a_daemon_started_in_an_outage_announces_it(
        "start-on-battery",
        &[("ONBATTERYDELAY", "9")],
        "0 lowbatt off\n0 runtime 2\n0 mains off",
    )
    onbattery_and_online_with_low_battery_is_an_emergency(
        "emergency",
        &[("ONBATTERYDELAY", "1")],
        "1 mains off\n4 status 0x58",
    )
    a_self_test_is_announced_as_one("selftest", &[("ONBATTERYDELAY", "1")], "1 selftest 3 passed")
    a_failed_self_test_says_so_and_keeps_nobody_out(
        "selftest-failed-nologon-always",
        &[("NOLOGON", "always")],
        "1 selftest 3 capacity",
    )
    a_battery_is_taken_out_and_put_in("battdetach", &[], "1 battery out\n4 battery in")
    a_daemon_started_without_a_battery_says_so("start-without-battery", &[], "0 battery out")
    lost_communication_on_mains_hides_a_whole_outage(
        "commlost-on-mains",
        &[("COMMLOSTDELAY", "2")],
        "1 unplug\n4 mains off\n5 mains on\n6 plug\n7 unplug\n8 plug",
    )
    communication_comes_back_after_mains_did(
        "commlost-then-mains-back",
        &[("ONBATTERYDELAY", "1"), ("COMMLOSTDELAY", "2")],
        "1 mains off\n3.5 unplug\n7 mains on\n8 plug",
    )
    users_are_kept_out_before_the_timeout(
        "nologon-timeout",
        &[("ONBATTERYDELAY", "1"), ("NOLOGON", "timeout"), ("TIMEOUT", "10")],
        "1 mains off",
    )
    users_are_kept_out_at_a_charge_above_the_limit_and_let_in_again(
        "nologon-percent",
        &[("ONBATTERYDELAY", "1"), ("NOLOGON", "percent"), ("BATTERYLEVEL", "50")],
        "0 lapse 0\n1 mains off\n3 charge 55.1\n5 charge 55\n8 mains on",
    )
    users_are_kept_out_by_the_shutdown_itself(
        "nologon-percent-timeout-shutdown",
        &[("ONBATTERYDELAY", "1"), ("NOLOGON", "percent"), ("TIMEOUT", "2")],
        "1 mains off",
    )
    users_are_kept_out_at_a_runtime_above_the_limit(
        "nologon-minutes-runlimit",
        &[("ONBATTERYDELAY", "1"), ("NOLOGON", "minutes"), ("MINUTES", "10")],
        "1 mains off\n3 runtime 11\n6 runtime 10\n14 mains on",
    )
    a_calibration_is_announced_as_a_test_and_no_limit_counts_in_it(
        "calibration",
        &[("ONBATTERYDELAY", "1"), ("TIMEOUT", "2")],
        "1 calibration on\n4 lowbatt on\n9 lowbatt off\n9 calibration off",
    )
}
