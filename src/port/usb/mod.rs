//! One USB device with a HID interface: found, opened, kept, found again.
//!
//! The port knows no UPS protocol: a closure says which device is wanted, and [`Event`]s say what came. A device is
//! looked for in sysfs, at once when the kernel announces one and every few seconds besides, as containers get no
//! announcements. What may wait for a device is done by a [`Helper`](crate::sys::usb::Helper); the loop waits for nothing.
//!
//! ```text
//! Idle ──look──▶ Looking ──helper opens, interface claimed──▶ Open ──gone, reopen──▶ Idle
//!   ▲               │ none, or held by others                   │ reset
//!   └───────────────┴───────────────────────────────────────────┴──▶ Resetting ──▶ Idle
//! ```

mod descriptors;
mod open;
mod search;
mod sources;
mod sysfs;
#[cfg(test)]
mod tests;
mod uevent;

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use crate::sys::usb::{TransferError as SysError, reattach, reset};
use open::OpenDevice;
use search::Search;
use sources::Sources;

pub use descriptors::{Endpoint, InterfaceFacts, interface_facts};
pub use sysfs::{Candidate, Roots};
pub use uevent::announces_device;

/// One HID interface of a USB device, as found without touching it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Bus port path, `1-1.2`.
    pub location: String,
    /// `idVendor`.
    pub vendor: u16,
    /// `idProduct`.
    pub product: u16,
    /// `bcdDevice`.
    pub bcd_device: u16,
    /// String `iManufacturer`.
    pub manufacturer: Option<String>,
    /// String `iProduct`.
    pub product_name: Option<String>,
    /// String `iSerialNumber`.
    pub serial: Option<String>,
    /// Number of the HID interface.
    pub interface: u8,
    /// Report descriptor; empty when no HID driver is bound.
    pub report_descriptor: Vec<u8>,
    /// Length of the report descriptor as the HID class descriptor announces it.
    pub announced_descriptor_len: Option<u16>,
}

/// What the matcher says about a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The device that is wanted: open it.
    Wanted,
    /// One of this kind, but not the one that is wanted (as far as known: the strings may still be missing).
    Other,
    /// Cannot be said without the report descriptor, which the kernel's HID driver would show: have it attached.
    NeedsDescriptor,
    /// Something else: never touched.
    Foreign,
}

/// Why a transfer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// The device refused the request.
    Stall,
    /// No answer in time.
    Timeout,
    /// The device is gone.
    NoDevice,
    /// More bytes came than were asked for.
    Overflow,
    /// Anything else.
    Other,
}

impl From<SysError> for TransferError {
    fn from(error: SysError) -> Self {
        match error {
            SysError::Stall => Self::Stall,
            SysError::Timeout => Self::Timeout,
            SysError::NoDevice => Self::NoDevice,
            SysError::Overflow => Self::Overflow,
            SysError::Other => Self::Other,
        }
    }
}

/// What the port has to tell.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The device is open and its interface claimed.
    Opened(DeviceInfo),
    /// There is no open device: it is gone, or none was found. Told once.
    Closed(String),
    /// A device that would do was left alone; why, and what to do about it. Each reason is told again only after a while.
    Rejected(String),
    /// The control transfer ended; the bytes are the data stage.
    Control(Result<&'a [u8], TransferError>),
    /// A packet came on the interrupt endpoint.
    Interrupt(&'a [u8]),
}

/// Where the port stands.
#[derive(Debug)]
enum State {
    /// No device; the next look is due at this time.
    Idle(Instant),
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
/// Longest pause between two looks, and the pace of looking where the kernel announces nothing.
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

/// The port of one USB device.
pub struct UsbPort {
    roots: Roots,
    matcher: Matcher,
    state: State,
    sources: Sources,
    /// Events that carry no bytes of the device.
    queue: VecDeque<Event<'static>>,
    /// Length of the longest interrupt report, if known.
    interrupt_len: u16,
    pause: Duration,
    /// A device was announced during a search.
    news: bool,
    looked_at: Option<Instant>,
    told_closed: bool,
    told: Vec<(String, Instant)>,
    /// The last `now` of any call.
    now: Instant,
}

impl fmt::Debug for UsbPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsbPort").field("state", &self.state).finish_non_exhaustive()
    }
}

impl UsbPort {
    /// A port that uses the tokens `base` to `base + 2` and opens what `matcher` wants.
    #[must_use]
    pub fn new(roots: Roots, base: Token, matcher: Matcher, now: Instant) -> Self {
        Self {
            roots,
            matcher,
            state: State::Idle(now),
            sources: Sources::new(base),
            queue: VecDeque::new(),
            interrupt_len: 0,
            pause: RETRY_FIRST,
            news: false,
            looked_at: None,
            told_closed: false,
            told: Vec::new(),
            now,
        }
    }

    /// Listens for announcements and takes the first look.
    pub fn start(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        self.sources.listen(registry);
        self.look(registry);
    }

    /// One of this port's tokens is ready.
    pub fn ready(&mut self, registry: &Registry, token: Token, now: Instant) {
        self.now = now;
        if self.sources.is_announcement(token) {
            if self.sources.announced() {
                self.look_soon();
            }
        } else if self.sources.is_helper(token) {
            self.advance_search(registry);
        } else {
            self.handle_transfers(registry);
        }
    }

    /// A deadline may have passed; early calls do nothing.
    pub fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        match &self.state {
            State::Idle(at) | State::Resetting(at) if *at <= now => self.look(registry),
            State::Looking(search) if search.deadline().is_some_and(|at| at <= now) => {
                self.leave_stuck(registry);
            }
            State::Open(_) if self.poll_timeout().is_some_and(|at| at <= now) => {
                self.handle_transfers(registry)
            }
            _ => {}
        }
    }

    /// The next deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Idle(at) | State::Resetting(at) => Some(*at),
            State::Looking(search) => search.deadline(),
            State::Open(open) => {
                [open.poll_timeout(), self.sources.poll_timeout()].into_iter().flatten().min()
            }
        }
    }

    /// What the port has to tell; call until `None`: that also keeps the interrupt transfer in flight.
    pub fn poll_event(&mut self) -> Option<Event<'_>> {
        if let Some(event) = self.queue.pop_front() {
            return Some(event);
        }
        let State::Open(open) = &mut self.state else { return None };
        open.poll_event(self.interrupt_len, self.now)
    }

    /// Starts a control transfer; its end comes as [`Event::Control`], also when there is no device. One at a time.
    /// `data` is empty for one from the device; the setup packet says how much may come then.
    pub fn submit(&mut self, setup: [u8; 8], data: &[u8], timeout: Duration) {
        let result = match &mut self.state {
            State::Open(open) => open.submit(setup, data, timeout),
            _ => Err(TransferError::NoDevice),
        };
        if let Err(error) = result {
            self.queue.push_back(Event::Control(Err(error)));
        }
    }

    /// Says how long the longest interrupt report is, so that reports longer than a packet come whole. Without it each
    /// packet is an event. Forgotten when the device is closed.
    pub fn set_interrupt_len(&mut self, bytes: u16) {
        self.interrupt_len = bytes.min(INTERRUPT_MAX);
    }

    /// Closes the device, if one is open, and looks for it again: ends with [`Event::Opened`] or [`Event::Closed`].
    pub fn reopen(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        self.told_closed = false;
        let State::Open(open) = &self.state else { return };
        let opened_at = open.opened_at;
        drop(self.close_device(registry));
        // A device that is given up as soon as it is open is not opened without a pause.
        self.state = State::Idle(now.max(opened_at + RETRY_FIRST));
    }

    /// Resets the device, if one is open, then looks for it again.
    pub fn reset(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        self.told_closed = false;
        let Some((fd, _)) = self.close_device(registry) else { return };
        self.state = match reset(fd) {
            Ok(helper) => {
                self.sources.add_stuck(registry, helper, String::new());
                State::Resetting(now + RESET_WAIT)
            }
            Err(error) => {
                self.reject(format!("cannot reset the UPS: {error}"));
                State::Idle(now + RETRY_FIRST)
            }
        };
    }

    /// Gives the device back: the kernel's driver is attached again, by a child, unless the device did not answer
    /// lately (the kernel would wait for it in vain). The port is of no use afterwards.
    pub fn close(&mut self, registry: &Registry) {
        if let State::Looking(search) = &mut self.state {
            search.drop_probe(registry, &mut self.sources);
        }
        match self.close_device(registry) {
            Some((_, device)) if device.silent => {
                log::debug!("the UPS does not answer: the kernel's driver is not attached again");
            }
            Some((fd, device)) => {
                if let Err(error) = reattach(fd, device.interface) {
                    log::debug!("cannot attach the kernel's driver to the UPS again: {error}");
                }
            }
            None => {}
        }
        self.sources.close(registry);
    }

    /// A device was announced.
    fn look_soon(&mut self) {
        match &mut self.state {
            State::Idle(at) => {
                let apart = self.looked_at.map_or(self.now, |looked| looked + LOOK_APART);
                *at = (*at).min(apart.max(self.now + SETTLE));
            }
            // It may have come after the list was made.
            State::Looking(_) => self.news = true,
            State::Open(_) | State::Resetting(_) => {}
        }
    }

    /// Takes what libusb has, and notices that the device is gone.
    fn handle_transfers(&mut self, registry: &Registry) {
        let result = self.sources.handle_events(registry, self.now);
        let State::Open(open) = &mut self.state else { return };
        if let Err(error) = result {
            let words = format!("{}: libusb: {error}", open.words);
            self.lose(registry, words);
            self.sources.drop_context(registry);
        } else if open.is_gone() || !self.sources.has(open.fd) {
            let words = format!("{} is gone", open.words);
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
        self.queue.push_back(Event::Rejected(reason));
    }

    /// Closes an open device. Events of it that were not taken are forgotten. What comes back: its node, still open,
    /// and what is needed to give it back.
    fn close_device(&mut self, registry: &Registry) -> Option<(std::os::fd::OwnedFd, open::Left)> {
        if !matches!(self.state, State::Open(_)) {
            return None;
        }
        let State::Open(open) = std::mem::replace(&mut self.state, State::Idle(self.now)) else {
            return None;
        };
        self.queue.retain(|event| !matches!(event, Event::Control(_)));
        self.interrupt_len = 0;
        let left = open.left();
        let fd = open.close();
        self.sources.sync(registry);
        fd.map(|fd| (fd, left))
    }
}
