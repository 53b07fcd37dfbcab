//! What happens to the simulated UPS, by its numbers.

use super::*;

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

fn charge(model: &Model) -> f64 {
    model.values().battery_charge.unwrap().0
}

fn runtime(model: &Model) -> f64 {
    model.values().runtime_left.unwrap().0
}

#[test]
fn on_mains_a_full_battery_stays_full_and_the_line_wanders_by_a_few_volts() {
    let mut model = Model::default();
    let mut seen = (f64::MAX, f64::MIN);
    for _ in 0..3600 {
        model.advance(Duration::from_secs(1));
        let volts = model.values().line_voltage.unwrap().0;
        seen = (seen.0.min(volts), seen.1.max(volts));
        assert_eq!(model.status(), StatusFlags::ONLINE | StatusFlags::BATTPRESENT);
    }
    assert_eq!(charge(&model), 100.0);
    assert!(seen.0 > 222.0 && seen.1 < 238.0 && seen.1 - seen.0 > 1.0, "{seen:?}");
}

#[test]
fn an_outage_lasts_as_long_as_the_runtime_first_said() {
    let mut model = Model::default();
    let promised = runtime(&model);
    assert!((40.0..60.0).contains(&promised), "{promised}");
    model.apply(Action::Mains(false));
    model.advance(Duration::from_secs_f64(promised * 60.0 / 2.0));
    assert!((45.0..55.0).contains(&charge(&model)), "{}", charge(&model));
    assert!(!model.status().contains(StatusFlags::BATTLOW));
    assert_eq!(model.values().transfer_cause, Some(TransferCause::LowLine));
    model.advance(Duration::from_secs_f64(promised * 60.0 / 2.0 - 60.0));
    assert!(model.status().contains(StatusFlags::BATTLOW));
    model.advance(minutes(5));
    assert_eq!(charge(&model), 0.0);
    assert_eq!(model.values().output_voltage, Some(Volts(0.0)));
    model.apply(Action::Mains(true));
    assert!(model.status().contains(StatusFlags::BATTLOW | StatusFlags::ONLINE));
    model.advance(minutes(15));
    assert!(!model.status().contains(StatusFlags::BATTLOW), "{}", charge(&model));
}

#[test]
fn a_heavier_load_shortens_the_runtime_more_than_in_proportion() {
    let mut model = Model::default();
    let light = runtime(&model);
    model.apply(Action::Load(96.0));
    assert!(runtime(&model) < light / 4.0 && runtime(&model) > light / 8.0);
}

#[test]
fn charging_takes_hours_and_a_lapse_makes_it_minutes() {
    let mut model = Model::default();
    model.apply(Action::Charge(0.0));
    model.advance(minutes(60));
    assert!((30.0..37.0).contains(&charge(&model)), "{}", charge(&model));
    model.apply(Action::Lapse(60.0));
    model.advance(minutes(10));
    assert_eq!(charge(&model), 100.0);
}

#[test]
fn a_self_test_runs_on_battery_and_ends_with_its_result() {
    let mut model = Model::default();
    model.apply(Action::SelfTest(8.0, SelfTestResult::Failed));
    assert_eq!(model.status(), StatusFlags::ONBATT | StatusFlags::BATTPRESENT);
    assert_eq!(model.values().transfer_cause, Some(TransferCause::SelfTest));
    assert_eq!(model.values().self_test, Some(SelfTestResult::InProgress));
    assert_eq!(model.next_change(), Some(Duration::from_secs(8)));
    model.advance(Duration::from_secs(8));
    assert_eq!(model.status(), StatusFlags::ONLINE | StatusFlags::BATTPRESENT);
    assert_eq!(model.values().self_test, Some(SelfTestResult::Failed));
    assert_eq!(model.next_change(), None);
}

#[test]
fn an_outage_within_a_self_test_stays_after_it_and_is_named_as_the_cause() {
    let mut model = Model::default();
    model.apply(Action::SelfTest(8.0, SelfTestResult::Passed));
    model.apply(Action::Mains(false));
    model.advance(Duration::from_secs(9));
    assert!(model.status().contains(StatusFlags::ONBATT));
    assert_eq!(model.values().transfer_cause, Some(TransferCause::LowLine));
}

#[test]
fn sags_and_surges_are_boosted_trimmed_or_carried_by_the_battery() {
    let table = [
        (195.0, StatusFlags::BOOST | StatusFlags::ONLINE),
        (265.0, StatusFlags::TRIM | StatusFlags::ONLINE),
        (150.0, StatusFlags::ONBATT),
        (300.0, StatusFlags::ONBATT),
    ];
    for (volts, status) in table {
        let mut model = Model::default();
        model.apply(Action::Line(volts));
        assert_eq!(model.status(), status | StatusFlags::BATTPRESENT, "{volts} V");
    }
}

#[test]
fn a_kill_darkens_the_load_after_its_delay_until_mains_returns() {
    let mut model = Model::default();
    model.apply(Action::Mains(false));
    assert_eq!(model.switch_off(true), SHUTDOWN_DELAY);
    model.advance(SHUTDOWN_DELAY / 2);
    assert_eq!(model.values().output_voltage, Some(Volts(230.0)));
    model.advance(SHUTDOWN_DELAY / 2);
    assert_eq!(model.values().output_voltage, Some(Volts(0.0)));
    model.apply(Action::Mains(true));
    assert!(model.values().output_voltage.unwrap().0 > 200.0);
}

#[test]
fn a_calibration_ends_at_a_quarter_of_the_charge() {
    let mut model = Model::default();
    model.apply(Action::Calibration(true));
    assert!(model.status().contains(StatusFlags::CALIBRATION | StatusFlags::ONBATT));
    model.advance(minutes(40));
    assert!(!model.status().contains(StatusFlags::CALIBRATION), "{}", charge(&model));
    assert!(model.status().contains(StatusFlags::ONLINE));
}

#[test]
fn a_battery_lasts_as_long_as_it_is_told_at_its_load_and_says_so() {
    let mut model = Model::default();
    model.apply(Action::Lasts(20.0));
    assert_eq!(model.values().runtime_left, Some(crate::ups::Minutes(20.0)));
    model.apply(Action::Mains(false));
    model.advance(minutes(10));
    assert!((45.0..55.0).contains(&charge(&model)), "{}", charge(&model));
    model.advance(minutes(9));
    assert!(!model.dark());
    model.advance(minutes(2));
    assert!(model.dark());
}
