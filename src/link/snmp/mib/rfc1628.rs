//! The UPS MIB of RFC 1628 (snmp §5).

use super::{Item, Mib, Row, Shape, column, once, polled, status};

pub(in super::super) static MIB: Mib =
    Mib { word: "RFC", name: "RFC 1628", base: &[1, 3, 6, 1, 2, 1, 33, 1], rows: &ROWS };

#[rustfmt::skip]
static ROWS: [Row; 25] = [
    status(Item::RfcSource, &[4, 1]),
    status(Item::RfcBattery, &[2, 1]),
    status(Item::AlarmCount, &[6, 1]),
    polled(Item::Runtime, &[2, 3], 1.0),
    polled(Item::Charge, &[2, 4], 1.0),
    polled(Item::BatteryVoltage, &[2, 5], 0.1),
    polled(Item::Temperature, &[2, 7], 1.0),
    polled(Item::RfcTest, &[7, 3], 1.0),
    column(Item::Alarms, &[6, 2, 1, 2], 1.0, Shape::Each),
    column(Item::Frequency, &[3, 3, 1, 2], 0.1, Shape::First),
    column(Item::LineVoltage, &[3, 3, 1, 3], 1.0, Shape::First),
    column(Item::OutputVoltage, &[4, 4, 1, 2], 1.0, Shape::First),
    column(Item::OutputCurrent, &[4, 4, 1, 3], 0.1, Shape::First),
    column(Item::Load, &[4, 4, 1, 5], 1.0, Shape::Mean),
    once(Item::Model, &[1, 2], 1.0),
    once(Item::Firmware, &[1, 3], 1.0),
    once(Item::Name, &[1, 5], 1.0),
    once(Item::NominalLineVoltage, &[9, 1], 1.0),
    once(Item::NominalOutputVoltage, &[9, 3], 1.0),
    once(Item::NominalApparentPower, &[9, 5], 1.0),
    once(Item::NominalPower, &[9, 6], 1.0),
    once(Item::LowBatteryRuntime, &[9, 7], 1.0),
    once(Item::RfcAlarm, &[9, 8], 1.0),
    once(Item::LowTransfer, &[9, 9], 1.0),
    once(Item::HighTransfer, &[9, 10], 1.0),
];
