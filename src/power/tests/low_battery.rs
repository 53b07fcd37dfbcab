//! LOWBATTERYFLAG: what the UPS's word that its battery is low counts for.

use super::*;

/// A UPS that says low battery as soon as mains fails, with 95 % and 26 minutes.
fn liar(flag: LowBatteryFlag, change: impl FnOnce(&mut Settings)) -> Bench {
    let mut b = Bench::new(|s| {
        s.low_battery_flag = flag;
        change(s);
    });
    b.charge(95.0);
    b.runtime(26.0);
    b.poll(Evidence::Poll);
    b.bit(StatusFlags::BATTLOW, true);
    b
}

/// Charge and runtime fall as they do: by a per cent every 20 s, by 0.26 minutes.
fn drain_battery(b: &mut Bench, from: f64, to: f64) {
    let mut second = from;
    while second < to {
        let Some(Percent(charge)) = b.values.battery_charge else { return };
        b.charge(charge - 1.0);
        b.runtime((charge - 1.0) * 0.27);
        second += 20.0;
        b.run_to(second.min(to));
    }
}

fn shut(b: &mut Bench) -> Vec<String> {
    b.happened().into_iter().filter(|line| line.contains("shutdown")).collect()
}

const HINT: &str = "see LOWBATTERYFLAG in mainsd.conf(5).";

#[test]
fn by_default_the_word_of_the_ups_counts_and_the_log_names_the_directive() {
    let mut b = liar(LowBatteryFlag::Ups, |_| {});
    b.mains_lost();
    b.run_to(30.0);
    let reason = b.logged().into_iter().find(|line| line.starts_with("Shutdown because")).expect("a reason");
    assert!(reason.contains("charge 95.0 %") && reason.ends_with(HINT), "{reason}");
    assert_eq!(shut(&mut b), ["5 shutdown LowBattery"]);
    // Not where charge or runtime agree.
    let mut b = liar(LowBatteryFlag::Ups, |_| {});
    b.charge(12.0);
    b.mains_lost();
    b.run_to(30.0);
    assert!(b.logged().iter().all(|line| !line.contains("LOWBATTERYFLAG")), "{:?}", b.logged());
}

#[test]
fn with_confirm_the_flag_waits_for_the_charge() {
    let mut b = liar(LowBatteryFlag::Confirm, |_| {});
    b.mains_lost();
    drain_battery(&mut b, 0.0, 860.0);
    assert_eq!(b.logged().iter().filter(|line| line.contains("LOWBATTERYFLAG confirm")).count(), 1);
    assert!(shut(&mut b).is_empty());
    let Some(Percent(charge)) = b.values.battery_charge else { panic!("a charge") };
    assert_eq!(charge, 52.0);
    drain_battery(&mut b, 860.0, 960.0);
    assert_eq!(shut(&mut b), ["882 shutdown LowBattery"], "50 %, read twice");
}

#[test]
fn with_confirm_the_flag_counts_when_charge_or_runtime_agree_or_are_no_witnesses() {
    type Change = fn(&mut Bench);
    let table: [(&str, Change, f64); 6] = [
        ("charge", |b| b.charge(50.0), 5.0),
        ("runtime", |b| b.runtime(5.0), 5.0),
        ("charge unknown", |b| b.values.battery_charge = None, 5.0),
        ("runtime unknown", |b| b.values.runtime_left = None, 5.0),
        ("charge implausible", |b| b.charge(200.0), 5.0),
        ("runtime implausible", |b| b.runtime(-1.0), 5.0),
    ];
    for (what, change, second) in table {
        let mut b = liar(LowBatteryFlag::Confirm, |s| {
            s.battery_level = None;
            s.minutes = None;
        });
        change(&mut b);
        b.mains_lost();
        b.run_to(50.0);
        let reason = b.logged().into_iter().find(|line| line.starts_with("Shutdown because"));
        let words = match what.rsplit(' ').next() {
            Some("unknown") => "is not known",
            Some("implausible") => "is implausible",
            _ => "agrees",
        };
        let name = what.split(' ').next().expect("a word");
        let ends = format!("(LOWBATTERYFLAG confirm: {name} {words}).");
        assert!(reason.is_some_and(|line| line.ends_with(&ends)), "{reason:?}, {ends}");
        assert_eq!(shut(&mut b), [format!("{second} shutdown LowBattery")], "{what}");
    }
}

#[test]
fn with_confirm_a_limit_above_fifty_per_cent_agrees_too() {
    let mut b = liar(LowBatteryFlag::Confirm, |s| {
        s.battery_level = Some(Percent(60.0));
        s.minutes = None;
    });
    b.mains_lost();
    b.run_to(9.5);
    b.charge(60.0);
    b.run_to(14.0);
    // The limit itself needs its 5 seconds; the flag has been there for longer.
    assert_eq!(shut(&mut b), ["11 shutdown LowBattery"]);
}

#[test]
fn with_confirm_values_that_stand_still_for_a_minute_are_no_witnesses() {
    let mut b = liar(LowBatteryFlag::Confirm, |_| {});
    b.run_to(1000.0);
    b.mains_lost();
    b.run_to(1059.0);
    assert!(shut(&mut b).is_empty());
    b.run_to(1100.0);
    let reason = b.logged().into_iter().find(|line| line.starts_with("Shutdown because")).expect("a reason");
    let why = "low battery yes (LOWBATTERYFLAG confirm: charge has not changed for 60 s).";
    assert!(reason.ends_with(why), "{reason}");
    assert_eq!(shut(&mut b), ["1060 shutdown LowBattery"]);
    // One that moves does not speak for one that does not.
    let mut b = liar(LowBatteryFlag::Confirm, |_| {});
    b.mains_lost();
    for second in 0..58 {
        b.run_to(f64::from(second));
        b.charge(95.0 - f64::from(second) / 10.0);
    }
    b.run_to(59.0);
    assert!(shut(&mut b).is_empty());
    b.run_to(65.0);
    assert_eq!(shut(&mut b), ["60 shutdown LowBattery"], "the runtime stood still");
}

#[test]
fn one_sample_of_a_low_charge_does_not_confirm() {
    let mut b = liar(LowBatteryFlag::Confirm, |_| {});
    b.mains_lost();
    b.run_to(9.5);
    b.charge(40.0);
    b.poll(Evidence::Poll);
    let once = b.reading(Evidence::Poll);
    for _ in 0..3 {
        b.feed(&once);
    }
    b.charge(94.0);
    b.run_to(50.0);
    assert!(shut(&mut b).is_empty());
}

#[test]
fn with_ignore_only_charge_runtime_and_timeout_count() {
    let mut b = liar(LowBatteryFlag::Ignore, |s| s.minutes = None);
    b.mains_lost();
    drain_battery(&mut b, 0.0, 1770.0);
    assert_eq!(b.logged().iter().filter(|line| line.contains("LOWBATTERYFLAG ignore")).count(), 1);
    assert!(shut(&mut b).is_empty(), "{:?}", b.values.battery_charge);
    drain_battery(&mut b, 1770.0, 1900.0);
    let shut = shut(&mut b);
    assert!(shut.len() == 1 && shut[0].ends_with("shutdown Charge"), "{shut:?}");
}

#[test]
fn an_emergency_counts_as_the_flag_does() {
    for (flag, expected) in [
        (LowBatteryFlag::Ups, vec!["2 shutdown Emergency"]),
        (LowBatteryFlag::Confirm, vec![]),
        (LowBatteryFlag::Ignore, vec![]),
    ] {
        let mut b = liar(flag, |_| {});
        b.bit(StatusFlags::BATTLOW, false);
        b.mains_lost();
        b.run_to(0.5);
        b.bit(StatusFlags::BATTLOW | StatusFlags::ONLINE, true);
        b.run_to(4.0);
        assert_eq!(shut(&mut b), expected, "{flag:?}");
    }
    let mut b = liar(LowBatteryFlag::Confirm, |_| {});
    b.charge(30.0);
    b.mains_lost();
    b.run_to(0.5);
    b.bit(StatusFlags::ONLINE, true);
    b.run_to(4.0);
    assert_eq!(shut(&mut b), ["2 shutdown Emergency"]);
}

#[test]
fn the_last_word_before_a_silence_counts_as_the_flag_does() {
    let last_word = |flag, charge| {
        let mut b = liar(flag, |s| {
            s.battery_level = None;
            s.minutes = None;
        });
        b.charge(charge);
        b.runtime(600.0);
        b.mains_lost();
        b.run_to(1.0);
        b.silence();
        b.run_to(100.0);
        shut(&mut b)
    };
    assert_eq!(last_word(LowBatteryFlag::Ups, 95.0), ["5 shutdown LowBattery"]);
    assert_eq!(last_word(LowBatteryFlag::Confirm, 95.0), ["60 shutdown LowBattery"]);
    assert_eq!(last_word(LowBatteryFlag::Confirm, 45.0), ["5 shutdown LowBattery"]);
    assert!(last_word(LowBatteryFlag::Ignore, 45.0).is_empty());
}

#[test]
fn a_flag_that_does_not_count_does_not_cut_short_the_time_of_slaves() {
    for (flag, seconds) in [(LowBatteryFlag::Ups, 15.0), (LowBatteryFlag::Ignore, 40.0)] {
        let mut b = liar(flag, |s| {
            s.timeout = Some(secs(4.0));
            s.on_battery_delay = secs(6.0);
        });
        b.bit(StatusFlags::BATTLOW, false);
        b.slaves = vec![std::net::Ipv4Addr::LOCALHOST.into()];
        b.mains_lost();
        b.run_to(9.5);
        assert!(shut(&mut b).is_empty());
        b.bit(StatusFlags::BATTLOW, true);
        b.run_to(60.0);
        let second: f64 = shut(&mut b)[0].split(' ').next().expect("a second").parse().expect("a second");
        assert!(second < seconds, "{flag:?}: {second}");
        assert!(flag == LowBatteryFlag::Ups || second >= 34.0, "{second}");
    }
}

#[test]
fn zeros_with_a_flag_that_is_not_trusted_are_data_only_after_a_minute() {
    let zeros = |flag| {
        let mut b = liar(flag, |_| {});
        b.mains_lost();
        b.run_to(9.5);
        b.charge(0.0);
        b.runtime(0.0);
        b.run_to(30.0);
        shut(&mut b)
    };
    assert!(zeros(LowBatteryFlag::Ignore).is_empty());
    assert_eq!(zeros(LowBatteryFlag::Confirm), ["11 shutdown LowBattery"], "implausible: no witness");
}

#[test]
fn the_status_shows_the_flag_whatever_it_counts_for() {
    for flag in LowBatteryFlag::ALL {
        let mut b = liar(flag, |_| {});
        b.mains_lost();
        b.run_to(2.0);
        assert_eq!(b.flags() & 0x40, 0x40, "{flag:?}");
    }
}
