//! One reading and one identity of two sources.

use std::time::Duration;

use crate::ups::{Identity, Item, ReadTimes, Reading, StatusFlags, Values};

/// Flags that are raised by either source: none of them is evidence.
const EITHER: StatusFlags = StatusFlags::BOOST.union(StatusFlags::TRIM).union(StatusFlags::OVERLOAD);
/// Flags that are evidence, and that a source says or not.
const SAID: [(StatusFlags, Item); 4] = [
    (StatusFlags::BATTLOW, Item::LowBattery),
    (StatusFlags::REPLACEBATT, Item::ReplaceBattery),
    (StatusFlags::BATTPRESENT, Item::BatteryPresent),
    (StatusFlags::CALIBRATION, Item::Calibration),
];

/// Takes each of these from `$more` where `$first` lacks it.
macro_rules! fill {
    ($first:ident, $more:ident, $($name:ident)*) => {
        $(if $first.$name.is_none() { $first.$name.clone_from(&$more.$name); })*
    };
}

/// The reading of HID with what it lacks from that of Modbus. Each item keeps its source and the time at which it was read there. Where the
/// load gets its power from, and whether mains is there, only HID says: samples of two sources would agree with each other.
/// `modbus_first`: of measured values those of Modbus, and what it lacks of HID. So does what it has said so much earlier than HID: an answer
/// that made no sense, or none, leaves the old value.
pub(super) fn reading(hid: &Reading, modbus: &Reading, modbus_first: Option<Duration>) -> Reading {
    let mut merged = hid.clone();
    merged.status |= modbus.status & EITHER;
    for (flag, item) in SAID {
        if hid.read.of(item).is_none() && modbus.read.of(item).is_some() {
            merged.status = merged.status.with(flag, modbus.status.contains(flag));
            merged.read.set(item, modbus.read.of(item));
        }
    }
    let (mut first, more) =
        if modbus_first.is_some() { (modbus.clone(), hid) } else { (hid.clone(), modbus) };
    if let Some(stale) = modbus_first {
        let is_old = |item| match (modbus.read.of(item), hid.read.of(item)) {
            (Some(first), Some(more)) => more.saturating_duration_since(first) > stale,
            _ => false,
        };
        let values = &mut first.values;
        values.battery_charge = values.battery_charge.filter(|_| !is_old(Item::Charge));
        values.runtime_left = values.runtime_left.filter(|_| !is_old(Item::Runtime));
        values.line_voltage = values.line_voltage.filter(|_| !is_old(Item::LineVoltage));
    }
    for item in [Item::Charge, Item::Runtime, Item::LineVoltage, Item::TransferCause, Item::SelfTest] {
        let from: &ReadTimes = if first.states(item) { &first.read } else { &more.read };
        merged.read.set(item, from.of(item));
    }
    values(&mut first.values, &more.values);
    merged.values = first.values;
    merged
}

fn values(first: &mut Values, more: &Values) {
    fill!(first, more, line_voltage load load_apparent battery_charge runtime_left line_voltage_max line_voltage_min
        output_voltage output_current battery_voltage frequency temperature ambient_temperature humidity transfer_cause
        self_test calibration alarm_delay register_1 register_2 register_3 dip_switches external_batteries bad_batteries);
}

/// What the UPS is: by `first`, and what that lacks by `more`.
pub(super) fn identity(first: &Identity, more: &Identity) -> Identity {
    let mut first = first.clone();
    fill!(first, more, name model firmware serial manufacture_date battery_date sensitivity wake_delay shutdown_delay
        low_battery_minutes low_transfer high_transfer return_charge self_test_interval nominal_output_voltage
        nominal_line_voltage nominal_battery_voltage nominal_power nominal_apparent_power);
    first
}
