//! The UPS MIB of MGE (snmp §6).

use super::{Item, Mib, Row, Shape, column, once, polled, status};

pub(in super::super) static MIB: Mib =
    Mib { word: "MGE", name: "MGE UPS", base: &[1, 3, 6, 1, 4, 1, 705, 1], rows: &ROWS };

/// A column that is read once.
const fn setting(item: Item, tail: &'static [u8]) -> Row {
    Row { when: super::When::Once, ..column(item, tail, 1.0, Shape::First) }
}

#[rustfmt::skip]
static ROWS: [Row; 34] = [
    status(Item::MgeOnBattery, &[7, 3]),
    status(Item::LowBattery, &[5, 14]),
    status(Item::MgeReplaceBattery, &[5, 11]),
    status(Item::Boost, &[7, 8]),
    status(Item::Overload, &[7, 10]),
    status(Item::Trim, &[7, 12]),
    polled(Item::MgeCause, &[6, 4], 1.0),
    polled(Item::Runtime, &[5, 1], 1.0 / 60.0),
    polled(Item::Charge, &[5, 2], 1.0),
    polled(Item::BatteryVoltage, &[5, 5], 0.1),
    polled(Item::Temperature, &[5, 7], 1.0),
    polled(Item::AmbientTemperature, &[8, 1], 1.0),
    polled(Item::Humidity, &[8, 2], 1.0),
    polled(Item::MgeTest, &[10, 3], 1.0),
    column(Item::LineVoltage, &[6, 2, 1, 2], 0.1, Shape::First),
    column(Item::Frequency, &[6, 2, 1, 3], 0.1, Shape::First),
    column(Item::LineVoltageMin, &[6, 2, 1, 4], 0.1, Shape::Least),
    column(Item::LineVoltageMax, &[6, 2, 1, 5], 0.1, Shape::Greatest),
    column(Item::OutputVoltage, &[7, 2, 1, 2], 0.1, Shape::First),
    column(Item::Load, &[7, 2, 1, 4], 1.0, Shape::Mean),
    once(Item::Model, &[1, 1], 1.0),
    once(Item::Firmware, &[1, 4], 1.0),
    once(Item::Serial, &[1, 7], 1.0),
    once(Item::NominalBatteryVoltage, &[4, 2], 0.1),
    once(Item::ReturnCharge, &[4, 5], 1.0),
    once(Item::LowBatteryRuntime, &[4, 7], 1.0 / 60.0),
    once(Item::ShutdownDelay, &[4, 11], 1.0),
    once(Item::LowTransfer, &[4, 13], 1.0),
    once(Item::HighTransfer, &[4, 14], 1.0),
    once(Item::NominalOutputVoltage, &[4, 15], 0.1),
    once(Item::MgeAlarm, &[4, 19], 1.0),
    once(Item::AlarmTimer, &[4, 20], 1.0),
    setting(Item::WakeDelay, &[4, 23, 1, 8]),
    once(Item::MgeTestInterval, &[10, 1], 1.0),
];
