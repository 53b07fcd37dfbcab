//! Waits for descriptors.
//!
//! Not by `rustix::event::poll`: for musl on 32-bit ARM and MIPS that gives the C library a time of 64 bits where it reads one of 32 (rustix
//! 1.1), so that a minute is 60 ns with the highest byte first, and half a second nothing with the lowest.
#![allow(unsafe_code)]

use std::io;
use std::time::Duration;

use rustix::event::PollFd;

/// Waits until one of them is ready, so long at most, in whole milliseconds and rounded up; how many are ready.
///
/// # Errors
/// [`io::ErrorKind::Interrupted`]: a signal has come.
pub(super) fn poll(fds: &mut [PollFd<'_>], at_most: Duration) -> io::Result<usize> {
    let count = fds.len().try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
    let milliseconds = at_most.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(libc::c_int::MAX);
    // SAFETY: `PollFd` is laid out as a `pollfd` (`repr(transparent)`); so many of them outlive the call, with their descriptors.
    let ready = unsafe { libc::poll(fds.as_mut_ptr().cast::<libc::pollfd>(), count, milliseconds) };
    usize::try_from(ready).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "how long a wait takes is measured")]
mod tests {
    use super::*;
    use rustix::event::PollFlags;
    use std::time::Instant;

    #[test]
    fn a_wait_for_nothing_takes_as_long_as_it_may() {
        let (reader, _writer) = crate::sys::fs::pipe().unwrap();
        for at_most in [Duration::from_micros(20_500), Duration::from_millis(1005)] {
            let began = Instant::now();
            assert_eq!(poll(&mut [PollFd::new(&reader, PollFlags::IN)], at_most).unwrap(), 0);
            assert!(began.elapsed() >= at_most, "{:?} of {at_most:?}", began.elapsed());
        }
    }

    #[test]
    fn what_is_ready_is_told_at_once() {
        let (reader, writer) = crate::sys::fs::pipe().unwrap();
        let mut both = [PollFd::new(&reader, PollFlags::IN), PollFd::new(&writer, PollFlags::OUT)];
        assert_eq!(poll(&mut both, Duration::from_secs(1000)).unwrap(), 1);
        assert_eq!(both.map(|one| one.revents()), [PollFlags::empty(), PollFlags::OUT]);
        let mut one = [PollFd::new(&reader, PollFlags::IN)];
        assert_eq!(poll(&mut one, Duration::ZERO).unwrap(), 0);
    }
}
