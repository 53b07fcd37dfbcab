//! Switching the machine off without anybody's help: the very last resort.

use std::io;

/// Switches the machine off at once: no service is stopped, no file system unmounted. Call it only after the disks
/// have been written ([`super::spawn::spawn_sync`]). Returns only if it failed.
///
/// # Errors
///
/// `EPERM` without the right to do so.
#[cfg(not(test))]
pub fn power_off() -> io::Error {
    match rustix::system::reboot(rustix::system::RebootCommand::PowerOff) {
        Ok(()) => io::Error::other("the machine is still on"),
        Err(error) => error.into(),
    }
}

/// In this crate's own tests the call does not exist at all.
#[cfg(test)]
pub fn power_off() -> io::Error {
    io::Error::from_raw_os_error(libc::EPERM)
}

/// Writes all dirty data to the disks, and waits for that. Only where no process can be made that would wait in our place
/// ([`super::spawn::spawn_sync`]), and nothing else is left to do.
pub fn write_disks() {
    rustix::fs::sync();
}
