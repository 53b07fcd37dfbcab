//! Outages on a simulated UPS where mainsd does better than the recorded apcupsd, and never worse: no shutdown for a
//! false reason, none missed.

use crate::support::{self, Daemon, Setup, TIMEOUT, play, play_in};

fn setup() -> Setup {
    Setup::new("test").with("NOLOGON", "disable").with("BATTERYLEVEL", "5").with("MINUTES", "3")
}

/// Waits for the `count`th hook and says which events had one.
fn events(daemon: &Daemon, count: usize) -> Vec<String> {
    assert!(daemon.hooks().wait_for_count(count, TIMEOUT), "{}", daemon.describe());
    daemon.events()
}

#[test]
fn a_blip_within_one_moment_is_announced_and_taken_back() {
    let daemon = play("1 mains off\n1 mains on", setup());
    assert_eq!(events(&daemon, 2), ["powerout", "mainsback"]);
}

#[test]
fn limits_on_mains_do_nothing() {
    // The outage at the end shows that the daemon was alive and looking.
    let daemon = play("0 lapse 0\n0 charge 1\n0 runtime 1\n8 mains off\n8.3 mains on", setup());
    assert_eq!(events(&daemon, 2), ["powerout", "mainsback"]);
}

#[test]
fn an_outage_that_ended_while_the_daemon_was_stopped_is_no_reason_to_shut_down() {
    let daemon = play("1 mains off\n4 mains on\n24 mains off\n24.3 mains on", setup().with("TIMEOUT", "6"));
    daemon.wait_for_hook("powerout", TIMEOUT);
    daemon.stop();
    // Beyond TIMEOUT, by a clock that nothing announces.
    std::thread::sleep(std::time::Duration::from_secs(9));
    daemon.go_on();
    daemon.wait_for_hook_from(2, "powerout", TIMEOUT);
    assert!(!daemon.events().contains(&"doshutdown".to_owned()), "{}", daemon.describe());
}

#[test]
fn readings_of_zeros_are_no_data() {
    let daemon = play("1 garbage 3\n6 mains off\n6.3 mains on", setup());
    assert_eq!(events(&daemon, 2), ["powerout", "mainsback"]);
    daemon.wait_for_logged("Power is back. UPS running on mains.");
    let ignored = daemon.log().iter().filter(|line| line.starts_with("Ignored what the UPS said")).count();
    assert_eq!(ignored, 1, "{}", daemon.describe());
}

#[test]
fn garbage_on_battery_neither_ends_nor_restarts_the_outage() {
    let daemon = play("1 mains off\n2.5 garbage 2", setup().with("TIMEOUT", "4"));
    assert_eq!(events(&daemon, 4), ["powerout", "onbattery", "timeout", "doshutdown"]);
    daemon.wait_for_status(|status| status.is("NUMXFERS", "1"), TIMEOUT);
}

#[test]
fn flapping_leaves_no_debounce_behind() {
    // Charge is below the limit for three seconds in each outage, and five are needed.
    let script = "0 lapse 0\n0 lowbatt off\n1 mains off\n2 charge 4\n5 mains on\n6 mains off\n9 mains on";
    let daemon = play(script, setup().with("ONBATTERYDELAY", "20"));
    assert_eq!(events(&daemon, 4), ["powerout", "mainsback", "powerout", "mainsback"]);
}

#[test]
fn without_alerts_two_polls_are_needed_and_come_within_seconds() {
    let daemon = play("0 alerts off\n2.5 mains off", setup());
    daemon.wait_for_hook("powerout", TIMEOUT);
    daemon.wait_for_status(|status| status.has("ONBATT"), TIMEOUT);
}

#[test]
fn the_timeout_runs_on_while_the_ups_is_silent() {
    let setup = setup().with("TIMEOUT", "4").with("COMMLOSTDELAY", "1");
    let daemon = play("1 mains off\n3.2 unplug", setup);
    assert_eq!(events(&daemon, 5), ["powerout", "onbattery", "commfailure", "timeout", "doshutdown"]);
    let why = |log: &[String]| log.iter().find(|line| line.starts_with("Shutdown because")).cloned();
    let why = daemon.wait_for_log("why it shuts down", why);
    assert!(why.contains("TIMEOUT is over") && why.contains("the UPS has not answered"), "{why}");
}

#[test]
fn the_runtime_runs_down_by_our_clock_while_the_ups_is_silent() {
    // 3.1 minutes were left: six seconds more than MINUTES, and a value is projected when it is ten seconds old.
    let setup = setup().with("COMMLOSTDELAY", "1");
    let daemon = play("0 lowbatt off\n1 mains off\n2 runtime 3.1\n4 unplug", setup);
    assert_eq!(events(&daemon, 5), ["powerout", "onbattery", "commfailure", "runlimit", "doshutdown"]);
}

#[test]
fn one_shutdown_is_enough_however_many_limits_are_reached() {
    let script = "0 lapse 0\n1 mains off\n4 charge 2\n4 lowbatt on\n12 mains on";
    let daemon = play(script, setup().with("TIMEOUT", "1"));
    let expected = ["powerout", "onbattery", "timeout", "doshutdown", "offbattery", "mainsback"];
    assert_eq!(events(&daemon, 6), expected);
    daemon.wait_for_status(|status| status.is("STATUS", "SHUTTING DOWN"), TIMEOUT);
    daemon.wait_for_file("flags/powerfail");
}

#[test]
fn low_battery_within_a_self_test_is_not_the_end_while_mains_is_there() {
    let daemon = play("1 selftest 9 passed\n2 lowbatt on\n9 lowbatt off", setup());
    assert_eq!(events(&daemon, 2), ["startselftest", "endselftest"]);
}

#[test]
fn a_ups_missing_at_start_is_a_state_and_found_when_it_comes() {
    let daemon = play("0 unplug", setup());
    daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), TIMEOUT);
    assert_eq!(daemon.events(), [""; 0]);
    let daemon = play("0 unplug\n3 plug\n6 mains off\n6.3 mains on", setup());
    assert_eq!(events(&daemon, 2), ["powerout", "mainsback"]);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
}

#[test]
fn an_outage_outlasts_a_restart_of_the_daemon() {
    let daemon = play("1 mains off", setup());
    daemon.wait_for_hook("onbattery", TIMEOUT);
    let status = daemon.wait_for_status(|status| status.has("ONBATT"), TIMEOUT);
    let began = status.get("XONBATT").map(str::to_owned);
    let (end, scratch) = daemon.terminate_keeping();
    assert!(end.output.contains("unguarded"), "{}", end.output);

    let daemon = play_in("0 mains off", setup().with("TIMEOUT", "5"), scratch);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    let status = daemon.wait_for_status(|status| status.is("NUMXFERS", "1"), TIMEOUT);
    let moved = seconds(status.get("XONBATT")).abs_diff(seconds(began.as_deref()));
    // The boot clock and the wall clock need not turn a second at the same moment; and midnight may pass.
    assert!(moved <= 2 || moved >= 24 * 3600 - 2, "{began:?}, then {}", status.text());
}

/// The seconds of the day that a stamp shows.
fn seconds(stamp: Option<&str>) -> u32 {
    let stamp = stamp.expect("an outage has begun");
    let time = stamp.split(' ').nth(1).expect("date, time, zone");
    time.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u32>().expect("a number"))
}

#[test]
fn a_stale_powerfail_flag_is_removed_once_mains_is_seen() {
    let daemon = play("", setup());
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let (_, scratch) = daemon.terminate_keeping();
    let flag = scratch.file("flags/powerfail", "");
    let daemon = play_in("", setup(), scratch);
    let gone = support::poll_until(TIMEOUT, || (!flag.exists()).then_some(()));
    assert!(gone.is_some(), "{}", daemon.describe());
}

#[test]
fn a_shutdown_that_did_not_happen_is_ordered_again_after_its_grace() {
    let daemon = play("1 mains off", setup().with("TIMEOUT", "1").with("SHUTDOWNGRACE", "3"));
    let (first, one) = daemon.wait_for_hook_from(0, "doshutdown", TIMEOUT);
    let (_, two) = daemon.wait_for_hook_from(first + 1, "doshutdown", TIMEOUT);
    assert!(two.at.duration_since(one.at).as_millis() > 2500, "{}", daemon.describe());
    daemon.wait_for_output("The system still runs", TIMEOUT);
}

#[test]
fn with_p_and_no_room_for_the_flag_the_shutdown_still_comes_before_power_off() {
    let setup = setup().with("TIMEOUT", "1").with("PWRFAILDIR", "/nonexistent").arg("-p");
    let daemon = play("1 mains off", setup);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    daemon.wait_for_output("Attempting to kill the UPS power!", TIMEOUT);
    let output = daemon.output().since(0);
    let place = |part: &str| output.iter().position(|line| line.text.contains(part));
    let (started, kill) = (place("System shutdown started by"), place("Attempting to kill the UPS power!"));
    assert!(started.is_some() && started < kill, "{}", daemon.describe());
}

#[test]
fn with_t_the_daemon_leaves_when_the_shutdown_is_under_way() {
    let daemon = play("1 mains off", setup().with("TIMEOUT", "1").arg("-t"));
    let hooks = daemon.hooks().clone();
    let end = daemon.wait_for_exit();
    assert!(end.status.success(), "{end:?}");
    // It does not wait for the hook to say something.
    assert!(hooks.wait(0, TIMEOUT, |line| line == "doshutdown harness 1 0").is_some(), "{}", hooks.text());
}

#[test]
fn the_ups_is_told_off_only_after_the_shutdown_is_under_way() {
    let daemon = play("1 mains off", setup().with("TIMEOUT", "1").with("KILLDELAY", "2"));
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    daemon.wait_for_output("Attempting to kill the UPS power!", TIMEOUT);
    let output = daemon.output().since(0);
    let place = |part: &str| output.iter().position(|line| line.text.contains(part));
    let (under_way, kill) = (place("System shutdown started by"), place("Attempting to kill the UPS power!"));
    assert!(under_way.is_some() && under_way < kill, "{}", daemon.describe());
}
