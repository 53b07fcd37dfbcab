//! A bound on what somebody else can cause.

use std::time::{Duration, Instant};

/// So many at once, and one more each so often: the first are never held up, and the rate of all is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    most: u32,
    each: Duration,
    left: u32,
    /// What came back by then has been counted; `None`: nothing has been taken yet.
    counted: Option<Instant>,
}

impl RateLimit {
    /// `most` at once, and one more every `each`, which is not zero.
    #[must_use]
    pub const fn new(most: u32, each: Duration) -> Self {
        Self { most, each, left: most, counted: None }
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        self.take_all(1, now)
    }

    /// Takes so many, if all of them are there.
    pub fn take_all(&mut self, wanted: u32, now: Instant) -> bool {
        self.refill(now);
        let there = self.left >= wanted;
        if there {
            self.left -= wanted;
        }
        there
    }

    /// Whether there is one to take.
    pub fn is_there(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.left > 0
    }

    /// Takes so many, or all that are left; gives how many.
    pub fn take_up_to(&mut self, wanted: u32, now: Instant) -> u32 {
        self.refill(now);
        let taken = wanted.min(self.left);
        self.left -= taken;
        taken
    }

    /// When the next one can be taken, perhaps in the past; `None`: one was left at the last look.
    #[must_use]
    pub fn next_at(&self) -> Option<Instant> {
        if self.left > 0 { None } else { self.counted?.checked_add(self.each) }
    }

    /// Whether as many can be taken as ever.
    #[must_use]
    pub fn is_full(&self, now: Instant) -> bool {
        let mut then = *self;
        then.refill(now);
        then.left == self.most
    }

    fn refill(&mut self, now: Instant) {
        let counted = *self.counted.get_or_insert(now);
        let span = now.saturating_duration_since(counted);
        let back = span.as_nanos() / self.each.as_nanos().max(1);
        let missing = self.most - self.left;
        match u32::try_from(back).ok().filter(|back| *back < missing) {
            Some(back) => {
                self.left += back;
                self.counted = counted.checked_add(self.each * back);
            }
            None => {
                self.left = self.most;
                self.counted = Some(now.max(counted));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn start() -> Instant {
        #[allow(clippy::disallowed_methods, reason = "any moment will do; there is no other way to have one")]
        Instant::now()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_come_at_once_and_later_ones_at_their_rate() {
        let start = start();
        let mut rate_limit = RateLimit::new(3, SECOND * 10);
        let taken =
            (0..100u32).filter(|second| rate_limit.take(start + SECOND * *second)).collect::<Vec<_>>();
        assert_eq!(taken, [0, 1, 2, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
        assert_eq!(rate_limit.next_at(), Some(start + SECOND * 100));
        assert!(!rate_limit.is_full(start + SECOND * 119) && rate_limit.is_full(start + SECOND * 120));
        assert_eq!(rate_limit.take_up_to(9, start + SECOND * 1000), 3);
    }

    proptest! {
        #[test]
        fn no_span_holds_more_than_its_share(steps in prop::collection::vec(0u64..5_000, 1..300)) {
            let mut now = start();
            let mut rate_limit = RateLimit::new(4, SECOND);
            let mut taken: Vec<Instant> = Vec::new();
            for step in steps {
                now += Duration::from_millis(step);
                if rate_limit.take(now) {
                    taken.push(now);
                } else {
                    prop_assert!(rate_limit.next_at().is_some_and(|at| at > now && at <= now + SECOND));
                }
            }
            for (first, at) in taken.iter().enumerate() {
                let within = taken[first..].iter().filter(|other| **other - *at < SECOND * 10).count();
                prop_assert!(within <= 14, "{within} in 10 s");
            }
        }
    }
}
