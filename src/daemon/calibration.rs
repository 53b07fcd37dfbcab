//! The end of a calibration, for the log and for who asks: as the UPS tells it, or as it is seen where it does not.

use std::time::{Duration, Instant};

#[cfg(feature = "control")]
use crate::ups::Command;
use crate::ups::{CalibrationResult, StatusFlags};

/// A UPS that runs from its battery for so long after the calibration does so because mains is gone.
const MAINS_BACK: Duration = Duration::from_secs(10);

/// A calibration.
#[derive(Debug, Default)]
pub struct Calibration {
    runs: bool,
    /// Somebody has ordered its end.
    is_stopped: bool,
    /// The UPS does not say any more that it runs, since then.
    over: Option<Instant>,
    #[cfg_attr(not(feature = "control"), allow(dead_code, reason = "nobody asks for it"))]
    seen: Option<&'static str>,
}

impl Calibration {
    /// Takes note of an order that goes to the UPS, or that it has ended; `is_done`: the UPS does it, as far as is known.
    #[cfg(feature = "control")]
    pub fn note_order(&mut self, command: Command, is_done: bool) {
        if command == Command::AbortTest {
            self.is_stopped = is_done && self.runs;
        }
    }

    /// How the last one ended, as it was seen.
    #[cfg(feature = "control")]
    pub const fn seen(&self) -> Option<&'static str> {
        self.seen
    }

    /// Takes note of a reading. How the calibration ended: once, when that is known.
    pub fn note(
        &mut self,
        flags: StatusFlags,
        told: Option<CalibrationResult>,
        now: Instant,
    ) -> Option<String> {
        if flags.contains(StatusFlags::CALIBRATION) {
            *self = Self { runs: true, over: None, seen: None, is_stopped: self.is_stopped };
            return None;
        }
        if !self.runs || told == Some(CalibrationResult::InProgress) {
            return None;
        }
        let over = *self.over.get_or_insert(now);
        let seen = match flags.contains(StatusFlags::ONBATT) {
            _ if self.is_stopped => "stopped by an order",
            true if now.saturating_duration_since(over) < MAINS_BACK => return None,
            true => "stopped: mains is gone",
            false => "by itself; the UPS does not say how",
        };
        *self = Self { seen: Some(seen), ..Self::default() };
        let told = told.filter(|told| *told != CalibrationResult::NotAvailable);
        Some(told.map_or_else(|| seen.to_owned(), CalibrationResult::text))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "any moment will do")]
mod tests {
    use super::*;

    const MAINS: StatusFlags = StatusFlags::ONLINE;
    const BATTERY: StatusFlags = StatusFlags::ONBATT;

    fn begun(now: Instant) -> Calibration {
        let mut calibration = Calibration::default();
        assert_eq!(calibration.note(MAINS, None, now), None);
        assert_eq!(calibration.note(BATTERY | StatusFlags::CALIBRATION, None, now), None);
        calibration
    }

    #[test]
    fn the_end_is_told_once_by_what_is_seen() {
        let now = Instant::now();
        let mut calibration = begun(now);
        assert_eq!(calibration.note(BATTERY, None, now), None);
        let words = "by itself; the UPS does not say how";
        assert_eq!(calibration.note(MAINS, None, now + MAINS_BACK), Some(words.to_owned()));
        assert_eq!(calibration.note(MAINS, None, now + MAINS_BACK), None);
        let mut calibration = begun(now);
        assert_eq!(calibration.note(BATTERY, None, now), None);
        let words = "stopped: mains is gone";
        assert_eq!(calibration.note(BATTERY, None, now + MAINS_BACK), Some(words.to_owned()));
    }

    #[cfg(feature = "control")]
    #[test]
    fn an_order_that_was_refused_has_stopped_nothing() {
        let now = Instant::now();
        for (is_done, words) in
            [(true, "stopped by an order"), (false, "by itself; the UPS does not say how")]
        {
            let mut calibration = begun(now);
            calibration.note_order(Command::AbortTest, true);
            calibration.note_order(Command::AbortTest, is_done);
            calibration.note(MAINS, None, now);
            assert_eq!(calibration.seen(), Some(words));
        }
    }

    #[test]
    fn the_words_of_the_ups_count_more() {
        let now = Instant::now();
        let mut calibration = begun(now);
        assert_eq!(calibration.note(MAINS, Some(CalibrationResult::InProgress), now), None);
        let told = Some(CalibrationResult::Failed(1 << 12));
        assert_eq!(calibration.note(MAINS, told, now), Some("failed: the load has changed".to_owned()));
    }
}
