//! What each MIB says, and that one object that is missing hides nothing.

use super::*;
use crate::ups::{AlarmDelay, SelfTestResult, Sensitivity, TransferCause};

#[test]
fn a_card_of_apc_says_all_of_its_values() {
    let bench = Bench::watched(Unit::powernet());
    let Reading { values, status, .. } = bench.reading();
    assert_eq!(*status, StatusFlags::ONLINE | StatusFlags::BATTPRESENT);
    assert_eq!(values.battery_charge.unwrap().0, 100.0);
    assert_eq!(values.runtime_left.unwrap().0, 61.0);
    assert_eq!(values.line_voltage.unwrap().0, 231.0);
    assert_eq!(values.line_voltage_max.unwrap().0, 234.0);
    assert_eq!(values.line_voltage_min.unwrap().0, 228.0);
    assert_eq!(values.output_voltage.unwrap().0, 230.0);
    assert_eq!(values.load.unwrap().0, 17.0);
    assert_eq!(values.battery_voltage.unwrap().0, 27.0);
    assert_eq!(values.frequency.unwrap().0, 50.0);
    assert_eq!(values.temperature.unwrap().0, 26.0);
    assert_eq!(values.ambient_temperature.unwrap().0, 21.0);
    assert_eq!(values.humidity.unwrap().0, 40.0);
    assert_eq!(values.transfer_cause, Some(TransferCause::None));
    assert_eq!(values.self_test, Some(SelfTestResult::Passed));
    assert_eq!(values.alarm_delay, Some(AlarmDelay::LowBattery));
    assert_eq!((values.external_batteries, values.bad_batteries), (Some(0), Some(0)));
    let identity = bench.identity();
    assert_eq!(identity.model.as_deref(), Some("Smart-UPS 1500"));
    assert_eq!(identity.serial.as_deref(), Some("AS1933123456"));
    assert_eq!(identity.name.as_deref(), Some("CARDNAME"));
    assert_eq!(identity.firmware.as_deref(), Some("UPS 09.3"));
    assert_eq!(identity.manufacture_date.as_deref(), Some("08/16/19"));
    assert_eq!(identity.battery_date.as_deref(), Some("08/16/2019"));
    assert_eq!(identity.nominal_battery_voltage.unwrap().0, 24.0);
    assert_eq!(identity.nominal_output_voltage, Some(230));
    assert_eq!((identity.low_transfer, identity.high_transfer), (Some(208), Some(253)));
    assert_eq!((identity.wake_delay, identity.shutdown_delay), (Some(60), Some(180)));
    assert_eq!((identity.low_battery_minutes, identity.return_charge), (Some(2), Some(15)));
    assert_eq!(identity.sensitivity, Some(Sensitivity::High));
    assert_eq!(identity.self_test_interval.as_ref().unwrap().text(), "336");
}

#[test]
fn a_card_of_another_maker_says_what_rfc_1628_has() {
    let bench = Bench::watched(Unit::rfc1628());
    let Reading { values, .. } = bench.reading();
    assert_eq!(values.battery_charge.unwrap().0, 100.0);
    assert_eq!(values.runtime_left.unwrap().0, 61.0);
    assert_eq!(values.line_voltage.unwrap().0, 231.0);
    assert_eq!(values.output_voltage.unwrap().0, 230.0);
    assert!((values.output_current.unwrap().0 - 1.2).abs() < 1e-9);
    assert_eq!(values.load.unwrap().0, 17.0);
    assert!((values.battery_voltage.unwrap().0 - 27.3).abs() < 1e-9);
    assert_eq!(values.frequency.unwrap().0, 50.0);
    assert_eq!(values.self_test, Some(SelfTestResult::NotAvailable));
    let identity = bench.identity();
    assert_eq!(identity.model.as_deref(), Some("Eaton 5P 1150"));
    assert_eq!((identity.nominal_line_voltage, identity.nominal_output_voltage), (Some(230), Some(230)));
    assert_eq!(identity.nominal_power.unwrap().0, 770.0);
    assert_eq!(identity.nominal_apparent_power.unwrap().0, 1150.0);
    assert_eq!(identity.low_battery_minutes, Some(3));
}

#[test]
fn a_card_of_mge_says_what_its_mib_has() {
    let bench = Bench::watched(Unit::mge());
    let Reading { values, .. } = bench.reading();
    assert_eq!(values.battery_charge.unwrap().0, 100.0);
    assert!((values.runtime_left.unwrap().0 - 61.5).abs() < 1e-9);
    assert_eq!(values.line_voltage.unwrap().0, 231.0);
    assert_eq!(values.line_voltage_min.unwrap().0, 228.0);
    assert_eq!(values.output_voltage.unwrap().0, 230.0);
    assert_eq!(values.alarm_delay, Some(AlarmDelay::Always));
    let identity = bench.identity();
    assert_eq!((identity.low_battery_minutes, identity.wake_delay), (Some(2), Some(30)));
    assert_eq!(identity.nominal_output_voltage, Some(230));
    assert_eq!(identity.self_test_interval.as_ref().unwrap().text(), "weekly");
}

#[test]
fn tenths_are_preferred_where_the_card_has_them_and_says_something() {
    let mut unit = Unit::powernet();
    unit.set(&[1, 2, 3, 1], gauge(987));
    unit.set(&[1, 3, 3, 1], gauge(2314));
    // Some cards have the object and never fill it.
    unit.set(&[1, 4, 3, 3], gauge(0));
    unit.set(&[1, 2, 3, 4], int(-1));
    let mut bench = Bench::watched(unit);
    for _ in 0..2 {
        let values = &bench.reading().values;
        assert!((values.battery_charge.unwrap().0 - 98.7).abs() < 1e-9);
        assert!((values.line_voltage.unwrap().0 - 231.4).abs() < 1e-9);
        assert_eq!(values.load.unwrap().0, 17.0);
        assert_eq!(values.battery_voltage.unwrap().0, 27.0);
        bench.run(70 * SECOND);
    }
    // It is one that the card has, also when there is nothing left.
    bench.unit.set(&[1, 2, 3, 1], gauge(0));
    bench.run(70 * SECOND);
    assert_eq!(bench.reading().values.battery_charge.unwrap().0, 0.0);
}

/// Snmp §2, weak spot 2: with apcupsd every later object is no longer read.
#[test]
fn one_object_that_vanishes_hides_no_other() {
    for versions in [vec![0], vec![1]] {
        let mut unit = Unit::powernet();
        unit.versions = versions;
        let mut bench = Bench::watched(unit);
        for tail in [&[1, 3, 2, 1][..], &[1, 8, 1], &[1, 2, 1, 1], &[1, 2, 2, 1]] {
            bench.unit.remove(tail);
        }
        bench.run(70 * SECOND);
        let values = &bench.reading().values;
        assert_eq!((values.line_voltage, values.battery_charge), (None, None));
        assert_eq!(values.load.unwrap().0, 17.0);
        bench.unit.mains(false);
        bench.unit.remove(&[1, 3, 2, 1]);
        bench.run(10 * SECOND);
        assert!(bench.reading().status.contains(StatusFlags::ONBATT));
        assert!(bench.lost().is_none());
    }
}

/// Snmp §2, weak spot 3.
#[test]
fn a_card_that_answers_few_objects_at_once_is_read_whole() {
    for (most, deaf_from) in [(3, 100), (1, 100), (100, 5), (100, 2)] {
        let mut unit = Unit::powernet();
        (unit.most, unit.deaf_from) = (most, deaf_from);
        let mut bench = Bench::with(unit, "card::APC");
        bench.run(90 * SECOND);
        assert!(bench.lost().is_none(), "{most} {deaf_from}");
        assert_eq!(bench.identity().serial.as_deref(), Some("AS1933123456"), "{most} {deaf_from}");
        assert_eq!(bench.reading().values.load.unwrap().0, 17.0);
        bench.unit.mains(false);
        bench.run(20 * SECOND);
        assert!(bench.reading().status.contains(StatusFlags::ONBATT), "{most} {deaf_from}");
    }
}

#[test]
fn values_that_cannot_be_are_none() {
    let mut unit = Unit::powernet();
    unit.set(&[1, 2, 2, 2], gauge(3660));
    unit.set(&[1, 2, 2, 1], gauge(250));
    unit.set(&[1, 2, 2, 7], int(0));
    unit.set(&[1, 3, 2, 4], int(-1));
    unit.set(&[1, 2, 2, 3], text("soon"));
    unit.set(&[1, 5, 2, 9], ticks(-1));
    let bench = Bench::watched(unit);
    let values = &bench.reading().values;
    assert_eq!(
        (values.temperature, values.battery_charge, values.frequency, values.runtime_left),
        (None, None, None, None)
    );
    assert_eq!(bench.identity().nominal_battery_voltage, None);
}

#[test]
fn alarms_are_flags() {
    let mut bench = Bench::watched(Unit::rfc1628());
    bench.unit.alarms(&[1, 8]);
    bench.run(10 * SECOND);
    let reading = bench.reading();
    assert!(reading.status.contains(StatusFlags::REPLACEBATT | StatusFlags::OVERLOAD));
    assert!(reading.read.of(Item::ReplaceBattery).is_some());
    bench.unit.alarms(&[]);
    bench.run(10 * SECOND);
    assert!(!bench.reading().status.intersects(StatusFlags::REPLACEBATT | StatusFlags::OVERLOAD));
}

#[test]
fn three_lines_are_one_value() {
    let mut unit = Unit::rfc1628();
    for (line, volts, load) in [(1, 229, 10), (2, 231, 20), (3, 233, 60)] {
        unit.set_row(&[3, 3, 1, 3], line, int(volts));
        unit.set_row(&[4, 4, 1, 5], line, int(load));
    }
    for versions in [vec![0], vec![1]] {
        let mut unit = unit.clone();
        unit.versions = versions;
        let bench = Bench::watched(unit);
        let values = &bench.reading().values;
        assert_eq!((values.line_voltage.unwrap().0, values.load.unwrap().0), (229.0, 30.0));
    }
}
