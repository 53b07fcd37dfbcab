//! Outages, blips and announcements: power-events §6 and the captures.

use super::*;

#[test]
fn short_blip_is_announced_and_ended() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(3.0);
    b.mains_back();
    b.run_to(7.0);
    b.assert_as_captured("short-blip");
    assert_eq!(b.happened(), ["0 powerout", "3 mainsback"]);
    let view = b.machine.view();
    assert_eq!((view.transfers, view.on_battery_total), (1, secs(3.0)));
    assert_eq!(view.on_battery_at, Some(b.instant(0.0)));
    assert_eq!(view.off_battery_at, Some(b.instant(3.0)));
    assert_eq!(b.flags(), 0x0500_0008);
}

#[test]
fn normal_outage_pairs_onbattery_with_offbattery() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    assert_eq!(b.flags(), 0x0504_0010);
    b.run_to(8.0);
    assert_eq!(b.flags(), 0x0506_0010);
    assert_eq!(b.machine.view().on_battery_since, Some(b.instant(0.0)));
    b.run_to(14.0);
    b.mains_back();
    b.run_to(18.0);
    assert_eq!(b.flags(), 0x0500_0008);
    b.mains_lost();
    b.run_to(22.0);
    b.mains_back();
    b.run_to(26.0);
    b.assert_as_captured("normal-outage");
    let view = b.machine.view();
    assert_eq!((view.transfers, view.on_battery_total), (2, secs(18.0)));
    assert_eq!(
        b.happened(),
        ["0 powerout", "6 onbattery", "14 offbattery", "14 mainsback", "18 powerout", "22 mainsback"]
    );
}

#[test]
fn onbattery_follows_at_once_without_a_delay() {
    let mut b = Bench::new(|s| s.on_battery_delay = secs(0.0));
    b.mains_lost();
    b.run_to(4.0);
    b.mains_back();
    b.assert_as_captured("onbatterydelay-zero");
}

#[test]
fn one_poll_on_battery_is_no_outage() {
    let mut b = Bench::new(|_| {});
    b.line_silently(StatusFlags::ONBATT);
    b.poll(Evidence::Poll);
    b.line_silently(StatusFlags::ONLINE);
    b.run_to(60.0);
    assert!(b.happened().is_empty());
    assert_eq!(b.machine.view().transfers, 0);
}

#[test]
fn two_agreeing_polls_a_second_apart_are_an_outage() {
    let mut b = Bench::new(|_| {});
    b.values.line_voltage = Some(Volts(0.0));
    b.line_silently(StatusFlags::ONBATT);
    b.poll(Evidence::Poll);
    assert!(b.happened().is_empty());
    b.run_to(1.0);
    // Within 3 s, by fast polls alone.
    assert_eq!(b.happened(), ["1 powerout"]);
    assert_eq!(b.machine.view().on_battery_at, Some(b.instant(0.0)), "counted from the first sample");
}

#[test]
fn readings_a_moment_apart_are_one_look() {
    let mut b = Bench::new(|_| {});
    b.values.transfer_cause = None;
    b.machine.supply.forget_cause();
    b.line_silently(StatusFlags::ONBATT);
    for _ in 0..5 {
        b.poll(Evidence::Poll);
        b.now += secs(0.02);
    }
    assert!(b.happened().is_empty());
}

#[test]
fn one_poll_on_mains_does_not_end_an_outage() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(10.0);
    b.happened();
    b.line_silently(StatusFlags::ONLINE);
    b.poll(Evidence::Poll);
    b.line_silently(StatusFlags::ONBATT);
    b.run_to(30.0);
    assert!(b.happened().is_empty());
    assert_eq!(b.machine.view().transfers, 1);
}

#[test]
fn an_empty_status_is_no_data_and_no_mains() {
    // 3.14.14 took status 0 for mains: false offbattery and mainsback, and TIMEOUT began anew (power-events §10 item 6).
    let mut b = Bench::new(|s| s.timeout = Some(secs(25.0)));
    b.mains_lost();
    b.run_to(12.0);
    b.feed(&Reading::sampled(b.now, StatusFlags::empty(), Evidence::Poll, Values::default()));
    let zero =
        Values { battery_charge: Some(Percent(0.0)), runtime_left: Some(Minutes(0.0)), ..Values::default() };
    b.feed(&Reading::sampled(b.now, StatusFlags::empty(), Evidence::AlertAndRead, zero));
    b.run_to(32.0);
    assert_eq!(b.logged().iter().filter(|line| line.contains("implausible status")).count(), 1);
    assert_eq!(
        b.happened(),
        ["0 powerout", "6 onbattery", "31 timeout", "31 +powerfail", "31 shutdown Timeout"]
    );
    assert_eq!(b.machine.view().transfers, 1);
}

#[test]
fn a_blip_of_an_instant_gives_powerout_and_mainsback() {
    // 3.14.14 lost the second edge (power-events §10 item 7).
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.mains_back();
    b.run_to(12.0);
    b.assert_log_is(&with(
        Bench::capture("instant-blip-lost-mainsback"),
        0.01,
        "Power is back. UPS running on mains.",
    ));
    assert_eq!(b.machine.view().off_battery_at, Some(b.instant(0.0)));
}

#[test]
fn flapping_mains_starts_each_debounce_afresh() {
    // 3.14.14 shut down at the third blip: its charge debounce had survived the second (power-events §10 item 8).
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(2.0);
    b.mains_back();
    b.run_to(4.0);
    b.mains_lost();
    b.run_to(6.0);
    b.charge(4.0);
    b.run_to(8.0);
    b.mains_back();
    b.run_to(10.0);
    b.mains_lost();
    b.run_to(12.0);
    b.mains_back();
    b.run_to(14.0);
    b.mains_lost();
    b.run_to(16.0);
    b.mains_back();
    b.run_to(18.0);
    let capture = without(
        without(Bench::capture("flapping"), "Battery charge below low limit."),
        "Initiating system shutdown!",
    );
    b.assert_log_is(&capture);
    let view = b.machine.view();
    assert_eq!((view.transfers, view.on_battery_total), (4, secs(10.0)));
    b.mains_lost();
    b.run_to(24.0);
    assert!(b.logged().contains(&"Initiating system shutdown!"), "a fifth blip of 5 s is long enough");
}

#[test]
fn battery_out_and_in_is_announced() {
    let mut b = Bench::new(|_| {});
    b.poll_time = secs(2.0);
    b.poll(Evidence::Poll);
    b.bit(StatusFlags::BATTPRESENT, false);
    b.run_to(6.0);
    assert_eq!(b.flags(), 0x0100_0008);
    b.bit(StatusFlags::BATTPRESENT, true);
    b.run_to(11.0);
    b.assert_log_is(&moved(Bench::capture("battdetach"), "Battery disconnected.", 3.0));
}

#[test]
fn start_without_battery_is_announced() {
    let mut b = Bench::cold(|_| {}, AtStart::default());
    b.bit(StatusFlags::BATTPRESENT, false);
    b.run_to(-3.9);
    b.answer();
    b.run_to(0.0);
    assert_eq!(b.happened(), ["-3 battdetach"]);
}

#[test]
fn changeme_comes_at_once_and_every_nine_hours_six_times() {
    // 3.14.14 waits 10 min after its start and never stops on smart drivers (power-events §10 item 23).
    let mut b = Bench::new(|_| {});
    b.bit(StatusFlags::REPLACEBATT, true);
    b.run_to(130.0);
    assert_eq!(b.flags(), 0x0500_0088);
    assert_eq!(b.happened(), ["116 changeme"]);
    b.run_to(9.0 * 3600.0 * 20.0);
    let times: Vec<String> = b.happened();
    assert_eq!(times.len(), 5, "{times:?}");
    assert_eq!(times[0], "32576 changeme");
    b.bit(StatusFlags::REPLACEBATT, false);
    b.run_to(9.0 * 3600.0 * 21.0);
    b.bit(StatusFlags::REPLACEBATT, true);
    b.run_to(9.0 * 3600.0 * 22.0);
    assert_eq!(b.happened().len(), 1, "a flag that was away counts anew");
}

#[test]
fn one_reading_is_no_changeme() {
    let mut b = Bench::new(|_| {});
    b.bit(StatusFlags::REPLACEBATT, true);
    b.poll(Evidence::Poll);
    b.bit(StatusFlags::REPLACEBATT, false);
    b.run_to(1000.0);
    assert!(b.happened().is_empty());
}

#[test]
fn nothing_ticks_on_mains() {
    let mut b = Bench::new(|s| {
        s.timeout = Some(secs(30.0));
        s.kill_delay = Some(secs(30.0));
        s.no_logon = NoLogon::Always;
    });
    assert_eq!(b.machine.poll_timeout(), None);
    b.wake_ups = 0;
    b.run_to(86_400.0);
    assert_eq!(b.wake_ups, 0);
}

#[test]
fn nologin_and_annoyme_as_captured() {
    // 3.14.14 creates nologin at the first sub-second blip with NOLOGON always; ours waits for onbattery (power-events §10 item 13).
    let mut b = Bench::new(|s| {
        s.no_logon = NoLogon::Always;
        s.annoy = secs(5.0);
        s.annoy_delay = secs(10.0);
    });
    b.mains_lost();
    b.run_to(35.9);
    b.mains_back();
    b.run_to(40.0);
    let capture = without(Bench::capture("annoy-nologon-always"), "User logins prohibited");
    b.assert_log_is(&with(capture, 6.06, "User logins prohibited"));
    let happened = b.happened();
    // First max(ANNOY, ANNOYDELAY) after onbattery, then every ANNOY, the repeats without a log line.
    let annoy: Vec<&String> = happened.iter().filter(|line| line.contains("annoyme")).collect();
    assert_eq!(annoy, ["16 annoyme", "21 hook annoyme", "26 hook annoyme", "31 hook annoyme"]);
    assert!(happened.contains(&"6 +nologin".to_owned()));
}

#[test]
fn annoyme_every_annoy_with_annoydelay_zeroed() {
    let mut b = Bench::new(|s| {
        s.no_logon = NoLogon::Always;
        s.annoy = secs(10.0);
    });
    b.mains_lost();
    b.run_to(36.0);
    b.mains_back();
    let capture = without(Bench::capture("annoy-annoydelay-zeroed"), "User logins prohibited");
    b.assert_log_is(&with(capture, 6.2, "User logins prohibited"));
}

#[test]
fn no_annoyme_without_nologin() {
    let mut b = Bench::new(|s| s.annoy = secs(1.0));
    b.mains_lost();
    b.run_to(60.0);
    assert_eq!(b.happened(), ["0 powerout", "6 onbattery"]);
}

#[test]
fn a_blip_creates_no_nologin() {
    let mut b = Bench::new(|s| s.no_logon = NoLogon::Always);
    b.mains_lost();
    b.run_to(3.0);
    b.mains_back();
    b.run_to(20.0);
    assert_eq!(b.happened(), ["0 powerout", "3 mainsback"]);
}

#[test]
fn nologin_by_charge_as_captured() {
    let mut b = Bench::new(|s| {
        s.no_logon = NoLogon::Percent;
        s.battery_level = Some(Percent(50.0));
    });
    b.mains_lost();
    b.run_to(10.0);
    b.charge(55.1);
    b.run_to(13.9);
    assert!(!b.logged().contains(&"User logins prohibited"));
    b.charge(55.0);
    b.run_to(18.0);
    b.mains_back();
    b.assert_as_captured("nologon-percent");
}

#[test]
fn nologin_by_time_as_captured() {
    let mut b = Bench::new(|s| {
        s.no_logon = NoLogon::Timeout;
        s.timeout = Some(secs(20.0));
    });
    b.mains_lost();
    b.run_to(40.0);
    b.assert_as_captured("nologon-timeout");
}

#[test]
fn nologin_by_runtime_and_mains_back_during_shutdown_as_captured() {
    let mut b = Bench::new(|s| {
        s.no_logon = NoLogon::Minutes;
        s.minutes = Some(Minutes(10.0));
    });
    b.mains_lost();
    b.run_to(8.0);
    b.runtime(11.0);
    b.run_to(12.0);
    b.runtime(10.0);
    b.run_to(21.0);
    b.mains_back();
    b.run_to(24.0);
    b.assert_as_captured("nologon-minutes-runlimit");
}

#[test]
fn nologin_is_created_by_the_shutdown_itself() {
    let mut b = Bench::new(|s| {
        s.no_logon = NoLogon::Percent;
        s.timeout = Some(secs(8.0));
    });
    b.mains_lost();
    b.run_to(20.0);
    b.assert_as_captured("nologon-percent-timeout-shutdown");
}
