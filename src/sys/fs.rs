//! File operations that `std` lacks.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Takes the advisory lock (`flock`) of an open file, without waiting. It is released when the file is closed.
///
/// # Errors
///
/// [`io::ErrorKind::WouldBlock`] if another process holds it; whatever else the system says.
pub fn try_lock(file: &File) -> io::Result<()> {
    // SAFETY: plain system call on a descriptor that `file` keeps open.
    match unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
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

    #[test]
    fn a_lock_keeps_others_out_until_its_file_is_closed() {
        let path = std::env::temp_dir().join(format!("mainsd-flock-{}", std::process::id()));
        let first = File::create(&path).unwrap();
        let second = File::open(&path).unwrap();
        try_lock(&first).unwrap();
        assert_eq!(try_lock(&second).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(first);
        try_lock(&second).unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}
