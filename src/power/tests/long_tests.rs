//! Self tests of which the UPS says that they are under way while mains is there, and causes that come late.

use super::*;
use crate::ups::Item;

/// On mains, and a UPS that tells of mains beside the load: it says so.
fn bench(change: impl FnOnce(&mut Settings)) -> Bench {
    let mut b = Bench::new(change);
    b.mains = Some(true);
    b.poll(Evidence::Poll);
    b.now += secs(0.01);
    b
}

/// A deep self test begins: mains stays there.
fn deep_test(b: &mut Bench) {
    b.values.self_test = Some(SelfTestResult::InProgress);
    b.self_test();
}

/// Mains fails in the midst of it.
fn mains_fails(b: &mut Bench) {
    b.mains = Some(false);
    b.values.line_voltage = Some(Volts(0.0));
    b.values.transfer_cause = Some(TransferCause::LowLine);
}

/// The events, without what the UPS is asked.
fn events(b: &mut Bench) -> Vec<String> {
    let mut happened = b.happened();
    happened.retain(|line| !line.contains("command"));
    happened
}

#[test]
fn a_deep_self_test_of_forty_minutes_with_mains_present_is_a_test() {
    let mut b = bench(|s| {
        s.battery_level = Some(Percent(30.0));
        s.timeout = Some(secs(60.0));
    });
    deep_test(&mut b);
    b.run_to(1200.0);
    b.charge(25.0);
    b.runtime(2.0);
    b.bit(StatusFlags::BATTLOW, true);
    b.run_to(2400.0);
    b.bit(StatusFlags::BATTLOW, false);
    b.mains_back();
    b.run_to(2401.0);
    b.values.self_test = Some(SelfTestResult::Passed);
    b.run_to(2410.0);
    assert_eq!(b.logged(), ["UPS Self Test completed: Battery OK"]);
    assert_eq!(events(&mut b), ["0 startselftest", "2402 hook endselftest"]);
    let view = b.machine.view();
    assert_eq!((view.transfers, view.last_self_test_at), (1, Some(b.instant(0.01))));
}

#[test]
fn a_deep_self_test_needs_no_cause() {
    let mut b = bench(|_| {});
    b.values.transfer_cause = Some(TransferCause::LowLine);
    b.poll(Evidence::Poll);
    b.values.self_test = Some(SelfTestResult::InProgress);
    b.now += secs(1.0);
    b.set_line(StatusFlags::ONBATT);
    b.run_to(900.0);
    assert_eq!(events(&mut b), ["1 startselftest"], "the cause is a left-over");
}

#[test]
fn a_self_test_whose_ups_does_not_say_that_mains_is_there_has_forty_seconds() {
    for mains in [None, Some(false)] {
        let mut b = bench(|_| {});
        b.mains = mains;
        deep_test(&mut b);
        b.run_to(60.0);
        assert_eq!(events(&mut b), ["0 startselftest", "40 onbattery"], "{mains:?}");
    }
}

#[test]
fn an_outage_in_the_midst_of_a_deep_self_test_is_one_after_two_samples() {
    type Change = fn(&mut Bench);
    let table: [(&str, Change); 3] = [
        ("mains is not there any more", |b| b.mains = Some(false)),
        ("the line voltage is gone", |b| b.values.line_voltage = Some(Volts(0.0))),
        ("the UPS names another cause", |b| b.values.transfer_cause = Some(TransferCause::LowLine)),
    ];
    for (reason, change) in table {
        let mut b = bench(|s| s.timeout = Some(secs(10.0)));
        deep_test(&mut b);
        b.run_to(599.5);
        change(&mut b);
        b.run_to(600.5);
        assert_eq!(events(&mut b), ["0 startselftest"], "{reason}: one sample is none");
        b.run_to(630.0);
        let happened = events(&mut b);
        assert!(["601 onbattery", "602 onbattery"].contains(&happened[0].as_str()), "{happened:?}");
        assert!(happened[1].ends_with(" timeout"), "{happened:?}");
        assert!(b.logged().is_empty());
    }
}

#[test]
fn a_ups_that_takes_its_word_of_mains_back_at_the_beginning_of_a_self_test_is_testing_itself() {
    // Its status bits lag behind each other, and during a test it calls mains absent.
    let mut b = bench(|_| {});
    deep_test(&mut b);
    b.run_to(0.8);
    b.mains = Some(false);
    b.run_to(8.0);
    b.values.self_test = Some(SelfTestResult::Passed);
    b.mains = Some(true);
    b.mains_back();
    b.run_to(12.0);
    assert_eq!(events(&mut b), ["0 startselftest", "8 hook endselftest"]);
    // And it has forty seconds.
    let mut b = bench(|_| {});
    deep_test(&mut b);
    b.run_to(0.8);
    b.mains = Some(false);
    b.run_to(60.0);
    assert_eq!(events(&mut b), ["0 startselftest", "40 onbattery"]);
}

#[test]
fn an_outage_at_the_beginning_of_what_was_a_self_test_only_by_the_word_of_the_ups_is_one_soon() {
    // The last test is over and still said to be in progress; mains fails, and that it is gone is said a moment later.
    let mut b = bench(|_| {});
    b.values.transfer_cause = None;
    b.poll(Evidence::Poll);
    b.values.self_test = Some(SelfTestResult::InProgress);
    b.now += secs(1.0);
    b.set_line(StatusFlags::ONBATT);
    // A UPS that names no cause is not waited for.
    assert_eq!(events(&mut b), ["1 startselftest"]);
    b.mains = Some(false);
    b.run_to(30.0);
    let happened = events(&mut b);
    assert!(["12 onbattery", "13 onbattery"].contains(&happened[0].as_str()), "{happened:?}");
}

#[test]
fn the_reason_why_a_test_is_an_outage_is_logged_with_its_event() {
    let mut b = bench(|_| {});
    deep_test(&mut b);
    b.run_to(99.5);
    mains_fails(&mut b);
    b.run_to(110.0);
    assert_eq!(b.logged(), ["Taken for a power failure, not for a test: the line voltage is gone."]);
    let line = b.log.iter().position(|(_, what)| what.starts_with("log Taken"));
    assert_eq!(line, b.log.iter().position(|(_, what)| what == "onbattery").map(|at| at + 1));
}

#[test]
fn low_battery_since_before_an_outage_in_a_self_test_counts_at_once() {
    let mut b = bench(|_| {});
    deep_test(&mut b);
    b.run_to(590.0);
    b.bit(StatusFlags::BATTLOW, true);
    b.run_to(599.5);
    mains_fails(&mut b);
    b.run_to(610.0);
    assert_eq!(
        events(&mut b),
        ["0 startselftest", "601 onbattery", "601 failing", "601 +powerfail", "601 shutdown LowBattery"]
    );
}

#[test]
fn a_self_test_that_ends_on_battery_has_ten_seconds_to_return_to_mains() {
    // Passed, and mains does not come: the UPS cannot return, or it failed with the end of the test.
    let mut b = bench(|_| {});
    deep_test(&mut b);
    b.run_to(599.5);
    b.values.self_test = Some(SelfTestResult::Passed);
    b.run_to(630.0);
    assert_eq!(events(&mut b), ["0 startselftest", "611 onbattery"]);
    // What is not said any more is over, too.
    let mut b = bench(|_| {});
    deep_test(&mut b);
    b.run_to(599.5);
    b.mains = None;
    b.run_to(630.0);
    assert_eq!(events(&mut b), ["0 startselftest", "611 onbattery"]);
}

#[test]
fn a_deep_self_test_is_bounded_by_charge() {
    let mut b = bench(|_| {});
    deep_test(&mut b);
    b.run_to(599.5);
    b.charge(14.0);
    b.run_to(610.0);
    assert_eq!(events(&mut b), ["0 startselftest", "601 onbattery"]);
}

#[test]
fn a_deep_self_test_is_bounded_by_time_from_when_it_was_said_first() {
    // Twice the 45 minutes of runtime that the UPS claims.
    let mut b = bench(|_| {});
    deep_test(&mut b);
    b.run_to(6000.0);
    assert_eq!(events(&mut b), ["0 startselftest", "5400 onbattery"]);
    // It had said so for an hour on mains before, since the reading after a minute.
    let mut b = bench(|_| {});
    b.values.self_test = Some(SelfTestResult::InProgress);
    b.run_to(3600.0);
    b.self_test();
    b.run_to(6000.0);
    assert_eq!(events(&mut b), ["3600 startselftest", "5460 onbattery"]);
}

#[test]
fn a_ups_that_says_for_days_that_it_tests_itself_is_not_believed() {
    let mut b = bench(|s| s.timeout = Some(secs(10.0)));
    b.values.self_test = Some(SelfTestResult::InProgress);
    b.run_to(3.0 * 86_400.0);
    // Mains fails, and it goes on saying that mains is there.
    b.set_line(StatusFlags::ONBATT);
    b.run_to(3.0 * 86_400.0 + 30.0);
    let happened: Vec<String> =
        events(&mut b).iter().map(|line| line.split_once(' ').expect("a second").1.to_owned()).collect();
    assert_eq!(happened, ["powerout", "onbattery", "timeout", "+powerfail", "shutdown Timeout"]);
}

#[test]
fn a_deep_self_test_that_shows_late_suspends_the_limits() {
    let mut b = bench(|s| s.battery_level = Some(Percent(30.0)));
    b.set_line(StatusFlags::ONBATT);
    b.run_to(3.0);
    b.values.self_test = Some(SelfTestResult::InProgress);
    b.run_to(100.0);
    b.charge(25.0);
    b.run_to(600.0);
    b.mains_back();
    assert_eq!(events(&mut b), ["1 powerout", "600 mainsback"]);
}

#[test]
fn a_cause_that_comes_late_but_within_a_second_is_waited_for() {
    for late in [0.05, 0.15, 0.2, 0.6, 0.85] {
        let mut b = Bench::new(|_| {});
        b.set_line(StatusFlags::ONBATT);
        b.run_to(late);
        assert!(b.happened().is_empty(), "{late}: the cause is the one from before");
        assert_eq!(b.flags() & 0x18, 0x10, "shown at once");
        b.values.transfer_cause = Some(TransferCause::SelfTest);
        b.run_to(8.0);
        b.mains_back();
        assert_eq!(events(&mut b), ["0 startselftest", "8 hook endselftest"], "{late}");
    }
}

#[test]
fn a_cause_that_is_named_again_is_the_cause_after_a_second() {
    for (cause, event) in
        [(TransferCause::SelfTest, "1 startselftest"), (TransferCause::LowLine, "1 powerout")]
    {
        let mut b = Bench::new(|_| {});
        b.values.transfer_cause = Some(cause);
        b.poll(Evidence::Poll);
        b.now += secs(0.01);
        b.set_line(StatusFlags::ONBATT);
        b.run_to(3.0);
        assert_eq!(events(&mut b), [event]);
    }
}

#[test]
fn a_cause_that_is_named_again_by_a_ups_without_mains_is_the_cause_at_once() {
    let mut b = bench(|_| {});
    b.values.transfer_cause = Some(TransferCause::LowLine);
    b.poll(Evidence::Poll);
    b.now += secs(0.01);
    b.mains = Some(false);
    b.set_line(StatusFlags::ONBATT);
    assert_eq!(events(&mut b), ["0 powerout"]);
}

#[test]
fn a_cause_that_comes_after_powerout_but_before_onbattery_makes_it_a_test() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(10.0)));
    b.set_line(StatusFlags::ONBATT);
    b.run_to(3.2);
    b.values.transfer_cause = Some(TransferCause::SelfTest);
    b.run_to(30.0);
    b.mains_back();
    b.run_to(60.0);
    assert_eq!(
        b.logged()[0],
        "The UPS says that this is a self test, not a power failure: no limit counts while it lasts."
    );
    assert_eq!(events(&mut b), ["1 powerout", "30 mainsback"]);
    // And it has the time of a self test.
    let mut b = Bench::new(|s| s.timeout = Some(secs(10.0)));
    b.set_line(StatusFlags::ONBATT);
    b.run_to(3.2);
    b.values.transfer_cause = Some(TransferCause::SelfTest);
    b.run_to(60.0);
    assert_eq!(
        events(&mut b),
        ["1 powerout", "40 onbattery", "50 timeout", "50 +powerfail", "50 shutdown Timeout"]
    );
}

#[test]
fn a_cause_that_comes_after_onbattery_changes_nothing() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(10.0)));
    b.set_line(StatusFlags::ONBATT);
    b.run_to(6.5);
    b.values.transfer_cause = Some(TransferCause::SelfTest);
    b.run_to(30.0);
    assert_eq!(
        events(&mut b),
        ["1 powerout", "6 onbattery", "16 timeout", "16 +powerfail", "16 shutdown Timeout"]
    );
}

#[test]
fn one_sample_of_a_cause_does_not_make_an_outage_a_test() {
    let mut b = Bench::new(|_| {});
    b.set_line(StatusFlags::ONBATT);
    b.run_to(2.5);
    b.values.transfer_cause = Some(TransferCause::SelfTest);
    b.poll(Evidence::Poll);
    b.values.transfer_cause = Some(TransferCause::LowLine);
    b.run_to(10.0);
    assert_eq!(events(&mut b), ["1 powerout", "6 onbattery"]);
}

#[test]
fn a_result_that_stays_in_progress_is_asked_for_again_and_again() {
    let mut b = Bench::new(|_| {});
    b.self_test();
    b.run_to(8.0);
    b.values.self_test = Some(SelfTestResult::InProgress);
    b.mains_back();
    b.machine.handle_timeout(b.now);
    b.drain();
    let asked = |machine: &mut Machine| {
        let orders: Vec<Order> = std::iter::from_fn(|| machine.poll_order()).collect();
        orders.contains(&Order::Command(Command::ReadSelfTest))
    };
    // A reading with an old sample of the result, as of a UPS that is polled without it.
    b.now += secs(1.0);
    let mut copy = b.reading(Evidence::Poll);
    copy.read.set(Item::SelfTest, Some(b.now - secs(1.0)));
    b.machine.handle_reading(b.now, &copy);
    assert!(asked(&mut b.machine));
}

#[test]
fn a_self_test_that_is_named_again_by_a_ups_without_mains_is_asked_for_again() {
    let mut b = bench(|_| {});
    b.values.transfer_cause = Some(TransferCause::SelfTest);
    b.poll(Evidence::Poll);
    b.now += secs(0.01);
    b.mains = Some(false);
    b.set_line(StatusFlags::ONBATT);
    assert_eq!(events(&mut b), [""; 0], "it may be the cause of the test before");
    b.run_to(3.0);
    assert_eq!(events(&mut b), ["1 startselftest"]);
}

/// Readings of each second on battery, in which one item stays as old as it is now. What the machine asks is not answered.
fn seconds_with_old(b: &mut Bench, item: Item, seconds: u32) {
    let old = b.now;
    b.answers = false;
    for _ in 0..seconds {
        b.now += secs(1.0);
        let mut reading = b.reading(Evidence::Poll);
        reading.read.set(item, Some(old));
        b.feed(&reading);
    }
    b.answers = true;
}

#[test]
fn what_was_said_of_a_test_before_the_transfer_makes_no_long_test() {
    let mut b = bench(|_| {});
    b.values.self_test = Some(SelfTestResult::InProgress);
    b.poll(Evidence::Poll);
    b.line_silently(StatusFlags::ONBATT);
    seconds_with_old(&mut b, Item::SelfTest, 5);
    assert_eq!(events(&mut b), ["3 powerout"]);
}

#[test]
fn a_cause_that_was_named_before_the_outage_is_no_late_one() {
    let mut b = Bench::new(|_| {});
    b.values.transfer_cause = Some(TransferCause::SelfTest);
    b.poll(Evidence::Poll);
    b.line_silently(StatusFlags::ONBATT);
    seconds_with_old(&mut b, Item::TransferCause, 4);
    assert_eq!(events(&mut b), ["3 powerout"]);
    b.run_to(20.0);
    assert_eq!(events(&mut b), ["8 onbattery"]);
}

#[test]
fn a_shutdown_that_is_decided_is_not_taken_back_for_a_test() {
    let mut b = bench(|s| s.timeout = Some(secs(5.0)));
    b.set_line(StatusFlags::ONBATT);
    b.run_to(15.0);
    b.bit(StatusFlags::CALIBRATION, true);
    b.run_to(30.0);
    let taken_back = b.logged().iter().any(|line| line.contains("not a power failure"));
    assert!(!taken_back, "{:?}", b.logged());
    assert!(events(&mut b).iter().any(|line| line.ends_with("shutdown Timeout")));
}
