//! Started in the middle of things.

use super::*;
use crate::power::SavedOutage;

fn saved(seconds_ago: f64, announced: bool, now: Instant) -> AtStart {
    let since = now - secs(seconds_ago);
    AtStart {
        saved: Some(SavedOutage {
            on_battery_since: Some(since),
            announced,
            transfers: 3,
            on_battery_total: secs(100.0),
            on_battery_at: Some(since),
            ..SavedOutage::default()
        }),
        ..AtStart::default()
    }
}

/// A bench whose second -4 is its start, with an outage saved so many seconds before that.
fn restarted(seconds_ago: f64, announced: bool, change: impl FnOnce(&mut Settings)) -> Bench {
    let mut settings = settings();
    change(&mut settings);
    let mut b = Bench::cold(|_| {}, AtStart::default());
    b.log.clear();
    b.machine = Machine::new(settings, b.now, saved(seconds_ago, announced, b.now));
    b.drain();
    b
}

#[test]
fn start_on_battery_is_announced_and_limited_as_captured() {
    // 5 s after the first reading; 3.14.14 the same after its powerout. A stale powerfail does not matter.
    let mut b = Bench::cold(|_| {}, AtStart { powerfail: true, ..AtStart::default() });
    b.line_silently(StatusFlags::ONBATT);
    b.values.transfer_cause = Some(TransferCause::LowLine);
    b.values.line_voltage = Some(Volts(0.0));
    b.runtime(2.0);
    b.answer();
    b.run_to(16.0);
    for (second, _) in &mut b.log {
        *second += 4.0;
    }
    b.assert_as_captured("start-on-battery");
    assert!(!b.happened().iter().any(|line| line.contains("-powerfail")));
}

#[test]
fn time_on_battery_before_a_restart_counts() {
    // 3.14.14 starts all over: shutdown at 42 s instead of 26 s [restart-during-outage].
    let mut b = restarted(15.0, true, |s| s.timeout = Some(secs(20.0)));
    b.line_silently(StatusFlags::ONBATT);
    b.answer();
    b.run_to(30.0);
    // 6 + 20 s after the start of the outage 15 s before second -4.
    assert_eq!(b.happened(), ["7 timeout", "7 +powerfail", "7 shutdown Timeout"]);
    let view = b.machine.view();
    assert_eq!((view.transfers, view.on_battery_since), (3, Some(b.instant(-19.0))));
}

#[test]
fn an_outage_taken_over_is_announced_when_it_was_not() {
    let mut b = restarted(2.0, false, |_| {});
    b.line_silently(StatusFlags::ONBATT);
    b.answer();
    b.run_to(10.0);
    assert_eq!(b.happened(), ["0 onbattery"]);
}

#[test]
fn a_limit_long_over_waits_for_two_readings() {
    let mut b = restarted(1000.0, true, |s| s.timeout = Some(secs(20.0)));
    b.line_silently(StatusFlags::ONBATT);
    b.answer();
    assert!(b.happened().is_empty());
    b.run_to(-3.0);
    assert_eq!(b.happened(), ["-3 timeout", "-3 +powerfail", "-3 shutdown Timeout"]);
}

#[test]
fn mains_found_after_a_restart_ends_the_outage_and_shuts_nothing_down() {
    let mut b = restarted(1000.0, true, |s| s.timeout = Some(secs(20.0)));
    b.answer();
    b.run_to(100.0);
    assert_eq!(b.happened(), ["-3 offbattery", "-3 mainsback"]);
    assert_eq!(b.machine.view().on_battery_total, secs(1101.0));
}

#[test]
fn a_ups_that_never_answers_after_a_restart_does_not_leave_the_machine_unprotected() {
    let mut b = restarted(1000.0, true, |s| s.timeout = Some(secs(20.0)));
    b.answers = false;
    b.machine.handle_lost(b.now, "no device");
    b.run_to(55.9);
    assert!(b.happened().is_empty());
    b.run_to(57.0);
    assert_eq!(b.happened(), ["56 commfailure", "56 timeout", "56 +powerfail", "56 shutdown Timeout"]);
}

#[test]
fn a_stale_powerfail_flag_goes_when_mains_is_confirmed() {
    let mut b = Bench::cold(|_| {}, AtStart { powerfail: true, ..AtStart::default() });
    b.answer();
    assert!(b.happened().is_empty(), "one reading is none");
    b.run_to(0.0);
    assert_eq!(b.happened(), ["-3 -powerfail"]);
    // The rest as captured, where the flag stayed.
    b.log.clear();
    b.mains_lost();
    b.run_to(9.0);
    b.mains_back();
    b.run_to(12.0);
    b.assert_as_captured("start-on-mains-stale-flags");
}

#[test]
fn a_flag_found_within_an_outage_may_belong_to_a_shutdown_under_way() {
    let mut b = Bench::cold(|_| {}, AtStart::default());
    let mut at_start = saved(10.0, true, b.now);
    at_start.powerfail = true;
    b.machine = Machine::new(settings(), b.now, at_start);
    b.answer();
    b.run_to(290.0);
    assert!(!b.happened().iter().any(|line| line.contains("-powerfail")));
    b.run_to(300.0);
    assert_eq!(b.happened(), ["296 -powerfail"]);
}

#[test]
fn what_is_saved_is_saved_on_change_only() {
    let mut b = Bench::new(|_| {});
    b.status = StatusFlags::ONBATT | StatusFlags::BATTPRESENT;
    let mut saves = Vec::new();
    for second in 0..20 {
        b.now = b.instant(f64::from(second));
        let reading = b.reading(Evidence::AlertAndRead);
        b.machine.handle_reading(b.now, &reading);
        while let Some(order) = b.machine.poll_order() {
            if let Order::Save(state) = order {
                saves.push((second, state));
            }
        }
    }
    let seconds: Vec<i32> = saves.iter().map(|(second, _)| *second).collect();
    assert_eq!(seconds, [1, 6], "powerout, onbattery");
    assert_eq!(saves[0].1.on_battery_since, Some(b.instant(0.0)));
    assert!(saves[1].1.announced);
}

#[test]
fn an_outage_that_is_over_after_a_restart_is_not_announced_as_running() {
    let mut b = restarted(10.0, false, |_| {});
    b.answer();
    b.run_to(10.0);
    assert_eq!(b.happened(), ["-3 mainsback"]);
}

#[test]
fn logins_that_an_earlier_main_process_prohibited_are_not_prohibited_again_and_allowed_in_the_end() {
    let logins = |b: &mut Bench| -> Vec<String> {
        let log = std::mem::take(&mut b.log).into_iter().map(|(_, what)| what);
        log.filter(|what| what.contains("login")).collect()
    };
    let allowed = ["log Allowing logins", "-nologin"];
    let mut b = Bench::cold(|_| {}, AtStart::default());
    let settings = Settings { no_logon: NoLogon::Always, ..settings() };
    let mut at_start = saved(10.0, true, b.now);
    at_start.no_login = true;
    b.log.clear();
    b.machine = Machine::new(settings, b.now, at_start);
    b.mains_lost();
    b.run_to(20.0);
    assert_eq!(logins(&mut b), Vec::<String>::new());
    b.mains_back();
    b.run_to(30.0);
    assert_eq!(logins(&mut b), allowed);
    // Mains was back before it could hear so.
    let mut b = Bench::cold(|_| {}, AtStart { no_login: true, ..AtStart::default() });
    b.answer();
    b.run_to(70.0);
    assert_eq!(logins(&mut b), allowed);
}
