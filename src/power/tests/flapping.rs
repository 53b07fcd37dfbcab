//! A UPS that says something else at each moment: its single word counts only so often.

use super::*;

/// So many changes each 50 ms, each with an alert and a read that agrees.
fn flips(b: &mut Bench, count: u32) {
    for n in 0..count {
        b.now += Duration::from_millis(50);
        if n % 2 == 0 { b.mains_lost() } else { b.mains_back() }
    }
}

#[test]
fn a_few_changes_are_believed_at_once_and_a_flood_of_them_is_not() {
    let mut b = Bench::new(|_| {});
    flips(&mut b, 6);
    let expected = ["powerout", "mainsback"].repeat(3);
    assert!(b.happened().iter().zip(&expected).all(|(now, event)| now.ends_with(event)));
    flips(&mut b, 1200);
    let change = |event: &&String| event.ends_with("powerout") || event.ends_with("mainsback");
    let changes = b.happened().iter().filter(change).count();
    // A minute: those that are left at once, and one each 10 s.
    assert!((4..=2 + 6 + 2).contains(&changes), "{changes} changes in a minute");
    // Each flip is a reading that contradicts the one before, so nothing else was believed.
    assert!(b.machine.view().transfers <= 7);
}

#[test]
fn an_outage_after_a_flood_needs_two_readings_and_then_is_one() {
    let mut b = Bench::new(|_| {});
    flips(&mut b, 1200);
    b.run_to(63.0);
    b.happened();
    // Whatever has come back by then is used up first.
    flips(&mut b, 6);
    b.run_to(67.0);
    b.happened();
    b.mains_lost();
    assert!(b.happened().is_empty(), "one reading is none");
    b.run_to(68.0);
    assert_eq!(b.happened(), ["68 powerout"]);
    b.run_to(75.0);
    b.mains_back();
    b.run_to(77.0);
    assert_eq!(b.happened().len(), 3, "onbattery, offbattery, mainsback");
}

#[test]
fn outages_that_lie_apart_are_all_believed_at_once() {
    let mut b = Bench::new(|_| {});
    for outage in 0..200u32 {
        let second = f64::from(outage) * 21.0;
        b.run_to(second);
        b.mains_lost();
        b.run_to(second + 2.0);
        b.mains_back();
        assert_eq!(b.happened().len(), 2, "outage {outage}");
    }
}
