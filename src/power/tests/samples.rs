//! Evidence by samples: copies, values without a time, and values that are older than the reading that tells them.

use super::*;
use crate::ups::{Item, ReadTimes};

fn shut(b: &mut Bench) -> Vec<String> {
    b.happened().into_iter().filter(|line| line.contains("shutdown")).collect()
}

#[test]
fn copies_of_one_sample_are_no_outage_and_no_return_of_mains() {
    // A poll that read the line once, and readings that other answers gave cause for.
    let mut b = Bench::new(|_| {});
    b.line_silently(StatusFlags::ONBATT);
    b.status |= StatusFlags::BATTLOW;
    let once = b.reading(Evidence::Poll);
    for _ in 0..20 {
        b.feed(&once);
        b.now += secs(1.0);
    }
    assert_eq!(b.flags() & 0x50, 0);
    assert!(b.happened().is_empty());
    b.feed(&b.reading(Evidence::Poll));
    assert_eq!(b.flags() & 0x50, 0x50, "the second sample");
    b.run_to(21.5);
    assert_eq!(b.happened()[0], "21 powerout");
    b.line_silently(StatusFlags::ONLINE);
    let once = b.reading(Evidence::Poll);
    for _ in 0..20 {
        b.feed(&once);
        b.now += secs(0.1);
    }
    assert_eq!(b.flags() & 0x18, 0x10);
}

#[test]
fn what_has_no_time_is_no_evidence() {
    let mut b = Bench::new(|_| {});
    b.status = StatusFlags::ONBATT | StatusFlags::BATTLOW | StatusFlags::REPLACEBATT;
    b.charge(1.0);
    let mut forgotten = b.reading(Evidence::AlertAndRead);
    forgotten.read = ReadTimes::default();
    for _ in 0..20 {
        b.feed(&forgotten);
        b.now += secs(1.0);
    }
    assert_eq!(b.flags(), 0x0500_0008);
    assert!(b.happened().is_empty());
}

#[test]
fn copies_of_one_garbled_register_are_no_detached_battery() {
    // A serial UPS is asked for register 2 once a poll and for its status every second.
    let mut b = Bench::new(|_| {});
    b.bit(StatusFlags::BATTPRESENT, false);
    let garbled = b.reading(Evidence::Poll);
    b.bit(StatusFlags::BATTPRESENT, true);
    for second in 0..30 {
        b.now = b.instant(f64::from(second));
        let mut reading = garbled.clone();
        reading.at = b.now;
        reading.read.set(Item::Line, Some(b.now));
        b.feed(&reading);
    }
    b.poll(Evidence::Poll);
    assert!(b.happened().is_empty());
    assert_eq!(b.flags(), 0x0500_0008);
}

/// So many seconds of readings every second in which an item has the time of its last sample.
fn copies(b: &mut Bench, item: Item, seconds: std::ops::Range<u32>) {
    let read = b.now;
    for second in seconds {
        b.run_to(f64::from(second) - 0.5);
        b.now = b.instant(f64::from(second));
        let mut reading = b.reading(Evidence::Poll);
        reading.read.set(item, Some(read));
        b.feed(&reading);
    }
}

#[test]
fn a_value_that_is_told_again_without_being_read_again_is_projected() {
    // A status byte every second does not make a charge or a runtime of a minute ago fresh.
    for (item, expected) in [(Item::Runtime, "Runtime"), (Item::Charge, "Charge")] {
        let mut b = Bench::new(|s| {
            s.battery_level = (expected == "Charge").then_some(Percent(50.0));
            s.minutes = (expected == "Runtime").then_some(Minutes(3.0));
        });
        b.runtime(4.0);
        b.mains_lost();
        b.run_to(0.5);
        b.answers = false;
        copies(&mut b, item, 1..300);
        let shut = shut(&mut b);
        assert_eq!(shut.len(), 1, "{expected}");
        let (second, cause) = shut[0].split_once(" shutdown ").expect("a shutdown");
        // 4 minutes at 100 %: the reserve is reached after 60 s, half of the charge after 120 s.
        let due = if expected == "Runtime" { 60.0 } else { 120.0 };
        let second: f64 = second.parse().expect("a second");
        assert!(cause == expected && (due - 1.0..=due + 2.0).contains(&second), "{cause} {second}");
    }
}

#[test]
fn copies_of_a_low_value_reach_no_limit_by_themselves() {
    for item in [Item::Runtime, Item::Charge] {
        let mut b = Bench::new(|_| {});
        b.mains_lost();
        b.run_to(0.5);
        match item {
            Item::Runtime => b.runtime(2.0),
            _ => b.charge(3.0),
        }
        b.poll(Evidence::Poll);
        b.answers = false;
        // One garbled answer, told again for eight seconds; then it is read anew.
        copies(&mut b, item, 1..9);
        b.runtime(45.0);
        b.charge(99.0);
        b.answers = true;
        b.poll(Evidence::Poll);
        b.run_to(60.0);
        assert!(shut(&mut b).is_empty(), "{item:?}");
    }
}

#[test]
fn one_odd_value_before_a_silence_is_no_reason_to_shut_down_for_a_minute() {
    for (charge, runtime) in [(3.0, 45.0), (100.0, 0.5), (3.0, 0.5)] {
        let mut b = Bench::new(|_| {});
        b.mains_lost();
        b.run_to(10.5);
        b.charge(charge);
        b.runtime(runtime);
        b.poll(Evidence::Poll);
        b.silence();
        b.run_to(60.0);
        assert!(shut(&mut b).is_empty(), "{charge} {runtime}");
        // If nobody says otherwise for a minute, it is believed all the same.
        b.run_to(100.0);
        assert_eq!(shut(&mut b).len(), 1, "{charge} {runtime}");
        // Said twice, it is.
        let mut b = Bench::new(|_| {});
        b.mains_lost();
        b.run_to(10.5);
        b.charge(charge);
        b.runtime(runtime);
        b.run_to(12.5);
        b.silence();
        b.run_to(30.0);
        assert_eq!(shut(&mut b).len(), 1, "{charge} {runtime}");
    }
}

#[test]
fn a_value_of_before_the_outage_is_none_of_it() {
    for item in [Item::Charge, Item::Runtime] {
        let mut b = Bench::new(|_| {});
        match item {
            Item::Runtime => b.runtime(2.0),
            _ => b.charge(3.0),
        }
        b.poll(Evidence::Poll);
        let before = b.now;
        b.now += secs(4.0);
        b.values.transfer_cause = Some(TransferCause::LowLine);
        b.values.line_voltage = Some(Volts(0.0));
        b.line_silently(StatusFlags::ONBATT);
        let mut alert = b.reading(Evidence::AlertAndRead);
        alert.read.set(item, Some(before));
        b.feed(&alert);
        // From here on everything is read every second: five seconds from the first sample of the outage.
        b.run_to(8.5);
        assert!(shut(&mut b).is_empty(), "{item:?}");
        b.run_to(10.0);
        assert_eq!(shut(&mut b).len(), 1, "{item:?}");
    }
}

#[test]
fn an_older_sample_does_not_replace_a_newer() {
    let mut b = Bench::new(|_| {});
    b.mains_lost();
    b.run_to(10.0);
    let mut late = b.reading(Evidence::Poll);
    late.values.battery_charge = Some(Percent(3.0));
    late.values.runtime_left = Some(Minutes(1.0));
    for item in [Item::Charge, Item::Runtime] {
        late.read.set(item, Some(b.instant(7.5)));
    }
    b.feed(&late);
    b.silence();
    b.run_to(900.0);
    assert!(shut(&mut b).is_empty());
}
