//! What comes next in the story.

use std::time::Duration;

use crate::link::simulated::{Action, Script};

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
}
