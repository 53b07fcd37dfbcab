//! Status answers recorded from apcupsd 3.14.14, reproduced byte for byte from a snapshot built by hand.

use std::path::Path;
use std::time::Duration;

use mainsd::report::{Facts, MAX_RECORD, Renderer, Snapshot, Stamp, text};
use mainsd::ups::{
    AlarmDelay, Amps, Celsius, Hertz, Identity, Minutes, Percent, SelfTestInterval, SelfTestResult,
    Sensitivity, StatusFlags, TransferCause, Values, VoltAmps, Volts, Watts,
};
use mainsd::wire::nis;

fn recorded(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/nis").join(name)).unwrap()
}

fn framed(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::new();
    nis::push_lines(&mut out, &text(snapshot));
    out
}

#[track_caller]
fn assert_same(snapshot: &Snapshot, file: &str) {
    let (ours, theirs) = (framed(snapshot), recorded(file));
    assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&theirs), "{file}");
    assert_eq!(ours, theirs, "{file}");
}

/// 2026-11-21 04:00:00 +0100 and so many minutes and seconds.
fn at(minute: i64, second: i64) -> Stamp {
    Stamp::new(1_795_230_000 + minute * 60 + second, 3600)
}

fn at_start() -> Snapshot {
    Snapshot {
        facts: Facts {
            hostname: "upshost".into(),
            version: "3.14.14 (31 May 2016) debian".into(),
            cable: "Custom Cable Smart".into(),
            driver: "APC Smart UPS (any)".into(),
            class: "Stand Alone".into(),
            share: None,
            start_time: at(9, 48),
            battery_level: 5,
            minutes: 3,
            timeout: 0,
        },
        polled_at: Some(at(9, 58)),
        flags: StatusFlags::from_bits_retain(0x0500_0100),
        now: at(9, 58),
        ..Snapshot::default()
    }
}

fn serial_online() -> Snapshot {
    let mut snapshot = at_start();
    snapshot.facts.start_time = at(9, 40);
    snapshot.ups_name = Some("rack1".into());
    snapshot.polled_at = Some(at(9, 56));
    snapshot.now = at(9, 56);
    snapshot.flags = StatusFlags::from_bits_retain(0x0500_0008);
    snapshot.identity = Identity {
        model: Some("Smart-UPS 1000".into()),
        firmware: Some("651.13.I".into()),
        serial: Some("AS0433123456".into()),
        manufacture_date: Some("08/13/04".into()),
        battery_date: Some("08/13/04".into()),
        sensitivity: Some(Sensitivity::High),
        wake_delay: Some(0),
        shutdown_delay: Some(20),
        low_battery_minutes: Some(2),
        low_transfer: Some(208),
        high_transfer: Some(253),
        return_charge: Some(0),
        self_test_interval: Some(SelfTestInterval::Raw("336".into())),
        nominal_output_voltage: Some(230),
        nominal_battery_voltage: Some(Volts(24.0)),
        ..Identity::default()
    };
    snapshot.values = Values {
        line_voltage: Some(Volts(229.7)),
        load: Some(Percent(13.0)),
        battery_charge: Some(Percent(100.0)),
        runtime_left: Some(Minutes(87.0)),
        line_voltage_max: Some(Volts(230.4)),
        line_voltage_min: Some(Volts(228.2)),
        output_voltage: Some(Volts(229.7)),
        temperature: Some(Celsius(33.3)),
        alarm_delay: Some(AlarmDelay::FiveSeconds),
        battery_voltage: Some(Volts(27.66)),
        frequency: Some(Hertz(50.0)),
        transfer_cause: Some(TransferCause::None),
        self_test: Some(SelfTestResult::Passed),
        dip_switches: Some(0),
        register_1: Some(0),
        register_2: Some(0),
        register_3: Some(0),
        humidity: Some(Percent(45.2)),
        ambient_temperature: Some(Celsius(22.5)),
        external_batteries: Some(0),
        bad_batteries: Some(0),
        ..Values::default()
    };
    snapshot
}

fn serial_on_battery() -> Snapshot {
    let mut snapshot = serial_online();
    snapshot.facts.start_time = at(12, 50);
    snapshot.polled_at = Some(at(13, 15));
    snapshot.now = at(13, 15);
    snapshot.flags = StatusFlags::from_bits_retain(0x0506_0010);
    snapshot.values.line_voltage = Some(Volts(0.0));
    snapshot.values.battery_charge = Some(Percent(98.0));
    snapshot.values.runtime_left = Some(Minutes(81.0));
    snapshot.values.output_voltage = Some(Volts(230.4));
    snapshot.values.battery_voltage = Some(Volts(25.9));
    snapshot.values.transfer_cause = Some(TransferCause::LowLine);
    snapshot.transfers = 1;
    snapshot.on_battery_at = Some(at(13, 4));
    snapshot.time_on_battery = Duration::from_secs(11);
    snapshot.total_on_battery = Duration::from_millis(11_900);
    snapshot
}

/// What a slave relays of its master's values (nis §9.2).
fn slave(mut snapshot: Snapshot) -> Snapshot {
    snapshot.facts.cable = "Ethernet Link".into();
    snapshot.facts.driver = "NETWORK UPS Driver".into();
    let (identity, values) = (&mut snapshot.identity, &mut snapshot.values);
    identity.wake_delay = None;
    identity.shutdown_delay = None;
    identity.self_test_interval = None;
    identity.manufacture_date = None;
    values.alarm_delay = None;
    values.dip_switches = None;
    values.register_1 = None;
    values.register_2 = None;
    values.register_3 = None;
    values.humidity = None;
    values.ambient_temperature = None;
    values.external_batteries = None;
    values.bad_batteries = None;
    snapshot
}

#[test]
fn a_device_missing_at_start_gives_seventeen_records() {
    assert_same(&at_start(), "status-commlost-at-start.bin");
}

#[test]
fn a_serial_ups_on_mains() {
    assert_same(&serial_online(), "status-apcsmart-online.bin");
}

#[test]
fn a_serial_ups_on_battery() {
    assert_same(&serial_on_battery(), "status-apcsmart-onbatt.bin");
}

#[test]
fn a_serial_ups_that_went_silent_keeps_its_values() {
    let mut snapshot = serial_on_battery();
    snapshot.polled_at = Some(at(13, 16));
    snapshot.now = at(13, 48);
    snapshot.flags = StatusFlags::from_bits_retain(0x0500_0108);
    snapshot.values.line_voltage = Some(Volts(229.7));
    snapshot.values.output_voltage = Some(Volts(229.7));
    snapshot.time_on_battery = Duration::ZERO;
    snapshot.total_on_battery = Duration::from_secs(12);
    snapshot.off_battery_at = Some(at(13, 16));
    assert_same(&snapshot, "status-apcsmart-commlost-runtime.bin");
}

#[test]
fn a_shutdown_after_a_self_test() {
    let mut snapshot = serial_on_battery();
    snapshot.facts.start_time = at(9, 40);
    snapshot.polled_at = Some(at(11, 2));
    snapshot.now = at(11, 3);
    snapshot.flags = StatusFlags::from_bits_retain(0x0506_0250);
    snapshot.values.battery_charge = Some(Percent(34.0));
    snapshot.values.runtime_left = Some(Minutes(9.0));
    snapshot.values.battery_voltage = Some(Volts(24.1));
    snapshot.transfers = 2;
    snapshot.on_battery_at = Some(at(10, 48));
    snapshot.off_battery_at = Some(at(10, 42));
    snapshot.last_self_test_at = Some(at(10, 37));
    snapshot.time_on_battery = Duration::from_secs(15);
    snapshot.total_on_battery = Duration::from_secs(20);
    assert_same(&snapshot, "status-apcsmart-shutting-down.bin");
}

#[test]
fn a_slave_on_mains() {
    let mut snapshot = slave(serial_online());
    snapshot.facts.start_time = at(9, 48);
    snapshot.polled_at = Some(at(9, 53));
    snapshot.now = at(9, 57);
    snapshot.flags = StatusFlags::from_bits_retain(0x0500_0408);
    snapshot.master = Some((at(9, 53), "127.0.0.1:41020".into()));
    assert_same(&snapshot, "status-net-slave-online.bin");
}

#[test]
fn a_slave_on_battery() {
    let mut snapshot = slave(serial_on_battery());
    snapshot.facts.start_time = at(12, 58);
    snapshot.flags = StatusFlags::from_bits_retain(0x0506_0410);
    snapshot.master = Some((at(13, 15), "127.0.0.1:41020".into()));
    snapshot.on_battery_at = Some(at(13, 8));
    snapshot.time_on_battery = Duration::from_secs(7);
    snapshot.total_on_battery = Duration::from_secs(7);
    assert_same(&snapshot, "status-net-slave-onbatt.bin");
}

/// Every field set, texts as long and as foul as a configuration or a UPS can make them.
fn everything() -> Snapshot {
    let foul = "Ünïcode\u{1}\0\n: ".repeat(40);
    let mut snapshot = slave(serial_on_battery());
    let facts = &mut snapshot.facts;
    for text in
        [&mut facts.hostname, &mut facts.version, &mut facts.cable, &mut facts.driver, &mut facts.class]
    {
        text.clone_from(&foul);
    }
    facts.share = Some(foul.clone());
    facts.battery_level = i32::MIN;
    facts.minutes = i32::MIN;
    facts.timeout = i32::MIN;
    snapshot.ups_name = Some(foul.clone());
    snapshot.master = Some((at(13, 15), foul.clone()));
    snapshot.flags = StatusFlags::from_bits_retain(0xf8ff_fcff);
    snapshot.transfers = u32::MAX;
    snapshot.time_on_battery = Duration::MAX;
    snapshot.total_on_battery = Duration::MAX;
    snapshot.off_battery_at = Some(at(13, 15));
    snapshot.last_self_test_at = Some(at(13, 15));
    snapshot.identity = Identity {
        name: Some(foul.clone()),
        model: Some(foul.clone()),
        firmware: Some(foul.clone()),
        serial: Some(foul.clone()),
        manufacture_date: Some(foul.clone()),
        battery_date: Some(foul.clone()),
        sensitivity: Some(Sensitivity::Auto),
        wake_delay: Some(i32::MIN),
        shutdown_delay: Some(i32::MIN),
        low_battery_minutes: Some(i32::MIN),
        low_transfer: Some(i32::MIN),
        high_transfer: Some(i32::MIN),
        return_charge: Some(i32::MIN),
        self_test_interval: Some(SelfTestInterval::Raw(foul)),
        nominal_output_voltage: Some(i32::MIN),
        nominal_line_voltage: Some(i32::MIN),
        nominal_battery_voltage: Some(Volts(-99_999_999.9)),
        nominal_power: Some(Watts(-99_999_999.9)),
        permitted: Vec::new(),
        nominal_apparent_power: Some(VoltAmps(-99_999_999.9)),
    };
    snapshot.values = Values {
        line_voltage: Some(Volts(-99_999_999.9)),
        load: Some(Percent(-99_999_999.9)),
        load_apparent: Some(Percent(-99_999_999.9)),
        battery_charge: Some(Percent(-99_999_999.9)),
        runtime_left: Some(Minutes(-99_999_999.9)),
        line_voltage_max: Some(Volts(-99_999_999.9)),
        line_voltage_min: Some(Volts(-99_999_999.9)),
        output_voltage: Some(Volts(-99_999_999.9)),
        output_current: Some(Amps(-99_999_999.9)),
        battery_voltage: Some(Volts(-99_999_999.9)),
        frequency: Some(Hertz(-99_999_999.9)),
        temperature: Some(Celsius(-99_999_999.9)),
        ambient_temperature: Some(Celsius(-99_999_999.9)),
        humidity: Some(Percent(-99_999_999.9)),
        transfer_cause: Some(TransferCause::Ripple),
        self_test: Some(SelfTestResult::Unknown),
        calibration: None,
        alarm_delay: Some(AlarmDelay::ThirtySeconds),
        register_1: Some(255),
        register_2: Some(255),
        register_3: Some(255),
        dip_switches: Some(255),
        external_batteries: Some(i32::MIN),
        bad_batteries: Some(i32::MIN),
    };
    snapshot
}

#[test]
fn the_longest_answer_stays_within_every_known_client() {
    let answer = text(&everything());
    let lines: Vec<&str> = answer.lines().collect();
    assert_eq!(lines.len(), 65, "{answer}");
    for line in &lines {
        assert!(line.len() < MAX_RECORD, "{line}");
        assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line:?}");
        assert_eq!(&line[9..11], ": ", "{line:?}");
    }
    // A 3.14.14 slave keeps 4095 bytes of an answer and drops the rest (nis §2).
    assert!(answer.len() <= 4095, "{} bytes", answer.len());
    let header = format!("APC      : 001,064,{:04}", answer.len() - lines[0].len() - 1);
    assert_eq!(lines[0], header);
}

#[test]
fn keys_are_those_of_the_reference_in_its_order() {
    // status-fields §1, rows 1 to 64.
    let keys = "DATE HOSTNAME VERSION UPSNAME CABLE DRIVER UPSMODE STARTTIME SHARE MASTERUPD MASTER MODEL STATUS LINEV \
                LOADPCT LOADAPNT BCHARGE TIMELEFT MBATTCHG MINTIMEL MAXTIME MAXLINEV MINLINEV OUTPUTV SENSE DWAKE DSHUTD \
                DLOWBATT LOTRANS HITRANS RETPCT ITEMP ALARMDEL BATTV LINEFREQ OUTCURNT LASTXFER NUMXFERS XONBATT \
                TONBATT CUMONBATT XOFFBATT LASTSTEST SELFTEST STESTI STATFLAG DIPSW REG1 REG2 REG3 MANDATE SERIALNO \
                BATTDATE NOMOUTV NOMINV NOMBATTV NOMPOWER NOMAPNT HUMIDITY AMBTEMP EXTBATTS BADBATTS FIRMWARE END";
    let answer = text(&everything());
    let ours: Vec<&str> = answer.lines().skip(1).map(|line| line[..9].split(' ').next().unwrap()).collect();
    assert_eq!(ours, keys.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn units_and_decimals_of_values_no_capture_shows() {
    let mut snapshot = serial_online();
    snapshot.facts.share = Some(String::new());
    snapshot.values.load_apparent = Some(Percent(12.34));
    snapshot.values.output_current = Some(Amps(1.666));
    snapshot.identity.nominal_line_voltage = Some(230);
    snapshot.identity.nominal_power = Some(Watts(865.9));
    snapshot.identity.nominal_apparent_power = Some(VoltAmps(1500.0));
    let answer = text(&snapshot);
    for line in [
        "SHARE    : ",
        "LOADAPNT : 12.3 Percent",
        "OUTCURNT : 1.67 Amps",
        "NOMINV   : 230 Volts",
        "NOMPOWER : 865 Watts",
        "NOMAPNT  : 1500 VA",
    ] {
        assert!(answer.lines().any(|l| l == line), "{line:?} not in\n{answer}");
    }
}

#[test]
fn rendering_again_gives_the_same_text() {
    let mut renderer = Renderer::default();
    let first = renderer.text(&everything()).to_owned();
    renderer.text(&at_start());
    assert_eq!(renderer.text(&everything()), first);
}
