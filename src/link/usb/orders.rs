//! Writing to the UPS: self test, and switching it off (usb-hid §3, §11, §12, §14).

use std::time::{Duration, Instant};

use super::decode::{Line, View};
use super::delays;
use super::quirks::Quirks;
use super::settings::{self, RawSetting};
use super::table::Key;
use crate::bus::usb::TransferError;
use crate::ups::{Beeper, Command, SettingValue, plain};
use crate::wire::hid::Field;

/// One value to write: read the report, change the value in it, write it, read it back.
#[derive(Clone, Debug)]
struct Set {
    field: Field,
    /// Declared length of the report.
    len: u16,
    raw: i64,
    /// Write until this is read back (old Back-UPS Pro settings step through their list), a few times at most.
    until: Option<i64>,
    hold: Hold,
    what: &'static str,
}

/// What must be read back, or the UPS did not take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// Anything.
    Any,
    /// What was written, at once.
    Now,
    /// What was written, in a while (apctest §4).
    Soon,
    /// In a while what was written, or what the UPS takes instead: another value than before.
    Near,
}

impl Hold {
    /// How often it is read once more, a second later each time.
    const fn looks(self) -> u8 {
        match self {
            Self::Any | Self::Now => 0,
            Self::Soon => 10,
            Self::Near => 3,
        }
    }
}

/// Between two looks whether the UPS keeps what was written.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// One way to the goal: all of its writes must succeed.
#[derive(Clone, Debug, Default)]
struct Method {
    sets: Vec<Set>,
    /// Written when a later write of this way failed.
    undo: Option<Set>,
    /// Its failure or success changes nothing: the next way is tried in any case.
    preparation: bool,
    outcome: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Read,
    Write,
    ReadBack,
}

/// What must be transferred next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Read feature report `id`.
    Read { id: u8, len: u16 },
    /// Write feature report `id`.
    Write { id: u8, data: Vec<u8> },
}

/// An order on its way to the UPS.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub command: Command,
    ways: Vec<Method>,
    set: usize,
    stage: Stage,
    tries: u8,
    /// What is kept is read again then; until then others go first.
    look_at: Option<Instant>,
    /// What the report said before it was written.
    before: Option<i64>,
    /// The report is longer than declared.
    wide: bool,
    undoing: bool,
    report: Vec<u8>,
    done: Vec<String>,
    failed: Vec<String>,
}

/// Writes of one stepping setting before it is left as it is.
const MOST_STEPS: u8 = 5;

impl Order {
    /// What `command` means for this UPS; `Err` says why it cannot be done.
    pub(super) fn new(command: Command, view: View<'_>, len: impl Fn(&Field) -> u16) -> Result<Self, String> {
        let plan = Plan { view, len: &len };
        let ways = match command {
            Command::KillPower => plan.kill_power(),
            Command::PowerOff => plan.power_off(),
            Command::SelfTest => {
                let value = if view.quirks.contains(Quirks::QUICK_TEST_IS_TWO) { 2 } else { 1 };
                plan.test(value, "self test started")
            }
            Command::Calibrate => {
                plan.may_calibrate()?;
                plan.test(2, "calibration started")
            }
            Command::AbortTest => plan.test(3, "test stopped"),
            Command::Beeper(beeper) => plan.beeper(beeper),
            Command::Set(setting, value) => plan.setting(settings::wanted(view, setting, value)?),
            Command::PanelTest => plan
                .single(plan.raw(Key::PanelTest, 1, "panel test"), "lamps and beeper are tested")
                .into_iter()
                .collect(),
            Command::Record => return Err(command.not_known()),
            Command::Outlets | Command::Outlet(..) => {
                return Err("this driver does not know how an outlet of a USB UPS is switched".into());
            }
            Command::Poll | Command::ReadTransferCause | Command::ReadSelfTest => Vec::new(),
        };
        if ways.iter().all(|way| way.preparation) {
            return Err("the UPS has no report for this".into());
        }
        Ok(Self {
            command,
            ways,
            set: 0,
            stage: Stage::Read,
            tries: 0,
            look_at: None,
            before: None,
            wide: false,
            undoing: false,
            report: Vec::new(),
            done: Vec::new(),
            failed: Vec::new(),
        })
    }

    /// When it goes on; `None`: at once.
    pub(super) const fn not_before(&self) -> Option<Instant> {
        self.look_at
    }

    /// What must be transferred next; `None`: nothing yet.
    pub(super) fn ask(&mut self, now: Instant) -> Option<Ask> {
        if self.look_at.is_some_and(|at| now < at) {
            return None;
        }
        self.look_at = None;
        let set = self.current()?;
        let id = set.field.report_id;
        Some(match self.stage {
            Stage::Read | Stage::ReadBack => {
                Ask::Read { id, len: if self.wide { set.len.max(64) } else { set.len } }
            }
            Stage::Write => Ask::Write { id, data: self.report.clone() },
        })
    }

    /// The transfer ended. `Some` when the order has.
    pub(super) fn ended(
        &mut self,
        result: Result<&[u8], TransferError>,
        now: Instant,
    ) -> Option<Result<String, String>> {
        let set = self.current()?.clone();
        let id = set.field.report_id;
        match (self.stage, result) {
            (Stage::Read, Ok(answer)) if is_report(id, answer) => {
                // A short answer is filled up with zeros; of a long one the declared part counts (usb-hid §3, §15).
                self.before = set.field.raw(answer);
                self.report = answer.to_vec();
                self.report.resize(usize::from(set.len), 0);
                match set.field.put(&mut self.report, set.raw) {
                    Ok(()) => self.stage = Stage::Write,
                    Err(error) => return self.step_failed(&set, &error.to_string()),
                }
                None
            }
            (Stage::Write, Ok(_)) => {
                self.stage = Stage::ReadBack;
                None
            }
            (Stage::ReadBack, Ok(answer)) if is_report(id, answer) => {
                let read = set.field.raw(answer);
                self.tries += 1;
                if set.until.is_some_and(|until| read != Some(until)) && self.tries < MOST_STEPS {
                    self.stage = Stage::Read;
                    return None;
                }
                let is_kept = read == Some(set.raw);
                if !is_kept && self.tries <= set.hold.looks() {
                    self.look_at = Some(now + LOOK_INTERVAL);
                    return None;
                }
                let holds = match set.hold {
                    Hold::Any => true,
                    Hold::Now | Hold::Soon => is_kept,
                    Hold::Near => is_kept || read != self.before,
                };
                if !holds {
                    return self.step_failed(&set, "was written but does not hold the value");
                }
                let read = read.map_or_else(|| "nothing".into(), |raw| plain(set.field.scale(raw)));
                self.step_done(&set, &read)
            }
            (Stage::Read | Stage::ReadBack, Err(TransferError::Overflow)) if !self.wide => {
                self.wide = true;
                None
            }
            (Stage::Read, result) => {
                self.step_failed(&set, &format!("cannot be read: {}", words(result.err())))
            }
            (Stage::Write, result) => {
                self.step_failed(&set, &format!("refused the write: {}", words(result.err())))
            }
            (Stage::ReadBack, result) => self
                .step_failed(&set, &format!("was written but cannot be read back: {}", words(result.err()))),
        }
    }

    /// What was done and what was not, when the order cannot go on.
    pub(super) fn interrupted(&self, reason: &str) -> String {
        let mut parts = vec![format!("interrupted: {reason}")];
        parts.extend(self.done.iter().cloned());
        parts.extend(self.failed.iter().cloned());
        parts.join("; ")
    }

    fn current(&self) -> Option<&Set> {
        let way = self.ways.first()?;
        if self.undoing { way.undo.as_ref() } else { way.sets.get(self.set) }
    }

    fn step_done(&mut self, set: &Set, read: &str) -> Option<Result<String, String>> {
        let id = set.field.report_id;
        self.done.push(format!(
            "{} := {} in report 0x{id:02x}, reads back {read}",
            set.what,
            plain(set.field.scale(set.raw))
        ));
        self.restart();
        if self.undoing {
            return self.next_way();
        }
        self.set += 1;
        let way = self.ways.first()?;
        if self.set < way.sets.len() {
            return None;
        }
        if way.preparation {
            return self.next_way();
        }
        Some(Ok(match self.command {
            // A word or a date is a number there.
            Command::Set(_, SettingValue::Text(text)) => format!("it is {} now", text.as_str()),
            Command::Set(..) => format!("it is {read} now"),
            _ => format!("{} ({})", way.outcome, self.done.join("; ")),
        }))
    }

    fn step_failed(&mut self, set: &Set, why: &str) -> Option<Result<String, String>> {
        self.failed.push(format!("{}: report 0x{:02x} {why}", set.what, set.field.report_id));
        self.restart();
        let undo = self.ways.first().is_some_and(|way| way.undo.is_some());
        if undo && self.set > 0 && !self.undoing {
            self.undoing = true;
            return None;
        }
        self.next_way()
    }

    fn restart(&mut self) {
        self.stage = Stage::Read;
        self.tries = 0;
        self.wide = false;
    }

    fn next_way(&mut self) -> Option<Result<String, String>> {
        if !self.ways.is_empty() {
            self.ways.remove(0);
        }
        self.set = 0;
        self.undoing = false;
        if self.ways.is_empty() {
            return Some(Err(format!("the UPS did not take the order: {}", self.failed.join("; "))));
        }
        None
    }
}

fn is_report(id: u8, answer: &[u8]) -> bool {
    !answer.is_empty() && (id == 0 || answer.first() == Some(&id))
}

fn words(error: Option<TransferError>) -> &'static str {
    match error {
        Some(TransferError::Stall) => "stalled",
        Some(TransferError::Timeout) => "no answer in time",
        Some(TransferError::NoDevice) => "device gone",
        Some(TransferError::Overflow) => "answer too long",
        Some(TransferError::Other) => "transfer error",
        None => "another report came",
    }
}

/// Finds the ways.
struct Plan<'a> {
    view: View<'a>,
    len: &'a dyn Fn(&Field) -> u16,
}

/// Seconds until the UPS switches off.
const OFF_DELAY: f64 = 60.0;
/// Seconds until it may switch on again, as apcupsd writes them (usb-hid §12).
const WAKE_DELAY: f64 = 64.0;
/// In a Powercom's table of delays.
const INDEX_OF_60_SECONDS: i64 = 9;

impl Plan<'_> {
    /// In the order of usb-hid §12.
    fn kill_power(&self) -> Vec<Method> {
        let mut ways = Vec::new();
        let mut prepare = |set: Option<Set>| {
            ways.extend(set.map(|set| Method { sets: vec![set], preparation: true, ..Method::default() }));
        };
        prepare(self.set(Key::ReturnCharge, 0.0, "charge before restart"));
        prepare(self.steps(Key::ProReturnCharge, 0x3030, "charge before restart"));
        prepare(self.set(Key::ApcDelayBeforeStartup, 10.0, "delay before startup"));
        prepare(self.steps(Key::ProStartupDelay, 0x3630, "delay before startup"));
        // Powercom: 60 seconds is number 9 of its table. The report is read before and after, so that a unit which lacks the
        // table is told by its number, and takes the next way.
        ways.extend(
            self.single(
                self.raw(Key::ShutdownDelayIndex, INDEX_OF_60_SECONDS, "number of the delay before shutdown")
                    .map(|set| Set { hold: Hold::Now, ..set }),
                "the UPS switches off in 60 seconds and on again when mains returns",
            ),
        );
        if self.view.quirks.contains(Quirks::DELAY_IN_BYTES) {
            // Minutes in the low byte, seconds in the high byte; 0x4000: on again when mains returns.
            ways.extend(self.single(
                self.raw(Key::DelayBeforeShutdown, 0x4001, "delay before shutdown"),
                "the UPS switches off in 60 seconds and on again when mains returns",
            ));
            return ways;
        }
        let comes_back = "the UPS switches off in about 60 seconds and on again when mains returns";
        ways.extend(self.single(
            self.set(Key::ApcDelayBeforeShutdown, OFF_DELAY, "APC delay before shutdown"),
            comes_back,
        ));
        if self.view.layout.delays_paired {
            ways.extend(self.pair(
                self.set(Key::WakeDelay, self.wake_delay(), "delay before startup"),
                self.set(Key::DelayBeforeShutdown, OFF_DELAY, "delay before shutdown"),
                self.raw(Key::WakeDelay, -1, "delay before startup"),
                comes_back,
            ));
        }
        ways.extend(self.pair(
            self.raw(Key::ProHibernate, 1, "hibernate"),
            self.raw(Key::ProSelfTest, 1, "self test"),
            self.raw(Key::ProHibernate, 0, "hibernate"),
            "the UPS hibernates and switches on again when mains returns",
        ));
        ways.extend(self.single(
            self.set(Key::DelayBeforeReboot, OFF_DELAY, "delay before reboot"),
            "the UPS switches off in 60 to 90 seconds and on again when mains returns",
        ));
        ways.extend(self.single(
            self.raw(Key::ForceShutdown, 1, "APC force shutdown"),
            "the UPS switches off in about 60 seconds",
        ));
        // With mains there, a UPS that stays off would keep the machine off for no reason.
        if self.view.line() != Line::Mains {
            ways.extend(self.power_off());
        }
        ways
    }

    /// Seconds until the UPS may switch on again: at least a step after it switches off, by what the descriptor says of the steps
    /// of both delays. 64 in steps of a minute would be the same minute as the shutdown's.
    fn wake_delay(&self) -> f64 {
        let step = |key| self.view.layout.slot(key).feature.map_or(1.0, |delay| delays::step(&delay));
        let minute = if self.view.quirks.contains(Quirks::DELAYS_IN_MINUTES) { 60.0 } else { 1.0 };
        let step = step(Key::WakeDelay).max(step(Key::DelayBeforeShutdown)).max(minute);
        WAKE_DELAY.max(OFF_DELAY + step)
    }

    fn power_off(&self) -> Vec<Method> {
        let stays_off = "the UPS switches off in about 60 seconds and stays off until its button is pressed";
        let set = if self.view.quirks.contains(Quirks::DELAY_IN_BYTES) {
            // 0x8000: stay off.
            self.raw(Key::DelayBeforeShutdown, 0x8001, "delay before shutdown")
        } else {
            self.set(Key::DelayBeforeShutdown, OFF_DELAY, "delay before shutdown")
        };
        self.single(set, stays_off).into_iter().collect()
    }

    fn test(&self, value: i64, outcome: &'static str) -> Vec<Method> {
        self.single(self.raw(Key::Test, value, "test"), outcome).into_iter().collect()
    }

    /// The UPS may keep a number near the one that was written; what it keeps is read back (usb-hid §11).
    fn setting(&self, wanted: RawSetting) -> Vec<Method> {
        let hold = if wanted.near { Hold::Near } else { Hold::Soon };
        let set = self.raw(wanted.key, wanted.raw, "setting").map(|set| Set { hold, ..set });
        self.single(set, "").into_iter().collect()
    }

    /// 1: never, 2: at each alarm, 3: not for this one (usb-hid §11).
    fn beeper(&self, beeper: Beeper) -> Vec<Method> {
        let (value, outcome) = match beeper {
            Beeper::Off => (1, "the UPS does not beep any more"),
            Beeper::On => (2, "the UPS beeps at each alarm"),
            Beeper::Mute => (3, "the UPS is silent until the next alarm"),
        };
        // A UPS without an alarm has nothing to mute, and may say so by the value that it keeps.
        let hold = if beeper == Beeper::Mute { Hold::Any } else { Hold::Soon };
        let set = self.raw(Key::AlarmControl, value, "beeper").map(|set| Set { hold, ..set });
        self.single(set, outcome).into_iter().collect()
    }

    /// A calibration needs a full battery and a load worth measuring (usb-hid §11).
    fn may_calibrate(&self) -> Result<(), String> {
        if self.view.quirks.contains(Quirks::QUICK_TEST_IS_TWO) {
            return Err("this UPS has no calibration: it runs the quick test instead".into());
        }
        self.view.values().permit_calibration()
    }

    fn raw(&self, key: Key, raw: i64, what: &'static str) -> Option<Set> {
        let field = self.view.layout.slot(key).feature?;
        // A bit pattern beyond a signed field's range is its negative counterpart.
        let limit = 1_i64 << (field.bit_size.clamp(1, 62) - 1);
        let raw = match field.logical_min < 0 {
            true if raw >= limit => raw - 2 * limit,
            // And -1 in a field that has forgotten its sign is all ones.
            false if raw < 0 => raw + 2 * limit,
            _ => raw,
        };
        Some(Set { field, len: (self.len)(&field), raw, until: None, hold: Hold::Any, what })
    }

    fn set(&self, key: Key, value: f64, what: &'static str) -> Option<Set> {
        let field = self.view.layout.slot(key).feature?;
        Some(Set {
            field,
            len: (self.len)(&field),
            raw: field.unscale(value),
            until: None,
            hold: Hold::Any,
            what,
        })
    }

    /// Old Back-UPS Pro: writing 2 steps the setting down; it reads as ASCII digits (usb-hid §12).
    fn steps(&self, key: Key, until: i64, what: &'static str) -> Option<Set> {
        self.raw(key, 2, what).map(|set| Set { until: Some(until), ..set })
    }

    fn single(&self, set: Option<Set>, outcome: &'static str) -> Option<Method> {
        set.map(|set| Method { sets: vec![set], outcome, ..Method::default() })
    }

    fn pair(
        &self,
        first: Option<Set>,
        second: Option<Set>,
        undo: Option<Set>,
        outcome: &'static str,
    ) -> Option<Method> {
        Some(Method { sets: vec![first?, second?], undo, outcome, ..Method::default() })
    }
}
