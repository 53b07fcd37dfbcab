//! The UPS does not answer.

use super::*;

#[test]
fn commfailure_after_its_delay_and_commok_as_captured() {
    let mut b = Bench::new(|_| {});
    b.poll_time = secs(5.0);
    b.run_to(3.9);
    b.silence();
    b.run_to(60.0);
    assert_eq!(b.flags(), 0x0500_0108);
    b.answer();
    b.run_to(72.0);
    assert_eq!(b.flags(), 0x0500_0008);
    b.silence();
    b.run_to(87.0);
    b.answer();
    b.run_to(99.0);
    b.assert_as_captured("commlost-on-mains");
}

#[test]
fn a_silent_ups_is_mentioned_every_ten_minutes() {
    let mut b = Bench::new(|_| {});
    b.silence();
    b.run_to(2000.0);
    let again: Vec<f64> = b
        .log
        .iter()
        .filter(|(_, what)| what == "log Communications with UPS lost.")
        .map(|(s, _)| *s)
        .collect();
    assert_eq!(again, [620.0, 1220.0, 1820.0]);
    assert_eq!(b.happened(), ["20 commfailure"]);
}

#[test]
fn a_ups_missing_at_start_gets_a_minute_as_captured() {
    let mut b = Bench::cold(|_| {}, AtStart::default());
    b.machine.handle_lost(b.now, "no device");
    b.answers = false;
    b.run_to(68.0);
    assert_eq!(b.flags(), 0x0500_0100);
    b.run_to(71.0);
    b.answer();
    b.run_to(87.0);
    for (second, _) in &mut b.log {
        *second += 4.0;
    }
    b.assert_as_captured("device-missing-at-start");
    assert_eq!(b.flags(), 0x0500_0008);
}

#[test]
fn no_commok_without_commfailure() {
    let mut b = Bench::cold(|_| {}, AtStart::default());
    b.machine.handle_lost(b.now, "no device");
    b.run_to(10.0);
    b.answer();
    b.silence();
    b.run_to(20.0);
    b.answer();
    assert!(b.happened().is_empty());
}

#[test]
fn a_slave_without_master_says_so_by_its_own_delay() {
    let mut b = Bench::cold(
        |s| {
            s.slave = true;
            s.comm_lost_delay = secs(0.0);
        },
        AtStart::default(),
    );
    b.machine.handle_lost(b.now, "connection refused");
    b.drain();
    b.answers = false;
    b.run_to(20.0);
    b.assert_log_is(&Bench::capture("slave-no-master"));
    assert_eq!(b.flags(), 0x0500_0100);
}

#[test]
fn a_cause_that_is_known_only_after_commfailure_is_logged_once() {
    let mut b = Bench::cold(|s| s.slave = true, AtStart::default());
    b.answers = false;
    b.run_to(25.0);
    for _ in 0..2 {
        b.machine.handle_lost(b.now, "ups.example:3551: its name has no address");
        b.drain();
        b.run_to(b.now.duration_since(b.instant(0.0)).as_secs_f64() + 5.0);
    }
    let said: Vec<&str> = b.log.iter().map(|(_, what)| what.as_str()).collect();
    assert_eq!(
        said,
        ["commfailure", "log No answer from the UPS: ups.example:3551: its name has no address"],
        "{:?}",
        b.log
    );
}

#[test]
fn timeout_runs_on_while_the_ups_is_silent() {
    // 3.14.14 shut down only when the UPS answered at 84 s, and never without an answer (power-events §10 item 1).
    let mut b = Bench::new(|s| s.timeout = Some(secs(20.0)));
    b.mains_lost();
    b.run_to(9.0);
    b.silence();
    b.run_to(84.0);
    b.answer();
    b.run_to(96.0);
    let capture = Bench::capture("commlost-on-battery");
    let capture = moved(capture, "Reached run time limit on batteries.", 26.0);
    let mut capture = moved(capture, "Initiating system shutdown!", 26.01);
    capture.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    b.assert_log_is(&capture);
    assert!(b.logged().iter().any(|line| line.contains("the UPS has not answered for 17 s")));
}

#[test]
fn mains_that_is_back_when_the_ups_answers_again_ends_the_outage() {
    // A second later than 3.14.14: two readings must agree.
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(9.0);
    b.silence();
    b.run_to(49.0);
    b.mains_back();
    b.answer();
    b.run_to(57.0);
    b.assert_as_captured("commlost-then-mains-back");
    assert_eq!(b.machine.view().on_battery_total, secs(50.0));
}

#[test]
fn an_outage_inside_a_comm_loss_is_no_event() {
    let mut b = Bench::new(|_| {});
    b.silence();
    b.run_to(10.0);
    b.mains_lost();
    b.run_to(15.0);
    b.mains_back();
    b.run_to(19.0);
    b.answer();
    b.run_to(60.0);
    assert!(b.happened().is_empty());
}

#[test]
fn low_battery_is_latched_while_the_ups_is_silent() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(9.5);
    b.bit(StatusFlags::BATTLOW, true);
    b.run_to(11.5); // read at 10 and at 11
    b.silence();
    b.run_to(60.0);
    assert!(b.happened().contains(&"15 shutdown LowBattery".to_owned()));
}

#[test]
fn low_battery_read_once_before_the_silence_counts_when_the_silence_is_for_good() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(9.5);
    b.bit(StatusFlags::BATTLOW, true);
    b.run_to(10.5);
    b.silence();
    b.run_to(60.0);
    assert!(b.happened().contains(&"30 shutdown LowBattery".to_owned()));
}

#[test]
fn runtime_counts_down_while_the_ups_is_silent() {
    let mut b = Bench::new(|s| s.battery_level = None);
    b.runtime(10.0);
    b.mains_lost();
    b.run_to(60.5);
    b.silence();
    b.run_to(1000.0);
    // 10 min at second 60, MINUTES 3.
    let happened = b.log.iter().find(|(_, what)| what.starts_with("shutdown")).expect("a shutdown").clone();
    assert_eq!(happened, (480.0, "shutdown Runtime".to_owned()));
    assert!(b.logged().iter().any(|line| line.contains("the runtime must be at or below MINUTES by now")));
}

#[test]
fn charge_counts_down_as_the_runtime_says() {
    let mut b = Bench::new(|s| s.minutes = None);
    b.charge(55.0);
    b.runtime(11.0);
    b.mains_lost();
    b.run_to(60.5);
    b.silence();
    b.run_to(1000.0);
    // 5 % a minute: 50 % less takes 10 min; the reserve of one minute of runtime ends at the same moment or later.
    let happened = b.log.iter().find(|(_, what)| what.starts_with("shutdown")).expect("a shutdown").clone();
    assert_eq!(happened, (660.0, "shutdown Charge".to_owned()));
}

#[test]
fn charge_counts_down_as_it_has_fallen() {
    let mut b = Bench::new(|_| {});
    b.values.runtime_left = None;
    b.machine.supply.forget_runtime();
    b.mains_lost();
    for second in 1..=10 {
        b.charge(100.0 - f64::from(second));
        b.run_to(f64::from(second));
    }
    b.run_to(10.5);
    b.silence();
    b.run_to(1000.0);
    let (second, what) =
        b.log.iter().find(|(_, what)| what.starts_with("shutdown")).expect("a shutdown").clone();
    assert_eq!(what, "shutdown Charge");
    assert!((90.0..100.0).contains(&second), "{second}");
}

#[test]
fn without_limits_the_reserve_of_the_runtime_is_the_end() {
    let mut b = Bench::new(|s| {
        s.battery_level = None;
        s.minutes = None;
    });
    b.runtime(10.0);
    b.mains_lost();
    b.run_to(0.5);
    b.silence();
    b.run_to(1000.0);
    assert!(b.happened().contains(&"540 shutdown LowBattery".to_owned()));
}

#[test]
fn with_nothing_to_count_from_ten_minutes_of_silence_are_the_end() {
    let mut b = Bench::new(|s| {
        s.battery_level = None;
        s.minutes = None;
    });
    b.machine.supply.forget_runtime();
    b.values.battery_charge = None;
    b.values.runtime_left = None;
    b.mains_lost();
    b.run_to(100.5);
    b.silence();
    b.run_to(1000.0);
    assert!(b.happened().contains(&"700 shutdown LowBattery".to_owned()));
}

#[test]
fn a_silent_ups_on_mains_is_never_a_reason() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(5.0)));
    b.runtime(1.0);
    b.charge(1.0);
    b.poll(Evidence::Poll);
    b.silence();
    b.run_to(100_000.0);
    assert_eq!(b.happened(), ["20 commfailure"]);
}

#[test]
fn readings_before_and_after_a_loss_do_not_agree() {
    let mut b = Bench::new(|_| {});
    b.line_silently(StatusFlags::ONBATT);
    b.poll(Evidence::Poll);
    b.silence();
    b.run_to(5.0);
    b.answer();
    b.line_silently(StatusFlags::ONLINE);
    b.run_to(100.0);
    assert!(b.happened().is_empty());
}

#[test]
fn an_unannounced_transfer_is_announced_when_the_ups_falls_silent() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(20.0)));
    b.status = StatusFlags::ONBATT | StatusFlags::BATTPRESENT;
    b.answers = false; // the cause stays unsaid
    b.poll(Evidence::AlertAndRead);
    assert!(b.happened().is_empty());
    b.silence();
    b.run_to(60.0);
    assert_eq!(
        b.happened(),
        ["0 powerout", "6 onbattery", "20 commfailure", "26 timeout", "26 +powerfail", "26 shutdown Timeout"]
    );
}

#[test]
fn an_unannounced_transfer_waits_one_second_for_its_cause() {
    let mut b = Bench::new(|_| {});
    b.status = StatusFlags::ONBATT | StatusFlags::BATTPRESENT;
    b.answers = false;
    b.poll(Evidence::AlertAndRead);
    b.run_to(3.0);
    assert_eq!(b.happened(), ["1 powerout"]);
}

#[test]
fn a_ups_that_cannot_say_the_cause_is_not_waited_for() {
    let mut b = Bench::new(|_| {});
    b.status = StatusFlags::ONBATT | StatusFlags::BATTPRESENT;
    b.answers = false;
    b.poll(Evidence::AlertAndRead);
    let refused = CommandResult::new(Command::ReadTransferCause, Err("not supported".to_owned()));
    b.machine.handle_command_result(b.now, &refused);
    b.drain();
    assert_eq!(b.happened(), ["0 powerout"]);
}

#[test]
fn timeout_is_trusted_where_nothing_else_can_be_counted() {
    let mut b = Bench::new(|s| {
        s.battery_level = None;
        s.minutes = None;
        s.timeout = Some(secs(3000.0));
    });
    b.machine.supply.forget_runtime();
    b.values.battery_charge = None;
    b.values.runtime_left = None;
    b.mains_lost();
    b.run_to(0.5);
    b.silence();
    b.run_to(3005.0);
    assert!(!b.happened().iter().any(|line| line.contains("shutdown")));
    b.run_to(3006.0);
    assert!(b.happened().contains(&"3006 shutdown Timeout".to_owned()));
}
