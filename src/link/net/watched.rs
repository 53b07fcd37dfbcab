//! A master that says by itself what changes.

use std::time::{Duration, Instant};

use crate::ups::RateLimit;

/// So many answers are taken at once, and one more each 100 ms; of more the last alone counts. A master of ours says 20 a second
/// at most, and only while its UPS changes at each moment.
const ANSWERS: RateLimit = RateLimit::new(20, Duration::from_millis(100));

/// The answers of a watched master.
#[derive(Debug)]
pub(super) struct Watched {
    /// The last answer.
    heard: Instant,
    /// The next one has been asked for.
    asked: bool,
    answers: RateLimit,
    /// An answer waits for its turn.
    late: Option<Instant>,
}

impl Watched {
    pub(super) const fn new(now: Instant) -> Self {
        Self { heard: now, asked: false, answers: ANSWERS, late: None }
    }

    /// It has answered.
    pub(super) const fn note_answer(&mut self, now: Instant) {
        (self.heard, self.asked) = (now, false);
    }

    /// A connection begins anew.
    pub(super) const fn begin(&mut self) {
        self.asked = false;
    }

    /// The next answer is asked for.
    pub(super) const fn ask(&mut self) {
        self.asked = true;
    }

    /// Whether an answer that has come is taken now; if not, it waits, and only the last of those that wait counts.
    pub(super) fn takes(&mut self, now: Instant) -> bool {
        let takes = self.answers.take(now);
        if !takes {
            self.late = self.answers.next_at();
        }
        takes
    }

    /// Whether an answer that has waited is due and taken.
    pub(super) fn takes_late(&mut self, now: Instant, is_complete: bool) -> bool {
        self.late.take_if(|at| *at <= now).is_some() && is_complete && self.answers.take(now)
    }

    /// The connection is over; whether an answer has waited.
    pub(super) const fn end(&mut self) -> bool {
        self.late.take().is_some()
    }

    /// When an answer that waits is due.
    pub(super) const fn late(&self) -> Option<Instant> {
        self.late
    }

    /// When to ask, if the answer is wanted at one of these moments, or `every` so often; `None`: not at all, or it has been.
    pub(super) fn ask_at(&self, every: Option<Duration>, command_at: Option<Instant>) -> Option<Instant> {
        let regular = every.map(|every| self.heard + every);
        crate::ups::earliest(&[command_at, regular]).filter(|_| !self.asked)
    }
}
