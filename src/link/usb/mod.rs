//! The conversation with one USB UPS of the HID power device class. Sans-I/O.
//!
//! The port finds and opens the device and moves transfers; this room knows what to ask and what the answers mean.

mod device;
mod transfer;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::LinkEvent;
use crate::ups::{Command, Pace};

pub use device::{DeviceInfo, MatchResult, Wanted, matches};
pub use transfer::{TransferError, Transmit};

/// What the configuration says about the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// POLLTIME: time between two polls on mains.
    pub poll_time: Duration,
}

/// The conversation with one USB UPS.
///
/// The port calls [`handle_opened`](Self::handle_opened) when it has claimed the device's interface, and
/// [`handle_closed`](Self::handle_closed) when the device is gone, could not be opened, or was not found at start. In
/// between it carries out what [`poll_transmit`](Self::poll_transmit) yields, one at a time, and hands over the
/// end of each with [`handle_control`](Self::handle_control) and every interrupt-IN packet with
/// [`handle_interrupt`](Self::handle_interrupt). After each call: `poll_transmit`, `poll_event` until `None`, then
/// `poll_timeout`.
#[derive(Debug)]
pub struct UsbLink {
    settings: Settings,
    events: VecDeque<LinkEvent>,
}

impl UsbLink {
    /// A link that waits for its device.
    #[must_use]
    pub fn new(settings: Settings, _now: Instant) -> Self {
        Self { settings, events: VecDeque::new() }
    }

    /// The device is open and its interface claimed.
    pub fn handle_opened(&mut self, _now: Instant, _info: DeviceInfo) {}

    /// The device is gone, could not be opened, or is not there. Told again, it is told once.
    pub fn handle_closed(&mut self, _now: Instant, reason: &str) {
        self.events.push_back(LinkEvent::Lost { reason: reason.to_owned() });
    }

    /// The outstanding control transfer ended.
    pub fn handle_control(&mut self, _now: Instant, _result: Result<&[u8], TransferError>) {}

    /// A packet came on the interrupt-IN endpoint; the first byte is the report id.
    pub fn handle_interrupt(&mut self, _now: Instant, _report: &[u8]) {}

    /// A deadline may have passed; early calls do nothing.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// What the port must do now, if anything.
    pub fn poll_transmit(&mut self, _now: Instant) -> Option<Transmit> {
        None
    }

    /// What the link has to tell; call until `None`.
    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// The next moment at which `handle_timeout` and `poll_transmit` want to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// How often to poll from now on.
    pub fn set_pace(&mut self, _pace: Pace, _now: Instant) {}

    /// POLLTIME changed.
    pub fn set_poll_time(&mut self, poll_time: Duration, _now: Instant) {
        self.settings.poll_time = poll_time;
    }

    /// Something to tell the UPS; the answer comes as [`LinkEvent::Command`].
    pub fn command(&mut self, _command: Command, _now: Instant) {}
}
