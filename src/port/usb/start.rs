//! Starts what looks at a device and opens it, for this process or one that cannot.

use std::io;
use std::os::fd::OwnedFd;

use super::listing::encode_interface;
use super::search::{lock_name, target};
use super::sysfs::Roots;
use crate::port::device_lock::DeviceLocks;
use crate::sys::job::Job;
use crate::sys::passing::socket_pair;
use crate::sys::usb::{self, Opener};

/// Starts a process that opens the device with this HID interface and these numbers, if nobody else has its lock, for who has the
/// other end of the socket, which gets the lock too.
///
/// # Errors
/// No process left; no such device.
pub fn serve(
    roots: &Roots,
    locks: &DeviceLocks,
    interface: &str,
    numbers: (u16, u16),
    socket: &OwnedFd,
) -> io::Result<()> {
    let found = roots.hid_interface(interface, numbers).ok_or(io::ErrorKind::NotFound)?;
    let lock = || locks.take(&lock_name(&found.info.location));
    let fresh = || roots.hid_interface(interface, numbers).map(|now| encode_interface(&now));
    usb::serve(&target(&found), socket, lock, fresh)
}

/// Has one started for this process, by another one where there is one for that.
///
/// # Errors
/// As [`serve`].
pub(super) fn start(roots: &Roots, locks: &DeviceLocks, job: &Job<'_>) -> io::Result<Opener> {
    let Job::UsbDevice { interface, bus, device } = *job else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if let Some(socket) = locks.starter().start(job) {
        return socket.map(Opener::new);
    }
    let (ours, theirs) = socket_pair()?;
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    serve(roots, &locks.clone().for_process(own), interface, (bus, device), &theirs)?;
    Ok(Opener::new(ours))
}
