//! Options of `mainsd demo`.

use std::ffi::OsString;

use lexopt::prelude::*;

use crate::link::simulated::Scenario;
use crate::program::mistake;
use crate::wire::decimal::decimal;

/// The long options.
const OPTIONS: [&str; 4] = ["scenario", "speed", "plain", "help"];

/// What the command line asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Show the demonstration.
    Run(Options),
    /// `--help`.
    Help,
}

/// Options of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The story.
    pub scenario: Scenario,
    /// How much faster than real time everything passes, 0.1 to 60.
    pub speed: f64,
    /// Lines instead of the live view.
    pub plain: bool,
}

/// Parses the arguments after `demo`.
///
/// # Errors
/// One line for a person.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Action, String> {
    let mut options = Options { scenario: Scenario::Outage, speed: 1.0, plain: false };
    let mut parser = lexopt::Parser::from_args(args);
    let wrong = |error: lexopt::Error| mistake::words(&error, &OPTIONS);
    while let Some(arg) = parser.next().map_err(wrong)? {
        match arg {
            Long("speed") => {
                let value = parser.value().map_err(wrong)?;
                options.speed = value
                    .to_str()
                    .and_then(decimal)
                    .filter(|speed| (0.1..=60.0).contains(speed))
                    .ok_or_else(|| {
                        format!("--speed takes a number from 0.1 to 60, not '{}'", value.to_string_lossy())
                    })?;
            }
            Long("scenario") => {
                let value = parser.value().map_err(wrong)?;
                options.scenario = value.to_str().and_then(Scenario::named).ok_or_else(|| {
                    let names: Vec<&str> = Scenario::ALL.iter().map(|(_, name, _)| *name).collect();
                    let words = mistake::no_such("scenario", &value.to_string_lossy(), names.iter().copied());
                    format!("{words}; there are {}", names.join(", "))
                })?;
            }
            Long("plain") => options.plain = true,
            Short('h') | Long("help") => return Ok(Action::Help),
            other => return Err(wrong(other.unexpected())),
        }
    }
    Ok(Action::Run(options))
}

/// The help text.
#[must_use]
pub fn usage() -> String {
    let mut text = String::from(
        "usage: mainsd demo [--scenario NAME] [--speed N] [--plain]\n\
         Watches a simulated UPS through a power failure, with the daemon itself: same loop, same decisions, same port.\n\
         Hooks only print; nothing outside a temporary folder is touched. q or Ctrl-C ends it.\n\
         \n\
         \x20 --scenario NAME  the story:\n",
    );
    for (scenario, name, words) in Scenario::ALL {
        let default = if scenario == Scenario::Outage { " (the default)" } else { "" };
        text.push_str(&format!("                     {name:<12} {words}{default}\n"));
    }
    text.push_str(
        "\x20 --speed N        N times faster than real time, delays and limits included (0.1 to 60; 1)\n\
         \x20 --plain          lines instead of the live view; also without a terminal, with NO_COLOR or TERM=dumb\n\
         \n\
         On a terminal the story is told again and again; otherwise once.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Action, String> {
        parse(args.iter().map(OsString::from))
    }

    #[test]
    fn without_options_it_is_an_outage_in_real_time() {
        let options = Options { scenario: Scenario::Outage, speed: 1.0, plain: false };
        assert_eq!(parsed(&[]), Ok(Action::Run(options)));
    }

    #[test]
    fn every_option_and_every_scenario_is_taken() {
        for (scenario, name, words) in Scenario::ALL {
            let options = Options { scenario, speed: 2.5, plain: true };
            assert_eq!(parsed(&["--scenario", name, "--speed=2.5", "--plain"]), Ok(Action::Run(options)));
            assert!(usage().contains(name) && usage().contains(words));
        }
        assert_eq!(parsed(&["--help"]), Ok(Action::Help));
    }

    #[test]
    fn a_mistake_says_what_is_accepted() {
        for speed in ["0", "-1", "nan", "61", "fast"] {
            let error = format!("--speed takes a number from 0.1 to 60, not '{speed}'");
            assert_eq!(parsed(&["--speed", speed]), Err(error));
        }
        let all = "there are outage, low-battery, flapping, comm-loss, self-test, none";
        let error = format!("no such scenario 'x'; {all}");
        assert_eq!(parsed(&["--scenario", "x"]), Err(error));
        let error = format!("no such scenario 'low-batery'; the nearest is 'low-battery'; {all}");
        assert_eq!(parsed(&["--scenario", "low-batery"]), Err(error));
        assert!(parsed(&["--speed"]).is_err() && parsed(&["word"]).is_err());
    }
}
