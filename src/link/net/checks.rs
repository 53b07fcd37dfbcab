//! When a master is checked.

use std::time::{Duration, Instant};

use crate::ups::PollRate;

/// Between checks on battery (nis §9.1).
pub(super) const FAST_CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Between checks while the master does not answer, on mains (nis §9.1).
const LOST_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// The intervals of the checks, and the next one.
#[derive(Debug)]
pub(super) struct Checks {
    pub(super) poll_time: Duration,
    pub(super) poll_rate: PollRate,
    /// When the last check began.
    began: Option<Instant>,
    /// When the next one is due.
    pub(super) next_at: Instant,
}

impl Checks {
    /// The first is due at `now`.
    pub(super) const fn new(poll_time: Duration, now: Instant) -> Self {
        Self { poll_time, poll_rate: PollRate::Normal, began: None, next_at: now }
    }

    pub(super) fn is_fast(&self) -> bool {
        self.poll_rate == PollRate::Fast
    }

    /// One begins.
    pub(super) const fn begin(&mut self, now: Instant) {
        self.began = Some(now);
    }

    /// Between two checks; `lost`: the master does not answer.
    pub(super) fn interval(&self, lost: bool) -> Duration {
        let interval = match (lost, self.poll_rate) {
            (_, PollRate::Fast) => FAST_CHECK_INTERVAL,
            (true, PollRate::Normal) => LOST_CHECK_INTERVAL,
            (false, PollRate::Normal) => self.poll_time,
        };
        interval.min(self.poll_time)
    }

    /// An interval after the last one began.
    pub(super) fn due(&self, now: Instant, lost: bool) -> Instant {
        (self.began.unwrap_or(now) + self.interval(lost)).max(now)
    }

    /// The connection has ended: the next is soon, but not sooner than on battery.
    pub(super) fn begin_again_soon(&mut self, now: Instant) {
        self.next_at = self.began.map_or(now, |began| now.max(began + FAST_CHECK_INTERVAL));
    }
}
