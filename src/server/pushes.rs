//! When those who watch are told.

use std::time::Instant;

use super::protocol::Timeouts;

/// How many watch, and when they are to hear from us.
#[derive(Debug)]
pub(super) struct Pushes {
    timeouts: Timeouts,
    watchers: usize,
    /// The next one is due.
    at: Option<Instant>,
    /// The last one.
    last: Option<Instant>,
}

impl Pushes {
    pub const fn new(timeouts: Timeouts) -> Self {
        Self { timeouts, watchers: 0, at: None, last: None }
    }

    /// One has begun or ended to watch.
    pub fn count(&mut self, watched: bool, watches: bool, now: Instant) {
        match (watched, watches) {
            (false, true) => {
                self.watchers += 1;
                self.at.get_or_insert(now + self.timeouts.push_again);
            }
            (true, false) => {
                self.watchers = self.watchers.saturating_sub(1);
                if self.watchers == 0 {
                    self.at = None;
                }
            }
            (false, false) | (true, true) => {}
        }
    }

    /// Whether there is something to push; if it comes too soon after the last, it is put off.
    pub fn begin(&mut self, now: Instant) -> bool {
        self.at = None;
        if self.watchers == 0 {
            return false;
        }
        let next = self.last.and_then(|at| at.checked_add(self.timeouts.push_apart));
        if let Some(next) = next.filter(|next| *next > now) {
            self.at = Some(next);
            return false;
        }
        self.last = Some(now);
        self.at = Some(now + self.timeouts.push_again);
        true
    }

    /// When the next push is due.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.at
    }

    /// Nobody is connected.
    pub fn clear(&mut self) {
        self.watchers = 0;
        self.at = None;
    }
}
