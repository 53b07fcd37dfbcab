//! A child that somebody has stopped (SIGSTOP), as its parent is told by the kernel: for how long it may be.

use std::time::{Duration, Instant};

/// A child may be stopped for so long: who stops and continues the whole daemon does so with one process after the other.
const STOPPED_MAX: Duration = Duration::from_secs(1);
/// A look so long after it was due means that this process was stopped too, and the child goes on in a moment, most likely.
const STALL_THRESHOLD: Duration = Duration::from_secs(1);

/// Since when a child is stopped.
#[derive(Debug, Default)]
pub struct Stopped {
    since: Option<Instant>,
}

impl Stopped {
    /// Takes whether it is stopped now. True: it has been for too long.
    pub fn update(&mut self, is_stopped: bool, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let late = now.checked_duration_since(since + STOPPED_MAX);
        if !is_stopped {
            self.since = None;
        } else if late.is_some() {
            self.since = Some(now);
        }
        is_stopped && late.is_some_and(|late| late < STALL_THRESHOLD)
    }

    /// When to look again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.since.map(|since| since + STOPPED_MAX)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "any moment will do")]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn one_that_is_continued_within_a_second_is_not_stopped_for_too_long() {
        let now = Instant::now();
        let mut stopped = Stopped::default();
        assert!(!stopped.update(false, now));
        assert_eq!(stopped.poll_timeout(), None, "nothing wakes for one that runs");
        assert!(!stopped.update(true, now));
        assert!(!stopped.update(true, now + seconds(0.9)));
        assert!(!stopped.update(false, now + seconds(1.1)));
        assert!(!stopped.update(true, now + seconds(1.2)), "the next stop counts from its own beginning");
        assert_eq!(stopped.poll_timeout(), Some(now + seconds(2.2)));
        assert!(stopped.update(true, now + seconds(2.2)));
    }

    #[test]
    fn a_look_that_comes_late_gives_it_the_time_again() {
        let now = Instant::now();
        let mut stopped = Stopped::default();
        assert!(!stopped.update(true, now));
        assert!(!stopped.update(true, now + seconds(14.0)));
        assert!(!stopped.update(true, now + seconds(14.9)));
        assert!(stopped.update(true, now + seconds(15.0)));
    }
}
