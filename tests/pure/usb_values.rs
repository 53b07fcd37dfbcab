//! Values that single models get wrong, and what becomes of them (usb-hid §8, §14, §15).

use std::time::Duration;

use crate::support::corpus::device::device;
use crate::support::corpus::fake::{Bench, FakeUps};
use mainsd::link::LinkEvent;
use mainsd::ups::{Command, Identity, PollRate, Priority, StatusFlags, Values};

const PID3: &str = "apc-smart-ups-3000-pid3";
const SMART: &str = "apc-smart-ups-1000";
const CYBERPOWER: &str = "cyberpower-vp1600elcd";
const BX: &str = "apc-back-ups-bx1600mi";
const GXT5: &str = "liebert-gxt5-10af-1000";
const LEGRAND: &str = "legrand-ups-1cb0-0032";
const TWO_SCALES: &str = "unknown-5131-2007";

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

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
    let identity = identity(&bench);
    assert_eq!(identity.nominal_line_voltage, None);
    assert_eq!((identity.low_transfer, identity.high_transfer), (Some(145), Some(295)), "those are right");
}

#[test]
fn a_missing_battery_is_believed_after_two_reads() {
    let mut bench = with(BX, |_| {});
    bench.ups.feature(&[0x16, 0x04, 0, 0, 0]);
    bench.events.clear();
    bench.ups.requests.clear();
    bench.run(Duration::from_secs(65));
    let (believed, _) = bench.believed();
    let gone = believed.iter().find(|after| !after.flags.contains(StatusFlags::BATTPRESENT));
    let gone = gone.unwrap_or_else(|| panic!("{believed:?}")).at;
    let reads = bench.ups.requests.iter().filter(|(at, request)| *at < gone && request == "get 3 16");
    let reads: Vec<_> = reads.map(|(at, _)| *at).collect();
    assert!(reads.len() >= 2 && gone - reads[0] >= Duration::from_millis(900), "{reads:?}");
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

/// What the readings said of the runtime, in minutes, without repetition.
fn runtimes(bench: &Bench) -> Vec<Option<f64>> {
    let mut all: Vec<_> =
        bench.readings().iter().map(|reading| reading.values.runtime_left.map(|minutes| minutes.0)).collect();
    all.dedup();
    all
}

fn lines(bench: &Bench, part: &str) -> usize {
    let logged = |event: &&(_, LinkEvent)| matches!(event, (_, LinkEvent::Log(Priority::Warning | Priority::Notice, text)) if text.contains(part));
    bench.events.iter().filter(logged).count()
}

#[test]
fn a_runtime_without_a_unit_is_not_shown_until_several_readings_say_what_it_counts() {
    let mut bench = with(GXT5, |_| {});
    bench.run(300 * SECOND);
    assert_eq!(runtimes(&bench), [None, Some(36.0)]);
    let unknown = bench.readings().iter().filter(|reading| reading.values.runtime_left.is_none()).count();
    assert!(unknown >= 2, "decided by {unknown} readings");
    assert_eq!((lines(&bench, "MINUTES not judged"), lines(&bench, "it counts minutes")), (1, 1));
    // It holds when the same unit comes back.
    bench.link.handle_closed(bench.now, "unplugged");
    bench.events.clear();
    bench.open();
    bench.run(10 * SECOND);
    assert_eq!(runtimes(&bench), [Some(36.0)]);
}

#[test]
fn a_runtime_without_a_unit_that_is_first_seen_in_an_outage_is_never_taken_for_seconds() {
    let mut bench = with(GXT5, |ups| ups.feature(&[0x08, 0x24, 0x10]));
    bench.set_poll_rate(PollRate::Fast);
    for minute in 0..5 {
        bench.ups.feature(&[0x07, 100 - 3 * minute, 36 - minute, 0, 0xff, 0xff]);
        bench.run(60 * SECOND);
    }
    assert!(bench.last_reading().status.contains(StatusFlags::ONBATT));
    assert_eq!(runtimes(&bench), [None, Some(36.0), Some(35.0), Some(34.0), Some(33.0), Some(32.0)]);
}

#[test]
fn seconds_without_a_unit_are_not_taken_for_hours() {
    let mut bench = with(GXT5, |ups| ups.feature(&[0x07, 100, 0x70, 0x08, 0xff, 0xff])); // 2160
    bench.run(300 * SECOND);
    assert_eq!(runtimes(&bench), [None, Some(36.0)]);
}

#[test]
fn one_garbled_reading_of_a_runtime_without_a_unit_decides_nothing() {
    let mut ups = FakeUps::new(device(GXT5));
    ups.feature(&[0x07, 100, 0x70, 0x08, 0xff, 0xff]); // 2160
    let mut bench = Bench::new(ups);
    bench.open();
    while bench.readings().is_empty() {
        bench.run(20 * MILLISECOND);
    }
    bench.ups.feature(&[0x07, 100, 36, 0, 0xff, 0xff]);
    bench.run(300 * SECOND);
    assert_eq!(runtimes(&bench), [None, Some(36.0)]);
    // Nor does one change what has been decided.
    bench.events.clear();
    bench.ups.feature(&[0x07, 100, 0x70, 0x08, 0xff, 0xff]);
    bench.run(70 * SECOND);
    assert_eq!(runtimes(&bench).last(), Some(&Some(2160.0)), "an absurd runtime ends no outage");
}

#[test]
fn copies_of_battery_present_that_contradict_each_other_are_a_battery() {
    let mut bench = with(GXT5, |_| {});
    bench.run(300 * SECOND);
    let present = |bench: &Bench| bench.last_reading().status.contains(StatusFlags::BATTPRESENT);
    assert!(bench.readings().iter().all(|reading| reading.status.contains(StatusFlags::BATTPRESENT)));
    bench.ups.feature(&[0x05, 0xff, 0xff, 0xff, 0x06]); // the other copy too
    bench.run(65 * SECOND);
    assert!(!present(&bench), "both agree");
    bench.ups.feature(&[0x08, 0x33, 0x10]);
    bench.run(65 * SECOND);
    assert!(present(&bench));
}

/// A Legrand on battery: its two copies of the low battery flag, and its charge.
fn legrand_low(bench: &mut Bench, summary: bool, battery: bool, charge: u8) -> bool {
    bench.ups.feature(&[0x32, 0, 0, 0x20 | u8::from(summary) << 2]);
    bench.ups.feature(&[0x23, 0x20 | u8::from(battery) << 2]);
    bench.ups.feature(&[0x34, charge]);
    bench.run(5 * SECOND);
    assert!(bench.last_reading().status.contains(StatusFlags::ONBATT));
    bench.last_reading().status.contains(StatusFlags::BATTLOW)
}

#[test]
fn copies_of_the_low_battery_flag_that_contradict_each_other_count_with_what_the_battery_holds() {
    let mut bench = with(LEGRAND, |ups| ups.add_line_state());
    bench.set_poll_rate(PollRate::Fast);
    bench.ups.feature(&[0x35, 0x6a, 0x0a]);
    assert!(!legrand_low(&mut bench, false, false, 95));
    assert!(
        !legrand_low(&mut bench, true, false, 95),
        "44 minutes and 95 per cent deny it with the other copy"
    );
    assert!(legrand_low(&mut bench, true, true, 95), "both agree");
    assert!(!legrand_low(&mut bench, true, false, 95));
    assert!(legrand_low(&mut bench, true, false, 40), "a dead copy does not keep back a battery at its end");
    bench.ups.feature(&[0x35, 0xf0, 0x00]);
    assert!(legrand_low(&mut bench, true, false, 95), "4 minutes");
}

#[test]
fn with_nothing_else_to_go_by_a_contradicted_low_battery_counts_unless_it_was_there_on_mains() {
    let blind = |ups: &mut FakeUps| {
        ups.add_line_state();
        for id in [0x34, 0x21, 0x35] {
            ups.reports.retain(|(_, report), _| *report != id);
        }
    };
    let low = |bench: &Bench| bench.last_reading().status.contains(StatusFlags::BATTLOW);
    let mut bench = with(LEGRAND, blind);
    bench.set_poll_rate(PollRate::Fast);
    bench.ups.feature(&[0x32, 0, 0, 0x24]);
    bench.run(5 * SECOND);
    assert!(low(&bench), "a dead copy");
    let mut bench = with(LEGRAND, |ups| {
        blind(ups);
        ups.feature(&[0x32, 0, 0, 0x05]);
    });
    bench.run(20 * SECOND);
    assert!(!low(&bench), "stuck on mains");
    bench.set_poll_rate(PollRate::Fast);
    bench.ups.feature(&[0x32, 0, 0, 0x24]);
    bench.run(60 * SECOND);
    assert!(!low(&bench), "and in an outage too");
}

#[test]
fn copies_are_read_only_while_a_status_bit_raises_an_alarm() {
    let mut bench = with(LEGRAND, |ups| ups.add_line_state());
    bench.push_all();
    bench.run(10 * SECOND);
    bench.ups.requests.clear();
    bench.run(300 * SECOND);
    assert!(bench.ups.requests.iter().all(|(_, request)| request != "get 3 23"));
}

#[test]
fn tenths_of_a_volt_under_a_wrong_exponent_stay_tenths_in_an_outage() {
    let mut bench = with(LEGRAND, |ups| ups.add_line_state());
    let volts = |bench: &Bench| {
        let values = values(bench);
        let of = |volts: Option<mainsd::ups::Volts>| volts.map(|volts| volts.0);
        (of(values.line_voltage), of(values.battery_voltage))
    };
    assert_eq!(volts(&bench), (Some(241.4), Some(13.6)));
    bench.set_poll_rate(PollRate::Fast);
    // Brown-out, noise on a dead line, a battery at its end, and mains again.
    for (line, battery) in [(800_u16, 136_u16), (2, 121), (50, 108), (0, 80), (2300, 140)] {
        bench.ups.feature(&[&[0x18], &line.to_le_bytes()[..]].concat());
        bench.ups.feature(&[&[0x20], &battery.to_le_bytes()[..]].concat());
        bench.ups.feature(&[0x32, 0, 0, if line < 100 { 0x20 } else { 0x01 }]);
        bench.run(12 * SECOND);
        assert_eq!(volts(&bench), (Some(f64::from(line) / 10.0), Some(f64::from(battery) / 10.0)));
    }
}

#[test]
fn tenths_first_seen_in_an_outage_are_tenths() {
    let bench = with(LEGRAND, |ups| {
        ups.feature(&[0x32, 0, 0, 0x28]);
        ups.feature(&[0x18, 0, 0]);
        ups.feature(&[0x20, 118, 0]);
    });
    let values = values(&bench);
    assert_eq!(values.line_voltage.map(|volts| volts.0), Some(0.0));
    assert_eq!(values.battery_voltage.map(|volts| volts.0), Some(11.8));
    assert_eq!(values.output_voltage.map(|volts| volts.0), Some(240.8));
}

#[test]
fn a_battery_voltage_ten_times_too_high_is_mended_for_good() {
    let mut bench = with("cyberpower-ol1000exl-0764-0601", |_| {});
    let volts = |bench: &Bench| values(bench).battery_voltage.map(|volts| volts.0);
    assert_eq!(volts(&bench), Some(40.2));
    bench.run(200 * SECOND);
    for tenths in [402_u16, 360, 240, 150] {
        bench.ups.feature(&[&[0x0a], &tenths.to_le_bytes()[..]].concat());
        bench.run(61 * SECOND);
        assert_eq!(volts(&bench), Some(f64::from(tenths) / 10.0));
    }
}

#[test]
fn a_frequency_without_its_point_gets_it_and_nonsense_is_left_out() {
    let frequency = |raw: u16| {
        let bench = with("cyberpower-ol1000exl-0764-0601", |ups| {
            ups.feature(&[&[0x1d], &raw.to_le_bytes()[..]].concat());
        });
        values(&bench).frequency.map(|hertz| hertz.0)
    };
    assert_eq!(frequency(500), Some(50.0));
    assert_eq!(frequency(5000), Some(50.0), "ten times too high");
    assert_eq!(frequency(0), Some(0.0));
    assert_eq!(frequency(1000), None, "100 Hz");
}

#[test]
fn a_charge_over_100_is_100_and_one_that_is_none_is_left_out() {
    let charge = |raw: u8| {
        let bench = with(LEGRAND, |ups| {
            ups.add_line_state();
            ups.feature(&[0x34, raw]);
            ups.feature(&[0x21, raw]);
        });
        values(&bench).battery_charge.map(|charge| charge.0)
    };
    assert_eq!((charge(99), charge(100), charge(104)), (Some(99.0), Some(100.0), Some(100.0)));
    assert_eq!(charge(255), None);
}

#[test]
fn a_charge_in_ampere_seconds_does_not_become_per_cent_when_it_falls_to_100() {
    let mut bench = with(TWO_SCALES, |_| {});
    for (ampere_seconds, percent) in
        [(400_u32, 100.0), (200, 50.0), (120, 30.0), (101, 25.25), (100, 25.0), (40, 10.0)]
    {
        let [low, middle, high, _] = ampere_seconds.to_le_bytes();
        let head = [0x0b, 0x31, 0x05, 0x90, 1, 0, 0x28, 0, 0, 4, 0, 0, 1, 0, 0, 0xdc, 0, 0x90, 1, 0];
        bench.ups.feature(&[&head[..], &[low, middle, high]].concat());
        bench.run(125 * SECOND);
        assert_eq!(values(&bench).battery_charge.map(|charge| charge.0), Some(percent), "{ampere_seconds}");
    }
}

#[test]
fn a_temperature_that_no_sensor_has_is_left_out() {
    let celsius = |raw: [u8; 2]| {
        let bench = with("tripplite-4003-09ae-4003", |ups| ups.feature(&[0x1a, raw[0], raw[1]]));
        values(&bench).temperature.map(|celsius| celsius.0.round())
    };
    assert_eq!(celsius([0x29, 0x01]), Some(24.0));
    for raw in [[0xff, 0xff], [0, 0], [0xe8, 0x03]] {
        assert_eq!(celsius(raw), None, "{raw:02x?}");
    }
}

#[test]
fn a_value_whose_first_place_does_not_answer_is_read_from_the_next() {
    let bench = with(LEGRAND, |ups| {
        ups.add_line_state();
        ups.reports.remove(&(3, 0x18));
        ups.reports.remove(&(3, 0x34));
        ups.reports.remove(&(1, 0x34));
        ups.feature(&[0x21, 77]);
    });
    assert_eq!(values(&bench).line_voltage.map(|volts| volts.0), Some(239.2));
    assert_eq!(values(&bench).battery_charge.map(|charge| charge.0), Some(77.0));
}

#[test]
fn a_report_that_becomes_the_place_of_a_value_is_read_as_often_as_the_value_needs() {
    // The summary's charge (report 2) does not answer; the battery's lies beside a date, which is read once.
    let descriptor = [
        &[0x05, 0x84, 0x09, 0x04, 0xa1, 0x01, 0x75, 0x10, 0x95, 0x01, 0x15, 0x00, 0x26, 0xff, 0x7f][..],
        &[0x09, 0x24, 0xa1, 0x00, 0x05, 0x85],
        &[0x85, 0x01, 0x09, 0xd0, 0xb1, 0x02, 0x85, 0x02, 0x09, 0x66, 0xb1, 0x02, 0xc0],
        &[0x05, 0x84, 0x09, 0x12, 0xa1, 0x00, 0x05, 0x85],
        &[0x85, 0x03, 0x09, 0x85, 0xb1, 0x02, 0x09, 0x66, 0xb1, 0x02, 0xc0, 0xc0],
    ]
    .concat();
    let mut ups = FakeUps::new(device("eaton-3s-700"));
    ups.info.announced_descriptor_len = Some(descriptor.len() as u16);
    ups.info.report_descriptor = descriptor.clone();
    ups.descriptor = descriptor;
    ups.reports =
        [(1, vec![1, 1, 0]), (3, vec![3, 0x62, 0x52, 100, 0])].map(|(id, report)| ((3, id), report)).into();
    let mut bench = Bench::new(ups);
    bench.open();
    bench.run(5 * SECOND);
    assert_eq!(values(&bench).battery_charge.map(|charge| charge.0), Some(100.0));
    bench.ups.feature(&[3, 0x62, 0x52, 93, 0]);
    bench.run(65 * SECOND);
    assert_eq!(values(&bench).battery_charge.map(|charge| charge.0), Some(93.0));
}
