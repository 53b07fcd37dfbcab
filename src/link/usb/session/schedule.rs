//! When the next poll is due, when the next glance, and how much is read.

use super::*;

/// Time between two glances at the line state of a UPS that has not told it by itself so far: with the read that confirms it,
/// an outage is announced within 5 s. Each glance wakes the process twice, for the request and for the answer; at 3.4 s these
/// and the poll's reads are 45 wake-ups a minute at most (POLLTIME 60).
const MAX_INTERVAL_WITHOUT_ALERTS: Duration = Duration::from_millis(3_400);
/// The same for a UPS that has told it: it may fall mute.
const MAX_INTERVAL_WITH_ALERTS: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) poll_rate: PollRate,
    poll_time: Duration,
    pub(super) next_poll: Instant,
    pub(super) polled_at: Option<Instant>,
    /// The last poll of all that changes; `None`: the next one is.
    read_all_at: Option<Instant>,
    /// The next glance at the line state; `None`: at this poll rate polls are enough, or nothing that can be read tells it.
    pub(super) next_glance: Option<Instant>,
    /// The line state was last read, or a read of it begun.
    pub(super) glanced_at: Instant,
    /// The UPS has told its line state by itself, and reads said the same: it will tell of a change, too.
    pub(super) tells_line: bool,
    /// What the last poll read is to be read again soon.
    pub(super) is_unclear: bool,
    /// So many commands wait for the next poll.
    pub(super) commanded: usize,
    /// An interrupt report shows another state of the self test than was read.
    pub(super) test_hinted: bool,
}

impl Schedule {
    pub(super) const fn new(poll_rate: PollRate, poll_time: Duration, now: Instant) -> Self {
        Self {
            poll_rate,
            poll_time,
            next_poll: now,
            polled_at: None,
            read_all_at: None,
            next_glance: None,
            glanced_at: now,
            tells_line: false,
            is_unclear: false,
            commanded: 0,
            test_hinted: false,
        }
    }

    pub(super) fn set_poll_rate(&mut self, poll_rate: PollRate, poll_time: Duration, now: Instant) {
        (self.poll_rate, self.poll_time) = (poll_rate, poll_time);
        let due = self.polled_at.map_or(now, |at| at + self.interval());
        let sooner = poll_rate == PollRate::Fast || self.is_unclear || self.commanded > 0;
        self.next_poll = if sooner { self.next_poll.min(due) } else { due };
    }

    /// Time between two polls.
    pub(super) fn interval(&self) -> Duration {
        match self.poll_rate {
            PollRate::Fast => FAST_POLL_INTERVAL,
            PollRate::Normal => self.poll_time.max(FAST_POLL_INTERVAL),
        }
    }

    /// When a poll or a glance is due.
    pub(super) fn at(&self) -> Instant {
        self.next_glance.map_or(self.next_poll, |at| at.min(self.next_poll))
    }

    /// The next poll comes no later than so long after the last.
    pub(super) fn poll_no_sooner_than(&mut self, now: Instant, least: Duration) {
        let due = self.polled_at.map_or(now, |at| at + least).max(now);
        self.next_poll = self.next_poll.min(due);
    }

    /// The next poll, whenever it comes, reads all that changes.
    pub(super) fn read_all(&mut self) {
        self.read_all_at = None;
    }

    /// All that changes is read then.
    pub(super) fn read_all_by(&mut self, at: Instant) {
        self.next_poll = at;
        self.read_all();
    }

    /// What begins now, if anything: how deep it reads.
    pub(super) fn begin(&mut self, now: Instant) -> Option<When> {
        if now < self.next_poll {
            self.next_glance.filter(|at| *at <= now)?;
            self.glanced_at = now;
            return Some(When::Line);
        }
        let rest = if self.poll_rate == PollRate::Fast {
            SLOW_VALUE_INTERVAL
        } else {
            self.poll_time.max(SLOW_VALUE_INTERVAL)
        };
        let all = self.read_all_at.is_none_or(|at| now.saturating_duration_since(at) >= rest);
        self.polled_at = Some(now);
        self.glanced_at = now;
        if all {
            self.read_all_at = Some(now);
        }
        Some(if all { When::Volatile } else { When::Urgent })
    }

    /// All was read by now, to learn what there is.
    pub(super) fn learned(&mut self, now: Instant) {
        self.read_all_at = Some(now);
        self.polled_at = Some(now);
    }

    /// Decides when the next glance is due; `readable`: a report that can be read tells the line state.
    pub(super) fn plan_glance(&mut self, readable: bool) {
        let every = if self.tells_line { MAX_INTERVAL_WITH_ALERTS } else { MAX_INTERVAL_WITHOUT_ALERTS };
        self.next_glance = (readable && self.poll_rate == PollRate::Normal).then(|| self.glanced_at + every);
    }
}
