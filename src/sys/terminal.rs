//! The terminal that a person looks at: its size, and silence on what they type.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetwinsize, tcsetattr,
};

use super::fs::readable_now;
use super::wait::poll;

/// Columns and rows of the terminal behind `fd`; `None` if it is none or does not know.
#[must_use]
pub fn size(fd: BorrowedFd<'_>) -> Option<(u16, u16)> {
    let size = tcgetwinsize(fd).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// What Ctrl-D types: the end of input.
pub const END: u8 = 4;

/// Reads what is typed within this time; `None`: nothing. 0 bytes are the end of input.
///
/// # Errors
///
/// What the system says; [`io::ErrorKind::Interrupted`]: a signal has come.
pub fn read_within(fd: BorrowedFd<'_>, buffer: &mut [u8], wait: Duration) -> io::Result<Option<usize>> {
    let ready = poll(&mut [PollFd::new(&fd, PollFlags::IN)], wait)?;
    Ok(if ready == 0 { None } else { Some(rustix::io::read(fd, buffer)?) })
}

/// A terminal that does not echo what is typed, until this is dropped. Ctrl-C keeps its meaning.
#[derive(Debug)]
pub struct Unechoed {
    fd: OwnedFd,
    before: Termios,
}

impl Unechoed {
    /// Silences the terminal behind `fd`; `None` if it is none.
    #[must_use]
    pub fn new(fd: BorrowedFd<'_>) -> Option<Self> {
        let fd = fd.try_clone_to_owned().ok()?;
        let before = tcgetattr(&fd).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
        tcsetattr(&fd, OptionalActions::Now, &silent).ok()?;
        Some(Self { fd, before })
    }

    /// The next byte that was typed, [`END`] where the terminal is gone; `None` if there is none now.
    #[must_use]
    pub fn typed(&self) -> Option<u8> {
        if !readable_now(&self.fd) {
            return None;
        }
        let mut byte = [0];
        match rustix::io::read(&self.fd, &mut byte) {
            Ok(1) => byte.first().copied(),
            _ => Some(END),
        }
    }
}

impl Drop for Unechoed {
    fn drop(&mut self) {
        // What was typed unseen must not run as a command afterwards.
        let _ = tcflush(&self.fd, QueueSelector::IFlush);
        let _ = tcsetattr(&self.fd, OptionalActions::Now, &self.before);
    }
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
