//! File operations that `std` lacks.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// The system's numbers for `OpenOptions::custom_flags` and `io::Error::from_raw_os_error`.
pub use libc::{EBUSY, EEXIST, ENOSPC, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK};

/// Takes the record lock (`fcntl`) of a whole file, open for writing, without waiting. It belongs to this process: a child
/// does not inherit it (as it would a `flock`, and one that hangs before `exec` would keep it), and it is released when the
/// process ends or closes any descriptor of the file.
///
/// # Errors
///
/// [`io::ErrorKind::WouldBlock`] if another process holds it; whatever else the system says.
pub fn try_lock(file: &File) -> io::Result<()> {
    // SAFETY: zero bits are a valid `flock`: the whole file, from its beginning.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    // The constants' type differs between libraries.
    #[allow(clippy::cast_possible_truncation)]
    {
        lock.l_type = libc::F_WRLCK as libc::c_short;
        lock.l_whence = libc::SEEK_SET as libc::c_short;
    }
    // SAFETY: `lock` outlives the call; `file` keeps the descriptor open.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const lock) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    // POSIX allows both for a lock that is held.
    let held = error.raw_os_error() == Some(libc::EACCES);
    Err(if held { io::ErrorKind::WouldBlock.into() } else { error })
}

/// Whether a write of up to `PIPE_BUF` (4096) bytes would be taken at once: a terminal stopped with Ctrl-S or a pipe that
/// nobody empties would hold the loop.
#[must_use]
pub fn writable_now(fd: impl AsFd) -> bool {
    let mut poll = libc::pollfd { fd: fd.as_fd().as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one valid `pollfd`; a time-out of zero returns at once.
    let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
    ready == 1 && poll.revents & libc::POLLOUT != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_full_pipe_is_not_writable_and_an_emptied_one_is() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let mut written = 0;
        while writable_now(&writer) {
            written += writer.write(&[0; 4096]).unwrap();
        }
        assert!(written >= 4096);
        let mut buffer = vec![0; written];
        io::Read::read_exact(&mut reader, &mut buffer).unwrap();
        assert!(writable_now(&writer));
    }
}
