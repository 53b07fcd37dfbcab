//! What the view knows beside the snapshot: events so far, the course of the values, and what comes next.

use std::collections::VecDeque;
use std::time::Duration;

use crate::link::simulated::{Action, Script};
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
    Hook(String),
}

/// What has happened, oldest first, each with the time since the start.
#[derive(Clone, Debug, Default)]
pub struct RecentEvents {
    kept: VecDeque<(Duration, Happening)>,
}

impl RecentEvents {
    /// Adds one; the oldest goes when there are too many.
    pub fn push(&mut self, at: Duration, happening: Happening) {
        if self.kept.len() == KEPT_EVENTS {
            self.kept.pop_front();
        }
        self.kept.push_back((at, happening));
    }

    /// The last `count`, oldest first.
    pub fn last(&self, count: usize) -> impl Iterator<Item = &(Duration, Happening)> {
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

/// What the script will do next that a person would notice, and in how long.
#[must_use]
pub fn coming_up(script: &Script, elapsed: Duration) -> Option<(Duration, &'static str)> {
    let round = match script.period() {
        Some(period) => Duration::from_secs_f64(elapsed.as_secs_f64() % period.as_secs_f64()),
        None => elapsed,
    };
    let notable = |from: Duration| {
        script
            .steps()
            .iter()
            .filter(move |step| step.at > from)
            .find_map(|step| Some((step.at, words(step.action)?)))
    };
    match notable(round) {
        Some((at, words)) => Some((at - round, words)),
        None => script.period().map(|period| (period - round, "the story begins again")),
    }
}

/// How many times as fast as a real one the battery discharges and charges now; 1: as fast.
#[must_use]
pub fn time_lapse(script: &Script, elapsed: Duration) -> f64 {
    let round = script
        .period()
        .map_or(elapsed, |period| Duration::from_secs_f64(elapsed.as_secs_f64() % period.as_secs_f64()));
    let past = script.steps().iter().filter(|step| step.at <= round);
    let mut factors = past.filter_map(|step| match step.action {
        Action::Lapse(factor) => Some(factor),
        _ => None,
    });
    factors.next_back().unwrap_or(1.0)
}

const fn words(action: Action) -> Option<&'static str> {
    Some(match action {
        Action::Mains(true) => "mains returns",
        Action::Mains(false) => "mains fails",
        Action::Line(_) => "the line voltage changes",
        Action::Answers(false) => "the UPS falls silent",
        Action::Answers(true) => "the UPS answers again",
        Action::Plugged(false) => "the UPS is unplugged",
        Action::Plugged(true) => "the UPS is plugged in",
        Action::SelfTest(..) => "the UPS tests itself",
        Action::Calibration(true) => "the UPS calibrates itself",
        Action::Battery(false) => "the battery is taken out",
        Action::Battery(true) => "the battery is put in",
        Action::Replace(true) => "the battery grows old",
        Action::Replace(false) => "the battery is replaced",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn what_comes_next_skips_unseen_steps_and_goes_round() {
        let script = Script::parse("0 lapse 9\n6 mains off\n8 load 9\n20 mains on\n30 repeat").unwrap();
        assert_eq!(coming_up(&script, seconds(2)), Some((seconds(4), "mains fails")));
        assert_eq!(coming_up(&script, seconds(6)), Some((seconds(14), "mains returns")));
        assert_eq!(coming_up(&script, seconds(25)), Some((seconds(5), "the story begins again")));
        assert_eq!(coming_up(&script, seconds(62)), Some((seconds(4), "mains fails")));
        let once = Script::parse("6 mains off").unwrap();
        assert_eq!(coming_up(&once, seconds(2)), Some((seconds(4), "mains fails")));
        assert_eq!(coming_up(&once, seconds(6)), None);
    }

    #[test]
    fn the_time_lapse_is_that_of_the_last_step() {
        let script = Script::parse("0 lapse 60\n6 mains off\n20 lapse 900\n30 repeat").unwrap();
        for (at, factor) in [(0, 60.0), (19, 60.0), (20, 900.0), (29, 900.0), (31, 60.0)] {
            assert!((time_lapse(&script, seconds(at)) - factor).abs() < 1e-9, "{at}");
        }
        assert!((time_lapse(&Script::default(), seconds(5)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn only_the_latest_events_are_kept() {
        let mut events = RecentEvents::default();
        for number in 0..KEPT_EVENTS as u64 + 5 {
            events.push(seconds(number), Happening::Hook(number.to_string()));
        }
        assert_eq!(events.last(1000).count(), KEPT_EVENTS);
        assert_eq!(events.last(1).next(), Some(&(seconds(104), Happening::Hook("104".to_owned()))));
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
        history.observe(seconds(2), &snapshot);
        assert_eq!(history.charge().collect::<Vec<_>>(), [Some(50.0), Some(50.0), None]);
        assert_eq!(history.line().len(), 3);
    }
}
