//! The kernel's hot-plug messages.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};

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
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(KOBJECT_UEVENT))?;
        bind(&fd, &SocketAddrNetlink::new(0, 1))?;
        Ok(Self { fd })
    }

    /// The next message, cut to the buffer. A message that did not come from the kernel has length 0.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; `ENOBUFS` when some were lost.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (got, _, from) = recvfrom(&self.fd, buffer, RecvFlags::empty())?;
        let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
        Ok(if from.is_none_or(|from| from.pid() == 0) { got } else { 0 })
    }
}

impl AsRawFd for UeventSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
