//! Sockets for the jobs of a main process, made before they are needed.
//!
//! The helper makes both ends and sends one. So nothing that the main process has opened comes here: to close a descriptor of somebody
//! else's can take long (a socket that lingers, a serial port that drains).

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::sys::passing::socket_pair;
use crate::wire::helper::FromHelper;

/// So many are ready: for writers, a port, and the names of several masters at once.
pub const SPARES: usize = 12;
/// When one cannot be sent, another try is made after so long.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Our ends of those that were sent.
#[derive(Debug, Default)]
pub struct Spares {
    sent: VecDeque<OwnedFd>,
    retry_at: Option<Instant>,
}

impl Spares {
    /// The one for the next job; `None`: more jobs were asked for than sockets were sent.
    pub fn take(&mut self) -> Option<OwnedFd> {
        self.sent.pop_front()
    }

    /// Sends as many as are missing.
    pub fn fill(&mut self, now: Instant, send: impl Fn(&[u8], BorrowedFd<'_>) -> io::Result<()>) {
        self.retry_at = None;
        while self.sent.len() < SPARES {
            let made = socket_pair().and_then(|(theirs, ours)| {
                // Each end is for who waits differently: a job waits, the main process does not.
                send(&FromHelper::Spare.encode(), theirs.as_fd()).map(|()| ours)
            });
            match made {
                Ok(ours) => self.sent.push_back(ours),
                Err(_) => {
                    self.retry_at = Some(now + RETRY_INTERVAL);
                    return;
                }
            }
        }
    }

    /// When to call [`Spares::fill`] again.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.retry_at
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "any moment will do")]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_was_taken_is_made_up_for_when_the_main_process_takes_it() {
        let now = Instant::now();
        let room = Cell::new(5);
        let send = |_: &[u8], _: BorrowedFd<'_>| {
            if room.get() == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            room.set(room.get() - 1);
            Ok(())
        };
        let mut spares = Spares::default();
        spares.fill(now, send);
        assert_eq!(spares.poll_timeout(), Some(now + RETRY_INTERVAL));
        room.set(100);
        spares.fill(now, send);
        assert_eq!((spares.poll_timeout(), room.get()), (None, 100 - (SPARES - 5)));
        assert_eq!((0..100).filter(|_| spares.take().is_some()).count(), SPARES);
        spares.fill(now, send);
        assert_eq!(room.get(), 100 - (SPARES - 5) - SPARES);
    }
}
