//! USB on Linux: libusb's asynchronous interface, the kernel's hot-plug messages, and the few calls that may wait.
//!
//! libusb is told to look for no device by itself, so it starts no thread; devices are found by the caller and opened
//! by [`Opener`]. All calls here return at once, with two exceptions inside the kernel that nothing avoids: a
//! cancelled transfer waits for the host controller to give it back, and libusb asks a device for its configuration
//! when it takes the descriptor (the [`Opener`] has tried that question before).

#![allow(unsafe_code)]

mod context;
mod device;
pub(super) mod kernel;
mod opener;
mod transfer;
mod uevent;

pub use context::{Context, Source};
pub use device::Device;
pub use opener::{Message, Opener, Target, serve};
pub use uevent::UeventSocket;

use std::ffi::CStr;
use std::fmt;

use libusb1_sys::constants as c;

/// Why a libusb call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsbError(i32);

impl UsbError {
    /// A transfer is under way, or another program holds the interface.
    pub const BUSY: Self = Self(c::LIBUSB_ERROR_BUSY);
    /// The device is gone.
    pub const NO_DEVICE: Self = Self(c::LIBUSB_ERROR_NO_DEVICE);

    pub(super) fn check(code: i32) -> Result<(), Self> {
        if code < 0 { Err(Self(code)) } else { Ok(()) }
    }
}

impl fmt::Display for UsbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: libusb_error_name takes any number and returns a static string.
        let name = unsafe { CStr::from_ptr(libusb1_sys::libusb_error_name(self.0)) };
        f.write_str(&name.to_string_lossy())
    }
}

impl std::error::Error for UsbError {}
