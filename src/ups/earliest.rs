//! Which of several things is due first.

use std::time::Instant;

/// The earliest of these times; `None`: there is none. One function, because as an iterator it would be one of its own for each number
/// of times.
#[must_use]
pub fn earliest(times: &[Option<Instant>]) -> Option<Instant> {
    times.iter().copied().flatten().min()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_not_due_at_all_is_not_the_earliest() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        assert_eq!(earliest(&[None, Some(later), Some(now), None]), Some(now));
        assert_eq!(earliest(&[None, None]), None);
        assert_eq!(earliest(&[]), None);
    }
}
