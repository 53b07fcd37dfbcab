//! The table itself.

use super::{Access, DaemonDate, DaemonNumber, DaemonText, Field, Form, Text, Unit};
use crate::ups::{
    Amps, Celsius, Hertz, Minutes, Percent, SelfTestResult, Sensitivity, TransferCause, VoltAmps, Volts,
    Watts, clean,
};
use Form::{Date, DateOrNone, Hex2, Hex8, Hundredths, Tenths, Truncated, Whole, WholePoint0, Words};

/// Keys that are named one by one elsewhere.
pub mod key {
    /// Input voltage.
    pub const LINE_VOLTAGE: &str = "LINEV";
    /// Output voltage.
    pub const OUTPUT_VOLTAGE: &str = "OUTPUTV";
    /// Battery voltage.
    pub const BATTERY_VOLTAGE: &str = "BATTV";
    /// Frequency.
    pub const FREQUENCY: &str = "LINEFREQ";
    /// The last record of a status.
    pub const END: &str = "END APC";
}

/// Longest text where no other limit is known: the record's own.
const ANY: usize = usize::MAX;

/// A row. An empty name and the usage 0 are none.
const fn field(key: &'static str, nut: &'static str, metric: &'static str, hid: u32, form: Form) -> Field {
    Field {
        key,
        nut: if nut.is_empty() { None } else { Some(nut) },
        metric: if metric.is_empty() { None } else { Some(metric) },
        hid: if hid == 0 { None } else { Some(hid) },
        form,
    }
}

/// A number whose type is its unit, and that is shown only.
macro_rules! shown {
    ($part:ident.$name:ident, $unit:ident) => {
        Access { unit: Unit::$unit, get: |said| said.$part.$name.map(|$unit(value)| value), set: None }
    };
}

/// The same, and a slave takes it from its master.
macro_rules! relayed {
    ($part:ident.$name:ident, $unit:ident) => {
        Access {
            unit: Unit::$unit,
            get: |said| said.$part.$name.map(|$unit(value)| value),
            set: Some(|said, value| said.$part.$name = value.map($unit)),
        }
    };
}

/// An integer that is shown only.
macro_rules! shown_whole {
    ($part:ident.$name:ident, $unit:ident) => {
        Access { unit: Unit::$unit, get: |said| said.$part.$name, set: None }
    };
}

/// The same, and a slave takes it from its master.
macro_rules! relayed_whole {
    ($part:ident.$name:ident, $unit:ident) => {
        Access {
            unit: Unit::$unit,
            get: |said| said.$part.$name,
            set: Some(|said, value| said.$part.$name = value),
        }
    };
}

/// A text that is shown only.
macro_rules! shown_text {
    ($longest:expr, $part:ident.$name:ident, $text:expr) => {
        Form::Text(Text { longest: $longest, get: |said| said.$part.$name.as_ref().map($text), set: None })
    };
}

/// The same, and a slave takes it from its master.
macro_rules! relayed_text {
    ($longest:expr, $part:ident.$name:ident, $text:expr, $from:expr) => {
        Form::Text(Text {
            longest: $longest,
            get: |said| said.$part.$name.as_ref().map($text),
            set: Some(|said, text| said.$part.$name = $from(text).into()),
        })
    };
}

const fn daemon(text: DaemonText) -> Form {
    Form::DaemonText(text)
}

const fn number(number: DaemonNumber, unit: Unit) -> Form {
    Form::DaemonNumber(number, unit)
}

/// Every value, in the order of a status; its header `APC` is made from the rest. Source: status-fields §1, names §1.
#[rustfmt::skip]
pub static FIELDS: [Field; 64] = [
    field("DATE",      "", "mainsd_last_poll_timestamp_seconds", 0, Date(DaemonDate::Polled)),
    field("HOSTNAME",  "", "", 0, daemon(DaemonText::Hostname)),
    field("VERSION",   "driver.version", "", 0, daemon(DaemonText::Version)),
    field("UPSNAME",   "ups.id", "", 0x0085_0088, daemon(DaemonText::UpsName)),
    field("CABLE",     "", "", 0, daemon(DaemonText::Cable)),
    field("DRIVER",    "", "", 0, daemon(DaemonText::Driver)),
    field("UPSMODE",   "", "", 0, daemon(DaemonText::Class)),
    field("STARTTIME", "", "mainsd_start_timestamp_seconds", 0, Date(DaemonDate::Started)),
    field("SHARE",     "", "", 0, daemon(DaemonText::Share)),
    field("MASTERUPD", "", "mainsd_last_master_poll_timestamp_seconds", 0, Date(DaemonDate::MasterPolled)),
    field("MASTER",    "", "", 0, daemon(DaemonText::Master)),
    field("MODEL",     "ups.model", "", 0x0084_00fe, relayed_text!(ANY, identity.model, String::as_str, clean)),
    field("STATUS",    "ups.status", "mainsd_status", 0, Words),
    field(key::LINE_VOLTAGE, "input.voltage", "mainsd_input_voltage_volts", 0x0084_0030, Tenths(relayed!(values.line_voltage, Volts))),
    field("LOADPCT",   "ups.load", "mainsd_load_ratio", 0x0084_0035, Tenths(relayed!(values.load, Percent))),
    field("LOADAPNT",  "", "mainsd_apparent_load_ratio", 0, Tenths(shown!(values.load_apparent, Percent))),
    field("BCHARGE",   "battery.charge", "mainsd_battery_charge_ratio", 0x0085_0066, Tenths(relayed!(values.battery_charge, Percent))),
    field("TIMELEFT",  "battery.runtime", "mainsd_battery_runtime_seconds", 0x0085_0068, Tenths(relayed!(values.runtime_left, Minutes))),
    field("MBATTCHG",  "battery.charge.low", "mainsd_limit_battery_charge_ratio", 0, number(DaemonNumber::BatteryLevel, Unit::Percent)),
    field("MINTIMEL",  "", "mainsd_limit_battery_runtime_seconds", 0, number(DaemonNumber::Minutes, Unit::Minutes)),
    field("MAXTIME",   "", "mainsd_limit_time_on_battery_seconds", 0, number(DaemonNumber::Timeout, Unit::Seconds)),
    field("MAXLINEV",  "input.voltage.maximum", "mainsd_input_voltage_maximum_volts", 0, Tenths(relayed!(values.line_voltage_max, Volts))),
    field("MINLINEV",  "input.voltage.minimum", "mainsd_input_voltage_minimum_volts", 0, Tenths(relayed!(values.line_voltage_min, Volts))),
    field(key::OUTPUT_VOLTAGE, "output.voltage", "mainsd_output_voltage_volts", 0x0084_0030, Tenths(relayed!(values.output_voltage, Volts))),
    field("SENSE",     "input.sensitivity", "", 0xff86_0061, relayed_text!(ANY, identity.sensitivity, |v| v.text(), Sensitivity::from_text)),
    field("DWAKE",     "ups.delay.start", "mainsd_wake_delay_seconds", 0x0084_0056, Whole(shown_whole!(identity.wake_delay, Seconds))),
    field("DSHUTD",    "ups.delay.shutdown", "mainsd_shutdown_delay_seconds", 0xff86_0076, Whole(shown_whole!(identity.shutdown_delay, Seconds))),
    field("DLOWBATT",  "battery.runtime.low", "mainsd_low_battery_runtime_seconds", 0, Whole(relayed_whole!(identity.low_battery_minutes, Minutes))),
    field("LOTRANS",   "input.transfer.low", "mainsd_input_transfer_low_volts", 0x0084_0053, WholePoint0(relayed_whole!(identity.low_transfer, Volts))),
    field("HITRANS",   "input.transfer.high", "mainsd_input_transfer_high_volts", 0x0084_0054, WholePoint0(relayed_whole!(identity.high_transfer, Volts))),
    field("RETPCT",    "battery.charge.restart", "mainsd_restart_battery_charge_ratio", 0xff86_0019, WholePoint0(relayed_whole!(identity.return_charge, Percent))),
    field("ITEMP",     "ups.temperature", "mainsd_temperature_celsius", 0x0084_0036, Tenths(relayed!(values.temperature, Celsius))),
    field("ALARMDEL",  "ups.beeper.status", "", 0x0084_005a, shown_text!(ANY, values.alarm_delay, |v| v.text())),
    field(key::BATTERY_VOLTAGE, "battery.voltage", "mainsd_battery_voltage_volts", 0x0084_0030, Tenths(relayed!(values.battery_voltage, Volts))),
    field(key::FREQUENCY, "input.frequency", "mainsd_frequency_hertz", 0x0084_0032, Tenths(relayed!(values.frequency, Hertz))),
    field("OUTCURNT",  "output.current", "mainsd_output_current_amperes", 0, Hundredths(shown!(values.output_current, Amps))),
    field("LASTXFER",  "input.transfer.reason", "", 0xff86_0052, relayed_text!(ANY, values.transfer_cause, |v| v.text(), TransferCause::from_text)),
    field("NUMXFERS",  "", "mainsd_transfers_total", 0, number(DaemonNumber::Transfers, Unit::None)),
    field("XONBATT",   "", "mainsd_last_transfer_timestamp_seconds", 0, Date(DaemonDate::OnBattery)),
    field("TONBATT",   "", "mainsd_time_on_battery_seconds", 0, number(DaemonNumber::TimeOnBattery, Unit::Seconds)),
    field("CUMONBATT", "", "mainsd_on_battery_seconds_total", 0, number(DaemonNumber::TotalOnBattery, Unit::Seconds)),
    field("XOFFBATT",  "", "mainsd_last_return_timestamp_seconds", 0, DateOrNone(DaemonDate::OffBattery)),
    field("LASTSTEST", "ups.test.date", "mainsd_last_self_test_timestamp_seconds", 0, Date(DaemonDate::SelfTest)),
    field("SELFTEST",  "ups.test.result", "", 0x0084_0058, relayed_text!(ANY, values.self_test, |v| v.code(), SelfTestResult::from_code)),
    field("STESTI",    "ups.test.interval", "", 0xff86_001a, shown_text!(8, identity.self_test_interval, |v| v.text())),
    field("STATFLAG",  "", "", 0xff86_0060, Hex8),
    field("DIPSW",     "", "", 0, Hex2(|said| said.values.dip_switches)),
    field("REG1",      "", "", 0, Hex2(|said| said.values.register_1)),
    field("REG2",      "", "", 0, Hex2(|said| said.values.register_2)),
    field("REG3",      "", "", 0, Hex2(|said| said.values.register_3)),
    field("MANDATE",   "ups.mfr.date", "", 0x0085_0085, shown_text!(19, identity.manufacture_date, String::as_str)),
    field("SERIALNO",  "ups.serial", "", 0x0084_00ff, relayed_text!(31, identity.serial, String::as_str, clean)),
    field("BATTDATE",  "battery.date", "", 0x0085_0085, relayed_text!(19, identity.battery_date, String::as_str, clean)),
    field("NOMOUTV",   "output.voltage.nominal", "mainsd_output_voltage_nominal_volts", 0x0084_0040, Whole(relayed_whole!(identity.nominal_output_voltage, Volts))),
    field("NOMINV",    "input.voltage.nominal", "mainsd_input_voltage_nominal_volts", 0x0084_0040, Whole(relayed_whole!(identity.nominal_line_voltage, Volts))),
    field("NOMBATTV",  "battery.voltage.nominal", "mainsd_battery_voltage_nominal_volts", 0x0084_0040, Tenths(relayed!(identity.nominal_battery_voltage, Volts))),
    field("NOMPOWER",  "ups.realpower.nominal", "mainsd_power_nominal_watts", 0x0084_0044, Truncated(relayed!(identity.nominal_power, Watts))),
    field("NOMAPNT",   "ups.power.nominal", "mainsd_apparent_power_nominal_volt_amperes", 0x0084_0043, Truncated(shown!(identity.nominal_apparent_power, VoltAmps))),
    field("HUMIDITY",  "ambient.humidity", "mainsd_ambient_humidity_ratio", 0x0084_0037, Tenths(shown!(values.humidity, Percent))),
    field("AMBTEMP",   "ambient.temperature", "mainsd_ambient_temperature_celsius", 0x0084_0036, Tenths(shown!(values.ambient_temperature, Celsius))),
    field("EXTBATTS",  "battery.packs.external", "mainsd_external_battery_packs", 0, Whole(shown_whole!(values.external_batteries, None))),
    field("BADBATTS",  "battery.packs.bad", "mainsd_bad_battery_packs", 0, Whole(shown_whole!(values.bad_batteries, None))),
    field("FIRMWARE",  "ups.firmware", "", 0x0084_00fe, relayed_text!(19, identity.firmware, String::as_str, clean)),
    field(key::END,    "", "", 0, Date(DaemonDate::Now)),
];
