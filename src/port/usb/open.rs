//! An open device: its transfers, and what to do when one fails.

use std::os::fd::{OwnedFd, RawFd};
use std::time::{Duration, Instant};

use super::{Endpoint, InterfaceFacts};
use crate::bus::usb::{Event, TransferError};
use crate::sys::job::Job;
use crate::sys::usb::{Device, UsbError};

/// First pause after a failed interrupt transfer; it doubles up to [`INTERRUPT_PAUSE_MAX`]. The device is not given up
/// for it: it can still be polled.
const INTERRUPT_PAUSE: Duration = Duration::from_millis(100);
const INTERRUPT_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long the request that clears a halt may take.
const CLEAR_HALT_TIMEOUT: Duration = Duration::from_secs(1);

/// What the control transfer under way is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    Idle,
    Users,
    /// Clears the halt of the interrupt endpoint.
    ClearHalt,
}

/// A request of the user's that came while a halt was being cleared.
#[derive(Debug)]
struct Waiting {
    setup: [u8; 8],
    data: Vec<u8>,
    timeout: Duration,
}

/// A device for a job: the name of its interface, its bus, and its number there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) interface: String,
    pub(super) bus: u16,
    pub(super) device: u16,
}

impl Address {
    pub(super) fn job(&self) -> Job<'_> {
        Job::UsbDevice { interface: &self.interface, bus: self.bus, device: self.device }
    }
}

/// What is left of a device that was closed, its lock included: what giving it back needs.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) address: Option<Address>,
    /// Its last control transfer was not answered.
    pub(super) silent: bool,
}

#[derive(Debug)]
pub(super) struct OpenDevice {
    device: Device,
    pub(super) fd: RawFd,
    /// The device in description.
    pub(super) description: String,
    pub(super) opened_at: Instant,
    address: Option<Address>,
    /// Its lock, held by being open; none where there are no locks.
    _lock: Option<OwnedFd>,
    endpoint: Option<Endpoint>,
    control: Control,
    waiting: Option<Waiting>,
    halted: bool,
    retry_at: Option<Instant>,
    pause: Duration,
    silent: bool,
    gone: bool,
    #[cfg(feature = "usb-out")]
    out_endpoint: Option<Endpoint>,
}

impl OpenDevice {
    pub(super) fn new(
        device: Device,
        fd: RawFd,
        description: String,
        (address, lock): (Option<Address>, Option<OwnedFd>),
        facts: InterfaceFacts,
        opened_at: Instant,
    ) -> Self {
        Self {
            device,
            fd,
            description,
            opened_at,
            address,
            _lock: lock,
            endpoint: facts.interrupt_in,
            control: Control::Idle,
            waiting: None,
            halted: false,
            retry_at: None,
            pause: INTERRUPT_PAUSE,
            silent: false,
            gone: false,
            #[cfg(feature = "usb-out")]
            out_endpoint: facts.interrupt_out,
        }
    }

    /// Closes it, and gives up its lock; its node is open until the poll has been told.
    pub(super) fn close(self) -> (Option<OwnedFd>, Left) {
        (self.device.close(), Left { address: self.address, silent: self.silent })
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone || self.device.is_gone()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.gone { Some(self.opened_at) } else { self.retry_at }
    }

    pub(super) fn submit(
        &mut self,
        setup: [u8; 8],
        data: &[u8],
        timeout: Duration,
    ) -> Result<(), TransferError> {
        if self.control == Control::ClearHalt {
            self.waiting = Some(Waiting { setup, data: data.to_vec(), timeout });
            return Ok(());
        }
        self.start(Control::Users, setup, data, timeout)
    }

    fn start(
        &mut self,
        purpose: Control,
        setup: [u8; 8],
        data: &[u8],
        timeout: Duration,
    ) -> Result<(), TransferError> {
        let result = self.device.submit_control(setup, data, timeout);
        match result {
            Ok(()) => self.control = purpose,
            Err(UsbError::NO_DEVICE) => self.gone = true,
            Err(_) => {}
        }
        result.map_err(
            |e| if e == UsbError::NO_DEVICE { TransferError::NoDevice } else { TransferError::Other },
        )
    }

    /// Sends a report to the device.
    #[cfg(feature = "usb-out")]
    pub(super) fn send(&mut self, data: &[u8], timeout: Duration) -> Result<(), TransferError> {
        let endpoint = self.out_endpoint.ok_or(TransferError::Other)?;
        match self.device.submit_interrupt_out(endpoint.address, data, timeout) {
            Ok(()) => Ok(()),
            Err(UsbError::NO_DEVICE) => {
                self.gone = true;
                Err(TransferError::NoDevice)
            }
            Err(_) => Err(TransferError::Other),
        }
    }

    /// The next event of the device; before that, what its transfers need.
    pub(super) fn poll_event(&mut self, interrupt_len: u16, now: Instant) -> Option<Event<'_>> {
        if self.device.interrupt_has_ended() {
            // Looked at first without keeping the bytes: a failure is dealt with here.
            match self.device.interrupt_failure() {
                None => {
                    self.pause = INTERRUPT_PAUSE;
                    let bytes = self.device.interrupt_ended().and_then(Result::ok).unwrap_or(&[]);
                    return Some(Event::Interrupt(bytes));
                }
                Some(failure) => self.interrupt_failed(failure, now),
            }
        }
        self.keep_interrupt(interrupt_len, now);
        #[cfg(feature = "usb-out")]
        if let Some(result) = self.device.interrupt_out_ended() {
            return Some(Event::InterruptSent(result));
        }
        if !self.device.control_has_ended() {
            return None;
        }
        match std::mem::replace(&mut self.control, Control::Idle) {
            Control::ClearHalt => {
                let _ = self.device.control_ended();
                self.halted = false;
                if let Some(endpoint) = self.endpoint {
                    self.device.forget_halt(endpoint.address);
                }
                self.keep_interrupt(interrupt_len, now);
                let waiting = self.waiting.take()?;
                let started = self.start(Control::Users, waiting.setup, &waiting.data, waiting.timeout);
                started.err().map(|error| Event::Control(Err(error)))
            }
            Control::Users | Control::Idle => {
                let result = self.device.control_ended()?;
                self.silent = matches!(result, Err(TransferError::Timeout));
                Some(Event::Control(result))
            }
        }
    }

    fn interrupt_failed(&mut self, failure: TransferError, now: Instant) {
        let _ = self.device.interrupt_ended();
        match failure {
            TransferError::NoDevice => self.gone = true,
            TransferError::Stall => self.halted = true,
            TransferError::Timeout | TransferError::Overflow | TransferError::Other => {}
        }
        self.retry_at = Some(now + self.pause);
        self.pause = (self.pause * 2).min(INTERRUPT_PAUSE_MAX);
    }

    /// Keeps an interrupt transfer in flight.
    fn keep_interrupt(&mut self, interrupt_len: u16, now: Instant) {
        let Some(endpoint) = self.endpoint else { return };
        let pausing = self.retry_at.is_some_and(|at| at > now);
        if self.gone || pausing || self.device.interrupt_in_flight() {
            return;
        }
        if self.halted {
            if self.control == Control::Idle && !self.device.control_has_ended() {
                // CLEAR_FEATURE(ENDPOINT_HALT), USB 2.0 §9.4.1.
                let setup = [0x02, 0x01, 0, 0, endpoint.address, 0, 0, 0];
                let _ = self.start(Control::ClearHalt, setup, &[], CLEAR_HALT_TIMEOUT);
            }
            self.retry_at = None;
            return;
        }
        self.retry_at = None;
        // A multiple of the packet size, or a device that sends more than asked for is an error; and no longer than
        // the longest report, or a report that fills its packets would wait for the next one.
        let packets = interrupt_len.div_ceil(endpoint.max_packet).max(1);
        let length = packets.saturating_mul(endpoint.max_packet);
        match self.device.submit_interrupt(endpoint.address, length) {
            Ok(()) => {}
            Err(UsbError::NO_DEVICE) => self.gone = true,
            Err(_) => {
                self.retry_at = Some(now + self.pause);
                self.pause = (self.pause * 2).min(INTERRUPT_PAUSE_MAX);
            }
        }
    }
}
