//! Writing what the UPS keeps in its EEPROM (apcsmart §10.2, §10.3). A setting with a few permitted values is stepped through them
//! with `-`; name and battery date are typed. Every pause is a deadline, and in the long ones the UPS is watched as always.

use std::time::{Duration, Instant};

use super::order::Outcome;
use crate::ups::{Setting, SettingValue};
use crate::wire::upslink;

/// An answer must come within this.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// Before and between typed characters: a unit that misses one waits for it for ever, and takes the next query for it.
const TYPING_PAUSE: Duration = Duration::from_secs(1);
/// Between two steps, while the unit stores the value.
const STORE_PAUSE: Duration = Duration::from_secs(5);
/// Before the last look at the new value.
const SETTLE_PAUSE: Duration = Duration::from_secs(10);
/// Tries for an answer to a query.
const QUERY_ATTEMPTS: u8 = 3;
/// Characters of a name or date.
const TYPED_CHARS_MAX: usize = 8;
/// Steps after which no unit has more values.
const STEPS_MAX: u8 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// What is the value?
    Old,
    /// The query that `-` acts on; the value must still be the one known.
    Arm,
    /// `-`.
    Step,
    /// This character of the text.
    Type(usize),
    /// The new value, ...
    Look,
    /// ... and the same once more.
    LookAgain,
    /// The new value after a while.
    Last,
}

/// A setting on its way into the UPS.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) setting: Setting,
    value: SettingValue,
    /// As the unit lists them, separated by blanks; empty: it does not say.
    permitted: String,
    stage: Stage,
    until: Option<Instant>,
    tries: u8,
    old: String,
    now: String,
    /// All values met.
    met: Vec<String>,
    /// Nothing to do for so long.
    pause: Option<Duration>,
}

impl Write {
    pub(super) fn new(setting: Setting, value: SettingValue, permitted: String) -> Self {
        Self {
            setting,
            value,
            permitted,
            stage: Stage::Old,
            until: None,
            tries: 0,
            old: String::new(),
            now: String::new(),
            met: Vec::new(),
            pause: None,
        }
    }

    /// Name and date are typed, all else is stepped through.
    const fn is_typed(&self) -> bool {
        matches!(self.setting, Setting::Name | Setting::BatteryDate)
    }

    /// What is typed.
    const fn typed(&self) -> [u8; TYPED_CHARS_MAX] {
        match self.value {
            SettingValue::Text(text) => text.padded(),
            SettingValue::Number(_) => [b' '; TYPED_CHARS_MAX],
        }
    }

    /// The query whose answer is waited for.
    pub(super) const fn asked(&self) -> Option<u8> {
        match self.stage {
            Stage::Step | Stage::Type(_) => None,
            _ => Some(upslink::query_of(self.setting)),
        }
    }

    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<u8> {
        if self.until.is_some() {
            return None;
        }
        let (byte, wait) = match self.stage {
            Stage::Step if self.is_typed() => (upslink::NEXT_VALUE, TYPING_PAUSE),
            Stage::Step => (upslink::NEXT_VALUE, ANSWER_TIMEOUT),
            Stage::Type(at) => (
                *self.typed().get(at)?,
                if at + 1 == TYPED_CHARS_MAX { ANSWER_TIMEOUT } else { TYPING_PAUSE },
            ),
            _ => (upslink::query_of(self.setting), ANSWER_TIMEOUT),
        };
        self.until = Some(now + wait);
        Some(byte)
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.until
    }

    /// How long there is nothing to do, told once.
    pub(super) const fn take_pause(&mut self) -> Option<Duration> {
        self.pause.take()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Outcome> {
        if self.until.is_none_or(|until| now < until) {
            return None;
        }
        match self.stage {
            // Silence is right here: the next character.
            Stage::Step if self.is_typed() => self.go(Stage::Type(0)),
            Stage::Type(at) if at + 1 < TYPED_CHARS_MAX => self.go(Stage::Type(at + 1)),
            Stage::Step | Stage::Type(_) => return self.fail("the UPS does not answer the change"),
            stage => {
                self.tries += 1;
                if self.tries >= QUERY_ATTEMPTS {
                    return self.fail("the UPS does not say its value");
                }
                self.go(stage);
            }
        }
        None
    }

    pub(super) fn handle_line(&mut self, line: &[u8]) -> Option<Outcome> {
        // A late answer of a query before this.
        self.until?;
        // It is shown to a person, perhaps on a terminal.
        let shown = line
            .iter()
            .take(16)
            .map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '?' });
        let said = shown.collect::<String>().trim_end().to_owned();
        match self.stage {
            Stage::Step | Stage::Type(_) => {
                let done = !self.is_typed() || self.stage == Stage::Type(TYPED_CHARS_MAX - 1);
                if said != "OK" || !done {
                    return self.fail(&format!("the UPS answered {said} to the change"));
                }
                self.go(Stage::Look);
                return None;
            }
            _ if said.is_empty() => return None,
            _ => self.tries = 0,
        }
        match self.stage {
            Stage::Old => {
                if line == upslink::NOT_AVAILABLE {
                    return Some(Err("the UPS has no such setting".to_owned()));
                }
                self.old.clone_from(&said);
                self.now = said;
                if self.is_wanted(&self.now) {
                    return Some(Ok(format!("{} already", self.now)));
                }
                if !self.permitted.is_empty() && !self.permitted.split(' ').any(|value| self.is_wanted(value))
                {
                    return Some(Err(format!(
                        "it is {}, and this UPS allows only {}",
                        self.old, self.permitted
                    )));
                }
                self.go(Stage::Arm);
            }
            Stage::Look => {
                // The first answer after typing may still be the old text.
                if !self.is_typed() || self.is_wanted(&said) {
                    self.now = said;
                }
                self.go(Stage::LookAgain);
            }
            Stage::Last if self.is_wanted(&said) => {
                return Some(Ok(format!("{} instead of {}", said, self.old)));
            }
            Stage::LookAgain if self.is_typed() => return self.stepped(said),
            _ if said != self.now => {
                let before = std::mem::replace(&mut self.now, said);
                return self.fail(&format!("not stable: {before} before"));
            }
            Stage::Arm => self.go(Stage::Step),
            _ => return self.stepped(said),
        }
        None
    }

    /// What was met, when the writing cannot go on.
    pub(super) fn interrupted(&self, reason: &str) -> String {
        match self.now.as_str() {
            "" => reason.to_owned(),
            now => format!("{reason}; the UPS said {now} last, {} at first", self.old),
        }
    }

    fn go(&mut self, stage: Stage) {
        self.stage = stage;
        self.until = None;
    }

    fn fail(&mut self, why: &str) -> Option<Outcome> {
        Some(Err(self.interrupted(why)))
    }

    /// A change has been made, and read twice.
    fn stepped(&mut self, said: String) -> Option<Outcome> {
        self.now = said;
        if self.is_wanted(&self.now) {
            self.pause = Some(SETTLE_PAUSE);
            self.go(Stage::Last);
            return None;
        }
        if self.is_typed() {
            return self.fail("the UPS did not take it");
        }
        self.met.push(self.now.clone());
        let count = self.met.len();
        // Two values that are the same stand beside each other in some units, so one step is no round.
        if (self.now == self.old && count > 1) || count >= usize::from(STEPS_MAX) {
            return self.fail(&format!("not among the values of this UPS: {}", self.met.join(" ")));
        }
        self.pause = Some(STORE_PAUSE);
        self.go(Stage::Arm);
        None
    }

    /// Units write numbers with as many digits as they please.
    fn is_wanted(&self, said: &str) -> bool {
        match self.value {
            SettingValue::Number(number) => said.parse() == Ok(number),
            SettingValue::Text(text) => said == text.as_str(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
mod tests {
    use super::*;

    /// A unit with values to step through, and the time.
    struct Unit {
        values: Vec<&'static str>,
        at: usize,
        /// Says nothing to this byte.
        deaf: Option<u8>,
        /// Refuses `-`.
        fixed: bool,
        typed: Option<String>,
        text: String,
        sent: String,
        paused: Duration,
    }

    fn unit(values: &[&'static str]) -> Unit {
        Unit {
            values: values.to_vec(),
            at: 0,
            deaf: None,
            fixed: false,
            typed: None,
            text: String::new(),
            sent: String::new(),
            paused: Duration::ZERO,
        }
    }

    impl Unit {
        fn answer(&mut self, byte: u8, typed: bool) -> Option<String> {
            self.sent.push(char::from(byte));
            if self.deaf == Some(byte) {
                return None;
            }
            if let Some(text) = &mut self.typed {
                text.push(char::from(byte));
                if text.len() < 8 {
                    return None;
                }
                self.text = self.typed.take().unwrap_or_default();
                return Some("OK".into());
            }
            match byte {
                b'-' if self.fixed => Some("NA".into()),
                b'-' if typed => {
                    self.typed = Some(String::new());
                    None
                }
                b'-' => {
                    self.at = (self.at + 1) % self.values.len();
                    Some("OK".into())
                }
                _ if typed => Some(self.text.clone()),
                _ => Some(self.values[self.at].into()),
            }
        }

        fn write(&mut self, setting: Setting, value: &str, permitted: &str) -> Outcome {
            let mut now = Instant::now();
            let mut write =
                Write::new(setting, SettingValue::parse(setting, value).unwrap(), permitted.to_owned());
            let typed = write.is_typed();
            for _ in 0..1000 {
                let outcome = match write.poll_transmit(now) {
                    Some(byte) => match self.answer(byte, typed) {
                        Some(line) => write.handle_line(line.as_bytes()),
                        None => {
                            now = write.poll_timeout().unwrap();
                            write.handle_timeout(now)
                        }
                    },
                    None => panic!("nothing to do"),
                };
                if let Some(outcome) = outcome {
                    return outcome;
                }
                self.paused += write.take_pause().unwrap_or_default();
            }
            panic!("no end");
        }
    }

    #[test]
    fn a_value_is_reached_by_steps_each_behind_a_query_and_read_twice() {
        let mut unit = unit(&["253", "257", "261", "265"]);
        let outcome = unit.write(Setting::HighTransfer, "261", "253 257 261 265");
        assert_eq!(outcome, Ok("261 instead of 253".into()));
        assert_eq!(unit.sent, "uu-uuu-uuu");
        assert_eq!(unit.paused, STORE_PAUSE + SETTLE_PAUSE);
    }

    #[test]
    fn what_is_set_already_is_left_alone() {
        let mut unit = unit(&["02", "05"]);
        assert_eq!(unit.write(Setting::LowBattery, "2", ""), Ok("02 already".into()));
        assert_eq!(unit.sent, "q");
    }

    #[test]
    fn a_value_that_the_unit_does_not_list_changes_nothing() {
        let mut unit = unit(&["253", "257"]);
        let outcome = unit.write(Setting::HighTransfer, "280", "253 257");
        assert_eq!(outcome, Err("it is 253, and this UPS allows only 253 257".into()));
        assert_eq!((unit.sent.as_str(), unit.at), ("u", 0));
    }

    #[test]
    fn a_value_that_does_not_come_ends_where_it_began() {
        // The double L is real (apcsmart §10.1).
        for start in 0..4 {
            let mut unit = unit(&["H", "M", "L", "L"]);
            unit.at = start;
            let outcome = unit.write(Setting::Sensitivity, "A", "");
            assert!(outcome.unwrap_err().starts_with("not among the values of this UPS"), "{start}");
            assert_eq!(unit.values[unit.at], ["H", "M", "L", "L"][start]);
        }
        let mut endless: Vec<&str> = vec!["0"; 30];
        endless[0] = "1";
        let mut unit = unit(&endless);
        assert!(unit.write(Setting::AlarmDelay, "T", "").is_err());
        assert_eq!(unit.at, usize::from(STEPS_MAX));
    }

    #[test]
    fn a_unit_that_refuses_or_falls_silent_is_reported_with_what_it_said() {
        let mut fixed = unit(&["H", "M"]);
        fixed.fixed = true;
        let outcome = fixed.write(Setting::Sensitivity, "M", "");
        assert_eq!(outcome, Err("the UPS answered NA to the change; the UPS said H last, H at first".into()));
        let mut deaf = unit(&["H", "M"]);
        deaf.deaf = Some(b'-');
        assert!(deaf.write(Setting::Sensitivity, "M", "").unwrap_err().contains("does not answer"));
        let mut silent = unit(&["H"]);
        silent.deaf = Some(b's');
        assert_eq!(silent.write(Setting::Sensitivity, "M", ""), Err("the UPS does not say its value".into()));
        assert_eq!(silent.sent, "sss");
        let mut none = unit(&["NA"]);
        assert_eq!(none.write(Setting::Sensitivity, "M", ""), Err("the UPS has no such setting".into()));
    }

    #[test]
    fn name_and_date_are_typed_in_eight_characters_and_read_back() {
        let mut unit = unit(&[]);
        unit.text = "UPS_IDEN".into();
        assert_eq!(unit.write(Setting::Name, "cellar", ""), Ok("cellar instead of UPS_IDEN".into()));
        assert_eq!(unit.sent, "cc-cellar  ccc");
        assert_eq!(unit.text, "cellar  ");
        assert_eq!(unit.write(Setting::Name, "cellar", ""), Ok("cellar already".into()));
        unit.deaf = Some(b'1');
        unit.sent.clear();
        unit.typed = None;
        // A character that is lost: the unit waits for one more, and does not say OK.
        assert!(unit.write(Setting::BatteryDate, "01/02/26", "").is_err());
    }
}
