//! Usage names as the logs in `tests/devices` write them (HID Power Device 1.0 tables 2 and 3; vendor names as
//! the reader of the log calls them).

use mainsd::wire::hid::{CollectionKind, Field, ReportDescriptor, Usage};

const NAMES: &[(u32, &str)] = &[
    (0x0084_0001, "iName"),
    (0x0084_0002, "PresentStatus"),
    (0x0084_0004, "UPS"),
    (0x0084_0010, "BatterySystem"),
    (0x0084_0012, "Battery"),
    (0x0084_0014, "Charger"),
    (0x0084_0016, "PowerConverter"),
    (0x0084_0017, "PowerConverterID"),
    (0x0084_0018, "OutletSystem"),
    (0x0084_0019, "OutletSystemID"),
    (0x0084_001a, "Input"),
    (0x0084_001b, "InputID"),
    (0x0084_001c, "Output"),
    (0x0084_001d, "OutputID"),
    (0x0084_001e, "Flow"),
    (0x0084_001f, "FlowID"),
    (0x0084_0020, "Outlet"),
    (0x0084_0021, "OutletID"),
    (0x0084_0024, "PowerSummary"),
    (0x0084_0025, "PowerSummaryID"),
    (0x0084_0030, "Voltage"),
    (0x0084_0031, "Current"),
    (0x0084_0032, "Frequency"),
    (0x0084_0033, "ApparentPower"),
    (0x0084_0034, "ActivePower"),
    (0x0084_0035, "PercentLoad"),
    (0x0084_0036, "Temperature"),
    (0x0084_0037, "Humidity"),
    (0x0084_0040, "ConfigVoltage"),
    (0x0084_0041, "ConfigCurrent"),
    (0x0084_0042, "ConfigFrequency"),
    (0x0084_0043, "ConfigApparentPower"),
    (0x0084_0044, "ConfigActivePower"),
    (0x0084_0053, "LowVoltageTransfer"),
    (0x0084_0054, "HighVoltageTransfer"),
    (0x0084_0055, "DelayBeforeReboot"),
    (0x0084_0056, "DelayBeforeStartup"),
    (0x0084_0057, "DelayBeforeShutdown"),
    (0x0084_0058, "Test"),
    (0x0084_005a, "AudibleAlarmControl"),
    (0x0084_0061, "Good"),
    (0x0084_0062, "InternalFailure"),
    (0x0084_0063, "VoltageOutOfRange"),
    (0x0084_0064, "FrequencyOutOfRange"),
    (0x0084_0065, "Overload"),
    (0x0084_0066, "OverCharged"),
    (0x0084_0067, "OverTemperature"),
    (0x0084_0068, "ShutdownRequested"),
    (0x0084_0069, "ShutdownImminent"),
    (0x0084_006b, "SwitchOn/Off"),
    (0x0084_006c, "Switchable"),
    (0x0084_006d, "Used"),
    (0x0084_006e, "Boost"),
    (0x0084_006f, "Buck"),
    (0x0084_0072, "AwaitingPower"),
    (0x0084_0073, "CommunicationLost"),
    (0x0084_00fd, "iManufacturer"),
    (0x0084_00fe, "iProduct"),
    (0x0084_00ff, "iSerialNumber"),
    (0x0085_0029, "RemainingCapacityLimit"),
    (0x0085_002a, "RemainingTimeLimit"),
    (0x0085_002c, "CapacityMode"),
    (0x0085_0042, "BelowRemainingCapacityLimit"),
    (0x0085_0043, "RemainingTimeLimitExpired"),
    (0x0085_0044, "Charging"),
    (0x0085_0045, "Discharging"),
    (0x0085_0046, "FullyCharged"),
    (0x0085_0047, "FullyDischarged"),
    (0x0085_004b, "NeedReplacement"),
    (0x0085_0066, "RemainingCapacity"),
    (0x0085_0067, "FullChargeCapacity"),
    (0x0085_0068, "RunTimeToEmpty"),
    (0x0085_0083, "DesignCapacity"),
    (0x0085_0085, "ManufacturerDate"),
    (0x0085_0089, "iDeviceChemistry"),
    (0x0085_008b, "Rechargeable"),
    (0x0085_008c, "WarningCapacityLimit"),
    (0x0085_008d, "CapacityGranularity1"),
    (0x0085_008e, "CapacityGranularity2"),
    (0x0085_008f, "iOEMInformation"),
    (0x0085_00d0, "ACPresent"),
    (0x0085_00d1, "BatteryPresent"),
    (0x0085_00db, "VoltageNotRegulated"),
    (0xff86_0005, "APCGeneralCollection"),
    (0xff86_0016, "APCBattReplaceDate"),
    (0xff86_0042, "APC_UPS_FirmwareRevision"),
    (0xff86_0052, "APCLineFailCause"),
    (0xff86_0060, "APCStatusFlag"),
    (0xff86_0061, "APCSensitivity"),
    (0xff86_0072, "APCPanelTest"),
    (0xff86_007c, "APCDelayBeforeReboot"),
    (0xff86_007d, "APCDelayBeforeShutdown"),
    (0xffff_0014, "Inverter"),
    (0xffff_001c, "HistorySystem"),
    (0xffff_001e, "Event"),
    (0xffff_001f, "EventID"),
    (0xffff_0022, "OverallAlarm"),
    (0xffff_0041, "ConverterType"),
    (0xffff_004a, "ShortCircuit"),
    (0xffff_0074, "VoltageTooHigh"),
    (0xffff_0075, "VoltageTooLow"),
    (0xffff_0094, "Mode"),
    (0xffff_0095, "Country"),
    (0xffff_0098, "Code"),
    (0xffff_00e9, "Status"),
    (0xffff_00f0, "iModel"),
    (0xffff_00f1, "iVersion"),
    (0xffff_00f4, "iReferenceNumber"),
];

/// Whether a log calls the field's path so: usages of the collections around it and its own, joined with dots, each by
/// name or as eight hex digits.
pub fn is_path(descriptor: &ReportDescriptor, field: &Field, path: &str) -> bool {
    let is = |part: Option<&str>, usage: Option<Usage>| {
        let (part, usage) = (part.unwrap_or_default(), usage.unwrap_or_default());
        part == usage.to_string() || NAMES.contains(&(usage.0, part))
    };
    let mut parts = path.rsplit('.');
    if !is(parts.next(), Some(field.usage)) {
        return false;
    }
    for collection in descriptor.enclosing(field) {
        if let CollectionKind::Other(kind @ 0x80..) = collection.kind {
            if parts.next() != Some(format!("[{}]", kind & 0x7f).as_str()) {
                return false;
            }
        }
        if !is(parts.next(), collection.usage) {
            return false;
        }
    }
    parts.next().is_none()
}
