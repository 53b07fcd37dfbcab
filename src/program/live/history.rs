//! What the view knows beside the snapshot: events so far, and the course of the values.

use std::collections::VecDeque;
use std::time::Duration;

use crate::report::Snapshot;
use crate::ups::{Priority, StatusFlags};

/// Events and hooks that are kept: more than any window shows.
const KEPT_EVENTS: usize = 100;
/// Samples that are kept, one each [`SAMPLE_INTERVAL`].
const KEPT_SAMPLES: usize = 120;
/// Time from one sample to the next.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A log line, with its priority.
    Event(Priority, String),
    /// A hook was started with these arguments.
    #[cfg_attr(not(feature = "test"), expect(dead_code, reason = "only the demonstration sees hooks"))]
    Hook(String),
}

/// What has happened, oldest first, each with its time as it is shown.
#[derive(Clone, Debug, Default)]
pub struct RecentEvents {
    kept: VecDeque<(String, Happening)>,
}

impl RecentEvents {
    /// Adds one; the oldest goes when there are too many.
    pub fn push(&mut self, at: String, happening: Happening) {
        if self.kept.len() == KEPT_EVENTS {
            self.kept.pop_front();
        }
        self.kept.push_back((at, happening));
    }

    /// The last `count`, oldest first.
    pub fn last(&self, count: usize) -> impl Iterator<Item = &(String, Happening)> {
        self.kept.iter().skip(self.kept.len().saturating_sub(count))
    }
}

/// The course of charge and line voltage; `None`: no contact.
#[derive(Clone, Debug, Default)]
pub struct History {
    samples: VecDeque<Option<(f64, f64)>>,
    next: Duration,
}

impl History {
    /// Takes a sample if one is due.
    pub fn observe(&mut self, at: Duration, snapshot: &Snapshot) {
        if at < self.next {
            return;
        }
        self.next = at + SAMPLE_INTERVAL;
        if self.samples.len() == KEPT_SAMPLES {
            self.samples.pop_front();
        }
        let values = &snapshot.values;
        let lost = snapshot.flags.contains(StatusFlags::COMMLOST);
        let sample = values.battery_charge.zip(values.line_voltage).filter(|_| !lost);
        self.samples.push_back(sample.map(|(charge, line)| (charge.0, line.0)));
    }

    /// Charge in per cent, oldest first.
    pub fn charge(&self) -> impl ExactSizeIterator<Item = Option<f64>> {
        self.samples.iter().map(|sample| sample.map(|(charge, _)| charge))
    }

    /// Line voltage, oldest first.
    pub fn line(&self) -> impl ExactSizeIterator<Item = Option<f64>> {
        self.samples.iter().map(|sample| sample.map(|(_, line)| line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_events_are_kept() {
        let mut events = RecentEvents::default();
        for number in 0..KEPT_EVENTS as u64 + 5 {
            events.push(number.to_string(), Happening::Hook(number.to_string()));
        }
        assert_eq!(events.last(1000).count(), KEPT_EVENTS);
        assert_eq!(events.last(1).next(), Some(&("104".to_owned(), Happening::Hook("104".to_owned()))));
    }

    #[test]
    fn a_sample_is_taken_every_second_and_lost_contact_is_a_gap() {
        let mut history = History::default();
        let mut snapshot = Snapshot::default();
        snapshot.values.battery_charge = Some(crate::ups::Percent(50.0));
        snapshot.values.line_voltage = Some(crate::ups::Volts(230.0));
        for tenth in 0..20 {
            history.observe(Duration::from_millis(100 * tenth), &snapshot);
        }
        snapshot.flags.set(StatusFlags::COMMLOST, true);
        history.observe(Duration::from_secs(2), &snapshot);
        assert_eq!(history.charge().collect::<Vec<_>>(), [Some(50.0), Some(50.0), None]);
        assert_eq!(history.line().len(), 3);
    }
}
