//! Values that single models get wrong, and what becomes of them (usb-hid §8, §14, §15).
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

mod corpus;

use std::time::Duration;

use corpus::device::device;
use corpus::fake::{Bench, FakeUps};
use mainsd::ups::{Command, Identity, StatusFlags, Values};

const PID3: &str = "apc-smart-ups-3000-pid3";
const SMART: &str = "apc-smart-ups-1000";
const CYBERPOWER: &str = "cyberpower-vp1600elcd";
const BX: &str = "apc-back-ups-bx1600mi";

/// Attaches a device whose reports were changed.
fn with(name: &str, change: impl FnOnce(&mut FakeUps)) -> Bench {
    let mut ups = FakeUps::new(device(name));
    change(&mut ups);
    let mut bench = Bench::new(ups);
    bench.open();
    bench.run(Duration::from_secs(10));
    bench
}

fn values(bench: &Bench) -> Values {
    bench.last_reading().values.clone()
}

fn identity(bench: &Bench) -> Identity {
    bench.identity().expect("attached").clone()
}

#[test]
fn a_runtime_of_all_ones_is_unknown() {
    for bytes in [[0x0d, 0xff, 0xff, 0x00, 0x00], [0x0d, 0xff, 0xff, 0xff, 0xff]] {
        let bench = with(PID3, |ups| ups.feature(&bytes));
        assert_eq!(values(&bench).runtime_left, None);
    }
    let bench = with(PID3, |ups| ups.feature(&[0x0d, 0x00, 0x00, 0x01, 0x00]));
    assert_eq!(values(&bench).runtime_left.map(|minutes| minutes.0.trunc()), Some(1092.0));
}

#[test]
fn a_halved_nominal_battery_voltage_is_doubled_where_the_battery_says_so() {
    let bench = with(PID3, |ups| {
        ups.feature(&[0x0a, 0x60, 0x09]); // 24 V
        ups.feature(&[0x0b, 0x18, 0x15]); // 54 V
    });
    assert_eq!(identity(&bench).nominal_battery_voltage.map(|volts| volts.0), Some(48.0));
    let bench = with(PID3, |ups| {
        ups.feature(&[0x0a, 0x60, 0x09]);
        ups.feature(&[0x0b, 0x8c, 0x0a]); // 27 V
    });
    assert_eq!(identity(&bench).nominal_battery_voltage.map(|volts| volts.0), Some(24.0));
}

#[test]
fn tenths_of_kelvin_volt_and_per_cent_are_scaled() {
    let bench = with(SMART, |ups| {
        ups.feature(&[0x1e, 0xd7, 0x0b]); // 303.1 K
        ups.feature(&[0x20, 0x02, 0x09]); // 230.6 V
        ups.feature(&[0x2c, 0x7d, 0x00]); // 12.5 %
        ups.feature(&[0x2a, 0x88, 0x13]); // 50.00 Hz
    });
    let values = values(&bench);
    assert_eq!(values.temperature.map(|celsius| (celsius.0 * 100.0).round()), Some(2995.0));
    assert_eq!(values.line_voltage.map(|volts| volts.0), Some(230.6));
    assert_eq!(values.load.map(|load| load.0), Some(12.5));
    assert_eq!(values.frequency.map(|hertz| hertz.0), Some(50.0));
}

#[test]
fn a_smart_ups_on_battery_shows_no_line_voltage_but_zero() {
    let bench = with(SMART, |ups| {
        ups.feature(&[0x07, 0x0a, 0x00]);
        ups.feature(&[0x20, 0x00, 0x00]);
    });
    assert_eq!(bench.last_reading().status, StatusFlags::ONBATT | StatusFlags::BATTPRESENT);
    assert_eq!(values(&bench).line_voltage.map(|volts| volts.0), Some(0.0));
}

#[test]
fn a_battery_voltage_half_as_high_again_is_mended() {
    let bench = with(CYBERPOWER, |ups| ups.feature(&[0x20, 100, 0x8f, 0x01])); // 39.9 V of 24 V
    assert_eq!(values(&bench).battery_voltage.map(|volts| (volts.0 * 10.0).round()), Some(266.0));
}

#[test]
fn a_nominal_line_voltage_outside_the_transfer_limits_is_not_shown() {
    let bench = with(BX, |ups| ups.feature(&[0x30, 100]));
    assert_eq!(identity(&bench).nominal_line_voltage, None);
}

#[test]
fn a_missing_battery_is_told_after_two_reads() {
    let mut bench = with(BX, |_| {});
    bench.ups.feature(&[0x16, 0x04, 0, 0, 0]);
    bench.events.clear();
    bench.run(Duration::from_secs(65));
    let readings = bench.readings();
    let present = |index: usize| readings[index].status.contains(StatusFlags::BATTPRESENT);
    assert!(present(0) && !present(1), "{readings:?}");
    assert!(readings[1].at - readings[0].at >= Duration::from_millis(900));
}

#[test]
fn powercom_takes_its_delay_as_minutes_and_seconds_in_bytes() {
    for (command, written) in
        [(Command::KillPower, [0x15, 0x01, 0x40]), (Command::PowerOff, [0x15, 0x01, 0x80])]
    {
        let mut bench = with(BX, |ups| ups.info.vendor = 0x0d9f);
        assert!(bench.command(command).is_ok());
        assert_eq!(bench.ups.written, [written]);
    }
}

#[test]
fn the_runtime_of_the_old_pro_is_in_minutes_already() {
    let bench = with(BX, |ups| {
        ups.info.product_name = Some("BackUPS Pro 500 FW:16.3.D USB FW:4".into());
        ups.feature(&[0x0f, 0x1b, 0x00]);
    });
    assert_eq!(values(&bench).runtime_left.map(|minutes| minutes.0), Some(27.0));
    // one byte is no three digits: read as it is
    assert_eq!(values(&bench).load.map(|load| load.0), Some(10.0));
}
