//! From the decision on: its state, reports, UPS power, remote orders, SIGTERM.

use super::*;

fn decided(change: impl FnOnce(&mut Settings)) -> Bench {
    let mut b = Bench::new(|s| {
        s.timeout = Some(secs(10.0));
        change(s);
    });
    b.mains_lost();
    b.run_to(16.5);
    assert!(b.happened().contains(&"16 shutdown Timeout".to_owned()));
    b.log.clear();
    b
}

fn matching(b: &mut Bench, words: &str) -> Vec<String> {
    b.happened().into_iter().filter(|line| line.contains(words)).collect()
}

#[test]
fn a_system_that_still_runs_on_battery_is_shut_down_again() {
    let mut b = decided(|_| {});
    b.run_to(1000.0);
    assert_eq!(
        b.happened(),
        [
            "316 +powerfail",
            "316 shutdown Timeout",
            "616 +powerfail",
            "616 shutdown Timeout",
            "916 +powerfail",
            "916 shutdown Timeout"
        ]
    );
}

#[test]
fn a_shutdown_that_failed_is_tried_again_soon() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(10.0)));
    b.report = Some(HookReport::ShutdownFailed);
    b.mains_lost();
    b.run_to(80.0);
    assert_eq!(
        matching(&mut b, "shutdown"),
        ["16 shutdown Timeout", "46 shutdown Timeout", "76 shutdown Timeout"]
    );
}

#[test]
fn a_report_that_never_comes_does_not_end_the_guarding() {
    let mut b = Bench::new(|s| s.timeout = Some(secs(10.0)));
    b.report = None;
    b.mains_lost();
    b.run_to(400.0);
    assert_eq!(matching(&mut b, "shutdown"), ["16 shutdown Timeout", "316 shutdown Timeout"]);
}

#[test]
fn the_decision_is_dropped_when_mains_is_back_for_good() {
    // 3.14.14 never shuts down again (power-events §10 item 2).
    let mut b = decided(|_| {});
    b.mains_back();
    b.run_to(76.4);
    assert_eq!(b.flags(), 0x0510_0208);
    b.run_to(76.6);
    assert_eq!(b.flags(), 0x0500_0008);
    b.mains_lost();
    b.run_to(100.0);
    assert_eq!(matching(&mut b, "shutdown"), ["92 shutdown Timeout"]);
}

#[test]
fn an_outage_before_that_is_the_same_shutdown() {
    let mut b = decided(|_| {});
    b.mains_back();
    b.run_to(40.0);
    b.mains_lost();
    b.run_to(310.0);
    assert!(matching(&mut b, "shutdown").is_empty());
    b.run_to(320.0);
    assert_eq!(matching(&mut b, "shutdown"), ["316 shutdown Timeout"]);
}

#[test]
fn a_powerfail_flag_goes_when_the_shutdown_has_had_its_time() {
    let mut b = decided(|_| {});
    b.mains_back();
    b.run_to(315.9);
    assert!(matching(&mut b, "-powerfail").is_empty(), "a slow shutdown needs it until the halt");
    b.run_to(317.0);
    assert_eq!(matching(&mut b, "-powerfail"), ["316 -powerfail"]);
    let mut b = decided(|_| {});
    b.run_to(300.0);
    b.mains_back();
    b.run_to(400.0);
    assert_eq!(matching(&mut b, "-powerfail"), ["360 -powerfail"]);
}

#[test]
fn kill_power_waits_until_the_shutdown_is_under_way() {
    let mut b = Bench::new(|s| {
        s.timeout = Some(secs(10.0));
        s.kill_on_powerfail = true;
    });
    b.report = None;
    b.mains_lost();
    b.run_to(20.0);
    assert!(matching(&mut b, "command").is_empty());
    b.machine.handle_report(b.now, HookReport::ShutdownFellBack);
    b.drain();
    b.run_to(60.0);
    assert_eq!(matching(&mut b, "command"), ["20 command KillPower"]);
}

#[test]
fn kill_power_is_never_sent_for_a_shutdown_that_failed() {
    let mut b = Bench::new(|s| {
        s.timeout = Some(secs(10.0));
        s.kill_on_powerfail = true;
        s.kill_delay = Some(secs(5.0));
    });
    b.report = Some(HookReport::ShutdownFailed);
    b.mains_lost();
    b.run_to(200.0);
    assert!(matching(&mut b, "command").is_empty());
}

#[test]
fn killdelay_repeats_while_on_battery_as_captured() {
    let mut b = Bench::new(|s| {
        s.timeout = Some(secs(10.0));
        s.kill_delay = Some(secs(12.0));
    });
    b.mains_lost();
    b.run_to(60.0);
    b.assert_as_captured("killdelay");
    assert_eq!(
        matching(&mut b, "command"),
        ["28 command KillPower", "40 command KillPower", "52 command KillPower"]
    );
}

#[test]
fn killdelay_is_over_when_mains_returns_as_captured() {
    let mut b = Bench::new(|s| {
        s.timeout = Some(secs(10.0));
        s.kill_delay = Some(secs(15.0));
    });
    b.mains_lost();
    b.run_to(22.0);
    b.mains_back();
    b.run_to(47.0);
    b.assert_as_captured("killdelay-power-returns");
    // And a blip later, with the shutdown perhaps cancelled, does not cut the power of a running machine.
    b.mains_lost();
    b.run_to(60.0);
    assert!(matching(&mut b, "command").is_empty());
}

#[test]
fn a_share_master_leaves_its_slaves_their_time_once_before_it_kills_the_power() {
    let mut b = decided(|s| {
        s.kill_delay = Some(secs(12.0));
        s.kill_wait = secs(30.0);
    });
    b.run_to(80.0);
    // Decided at 16, KILLDELAY later it waits, and after that is as punctual as any.
    assert_eq!(matching(&mut b, "command"), ["58 command KillPower", "70 command KillPower"]);
}

#[test]
fn kill_power_waits_for_a_silent_ups() {
    let mut b = decided(|s| s.kill_delay = Some(secs(12.0)));
    b.silence();
    b.run_to(60.0);
    assert!(matching(&mut b, "command").is_empty());
    b.answer();
    assert_eq!(matching(&mut b, "command"), ["60 command KillPower"]);
}

#[test]
fn a_slave_never_kills_power() {
    let mut b = decided(|s| {
        s.slave = true;
        s.kill_on_powerfail = true;
        s.kill_delay = Some(secs(1.0));
    });
    b.run_to(100.0);
    assert!(matching(&mut b, "command").is_empty());
}

#[test]
fn kill_power_that_failed_is_sent_again() {
    let mut b = decided(|s| s.kill_on_powerfail = true);
    let refused = CommandResult::new(Command::KillPower, Err("the UPS refuses".to_owned()));
    b.machine.handle_command_result(b.now, &refused);
    b.drain();
    assert_eq!(b.logged(), ["Failed to issue shutdown command! the UPS refuses"]);
    b.run_to(30.0);
    assert_eq!(matching(&mut b, "command"), ["26 command KillPower"]);
}

#[test]
fn term_on_powerfail_leaves_once_the_shutdown_is_under_way() {
    let mut b = Bench::new(|s| {
        s.timeout = Some(secs(10.0));
        s.term_on_powerfail = true;
    });
    b.mains_lost();
    b.run_to(20.0);
    assert_eq!(b.happened().last().map(String::as_str), Some("16 exit"));
    let mut b = Bench::new(|s| {
        s.timeout = Some(secs(10.0));
        s.term_on_powerfail = true;
    });
    b.report = Some(HookReport::ShutdownFailed);
    b.mains_lost();
    b.run_to(100.0);
    assert!(matching(&mut b, "exit").is_empty(), "not while the machine needs it");
}

#[test]
fn term_on_powerfail_lets_kill_power_end_first() {
    let mut b = Bench::new(|s| {
        s.timeout = Some(secs(10.0));
        s.term_on_powerfail = true;
        s.kill_on_powerfail = true;
    });
    b.mains_lost();
    b.run_to(20.0);
    assert!(matching(&mut b, "exit").is_empty());
    let done = CommandResult::new(Command::KillPower, Ok("switches off in 20 s".to_owned()));
    b.machine.handle_command_result(b.now, &done);
    b.drain();
    assert_eq!(b.happened(), ["20 exit"]);
}

#[test]
fn a_remote_order_shuts_down_on_mains_too_and_once() {
    let mut b = Bench::new(|_| {});
    b.machine.handle_remote(b.now, true, Evidence::AlertAndRead);
    b.machine.handle_remote(b.now, true, Evidence::AlertAndRead);
    b.drain();
    b.run_to(100.0);
    assert_eq!(b.happened(), ["0 remotedown", "0 +powerfail", "0 shutdown Remote"]);
    assert_eq!(b.flags(), 0x0584_0208);
    b.run_to(301.0);
    assert_eq!(matching(&mut b, "shutdown"), ["300 shutdown Remote"], "still ordered, still running");
    b.machine.handle_remote(b.now, false, Evidence::AlertAndRead);
    b.run_to(302.0);
    assert_eq!(b.flags(), 0x0500_0008, "taken back, mains long back");
}

#[test]
fn a_masters_word_of_its_shutdown_takes_a_second_one_for_which_it_is_asked() {
    let mut b = Bench::new(|s| s.slave = true);
    let says = |b: &mut Bench, second: f64, ordered: bool| {
        b.run_to(second);
        b.machine.handle_remote(b.now, ordered, Evidence::Poll);
        b.drain();
    };
    let shut = |b: &mut Bench| b.happened().iter().filter(|what| what.contains("shutdown")).count();
    says(&mut b, 10.0, true);
    // The same moment's second word is the first.
    says(&mut b, 10.1, true);
    b.run_to(10.3);
    assert_eq!(b.happened(), ["10 command Poll"]);
    says(&mut b, 10.3, true);
    assert_eq!(shut(&mut b), 1);
    // Taken back by the same rule.
    says(&mut b, 20.0, false);
    assert!(b.machine.remote_order_stands());
    says(&mut b, 20.3, false);
    assert!(!b.machine.remote_order_stands());
}

#[test]
fn a_masters_word_that_is_taken_back_is_nothing_and_the_last_before_a_silence_counts() {
    let mut b = Bench::new(|s| s.slave = true);
    for (second, ordered) in [(10.0, true), (10.25, false), (10.5, true), (10.75, false)] {
        b.run_to(second);
        b.machine.handle_remote(b.now, ordered, Evidence::Poll);
        assert!(!b.machine.remote_order_stands(), "{second}");
    }
    b.run_to(20.0);
    assert!(!b.machine.remote_order_stands());
    b.machine.handle_remote(b.now, true, Evidence::Poll);
    b.run_to(21.9);
    assert!(!b.machine.remote_order_stands());
    b.run_to(22.1);
    assert!(b.machine.remote_order_stands());
}

#[test]
fn a_slave_follows_its_master_without_flooding_the_log() {
    let mut b = Bench::new(|s| {
        s.slave = true;
        s.battery_level = None;
        s.minutes = None;
    });
    b.mains_lost();
    b.run_to(18.0);
    b.machine.handle_remote(b.now, true, Evidence::AlertAndRead);
    b.run_to(36.0);
    let mut capture = Bench::capture("slave-master-shuts-down");
    capture.iter_mut().for_each(|(second, _)| *second -= 0.9);
    b.assert_log_is(&capture);
    assert_eq!(b.flags(), 0x0586_0610);
}

#[test]
fn a_remote_order_taken_back_on_battery_lets_our_own_limits_count_again() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(10.0);
    b.machine.handle_remote(b.now, true, Evidence::AlertAndRead);
    b.drain();
    b.run_to(20.0);
    b.machine.handle_remote(b.now, false, Evidence::AlertAndRead);
    b.charge(3.0);
    b.run_to(400.0);
    assert_eq!(matching(&mut b, "shutdown"), ["10 shutdown Remote", "310 shutdown Charge"]);
}

#[test]
fn sigterm_in_an_outage_says_that_the_machine_is_unguarded() {
    let mut b = Bench::new(|s| s.no_logon = NoLogon::Always);
    b.mains_lost();
    b.run_to(9.0);
    b.log.clear();
    b.machine.handle_stop(b.now);
    b.drain();
    assert_eq!(b.logged()[0], "Allowing logins");
    assert_eq!(b.log[1].1, "-nologin");
    assert!(b.logged()[1].contains("unguarded"));
}

#[test]
fn sigterm_on_mains_or_in_a_shutdown_is_silent() {
    let mut b = Bench::new(|_| {});
    b.machine.handle_stop(b.now);
    b.drain();
    assert!(b.log.iter().all(|(_, what)| what == "-nologin"));
    let mut b = decided(|_| {});
    b.machine.handle_stop(b.now);
    b.drain();
    assert!(b.log.is_empty(), "{:?}", b.log);
    // Logins stay prohibited: the service manager stops us because the system goes down.
    let mut b = decided(|s| s.no_logon = NoLogon::Always);
    b.machine.handle_stop(b.now);
    b.drain();
    assert!(b.log.is_empty(), "{:?}", b.log);
}

#[test]
fn a_resume_polls_at_once_and_forgets_half_an_agreement() {
    let mut b = Bench::new(|_| {});
    b.line_silently(StatusFlags::ONBATT);
    b.poll(Evidence::Poll);
    b.now += secs(3600.0);
    b.machine.handle_resume(b.now);
    b.drain();
    assert_eq!(matching(&mut b, "command"), ["3600 command Poll"]);
    b.poll(Evidence::Poll);
    assert!(matching(&mut b, "powerout").is_empty());
}

#[test]
fn priorities_are_those_of_the_debian_build() {
    let mut b = Bench::new(|s| s.no_logon = NoLogon::Percent);
    b.machine.handle_remote(b.now, true, Evidence::AlertAndRead);
    let mut seen = Vec::new();
    while let Some(order) = b.machine.poll_order() {
        if order == Order::CountSlaves {
            b.machine.handle_slaves(b.now, &[]);
        }
        let first = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
        match &order {
            Order::Log(priority, text) => seen.push((*priority, first(text))),
            Order::EventWithReason(event, reason) => seen.push((event.priority(), first(reason))),
            _ => {}
        }
    }
    let line = |priority, word: &str| (priority, word.to_owned());
    let alert = |word| line(Priority::Alert, word);
    assert_eq!(seen, [line(Priority::Critical, "Shutdown"), alert("Initiating"), alert("User")]);
}

#[test]
fn nologin_of_a_shutdown_is_not_swept_away_as_an_earlier_run_s() {
    let mut b = Bench::cold(|s| s.no_logon = NoLogon::Always, AtStart::default());
    b.machine.handle_remote(b.now, true, Evidence::AlertAndRead);
    b.drain();
    b.log.clear();
    b.answer();
    b.run_to(120.0);
    assert!(!b.log.iter().any(|(_, what)| what == "-nologin"));
}

#[test]
fn nologin_goes_when_a_remote_order_is_taken_back() {
    let mut b = Bench::new(|s| s.no_logon = NoLogon::Always);
    b.machine.handle_remote(b.now, true, Evidence::AlertAndRead);
    b.run_to(10.0);
    b.machine.handle_remote(b.now, false, Evidence::AlertAndRead);
    b.run_to(100.0);
    assert!(b.logged().contains(&"Allowing logins"));
    assert_eq!(b.flags(), 0x0500_0008);
}

#[test]
fn nobody_is_annoyed_during_a_shutdown() {
    let mut b = decided(|s| {
        s.no_logon = NoLogon::Always;
        s.annoy = secs(5.0);
    });
    b.run_to(100.0);
    assert!(matching(&mut b, "annoyme").is_empty());
}

#[test]
fn term_on_powerfail_stays_when_the_shutdown_fails_after_all() {
    let mut b = Bench::new(|s| {
        s.timeout = Some(secs(10.0));
        s.term_on_powerfail = true;
        s.kill_on_powerfail = true;
    });
    b.mains_lost();
    b.run_to(20.0);
    b.machine.handle_report(b.now, HookReport::ShutdownFailed);
    b.drain();
    b.run_to(45.0);
    assert!(matching(&mut b, "exit").is_empty());
}

#[test]
fn a_remote_order_after_an_outage_that_is_over_is_not_lost() {
    let mut b = decided(|_| {});
    b.mains_back();
    b.run_to(30.0);
    b.machine.handle_remote(b.now, true, Evidence::AlertAndRead);
    b.drain();
    b.run_to(315.0);
    assert!(matching(&mut b, "shutdown").is_empty(), "the one that was ordered at 16 has its time");
    b.run_to(320.0);
    assert_eq!(b.happened(), ["316 remotedown", "316 +powerfail", "316 shutdown Remote"]);
}

#[test]
fn the_shortest_grace_is_a_second() {
    let mut b = decided(|s| s.shutdown_grace = secs(0.0));
    b.run_to(19.0);
    assert_eq!(
        matching(&mut b, "shutdown"),
        ["17 shutdown Timeout", "18 shutdown Timeout", "19 shutdown Timeout"]
    );
}
