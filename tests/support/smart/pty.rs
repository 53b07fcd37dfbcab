//! A pseudo-terminal.
#![allow(unsafe_code, reason = "the standard library has no pseudo-terminals")]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

/// The master, non-blocking, and the path of the other side.
pub fn open() -> (OwnedFd, PathBuf) {
    // SAFETY: takes no pointer; what comes back is checked to be a new descriptor.
    let fd = unsafe {
        let fd = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC);
        assert!(fd >= 0, "posix_openpt: {}", std::io::Error::last_os_error());
        OwnedFd::from_raw_fd(fd)
    };
    let mut name = [0_u8; 64];
    // SAFETY: an open master; ptsname_r writes at most the length given.
    let failed = unsafe {
        libc::grantpt(fd.as_raw_fd()) != 0
            || libc::unlockpt(fd.as_raw_fd()) != 0
            || libc::ptsname_r(fd.as_raw_fd(), name.as_mut_ptr().cast(), name.len()) != 0
    };
    assert!(!failed, "ptsname_r: {}", std::io::Error::last_os_error());
    let name = name.split(|byte| *byte == 0).next().unwrap();
    (fd, PathBuf::from(String::from_utf8(name.to_vec()).unwrap()))
}
