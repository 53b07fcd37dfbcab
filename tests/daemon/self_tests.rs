//! SELFTESTSCHEDULE, in a time and with a clock on the wall that only the test lets pass.

use crate::support::{FakeTime, Setup};

const DAY: f64 = 86_400.0;

/// A daemon that has started a day before Sunday: its log from then on until four in the morning, and its hooks, once there are so many.
fn night(schedule: &str, script: &str, count: usize) -> (Vec<(f64, String)>, Vec<String>) {
    let setup = Setup::new("test")
        .with("NOLOGON", "disable")
        .with("SELFTESTSCHEDULE", schedule)
        .with("POLLTIME", "300");
    let mut daemon = FakeTime::start(&setup, script, DAY, |_| {});
    daemon.run_to(0.0);
    let from = daemon.log.len();
    daemon.run_to(4.0 * 3_600.0);
    let log = daemon.log.split_off(from);
    let hooks =
        daemon.hooks(count).iter().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect();
    (log, hooks)
}

/// The lines about a scheduled test, or its failure.
fn about(log: &[(f64, String)]) -> Vec<&str> {
    let lines = log.iter().map(|(_, line)| line.as_str());
    lines.filter(|line| line.starts_with("Scheduled") || line.contains("Self Test failed")).collect()
}

#[test]
fn the_ups_tests_itself_on_its_date_and_a_test_that_is_not_passed_is_an_event() {
    let (log, hooks) = night("weekly sun 03:00", "", 2);
    assert_eq!(
        about(&log),
        ["Scheduled self test: the UPS is told to test itself", "Scheduled self test: Battery OK"],
        "{log:?}"
    );
    assert_eq!(hooks, ["startselftest", "endselftest"]);
    let at = log.iter().find(|(_, line)| line.starts_with("Scheduled")).unwrap().0;
    assert!((3.0 * 3600.0..3.0 * 3600.0 + 120.0).contains(&at), "{at}");
    // The same life, and the battery is weak.
    let (log, hooks) = night("weekly sun 03:00", &format!("{} selftest 8 failed", DAY + at + 3.0), 3);
    let about = about(&log);
    assert_eq!(about.len(), 3, "{log:?}");
    assert!(about[1].starts_with("Scheduled self test: ") && about[2] == "UPS Self Test failed.", "{log:?}");
    assert_eq!(hooks, ["startselftest", "endselftest", "selftestfailed"]);
}

#[test]
fn a_weak_battery_or_an_outage_the_day_before_lets_the_date_pass() {
    for (script, why) in [
        ("60 replace on", "the battery must be replaced, and might drop the load"),
        ("20000 mains off\n20060 mains on", "mains has not been seen to be there for 24 hours"),
        ("1 charge 60\n1 lapse 0", "the charge is 60 %, and must be more than 90 %"),
    ] {
        let (log, hooks) = night("weekly sun 03:00", script, 0);
        assert_eq!(about(&log), [format!("Scheduled self test left out: {why}")], "{log:?}");
        assert!(!hooks.contains(&"startselftest".to_owned()), "{hooks:?}");
    }
}

#[test]
fn without_a_schedule_the_daemon_orders_no_test() {
    let (log, hooks) = night("off", "", 0);
    assert_eq!((about(&log), hooks), (Vec::new(), Vec::new()));
}
