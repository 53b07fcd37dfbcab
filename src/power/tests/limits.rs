//! The shutdown limits.

use super::*;

fn shut(b: &mut Bench) -> Vec<String> {
    b.happened().into_iter().filter(|line| line.contains("shutdown")).collect()
}

#[test]
fn timeout_counts_again_from_onbattery_as_captured() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(15.0)));
    b.mains_lost();
    b.run_to(20.9);
    assert_eq!(b.happened(), ["0 powerout", "6 onbattery"]);
    let mut b = Bench::new(|s| s.timeout = Some(secs(15.0)));
    b.mains_lost();
    b.run_to(30.0);
    b.assert_as_captured("timeout");
    assert_eq!(
        b.happened(),
        ["0 powerout", "6 onbattery", "21 timeout", "21 +powerfail", "21 shutdown Timeout"]
    );
    assert_eq!(b.flags(), 0x0516_0210);
}

#[test]
fn timeout_after_a_longer_delay_as_captured() {
    let mut b = Bench::new(|s| {
        s.on_battery_delay = secs(10.0);
        s.timeout = Some(secs(12.0));
    });
    b.mains_lost();
    b.run_to(30.0);
    b.assert_as_captured("onbatterydelay-then-timeout");
}

#[test]
fn timeout_before_onbattery_as_captured() {
    let mut b = Bench::new(|s| {
        s.on_battery_delay = secs(20.0);
        s.timeout = Some(secs(5.0));
    });
    b.mains_lost();
    b.run_to(28.0);
    b.assert_as_captured("timeout-less-than-onbatterydelay");
}

#[test]
fn low_battery_must_hold_for_five_seconds_as_captured() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(9.0);
    b.bit(StatusFlags::BATTLOW, true);
    b.run_to(12.0);
    b.bit(StatusFlags::BATTLOW, false);
    b.run_to(15.004);
    b.bit(StatusFlags::BATTLOW, true);
    b.run_to(25.0);
    b.assert_as_captured("failing-lowbatt");
    assert_eq!(shut(&mut b), ["21 shutdown LowBattery"]);
    assert_eq!(b.flags(), 0x0506_0250);
}

#[test]
fn low_battery_in_the_first_reading_of_an_outage_is_debounced() {
    // 3.14.14 shut down 0.03 s after the first byte: an edge was swallowed (power-events §10 item 7).
    let mut b = Bench::new(|_| {});
    b.bit(StatusFlags::BATTLOW, true);
    b.mains_lost();
    b.run_to(14.0);
    let capture = moved(Bench::capture("failing-onbatt-lowbatt-same-poll"), "Battery power exhausted.", 5.0);
    b.assert_log_is(&moved(capture, "Initiating system shutdown!", 5.0));
}

#[test]
fn low_battery_known_on_mains_counts_at_the_transfer_as_captured() {
    // Not left over from an outage: the UPS says so now, and has for 30 s.
    let mut b = Bench::new(|_| {});
    b.poll_time = secs(5.0);
    b.poll(Evidence::Poll);
    b.bit(StatusFlags::BATTLOW, true);
    b.run_to(30.0);
    assert!(b.happened().is_empty(), "no limit counts on mains");
    b.mains_lost();
    b.run_to(38.0);
    b.assert_as_captured("lowbatt-on-mains-then-outage");
}

#[test]
fn charge_at_its_limit_for_five_seconds_as_captured() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(10.0);
    b.charge(4.0);
    b.run_to(13.0);
    b.charge(50.0);
    b.run_to(17.005);
    b.charge(5.0);
    b.run_to(27.0);
    b.assert_as_captured("loadlimit");
    assert_eq!(b.flags() & 0x0008_0000, 0x0008_0000);
}

#[test]
fn charge_just_above_its_limit_does_nothing() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.charge(5.1);
    b.runtime(3.1);
    b.run_to(120.0);
    assert_eq!(b.happened(), ["0 powerout", "6 onbattery"]);
}

#[test]
fn limits_are_never_judged_on_mains() {
    let mut b = Bench::new(|_| {});
    b.poll_time = secs(2.0);
    b.poll(Evidence::Poll);
    b.charge(1.0);
    b.runtime(0.0);
    b.run_to(15.0);
    b.assert_as_captured("chargelimit-on-mains");
    assert!(b.happened().is_empty());
}

#[test]
fn charge_and_runtime_together_are_reported_as_charge_before_onbattery() {
    let mut b = Bench::new(|s| s.on_battery_delay = secs(20.0));
    b.charge(3.0);
    b.runtime(1.0);
    b.mains_lost();
    b.run_to(14.0);
    assert_eq!(b.flags(), 0x052C_0210);
    b.run_to(26.0);
    b.assert_as_captured("load-and-runtime-together");
}

#[test]
fn runtime_limit_mains_back_and_a_second_outage_while_shutting_down_as_captured() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(10.0);
    b.runtime(3.0);
    b.run_to(19.0);
    assert_eq!(b.flags(), 0x0526_0210);
    b.mains_back();
    b.run_to(24.0);
    assert_eq!(b.flags(), 0x0520_0208);
    b.mains_lost();
    b.run_to(40.0);
    b.assert_as_captured("runlimit-power-returns");
    assert_eq!(b.flags(), 0x0526_0210);
}

#[test]
fn low_battery_on_line_and_on_battery_at_once_is_an_emergency_after_two_readings() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(8.5);
    b.line_silently(StatusFlags::ONLINE | StatusFlags::ONBATT);
    b.bit(StatusFlags::BATTLOW, true);
    b.run_to(9.9);
    assert!(shut(&mut b).is_empty(), "one reading is none");
    b.run_to(10.0);
    assert_eq!(shut(&mut b), ["10 shutdown Emergency"]);
    assert_eq!(b.flags() & 0x0040_0000, 0x0040_0000);
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(9.0);
    b.line_silently(StatusFlags::ONLINE | StatusFlags::ONBATT);
    b.bit(StatusFlags::BATTLOW, true);
    b.run_to(18.0);
    b.log.iter_mut().for_each(|(second, _)| *second -= if *second > 9.0 { 1.0 } else { 0.0 });
    b.assert_as_captured("emergency");
}

#[test]
fn limits_that_are_off_never_fire() {
    let mut b = Bench::new(|s| {
        s.battery_level = None;
        s.minutes = None;
    });
    b.mains_lost();
    b.charge(1.0);
    b.runtime(0.5);
    b.run_to(3600.0);
    assert_eq!(b.happened(), ["0 powerout", "6 onbattery"]);
}

#[test]
fn implausible_values_are_no_data() {
    for (charge, runtime) in [
        (0.0, 45.0),
        (100.0, 0.0),
        (100.0, 65535.0 / 60.0),
        (100.0, f64::NAN),
        (-1.0, 45.0),
        (-1.0, 4.0),
        (f64::NAN, 45.0),
    ] {
        let mut b = Bench::new(|s| s.minutes = Some(Minutes(3.0)));
        b.mains_lost();
        b.run_to(1.5);
        b.charge(charge);
        b.runtime(runtime);
        b.run_to(61.0);
        let complaints = b.logged().iter().filter(|line| line.contains("implausible")).count();
        assert_eq!(complaints, 1, "logged once a minute at most: {charge} % {runtime} min");
        assert_eq!(b.happened(), ["0 powerout", "6 onbattery"], "{charge} % {runtime} min");
    }
}

#[test]
fn zero_charge_and_runtime_after_re_enumeration_are_no_data() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(10.0);
    b.charge(0.0);
    b.runtime(0.0);
    b.run_to(30.0);
    b.charge(90.0);
    b.runtime(40.0);
    b.run_to(100.0);
    assert!(shut(&mut b).is_empty());
}

#[test]
fn zero_charge_and_runtime_that_stay_are_believed_after_a_minute() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(10.5);
    b.charge(0.0);
    b.runtime(0.0);
    b.run_to(100.0);
    assert_eq!(shut(&mut b), ["76 shutdown Charge"]);
}

#[test]
fn an_empty_battery_with_low_battery_is_data() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(9.5);
    b.charge(0.0);
    b.runtime(0.0);
    b.bit(StatusFlags::BATTLOW, true);
    b.run_to(20.0);
    assert_eq!(shut(&mut b), ["15 shutdown LowBattery"]);
    let reasons = StatusFlags::SHUT_LOAD | StatusFlags::SHUT_LTIME;
    assert!(b.machine.view().flags.contains(reasons), "the zeros count too");
}

#[test]
fn runtime_that_falls_to_zero_by_steps_is_data() {
    let mut b = Bench::new(|s| {
        s.battery_level = None;
        s.minutes = Some(Minutes(0.0));
    });
    b.mains_lost();
    b.run_to(9.5);
    b.runtime(1.0);
    b.run_to(12.5);
    b.runtime(0.0);
    b.run_to(20.0);
    assert_eq!(shut(&mut b), ["18 shutdown Runtime"]);
}

#[test]
fn values_that_stop_are_projected() {
    // Kept out for good, the runtime is what it was minus the time since.
    let mut b = Bench::new(|s| s.battery_level = None);
    b.runtime(4.0);
    b.mains_lost();
    b.run_to(0.5);
    b.values.runtime_left = None;
    b.run_to(59.9);
    assert!(shut(&mut b).is_empty());
    b.run_to(61.0);
    assert_eq!(shut(&mut b), ["60 shutdown Runtime"]);
}

#[test]
fn a_reading_on_mains_holds_a_limit_back_until_it_is_agreed_or_not() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(10.0)));
    b.mains_lost();
    b.run_to(15.5);
    b.line_silently(StatusFlags::ONLINE);
    b.poll(Evidence::Poll);
    // TIMEOUT is over at 16, the second reading comes at 16.5.
    b.run_to(40.0);
    assert_eq!(b.happened(), ["0 powerout", "6 onbattery", "16 offbattery", "16 mainsback"]);
    let mut b = Bench::new(|s| s.timeout = Some(secs(10.0)));
    b.mains_lost();
    b.run_to(15.5);
    b.line_silently(StatusFlags::ONLINE);
    b.poll(Evidence::Poll);
    b.line_silently(StatusFlags::ONBATT);
    b.run_to(40.0);
    assert_eq!(shut(&mut b), ["16 shutdown Timeout"]);
}

#[test]
fn doubt_holds_a_limit_back_for_three_seconds_only() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(10.0)));
    b.mains_lost();
    b.run_to(15.5);
    b.line_silently(StatusFlags::ONLINE);
    b.poll(Evidence::Poll);
    b.answers = false; // wedged: no reading, no loss
    b.run_to(40.0);
    assert_eq!(shut(&mut b), ["18 shutdown Timeout"]);
}

#[test]
fn a_late_wake_up_fires_everything_in_order() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(15.0)));
    b.mains_lost();
    b.now = b.instant(500.0);
    b.machine.handle_timeout(b.now);
    b.drain();
    b.answers = false;
    b.run_to(504.0);
    assert_eq!(
        b.happened(),
        [
            "0 powerout",
            "500 command Poll",
            "500 onbattery",
            "503 timeout",
            "503 +powerfail",
            "503 shutdown Timeout"
        ]
    );
}

#[test]
fn new_settings_count_at_once() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(30.0);
    let mut changed = settings();
    changed.timeout = Some(secs(10.0));
    b.machine.reconfigure(changed, b.now);
    b.drain();
    assert_eq!(shut(&mut b), ["30 shutdown Timeout"]);
}

#[test]
fn a_shutdown_explains_itself_in_one_line() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(15.0)));
    b.mains_lost();
    b.run_to(1.5);
    b.charge(87.0);
    b.run_to(30.0);
    let line =
        b.logged().into_iter().find(|line| line.starts_with("Shutdown because")).expect("a line").to_owned();
    assert_eq!(
        line,
        "Shutdown because TIMEOUT is over; on battery for 21 s; charge 87.0 % 1 s ago (BATTERYLEVEL 5 %); runtime \
         45.0 min 1 s ago (MINUTES 3); TIMEOUT 15 s; low battery no."
    );
    let order = b.log.iter().position(|(_, what)| what == "log Initiating system shutdown!");
    let event = b.log.iter().position(|(_, what)| what == "timeout");
    let explained = b.log.iter().position(|(_, what)| what.contains(&line));
    let hook = b.log.iter().position(|(_, what)| what.starts_with("shutdown"));
    assert!(event < explained && explained < order && order < hook, "{:?}", b.log);
}

#[test]
fn the_reason_goes_with_the_event_so_that_its_hook_finds_it_written() {
    // However long slaves are waited for between the decision and the shutdown.
    let mut b = Bench::new(|s| s.timeout = Some(secs(15.0)));
    b.slaves = vec![std::net::Ipv4Addr::LOCALHOST.into()];
    b.mains_lost();
    b.run_to(20.9);
    b.happened();
    b.now = b.instant(21.0);
    b.machine.handle_timeout(b.now);
    let decided: Vec<Order> = std::iter::from_fn(|| b.machine.poll_order()).collect();
    let reasoned = |order: &Order| matches!(order, Order::EventWithReason(Event::Timeout, reason) if reason.starts_with("Shutdown because TIMEOUT"));
    assert!(decided.iter().any(reasoned), "{decided:?}");
    assert!(!decided.iter().any(|order| matches!(order, Order::Event(_) | Order::Shutdown { .. })));
}

#[test]
fn a_fresh_runtime_is_not_projected() {
    let mut b = Bench::new(|_| {});
    b.runtime(3.005);
    b.mains_lost();
    b.run_to(60.0);
    assert_eq!(b.happened(), ["0 powerout", "6 onbattery"]);
}

#[test]
fn a_ups_that_answers_says_itself_when_the_end_is_near() {
    // With MINUTES off, a runtime that is not reported any more is no reason while LOWBATT can still be said.
    let mut b = Bench::new(|s| {
        s.battery_level = None;
        s.minutes = None;
    });
    b.runtime(5.0);
    b.mains_lost();
    b.run_to(0.5);
    b.values.runtime_left = None;
    b.run_to(1000.0);
    assert_eq!(b.happened(), ["0 powerout", "6 onbattery"]);
}

#[test]
fn time_does_not_go_back() {
    let mut b = Bench::new(|_| {});
    b.run_to(10.0);
    b.mains_lost();
    b.now = b.instant(3.0);
    b.mains_back();
    assert_eq!(b.machine.view().off_battery_at, Some(b.instant(10.0)));
}
