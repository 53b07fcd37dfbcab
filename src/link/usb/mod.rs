//! The conversation with one USB UPS of the HID power device class. Sans-I/O.
//!
//! The port finds and opens the device and moves transfers; this room knows what to ask and what the answers mean.
//! A poll reads each report that carries a value once, the one with the line state first. Interrupt reports are hints to
//! look: what they say is believed when a read of the feature report says the same (usb-hid §10). A reading with
//! [`Evidence::Poll`](crate::ups::Evidence::Poll) that shows another line state than the one before it comes from a read of its own: two
//! that agree are two reads.

mod belief;
mod decode;
mod device;
mod layout;
mod orders;
mod quirks;
mod request;
mod session;
mod store;
mod strings;
mod table;
mod transfer;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::LinkEvent;
use crate::ups::{Command, CommandResult, Pace};
use session::{Session, Told};

pub use device::{DeviceInfo, MatchResult, Wanted, matches};
pub use session::describe;
pub use transfer::{TransferError, Transmit};

/// Most events kept for a caller that does not fetch them; the oldest go first.
const MAX_EVENTS: usize = 64;
/// Pauses before a device that was given up is opened again.
const PAUSES: [u64; 7] = [0, 1, 2, 4, 8, 16, 30];
/// An attachment that lasted so long was a good one: the next pause is the shortest again.
const GOOD_ATTACHMENT: Duration = Duration::from_secs(60);
/// A port that does not end a transfer in its time gets this much more.
const PORT_GRACE: Duration = Duration::from_secs(2);

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
    pace: Pace,
    phase: Phase,
    events: VecDeque<LinkEvent>,
    /// The transfer the port is carrying out must have ended by then.
    outstanding: Option<Instant>,
    next_start: Instant,
    /// `Lost` was sent and no `Attached` since.
    told_lost: bool,
    failures: usize,
}

#[derive(Debug)]
enum Phase {
    /// The port looks for the device.
    Closed,
    /// The device is open.
    Open { session: Box<Session>, since: Instant },
    /// The device is given up; the port is told so when the pause is over.
    GivenUp { until: Instant, how: Transmit },
}

impl UsbLink {
    /// A link that waits for its device.
    #[must_use]
    pub fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            pace: Pace::Normal,
            phase: Phase::Closed,
            events: VecDeque::new(),
            outstanding: None,
            next_start: now,
            told_lost: false,
            failures: 0,
        }
    }

    /// The device is open and its interface claimed.
    pub fn handle_opened(&mut self, now: Instant, info: DeviceInfo) {
        self.end_session("the device was opened anew");
        self.outstanding = None;
        let session = Box::new(Session::new(info, self.pace, self.settings.poll_time, now));
        self.phase = Phase::Open { session, since: now };
    }

    /// The device is gone, could not be opened, or is not there. Told again, it is told once.
    pub fn handle_closed(&mut self, _now: Instant, reason: &str) {
        self.end_session(reason);
        self.outstanding = None;
        self.phase = Phase::Closed;
        self.tell_lost(reason.to_owned());
    }

    /// The outstanding control transfer ended.
    pub fn handle_control(&mut self, now: Instant, result: Result<&[u8], TransferError>) {
        // One that was given up may still end.
        if self.outstanding.take().is_none() {
            return;
        }
        if let Phase::Open { session, .. } = &mut self.phase {
            session.handle_control(now, result);
        }
        self.after(now);
    }

    /// A packet came on the interrupt-IN endpoint; the first byte is the report id.
    pub fn handle_interrupt(&mut self, now: Instant, report: &[u8]) {
        if let Phase::Open { session, .. } = &mut self.phase {
            session.handle_interrupt(now, report);
        }
        self.after(now);
    }

    /// A deadline may have passed; early calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.outstanding.is_some_and(|deadline| now >= deadline) {
            self.outstanding = None;
            self.give_up(now, "the USB port does not end a transfer".into(), Transmit::Reset);
        }
        if let Phase::Open { session, .. } = &mut self.phase {
            session.handle_timeout(now);
        }
        self.after(now);
    }

    /// What the port must do now, if anything.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if self.outstanding.is_some() {
            return None;
        }
        match &mut self.phase {
            Phase::Closed => None,
            Phase::GivenUp { until, .. } if now < *until => None,
            Phase::GivenUp { how, .. } => {
                let how = how.clone();
                self.phase = Phase::Closed;
                Some(how)
            }
            Phase::Open { .. } if now < self.next_start => None,
            Phase::Open { session, .. } => {
                let transmit = session.poll_transmit(now);
                if transmit.is_some() {
                    self.next_start = now + request::SPACING;
                    self.outstanding = Some(now + request::TIMEOUT + PORT_GRACE);
                }
                self.after(now);
                transmit
            }
        }
    }

    /// What the link has to tell; call until `None`.
    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// The next moment at which `handle_timeout` and `poll_transmit` want to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.outstanding.is_some() {
            return self.outstanding;
        }
        match &self.phase {
            Phase::Closed => None,
            Phase::GivenUp { until, .. } => Some(*until),
            Phase::Open { session, .. } => {
                Some(session.poll_timeout().map_or(self.next_start, |at| at.max(self.next_start)))
            }
        }
    }

    /// How often to poll from now on.
    pub fn set_pace(&mut self, pace: Pace, now: Instant) {
        self.pace = pace;
        if let Phase::Open { session, .. } = &mut self.phase {
            session.set_pace(pace, self.settings.poll_time, now);
        }
    }

    /// POLLTIME changed.
    pub fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.settings.poll_time = poll_time;
        self.set_pace(self.pace, now);
    }

    /// Something to tell the UPS; the answer comes as [`LinkEvent::Command`].
    pub fn command(&mut self, command: Command, now: Instant) {
        let refused = match &mut self.phase {
            Phase::Open { session, .. } => session.command(command, now).err(),
            Phase::Closed | Phase::GivenUp { .. } => Some("no communication with the UPS".to_owned()),
        };
        if let Some(reason) = refused {
            self.push(LinkEvent::Command(CommandResult { command, outcome: Err(reason) }));
        }
        self.after(now);
    }

    /// Takes over what the session has to tell.
    fn after(&mut self, now: Instant) {
        while let Phase::Open { session, .. } = &mut self.phase {
            match session.poll_told() {
                None => return,
                Some(Told::Event(event)) => {
                    if matches!(event, LinkEvent::Attached(_)) {
                        self.told_lost = false;
                    }
                    self.push(event);
                }
                Some(Told::GiveUp { reason, reset }) => {
                    self.give_up(now, reason, if reset { Transmit::Reset } else { Transmit::Reopen });
                }
            }
        }
    }

    fn give_up(&mut self, now: Instant, reason: String, how: Transmit) {
        if let Phase::Open { session, since } = &self.phase
            && session.is_attached()
            && now.saturating_duration_since(*since) >= GOOD_ATTACHMENT
        {
            self.failures = 0;
        }
        self.end_session(&reason);
        let pause = PAUSES.get(self.failures).or(PAUSES.last()).copied().unwrap_or_default();
        self.failures = (self.failures + 1).min(PAUSES.len());
        self.phase = Phase::GivenUp { until: now + Duration::from_secs(pause), how };
        self.tell_lost(reason);
    }

    /// Answers the orders that cannot be carried out any more, and keeps what the session still had to tell.
    fn end_session(&mut self, reason: &str) {
        let Phase::Open { session, .. } = std::mem::replace(&mut self.phase, Phase::Closed) else { return };
        for event in session.end(reason) {
            self.push(event);
        }
    }

    fn tell_lost(&mut self, reason: String) {
        if !std::mem::replace(&mut self.told_lost, true) {
            self.push(LinkEvent::Lost { reason });
        }
    }

    fn push(&mut self, event: LinkEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}
