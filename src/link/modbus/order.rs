//! Orders to the UPS, and whether it has done them: that it acknowledges one says only that it has understood (modbus §2.1, §5).

use std::time::{Duration, Instant};

use super::exchange::Framing;
use super::store::Store;
use super::{outlet, setting};
use crate::ups::{Beeper, Command, test_reasons};
use crate::wire::modbus::{
    Answer, BATTERY_TEST, CALIBRATION, GROUP_OFF_COUNTDOWN, Request, SHUTDOWN_ORDER, STATUS, Span,
    USER_INTERFACE, value,
};

/// What is written for tests and for the alarm (modbus §5).
const TEST_ORDER: u16 = 1541;
const CALIBRATION_ORDER: u16 = 1542;
const INTERFACE_ORDER: u16 = 1543;
/// How long the UPS has to show that it does what it has acknowledged.
const EFFECT_TIMEOUT: Duration = Duration::from_secs(6);
/// How long a self test may take.
const TEST_TIMEOUT: Duration = Duration::from_secs(90);
/// Between two looks whether it does, and at a test that runs.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
const TEST_INTERVAL: Duration = Duration::from_secs(2);
/// Bits of the status (modbus §4.1).
const ON_BATTERY: u32 = 1 << 2;
const OUTPUT_OFF: u32 = 1 << 4;
const INPUT_BAD: u32 = 1 << 6;
const WILL_GO_OFF: u32 = 1 << 9;
/// Bits of a test: pending or running, and how it ended (modbus §4.3).
const UNDER_WAY: u32 = 0b11;
const PASSED: u32 = 1 << 2;
const FAILED: u32 = 1 << 3;
const REFUSED: u32 = 1 << 4;
const ABORTED: u32 = 1 << 5;
/// Bits of the user interface: the alarm sounds, and is muted (modbus §3.2).
const SOUNDING: u32 = 1 << 1;
const MUTED: u32 = 1 << 2;

/// How an order ended.
pub(super) type Outcome = Result<String, String>;

/// An order on its way.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) command: Command,
    write: Request,
    /// Where it is seen whether the UPS does it.
    looks: &'static [Span],
    step: Step,
    /// The status says that it will go off, as it does of itself on battery.
    goes_off: bool,
    /// What the register of a test said before the order: the result of an earlier one.
    before: Option<u32>,
    /// The test has begun; its result is waited for.
    has_begun: bool,
    /// The outlet groups of the UPS, and what is known of them so far.
    groups: u32,
    list: String,
    /// A request was under way when it came: what comes of that one says nothing of this order.
    pub(super) is_behind: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The register of the test is to be read; since then.
    Before(Instant),
    /// To be written; since then.
    Write(Instant),
    /// The next look, its number, and when to give up.
    Look(Instant, usize, Instant),
}

impl Order {
    /// What a command means to this UPS, by this way. `Err` says why there is no such order.
    pub(super) fn new(command: Command, ups: &Store, framing: Framing, now: Instant) -> Result<Self, String> {
        let order = |address, value| Request::Write { address, value };
        let (write, looks): (Request, &'static [Span]) = match command {
            Command::KillPower => (order(SHUTDOWN_ORDER, 1), &[STATUS, GROUP_OFF_COUNTDOWN]),
            Command::PowerOff => (order(SHUTDOWN_ORDER, 2), &[STATUS]),
            Command::SelfTest => (order(TEST_ORDER, 1), &[BATTERY_TEST]),
            Command::Calibrate => (order(CALIBRATION_ORDER, 1), &[CALIBRATION]),
            Command::AbortTest if ups.is_calibrating() => (order(CALIBRATION_ORDER, 2), &[CALIBRATION]),
            Command::AbortTest => (order(TEST_ORDER, 2), &[BATTERY_TEST]),
            Command::Beeper(Beeper::Mute) => (order(INTERFACE_ORDER, 1 << 2), &[USER_INTERFACE]),
            Command::Set(of, value) => setting::write(of, value, &ups.identity)?,
            // Nothing is written.
            Command::Outlets if outlet::next(ups.groups, 0).is_some() => {
                (Request::Read(STATUS), &outlet::LOOKS)
            }
            Command::Outlet(switch, number) => outlet::order(switch, number, ups.groups, framing)?,
            Command::Beeper(_)
            | Command::Outlets
            | Command::PanelTest
            | Command::Record
            | Command::Poll
            | Command::ReadTransferCause
            | Command::ReadSelfTest => {
                return Err(command.not_known());
            }
        };
        let begins_test = matches!(command, Command::SelfTest | Command::Calibrate);
        let step = match command {
            _ if begins_test => Step::Before(now),
            Command::Outlets => {
                Step::Look(now, outlet::next(ups.groups, 0).unwrap_or_default(), now + EFFECT_TIMEOUT)
            }
            _ => Step::Write(now),
        };
        Ok(Self {
            command,
            write,
            looks,
            step,
            goes_off: false,
            before: None,
            has_begun: false,
            groups: ups.groups,
            list: String::new(),
            is_behind: false,
        })
    }

    /// A self test that runs, whose result alone is missing: another order may take its place.
    pub(super) const fn may_be_left(&self) -> bool {
        self.has_begun
    }

    /// It is to be written, before anything is read.
    pub(super) fn is_urgent(&self) -> bool {
        self.command.cuts_power() && matches!(self.step, Step::Write(_))
    }

    /// The UPS has understood it, and may do it.
    pub(super) const fn is_acknowledged(&self) -> bool {
        matches!(self.step, Step::Look(..))
    }

    /// What is to be asked now.
    pub(super) fn request(&self, now: Instant) -> Option<Request> {
        match self.step {
            Step::Before(_) => self.look(0).map(Request::Read),
            Step::Write(_) => Some(self.write),
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
            Step::Before(at) | Step::Write(at) | Step::Look(at, ..) => at,
        }
    }

    /// What came of a request of this order; `Some`: how the order ended.
    pub(super) fn take(
        &mut self,
        request: Request,
        answer: Option<&Answer>,
        now: Instant,
    ) -> Option<Outcome> {
        if std::mem::take(&mut self.is_behind) {
            return None;
        }
        match (self.step, request) {
            (Step::Before(_), Request::Read(span)) if self.look(0) == Some(span) => {
                self.before = bits(answer);
                self.step = Step::Write(now);
                None
            }
            (Step::Write(_), request) if request == self.write => match answer {
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
                self.looked(span, number, until, answer, now)
            }
            _ => None,
        }
    }

    fn looked(
        &mut self,
        span: Span,
        number: usize,
        until: Instant,
        answer: Option<&Answer>,
        now: Instant,
    ) -> Option<Outcome> {
        if let Command::Set(..) = self.command {
            return setting::read_back(self.write, answer).or_else(|| self.look_again(number, until, now));
        }
        if self.command == Command::Outlets {
            return self.listed(number, until, answer, now);
        }
        let bits = bits(answer);
        // Switched off, it may answer no more.
        if answer.is_none() && self.command == Command::PowerOff {
            return Some(Ok("the UPS no longer answers".to_owned()));
        }
        if span == STATUS {
            self.goes_off = bits.is_some_and(|bits| bits & WILL_GO_OFF != 0);
        }
        let begins = bits.is_some_and(|bits| bits & UNDER_WAY != 0) && self.command == Command::SelfTest;
        if begins && !std::mem::replace(&mut self.has_begun, true) {
            return self.look_again(number, now + TEST_TIMEOUT, now);
        }
        bits.and_then(|bits| self.seen(span, bits)).or_else(|| self.look_again(number, until, now))
    }

    /// A look at an outlet group was answered, or not.
    fn listed(
        &mut self,
        number: usize,
        until: Instant,
        answer: Option<&Answer>,
        now: Instant,
    ) -> Option<Outcome> {
        let words = if let Some(Answer::Registers(words)) = answer { Some(&words[..]) } else { None };
        outlet::note(&mut self.list, number, words);
        match outlet::next(self.groups, number + 1) {
            Some(next) => self.step = Step::Look(now, next, until),
            None => return Some(Ok(std::mem::take(&mut self.list))),
        }
        None
    }

    /// Nothing is seen of it yet; `Some`: it has had its time.
    fn look_again(&mut self, number: usize, until: Instant, now: Instant) -> Option<Outcome> {
        let interval = if self.has_begun { TEST_INTERVAL } else { LOOK_INTERVAL };
        self.step = Step::Look(now + interval, number + 1, until);
        (now >= until).then(|| match self.command {
            Command::KillPower if self.goes_off => {
                Ok("the UPS has acknowledged it; on battery it does not show whether it does it".to_owned())
            }
            Command::SelfTest if self.has_begun => {
                Ok("self test started; the UPS has not said how it ended".to_owned())
            }
            Command::SelfTest | Command::Calibrate if self.before.is_some_and(|bits| bits & REFUSED != 0) => {
                Err(format!("the UPS refuses it: {}", test_reasons(self.before.unwrap_or_default())))
            }
            Command::Set(..) => Err("the UPS has acknowledged it, but keeps another value".to_owned()),
            _ => Err("the UPS has acknowledged it, but does not do it".to_owned()),
        })
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
            Command::Calibrate if bits & UNDER_WAY != 0 => said("calibration started"),
            // What it said before is of an earlier one.
            Command::SelfTest | Command::Calibrate if self.has_begun || Some(bits) != self.before => {
                let failed = |text: String| Some(Err(text));
                match bits {
                    _ if bits & UNDER_WAY != 0 => None,
                    _ if bits & PASSED != 0 => said("self test passed"),
                    _ if bits & FAILED != 0 => failed("self test failed".to_owned()),
                    _ if bits & REFUSED != 0 => failed(format!("the UPS refuses it: {}", test_reasons(bits))),
                    _ if bits & ABORTED != 0 => failed("the test was stopped".to_owned()),
                    _ => None,
                }
            }
            Command::AbortTest if bits & UNDER_WAY == 0 => said("no test is running any more"),
            Command::Outlet(switch, _) => outlet::seen(switch, bits),
            Command::Beeper(_) if bits & MUTED != 0 => said("the alarm is muted"),
            Command::Beeper(_) if bits & SOUNDING == 0 => said("no alarm sounds"),
            _ => None,
        }
    }
}

fn bits(answer: Option<&Answer>) -> Option<u32> {
    match answer {
        Some(Answer::Registers(words)) => value(words),
        _ => None,
    }
}
