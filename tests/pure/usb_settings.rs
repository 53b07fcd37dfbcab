//! Settings of USB UPSes: what is written, what is said of it, and what stands in the way.

use std::time::Duration;

use crate::support::corpus::device::device;
use crate::support::corpus::fake::Bench;
use mainsd::link::{Link, LinkEvent};
use mainsd::ups::{Command, SelfTestInterval, Sensitivity, Setting, SettingValue};

const SECOND: Duration = Duration::from_secs(1);

const ES: &str = "apc-back-ups-es-850g2";
const BX: &str = "apc-back-ups-bx1600mi";
const SMART: &str = "apc-smart-ups-1000";
const POWERCOM: &str = "powercom-0d9f-0004";

fn attached(name: &str) -> Bench {
    Bench::attached(device(name))
}

/// A Smart-UPS that has said what it keeps.
fn smart() -> Bench {
    let mut ups = crate::support::corpus::fake::FakeUps::new(device(SMART));
    for report in [
        &[0x17, 15][..],
        &[0x1b, 2],
        &[0x15, 0x8e, 0x31],
        &[0x2d, 0xe6, 0x00],
        &[0x23, 0x09, 0x01],
        &[0x24, 0xc4, 0x00],
    ] {
        ups.feature(report);
    }
    let mut bench = Bench::new(ups);
    bench.open();
    bench.run(10 * SECOND);
    assert!(bench.identity().is_some());
    bench
}

fn set(setting: Setting, text: &str) -> Command {
    Command::Set(setting, SettingValue::parse(setting, text).unwrap())
}

/// What was written, as hex.
fn written(bench: &Bench) -> Vec<String> {
    let hex =
        |report: &Vec<u8>| report.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    bench.ups.written.iter().map(hex).collect()
}

fn permitted(bench: &Bench) -> Vec<(Setting, &str)> {
    bench.identity().unwrap().permitted.iter().map(|(of, values)| (*of, values.as_str())).collect()
}

#[test]
fn each_setting_is_written_as_the_ups_packs_it_and_shown_as_it_keeps_it() {
    let mut bench = smart();
    let known = bench.identity().unwrap();
    assert_eq!((known.return_charge, known.nominal_output_voltage), (Some(15), Some(230)));
    for (setting, value, report, words) in [
        (Setting::BatteryDate, "12/01/26", "15 81 5d", "it is 12/01/26 now"),
        (Setting::SelfTestInterval, "on", "1b 01", "it is on now"),
        (Setting::SelfTestInterval, "336", "1b 03", "it is 336 now"),
        (Setting::ReturnCharge, "30", "17 1e", "it is 30 now"),
        (Setting::HighTransfer, "257", "23 01 01", "it is 257 now"),
        (Setting::LowTransfer, "208", "24 d0 00", "it is 208 now"),
        (Setting::OutputVoltage, "240", "2d f0 00", "it is 240 now"),
    ] {
        assert_eq!(bench.command(set(setting, value)), Ok(words.to_owned()), "{setting:?}");
        assert_eq!(written(&bench).last().unwrap(), report, "{setting:?}");
        bench.events.retain(|(_, event)| matches!(event, LinkEvent::Attached(_)));
    }
    let now = bench.identity().unwrap();
    assert_eq!(now.battery_date.as_deref(), Some("2026-12-01"));
    assert_eq!(now.self_test_interval, Some(SelfTestInterval::FourteenDays));
    assert_eq!((now.return_charge, now.high_transfer, now.low_transfer), (Some(30), Some(257), Some(208)));
    assert_eq!(now.nominal_output_voltage, Some(240));
    assert!(now.model.is_some(), "it is still the same UPS");
}

#[test]
fn sensitivity_and_transfer_voltages_are_written_and_shown_as_the_ups_keeps_them() {
    let mut bench = attached(BX);
    assert_eq!(bench.command(set(Setting::Sensitivity, "L")), Ok("it is L now".to_owned()));
    assert_eq!(bench.identity().unwrap().sensitivity, Some(Sensitivity::Low));
    assert_eq!(bench.command(set(Setting::LowTransfer, "149")), Ok("it is 149 now".to_owned()));
    assert_eq!(bench.identity().unwrap().low_transfer, Some(149));
    assert_eq!(written(&bench), ["35 00", "32 95 00"]);
    // Only the field is changed: both voltages of this one lie in one report.
    let mut bench = attached("cyberpower-cp900epfclcd");
    assert_eq!(bench.command(set(Setting::LowTransfer, "175")), Ok("it is 175 now".to_owned()));
    assert_eq!(written(&bench), ["10 af 00 04 01"]);
}

#[test]
fn what_the_descriptor_permits_is_told_where_what_the_ups_has_lies_within() {
    assert_eq!(
        permitted(&smart()),
        [
            (Setting::SelfTestInterval, "OFF ON 168 336"),
            (Setting::LowTransfer, "196-208"),
            (Setting::HighTransfer, "253-265"),
            (Setting::ReturnCharge, "0-90"),
            (Setting::OutputVoltage, "220-240"),
        ]
    );
    assert_eq!(
        permitted(&attached(ES)),
        [
            (Setting::Sensitivity, "L M H"),
            (Setting::LowTransfer, "160-196"),
            (Setting::HighTransfer, "256-278")
        ]
    );
    // A range that only says how wide the field is, and one of a single value.
    assert_eq!(permitted(&attached("minuteman-05dd-a0a0")), []);
    let one = attached("cyberpower-ol1000exl-0764-0601");
    assert_eq!(permitted(&one), [(Setting::LowTransfer, "190"), (Setting::HighTransfer, "300")]);
}

#[test]
fn what_the_ups_does_not_permit_is_not_written() {
    let mut bench = attached(ES);
    let mut says = |setting, value: &str, words: &str| {
        let why = bench.command(set(setting, value)).expect_err(value);
        assert!(why.contains(words), "{value}: {why}");
    };
    says(Setting::HighTransfer, "230", "the UPS permits 256-278");
    says(Setting::HighTransfer, "4000000000", "the UPS permits 256-278");
    says(Setting::Sensitivity, "X", "it may be one of L M H");
    says(Setting::BatteryDate, "31/12/26", "a date of this UPS is MM/DD/YY");
    says(Setting::BatteryDate, "12/31/85", "a date of this UPS is MM/DD/YY");
    says(Setting::SelfTestInterval, "168", "the UPS has no report for this");
    says(Setting::OutputVoltage, "230", "the UPS has no report for this");
    says(Setting::WakeDelay, "60", "it begins when it is written");
    says(Setting::ShutdownDelay, "60", "it begins when it is written");
    says(Setting::Name, "cellar", "can only be read");
    says(Setting::AlarmDelay, "L", "beeper on, off or mute");
    says(Setting::LowBattery, "5", "does not change this setting");
    assert!(bench.ups.written.is_empty());
    // One that does not say what it permits: no voltage of its mains.
    let mut bench = attached("minuteman-05dd-a0a0");
    for volts in ["0", "4", "20", "2000", "65535"] {
        assert_eq!(bench.command(set(Setting::LowTransfer, volts)), Err("that cannot be".to_owned()));
    }
    assert!(bench.ups.written.is_empty());
    assert_eq!(bench.command(set(Setting::LowTransfer, "90")), Ok("it is 90 now".to_owned()));
    // Nor one that would keep the load on battery.
    let high = bench.identity().unwrap().high_transfer.expect("a high transfer voltage").to_string();
    let why = bench.command(set(Setting::LowTransfer, &high)).expect_err("no room for mains");
    assert!(why.contains("must be below the high one"), "{why}");
    let why = bench.command(set(Setting::HighTransfer, "90")).expect_err("no room for mains");
    assert!(why.contains("must be above the low one, 90 V"), "{why}");
    let mut bench = smart();
    assert!(bench.command(set(Setting::ReturnCharge, "95")).unwrap_err().contains("permits 0-90"));
    assert!(bench.command(set(Setting::OutputVoltage, "400")).unwrap_err().contains("permits 220-240"));
}

#[test]
fn what_is_kept_a_moment_later_is_waited_for_and_something_else_is_told() {
    // A date that never changes, as some units have it (usb-hid §17).
    let mut bench = attached(ES);
    bench.ups.forgets.push(0x20);
    let start = bench.now;
    bench.events.clear();
    bench.link.command(set(Setting::BatteryDate, "12/01/26"), bench.now);
    bench.run(20 * SECOND);
    let (at, outcome) = answers(&bench).pop().unwrap();
    assert!(
        outcome
            .as_ref()
            .is_err_and(|why| why.contains("report 0x20 was written but does not hold the value")),
        "{outcome:?}"
    );
    assert!((9 * SECOND..12 * SECOND).contains(&(at - start)));
    assert_eq!(bench.identity().unwrap().battery_date.as_deref(), Some("2021-03-02"));
    // One that takes 4 seconds.
    bench.events.clear();
    bench.link.command(set(Setting::BatteryDate, "12/01/26"), bench.now);
    bench.run(4 * SECOND);
    assert!(answers(&bench).is_empty());
    bench.ups.feature(&[0x20, 0x81, 0x5d]);
    bench.run(2 * SECOND);
    assert_eq!(answers(&bench).pop().unwrap().1, Ok("it is 12/01/26 now".to_owned()));
    assert_eq!(written(&bench), ["20 81 5d", "20 81 5d"], "each is written once");
    // One that takes the nearest value of its table.
    bench.ups.forgets.push(0x32);
    bench.link.command(set(Setting::LowTransfer, "190"), bench.now);
    bench.run(SECOND);
    bench.ups.feature(&[0x32, 0xbc, 0x00]);
    bench.run(5 * SECOND);
    assert_eq!(answers(&bench).pop().unwrap().1, Ok("it is 188 now".to_owned()));
    // And one that keeps what it had.
    let outcome = bench.command(set(Setting::LowTransfer, "187"));
    assert!(outcome.unwrap_err().contains("does not hold the value"));
}

/// When each order was answered, and how.
fn answers(bench: &Bench) -> Vec<(std::time::Instant, Result<String, String>)> {
    let of = |(at, event): &(std::time::Instant, LinkEvent)| match event {
        LinkEvent::Command(result) => Some((*at, result.outcome.clone())),
        _ => None,
    };
    bench.events.iter().filter_map(of).collect()
}

#[test]
fn nothing_waits_for_a_setting_that_is_waited_for() {
    let all = [Command::ReadTransferCause, Command::Poll, Command::KillPower];
    for commands in [&all[..], &all[2..]] {
        let mut bench = attached(ES);
        bench.ups.forgets.push(0x20);
        bench.link.command(set(Setting::BatteryDate, "12/01/26"), bench.now);
        bench.run(SECOND / 4);
        bench.events.clear();
        let start = bench.now;
        for command in commands {
            bench.link.command(*command, bench.now);
        }
        bench.run(20 * SECOND);
        let mut answers = answers(&bench);
        let (_, last) = answers.pop().unwrap();
        assert!(last.as_ref().is_err_and(|why| why.contains("0x20")), "{last:?}");
        assert_eq!(answers.len(), commands.len(), "{answers:?}");
        assert!(answers.iter().all(|(at, _)| *at - start < SECOND / 2), "{answers:?}");
        assert_eq!(written(&bench), ["20 81 5d", "41 3c 00"]);
    }
}

#[test]
fn a_date_is_written_where_others_have_it() {
    let mut bench = attached(POWERCOM);
    assert_eq!(bench.command(set(Setting::BatteryDate, "02/29/28")), Ok("it is 02/29/28 now".to_owned()));
    assert_eq!(written(&bench), ["17 5d 60"]);
    assert_eq!(bench.identity().unwrap().battery_date.as_deref(), Some("2028-02-29"));
}

#[test]
fn lamps_and_beeper_are_tested_where_the_ups_can() {
    let mut bench = attached(ES);
    let outcome = bench.command(Command::PanelTest);
    assert!(outcome.as_ref().is_ok_and(|words| words.contains("lamps and beeper are tested")), "{outcome:?}");
    assert_eq!(written(&bench), ["79 01"]);
    let refused = attached(BX).command(Command::PanelTest);
    assert_eq!(refused, Err("the UPS has no report for this".to_owned()));
}
