//! A state was taken over, and the UPS tells that it is another one.

use super::*;
use crate::power::SavedOutage;

/// A bench whose second -4 is its start, with an outage of 1000 s and counters left by an earlier run.
fn restarted(change: impl FnOnce(&mut Settings)) -> Bench {
    let mut settings = settings();
    change(&mut settings);
    let mut b = Bench::cold(|_| {}, AtStart::default());
    let since = b.now - secs(1000.0);
    let saved = SavedOutage {
        on_battery_since: Some(since),
        announced: true,
        transfers: 3,
        on_battery_total: secs(100.0),
        on_battery_at: Some(since),
        off_battery_at: Some(since - secs(60.0)),
        last_self_test_at: Some(since - secs(600.0)),
        decided_at: None,
        counters: None,
    };
    b.machine = Machine::new(settings, b.now, AtStart { saved: Some(saved), ..AtStart::default() });
    b.drain();
    b.log.clear();
    b
}

fn other_ups(b: &mut Bench) {
    b.log.retain(|(_, what)| what != "command Poll");
    b.machine.handle_other_ups(b.now);
    b.drain();
    // Of the line nothing may be known any more: it wants a reading soon.
    let asked = b.log.iter().filter(|(_, what)| what == "command Poll").count();
    b.log.retain(|(_, what)| what != "command Poll");
    let unknown = !b.machine.view().flags.intersects(StatusFlags::ONLINE | StatusFlags::ONBATT);
    assert_eq!(asked, usize::from(unknown), "{:?}", b.log);
}

fn assert_fresh(b: &Bench) {
    let view = b.machine.view();
    assert_eq!((view.transfers, view.on_battery_total), (0, Duration::ZERO));
    assert_eq!((view.on_battery_at, view.off_battery_at, view.last_self_test_at), (None, None, None));
    assert_eq!(view.on_battery_since, None);
    let left =
        StatusFlags::ONBATT | StatusFlags::ONBATT_MSG | StatusFlags::SHUTDOWN | StatusFlags::SHUT_BTIME;
    assert!(!view.flags.intersects(left), "{:x}", view.flags.bits());
}

#[test]
fn an_exchanged_ups_on_mains_ends_no_outage_and_shuts_nothing_down() {
    let mut b = restarted(|s| s.timeout = Some(secs(20.0)));
    other_ups(&mut b);
    assert_fresh(&b);
    b.answer();
    b.run_to(200.0);
    assert!(b.happened().is_empty(), "{:?}", b.log);
    assert_fresh(&b);
}

#[test]
fn an_exchanged_ups_on_battery_begins_an_outage_of_its_own() {
    let mut b = restarted(|s| s.timeout = Some(secs(20.0)));
    other_ups(&mut b);
    b.line_silently(StatusFlags::ONBATT);
    b.values.transfer_cause = Some(TransferCause::LowLine);
    b.answer();
    b.run_to(60.0);
    // As after any start on battery: a second for the cause; ONBATTERYDELAY 6, then TIMEOUT 20, from the second reading on.
    assert_eq!(
        b.happened(),
        ["-2 powerout", "3 onbattery", "23 timeout", "23 +powerfail", "23 shutdown Timeout"]
    );
    let view = b.machine.view();
    assert_eq!((view.transfers, view.on_battery_since), (1, Some(b.instant(-4.0))));
}

#[test]
fn a_number_that_is_told_after_readings_have_agreed_drops_the_outage_all_the_same() {
    let mut b = restarted(|s| s.timeout = Some(secs(2000.0)));
    b.line_silently(StatusFlags::ONBATT);
    b.answer();
    b.run_to(10.0);
    assert_eq!(b.machine.view().on_battery_since, Some(b.instant(-1004.0)));
    b.log.clear();
    other_ups(&mut b);
    b.run_to(11.0);
    b.poll(Evidence::Poll);
    b.run_to(60.0);
    assert_eq!(b.happened(), ["13 powerout", "18 onbattery"]);
    assert_eq!(b.machine.view().on_battery_since, Some(b.instant(11.0)));
}

#[test]
fn what_the_ups_has_done_since_the_start_stays() {
    let mut b = restarted(|_| {});
    b.answer();
    b.run_to(10.0);
    assert_eq!(b.happened(), ["-3 offbattery", "-3 mainsback"], "before it has told its number");
    b.mains_lost();
    b.run_to(20.0);
    assert_eq!(b.happened(), ["10 powerout", "16 onbattery"]);
    assert_eq!(b.machine.view().transfers, 4);
    other_ups(&mut b);
    let view = b.machine.view();
    assert_eq!((view.transfers, view.on_battery_since), (1, Some(b.instant(10.0))));
    assert_eq!((view.on_battery_at, view.on_battery_total), (Some(b.instant(10.0)), Duration::ZERO));
    b.mains_back();
    b.run_to(30.0);
    assert_eq!(b.happened(), ["20 offbattery", "20 mainsback"]);
    assert_eq!(b.machine.view().on_battery_total, secs(10.0));
}

#[test]
fn a_shutdown_decided_for_the_outage_of_the_other_ups_is_dropped_with_it() {
    let mut b = restarted(|s| {
        s.timeout = Some(secs(20.0));
        s.no_logon = NoLogon::Timeout;
        s.kill_delay = Some(secs(500.0));
        s.term_on_powerfail = true;
    });
    // A UPS that is silent for a minute: what is known is believed.
    b.answers = false;
    b.report = None;
    b.machine.handle_lost(b.now, "no device");
    b.run_to(60.0);
    let decided = ["56 commfailure", "56 timeout", "56 +powerfail", "56 +nologin", "56 shutdown Timeout"];
    assert_eq!(b.happened(), decided);
    other_ups(&mut b);
    assert_fresh(&b);
    assert_eq!(b.logged().last(), Some(&"Allowing logins"));
    b.answer();
    b.run_to(900.0);
    let happened = b.happened();
    assert!(
        happened.iter().all(|line| line.ends_with("commok") || line.ends_with("-powerfail")),
        "{happened:?}"
    );
    // And its own outage shuts the machine down by its own limits.
    b.report = Some(HookReport::ShutdownStarted);
    b.mains_lost();
    b.run_to(926.5);
    assert!(b.happened().contains(&"926 shutdown Timeout".to_owned()));
}

#[test]
fn a_daemon_that_was_to_leave_after_the_dropped_shutdown_stays() {
    let mut b = restarted(|s| {
        s.timeout = Some(secs(20.0));
        s.term_on_powerfail = true;
        s.kill_on_powerfail = true;
    });
    b.answers = false;
    b.machine.handle_lost(b.now, "no device");
    b.run_to(60.0);
    assert!(b.happened().contains(&"56 shutdown Timeout".to_owned()));
    other_ups(&mut b);
    b.answer();
    b.run_to(200.0);
    assert!(
        !b.happened().iter().any(|line| line.ends_with("exit") || line.contains("KillPower")),
        "{:?}",
        b.log
    );
}

#[test]
fn slaves_that_wait_for_a_dropped_shutdown_wait_for_nothing() {
    let mut b = restarted(|s| s.timeout = Some(secs(20.0)));
    b.slaves = vec![std::net::Ipv4Addr::LOCALHOST.into()];
    b.line_silently(StatusFlags::ONBATT);
    b.answer();
    b.run_to(0.0);
    assert_eq!(b.happened(), ["-3 timeout"]);
    assert!(b.machine.awaits_slaves());
    other_ups(&mut b);
    assert!(!b.machine.awaits_slaves());
    b.line_silently(StatusFlags::ONLINE);
    b.poll(Evidence::Poll);
    b.run_to(100.0);
    assert!(b.happened().is_empty(), "{:?}", b.log);
}

#[test]
fn an_order_from_outside_stands() {
    let mut b = restarted(|s| s.timeout = Some(secs(20.0)));
    b.machine.handle_remote(b.now, true, Evidence::AlertAndRead);
    b.drain();
    assert_eq!(b.happened(), ["-4 remotedown", "-4 +powerfail", "-4 shutdown Remote"]);
    other_ups(&mut b);
    assert!(b.machine.view().flags.contains(StatusFlags::SHUTDOWN));
    b.answer();
    b.run_to(100.0);
    assert!(b.happened().is_empty(), "once");
    // One that came while another shutdown was under way is heeded when that is dropped.
    let mut b = restarted(|s| s.timeout = Some(secs(20.0)));
    b.line_silently(StatusFlags::ONBATT);
    b.answer();
    b.run_to(0.0);
    b.machine.handle_remote(b.now, true, Evidence::AlertAndRead);
    b.drain();
    assert_eq!(b.happened(), ["-3 timeout", "-3 +powerfail", "-3 shutdown Timeout"]);
    other_ups(&mut b);
    assert_eq!(b.happened(), ["0 remotedown", "0 +powerfail", "0 shutdown Remote"]);
}

#[test]
fn a_decision_of_an_earlier_run_is_forgotten() {
    let mut b = Bench::cold(|_| {}, AtStart::default());
    let since = b.now - secs(30.0);
    let saved = SavedOutage {
        on_battery_since: Some(since),
        announced: true,
        decided_at: Some(since),
        ..SavedOutage::default()
    };
    b.machine = Machine::new(settings(), b.now, AtStart { saved: Some(saved), ..AtStart::default() });
    b.drain();
    other_ups(&mut b);
    b.slaves = vec![std::net::Ipv4Addr::LOCALHOST.into()];
    b.line_silently(StatusFlags::ONBATT);
    b.answer();
    b.charge(3.0);
    b.run_to(20.0);
    // Slaves have their whole time, 30 s, from this decision.
    assert!(b.machine.awaits_slaves(), "{:?}", b.log);
}

#[test]
fn a_calibration_that_the_outage_had_become_is_dropped_too_and_so_is_the_outage_it_becomes() {
    for ends_as_outage in [false, true] {
        let mut b = restarted(|_| {});
        b.line_silently(StatusFlags::ONBATT);
        b.bit(StatusFlags::CALIBRATION, true);
        b.answer();
        b.run_to(10.0);
        if ends_as_outage {
            b.charge(10.0);
            b.run_to(13.0);
        }
        assert!(b.machine.view().on_battery_since.is_some());
        b.bit(StatusFlags::CALIBRATION, false);
        b.charge(100.0);
        other_ups(&mut b);
        assert_fresh(&b);
        b.line_silently(StatusFlags::ONLINE);
        b.log.clear();
        b.poll(Evidence::Poll);
        b.run_to(100.0);
        assert!(b.happened().is_empty(), "{:?}", b.log);
    }
}
