//! One open device: learn what it has, then poll it, follow its hints, and carry out orders.

mod glance;
mod hints;
mod jobs;
mod open_device;
mod opening;
mod schedule;
mod steps;
mod watch;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use self::hints::Looks;
use self::jobs::Job;
use self::open_device::OpenDevice;
use self::opening::Opening;
use self::schedule::Schedule;
use self::watch::Watch;
use super::decode::{Line, View};
use super::device::{is_known, looks_damaged};
use super::layout::Layout;
use super::meaning::Meaning;
use super::orders::{Ask, Order};
use super::quirks::Quirks;
use super::request;
use super::scale;
use super::settings;
use super::store::Store;
use super::strings::{StringRequest, Strings};
use super::table::{Key, When};
use crate::bus::usb::{DeviceInfo, TransferError, Transmit};
use crate::link::LinkEvent;
use crate::ups::{
    Command, CommandResult, Evidence, Identity, Item, PollRate, Priority, Reading, StatusFlags, TransferCause,
};
use crate::wire::hid::{DescriptorError, Field, ReportDescriptor, ReportKind, is_power_device};

/// Time between two polls at the fast poll rate, and until something unclear is read again.
const FAST_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// At the fast poll rate the values that move slowly are read as often as this; a hint about an alarm brings a poll no sooner.
const SLOW_VALUE_INTERVAL: Duration = Duration::from_secs(5);
/// The line state unreadable so many times in a row, or for so long, is a lost UPS.
const LOST_AFTER: u32 = 3;
const LOST_AFTER_TIME: Duration = Duration::from_secs(5);
/// Transfers in a row that time out: the device hangs.
const HANGS_AFTER: u32 = 3;

/// Parses a device's report descriptor and mends exponents that cannot be meant.
///
/// # Errors
///
/// If the descriptor cannot be parsed.
pub fn describe(info: &DeviceInfo) -> Result<ReportDescriptor, DescriptorError> {
    let mut descriptor = ReportDescriptor::parse(&info.report_descriptor)?;
    scale::mend(&mut descriptor);
    Ok(descriptor)
}

/// What a session tells the link.
#[derive(Debug)]
pub(super) enum SessionEvent {
    Event(LinkEvent),
    /// This handle leads nowhere any more.
    GiveUp {
        reason: String,
        reset: bool,
    },
    /// The descriptor that was read from the device is that of something else.
    NotAUps {
        reason: String,
    },
}

/// What is being transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Descriptor,
    /// `look`: because of a hint.
    Report {
        index: usize,
        look: bool,
    },
    String(StringRequest),
    Order,
    /// The read after the last write of an order: its answer does not matter.
    FlushRead,
}

#[derive(Debug)]
enum State {
    /// The UPS is not known yet; no command is taken.
    Opening(Box<Opening>),
    Watching(Box<Watch>),
}

#[derive(Debug)]
pub(super) struct Session {
    state: State,
    asked: Option<Asked>,
    /// Transfers in a row that timed out.
    timeouts: u32,
}

impl Session {
    pub(super) fn new(
        info: DeviceInfo,
        meaning: Meaning,
        poll_rate: PollRate,
        poll_time: Duration,
        now: Instant,
    ) -> Self {
        let schedule = Schedule::new(poll_rate, poll_time, now);
        let opening = Box::new(Opening::new(OpenDevice::new(info, meaning), schedule, now));
        Self { state: State::Opening(opening), asked: None, timeouts: 0 }
    }

    fn device(&self) -> &OpenDevice {
        match &self.state {
            State::Opening(opening) => &opening.device,
            State::Watching(watch) => &watch.device,
        }
    }

    fn device_mut(&mut self) -> &mut OpenDevice {
        match &mut self.state {
            State::Opening(opening) => &mut opening.device,
            State::Watching(watch) => &mut watch.device,
        }
    }

    pub(super) const fn is_attached(&self) -> bool {
        matches!(self.state, State::Watching(_))
    }

    /// What was found, with the report descriptor that is gone by.
    #[cfg(feature = "tools")]
    pub(super) fn info(&self) -> &DeviceInfo {
        &self.device().info
    }

    pub(super) fn name(&self) -> String {
        self.device().name()
    }

    /// See [`UsbLink::attached_device`](super::UsbLink::attached_device).
    #[cfg(feature = "usb-out")]
    pub(super) fn attached_device(&self) -> Option<(&[u8], String)> {
        self.is_attached().then(|| (&*self.device().info.report_descriptor, self.name()))
    }

    /// Length of the longest interrupt report, once the descriptor is known.
    pub(super) fn interrupt_len(&self) -> Option<u16> {
        self.device().descriptor.longest(ReportKind::Input)
    }

    /// What is known of the numbers, to begin the next session with if the device is the same.
    pub(super) fn take_meaning(&mut self) -> Meaning {
        std::mem::take(&mut self.device_mut().meaning)
    }

    pub(super) fn poll_told(&mut self) -> Option<SessionEvent> {
        self.device_mut().told.pop_front()
    }

    /// Ends the session: what it still has to tell, and an answer to each order.
    pub(super) fn end(mut self, reason: &str) -> Vec<LinkEvent> {
        let mut events = Vec::new();
        for told in std::mem::take(&mut self.device_mut().told) {
            if let SessionEvent::Event(event) = told {
                events.push(event);
            }
        }
        if let State::Watching(watch) = self.state {
            watch.end(reason, &mut events);
        }
        events
    }

    pub(super) fn set_poll_rate(&mut self, poll_rate: PollRate, poll_time: Duration, now: Instant) {
        match &mut self.state {
            State::Opening(opening) => opening.schedule.set_poll_rate(poll_rate, poll_time, now),
            State::Watching(watch) => watch.set_poll_rate(poll_rate, poll_time, now),
        }
    }

    /// Time between two polls.
    pub(super) fn interval(&self) -> Duration {
        match &self.state {
            State::Opening(opening) => opening.schedule.interval(),
            State::Watching(watch) => watch.schedule.interval(),
        }
    }

    pub(super) fn command(&mut self, command: Command, now: Instant) -> Result<(), String> {
        match &mut self.state {
            State::Opening(_) => Err("the UPS has not said yet what it is".into()),
            State::Watching(watch) => watch.command(command, now),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let State::Opening(opening) = &mut self.state {
            opening.handle_timeout(now);
        }
    }

    /// When there is something to do next; `None`: as soon as the spacing allows.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Opening(opening) => opening.poll_timeout(),
            State::Watching(watch) => watch.poll_timeout(),
        }
    }

    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        let (asked, transmit) = self.next_request(now)?;
        self.asked = Some(asked);
        Some(transmit)
    }

    fn next_request(&mut self, now: Instant) -> Option<(Asked, Transmit)> {
        let opening = match &mut self.state {
            State::Opening(opening) => opening,
            State::Watching(watch) => return watch.next_request(now),
        };
        if let Some(request) = opening.next_request(now) {
            return Some(request);
        }
        let mut watch = Box::new(opening.attach(now)?);
        let request = watch.next_request(now);
        self.state = State::Watching(watch);
        request
    }

    pub(super) fn handle_control(&mut self, now: Instant, result: Result<&[u8], TransferError>) {
        let Some(asked) = self.asked.take() else { return };
        match result {
            Err(TransferError::NoDevice) => return self.device_mut().give_up("is gone", false),
            Err(TransferError::Timeout) => self.timeouts += 1,
            _ => self.timeouts = 0,
        }
        match &mut self.state {
            State::Opening(opening) => opening.answered(now, asked, result),
            State::Watching(watch) => watch.answered(now, asked, result),
        }
        if self.timeouts >= HANGS_AFTER {
            self.device_mut().give_up("does not answer", true);
        }
    }

    /// An interrupt report. Unknown ids and cut reports are ignored (usb-hid §10).
    pub(super) fn handle_interrupt(&mut self, now: Instant, report: &[u8]) {
        let device = self.device_mut();
        let id = if device.layout.numbered { report.first().copied().unwrap_or_default() } else { 0 };
        let Some(wire) = device.layout.input_wire(&device.descriptor, id) else { return };
        if report.len() < usize::from(wire.len) {
            return;
        }
        let same = device.store.push(wire, report, now);
        match &mut self.state {
            State::Opening(opening) => opening.heard(),
            State::Watching(watch) => watch.handle_interrupt(now, report, id, same),
        }
    }
}
