//! One USB device with a HID interface: found, opened, kept, found again.
//!
//! The port knows no UPS protocol: a closure says which device is wanted, and [`Event`]s say what came. A device is
//! looked for in sysfs, at once when the kernel announces one and every few seconds besides, as containers get no
//! announcements. What may wait for a device is done by an [`Opener`](crate::sys::usb::Opener); the loop waits for nothing.
//!
//! ```text
//! Idle ──look──▶ Looking ──opener opens, interface claimed──▶ Open ──gone, reopen──▶ Idle
//!   ▲               │ none, or held by others                   │ reset
//!   └───────────────┴───────────────────────────────────────────┴──▶ Resetting ──▶ Idle
//! ```

mod descriptors;
mod listing;
mod open;
mod search;
mod seen;
mod sources;
mod start;
mod sysfs;
#[cfg(test)]
mod tests;
mod uevent;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use super::Port;
use super::device_lock::DeviceLocks;
use crate::bus::usb::{DeviceInfo, Event, TransferError, Transmit, Usb, Verdict};
use crate::sys::usb::Opener;
use crate::ups::Priority;
use listing::Listing;
use open::{Left, OpenDevice};
use search::Search;
use seen::Seen;
use sources::Sources;

pub use descriptors::{Endpoint, InterfaceFacts, interface_facts};
pub use listing::tell;
#[cfg(feature = "tools")]
pub use seen::passed_over;
pub use start::serve;
pub use sysfs::{Candidate, Roots};
pub use uevent::announces_device;

/// Where the port stands.
#[derive(Debug)]
enum State {
    /// No device; the next look is due at this time.
    Idle(Instant),
    /// Another process tells which devices there are.
    Listing(Box<Listing>),
    /// Candidates are being tried.
    Looking(Box<Search>),
    /// A device is open.
    Open(Box<OpenDevice>),
    /// A device is being reset; it is looked for again at this time at the latest.
    Resetting(Instant),
}

/// Which device is wanted: asked first without the strings, then with them.
pub type Matcher = Box<dyn FnMut(&DeviceInfo) -> Verdict>;

/// First pause after a device was lost or could not be opened; it doubles up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest pause between two looks, and the poll rate of looking where the kernel announces nothing.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// After an announcement the kernel is still busy with the device.
const SETTLE: Duration = Duration::from_millis(20);
/// However many announcements there are, looks are at least this far apart.
const LOOK_APART: Duration = Duration::from_millis(250);
/// A reset is waited for this long.
const RESET_WAIT: Duration = Duration::from_secs(5);
/// The same reason is told again after this time.
const TELL_AGAIN: Duration = Duration::from_secs(600);
/// Longest interrupt report taken whole; longer ones come in pieces.
const INTERRUPT_MAX: u16 = 4096;
/// Reasons remembered.
const REASONS_MAX: usize = 8;
/// Devices remembered that are no UPS.
const LEFT_ALONE_MAX: usize = 32;

/// The port of one USB device.
pub struct UsbPort {
    roots: Roots,
    matcher: Matcher,
    locks: DeviceLocks,
    state: State,
    sources: Sources,
    /// Events that carry no bytes of the device.
    queue: VecDeque<Event<'static>>,
    /// Lines for the log.
    log: VecDeque<(Priority, String)>,
    /// Length of the longest interrupt report, if known.
    interrupt_len: u16,
    pause: Duration,
    /// A device was announced during a search.
    news: bool,
    looked_at: Option<Instant>,
    told_closed: bool,
    told: Vec<(String, Instant)>,
    /// The node of the device that is open, or was last.
    node: Option<PathBuf>,
    /// Nodes of devices that turned out to be something else; a device that is plugged in anew has another.
    left_alone: VecDeque<PathBuf>,
    seen: Seen,
    /// Until then the open device does not wake the loop.
    resting: Option<Instant>,
    /// The last `now` of any call.
    now: Instant,
}

impl fmt::Debug for UsbPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsbPort").field("state", &self.state).finish_non_exhaustive()
    }
}

impl UsbPort {
    /// A port that uses the tokens `base` to `base + 2` and opens what `matcher` wants and nobody else has locked.
    #[must_use]
    pub fn new(roots: Roots, base: Token, matcher: Matcher, locks: DeviceLocks, now: Instant) -> Self {
        Self {
            roots,
            matcher,
            locks,
            state: State::Idle(now),
            sources: Sources::new(base),
            queue: VecDeque::new(),
            log: VecDeque::new(),
            interrupt_len: 0,
            pause: RETRY_FIRST,
            news: false,
            looked_at: None,
            told_closed: false,
            told: Vec::new(),
            node: None,
            left_alone: VecDeque::new(),
            seen: Seen::default(),
            resting: None,
            now,
        }
    }

    /// Until a UPS has been opened for the first time: which devices were seen since the last call and why none of them is
    /// opened, a line each. Those that would do and were left alone are not among them.
    fn take_seen(&mut self) -> Vec<String> {
        // While candidates are being tried, one of them may be opened.
        if matches!(self.state, State::Looking(_) | State::Listing(_)) {
            Vec::new()
        } else {
            self.seen.take()
        }
    }

    /// Starts a control transfer; its end comes as [`Event::Control`], also when there is no device. One at a time.
    /// `data` is empty for one from the device; the setup packet says how much may come then.
    fn submit(&mut self, setup: [u8; 8], data: &[u8], timeout: Duration) {
        let result = match &mut self.state {
            State::Open(open) => open.submit(setup, data, timeout),
            _ => Err(TransferError::NoDevice),
        };
        if let Err(error) = result {
            self.queue.push_back(Event::Control(Err(error)));
        }
    }

    /// What the open device has to tell is not wanted before `until`, some milliseconds from now: the end of a transfer after
    /// which nothing can be done yet would wake the loop for nothing.
    fn rest(&mut self, registry: &Registry, until: Instant) {
        if let State::Open(open) = &self.state {
            self.sources.mute(registry, open.fd);
            self.resting = Some(until);
        }
    }

    fn wake(&mut self, registry: &Registry) {
        if self.resting.take().is_some() {
            if let State::Open(open) = &self.state {
                self.sources.unmute(registry, open.fd);
            }
        }
    }

    /// Says how long the longest interrupt report is, so that reports longer than a packet come whole. Without it each
    /// packet is an event. Forgotten when the device is closed.
    fn set_interrupt_len(&mut self, bytes: u16) {
        self.interrupt_len = bytes.min(INTERRUPT_MAX);
    }

    /// Closes the device, if one is open, and looks for it again: ends with [`Event::Opened`] or [`Event::Closed`].
    fn reopen(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        self.told_closed = false;
        let State::Open(open) = &self.state else { return };
        let opened_at = open.opened_at;
        drop(self.close_device(registry));
        // A device that is given up as soon as it is open is not opened without a pause.
        self.state = State::Idle(now.max(opened_at + RETRY_FIRST));
    }

    /// Resets the device, if one is open, then looks for it again.
    fn reset(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        self.told_closed = false;
        let Some(left) = self.close_device(registry) else { return };
        let opener = self.start_opener(&left);
        self.state = match opener.and_then(|opener| opener.reset().map(|()| opener)) {
            Ok(opener) => {
                self.sources.add_stuck(registry, opener, PathBuf::new());
                State::Resetting(now + RESET_WAIT)
            }
            Err(error) => {
                self.reject(format!("cannot reset the UPS: {error}"));
                State::Idle(now + RETRY_FIRST)
            }
        };
    }

    /// The open device is no UPS: gives it back, never opens it again until it is plugged in anew, and looks for another.
    fn leave_alone(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        self.told_closed = false;
        if !matches!(self.state, State::Open(_)) {
            return;
        }
        self.left_alone.extend(self.node.take());
        if self.left_alone.len() > LEFT_ALONE_MAX {
            self.left_alone.pop_front();
        }
        self.give_back(registry);
        self.state = State::Idle(now + RETRY_FIRST);
    }

    fn give_back(&mut self, registry: &Registry) {
        match self.close_device(registry) {
            Some(Left { silent: true, .. }) => {
                log::debug!("the UPS does not answer: the kernel's driver is not attached again");
            }
            Some(left) => {
                if let Err(error) = self.start_opener(&left).and_then(Opener::back) {
                    log::debug!("the kernel's driver is not attached again: {error}");
                }
            }
            None => {}
        }
    }

    /// What is left of a device is given to a process that may do more.
    fn start_opener(&self, left: &Left) -> io::Result<Opener> {
        let address = left.address.as_ref().ok_or(io::ErrorKind::NotFound)?;
        start::start(&self.roots, &self.locks, &address.job())
    }

    /// A device was announced.
    fn look_soon(&mut self) {
        match &mut self.state {
            State::Idle(at) => {
                let apart = self.looked_at.map_or(self.now, |looked| looked + LOOK_APART);
                *at = (*at).min(apart.max(self.now + SETTLE));
            }
            // It may have come after the list was made.
            State::Looking(_) | State::Listing(_) => self.news = true,
            State::Open(_) | State::Resetting(_) => {}
        }
    }

    /// Takes what libusb has, and notices that the device is gone.
    fn handle_transfers(&mut self, registry: &Registry) {
        let result = self.sources.handle_events(registry, self.now);
        let State::Open(open) = &mut self.state else { return };
        if let Err(error) = result {
            let words = format!("{}: libusb: {error}", open.description);
            self.lose(registry, words);
            self.sources.drop_context(registry);
        } else if open.is_gone() || !self.sources.has(open.fd) {
            let words = format!("{} is gone", open.description);
            self.lose(registry, words);
        }
    }

    fn lose(&mut self, registry: &Registry, reason: String) {
        drop(self.close_device(registry));
        self.tell_closed(reason);
        self.pause = RETRY_FIRST;
        self.state = State::Idle(self.now + self.pause);
    }

    fn tell_closed(&mut self, reason: String) {
        if !self.told_closed {
            self.told_closed = true;
            self.queue.push_back(Event::Closed(reason));
        }
    }

    /// Tells why a device is left alone, unless that was said lately.
    fn reject(&mut self, reason: String) {
        let now = self.now;
        self.told.retain(|(_, at)| now.saturating_duration_since(*at) < TELL_AGAIN);
        if self.told.iter().any(|(told, _)| *told == reason) {
            return;
        }
        if self.told.len() >= REASONS_MAX {
            self.told.remove(0);
        }
        self.told.push((reason.clone(), now));
        self.log.push_back((Priority::Warning, reason));
    }

    /// Closes an open device. Events of it that were not taken are forgotten.
    fn close_device(&mut self, registry: &Registry) -> Option<Left> {
        if !matches!(self.state, State::Open(_)) {
            return None;
        }
        self.wake(registry);
        let State::Open(open) = std::mem::replace(&mut self.state, State::Idle(self.now)) else {
            return None;
        };
        self.queue.retain(|event| !matches!(event, Event::Control(_)));
        #[cfg(feature = "usb-out")]
        self.queue.retain(|event| !matches!(event, Event::InterruptSent(_)));
        self.interrupt_len = 0;
        let (fd, left) = open.close();
        self.sources.sync(registry);
        drop(fd);
        Some(left)
    }
}

impl Port for UsbPort {
    type Bus = Usb;

    fn prepare(&mut self) -> bool {
        self.sources.prepare()
    }

    fn start(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        self.sources.listen(registry);
        self.look(registry);
    }

    fn ready(&mut self, registry: &Registry, token: Token, now: Instant) {
        self.now = now;
        if self.sources.is_announcement(token) {
            if self.sources.announced() {
                self.look_soon();
            }
        } else if self.sources.is_child(token) {
            self.take_list(registry, false);
            self.advance_search(registry);
        } else {
            self.handle_transfers(registry);
        }
    }

    fn take_waiting(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        if let State::Open(_) = self.state {
            self.handle_transfers(registry);
        }
    }

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        match &self.state {
            State::Idle(at) | State::Resetting(at) if *at <= now => self.look(registry),
            State::Listing(listing) if listing.until <= now => self.take_list(registry, true),
            State::Looking(search) if search.deadline().is_some_and(|at| at <= now) => {
                // It may have reported in time.
                self.advance_search(registry);
                if let State::Looking(search) = &self.state {
                    if search.deadline().is_some_and(|at| at <= now) {
                        self.leave_stuck(registry);
                    }
                }
            }
            State::Open(_) if self.poll_timeout().is_some_and(|at| at <= now) => {
                if self.resting.is_some_and(|at| at <= now) {
                    self.wake(registry);
                }
                self.handle_transfers(registry);
            }
            _ => {}
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Idle(at) | State::Resetting(at) => Some(*at),
            State::Listing(listing) => Some(listing.until),
            State::Looking(search) => search.deadline(),
            State::Open(open) => {
                crate::ups::earliest(&[open.poll_timeout(), self.sources.poll_timeout(), self.resting])
            }
        }
    }

    fn poll_event(&mut self) -> Option<Event<'_>> {
        if let Some(event) = self.queue.pop_front() {
            return Some(event);
        }
        let State::Open(open) = &mut self.state else { return None };
        open.poll_event(self.interrupt_len, self.now)
    }

    fn poll_log(&mut self) -> Option<(Priority, String)> {
        let seen = self.take_seen().into_iter().map(|line| (Priority::Info, line));
        self.log.extend(seen);
        self.log.pop_front()
    }

    fn transmit(&mut self, registry: &Registry, transmit: Transmit, now: Instant) {
        match transmit {
            Transmit::ControlIn { setup, timeout, rest, .. } => {
                self.submit(setup, &[], timeout);
                if !rest.is_zero() {
                    self.rest(registry, now + rest);
                }
            }
            Transmit::ControlOut { setup, data, timeout } => self.submit(setup, &data, timeout),
            #[cfg(feature = "usb-out")]
            Transmit::InterruptOut { data, timeout } => {
                let result = match &mut self.state {
                    State::Open(open) => open.send(&data, timeout),
                    _ => Err(TransferError::NoDevice),
                };
                if result.is_err() {
                    self.queue.push_back(Event::InterruptSent(result));
                }
            }
            Transmit::Reopen => self.reopen(registry, now),
            Transmit::Reset => self.reset(registry, now),
            Transmit::InterruptLen(bytes) => self.set_interrupt_len(bytes),
            Transmit::LeaveAlone => self.leave_alone(registry, now),
        }
    }

    fn close(&mut self, registry: &Registry) {
        if let State::Looking(search) = &mut self.state {
            search.drop_probe(registry, &mut self.sources);
        }
        self.give_back(registry);
        self.sources.close(registry);
    }
}
