//! Opens a device for a process that has no right to.

use std::os::fd::OwnedFd;

use super::search::{lock_name, paths};
use super::sysfs::Roots;
use crate::port::device_lock::DeviceLocks;
use crate::sys::usb;

/// Starts a process that opens the device with these numbers, if it has a HID interface and nobody else has its lock, for who
/// has the other end of the socket. It keeps the lock for as long.
///
/// # Errors
/// No process left; a device that is no such one.
pub fn serve(
    roots: &Roots,
    locks: &DeviceLocks,
    location: &str,
    (bus, device): (u16, u16),
    socket: &OwnedFd,
) -> std::io::Result<()> {
    let found = roots.hid_device(location, bus, device).ok_or(std::io::ErrorKind::NotFound)?;
    let paths = paths(&found.0, &found.1);
    usb::serve(&paths, socket, || locks.take(&lock_name(location)))
}
