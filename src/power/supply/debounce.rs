//! Agreeing samples in a row: the only thing that makes a belief.
//!
//! A sample is what one answer of the UPS said, with the time of that answer. A reading carries copies of older answers; a
//! copy has the time of its sample, so it neither counts nor refutes. Nor does what has no time.

use std::time::{Duration, Instant};

/// Samples closer together than this are one look: a glitch can outlast two transfers.
const SAME_LOOK_WINDOW: Duration = Duration::from_millis(200);

/// What one sample says, and when it was read. `None`: evidence of nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) says: bool,
    pub(super) at: Option<Instant>,
}

impl Sample {
    pub(super) const fn new(says: bool, at: Option<Instant>) -> Self {
        Self { says, at }
    }

    /// The opposite.
    pub(super) const fn not(self) -> Self {
        Self { says: !self.says, at: self.at }
    }

    /// Both statements together: as old as the older of the two. Either of them alone denies it.
    pub(super) fn and(self, other: Self) -> Self {
        let at = match (self.says, other.says) {
            (true, true) => self.at.min(other.at),
            (false, false) => self.at.max(other.at),
            (false, true) => self.at,
            (true, false) => other.at,
        };
        Self { says: self.says && other.says, at }
    }

    /// Evidence only if it was read no earlier than `from`.
    pub(super) fn from(self, from: Instant) -> Self {
        Self { says: self.says, at: self.at.filter(|at| *at >= from) }
    }

    /// Whether it says so, and can be evidence.
    pub(super) const fn shows(self) -> bool {
        self.says && self.at.is_some()
    }
}

/// How many samples in a row have said that something is so, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Debounce {
    /// The latest sample: when it was read, and what it said.
    last: Option<(Instant, bool)>,
    run: Option<Run>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    since: Instant,
    counted: Instant,
    count: u32,
}

impl Debounce {
    /// No sample yet.
    pub(super) const NONE: Self = Self { last: None, run: None };

    /// Takes in what one more sample says; one that disagrees ends the streak. Copies change nothing.
    pub(super) fn note(&mut self, sample: Sample) {
        let Some(at) = sample.at else { return };
        let copy = |(last, said): (Instant, bool)| at < last || (at == last && sample.says == said);
        if self.last.is_some_and(copy) {
            return;
        }
        self.last = Some((at, sample.says));
        self.run = match (sample.says, self.run) {
            (false, _) => None,
            (true, None) => Some(Run { since: at, counted: at, count: 1 }),
            (true, Some(run)) if at.saturating_duration_since(run.counted) < SAME_LOOK_WINDOW => Some(run),
            (true, Some(run)) => Some(Run { counted: at, count: run.count.saturating_add(1), ..run }),
        };
    }

    /// Ends the streak. What it has seen stays seen: a copy of it does not begin another.
    pub(super) const fn end(&mut self) {
        self.run = None;
    }

    /// Since when, if at least `samples` have agreed.
    pub(super) fn since(self, samples: u32) -> Option<Instant> {
        self.run.filter(|run| run.count >= samples.max(1)).map(|run| run.since)
    }

    /// Since when the last sample, alone or with others, says so.
    pub(super) fn first(self) -> Option<Instant> {
        self.since(1)
    }

    /// When the last sample that counts was read.
    pub(super) fn latest(self) -> Option<Instant> {
        self.last.map(|(at, _)| at)
    }
}

/// A fact with two edges: it changes when enough samples in a row contradict it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DebouncedFlag {
    believed: bool,
    contrary: Debounce,
}

impl DebouncedFlag {
    /// A fact believed from the start.
    pub(super) const fn new(believed: bool) -> Self {
        Self { believed, contrary: Debounce::NONE }
    }

    /// Takes in what one more sample says; true if the belief changed.
    pub(super) fn note(&mut self, sample: Sample, samples: u32) -> bool {
        self.contrary.note(Sample { says: sample.says != self.believed, at: sample.at });
        let changed = self.contrary.since(samples).is_some();
        if changed {
            self.believed = sample.says;
            self.contrary = Debounce { last: sample.at.map(|at| (at, false)), run: None };
        }
        changed
    }

    /// What is believed.
    pub(super) const fn believed(self) -> bool {
        self.believed
    }

    /// Whether a sample contradicts the belief and waits for another that agrees with it.
    pub(super) fn in_doubt(self) -> bool {
        self.contrary.first().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods)] // any moment will do; there is no other way to have one
    fn moments() -> impl Fn(u64) -> Option<Instant> {
        let start = Instant::now();
        move |milliseconds| Some(start + Duration::from_millis(milliseconds))
    }

    fn yes(at: Option<Instant>) -> Sample {
        Sample::new(true, at)
    }

    fn no(at: Option<Instant>) -> Sample {
        Sample::new(false, at)
    }

    #[test]
    fn a_copy_agrees_with_nothing_and_refutes_nothing() {
        let at = moments();
        let mut streak = Debounce::NONE;
        for _ in 0..5 {
            streak.note(yes(at(0)));
        }
        assert_eq!((streak.since(1), streak.since(2)), (at(0), None));
        streak.note(yes(at(1000)));
        // Out of order: what was read before says nothing any more.
        streak.note(no(at(500)));
        assert_eq!(streak.since(2), at(0));
        streak.note(no(at(1000)));
        assert_eq!(streak.since(1), None, "another answer in the same instant");
        streak.note(yes(at(999)));
        assert_eq!(streak.since(1), None);
    }

    #[test]
    fn what_has_no_time_is_evidence_of_nothing() {
        let at = moments();
        let mut streak = Debounce::NONE;
        streak.note(yes(None));
        assert_eq!(streak.since(1), None);
        streak.note(yes(at(0)));
        streak.note(no(None));
        assert_eq!(streak.since(1), at(0));
    }

    #[test]
    fn samples_a_moment_apart_are_one_look() {
        let at = moments();
        let mut streak = Debounce::NONE;
        for millisecond in [0, 50, 199] {
            streak.note(yes(at(millisecond)));
        }
        assert_eq!(streak.since(2), None);
        streak.note(yes(at(200)));
        assert_eq!(streak.since(2), at(0));
    }

    #[test]
    fn a_streak_that_was_ended_does_not_begin_again_with_a_copy() {
        let at = moments();
        let mut streak = Debounce::NONE;
        streak.note(yes(at(0)));
        streak.end();
        streak.note(yes(at(0)));
        assert_eq!(streak.since(1), None);
    }

    #[test]
    fn two_statements_together_are_as_old_as_the_older_and_either_denies_both() {
        let at = moments();
        assert_eq!(yes(at(3)).and(yes(at(5))), yes(at(3)));
        assert_eq!(yes(at(3)).and(no(at(5))), no(at(5)));
        assert_eq!(no(at(3)).and(yes(at(5))), no(at(3)));
        assert_eq!(no(at(3)).and(no(at(5))), no(at(5)));
        assert_eq!(yes(None).and(yes(at(5))), yes(None), "without a time it is no evidence");
        assert_eq!(no(None).and(yes(at(5))), no(None));
    }

    #[test]
    fn a_fact_does_not_change_back_by_a_copy_from_before() {
        let at = moments();
        let mut fact = DebouncedFlag::new(true);
        assert!(!fact.note(yes(at(0)), 2));
        assert!(!fact.note(no(at(1000)), 2));
        assert!(fact.note(no(at(2000)), 2));
        for _ in 0..3 {
            assert!(!fact.note(yes(at(0)), 2));
        }
        assert!(!fact.believed() && !fact.in_doubt());
    }
}
