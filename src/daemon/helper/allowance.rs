//! How much a main process may ask for: it may be somebody else's.

use std::time::{Duration, Instant};

/// So many at once, and one more for each interval.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// At once.
    pub at_once: u32,
    /// The interval.
    pub interval: Duration,
}

/// Of hooks: more than any UPS can bring about.
pub const HOOKS: Rate = Rate { at_once: 64, interval: Duration::from_secs(1) };
/// Of jobs: more than a search among many devices needs.
pub const JOBS: Rate = Rate { at_once: 128, interval: Duration::from_millis(200) };

/// What is left of it.
#[derive(Debug)]
pub struct Allowance {
    rate: Rate,
    left: u32,
    counted_at: Instant,
}

impl Allowance {
    /// All of it.
    #[must_use]
    pub const fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, left: rate.at_once, counted_at: now }
    }

    /// Takes one; false: none is left.
    pub fn take(&mut self, now: Instant) -> bool {
        let Rate { at_once, interval } = self.rate;
        let whole = now.saturating_duration_since(self.counted_at).as_millis() / interval.as_millis().max(1);
        if whole > 0 {
            let more = u32::try_from(whole).unwrap_or(at_once);
            self.left = self.left.saturating_add(more).min(at_once);
            self.counted_at = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "any moment will do")]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_what_there_is_and_then_one_a_second() {
        let now = Instant::now();
        let mut allowance = Allowance::new(HOOKS, now);
        let taken = |allowance: &mut Allowance, at: Instant| (0..1000).filter(|_| allowance.take(at)).count();
        assert_eq!(taken(&mut allowance, now), 64);
        assert_eq!(taken(&mut allowance, now + Duration::from_millis(999)), 0);
        assert_eq!(taken(&mut allowance, now + Duration::from_secs(3)), 3);
        assert_eq!(taken(&mut allowance, now + Duration::from_secs(3000)), 64);
    }
}
