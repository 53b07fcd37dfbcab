//! What the tests of the room look at and change in a supply.

use super::Supply;
use super::comm::Comm;
use super::outage::Line;

impl Supply {
    /// The UPS has never told a runtime.
    pub(in crate::power) fn forget_runtime(&mut self) {
        self.known.runtime = None;
    }

    /// The UPS has never told why it transferred.
    pub(in crate::power) fn forget_cause(&mut self) {
        self.known.transfer_cause = None;
    }

    /// What matters of a state for where it can go.
    pub(in crate::power) fn shape(&self) -> String {
        let line = match &self.line {
            Line::Unknown => "unknown",
            Line::Mains(mains) if mains.ended_test.is_some() => "mains, result awaited",
            Line::Mains(_) => "mains",
            Line::Transferred { .. } => "transferred",
            Line::Test(test) if test.announced_as.is_some() && test.calibration => "calibration after all",
            Line::Test(test) if test.announced_as.is_some() => "self test after all",
            Line::Test(test) if test.calibration => "calibration",
            Line::Test(test) if test.with_mains => "long self test",
            Line::Test(_) => "self test",
            Line::Battery(outage) if outage.unconfirmed.is_some() => "unconfirmed",
            Line::Battery(outage) if outage.announced => "on battery",
            Line::Battery(_) => "power failure",
        };
        let comm = match self.comm {
            Comm::Starting { .. } => "starting",
            Comm::Up => "up",
            Comm::Silent { .. } => "silent",
            Comm::Lost { .. } => "lost",
        };
        format!("{line} / {comm}")
    }
}
