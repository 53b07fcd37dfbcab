//! Agreeing readings in a row: the only thing that makes a belief.

use std::time::{Duration, Instant};

/// Readings closer together than this are one look: a glitch can outlast two transfers.
const APART: Duration = Duration::from_millis(200);

/// How many readings in a row have said that something is so, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Streak(Option<Run>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    since: Instant,
    counted: Instant,
    count: u32,
}

impl Streak {
    /// No reading yet.
    pub(super) const NONE: Self = Self(None);

    /// Takes in what one more reading says; one that disagrees ends the streak.
    pub(super) fn note(&mut self, says: bool, now: Instant) {
        self.0 = match (says, self.0) {
            (false, _) => None,
            (true, None) => Some(Run { since: now, counted: now, count: 1 }),
            (true, Some(run)) if now.saturating_duration_since(run.counted) < APART => Some(run),
            (true, Some(run)) => Some(Run { counted: now, count: run.count.saturating_add(1), ..run }),
        };
    }

    /// Since when, if at least `readings` have agreed.
    pub(super) fn since(self, readings: u32) -> Option<Instant> {
        self.0.filter(|run| run.count >= readings.max(1)).map(|run| run.since)
    }

    /// Since when the last reading, alone or with others, says so.
    pub(super) fn first(self) -> Option<Instant> {
        self.since(1)
    }
}

/// A fact with two edges: it changes when enough readings in a row contradict it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fact {
    believed: bool,
    contrary: Streak,
}

impl Fact {
    /// A fact believed from the start.
    pub(super) const fn new(believed: bool) -> Self {
        Self { believed, contrary: Streak(None) }
    }

    /// Takes in what one more reading says; true if the belief changed.
    pub(super) fn note(&mut self, says: bool, now: Instant, readings: u32) -> bool {
        self.contrary.note(says != self.believed, now);
        let changed = self.contrary.since(readings).is_some();
        if changed {
            *self = Self::new(says);
        }
        changed
    }

    /// What is believed.
    pub(super) const fn believed(self) -> bool {
        self.believed
    }

    /// Whether a reading contradicts the belief and waits for another that agrees with it.
    pub(super) fn in_doubt(self) -> bool {
        self.contrary.first().is_some()
    }
}
