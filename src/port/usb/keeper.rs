//! Looks at devices, and opens one, for a process that cannot.

use std::os::fd::OwnedFd;

use super::listing::encode_interface;
use super::search::{lock_name, paths};
use super::sysfs::Roots;
use crate::port::device_lock::DeviceLocks;
use crate::sys::usb;

/// Starts a process that opens the device with this HID interface and these numbers, if nobody else has its lock, for who has the
/// other end of the socket. It keeps the lock for as long.
///
/// # Errors
/// No process left; no such device.
pub fn serve(
    roots: &Roots,
    locks: &DeviceLocks,
    interface: &str,
    numbers: (u16, u16),
    socket: &OwnedFd,
) -> std::io::Result<()> {
    let found = roots.hid_interface(interface, numbers).ok_or(std::io::ErrorKind::NotFound)?;
    let lock = || locks.take(&lock_name(&found.info.location));
    let fresh = || roots.hid_interface(interface, numbers).map(|now| encode_interface(&now));
    usb::serve(&paths(&found.folder, &found.node), socket, lock, fresh)
}
