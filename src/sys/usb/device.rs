//! An open USB device with one claimed interface.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::ptr;
use std::rc::Rc;
use std::time::Duration;

use libusb1_sys as ffi;

use super::kernel::{DeviceRequest, ask_kernel};
use super::transfer::Transfer;
use super::{Context, UsbError};
use crate::bus::usb::TransferError;

/// An open device: one claimed interface, one control transfer, one interrupt transfer from it and, for Modbus, one to it.
///
/// Dropping it cancels its transfers, releases the interface and closes the descriptor. No kernel driver is attached:
/// that talks to the device and may wait, so it is [`Opener::give_back`](super::Opener::give_back)'s.
#[derive(Debug)]
pub struct Device {
    handle: *mut ffi::libusb_device_handle,
    interface: u8,
    control: Transfer,
    interrupt: Transfer,
    #[cfg(feature = "usb-out")]
    interrupt_out: Transfer,
    context: Rc<Context>,
    /// Last, so that it is closed after all users.
    fd: Option<OwnedFd>,
}

impl Device {
    /// Hands an open usbfs node to libusb, and `interface`, which this descriptor has claimed already: the opener has taken it from
    /// the kernel's driver, which may wait.
    ///
    /// # Errors
    /// What libusb says.
    pub fn open(context: &Rc<Context>, fd: OwnedFd, interface: u8) -> Result<Self, UsbError> {
        let no_memory = UsbError(libusb1_sys::constants::LIBUSB_ERROR_NO_MEM);
        let control = Transfer::new().ok_or(no_memory)?;
        let interrupt = Transfer::new().ok_or(no_memory)?;
        #[cfg(feature = "usb-out")]
        let interrupt_out = Transfer::new().ok_or(no_memory)?;
        let mut handle = ptr::null_mut();
        // libusb's `intptr_t`, which these bindings call a pointer.
        let number = ptr::without_provenance_mut(usize::try_from(fd.as_raw_fd()).unwrap_or(usize::MAX));
        // SAFETY: the context is valid; the descriptor is open and outlives the handle, which does not close it and is valid after that.
        // For the kernel there is nothing to claim; libusb keeps account.
        unsafe {
            UsbError::check(ffi::libusb_wrap_sys_device(context.raw(), number, &raw mut handle))?;
            let device = Self {
                handle,
                interface,
                control,
                interrupt,
                #[cfg(feature = "usb-out")]
                interrupt_out,
                context: Rc::clone(context),
                fd: Some(fd),
            };
            UsbError::check(ffi::libusb_claim_interface(handle, i32::from(interface)))?;
            Ok(device)
        }
    }

    /// Starts a control transfer; `data` is empty for one from the device. One at a time.
    ///
    /// # Errors
    /// What libusb says; [`UsbError::NO_DEVICE`] when it is gone.
    pub fn submit_control(&mut self, setup: [u8; 8], data: &[u8], timeout: Duration) -> Result<(), UsbError> {
        self.control.submit_control(self.handle, setup, data, timeout)
    }

    /// The end of the control transfer, once.
    pub fn control_ended(&mut self) -> Option<Result<&[u8], TransferError>> {
        self.control.take_ended()
    }

    /// Whether the control transfer has ended and its end was not taken yet.
    #[must_use]
    pub fn control_has_ended(&self) -> bool {
        self.control.has_ended()
    }

    /// Asks for at most `length` bytes from an interrupt endpoint, without a time limit.
    ///
    /// # Errors
    /// What libusb says; [`UsbError::NO_DEVICE`] when it is gone.
    pub fn submit_interrupt(&mut self, endpoint: u8, length: u16) -> Result<(), UsbError> {
        self.interrupt.submit_interrupt(self.handle, endpoint, length)
    }

    /// The end of the interrupt transfer, once.
    pub fn interrupt_ended(&mut self) -> Option<Result<&[u8], TransferError>> {
        self.interrupt.take_ended()
    }

    /// Whether the interrupt transfer has ended and its end was not taken yet.
    #[must_use]
    pub fn interrupt_has_ended(&self) -> bool {
        self.interrupt.has_ended()
    }

    /// Why the ended interrupt transfer failed, if it did.
    #[must_use]
    pub fn interrupt_failure(&self) -> Option<TransferError> {
        self.interrupt.failure()
    }

    /// Starts to send a report to an interrupt endpoint. One at a time.
    ///
    /// # Errors
    /// What libusb says; [`UsbError::NO_DEVICE`] when it is gone.
    #[cfg(feature = "usb-out")]
    pub fn submit_interrupt_out(
        &mut self,
        endpoint: u8,
        data: &[u8],
        timeout: Duration,
    ) -> Result<(), UsbError> {
        self.interrupt_out.submit_interrupt_out(self.handle, endpoint, data, timeout)
    }

    /// How sending a report ended, once.
    #[cfg(feature = "usb-out")]
    pub fn interrupt_out_ended(&mut self) -> Option<Result<(), TransferError>> {
        Some(self.interrupt_out.take_ended()?.map(drop))
    }

    /// Whether a transfer has ended because the device is gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let gone = Some(TransferError::NoDevice);
        self.transfers().any(|transfer| transfer.failure() == gone)
    }

    fn transfers(&self) -> impl Iterator<Item = &Transfer> {
        [
            &self.control,
            &self.interrupt,
            #[cfg(feature = "usb-out")]
            &self.interrupt_out,
        ]
        .into_iter()
    }

    /// Whether an interrupt transfer is under way.
    #[must_use]
    pub fn interrupt_in_flight(&self) -> bool {
        self.interrupt.in_flight()
    }

    /// Resets the host's idea of an endpoint after a halt was cleared; sends nothing.
    pub fn forget_halt(&self, endpoint: u8) {
        if let Some(fd) = &self.fd {
            let _ = ask_kernel(fd.as_fd(), DeviceRequest::ResetEndpoint(endpoint));
        }
    }

    /// Cancels the transfers, releases the interface and closes libusb's part; the descriptor comes back still open,
    /// for the poll to be told.
    #[must_use]
    pub fn close(mut self) -> Option<OwnedFd> {
        self.shut();
        self.fd.take()
    }

    fn shut(&mut self) {
        if self.handle.is_null() {
            return;
        }
        self.control.cancel();
        self.interrupt.cancel();
        #[cfg(feature = "usb-out")]
        self.interrupt_out.cancel();
        // The kernel has already given cancelled transfers back; this collects them. A bounded number of looks, in
        // case it has not: what is left in flight is leaked.
        for _ in 0..4 {
            if !self.transfers().any(Transfer::in_flight) {
                break;
            }
            if self.context.handle_events().is_err() {
                break;
            }
        }
        // SAFETY: the handle is valid and used for the last time. Closing it takes transfers still in flight off
        // libusb's lists, so that their memory is never touched again.
        unsafe {
            ffi::libusb_release_interface(self.handle, i32::from(self.interface));
            ffi::libusb_close(self.handle);
        }
        self.handle = ptr::null_mut();
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.shut();
    }
}
