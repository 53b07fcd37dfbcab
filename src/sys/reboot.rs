//! Switching the machine off without anybody's help: the very last resort.
//!
//! What a disk can hold up is done by children; the call that switches off needs none.

use std::io;
use std::time::Duration;

use super::spawn::{Child, end_child, spawn_calls};
use super::wait::poll;

/// Switches the machine off at once: no service is stopped, no file system unmounted. Call it only after the disks
/// have had their time ([`start_sync`], [`start_remount`]). Returns only if it failed.
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

/// Starts a child that writes all dirty data to the disks and exits with 0. A disk that no longer answers holds the child,
/// not us.
///
/// # Errors
///
/// What `fork` says.
pub fn start_sync() -> io::Result<Child> {
    spawn_calls(|failure| {
        rustix::fs::sync();
        end_child(failure, None)
    })
}

/// Starts a child that has the kernel make all file systems read-only (`u` of its sysrq keys, which leaves out those that are
/// frozen), and ends a second later, for the kernel does not tell when that is done. Not in a container: a privileged one would
/// do it to its host, while `reboot(2)` ends the container alone.
///
/// # Errors
///
/// What `fork` says.
pub fn start_remount() -> io::Result<Child> {
    spawn_calls(|failure| {
        let asked = ask_for_remount();
        if asked.is_ok() {
            let _ = poll(&mut [], Duration::from_secs(1));
        }
        end_child(failure, asked.err().map(rustix::io::Errno::raw_os_error))
    })
}

#[cfg(not(test))]
fn ask_for_remount() -> rustix::io::Result<()> {
    use rustix::fs::{CWD, Mode, OFlags, open, readlinkat_raw};
    use rustix::io::Errno;

    use super::container::FIRST_PROCESSES;
    let mut namespace = [0_u8; 64];
    match readlinkat_raw(CWD, c"/proc/self/ns/pid", &mut namespace) {
        Ok(length) if namespace.get(..length) == Some(FIRST_PROCESSES.as_bytes()) => {}
        // A kernel without such namespaces.
        Err(Errno::NOENT) => {}
        Ok(_) => return Err(Errno::PERM),
        Err(error) => return Err(error),
    }
    let trigger = open(c"/proc/sysrq-trigger", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&trigger, b"u").map(drop)
}

/// In this crate's own tests nothing is asked for.
#[cfg(test)]
fn ask_for_remount() -> rustix::io::Result<()> {
    Err(rustix::io::Errno::PERM)
}
