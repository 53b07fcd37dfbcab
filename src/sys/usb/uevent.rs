//! The kernel's hot-plug messages.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// A socket that gets the kernel's messages about devices (netlink `NETLINK_KOBJECT_UEVENT`, group 1). Needs no rights;
/// in a container it may stay silent.
#[derive(Debug)]
pub struct UeventSocket {
    fd: OwnedFd,
}

impl UeventSocket {
    /// Opens the socket, non-blocking.
    ///
    /// # Errors
    /// What the system says: no netlink in this sandbox.
    pub fn open() -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: plain system call; the result is checked.
        let raw = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_KOBJECT_UEVENT) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let mut address = empty_address();
        address.nl_family = libc::sa_family_t::try_from(libc::AF_NETLINK).unwrap_or_default();
        address.nl_groups = 1;
        let length = address_length();
        // SAFETY: the address is valid and has the length given.
        let bound = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), length) };
        if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(Self { fd }) }
    }

    /// The next message, cut to the buffer. A message that did not come from the kernel has length 0.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; `ENOBUFS` when some were lost.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut from = empty_address();
        let mut length = address_length();
        // SAFETY: buffer and address are valid for the lengths given.
        let got = unsafe {
            libc::recvfrom(
                self.fd.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                0,
                (&raw mut from).cast(),
                &raw mut length,
            )
        };
        let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
        Ok(if from.nl_pid == 0 { got } else { 0 })
    }
}

fn empty_address() -> libc::sockaddr_nl {
    // SAFETY: all zero is a valid address of this type.
    unsafe { mem::zeroed() }
}

fn address_length() -> libc::socklen_t {
    libc::socklen_t::try_from(mem::size_of::<libc::sockaddr_nl>()).unwrap_or_default()
}

impl AsRawFd for UeventSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
