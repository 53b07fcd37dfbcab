//! One reusable libusb transfer that owns its buffer.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use libusb1_sys::{self as ffi, constants as c};

use super::UsbError;
use crate::bus::usb::TransferError;

const SETUP: usize = c::LIBUSB_CONTROL_SETUP_SIZE;

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    InFlight,
    Ended,
}

/// A transfer and its buffer, used again and again.
///
/// While it is in flight the buffer belongs to libusb and the kernel and is neither read, moved nor freed. Dropped in
/// flight, everything is leaked: a few hundred bytes are better than a wait or a write to freed memory.
pub(super) struct Transfer {
    raw: *mut ffi::libusb_transfer,
    /// On the heap because libusb keeps its address.
    stage: Rc<Cell<Stage>>,
    /// The same; its length never changes in flight.
    buffer: Vec<u8>,
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the buffer, which may be libusb's.
        f.debug_struct("Transfer").field("stage", &self.stage.get()).finish_non_exhaustive()
    }
}

extern "system" fn ended(transfer: *mut ffi::libusb_transfer) {
    // SAFETY: libusb passes the transfer it was given; its user data is our cell, which is not freed in flight.
    unsafe { (*(*transfer).user_data.cast::<Cell<Stage>>()).set(Stage::Ended) };
}

impl Transfer {
    /// An idle transfer; `None` without memory.
    pub(super) fn new() -> Option<Self> {
        // SAFETY: no isochronous packets; null means no memory.
        let raw = unsafe { ffi::libusb_alloc_transfer(0) };
        if raw.is_null() {
            return None;
        }
        Some(Self { raw, stage: Rc::new(Cell::new(Stage::Idle)), buffer: Vec::new() })
    }

    /// What libusb hands to [`ended`].
    fn user_data(&self) -> *mut libc::c_void {
        Rc::as_ptr(&self.stage).cast_mut().cast()
    }

    /// Whether libusb has it.
    pub(super) fn in_flight(&self) -> bool {
        self.stage.get() == Stage::InFlight
    }

    /// Makes the idle buffer at least `wanted` bytes long.
    fn reserve(&mut self, wanted: usize) {
        if self.buffer.len() < wanted {
            self.buffer = vec![0; wanted];
        }
    }

    /// Starts a control transfer. For one from the device, `data` is empty and the setup packet says how much may
    /// come; otherwise `data` is the data stage.
    pub(super) fn submit_control(
        &mut self,
        handle: *mut ffi::libusb_device_handle,
        setup: [u8; 8],
        data: &[u8],
        timeout: Duration,
    ) -> Result<(), UsbError> {
        if self.in_flight() {
            return Err(UsbError::BUSY);
        }
        let [.., low, high] = setup;
        let length = usize::from(u16::from_le_bytes([low, high]));
        self.reserve(SETUP + length);
        self.buffer.fill(0);
        for (to, from) in self.buffer.iter_mut().zip(setup.iter().chain(data.iter().take(length))) {
            *to = *from;
        }
        let (buffer, data) = (self.buffer.as_mut_ptr(), self.user_data());
        let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).max(1);
        // SAFETY: the buffer holds a whole setup packet and as many bytes as it announces; handle and transfer are
        // valid and the transfer is not in flight.
        unsafe {
            ffi::libusb_fill_control_transfer(self.raw, handle, buffer, ended, data, millis);
        }
        self.submit()
    }

    /// Starts an interrupt transfer from the device, of at most `length` bytes, without a time limit.
    pub(super) fn submit_interrupt(
        &mut self,
        handle: *mut ffi::libusb_device_handle,
        endpoint: u8,
        length: u16,
    ) -> Result<(), UsbError> {
        if self.in_flight() {
            return Err(UsbError::BUSY);
        }
        self.reserve(usize::from(length));
        let (buffer, data) = (self.buffer.as_mut_ptr(), self.user_data());
        // SAFETY: the buffer is at least `length` long; handle and transfer are valid and not in flight.
        unsafe {
            let raw = self.raw;
            ffi::libusb_fill_interrupt_transfer(raw, handle, endpoint, buffer, length.into(), ended, data, 0);
        }
        self.submit()
    }

    /// Starts an interrupt transfer of these bytes to the device.
    #[cfg(feature = "usb-out")]
    pub(super) fn submit_interrupt_out(
        &mut self,
        handle: *mut ffi::libusb_device_handle,
        endpoint: u8,
        data: &[u8],
        timeout: Duration,
    ) -> Result<(), UsbError> {
        if self.in_flight() {
            return Err(UsbError::BUSY);
        }
        self.buffer.clear();
        self.buffer.extend_from_slice(data);
        let length = i32::try_from(data.len()).map_err(|_| UsbError::BUSY)?;
        let (buffer, data) = (self.buffer.as_mut_ptr(), self.user_data());
        let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).max(1);
        // SAFETY: the buffer is `length` long; handle and transfer are valid and not in flight.
        unsafe {
            let raw = self.raw;
            ffi::libusb_fill_interrupt_transfer(raw, handle, endpoint, buffer, length, ended, data, millis);
        }
        self.submit()
    }

    fn submit(&mut self) -> Result<(), UsbError> {
        // SAFETY: the transfer was filled by the caller and owns its buffer.
        let result = UsbError::check(unsafe { ffi::libusb_submit_transfer(self.raw) });
        self.stage.set(if result.is_ok() { Stage::InFlight } else { Stage::Idle });
        result
    }

    /// Asks for an early end. The end itself comes with the next events.
    pub(super) fn cancel(&mut self) {
        if self.in_flight() {
            // SAFETY: the transfer is in flight. A failure means that it is about to end anyway.
            unsafe { ffi::libusb_cancel_transfer(self.raw) };
        }
    }

    /// Whether it has ended and the end was not taken yet.
    pub(super) fn has_ended(&self) -> bool {
        self.stage.get() == Stage::Ended
    }

    /// The transfer, if it has ended and the end was not taken yet.
    fn ended(&self) -> Option<&ffi::libusb_transfer> {
        // SAFETY: not in flight any more, so libusb does not write to the transfer.
        self.has_ended().then(|| unsafe { &*self.raw })
    }

    /// Why the ended transfer failed; `None`: it did not, or it has not ended.
    pub(super) fn failure(&self) -> Option<TransferError> {
        match self.ended()?.status {
            c::LIBUSB_TRANSFER_COMPLETED => None,
            c::LIBUSB_TRANSFER_STALL => Some(TransferError::Stall),
            c::LIBUSB_TRANSFER_TIMED_OUT => Some(TransferError::Timeout),
            c::LIBUSB_TRANSFER_NO_DEVICE => Some(TransferError::NoDevice),
            c::LIBUSB_TRANSFER_OVERFLOW => Some(TransferError::Overflow),
            _ => Some(TransferError::Other),
        }
    }

    /// The end of the transfer, once: the bytes that came (control: without the setup packet), or why none.
    pub(super) fn take_ended(&mut self) -> Option<Result<&[u8], TransferError>> {
        let (actual, kind) = self.ended().map(|raw| (raw.actual_length, raw.transfer_type))?;
        let failure = self.failure();
        self.stage.set(Stage::Idle);
        if let Some(error) = failure {
            return Some(Err(error));
        }
        let skip = if kind == c::LIBUSB_TRANSFER_TYPE_CONTROL { SETUP } else { 0 };
        let actual = usize::try_from(actual).unwrap_or(0);
        Some(Ok(self.buffer.get(skip..skip + actual).unwrap_or(&[])))
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if self.in_flight() {
            mem::forget((mem::take(&mut self.buffer), Rc::clone(&self.stage)));
            return;
        }
        // SAFETY: not in flight, so nobody else has the transfer; it was made in `new`.
        unsafe { ffi::libusb_free_transfer(self.raw) };
    }
}
