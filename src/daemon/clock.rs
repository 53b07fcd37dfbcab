//! The loop's clock: real time; for the demonstration, real time that passes faster.

#![allow(clippy::disallowed_methods, reason = "this is the clock that everything else is given the time by")]

use std::time::{Duration, Instant};

/// Tells the loop what time it is and how long to wait.
///
/// Everything below the loop takes time as an argument, so a faster clock here makes a whole outage pass faster,
/// with every delay, limit and debounce of the power machine in proportion.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    speed: f64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::faster(1.0)
    }
}

impl Clock {
    /// A clock that runs `speed` times faster than real time from now on: above 0, up to 1000; anything else counts
    /// as 1.
    #[must_use]
    pub fn faster(speed: f64) -> Self {
        let speed = if speed > 0.0 && speed <= 1000.0 { speed } else { 1.0 };
        Self { origin: Instant::now(), speed }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Instant {
        let real = Instant::now();
        if self.speed == 1.0 {
            real
        } else {
            self.origin + real.saturating_duration_since(self.origin).mul_f64(self.speed)
        }
    }

    /// How long, in real time, to wait from `now` until `deadline`; zero if it has passed.
    #[must_use]
    pub fn wait(&self, now: Instant, deadline: Instant) -> Duration {
        let span = deadline.saturating_duration_since(now);
        if self.speed == 1.0 { span } else { span.div_f64(self.speed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faster_clock_waits_less_and_gets_further() {
        let clock = Clock::faster(100.0);
        let now = clock.now();
        assert_eq!(clock.wait(now, now + Duration::from_secs(5)), Duration::from_millis(50));
        assert_eq!(clock.wait(now + Duration::from_secs(5), now), Duration::ZERO);
        let real = Instant::now();
        while real.elapsed() < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
        assert!(clock.now() - now >= Duration::from_millis(200));
    }

    #[test]
    fn a_senseless_speed_counts_as_real_time() {
        for speed in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            let clock = Clock::faster(speed);
            let now = clock.now();
            assert_eq!(clock.wait(now, now + Duration::from_secs(5)), Duration::from_secs(5), "{speed}");
        }
    }
}
