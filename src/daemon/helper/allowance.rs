//! How many hooks a main process may ask for: it may be somebody else's.

use std::time::{Duration, Instant};

/// So many at once, and one more for each interval: more than any UPS can bring about.
pub const HOOKS_AT_ONCE: u32 = 64;
const HOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What is left of it.
#[derive(Debug)]
pub struct Allowance {
    left: u32,
    counted_at: Instant,
}

impl Allowance {
    /// All of it.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { left: HOOKS_AT_ONCE, counted_at: now }
    }

    /// Takes one; false: none is left.
    pub fn take(&mut self, now: Instant) -> bool {
        let whole = now.saturating_duration_since(self.counted_at).as_secs() / HOOK_INTERVAL.as_secs();
        if whole > 0 {
            let more = u32::try_from(whole).unwrap_or(HOOKS_AT_ONCE);
            self.left = self.left.saturating_add(more).min(HOOKS_AT_ONCE);
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
        let mut allowance = Allowance::new(now);
        let taken = |allowance: &mut Allowance, at: Instant| (0..1000).filter(|_| allowance.take(at)).count();
        assert_eq!(taken(&mut allowance, now), 64);
        assert_eq!(taken(&mut allowance, now + Duration::from_millis(999)), 0);
        assert_eq!(taken(&mut allowance, now + Duration::from_secs(3)), 3);
        assert_eq!(taken(&mut allowance, now + Duration::from_secs(3000)), 64);
    }
}
