//! The PowerNet MIB of APC (snmp §4). Its tails stand there behind `318.1.1.1`, here behind `318.1.1`.

use super::{Item, Mib, Row, once, polled, status};

/// Hundredths of a second.
const TICK: f64 = 0.01;
const MINUTE: f64 = TICK / 60.0;

pub(in super::super) static MIB: Mib =
    Mib { word: "APC", name: "PowerNet", base: &[1, 3, 6, 1, 4, 1, 318, 1, 1], rows: &ROWS };

/// What says the same in tenths stands behind the whole number.
#[rustfmt::skip]
static ROWS: [Row; 51] = [
    status(Item::PowerNetOutput, &[1, 4, 1, 1]),
    status(Item::CardLink, &[1, 8, 1]),
    status(Item::StateWord, &[1, 11, 1, 1]),
    status(Item::PowerNetBattery, &[1, 2, 1, 1]),
    polled(Item::PowerNetCause, &[1, 3, 2, 5], 1.0),
    polled(Item::Charge, &[1, 2, 2, 1], 1.0),
    polled(Item::Charge, &[1, 2, 3, 1], 0.1),
    polled(Item::Runtime, &[1, 2, 2, 3], MINUTE),
    polled(Item::ReplaceBattery, &[1, 2, 2, 4], 1.0),
    polled(Item::PowerNetTest, &[1, 7, 2, 3], 1.0),
    polled(Item::Calibration, &[1, 7, 2, 6], 1.0),
    polled(Item::LineVoltage, &[1, 3, 2, 1], 1.0),
    polled(Item::LineVoltage, &[1, 3, 3, 1], 0.1),
    polled(Item::LineVoltageMax, &[1, 3, 2, 2], 1.0),
    polled(Item::LineVoltageMax, &[1, 3, 3, 2], 0.1),
    polled(Item::LineVoltageMin, &[1, 3, 2, 3], 1.0),
    polled(Item::LineVoltageMin, &[1, 3, 3, 3], 0.1),
    polled(Item::Frequency, &[1, 3, 2, 4], 1.0),
    polled(Item::Frequency, &[1, 3, 3, 4], 0.1),
    polled(Item::OutputVoltage, &[1, 4, 2, 1], 1.0),
    polled(Item::OutputVoltage, &[1, 4, 3, 1], 0.1),
    polled(Item::Load, &[1, 4, 2, 3], 1.0),
    polled(Item::Load, &[1, 4, 3, 3], 0.1),
    polled(Item::OutputCurrent, &[1, 4, 2, 4], 1.0),
    polled(Item::OutputCurrent, &[1, 4, 3, 4], 0.1),
    polled(Item::BatteryVoltage, &[1, 2, 2, 8], 1.0),
    polled(Item::BatteryVoltage, &[1, 2, 3, 4], 0.1),
    polled(Item::Temperature, &[1, 2, 2, 2], 1.0),
    polled(Item::Temperature, &[1, 2, 3, 2], 0.1),
    polled(Item::AmbientTemperature, &[2, 1, 1], 1.0),
    polled(Item::Humidity, &[2, 1, 2], 1.0),
    polled(Item::BadBatteries, &[1, 2, 2, 6], 1.0),
    once(Item::Model, &[1, 1, 1, 1], 1.0),
    once(Item::Name, &[1, 1, 1, 2], 1.0),
    once(Item::Firmware, &[1, 1, 2, 1], 1.0),
    once(Item::Made, &[1, 1, 2, 2], 1.0),
    once(Item::Serial, &[1, 1, 2, 3], 1.0),
    once(Item::BatteryDate, &[1, 2, 1, 3], 1.0),
    once(Item::ExternalBatteries, &[1, 2, 2, 5], 1.0),
    once(Item::NominalBatteryVoltage, &[1, 2, 2, 7], 1.0),
    once(Item::NominalOutputVoltage, &[1, 5, 2, 1], 1.0),
    once(Item::HighTransfer, &[1, 5, 2, 2], 1.0),
    once(Item::LowTransfer, &[1, 5, 2, 3], 1.0),
    once(Item::PowerNetAlarm, &[1, 5, 2, 4], 1.0),
    once(Item::AlarmTimer, &[1, 5, 2, 5], TICK),
    once(Item::ReturnCharge, &[1, 5, 2, 6], 1.0),
    once(Item::Sensitivity, &[1, 5, 2, 7], 1.0),
    once(Item::LowBatteryRuntime, &[1, 5, 2, 8], MINUTE),
    once(Item::WakeDelay, &[1, 5, 2, 9], TICK),
    once(Item::ShutdownDelay, &[1, 5, 2, 10], TICK),
    once(Item::PowerNetTestInterval, &[1, 7, 2, 1], 1.0),
];
