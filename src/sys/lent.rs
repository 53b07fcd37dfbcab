//! Sockets that another process binds: this one may bind none once it has given up its rights.
//!
//! The answer is one packet: an errno (4 bytes, little-endian), 0 with the socket.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::job::{Job, Starter};
use super::passing;

/// How often it is looked whether the answer has come, and for how long: it takes a turn of the other process's loop.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// See [`LOOK_INTERVAL`].
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// Who binds a socket, as who has asked sees it.
#[derive(Debug)]
pub struct Lender(OwnedFd);

impl Lender {
    /// Asks for a socket; `None`: there is nobody, or not now.
    #[must_use]
    pub fn ask(starter: &Starter, job: &Job<'_>) -> Option<Self> {
        starter.start(job)?.ok().map(Self)
    }

    /// The socket, or why there is none; `None`: not yet.
    #[must_use]
    pub fn receive(&self) -> Option<io::Result<OwnedFd>> {
        let mut errno = [0; 4];
        Some(match passing::receive_now(self.0.as_fd(), &mut errno) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) => Err(error),
            Ok((4, Some(bound))) => Ok(bound),
            Ok((4, None)) => Err(io::Error::from_raw_os_error(i32::from_le_bytes(errno))),
            // The job was refused.
            Ok(_) => Err(io::ErrorKind::PermissionDenied.into()),
        })
    }
}

/// Gives what was bound to who has the other end of the socket.
pub fn lend(bound: &io::Result<OwnedFd>, socket: BorrowedFd<'_>) {
    let errno = bound.as_ref().err().and_then(io::Error::raw_os_error).unwrap_or_default();
    // Who has asked may be gone.
    let _ = passing::send_now(socket, &errno.to_le_bytes(), bound.as_ref().ok().map(AsFd::as_fd));
}
