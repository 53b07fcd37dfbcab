//! Orders to the UPS, and whether it has done them: that it acknowledges one says only that it has understood (modbus §2.1, §5).

use std::time::{Duration, Instant};

use crate::ups::Command;
use crate::wire::modbus::{
    Answer, BATTERY_TEST, CALIBRATION, GROUP_OFF_COUNTDOWN, Request, SHUTDOWN_ORDER, STATUS, Span, value,
};

/// What is written for tests (modbus §5).
const TEST_ORDER: u16 = 1541;
const CALIBRATION_ORDER: u16 = 1542;
/// How long the UPS has to show that it does what it has acknowledged.
const EFFECT_TIMEOUT: Duration = Duration::from_secs(6);
/// Between two looks whether it does.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Bits of the status (modbus §4.1).
const ON_BATTERY: u32 = 1 << 2;
const OUTPUT_OFF: u32 = 1 << 4;
const INPUT_BAD: u32 = 1 << 6;
const WILL_GO_OFF: u32 = 1 << 9;
/// Bits of a test: pending or running, refused (modbus §4.3).
const UNDER_WAY: u32 = 0b11;
const REFUSED: u32 = 1 << 4;

/// How an order ended.
pub(super) type Outcome = Result<String, String>;

/// An order on its way.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) command: Command,
    address: u16,
    value: u16,
    /// Where it is seen whether the UPS does it.
    looks: &'static [Span],
    step: Step,
    /// The status says that it will go off, as it does of itself on battery.
    goes_off: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// To be written; since then.
    Write(Instant),
    /// The next look, its number, and when to give up.
    Look(Instant, usize, Instant),
}

impl Order {
    /// What a command means; `calibrates`: a calibration is running. `Err` says why there is no such order.
    pub(super) fn new(command: Command, calibrates: bool, now: Instant) -> Result<Self, String> {
        let (address, value, looks): (u16, u16, &'static [Span]) = match command {
            Command::KillPower => (SHUTDOWN_ORDER, 1, &[STATUS, GROUP_OFF_COUNTDOWN]),
            Command::PowerOff => (SHUTDOWN_ORDER, 2, &[STATUS]),
            Command::SelfTest => (TEST_ORDER, 1, &[BATTERY_TEST]),
            Command::Calibrate => (CALIBRATION_ORDER, 1, &[CALIBRATION]),
            Command::AbortTest if calibrates => (CALIBRATION_ORDER, 2, &[CALIBRATION]),
            Command::AbortTest => (TEST_ORDER, 2, &[BATTERY_TEST]),
            Command::Beeper(_) | Command::PanelTest => return Err(command.not_known()),
            Command::Poll | Command::ReadTransferCause | Command::ReadSelfTest | Command::Set(..) => {
                return Err("settings of this UPS are changed at its front panel".to_owned());
            }
        };
        Ok(Self { command, address, value, looks, step: Step::Write(now), goes_off: false })
    }

    /// What is to be asked now.
    pub(super) fn request(&self, now: Instant) -> Option<Request> {
        match self.step {
            Step::Write(_) => Some(Request::Write { address: self.address, value: self.value }),
            Step::Look(at, number, _) => {
                let span = self.look(number)?;
                (at <= now).then_some(Request::Read(span))
            }
        }
    }

    /// Where the look of this number goes.
    fn look(&self, number: usize) -> Option<Span> {
        self.looks.get(number % self.looks.len().max(1)).copied()
    }

    /// When there is something to be asked.
    pub(super) const fn poll_timeout(&self) -> Instant {
        match self.step {
            Step::Write(at) | Step::Look(at, ..) => at,
        }
    }

    /// What came of a request of this order; `Some`: how the order ended.
    pub(super) fn take(
        &mut self,
        request: Request,
        answer: Option<&Answer>,
        now: Instant,
    ) -> Option<Outcome> {
        match (self.step, request) {
            (Step::Write(_), Request::Write { .. }) => match answer {
                Some(Answer::Written) => {
                    self.step = Step::Look(now + LOOK_INTERVAL, 0, now + EFFECT_TIMEOUT);
                    None
                }
                Some(Answer::Exception(code)) => {
                    Some(Err(format!("the UPS refuses it (Modbus exception {code})")))
                }
                Some(Answer::Registers(_)) | None => Some(Err("the UPS does not answer".to_owned())),
            },
            (Step::Look(_, number, until), Request::Read(span)) if self.look(number) == Some(span) => {
                let bits = match answer {
                    Some(Answer::Registers(words)) => value(words),
                    _ => None,
                };
                // Switched off, it may answer no more.
                let is_silent = answer.is_none() && self.command == Command::PowerOff;
                if span == STATUS {
                    self.goes_off = bits.is_some_and(|bits| bits & WILL_GO_OFF != 0);
                }
                let seen = bits.and_then(|bits| self.seen(span, bits));
                if let Some(outcome) =
                    seen.or_else(|| is_silent.then(|| Ok("the UPS no longer answers".to_owned())))
                {
                    return Some(outcome);
                }
                self.step = Step::Look(now + LOOK_INTERVAL, number + 1, until);
                (now >= until).then(|| match self.command {
                    Command::KillPower if self.goes_off => {
                        Ok("the UPS has acknowledged it; on battery it does not show whether it does it"
                            .to_owned())
                    }
                    _ => Err("the UPS has acknowledged it, but does not do it".to_owned()),
                })
            }
            _ => None,
        }
    }

    /// What registers that have something say of this order; `None`: nothing yet.
    fn seen(&self, span: Span, bits: u32) -> Option<Outcome> {
        let said = |text: &str| Some(Ok(text.to_owned()));
        match self.command {
            // A UPS that lacks the countdown may say 0.
            Command::KillPower if span == GROUP_OFF_COUNTDOWN => (bits != 0)
                .then(|| Ok(format!("the UPS switches off in {bits} s, and on again when mains is there"))),
            Command::KillPower => {
                // On battery with bad input it says so whatever it has been told (modbus §4.1).
                let by_itself = bits & ON_BATTERY != 0 && bits & INPUT_BAD != 0;
                let goes_off = bits & OUTPUT_OFF != 0 || bits & WILL_GO_OFF != 0 && !by_itself;
                goes_off.then(|| Ok("the UPS switches off, and on again when mains is there".to_owned()))
            }
            Command::PowerOff if bits & OUTPUT_OFF != 0 => said("the UPS has switched off and stays off"),
            Command::SelfTest | Command::Calibrate if bits & UNDER_WAY != 0 => said(match self.command {
                Command::SelfTest => "self test started",
                _ => "calibration started",
            }),
            Command::SelfTest | Command::Calibrate if bits & REFUSED != 0 => {
                Some(Err(format!("the UPS refuses it: {}", why(bits))))
            }
            Command::AbortTest if bits & UNDER_WAY == 0 => said("no test is running any more"),
            _ => None,
        }
    }
}

/// Why a test is refused (modbus §4.3, §4.4).
fn why(bits: u32) -> String {
    let reasons = [
        (9, "it is in the wrong state"),
        (10, "it has an internal fault"),
        (11, "its charge is too low"),
        (12, "the load has changed"),
        (13, "mains is bad"),
        (14, "the load is too low"),
        (15, "it is being overcharged"),
    ];
    let found: Vec<&str> =
        reasons.iter().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, text)| *text).collect();
    if found.is_empty() { "it does not say why".to_owned() } else { found.join(", ") }
}
