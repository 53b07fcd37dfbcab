//! When a UPS counts as lost of which nothing is told, however much else is heard of it.
#![cfg_attr(
    not(all(feature = "usb", feature = "apcsmart", feature = "dumb", feature = "net", feature = "test")),
    allow(unused, reason = "what a driver needs that this build leaves out")
)]

use std::time::{Duration, Instant};

/// So many intervals without a reading are a loss.
const INTERVALS: u32 = 3;
/// A reading that says something new and is to be confirmed gives at least so long for that.
const CONFIRM_TIMEOUT_MIN: Duration = Duration::from_secs(3);
/// Judged so much too late, this program has been stopped: the UPS has not been asked.
const STOPPED_THRESHOLD: Duration = Duration::from_secs(2);

/// Time without a reading. It begins anew with what is told to the power machine, never with what is sent or comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    /// The shortest that is a loss.
    least: Duration,
    /// The last reading, or the beginning.
    told: Instant,
    /// That reading is to be confirmed.
    unsure: bool,
    until: Instant,
    /// It has lasted too long, and nothing has been told since.
    over: bool,
}

impl Silence {
    /// The first reading must be told within `first`, later ones in three intervals, or in `least` if that is longer.
    pub(super) fn new(now: Instant, first: Duration, least: Duration) -> Self {
        Self { least, told: now, unsure: false, until: now + first, over: false }
    }

    /// A reading is told while the UPS is asked every `interval`; `unsure`: another has to confirm it, in the time that was
    /// left without it.
    pub(super) fn told(&mut self, now: Instant, interval: Duration, unsure: bool) {
        (self.told, self.unsure, self.over) = (now, unsure, false);
        let full = now + self.longest(interval);
        self.until = if unsure { self.until.max(now + CONFIRM_TIMEOUT_MIN).min(full) } else { full };
    }

    /// The UPS is asked every `interval` from now on.
    pub(super) fn set_interval(&mut self, now: Instant, interval: Duration) {
        let longest = self.longest(interval);
        if !self.unsure {
            self.until = self.until.max(self.told + longest);
        }
        self.until = self.until.min(now + longest);
    }

    fn longest(&self, interval: Duration) -> Duration {
        interval.saturating_mul(INTERVALS).max(self.least)
    }

    /// The UPS could not be asked until now.
    pub(super) fn pause(&mut self, now: Instant) {
        self.until = self.until.max(now + self.least);
    }

    /// When it has lasted too long.
    pub(super) const fn until(&self) -> Instant {
        self.until
    }

    /// Whether it has lasted too long; to be called at [`Self::until`] at the latest. It stays so until something is told.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        if !self.over && now >= self.until + STOPPED_THRESHOLD {
            self.pause(now);
        }
        self.over |= now >= self.until;
        self.over
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LEAST: Duration = Duration::from_secs(10);

    fn begin() -> (Silence, Instant) {
        let now = Instant::now();
        (Silence::new(now, 20 * SECOND, LEAST), now)
    }

    #[test]
    fn three_intervals_without_a_reading_are_a_loss_but_not_less_than_the_least() {
        let (mut silence, start) = begin();
        assert!(!silence.is_over(start + 19 * SECOND));
        assert!(silence.is_over(start + 20 * SECOND));
        assert!(silence.is_over(start + 60 * SECOND));
        for (interval, lost) in [(1, 10), (5, 15), (60, 180)] {
            silence.told(start, interval * SECOND, false);
            assert!(!silence.is_over(start + (lost - 1) * SECOND));
            assert!(silence.is_over(start + lost * SECOND));
        }
    }

    #[test]
    fn a_reading_that_is_to_be_confirmed_does_not_begin_the_time_anew() {
        let (mut silence, start) = begin();
        silence.told(start, 5 * SECOND, false);
        silence.told(start + 9 * SECOND, SECOND, true);
        assert_eq!(silence.until(), start + 15 * SECOND);
        silence.told(start + 14 * SECOND, SECOND, true);
        assert_eq!(silence.until(), start + 17 * SECOND);
        silence.told(start + 15 * SECOND, SECOND, false);
        assert_eq!(silence.until(), start + 25 * SECOND);
    }

    #[test]
    fn a_program_that_was_stopped_loses_no_ups() {
        let (mut silence, start) = begin();
        assert!(!silence.is_over(start + 60 * SECOND));
        assert!(!silence.is_over(start + 69 * SECOND));
        assert!(silence.is_over(start + 70 * SECOND));
    }

    #[test]
    fn another_interval_counts_at_once() {
        let (mut silence, start) = begin();
        silence.told(start, 60 * SECOND, false);
        silence.set_interval(start + SECOND, SECOND);
        assert_eq!(silence.until(), start + 11 * SECOND);
        silence.set_interval(start + 2 * SECOND, 60 * SECOND);
        assert_eq!(silence.until(), start + 180 * SECOND);
    }
}
