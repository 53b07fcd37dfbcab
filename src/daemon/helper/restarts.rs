//! When the next main process is started.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The least and the most time between the end of a main process and the start of the next.
const DELAY_MIN: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(5);
/// So many ends within so long, and the next main process has no server: somebody may bring the end about through it. As many more, and it
/// has no filter.
const DEATHS_MAX: usize = 3;
const DEATHS_WITHIN: Duration = Duration::from_secs(60);

/// The ends of main processes, and what follows from them.
#[derive(Debug)]
pub struct Restarts {
    deaths: VecDeque<Instant>,
    delay: Duration,
    at: Option<Instant>,
    is_due: bool,
}

impl Default for Restarts {
    fn default() -> Self {
        Self { deaths: VecDeque::new(), delay: DELAY_MIN, at: None, is_due: false }
    }
}

impl Restarts {
    /// A main process has ended, this old; the next one is planned. Whether it has happened too often.
    pub fn note_end(&mut self, age: Duration, now: Instant) -> bool {
        if age >= DEATHS_WITHIN {
            self.delay = DELAY_MIN;
        }
        self.deaths.push_back(now);
        while self.deaths.front().is_some_and(|at| now.saturating_duration_since(*at) >= DEATHS_WITHIN) {
            self.deaths.pop_front();
        }
        self.plan(now);
        let too_many = self.deaths.len() >= DEATHS_MAX;
        if too_many {
            // What follows from it is given its chance.
            self.deaths.clear();
        }
        too_many
    }

    /// The next start is planned, each a little later than the one before.
    pub fn plan(&mut self, now: Instant) {
        self.at = Some(now + self.delay);
        self.delay = (self.delay * 2).min(DELAY_MAX);
    }

    /// What is planned is due now.
    pub fn start_now(&mut self, now: Instant) {
        self.at = self.at.map(|at| at.min(now));
    }

    /// Time has passed; true: the next start has just become due.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let is_due = self.at.take_if(|at| *at <= now).is_some();
        self.is_due |= is_due;
        is_due
    }

    /// Whether a main process is to be started now.
    #[must_use]
    pub const fn is_due(&self) -> bool {
        self.is_due
    }

    /// It was tried.
    pub const fn note_start(&mut self) {
        self.is_due = false;
    }

    /// The next deadline.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.at
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "any moment will do")]
mod tests {
    use super::*;

    #[test]
    fn the_next_start_comes_soon_and_after_ends_in_a_row_later_each_time() {
        let mut now = Instant::now();
        let mut restarts = Restarts::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            restarts.note_end(Duration::from_secs(1), now);
            let at = restarts.poll_timeout().unwrap();
            assert!(!restarts.handle_timeout(at.checked_sub(Duration::from_millis(1)).unwrap()));
            assert!(restarts.handle_timeout(at) && restarts.is_due());
            restarts.note_start();
            assert!(!restarts.handle_timeout(at) && !restarts.is_due());
            waits.push((at - now).as_millis());
            now = at;
        }
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        restarts.note_end(DEATHS_WITHIN, now);
        assert_eq!(restarts.poll_timeout(), Some(now + DELAY_MIN), "one that has lived long");
    }

    #[test]
    fn three_ends_within_a_minute_are_too_many() {
        let now = Instant::now();
        let seconds = Duration::from_secs;
        let mut restarts = Restarts::default();
        let ends = [0, 30, 61, 80, 200, 210, 219].map(|at| restarts.note_end(seconds(9), now + seconds(at)));
        assert_eq!(ends, [false, false, false, true, false, false, true]);
    }
}
