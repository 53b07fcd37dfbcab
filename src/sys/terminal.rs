//! The terminal that a person looks at: its size, and silence on what they type.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// Columns and rows of the terminal behind `fd`; `None` if it is none or does not know.
#[must_use]
pub fn size(fd: BorrowedFd<'_>) -> Option<(u16, u16)> {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: TIOCGWINSZ writes one winsize through the pointer, which is valid for that; winsize is plain numbers,
    // so the zeroed value is initialised whatever the call does.
    let (result, size) =
        unsafe { (libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, size.as_mut_ptr()), size.assume_init()) };
    (result == 0 && size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// A terminal that does not echo what is typed, until this is dropped. Ctrl-C keeps its meaning.
#[derive(Debug)]
pub struct Unechoed {
    fd: OwnedFd,
    before: libc::termios,
}

impl Unechoed {
    /// Silences the terminal behind `fd`; `None` if it is none.
    #[must_use]
    pub fn new(fd: BorrowedFd<'_>) -> Option<Self> {
        let fd = fd.try_clone_to_owned().ok()?;
        let mut before = MaybeUninit::<libc::termios>::zeroed();
        // SAFETY: tcgetattr writes one termios through the pointer, which is valid for that; termios is plain numbers,
        // so the zeroed value is initialised whatever the call does.
        let (result, before) =
            unsafe { (libc::tcgetattr(fd.as_raw_fd(), before.as_mut_ptr()), before.assume_init()) };
        if result != 0 {
            return None;
        }
        let mut silent = before;
        silent.c_lflag &= !(libc::ECHO | libc::ICANON);
        set(&fd, &silent).then_some(Self { fd, before })
    }

    /// The next byte that was typed; `None` if there is none now.
    #[must_use]
    pub fn typed(&self) -> Option<u8> {
        let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid `pollfd`; a time-out of zero returns at once.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
        if ready != 1 || poll.revents & libc::POLLIN == 0 {
            return None;
        }
        let mut byte = 0u8;
        // SAFETY: the kernel writes at most one byte, for which there is room; the descriptor is open, being owned.
        let read = unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut byte).cast(), 1) };
        (read == 1).then_some(byte)
    }
}

impl Drop for Unechoed {
    fn drop(&mut self) {
        // What was typed unseen must not run as a command afterwards.
        // SAFETY: takes no pointer; the descriptor is open, being owned.
        unsafe { libc::tcflush(self.fd.as_raw_fd(), libc::TCIFLUSH) };
        set(&self.fd, &self.before);
    }
}

fn set(fd: &OwnedFd, attributes: &libc::termios) -> bool {
    // SAFETY: tcsetattr reads one termios through the pointer, which is valid for that.
    unsafe { libc::tcsetattr(fd.as_raw_fd(), libc::TCSANOW, attributes) == 0 }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_file_is_no_terminal() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(size(file.as_fd()), None);
        assert!(Unechoed::new(file.as_fd()).is_none());
    }
}
