//! Orders to the UPS, and whether it has done them: that the card acknowledges one says only that it has understood.

use std::time::{Duration, Instant};

use super::codes;
use super::exchange::{Answer, Request, value_of};
use super::mib::{self, Mib};
use super::outlet::{self, Listing};
use crate::ups::{Command, Setting, SettingValue};
use crate::wire::snmp::{Binding, NO_SUCH_NAME, Oid, Value};

/// How an order ended.
pub(super) type Outcome = Result<String, String>;

/// How long the UPS has to show that it does what the card has acknowledged: a card asks its UPS every few seconds.
const EFFECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The same for the order that is given late in a shutdown.
const KILL_EFFECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Between two looks whether it does.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Time for the shutdown, in seconds, where the order itself has it (snmp §5).
const OFF_DELAY: i32 = 60;

/// What is ordered, and where it is seen whether the UPS does it.
#[derive(Debug, Default)]
struct Plan {
    /// One SET each.
    sets: Vec<Vec<Binding>>,
    looks: Vec<Oid>,
    /// RFC 1628: who sets this to what it was may start a test (snmp §5).
    lock: Option<Oid>,
}

/// An order on its way.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) command: Command,
    plan: Plan,
    /// Nothing is set: outlet groups are listed.
    listing: Option<Listing>,
    /// What the looks found before the order.
    before: Vec<Binding>,
    step: Step,
    at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// How it is before.
    Before,
    Set(usize),
    /// Until then.
    Look(Instant),
}

impl Order {
    /// What a command means to a card with this MIB; `calibrates`: a calibration is running. `Err`: there is no such order; why.
    pub(super) fn new(
        command: Command,
        mib: &'static Mib,
        calibrates: bool,
        now: Instant,
    ) -> Result<Self, String> {
        let plan = match (mib.word, command) {
            ("APC", Command::Outlets) => Plan::default(),
            (word, Command::Outlets | Command::Outlet(..)) if word != "APC" => {
                return Err("outlet groups of this card are switched in its own pages".to_owned());
            }
            ("APC", command) => powernet(mib, command, calibrates)?,
            ("MGE", Command::SelfTest) => Plan { sets: vec![vec![set(mib, &[10, 4], 1)]], ..Plan::default() },
            // Cards of MGE serve this group as a rule (snmp §6).
            (_, command) => rfc1628(command)?,
        };
        // What cuts the power waits for nothing, and needs no look before it.
        let step = if command.cuts_power() { Step::Set(0) } else { Step::Before };
        let listing = (command == Command::Outlets).then(|| Listing::new(mib));
        Ok(Self { command, plan, listing, before: Vec::new(), step, at: now })
    }

    /// It is to be given, before anything is read.
    pub(super) fn is_urgent(&self) -> bool {
        self.command.cuts_power() && matches!(self.step, Step::Set(_))
    }

    /// What is to be asked now.
    pub(super) fn request(&self, now: Instant) -> Option<Request> {
        if now < self.at {
            return None;
        }
        if let Some(listing) = &self.listing {
            return Some(listing.request());
        }
        match self.step {
            Step::Before => Some(Request::Get(self.asked())),
            Step::Set(number) => self.plan.sets.get(number).cloned().map(Request::Set),
            Step::Look(_) => Some(Request::Get(self.plan.looks.clone())),
        }
    }

    /// When there is something to be asked.
    pub(super) const fn poll_timeout(&self) -> Instant {
        self.at
    }

    fn asked(&self) -> Vec<Oid> {
        self.plan.looks.iter().chain(&self.plan.lock).cloned().collect()
    }

    /// What came of a request of this order; `Some`: how the order ended.
    pub(super) fn take(&mut self, request: &Request, answer: &Answer, now: Instant) -> Option<Outcome> {
        if let Some(listing) = &mut self.listing {
            return listing.take(request, answer);
        }
        match (self.step, request, answer) {
            (Step::Before | Step::Look(_), Request::Get(_), Answer::Error(NO_SUCH_NAME, at @ 1..)) => {
                // Version 1: the one that is missing is asked for no more.
                if *at <= self.plan.looks.len() {
                    self.plan.looks.remove(at - 1);
                } else {
                    self.plan.lock = None;
                }
                if self.asked().is_empty() {
                    return self.looked(&[], now);
                }
                None
            }
            (Step::Before, _, Answer::Objects(bindings)) => self.looked(bindings, now),
            (Step::Before, ..) => self.looked(&[], now),
            (Step::Set(number), _, Answer::Objects(_)) => {
                self.step = match self.plan.sets.len() > number + 1 {
                    true => Step::Set(number + 1),
                    false => {
                        let killing = matches!(self.command, Command::KillPower);
                        self.at = now + LOOK_INTERVAL;
                        Step::Look(now + if killing { KILL_EFFECT_TIMEOUT } else { EFFECT_TIMEOUT })
                    }
                };
                let is_seen = !self.plan.looks.is_empty() || matches!(self.step, Step::Set(_));
                (!is_seen).then(|| self.unseen(&[]))
            }
            (Step::Set(_), _, Answer::Error(error, _)) => Some(Err(format!(
                "the card refuses it ({}); may it be given orders from here, with this community?",
                error_name(*error)
            ))),
            (Step::Set(_), _, Answer::None) => Some(Err(
                "the card does not answer the order; may it be given orders from here, with this community?"
                    .to_owned(),
            )),
            (Step::Look(until), _, answer) => {
                let bindings: &[Binding] =
                    if let Answer::Objects(bindings) = answer { bindings } else { &[] };
                // Switched off, its card may answer no more.
                let is_gone = *answer == Answer::None && self.command.cuts_power();
                let gone =
                    is_gone.then(|| Ok("the card has acknowledged it, and no longer answers".to_owned()));
                self.at = now + LOOK_INTERVAL;
                self.seen(bindings).or(gone).or_else(|| (now >= until).then(|| self.unseen(bindings)))
            }
        }
    }

    /// How it is before the order is known: the order follows.
    fn looked(&mut self, bindings: &[Binding], now: Instant) -> Option<Outcome> {
        if self.step != Step::Before {
            return Some(self.unseen(&[]));
        }
        if let Command::Outlet(_, number) = self.command {
            if !outlet::is_there(&self.plan.looks, bindings) {
                return Some(Err(format!("the UPS has no outlet group {number} that can be switched")));
            }
        }
        if let Some(lock) = &self.plan.lock {
            let value = value_of(bindings, lock).cloned();
            if let (Some(value), Some(set)) = (value, self.plan.sets.first_mut()) {
                set.insert(0, Binding { oid: lock.clone(), value });
            }
        }
        self.before = bindings.to_vec();
        (self.step, self.at) = (Step::Set(0), now);
        None
    }

    /// What objects say of this order; `None`: nothing yet.
    fn seen(&self, bindings: &[Binding]) -> Option<Outcome> {
        let said = |text: &str| Some(Ok(text.to_owned()));
        let number = |at: usize| code(bindings, self.plan.looks.get(at)?);
        let is_other = |at: usize| {
            let Some(look) = self.plan.looks.get(at) else { return false };
            let (now, before) = (value_of(bindings, look), value_of(&self.before, look));
            now.is_some() && before.is_some() && now != before
        };
        let is_rfc = self.plan.looks.first().is_some_and(|look| look.starts_with(&RFC1628));
        match self.command {
            Command::KillPower | Command::PowerOff if is_rfc => {
                // 0 is what some cards say while none is counted down.
                number(0).filter(|left| *left > 0).map(|left| {
                    let then = if self.command == Command::PowerOff {
                        "stays off"
                    } else {
                        "on again when mains is there"
                    };
                    Ok(format!("the UPS switches off in {left} s, and {then}"))
                })
            }
            // Off, or sleeping until mains is there; the state word: a shutdown has begun, or it sleeps (snmp §4).
            Command::KillPower => {
                let word = self.plan.looks.get(1).and_then(|look| value_of(bindings, look));
                let begun = matches!(word, Some(Value::Octets(word)) if [16, 17, 21].iter().any(|at| word.get(*at) == Some(&b'1')));
                let off = number(0).is_some_and(|code| matches!(code, 5 | 7 | 11));
                if begun || off {
                    said("the UPS switches off, and on again when mains is there")
                } else {
                    None
                }
            }
            Command::PowerOff => match number(0) {
                Some(7) => said("the UPS has switched off and stays off"),
                _ => None,
            },
            Command::SelfTest if is_rfc => (number(0) == Some(5)).then(|| Ok("self test started".to_owned())),
            Command::SelfTest => match number(0) {
                Some(4) => said("self test started"),
                _ if matches!(number(1), Some(15 | 28)) => said("self test started"),
                Some(result) if is_other(0) || is_other(2) => {
                    Some(Ok(format!("self test completed: {}", codes::test(result).log_text())))
                }
                _ => None,
            },
            Command::Calibrate if number(0) == Some(if is_rfc { 5 } else { 3 }) => {
                said("calibration started")
            }
            Command::AbortTest if number(0).is_some_and(|code| code != if is_rfc { 5 } else { 3 }) => {
                said("no test is running any more")
            }
            Command::Outlet(switch, _) => outlet::seen(switch, number(0), number(1)),
            Command::Set(_, value) => {
                let text = self.text(bindings)?;
                (text == value.to_string() || is_other(0)).then(|| Ok(format!("it is {text} now")))
            }
            _ => None,
        }
    }

    fn text(&self, bindings: &[Binding]) -> Option<String> {
        match value_of(bindings, self.plan.looks.first()?)? {
            Value::Octets(bytes) => {
                Some(crate::ups::clean(&String::from_utf8_lossy(bytes)).trim().to_owned())
            }
            _ => None,
        }
    }

    /// The card has acknowledged it, and nothing is seen of it.
    fn unseen(&self, bindings: &[Binding]) -> Outcome {
        match self.command {
            Command::KillPower if !self.plan.looks.first().is_some_and(|look| look.starts_with(&RFC1628)) => {
                let delay =
                    self.plan.looks.get(2).and_then(|look| code(bindings, look)).map(|ticks| ticks / 100);
                let when = delay.map_or_else(String::new, |seconds| format!(" {seconds} s after it"));
                Ok(format!(
                    "the card has acknowledged it: the UPS switches off{when}, and on again when mains is there"
                ))
            }
            _ if self.plan.looks.is_empty() => {
                Ok("the card has acknowledged it, and does not show whether it is done".to_owned())
            }
            Command::Set(..) => Err(format!(
                "the card has acknowledged it, but keeps {}",
                self.text(bindings).unwrap_or_else(|| "what it had".to_owned())
            )),
            _ => Err("the card has acknowledged it, but the UPS does not do it".to_owned()),
        }
    }
}

/// Where the objects of RFC 1628 are.
const RFC1628: [u32; 8] = [1, 3, 6, 1, 2, 1, 33, 1];

fn set(mib: &Mib, tail: &[u8], value: i32) -> Binding {
    Binding { oid: mib.scalar(tail), value: Value::Integer(value) }
}

/// The orders of PowerNet (snmp §4, Commands).
fn powernet(mib: &Mib, command: Command, calibrates: bool) -> Result<Plan, String> {
    let plan = |tail: &[u8], value: i32, looks: &[&[u8]]| Plan {
        sets: vec![vec![set(mib, tail, value)]],
        looks: looks.iter().map(|tail| mib.scalar(tail)).collect(),
        lock: None,
    };
    let text = |tail: &[u8], value: SettingValue| Plan {
        sets: vec![vec![Binding {
            oid: mib.scalar(tail),
            value: Value::Octets(value.to_string().into_bytes()),
        }]],
        looks: vec![mib.scalar(tail)],
        lock: None,
    };
    const OUTPUT: &[u8] = &[1, 4, 1, 1];
    const WORD: &[u8] = &[1, 11, 1, 1];
    const OFF_DELAY: &[u8] = &[1, 5, 2, 10];
    Ok(match command {
        Command::KillPower => plan(&[1, 6, 1, 1], 2, &[OUTPUT, WORD, OFF_DELAY]),
        Command::PowerOff => plan(&[1, 6, 2, 1], 2, &[OUTPUT]),
        Command::SelfTest => plan(&[1, 7, 2, 2], 2, &[&[1, 7, 2, 3], OUTPUT, &[1, 7, 2, 4]]),
        Command::Calibrate => plan(&[1, 7, 2, 5], 2, &[&[1, 7, 2, 6]]),
        Command::AbortTest if calibrates => plan(&[1, 7, 2, 5], 3, &[&[1, 7, 2, 6]]),
        Command::AbortTest => return Err("a card of APC has no order that stops a self test".to_owned()),
        Command::Outlet(switch, number) => {
            let (set, looks) = outlet::order(mib, switch, number);
            Plan { sets: vec![vec![set]], looks, lock: None }
        }
        Command::Set(Setting::BatteryDate, value) => text(&[1, 2, 1, 3], value),
        Command::Set(Setting::Name, value) => text(&[1, 1, 1, 2], value),
        _ => return Err(NO_SETTING.to_owned()),
    })
}

/// Those of RFC 1628 (snmp §5, Commands).
fn rfc1628(command: Command) -> Result<Plan, String> {
    let mib = mib::rfc1628();
    let off = |kind: i32, restarts: i32| Plan {
        sets: vec![
            vec![set(mib, &[8, 1], kind)],
            vec![set(mib, &[8, 5], restarts)],
            vec![set(mib, &[8, 2], OFF_DELAY)],
        ],
        looks: vec![mib.scalar(&[8, 2])],
        lock: None,
    };
    let test = |number: u32| Plan {
        sets: vec![vec![Binding {
            oid: mib.scalar(&[7, 1]),
            value: Value::Oid(mib.object(&[7, 7]).child(number)),
        }]],
        looks: vec![mib.scalar(&[7, 3])],
        lock: Some(mib.scalar(&[7, 2])),
    };
    Ok(match command {
        Command::KillPower => off(1, 1),
        Command::PowerOff => off(2, 2),
        Command::AbortTest => test(2),
        Command::SelfTest => test(4),
        Command::Calibrate => test(5),
        _ => return Err(NO_SETTING.to_owned()),
    })
}

const NO_SETTING: &str = "this setting is changed in the card's own pages";

fn code(bindings: &[Binding], look: &Oid) -> Option<i64> {
    match value_of(bindings, look)? {
        Value::Integer(number) => Some(i64::from(*number)),
        Value::Gauge(number) | Value::Ticks(number) | Value::Counter(number) => Some(i64::from(*number)),
        _ => None,
    }
}

/// The name of an error status (snmp §8.4).
const fn error_name(error: i32) -> &'static str {
    match error {
        1 => "tooBig",
        2 => "noSuchName",
        3 => "badValue",
        4 => "readOnly",
        6 => "noAccess",
        7 => "wrongType",
        10 => "wrongValue",
        11 => "noCreation",
        13 => "resourceUnavailable",
        14 => "commitFailed",
        16 => "authorizationError",
        17 => "notWritable",
        _ => "genErr",
    }
}
