//! Stories of what USB UPSes said during self tests, played to the whole daemon in fake time.

use crate::support::story::Story;

const POWEROUT: &str = "Power failure.";
const ONBATTERY: &str = "Running on UPS batteries.";
const OFFBATTERY: &str = "Mains returned. No longer on UPS batteries.";
const MAINSBACK: &str = "Power is back. UPS running on mains.";
const TESTING: &str = "UPS Self Test switch to battery.";
const PASSED: &str = "UPS Self Test completed: Battery OK";
const IN_PROGRESS: &str = "UPS Self Test completed: In progress";
const LOADLIMIT: &str = "Battery charge below low limit.";
const SHUTDOWN: &str = "Initiating system shutdown!";

fn deep_test() -> Story {
    Story::named("st5.json", "N2-rs1000-deeptest-cause-first")
}

fn late_cause() -> Story {
    Story::named("st5.json", "N3-rs1000-cause-lags-150ms")
}

#[test]
fn a_deep_self_test_of_minutes_with_mains_present_is_no_outage() {
    deep_test().play(&[]).assert_events(&[(2.05, TESTING)]);
    // And it ends like one.
    let to_its_end = deep_test().with(&[
        (900.0, "set ff86:60 8"),
        (900.1, "set 85:45 0"),
        (900.2, "set 84:58 1"),
        (910.0, "charge 24"),
    ]);
    let played = to_its_end.play(&[]);
    played.assert_events(&[(2.05, TESTING), (900.0, PASSED)]);
    assert_eq!(played.status.get("SELFTEST"), Some("OK"));
}

#[test]
fn an_outage_in_the_midst_of_a_deep_self_test_is_one_within_seconds() {
    let outage = deep_test().with(&[(30.0, "fail"), (35.0, "charge 45"), (40.0, "charge 30")]);
    let events: [(f64, &str); 4] = [(2.05, TESTING), (30.0, ONBATTERY), (45.0, LOADLIMIT), (45.0, SHUTDOWN)];
    let played = outage.play(&[]);
    played.assert_events(&events);
    assert!(
        played.log.iter().any(|(_, line)| line.starts_with("Taken for a power failure, not for a test: ")),
        "{:?}",
        played.log
    );
    // ACPresent alone.
    let outage = deep_test().with(&[(30.0, "set 85:d0 0"), (35.0, "charge 45"), (40.0, "charge 30")]);
    outage.play(&[]).assert_events(&events);
}

#[test]
fn a_ups_that_says_for_hours_that_it_tests_itself_has_forty_seconds() {
    let story = deep_test().without("85:45").without("ff86:60").without("charge").with(&[
        (7300.0, "set ff86:60 0x10"),
        (7330.0, "charge 20"),
        (7400.0, "charge 19"),
    ]);
    // The cause is the one from before, so it takes a second to take it for this transfer's.
    story.play(&[("POLLTIME", "60")]).assert_events(&[
        (7301.0, TESTING),
        (7340.0, ONBATTERY),
        (7345.0, LOADLIMIT),
        (7345.0, SHUTDOWN),
    ]);
}

#[test]
fn a_self_test_whose_cause_comes_late_is_announced_as_one_and_as_nothing_else() {
    late_cause().play(&[]).assert_events(&[(2.0, TESTING)]);
    for milliseconds in [50, 100, 150, 200, 400, 800] {
        // Without the test in progress, which says the same in its way.
        let at = 2.0 + f64::from(milliseconds) / 1000.0;
        let story = late_cause().without("ff86:52").without("84:58").with(&[(at, "set ff86:52 12")]);
        let played = story.until(20.0).play(&[]);
        played.assert_events(&[(2.0, TESTING), (10.0, "UPS Self Test completed: No test results available")]);
    }
}

#[test]
fn a_self_test_whose_cause_comes_after_powerout_is_no_outage_on_battery() {
    let story = late_cause().without("ff86:52").without("84:58").with(&[(4.5, "set ff86:52 12")]);
    story.until(20.0).play(&[("TIMEOUT", "5")]).assert_events(&[(3.0, POWEROUT), (10.0, MAINSBACK)]);
}

#[test]
fn an_outage_is_announced_as_quickly_as_ever_the_second_time_too() {
    // The cause is the same both times, and nobody knows whether the UPS has renewed it.
    let story = late_cause().without("set").with(&[
        (2.0, "fail"),
        (20.0, "restore"),
        (100.0, "fail"),
        (110.0, "restore"),
        (120.0, "charge 99"),
    ]);
    let played = story.play(&[]);
    let at = |text: &str| {
        played.log.iter().filter(|(_, line)| line == text).map(|(at, _)| *at).collect::<Vec<_>>()
    };
    let powerouts = at(POWEROUT);
    assert_eq!(powerouts.len(), 2, "{:?}", played.log);
    assert!(powerouts[0] < 2.1 && powerouts[1] < 100.1, "{powerouts:?}");
    played.assert_events(&[
        (2.0, POWEROUT),
        (8.0, ONBATTERY),
        (20.0, OFFBATTERY),
        (20.0, MAINSBACK),
        (100.0, POWEROUT),
        (106.0, ONBATTERY),
        (110.0, OFFBATTERY),
        (110.0, MAINSBACK),
    ]);
}

#[test]
fn a_self_test_told_bit_by_bit_is_one_and_ends_with_its_result() {
    let played = Story::named("st4.json", "N-rs1000-deeptest-flag").play(&[]);
    played.assert_events(&[(2.0, TESTING), (50.0, PASSED)]);
    assert_eq!(played.status.get("SELFTEST"), Some("OK"));
}

#[test]
fn a_result_that_comes_minutes_after_the_test_is_shown_all_the_same() {
    let story = late_cause().until(100.0).with(&[(60.0, "set 84:58 1")]);
    let played = story.play(&[]);
    played.assert_events(&[(2.0, TESTING), (15.0, IN_PROGRESS)]);
    assert_eq!(played.status.get("SELFTEST"), Some("OK"));
}

#[test]
fn a_self_test_seen_only_by_its_result_ends_with_it() {
    for (file, title) in
        [("st4.json", "M-rs1000-deeptest-usbcycle"), ("st7.json", "Q-selftest-in-progress-at-start")]
    {
        for silently in [false, true] {
            let story = Story::named(file, title);
            let story = if silently { story.after("noinput 1") } else { story };
            let played = story.play(&[("POLLTIME", "20")]);
            played.assert_events(&[]);
            assert_eq!(played.status.get("SELFTEST"), Some("OK"), "{title}, silent: {silently}");
        }
    }
}
