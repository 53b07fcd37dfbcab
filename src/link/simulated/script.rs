//! The script of a simulated UPS: what happens to it, and when.
//!
//! Plain text, one step a line: seconds since the start (decimals allowed), an action, its value. `#` begins a
//! comment. Lines may come in any order; those of the same moment happen in the order of the file.
//!
//! ```text
//! 3     mains off
//! 10    charge 4        # per cent
//! 12.5  lowbatt on
//! 30    mains on
//! 60    repeat
//! ```
//!
//! | action | value | what it does |
//! | --- | --- | --- |
//! | `mains` | `on`, `off` | mains returns or fails |
//! | `line` | volts, 0 to 500 | line voltage; outside 176 to 282 the UPS goes to battery, near them it boosts or trims |
//! | `load` | per cent, 0 to 200 | load |
//! | `charge` | per cent, 0 to 100 | battery charge from here on |
//! | `runtime` | minutes, 0 to 10000, or `auto` | runtime that is reported, whatever the charge |
//! | `temperature` | degrees Celsius, -40 to 120 | temperature from here on |
//! | `lowbatt` | `on`, `off`, `auto` | low battery flag; `auto`: below 2 minutes on battery |
//! | `replace` | `on`, `off` | replace battery flag |
//! | `overload` | `on`, `off`, `auto` | overload flag; `auto`: load above 100 |
//! | `battery` | `in`, `out` | battery connected or not |
//! | `status` | a byte (`0x58`), or `auto` | the status byte that is reported, whatever the truth (status-fields §3) |
//! | `cause` | `none`, `high`, `low`, `notch`, `ripple`, `selftest`, `forced`, `frequency`, `unknown` | last transfer cause |
//! | `selftest` | seconds (8) and `passed`, `warning`, `failed`, `capacity`, `overload` | a self test on battery |
//! | `calibration` | `on`, `off` | runtime calibration; ends by itself at a quarter of the charge |
//! | `silent`, `answer` | | stops or goes on answering; noticed at the next poll |
//! | `unplug`, `plug` | | goes or comes back; noticed at once |
//! | `garbage` | readings (1) | as many readings are all zero |
//! | `alerts` | `on`, `off` | whether the UPS says by itself that its status changed |
//! | `refuse` | `on`, `off` | whether it refuses commands |
//! | `serial` | 0 to 999999999 | the number in its serial number, told when the UPS is found (again) |
//! | `lapse` | factor, 0 to 10000 | how much faster than the script the battery discharges and charges |
//! | `lasts` | minutes, 1 to 10000 | how long the full battery carries the load that there is now; 48 at the start |
//! | `repeat` | | begins again with the first line; a second or more after the start |

use std::fmt;
use std::time::Duration;

use crate::ups::{SelfTestResult, TransferCause, plain};
use crate::wire::decimal::decimal;

/// Something that happens to the simulated UPS.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Mains returns or fails.
    Mains(bool),
    /// Line voltage, volts.
    Line(f64),
    /// Load, per cent.
    Load(f64),
    /// Battery charge, per cent.
    Charge(f64),
    /// Reported runtime, minutes; `None`: from the charge.
    Runtime(Option<f64>),
    /// Temperature, degrees Celsius.
    Temperature(f64),
    /// Low battery flag; `None`: from the runtime.
    LowBattery(Option<bool>),
    /// Replace battery flag.
    Replace(bool),
    /// Overload flag; `None`: from the load.
    Overload(Option<bool>),
    /// Battery connected.
    Battery(bool),
    /// Reported status byte; `None`: the true one.
    Status(Option<u8>),
    /// Cause of the last transfer.
    Cause(TransferCause),
    /// A self test of this many seconds, with this result.
    SelfTest(f64, SelfTestResult),
    /// Runtime calibration.
    Calibration(bool),
    /// Stops answering (`false`) or answers again; noticed at the next poll.
    Answers(bool),
    /// Unplugged (`false`) or plugged in; noticed at once.
    Plugged(bool),
    /// This many readings are all zero.
    Garbage(u32),
    /// Whether status changes are announced by the UPS itself.
    Alerts(bool),
    /// Whether commands are refused.
    Refuse(bool),
    /// The number in its serial number.
    Serial(u32),
    /// Speed-up of the battery.
    Lapse(f64),
    /// How long the full battery carries the present load, minutes.
    Lasts(f64),
}

/// One line of a script.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// When, since the start.
    pub at: Duration,
    /// What.
    pub action: Action,
}

/// What happens to a simulated UPS, in order of time. Empty: steady mains.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// In order of time.
    pub(super) steps: Vec<Step>,
    /// After this span it begins again.
    pub(super) period: Option<Duration>,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong and what is accepted.
    pub reason: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for ScriptError {}

/// Most lines with a step; a script is small, and a mistaken path may name anything.
const MAX_STEPS: usize = 4096;
/// Latest moment, seconds: eleven days.
const MAX_SECONDS: f64 = 1_000_000.0;

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// The first line that is not a step as the module's table describes it.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut script = Self::default();
        for (index, line) in text.lines().enumerate() {
            let code = line.split('#').next().unwrap_or("");
            let mut words = code.split_whitespace();
            let Some(seconds) = words.next() else { continue };
            script.add(seconds, words).map_err(|reason| ScriptError { line: index + 1, reason })?;
        }
        Ok(script)
    }

    fn add<'a>(&mut self, seconds: &str, mut words: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let at = Duration::from_secs_f64(number("seconds", Some(seconds), 0.0, MAX_SECONDS)?);
        let name = words.next().ok_or("an action is missing after the seconds")?;
        if name == "repeat" {
            if at < Duration::from_secs(1) {
                return Err("repeat: at least 1 second after the start".to_owned());
            }
            self.period = Some(at);
        } else {
            if self.steps.len() >= MAX_STEPS {
                return Err(format!("more than {MAX_STEPS} steps"));
            }
            let place = self.steps.partition_point(|step| step.at <= at);
            self.steps.insert(place, Step { at, action: action(name, &mut words)? });
        }
        match words.next() {
            Some(extra) => Err(format!("{name}: '{extra}' is too much")),
            None => Ok(()),
        }
    }

    /// When the last step happens.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.steps.last().map(|step| step.at).unwrap_or_default()
    }

    /// Its steps, in order of time.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// After how long it begins again; `None`: never.
    #[must_use]
    pub fn period(&self) -> Option<Duration> {
        self.period
    }
}

fn action<'a>(name: &str, words: &mut impl Iterator<Item = &'a str>) -> Result<Action, String> {
    let mut value = || words.next();
    Ok(match name {
        "mains" => Action::Mains(choice(name, value(), &ON_OFF)?),
        "line" => Action::Line(number(name, value(), 0.0, 500.0)?),
        "load" => Action::Load(number(name, value(), 0.0, 200.0)?),
        "charge" => Action::Charge(number(name, value(), 0.0, 100.0)?),
        "runtime" => match value() {
            Some("auto") => Action::Runtime(None),
            other => Action::Runtime(Some(number(name, other, 0.0, 10_000.0)?)),
        },
        "temperature" => Action::Temperature(number(name, value(), -40.0, 120.0)?),
        "lowbatt" => Action::LowBattery(choice(name, value(), &ON_OFF_AUTO)?),
        "replace" => Action::Replace(choice(name, value(), &ON_OFF)?),
        "overload" => Action::Overload(choice(name, value(), &ON_OFF_AUTO)?),
        "battery" => Action::Battery(choice(name, value(), &[("in", true), ("out", false)])?),
        "status" => match value() {
            Some("auto") => Action::Status(None),
            other => Action::Status(Some(byte(name, other)?)),
        },
        "cause" => Action::Cause(choice(name, value(), &CAUSES)?),
        "selftest" => {
            let seconds = match value() {
                None => 8.0,
                some => number(name, some, 0.1, 3600.0)?,
            };
            let result = match value() {
                None => SelfTestResult::Passed,
                some => choice(name, some, &RESULTS)?,
            };
            Action::SelfTest(seconds, result)
        }
        "calibration" => Action::Calibration(choice(name, value(), &ON_OFF)?),
        "silent" => Action::Answers(false),
        "answer" => Action::Answers(true),
        "unplug" => Action::Plugged(false),
        "plug" => Action::Plugged(true),
        "garbage" => match value() {
            None => Action::Garbage(1),
            some => Action::Garbage(number(name, some, 1.0, 1000.0)? as u32),
        },
        "alerts" => Action::Alerts(choice(name, value(), &ON_OFF)?),
        "refuse" => Action::Refuse(choice(name, value(), &ON_OFF)?),
        "serial" => Action::Serial(number(name, value(), 0.0, 999_999_999.0)? as u32),
        "lapse" => Action::Lapse(number(name, value(), 0.0, 10_000.0)?),
        "lasts" => Action::Lasts(number(name, value(), 1.0, 10_000.0)?),
        other => return Err(format!("unknown action '{other}'")),
    })
}

const ON_OFF: [(&str, bool); 2] = [("on", true), ("off", false)];
const ON_OFF_AUTO: [(&str, Option<bool>); 3] = [("on", Some(true)), ("off", Some(false)), ("auto", None)];
const CAUSES: [(&str, TransferCause); 9] = [
    ("none", TransferCause::None),
    ("high", TransferCause::HighLine),
    ("low", TransferCause::LowLine),
    ("notch", TransferCause::Notch),
    ("ripple", TransferCause::Ripple),
    ("selftest", TransferCause::SelfTest),
    ("forced", TransferCause::Forced),
    ("frequency", TransferCause::Frequency),
    ("unknown", TransferCause::Unknown),
];
const RESULTS: [(&str, SelfTestResult); 5] = [
    ("passed", SelfTestResult::Passed),
    ("warning", SelfTestResult::Warning),
    ("failed", SelfTestResult::Failed),
    ("capacity", SelfTestResult::FailedCapacity),
    ("overload", SelfTestResult::FailedOverload),
];

fn choice<T: Copy>(name: &str, value: Option<&str>, table: &[(&str, T)]) -> Result<T, String> {
    let found = value.and_then(|value| table.iter().find(|(word, _)| *word == value));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<&str> = table.iter().map(|(word, _)| *word).collect();
        format!("{name}: '{}' is not one of {}", value.unwrap_or(""), words.join(", "))
    })
}

fn number(name: &str, value: Option<&str>, least: f64, most: f64) -> Result<f64, String> {
    value.and_then(decimal).filter(|number| (least..=most).contains(number)).ok_or_else(|| {
        format!("{name}: '{}' is not a number from {} to {}", value.unwrap_or(""), plain(least), plain(most))
    })
}

fn byte(name: &str, value: Option<&str>) -> Result<u8, String> {
    let hex = value.and_then(|value| value.strip_prefix("0x")).filter(|digits| !digits.starts_with('+'));
    hex.and_then(|digits| u8::from_str_radix(digits, 16).ok())
        .ok_or_else(|| format!("{name}: '{}' is not a byte, 0x00 to 0xff, or auto", value.unwrap_or("")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: f64, action: Action) -> Step {
        Step { at: Duration::from_secs_f64(seconds), action }
    }

    #[test]
    fn steps_are_sorted_by_time_and_keep_the_order_of_the_file_within_a_moment() {
        let script =
            Script::parse("5 mains on\n# a remark\n\n  2.5\tmains off # now\r\n5 charge 40\n60 repeat\n");
        let steps =
            vec![at(2.5, Action::Mains(false)), at(5.0, Action::Mains(true)), at(5.0, Action::Charge(40.0))];
        assert_eq!(script, Ok(Script { steps, period: Some(Duration::from_secs(60)) }));
    }

    #[test]
    fn each_action_of_the_table_is_read() {
        let table = [
            ("line 198.5", Action::Line(198.5)),
            ("load 120", Action::Load(120.0)),
            ("runtime 2", Action::Runtime(Some(2.0))),
            ("runtime auto", Action::Runtime(None)),
            ("lasts 12.5", Action::Lasts(12.5)),
            ("temperature -5", Action::Temperature(-5.0)),
            ("lowbatt on", Action::LowBattery(Some(true))),
            ("lowbatt auto", Action::LowBattery(None)),
            ("replace off", Action::Replace(false)),
            ("overload on", Action::Overload(Some(true))),
            ("battery out", Action::Battery(false)),
            ("status 0x58", Action::Status(Some(0x58))),
            ("status auto", Action::Status(None)),
            ("cause ripple", Action::Cause(TransferCause::Ripple)),
            ("selftest", Action::SelfTest(8.0, SelfTestResult::Passed)),
            ("selftest 3 capacity", Action::SelfTest(3.0, SelfTestResult::FailedCapacity)),
            ("calibration on", Action::Calibration(true)),
            ("silent", Action::Answers(false)),
            ("answer", Action::Answers(true)),
            ("unplug", Action::Plugged(false)),
            ("plug", Action::Plugged(true)),
            ("garbage", Action::Garbage(1)),
            ("garbage 5", Action::Garbage(5)),
            ("alerts off", Action::Alerts(false)),
            ("refuse on", Action::Refuse(true)),
            ("serial 42", Action::Serial(42)),
            ("lapse 60", Action::Lapse(60.0)),
        ];
        for (text, action) in table {
            let script = Script::parse(&format!("1 {text}")).map(|script| script.steps);
            assert_eq!(script, Ok(vec![at(1.0, action)]), "{text}");
            let name = text.split(' ').next().unwrap();
            assert!(MAN_PAGE.lines().any(|line| line.starts_with(".It") && line.contains(name)), "{name}");
        }
    }

    const MAN_PAGE: &str = include_str!("../../../man/mainsd-simulated.7");

    #[test]
    fn the_example_of_the_man_page_is_a_script() {
        let example =
            MAN_PAGE.split(".Bd -literal -offset indent\n").nth(1).and_then(|rest| rest.split(".Ed").next());
        assert_eq!(Script::parse(example.unwrap()).map(|script| script.steps.len()), Ok(4));
    }

    #[test]
    fn a_mistake_is_named_with_its_line_and_what_is_accepted() {
        let table = [
            ("1 mains off\nx mains on", "line 2: seconds: 'x' is not a number from 0 to 1000000"),
            ("-1 mains on", "line 1: seconds: '-1' is not a number from 0 to 1000000"),
            ("nan mains on", "line 1: seconds: 'nan' is not a number from 0 to 1000000"),
            ("1", "line 1: an action is missing after the seconds"),
            ("1 mians off", "line 1: unknown action 'mians'"),
            ("1 mains", "line 1: mains: '' is not one of on, off"),
            ("1 mains maybe", "line 1: mains: 'maybe' is not one of on, off"),
            ("1 charge 101", "line 1: charge: '101' is not a number from 0 to 100"),
            ("1 status 58", "line 1: status: '58' is not a byte, 0x00 to 0xff, or auto"),
            ("1 silent now", "line 1: silent: 'now' is too much"),
            ("0.5 repeat", "line 1: repeat: at least 1 second after the start"),
        ];
        for (text, words) in table {
            let error = Script::parse(text).map_err(|error| error.to_string());
            assert_eq!(error, Err(words.to_owned()), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_a_sorted_script_or_an_error(text in "([0-9.]{1,4} (mains|charge|selftest|repeat|lapse|status) ?(on|off|[0-9x]{0,4})\n|.{0,20}\n){0,20}") {
            if let Ok(script) = Script::parse(&text) {
                prop_assert!(script.steps.is_sorted_by_key(|step| step.at));
                prop_assert!(script.period.is_none_or(|period| period >= Duration::from_secs(1)));
            }
        }
    }
}
