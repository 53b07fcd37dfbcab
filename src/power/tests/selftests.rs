//! Self tests and calibrations.

use super::*;

fn calibration(b: &mut Bench) {
    b.values.transfer_cause = Some(TransferCause::SelfTest);
    b.bit(StatusFlags::CALIBRATION, true);
    b.set_line(StatusFlags::ONBATT);
}

#[test]
fn a_self_test_is_announced_and_told_as_captured() {
    let mut b = Bench::new(|_| {});
    b.self_test();
    b.run_to(8.0);
    b.values.self_test = Some(SelfTestResult::Passed);
    b.mains_back();
    b.run_to(12.0);
    b.assert_as_captured("selftest");
    assert_eq!(b.happened(), ["0 startselftest", "8 hook endselftest"]);
    let view = b.machine.view();
    assert_eq!((view.transfers, view.on_battery_total), (1, secs(8.0)));
    assert_eq!(view.last_self_test_at, Some(b.instant(0.0)));
}

#[test]
fn a_failed_self_test_creates_no_nologin_as_captured() {
    let mut b = Bench::new(|s| s.no_logon = NoLogon::Always);
    b.self_test();
    b.run_to(8.0);
    b.values.self_test = Some(SelfTestResult::FailedCapacity);
    b.mains_back();
    b.run_to(12.0);
    b.assert_as_captured("selftest-failed-nologon-always");
    assert_eq!(b.happened(), ["0 startselftest", "8 hook endselftest"]);
}

#[test]
fn a_result_in_progress_is_waited_for() {
    let mut b = Bench::new(|_| {});
    b.self_test();
    b.run_to(8.0);
    b.values.self_test = Some(SelfTestResult::InProgress);
    b.mains_back();
    b.run_to(9.5);
    b.values.self_test = Some(SelfTestResult::Passed);
    b.run_to(20.0);
    assert_eq!(b.happened(), ["0 startselftest", "10 hook endselftest"]);
    let mut b = Bench::new(|_| {});
    b.self_test();
    b.run_to(8.0);
    b.values.self_test = Some(SelfTestResult::InProgress);
    b.mains_back();
    b.run_to(20.0);
    assert_eq!(b.happened(), ["0 startselftest", "13 hook endselftest"]);
}

#[test]
fn a_result_that_never_comes_is_not_waited_for() {
    let mut b = Bench::new(|_| {});
    b.self_test();
    b.run_to(8.0);
    b.answers = false;
    b.line_silently(StatusFlags::ONLINE);
    b.poll(Evidence::AlertAndRead);
    b.run_to(20.0);
    assert_eq!(b.logged(), ["UPS Self Test completed: No test results available"]);
    assert_eq!(b.happened(), ["0 startselftest", "13 hook endselftest"]);
}

#[test]
fn a_copy_of_an_older_result_is_not_told() {
    let mut b = Bench::new(|_| {});
    b.values.self_test = Some(SelfTestResult::Failed);
    b.poll(Evidence::Poll);
    let older = b.now;
    b.now += secs(1.0);
    b.self_test();
    b.run_to(8.0);
    b.answers = false;
    b.line_silently(StatusFlags::ONLINE);
    let mut copy = b.reading(Evidence::AlertAndRead);
    copy.read.set(crate::ups::Item::SelfTest, Some(older));
    b.feed(&copy);
    let result = CommandResult::new(Command::ReadSelfTest, Ok("read".to_owned()));
    b.now += secs(0.1);
    b.feed(&Reading { at: b.now, evidence: Evidence::Poll, ..copy });
    b.machine.handle_command_result(b.now, &result);
    b.drain();
    assert_eq!(b.happened(), ["1 startselftest"]);
    b.values.self_test = Some(SelfTestResult::Passed);
    b.poll(Evidence::Poll);
    assert_eq!(b.logged(), ["UPS Self Test completed: Battery OK"]);
}

#[test]
fn a_line_voltage_from_before_a_self_test_says_nothing_about_it() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(5.0);
    let dead = b.now;
    b.line_silently(StatusFlags::ONLINE);
    // Mains is back, and the line voltage has not been read since.
    let mut stale = b.reading(Evidence::AlertAndRead);
    stale.read.set(crate::ups::Item::LineVoltage, Some(dead));
    b.feed(&stale);
    b.answers = false;
    b.now += secs(1.0);
    b.values.transfer_cause = Some(TransferCause::SelfTest);
    b.line_silently(StatusFlags::ONBATT);
    for _ in 0..3 {
        let mut stale = b.reading(Evidence::AlertCauseAndRead);
        stale.read.set(crate::ups::Item::LineVoltage, Some(dead));
        b.feed(&stale);
        b.now += secs(1.0);
    }
    assert_eq!(b.happened(), ["0 powerout", "5 mainsback", "6 startselftest"]);
}

#[test]
fn an_outage_during_the_wait_for_the_result_tells_it_first() {
    let mut b = Bench::new(|_| {});
    b.self_test();
    b.run_to(8.0);
    b.values.self_test = Some(SelfTestResult::InProgress);
    b.mains_back();
    b.run_to(9.0);
    b.mains_lost();
    assert_eq!(b.happened(), ["0 startselftest", "9 hook endselftest", "9 powerout"]);
}

#[test]
fn a_self_test_over_forty_seconds_is_an_outage_as_captured() {
    let mut b = Bench::new(|_| {});
    b.self_test();
    b.run_to(48.0);
    b.mains_back();
    b.run_to(52.0);
    b.assert_as_captured("selftest-over-40s");
    let view = b.machine.view();
    assert_eq!((view.transfers, view.on_battery_total), (1, secs(48.0)));
    assert_eq!(view.last_self_test_at, None);
}

#[test]
fn low_battery_during_self_test_does_not_shut_down() {
    // 3.14.14 takes LOWBATT for the end of the self test and shuts down at 9 s [selftest-lowbatt], with mains present.
    let mut b = Bench::new(|_| {});
    b.self_test();
    b.run_to(4.0);
    b.bit(StatusFlags::BATTLOW, true);
    b.charge(2.0);
    b.runtime(1.0);
    b.run_to(18.0);
    b.bit(StatusFlags::BATTLOW, false);
    b.mains_back();
    b.run_to(30.0);
    assert_eq!(b.happened(), ["0 startselftest", "18 hook endselftest"]);
}

#[test]
fn low_battery_in_a_self_test_that_does_not_end_shuts_down_after_forty_seconds() {
    let mut b = Bench::new(|_| {});
    b.self_test();
    b.run_to(4.0);
    b.bit(StatusFlags::BATTLOW, true);
    b.run_to(60.0);
    assert_eq!(
        b.happened(),
        ["0 startselftest", "40 onbattery", "40 failing", "40 +powerfail", "40 shutdown LowBattery"]
    );
}

#[test]
fn a_self_test_whose_line_voltage_goes_is_an_outage_at_that_moment() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(10.0)));
    b.self_test();
    b.run_to(4.5);
    b.values.line_voltage = Some(Volts(0.0));
    b.run_to(5.5);
    assert_eq!(b.happened(), ["0 startselftest", "5 command Poll"], "one sample is none");
    b.run_to(30.0);
    assert_eq!(b.happened(), ["6 onbattery", "16 timeout", "16 +powerfail", "16 shutdown Timeout"]);
    b.mains_back();
    b.run_to(40.0);
    assert_eq!(b.happened(), ["30 offbattery", "30 mainsback"]);
}

#[test]
fn a_self_test_whose_cause_changes_is_an_outage_at_that_moment() {
    let mut b = Bench::new(|_| {});
    b.self_test();
    b.run_to(4.5);
    b.values.transfer_cause = Some(TransferCause::LowLine);
    b.run_to(12.0);
    let happened = b.happened();
    assert_eq!(happened.len(), 3, "{happened:?}");
    assert!(["6 onbattery", "7 onbattery", "8 onbattery"].contains(&happened[2].as_str()), "{happened:?}");
}

#[test]
fn a_self_test_is_asked_for_its_cause_every_two_seconds() {
    // Of a UPS whose cause is read on demand: other readings tell copies of it.
    let mut b = Bench::new(|_| {});
    b.self_test();
    let read = b.now;
    let mut asked = Vec::new();
    for second in 1..=10 {
        b.now = b.instant(f64::from(second));
        let mut reading = b.reading(Evidence::Poll);
        reading.read.set(crate::ups::Item::TransferCause, Some(read));
        b.machine.handle_reading(b.now, &reading);
        while let Some(order) = b.machine.poll_order() {
            asked.extend((order == Order::Command(Command::ReadTransferCause)).then_some(second));
        }
    }
    assert_eq!(asked, [2, 4, 6, 8, 10]);
}

#[test]
fn an_old_self_test_cause_does_not_hide_an_outage() {
    // The cause in the first reading is the last transfer's; the UPS is asked before anything is announced.
    let mut b = Bench::new(|_| {});
    b.values.transfer_cause = Some(TransferCause::SelfTest);
    b.poll(Evidence::Poll);
    b.values.line_voltage = None;
    b.now += secs(0.1);
    b.status = StatusFlags::ONBATT | StatusFlags::BATTPRESENT;
    let stale = b.reading(Evidence::AlertAndRead);
    b.values.transfer_cause = Some(TransferCause::LowLine);
    b.feed(&stale);
    assert_eq!(b.happened(), ["0 powerout"]);
}

#[test]
fn a_cause_that_came_with_the_alert_is_not_asked_for_again() {
    for (cause, announced) in
        [(TransferCause::SelfTest, "0 startselftest"), (TransferCause::LowLine, "0 powerout")]
    {
        let mut b = Bench::new(|_| {});
        b.status = StatusFlags::ONBATT | StatusFlags::BATTPRESENT;
        b.values.transfer_cause = Some(cause);
        let evidence = Evidence::AlertCauseAndRead;
        b.machine.handle_reading(b.now, &b.reading(evidence));
        let orders: Vec<Order> = std::iter::from_fn(|| b.machine.poll_order()).collect();
        assert!(!orders.contains(&Order::Command(Command::ReadTransferCause)), "{orders:?}");
        let event = orders.iter().find_map(|order| match order {
            Order::Event(event) => Some(format!("0 {}", event.arg())),
            _ => None,
        });
        assert_eq!(event.as_deref(), Some(announced));
    }
}

#[test]
fn a_dead_line_is_an_outage_whatever_the_cause_says() {
    let mut b = Bench::new(|_| {});
    b.values.line_voltage = Some(Volts(0.0));
    b.self_test();
    assert_eq!(b.happened(), ["0 powerout"]);
}

#[test]
fn a_ups_that_never_showed_a_line_voltage_can_test_itself() {
    let mut b = Bench::cold(|_| {}, AtStart::default());
    b.values.line_voltage = Some(Volts(0.0));
    b.answer();
    b.run_to(0.0);
    b.self_test();
    b.run_to(8.0);
    b.line_silently(StatusFlags::ONLINE);
    b.poll(Evidence::AlertAndRead);
    assert_eq!(b.happened(), ["0 startselftest", "8 hook endselftest"]);
}

#[test]
fn a_calibration_is_announced_as_captured() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(10.0)));
    calibration(&mut b);
    b.run_to(15.0);
    b.bit(StatusFlags::BATTLOW, true);
    b.run_to(25.0);
    assert_eq!(b.flags(), 0x0504_0051);
    b.bit(StatusFlags::CALIBRATION | StatusFlags::BATTLOW, false);
    b.mains_back();
    b.run_to(29.0);
    b.assert_as_captured("calibration");
    let view = b.machine.view();
    assert_eq!((view.transfers, view.on_battery_total), (1, secs(25.0)));
    assert_eq!(view.last_self_test_at, Some(b.instant(0.0)));
}

#[test]
fn a_calibration_found_by_polling_is_announced_and_counted_too() {
    // 3.14.14: silent start, orphan mainsback, CUMONBATT wrong by 18 s (power-events §10 item 13).
    let mut b = Bench::new(|_| {});
    b.poll_time = secs(1.0);
    b.mains_lost();
    b.run_to(3.0);
    b.mains_back();
    b.run_to(18.0);
    b.bit(StatusFlags::CALIBRATION, true);
    b.line_silently(StatusFlags::ONBATT);
    b.run_to(30.0);
    b.bit(StatusFlags::CALIBRATION, false);
    b.line_silently(StatusFlags::ONLINE);
    b.run_to(34.0);
    assert_eq!(b.happened(), ["0 powerout", "3 mainsback", "20 startselftest", "32 hook endselftest"]);
    let view = b.machine.view();
    assert_eq!(view.transfers, 2);
    assert!((secs(14.0)..=secs(17.0)).contains(&view.on_battery_total), "{:?}", view.on_battery_total);
}

#[test]
fn a_calibration_that_ends_in_an_outage_as_captured() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(10.0)));
    calibration(&mut b);
    b.run_to(15.0);
    b.bit(StatusFlags::CALIBRATION, false);
    b.run_to(45.0);
    b.assert_as_captured("calibration-ends-in-outage");
    assert_eq!(b.flags(), 0x0506_0010);
}

#[test]
fn a_long_calibration_may_take_a_moment_to_return_to_mains() {
    // Its battery is low then: taking the dropped bit for an outage at once would shut the machine down.
    let mut b = Bench::new(|_| {});
    calibration(&mut b);
    b.run_to(900.0);
    b.bit(StatusFlags::BATTLOW, true);
    b.run_to(1000.0);
    b.bit(StatusFlags::CALIBRATION, false);
    b.run_to(1005.0);
    b.mains_back();
    b.run_to(1010.0);
    assert_eq!(b.happened(), ["0 startselftest", "1005 hook endselftest"]);
}

#[test]
fn a_calibration_is_bounded_by_charge() {
    let mut b = Bench::new(|_| {});
    calibration(&mut b);
    b.run_to(100.5);
    b.bit(StatusFlags::BATTLOW, true);
    b.charge(14.9);
    b.run_to(120.0);
    assert_eq!(
        b.happened(),
        [
            "0 startselftest",
            "101 command Poll",
            "102 onbattery",
            "106 failing",
            "106 +powerfail",
            "106 shutdown LowBattery"
        ]
    );
}

#[test]
fn a_calibration_is_bounded_by_time() {
    let mut b = Bench::new(|_| {});
    b.bit(StatusFlags::BATTLOW, true);
    calibration(&mut b);
    b.run_to(5399.0);
    assert_eq!(b.happened(), ["0 startselftest"]);
    b.run_to(5600.0);
    assert_eq!(
        b.happened(),
        ["5400 onbattery", "5400 failing", "5400 +powerfail", "5400 shutdown LowBattery"]
    );
}

#[test]
fn a_calibration_that_shows_after_the_transfer_suspends_the_limits() {
    let mut b = Bench::new(|_| {});
    b.values.transfer_cause = None;
    b.machine.supply.forget_cause();
    b.set_line(StatusFlags::ONBATT);
    b.run_to(0.5);
    b.bit(StatusFlags::CALIBRATION, true);
    b.run_to(3.5);
    b.bit(StatusFlags::BATTLOW, true);
    b.charge(30.0);
    b.run_to(600.0);
    b.bit(StatusFlags::CALIBRATION | StatusFlags::BATTLOW, false);
    b.mains_back();
    assert_eq!(b.happened(), ["0 powerout", "600 mainsback"]);
}

#[test]
fn an_outage_is_taken_for_a_calibration_once_only() {
    let mut b = Bench::new(|_| {});
    b.values.transfer_cause = None;
    b.machine.supply.forget_cause();
    b.set_line(StatusFlags::ONBATT);
    b.run_to(10.5);
    b.bit(StatusFlags::CALIBRATION, true);
    b.run_to(19.5);
    b.charge(10.0);
    b.run_to(30.5);
    b.charge(90.0);
    b.run_to(60.5);
    b.bit(StatusFlags::BATTLOW, true);
    b.run_to(70.0);
    assert_eq!(
        b.happened(),
        [
            "0 powerout",
            "6 onbattery",
            "20 command Poll",
            "66 failing",
            "66 +powerfail",
            "66 shutdown LowBattery"
        ]
    );
}

#[test]
fn a_calibration_out_of_sight_is_an_outage_whose_limits_count() {
    let mut b = Bench::new(|s| s.battery_level = None);
    b.runtime(10.0);
    calibration(&mut b);
    b.run_to(5.5);
    b.silence();
    b.run_to(600.0);
    assert_eq!(
        b.happened(),
        [
            "0 startselftest",
            "25 commfailure",
            "25 onbattery",
            "425 runlimit",
            "425 +powerfail",
            "425 shutdown Runtime"
        ]
    );
}

#[test]
fn a_calibration_with_a_dead_line_is_an_outage() {
    let mut b = Bench::new(|_| {});
    b.values.line_voltage = Some(Volts(0.0));
    calibration(&mut b);
    assert_eq!(b.happened(), ["0 powerout"]);
}

#[test]
fn a_self_test_that_turns_out_to_be_a_calibration_may_last_longer() {
    // The alert comes before the status bit, as on a serial Smart-UPS.
    let mut b = Bench::new(|_| {});
    b.self_test();
    b.run_to(0.5);
    b.bit(StatusFlags::CALIBRATION, true);
    b.run_to(600.0);
    b.bit(StatusFlags::CALIBRATION, false);
    b.mains_back();
    assert_eq!(b.happened(), ["0 startselftest", "600 hook endselftest"]);
}
