//! Which usage carries which value: one table for all vendors.
//!
//! Sources: usb-hid §7 for the first candidates of each row (what apcupsd reads from APC units), §14 for the further
//! ones (other vendors) and §11, §12 for the rows that are written. A row takes the first candidate that the
//! descriptor has, and of that the feature field before the input field (usb-hid §6).

use crate::wire::hid::Usage;

/// A value of the UPS; its row's index in [`TABLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Key {
    StatusFlag,
    AcPresent,
    Discharging,
    BatteryPresent,
    NeedReplacement,
    BelowCapacityLimit,
    TimeLimitExpired,
    ShutdownImminent,
    Overload,
    Boost,
    Trim,
    Charge,
    Runtime,
    LineVoltage,
    OutputVoltage,
    BatteryVoltage,
    Frequency,
    Load,
    Temperature,
    AmbientTemperature,
    Humidity,
    AlarmControl,
    LineFailCause,
    Test,
    FullChargeCapacity,
    DesignCapacity,
    CapacityMode,
    RemainingTimeLimit,
    NominalBatteryVoltage,
    NominalOutputVoltage,
    NominalLineVoltage,
    NominalPower,
    NominalApparentPower,
    LowTransfer,
    HighTransfer,
    WakeDelay,
    ShutdownDelay,
    SelfTestInterval,
    ReturnCharge,
    Sensitivity,
    ManufactureDate,
    BatteryDate,
    ProductString,
    SerialString,
    NameString,
    DelayBeforeShutdown,
    ShutdownDelayIndex,
    DelayBeforeReboot,
    ForceShutdown,
    ApcDelayBeforeStartup,
    ApcDelayBeforeShutdown,
    ProReturnCharge,
    ProStartupDelay,
    ProSelfTest,
    ProHibernate,
    PanelTest,
}

/// When a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum When {
    /// First in every poll, and after every hint.
    Line,
    /// In every poll.
    Status,
    /// In every poll; it moves on battery.
    Urgent,
    /// In every poll at the normal poll rate, every five seconds at the fast poll rate.
    Volatile,
    /// When the UPS is found, and on demand.
    Once,
    /// Only when it is written.
    Written,
}

/// Puts an item behind those whose key is as great or smaller. The lists are short; each `sort` of the standard library is 5 KB.
pub(super) fn insert<T, K: Ord>(list: &mut Vec<T>, item: T, key: impl Fn(&T) -> K) {
    let place = list.partition_point(|other| key(other) <= key(&item));
    list.insert(place, item);
}

/// Where a field must lie.
#[derive(Clone, Copy, Debug)]
pub(super) enum Within {
    /// Anywhere.
    Any,
    /// The innermost physical collection has this usage.
    Physical(Usage),
    /// The innermost logical collection has this usage.
    Logical(Usage),
    /// The innermost collection is a PresentStatus.
    Status,
    /// The innermost collection that is no PresentStatus has this usage, of whatever type.
    Inside(Usage),
    /// The same, and one with the first usage lies around it.
    Nested(Usage, Usage),
    /// Anywhere but in an outlet: what concerns the whole unit.
    Unit,
    /// The same, with this instance number (Eaton).
    Instance(Usage, u8),
}

/// One place a value may be found at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub usage: Usage,
    pub within: Within,
}

/// One value.
pub(super) struct Row {
    pub key: Key,
    pub when: When,
    pub candidates: &'static [Candidate],
}

const fn any(usage: u32) -> Candidate {
    Candidate { usage: Usage(usage), within: Within::Any }
}
/// A status bit on the wrong page: only among status bits, where the page's own usage of that number cannot stand.
const fn status(usage: u32) -> Candidate {
    Candidate { usage: Usage(usage), within: Within::Status }
}
const fn physical(collection: Usage, usage: u32) -> Candidate {
    Candidate { usage: Usage(usage), within: Within::Physical(collection) }
}
const fn logical(collection: Usage, usage: u32) -> Candidate {
    Candidate { usage: Usage(usage), within: Within::Logical(collection) }
}
const fn inside(collection: Usage, usage: u32) -> Candidate {
    Candidate { usage: Usage(usage), within: Within::Inside(collection) }
}
const fn nested(outer: Usage, collection: Usage, usage: u32) -> Candidate {
    Candidate { usage: Usage(usage), within: Within::Nested(outer, collection) }
}
const fn unit(usage: u32) -> Candidate {
    Candidate { usage: Usage(usage), within: Within::Unit }
}
const fn instance(collection: Usage, number: u8, usage: u32) -> Candidate {
    Candidate { usage: Usage(usage), within: Within::Instance(collection, number) }
}

const BATTERY_SYSTEM: Usage = Usage(0x0084_0010);
const BATTERY: Usage = Usage(0x0084_0012);
const CONVERTER: Usage = Usage(0x0084_0016);
const INPUT: Usage = Usage(0x0084_001a);
const FLOW: Usage = Usage(0x0084_001e);
pub(super) const OUTPUT: Usage = Usage(0x0084_001c);
pub(super) const SUMMARY: Usage = Usage(0x0084_0024);
pub(super) const OUTLET_SYSTEM: Usage = Usage(0x0084_0018);
pub(super) const OUTLET: Usage = Usage(0x0084_0020);
const PROBE_1: Usage = Usage(0xff86_0007);

const fn row(key: Key, when: When, candidates: &'static [Candidate]) -> Row {
    Row { key, when, candidates }
}

/// Every value, in the order of [`Key`].
#[rustfmt::skip]
pub(super) const TABLE: &[Row] = &[
    row(Key::StatusFlag, When::Line, &[any(0xff86_0060)]),
    // Some Tripp Lite units put status bits on page 84 instead of 85 (usb-hid §14).
    row(Key::AcPresent, When::Line, &[any(0x0085_00d0), status(0x0084_00d0)]),
    row(Key::Discharging, When::Line, &[any(0x0085_0045), status(0x0084_0045)]),
    row(Key::BatteryPresent, When::Status, &[any(0x0085_00d1), status(0x0084_00d1)]),
    row(Key::NeedReplacement, When::Status, &[any(0x0085_004b), status(0x0084_004b)]),
    row(Key::BelowCapacityLimit, When::Status, &[any(0x0085_0042), status(0x0084_0042)]),
    row(Key::TimeLimitExpired, When::Status, &[any(0x0085_0043), status(0x0084_0043)]),
    row(Key::ShutdownImminent, When::Status, &[any(0x0084_0069), status(0x0085_0069)]),
    row(Key::Overload, When::Status, &[any(0x0084_0065)]),
    row(Key::Boost, When::Status, &[any(0x0084_006e)]),
    row(Key::Trim, When::Status, &[any(0x0084_006f)]),
    row(Key::Charge, When::Urgent, &[inside(SUMMARY, 0x0085_0066), inside(BATTERY, 0x0085_0066), any(0x0085_0066)]),
    row(Key::Runtime, When::Urgent, &[inside(SUMMARY, 0x0085_0068), inside(BATTERY, 0x0085_0068), any(0x0085_0068)]),
    row(Key::LineVoltage, When::Volatile, &[
        physical(INPUT, 0x0084_0030), instance(INPUT, 1, 0x0084_0030), nested(CONVERTER, INPUT, 0x0084_0030),
        inside(INPUT, 0x0084_0030),
    ]),
    row(Key::OutputVoltage, When::Volatile, &[physical(OUTPUT, 0x0084_0030), inside(OUTPUT, 0x0084_0030)]),
    row(Key::BatteryVoltage, When::Volatile, &[
        physical(BATTERY, 0x0084_0030), logical(SUMMARY, 0x0084_0030), inside(BATTERY, 0x0084_0030),
        inside(BATTERY_SYSTEM, 0x0084_0030), inside(SUMMARY, 0x0084_0030),
    ]),
    // apcupsd shows the output's frequency; other vendors' first is the input's (usb-hid §8, §14).
    row(Key::Frequency, When::Volatile, &[
        physical(OUTPUT, 0x0084_0032), instance(INPUT, 1, 0x0084_0032), inside(INPUT, 0x0084_0032),
        inside(OUTPUT, 0x0084_0032),
    ]),
    row(Key::Load, When::Volatile, &[
        inside(OUTPUT, 0x0084_0035), inside(CONVERTER, 0x0084_0035), inside(SUMMARY, 0x0084_0035), any(0x0084_0035),
    ]),
    row(Key::Temperature, When::Volatile, &[
        physical(BATTERY, 0x0084_0036), inside(BATTERY, 0x0084_0036), inside(SUMMARY, 0x0084_0036),
        inside(BATTERY_SYSTEM, 0x0084_0036),
    ]),
    row(Key::AmbientTemperature, When::Volatile, &[physical(PROBE_1, 0x0084_0036)]),
    row(Key::Humidity, When::Volatile, &[any(0x0084_0037)]),
    row(Key::AlarmControl, When::Volatile, &[inside(SUMMARY, 0x0084_005a), any(0x0084_005a)]),
    row(Key::LineFailCause, When::Volatile, &[any(0xff86_0052)]),
    row(Key::Test, When::Once, &[inside(BATTERY, 0x0084_0058), inside(OUTPUT, 0x0084_0058), any(0x0084_0058)]),
    row(Key::FullChargeCapacity, When::Once, &[inside(SUMMARY, 0x0085_0067), any(0x0085_0067)]),
    row(Key::DesignCapacity, When::Once, &[inside(SUMMARY, 0x0085_0083), any(0x0085_0083)]),
    row(Key::CapacityMode, When::Once, &[inside(SUMMARY, 0x0085_002c), any(0x0085_002c)]),
    row(Key::RemainingTimeLimit, When::Once, &[inside(SUMMARY, 0x0085_002a), any(0x0085_002a)]),
    row(Key::NominalBatteryVoltage, When::Once, &[
        physical(BATTERY, 0x0084_0040), logical(SUMMARY, 0x0084_0040), inside(BATTERY, 0x0084_0040),
        inside(BATTERY_SYSTEM, 0x0084_0040), inside(SUMMARY, 0x0084_0040),
    ]),
    row(Key::NominalOutputVoltage, When::Once, &[
        physical(OUTPUT, 0x0084_0040), inside(OUTPUT, 0x0084_0040), instance(FLOW, 4, 0x0084_0040),
    ]),
    row(Key::NominalLineVoltage, When::Once, &[
        physical(INPUT, 0x0084_0040), instance(INPUT, 1, 0x0084_0040), nested(CONVERTER, INPUT, 0x0084_0040),
        inside(INPUT, 0x0084_0040), instance(FLOW, 1, 0x0084_0040), physical(FLOW, 0x0084_0040),
        logical(FLOW, 0x0084_0040),
    ]),
    row(Key::NominalPower, When::Once, &[
        inside(OUTPUT, 0x0084_0044), inside(CONVERTER, 0x0084_0044), instance(FLOW, 4, 0x0084_0044), unit(0x0084_0044),
    ]),
    row(Key::NominalApparentPower, When::Once, &[
        inside(OUTPUT, 0x0084_0043), inside(CONVERTER, 0x0084_0043), instance(FLOW, 4, 0x0084_0043), inside(FLOW, 0x0084_0043),
    ]),
    row(Key::LowTransfer, When::Once, &[any(0x0084_0053)]),
    row(Key::HighTransfer, When::Once, &[any(0x0084_0054)]),
    // The delays are chosen together: see `delays`.
    row(Key::WakeDelay, When::Once, &[unit(0x0084_0056), any(0x0084_0056)]),
    row(Key::ShutdownDelay, When::Once, &[unit(0xff86_0076), any(0xff86_0076)]),
    row(Key::SelfTestInterval, When::Once, &[any(0xff86_001a)]),
    row(Key::ReturnCharge, When::Once, &[any(0xff86_0019)]),
    row(Key::Sensitivity, When::Once, &[any(0xff86_0061)]),
    row(Key::ManufactureDate, When::Once, &[
        logical(SUMMARY, 0x0085_0085), inside(SUMMARY, 0x0085_0085), inside(Usage::UPS, 0x0085_0085),
    ]),
    row(Key::BatteryDate, When::Once, &[physical(BATTERY, 0x0085_0085)]),
    row(Key::ProductString, When::Once, &[any(0x0084_00fe)]),
    row(Key::SerialString, When::Once, &[any(0x0084_00ff)]),
    row(Key::NameString, When::Once, &[any(0x0085_0088)]),
    // Smart-UPS have it twice; apcupsd writes the summary's.
    row(Key::DelayBeforeShutdown, When::Written, &[
        inside(SUMMARY, 0x0084_0057), inside(OUTPUT, 0x0084_0057), any(0x0084_0057),
    ]),
    row(Key::ShutdownDelayIndex, When::Written, &[inside(OUTPUT, 0x0084_0057)]),
    row(Key::DelayBeforeReboot, When::Written, &[unit(0x0084_0055), any(0x0084_0055)]),
    row(Key::ForceShutdown, When::Written, &[any(0xff86_007c)]),
    row(Key::ApcDelayBeforeStartup, When::Written, &[any(0xff86_007e)]),
    row(Key::ApcDelayBeforeShutdown, When::Written, &[any(0xff86_007d)]),
    row(Key::ProReturnCharge, When::Written, &[any(0x0086_0012)]),
    row(Key::ProStartupDelay, When::Written, &[any(0x0086_0076)]),
    row(Key::ProSelfTest, When::Written, &[any(0x0086_0010)]),
    row(Key::ProHibernate, When::Written, &[any(0x0085_0058)]),
    row(Key::PanelTest, When::Written, &[any(0xff86_0072)]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ups::{FIELDS, Field};

    #[test]
    fn a_value_stands_at_the_usage_that_the_table_of_fields_gives_it() {
        let rows = [
            (Key::StatusFlag, "STATFLAG"),
            (Key::Charge, "BCHARGE"),
            (Key::Runtime, "TIMELEFT"),
            (Key::LineVoltage, "LINEV"),
            (Key::OutputVoltage, "OUTPUTV"),
            (Key::BatteryVoltage, "BATTV"),
            (Key::Frequency, "LINEFREQ"),
            (Key::Load, "LOADPCT"),
            (Key::Temperature, "ITEMP"),
            (Key::AmbientTemperature, "AMBTEMP"),
            (Key::Humidity, "HUMIDITY"),
            (Key::AlarmControl, "ALARMDEL"),
            (Key::LineFailCause, "LASTXFER"),
            (Key::Test, "SELFTEST"),
            (Key::NominalBatteryVoltage, "NOMBATTV"),
            (Key::NominalOutputVoltage, "NOMOUTV"),
            (Key::NominalLineVoltage, "NOMINV"),
            (Key::NominalPower, "NOMPOWER"),
            (Key::NominalApparentPower, "NOMAPNT"),
            (Key::LowTransfer, "LOTRANS"),
            (Key::HighTransfer, "HITRANS"),
            (Key::WakeDelay, "DWAKE"),
            (Key::ShutdownDelay, "DSHUTD"),
            (Key::SelfTestInterval, "STESTI"),
            (Key::ReturnCharge, "RETPCT"),
            (Key::Sensitivity, "SENSE"),
            (Key::ManufactureDate, "MANDATE"),
            (Key::BatteryDate, "BATTDATE"),
            (Key::ProductString, "MODEL"),
            (Key::ProductString, "FIRMWARE"),
            (Key::SerialString, "SERIALNO"),
            (Key::NameString, "UPSNAME"),
        ];
        for (key, status) in rows {
            let first = TABLE[key as usize].candidates[0].usage.0;
            let hid = Field::of_key(status.as_bytes()).and_then(|field| field.hid);
            assert_eq!(hid, Some(first), "{status}");
        }
        assert_eq!(FIELDS.iter().filter(|field| field.hid.is_some()).count(), rows.len());
    }

    #[test]
    fn every_key_indexes_its_own_row() {
        assert_eq!(TABLE.len(), Key::PanelTest as usize + 1);
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.key as usize, index, "{:?}", row.key);
            assert!(!row.candidates.is_empty());
        }
    }
}
