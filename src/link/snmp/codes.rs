//! What the numbers of a card mean (snmp §4 to §6).

use crate::ups::{CalibrationResult, SelfTestResult, StatusFlags, TransferCause};

/// What a status of the output says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Output {
    /// ONLINE or ONBATT, or none of them while the output is off; BOOST and TRIM.
    pub(super) flags: StatusFlags,
    /// What is said beside it, for the log.
    pub(super) notice: Option<&'static str>,
}

const ONLINE: Output = Output { flags: StatusFlags::ONLINE, notice: None };
const ON_BATTERY: Output = Output { flags: StatusFlags::ONBATT, notice: None };
const OFF: Output = Output { flags: StatusFlags::empty(), notice: Some("the output of the UPS is off") };
const BOOST: Output = Output { flags: StatusFlags::ONLINE.union(StatusFlags::BOOST), notice: None };
const TRIM: Output = Output { flags: StatusFlags::ONLINE.union(StatusFlags::TRIM), notice: None };
const BYPASS: Output = Output {
    flags: StatusFlags::ONLINE,
    notice: Some("the UPS is in bypass: the load runs from mains, and not from the battery when mains fails"),
};

/// upsBasicOutputStatus of PowerNet (snmp §4); `None`: no document names it, or it is "unknown".
pub(super) const fn output(code: i64) -> Option<Output> {
    Some(match code {
        // Also eco mode, hot standby, spot modes, eConversion, power saving, inverter standby, and tests of itself.
        2 | 13..=15 | 18..=22 | 24 | 25 | 28 => ONLINE,
        3 => ON_BATTERY,
        4 => BOOST,
        12 => TRIM,
        6 | 9 | 10 | 16 | 17 => BYPASS,
        5 | 7 | 8 | 11 => OFF,
        _ => return None,
    })
}

/// upsOutputSource of RFC 1628 (snmp §5).
pub(super) const fn rfc_source(code: i64) -> Option<Output> {
    Some(match code {
        2 => OFF,
        3 => ONLINE,
        4 => BYPASS,
        5 => ON_BATTERY,
        6 => BOOST,
        7 => TRIM,
        _ => return None,
    })
}

/// upsmgOutputOnBattery of MGE: 1 yes, 2 no (snmp §6).
pub(super) const fn mge_on_battery(code: i64) -> Option<Output> {
    match code {
        1 => Some(ON_BATTERY),
        2 => Some(ONLINE),
        _ => None,
    }
}

/// upsAdvInputLineFailCause of PowerNet (snmp §4).
pub(super) const fn cause(code: i64) -> TransferCause {
    match code {
        1 => TransferCause::None,
        2 => TransferCause::HighLine,
        3 | 4 => TransferCause::LowLine,
        5..=8 => TransferCause::Notch,
        9 => TransferCause::SelfTest,
        10 => TransferCause::Ripple,
        _ => TransferCause::Unknown,
    }
}

/// The same of MGE (snmp §6).
pub(super) const fn mge_cause(code: i64) -> TransferCause {
    match code {
        1 => TransferCause::None,
        2 => TransferCause::Notch,
        3 => TransferCause::Frequency,
        _ => TransferCause::Unknown,
    }
}

/// upsAdvTestDiagnosticsResults of PowerNet (snmp §4).
pub(super) const fn test(code: i64) -> SelfTestResult {
    match code {
        1 => SelfTestResult::Passed,
        2 | 3 => SelfTestResult::Failed,
        4 => SelfTestResult::InProgress,
        _ => SelfTestResult::Unknown,
    }
}

/// upsAdvTestCalibrationResults of PowerNet (snmp §4, Results of a calibration), which has no reasons.
pub(super) const fn calibration(code: i64) -> Option<CalibrationResult> {
    Some(match code {
        1 => CalibrationResult::Passed,
        2 => CalibrationResult::Failed(0),
        3 | 6 => CalibrationResult::InProgress,
        4 => CalibrationResult::Refused(0),
        5 => CalibrationResult::Stopped(0),
        _ => return None,
    })
}

/// upsTestResultsSummary of RFC 1628 (snmp §5).
pub(super) const fn rfc_test(code: i64) -> SelfTestResult {
    match code {
        1 => SelfTestResult::Passed,
        2 => SelfTestResult::Warning,
        3 => SelfTestResult::Failed,
        4 | 6 => SelfTestResult::NotAvailable,
        5 => SelfTestResult::InProgress,
        _ => SelfTestResult::Unknown,
    }
}

/// The same of MGE (snmp §6).
pub(super) const fn mge_test(code: i64) -> SelfTestResult {
    match code {
        1 => SelfTestResult::Passed,
        2 => SelfTestResult::Failed,
        _ => SelfTestResult::Unknown,
    }
}

/// upsAdvTestDiagnosticSchedule of PowerNet, as a serial UPS says it (snmp §4).
pub(super) const fn test_interval(code: i64) -> &'static str {
    match code {
        2 => "336",
        3 => "168",
        4 => "ON",
        _ => "OFF",
    }
}

/// The same of MGE (snmp §6).
pub(super) const fn mge_test_interval(code: i64) -> &'static str {
    match code {
        2 => "weekly",
        3 => "monthly",
        4 => "atTurnOn",
        6 => "daily",
        _ => "OFF",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of snmp §4, column "sensible".
    #[test]
    fn every_status_of_the_output_is_what_the_document_calls_sensible() {
        let online = [2, 4, 6, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 24, 25, 28];
        for code in -1..40 {
            let said = output(code).map(|output| output.flags);
            let off = [5, 7, 8, 11].contains(&code);
            let expected = match code {
                3 => Some(StatusFlags::ONBATT),
                4 => Some(StatusFlags::ONLINE | StatusFlags::BOOST),
                12 => Some(StatusFlags::ONLINE | StatusFlags::TRIM),
                _ if online.contains(&code) => Some(StatusFlags::ONLINE),
                _ => off.then_some(StatusFlags::empty()),
            };
            assert_eq!(said, expected, "{code}");
            let noticed = off || [6, 9, 10, 16, 17].contains(&code);
            assert_eq!(output(code).is_some_and(|output| output.notice.is_some()), noticed, "{code}");
        }
    }
}
