//! When a card is asked.

use std::time::{Duration, Instant};

use crate::ups::PollRate;

/// So often the status of the output is asked for on battery, and while something is in doubt.
pub(super) const STATUS_FAST: Duration = Duration::from_secs(1);
/// The same on mains.
const STATUS_SLOW: Duration = Duration::from_secs(5);

/// When to ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) poll_time: Duration,
    pub(super) poll_rate: PollRate,
    pub(super) status_at: Instant,
    pub(super) poll_at: Instant,
}

impl Schedule {
    /// From one round to the next.
    pub(super) fn interval(&self) -> Duration {
        match self.poll_rate {
            PollRate::Fast => STATUS_FAST,
            PollRate::Normal => self.poll_time,
        }
    }

    /// From one look at the status of the output to the next.
    pub(super) fn status_interval(&self) -> Duration {
        match self.poll_rate {
            PollRate::Fast => STATUS_FAST,
            PollRate::Normal => STATUS_SLOW.min(self.poll_time.max(STATUS_FAST)),
        }
    }
}
