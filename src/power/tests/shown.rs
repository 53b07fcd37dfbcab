//! What of a reading's values is shown.

use super::*;

/// The values shown of a reading of these, a second later.
fn shown(b: &mut Bench, percent: f64, minutes: f64) -> (Option<f64>, Option<f64>) {
    b.now += secs(1.0);
    b.charge(percent);
    b.runtime(minutes);
    again(b)
}

/// The same sample in another reading.
fn again(b: &mut Bench) -> (Option<f64>, Option<f64>) {
    let shown = b.machine.handle_reading(b.now, &b.reading(Evidence::Poll));
    (shown.battery_charge.map(|percent| percent.0), shown.runtime_left.map(|minutes| minutes.0))
}

#[test]
fn a_charge_of_nothing_with_a_long_runtime_is_left_out() {
    assert_eq!(shown(&mut Bench::new(|_| {}), 0.0, 55.0), (None, Some(55.0)));
}

#[test]
fn no_runtime_with_a_high_charge_is_left_out_unless_the_battery_is_low() {
    let mut b = Bench::new(|_| {});
    assert_eq!(shown(&mut b, 100.0, 0.0), (Some(100.0), None));
    b.bit(StatusFlags::BATTLOW, true);
    assert_eq!(shown(&mut b, 100.0, 0.0), (Some(100.0), Some(0.0)));
    assert_eq!(shown(&mut Bench::new(|_| {}), 4.0, 0.0).1, Some(0.0));
}

#[test]
fn a_sudden_fall_of_the_charge_is_shown_when_a_second_sample_agrees() {
    let mut b = Bench::new(|_| {});
    for (percent, seen) in [(100.0, 100.0), (1.0, 100.0), (100.0, 100.0), (30.0, 100.0)] {
        assert_eq!(shown(&mut b, percent, 2.0).0, Some(seen), "{percent}");
    }
    // A copy does not confirm it.
    for _ in 0..3 {
        assert_eq!(again(&mut b).0, Some(100.0));
    }
    assert_eq!(shown(&mut b, 29.0, 2.0).0, Some(29.0));
}

#[test]
fn a_reading_without_a_line_state_shows_what_can_be() {
    let mut b = Bench::new(|_| {});
    b.set_line(StatusFlags::empty());
    assert_eq!(shown(&mut b, 80.0, 20.0), (Some(80.0), Some(20.0)));
    assert_eq!(shown(&mut b, 0.0, 20.0), (None, Some(20.0)));
}
