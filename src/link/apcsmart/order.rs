//! Commands that do something: switching off, self test, calibration (apcsmart §9, §11). Every pause is a deadline.

use std::time::{Duration, Instant};

use super::write::Write;
use crate::ups::{Command, clean};
use crate::wire::upslink::Alert;

/// One byte, and how long to wait for what comes back before the next.
#[derive(Clone, Copy, Debug)]
struct Step {
    byte: u8,
    wait: Duration,
    /// An `OK` here ends the way.
    last: bool,
}

const fn step(byte: u8, seconds: u64, last: bool) -> Step {
    Step { byte, wait: Duration::from_secs(seconds), last }
}

/// One way to reach the goal.
#[derive(Clone, Copy, Debug)]
struct Method {
    steps: &'static [Step],
    what: &'static str,
    outcome: &'static str,
    /// Answers that mean success beside `OK` and `*`.
    also: &'static [&'static [u8]],
    /// An alert that means success.
    alert: Option<Alert>,
}

impl Method {
    const fn new(steps: &'static [Step], what: &'static str, outcome: &'static str) -> Self {
        Self { steps, what, outcome, also: &[], alert: None }
    }
}

/// Only accepted on battery.
const SOFT_SHUTDOWN: Method = Method::new(
    &[step(b'S', 6, true)],
    "soft shutdown (S)",
    "the UPS switches off after its grace delay and on again when mains returns",
);

/// Units with two digits answer after the second; without the pauses they take no notice or stop talking.
const HIBERNATE: Method = Method::new(
    &[step(b'@', 2, false), step(b'0', 2, false), step(b'0', 3, true), step(b'0', 3, true)],
    "shutdown and return (@000)",
    "the UPS switches off after its grace delay and on again when mains is there",
);

/// The gap must be more than 1.5 s.
const DELAYED_OFF: Method = Method::new(
    &[step(b'K', 2, false), step(b'K', 3, true)],
    "delayed power off (K, K)",
    "the UPS switches off after its grace delay and stays off until its button is pressed",
);

const SELF_TEST: Method = Method {
    alert: Some(Alert::OnBattery),
    ..Method::new(&[step(b'W', 3, true)], "self test (W)", "self test started")
};

const CALIBRATE: Method = Method {
    alert: Some(Alert::OnBattery),
    ..Method::new(&[step(b'D', 3, true)], "calibration (D)", "calibration started")
};

const ABORT_CALIBRATION: Method = Method {
    also: &[b"NO"],
    alert: Some(Alert::OnLine),
    ..Method::new(&[step(b'D', 3, true)], "end of the calibration (D)", "calibration stopped")
};

const ABORT_SELF_TEST: Method = Method {
    alert: Some(Alert::OnLine),
    ..Method::new(&[step(b'W', 3, true)], "end of the self test (W)", "self test stopped")
};

/// It lasts 2 s.
const PANEL_TEST: Method =
    Method::new(&[step(b'A', 4, true)], "lamp and beeper test (A)", "lamps and beeper tested");

/// Which test [`Command::AbortTest`] would stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Running {
    /// None that is known of.
    Nothing,
    /// A self test.
    SelfTest,
    /// A calibration.
    Calibration,
}

/// How an order ended.
pub(super) type Outcome = Result<String, String>;

/// A command on its way to the UPS.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) command: Command,
    /// A setting is written instead.
    write: Option<Box<Write>>,
    ways: &'static [Method],
    step: usize,
    /// The byte of the present step has been sent; what comes back is waited for until then.
    until: Option<Instant>,
    /// `OK` came before the last byte.
    accepted: bool,
    failed: Vec<String>,
}

impl Order {
    /// What a command means for a UPS that says that mains is there, or not; `Err` says why it makes no sense now.
    pub(super) fn new(command: Command, running: Running, on_line: bool) -> Result<Self, String> {
        let ways: &'static [Method] = match command {
            // With mains there, a UPS that stays off would keep the machine off for no reason.
            Command::KillPower if on_line => &[SOFT_SHUTDOWN, HIBERNATE],
            Command::KillPower => &[SOFT_SHUTDOWN, HIBERNATE, DELAYED_OFF],
            Command::PowerOff => &[DELAYED_OFF],
            Command::SelfTest => &[SELF_TEST],
            Command::Calibrate => &[CALIBRATE],
            Command::AbortTest => match running {
                Running::Nothing => return Err("no test is running".to_owned()),
                Running::SelfTest => &[ABORT_SELF_TEST],
                Running::Calibration => &[ABORT_CALIBRATION],
            },
            Command::PanelTest => &[PANEL_TEST],
            Command::Record | Command::Outlets | Command::Outlet(..) => return Err(command.not_known()),
            Command::Beeper(_) => {
                return Err(
                    "a UPS with Smart signalling has a delay instead: delay alarm 0, T, L or N".to_owned()
                );
            }
            Command::Poll | Command::ReadTransferCause | Command::ReadSelfTest | Command::Set(..) => &[],
        };
        Ok(Self { command, write: None, ways, step: 0, until: None, accepted: false, failed: Vec::new() })
    }

    /// A setting to be written.
    pub(super) fn of_write(command: Command, write: Box<Write>) -> Self {
        Self {
            command,
            write: Some(write),
            ways: &[],
            step: 0,
            until: None,
            accepted: false,
            failed: Vec::new(),
        }
    }

    /// The query whose answer is waited for.
    pub(super) fn asked(&self) -> Option<u8> {
        self.write.as_ref()?.asked()
    }

    /// How long there is nothing to do now, and the UPS can be watched; told once.
    pub(super) fn take_pause(&mut self) -> Option<Duration> {
        self.write.as_mut()?.take_pause()
    }

    /// The byte to send now.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<u8> {
        if let Some(write) = &mut self.write {
            return write.poll_transmit(now);
        }
        if self.until.is_some() {
            return None;
        }
        let step = self.ways.first()?.steps.get(self.step)?;
        self.until = Some(now + step.wait);
        Some(step.byte)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.write.as_ref().map_or(self.until, |write| write.poll_timeout())
    }

    /// A line came back.
    pub(super) fn handle_line(&mut self, line: &[u8]) -> Option<Outcome> {
        if let Some(write) = &mut self.write {
            return write.handle_line(line);
        }
        let way = *self.ways.first()?;
        // A late answer of a query before this order, or noise before the first byte.
        self.until?;
        if line == b"OK" || way.also.contains(&line) {
            return self.accept();
        }
        if line.is_empty() {
            return None;
        }
        let answer = clean(&String::from_utf8_lossy(line.get(..8).unwrap_or(line)));
        self.next_way(&format!("answered {answer}"))
    }

    /// The UPS said something by itself; `*` is also how old units say `OK`, without the end of a line.
    pub(super) fn handle_alert(&mut self, alert: Alert) -> Option<Outcome> {
        let way = self.ways.first()?;
        self.until?;
        if alert == Alert::SwitchingOff || way.alert == Some(alert) { self.accept() } else { None }
    }

    /// Nothing came back in time.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Outcome> {
        if let Some(write) = &mut self.write {
            return write.handle_timeout(now);
        }
        if self.until.is_none_or(|until| now < until) {
            return None;
        }
        let way = self.ways.first()?;
        self.until = None;
        self.step += 1;
        if self.step < way.steps.len() {
            return None;
        }
        if self.accepted { Some(Ok(way.outcome.to_owned())) } else { self.next_way("no answer") }
    }

    /// What was done, when the order cannot go on.
    pub(super) fn interrupted(&self, reason: &str) -> String {
        let reason = format!("interrupted: {reason}");
        if let Some(write) = &self.write {
            return write.interrupted(&reason);
        }
        let mut parts = vec![reason];
        parts.extend(self.failed.iter().cloned());
        parts.join("; ")
    }

    fn accept(&mut self) -> Option<Outcome> {
        let way = self.ways.first()?;
        if way.steps.get(self.step).is_some_and(|step| step.last) {
            return Some(Ok(way.outcome.to_owned()));
        }
        self.accepted = true;
        None
    }

    /// Digits after a refused `@`, or the second half of a refused pair, would be taken for commands of their own.
    fn next_way(&mut self, why: &str) -> Option<Outcome> {
        let (way, rest) = self.ways.split_first()?;
        self.failed.push(format!("{}: {why}", way.what));
        self.ways = rest;
        self.step = 0;
        self.until = None;
        self.accepted = false;
        if rest.is_empty() {
            return Some(Err(format!("the UPS did not take the order: {}", self.failed.join("; "))));
        }
        None
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
mod tests {
    use super::*;

    /// Sends all bytes until the end; `answer` says what comes back to each, at once.
    fn run(
        command: Command,
        answer: impl FnMut(&str) -> Option<&'static str>,
    ) -> (String, Outcome, Duration) {
        run_with(command, false, answer)
    }

    fn run_with(
        command: Command,
        on_line: bool,
        mut answer: impl FnMut(&str) -> Option<&'static str>,
    ) -> (String, Outcome, Duration) {
        let start = Instant::now();
        let mut now = start;
        let mut order = Order::new(command, Running::Calibration, on_line).unwrap();
        let mut sent = String::new();
        loop {
            let byte = order.poll_transmit(now).unwrap();
            sent.push(char::from(byte));
            let outcome = match answer(&sent) {
                Some("*") => order.handle_alert(Alert::SwitchingOff),
                Some(line) => order.handle_line(line.as_bytes()),
                None => None,
            };
            if let Some(outcome) = outcome {
                return (sent, outcome, now - start);
            }
            if let Some(until) = order.poll_timeout() {
                now = until;
                if let Some(outcome) = order.handle_timeout(now) {
                    return (sent, outcome, now - start);
                }
            }
        }
    }

    #[test]
    fn a_unit_on_battery_takes_the_soft_shutdown() {
        for yes in ["OK", "*"] {
            let (sent, outcome, took) = run(Command::KillPower, |_| Some(yes));
            assert_eq!((sent.as_str(), took), ("S", Duration::ZERO));
            assert!(outcome.unwrap().contains("on again when mains returns"));
        }
    }

    #[test]
    fn a_unit_on_line_is_told_to_return_and_gets_its_digits_with_pauses() {
        let (sent, outcome, took) = run(Command::KillPower, |sent| match sent {
            "S" => Some("NA"),
            "S@000" => Some("OK"),
            _ => None,
        });
        assert_eq!(sent, "S@000");
        assert!(outcome.is_ok());
        assert_eq!(took, Duration::from_secs(2 + 2 + 3));
        // One that knows two digits gets no third.
        let (sent, outcome, _) = run(Command::KillPower, |sent| match sent {
            "S" => Some("NO"),
            "S@00" => Some("OK"),
            _ => None,
        });
        assert_eq!((sent.as_str(), outcome.is_ok()), ("S@00", true));
    }

    #[test]
    fn digits_are_not_sent_to_a_unit_that_does_not_know_their_command() {
        let (sent, outcome, _) = run(Command::KillPower, |sent| match sent {
            "S" | "S@" => Some("NA"),
            "S@KK" => Some("OK"),
            _ => None,
        });
        assert_eq!(sent, "S@KK");
        assert!(outcome.unwrap().contains("stays off"));
        // It knows neither, and the first digit is answered as the query it is.
        let (sent, ..) = run(Command::KillPower, |sent| match sent {
            "S@0" => Some("B2"),
            "S@0KK" => Some("*"),
            _ => None,
        });
        assert_eq!(sent, "S@0KK");
    }

    #[test]
    fn a_silent_unit_is_tried_to_the_end_and_reported() {
        let (sent, outcome, took) = run(Command::KillPower, |_| None);
        assert_eq!(sent, "S@000KK");
        assert!(outcome.unwrap_err().contains("no answer"));
        assert!(took < Duration::from_secs(30));
    }

    #[test]
    fn with_mains_there_a_unit_is_not_switched_off_for_good_unless_that_was_the_order() {
        let (sent, outcome, _) = run_with(Command::KillPower, true, |_| None);
        assert_eq!(sent, "S@000");
        assert!(outcome.unwrap_err().contains("shutdown and return"));
        let (sent, outcome, _) = run_with(Command::PowerOff, true, |sent| (sent == "KK").then_some("OK"));
        assert_eq!((sent.as_str(), outcome.is_ok()), ("KK", true));
    }

    #[test]
    fn half_of_a_pair_that_is_refused_is_not_completed() {
        let (sent, outcome, _) = run(Command::PowerOff, |_| Some("NA"));
        assert_eq!(sent, "K");
        assert!(outcome.unwrap_err().contains("answered NA"));
        let (sent, outcome, took) = run(Command::PowerOff, |sent| (sent == "KK").then_some("OK"));
        assert_eq!((sent.as_str(), outcome.is_ok(), took), ("KK", true, Duration::from_secs(2)));
    }

    #[test]
    fn a_calibration_ends_by_its_own_command() {
        assert_eq!(run(Command::AbortTest, |_| Some("NO")).1, Ok("calibration stopped".into()));
        assert!(run(Command::Calibrate, |_| Some("NO")).1.is_err());
        assert!(run(Command::SelfTest, |_| Some("OK")).1.is_ok());
        assert!(Order::new(Command::AbortTest, Running::Nothing, true).is_err());
    }
}
