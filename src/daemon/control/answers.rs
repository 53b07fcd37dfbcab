//! Who may order what, what an order means for the link, and the answers that need nothing of it. The same with and without a daemon.

use std::time::Duration;

use super::desk::Asked;
use crate::sys::local::Peer;
use crate::ups::{
    CalibrationResult, Command, Fixed, Identity, SelfTestResult, Setting, SettingValue, StatusFlags, Values,
};
use crate::wire::control::{Action, Answer, ORDERS, Outcome, Request, Right};

/// Who may give an order, of a daemon whose owner is this user; the name of the group, for words.
///
/// # Errors
/// Whose it is.
pub fn may(asked: &Asked, owner: u32, group: Option<&str>) -> Result<(), String> {
    let Peer { uid, is_member, .. } = asked.from;
    let has = match uid {
        0 => Right::Root,
        uid if uid == owner => Right::Root,
        _ if is_member => Right::Group,
        _ => Right::Read,
    };
    if has >= asked.request.right() {
        return Ok(());
    }
    Err(match (asked.request.right(), group) {
        (Right::Group, Some(group)) => format!("only root and the group {group} may order this"),
        _ => "only root may order this".to_owned(),
    })
}

/// The command of an order that goes into the link; `None`: it is answered without.
#[must_use]
pub const fn command_of(request: &Request) -> Option<Command> {
    Some(match (request.row.action, request.value) {
        (Action::SelfTest, _) => Command::SelfTest,
        (Action::SelfTestResult, _) => Command::ReadSelfTest,
        (Action::Calibrate, _) => Command::Calibrate,
        (Action::CalibrateAbort, _) => Command::AbortTest,
        (Action::Beeper(beeper), _) => Command::Beeper(beeper),
        (Action::PanelTest, _) => Command::PanelTest,
        (Action::Poll | Action::CalibrateResult, _) => Command::Poll,
        (Action::Record, _) => Command::Record,
        (Action::Outlets, _) => Command::Outlets,
        (Action::Outlet(switch), Some(SettingValue::Number(number))) => Command::Outlet(switch, number),
        (Action::Setting(setting), Some(value)) => Command::Set(setting, value),
        _ => return None,
    })
}

/// The answer to an order that the link has done with these words; a list is a value each line.
#[must_use]
pub fn done(request: &Request, words: String) -> Answer {
    let (text, before) = match request.row.action {
        Action::Record => ("recorded", ""),
        Action::Outlets => ("", "outlet "),
        _ => return Answer::new(Outcome::Done, words),
    };
    let pairs = words.lines().filter_map(|line| line.split_once(' '));
    pairs.fold(Answer::new(Outcome::Done, text), |answer, (word, value)| {
        answer.with(&format!("{before}{word}"), value)
    })
}

/// The answer to an order to read the UPS, which has been read.
#[must_use]
pub fn polled(status: StatusFlags, values: &Values) -> Answer {
    let line = if status.contains(StatusFlags::ONBATT) { "on battery" } else { "on mains" };
    let numbers = [
        ("charge", values.battery_charge.map(|charge| charge.0)),
        ("runtime", values.runtime_left.map(|runtime| runtime.0)),
    ];
    let mut answer = Answer::new(Outcome::Done, "read").with("line", line);
    for (name, value) in numbers {
        answer =
            value.into_iter().fold(answer, |answer, value| answer.with(name, format!("{:.1}", Fixed(value))));
    }
    if status.contains(StatusFlags::CALIBRATION) { answer.with("test", "runs") } else { answer }
}

/// The value of a setting, as it is written; `None`: the UPS does not tell it.
fn shown(setting: Setting, ups: &Identity, values: &Values) -> Option<String> {
    let number = |value: Option<i32>| value.map(|value| value.to_string());
    match setting {
        Setting::Sensitivity => ups.sensitivity.as_ref().map(|it| it.text().to_owned()),
        Setting::WakeDelay => number(ups.wake_delay),
        Setting::ShutdownDelay => number(ups.shutdown_delay),
        Setting::LowTransfer => number(ups.low_transfer),
        Setting::HighTransfer => number(ups.high_transfer),
        Setting::ReturnCharge => number(ups.return_charge),
        Setting::AlarmDelay => values.alarm_delay.as_ref().map(|it| it.text().to_owned()),
        Setting::LowBattery => number(ups.low_battery_minutes),
        Setting::SelfTestInterval => ups.self_test_interval.as_ref().map(|it| it.text().to_owned()),
        Setting::OutputVoltage => number(ups.nominal_output_voltage),
        Setting::BatteryDate => ups.battery_date.clone(),
        Setting::Name => ups.name.clone(),
    }
}

/// The answer to an order that shows what the UPS keeps: a setting, all settings that it has, or when it was made.
#[must_use]
pub fn show(action: Action, ups: &Identity, values: &Values) -> Answer {
    let mut answer = Answer::new(Outcome::Done, "");
    if let Some(date) = ups.manufacture_date.as_deref().filter(|_| action == Action::ManufactureDate) {
        return answer.with("manufacture date", date);
    }
    for row in ORDERS {
        let Action::Setting(setting) = row.action else { continue };
        if action != row.action && action != Action::Settings {
            continue;
        }
        if let Some(text) = shown(setting, ups, values) {
            answer = answer.with(row.words, text.trim_end());
        }
        if let Some((_, permitted)) = ups.permitted.iter().find(|(of, _)| *of == setting) {
            answer.permitted.push((row.words.to_owned(), permitted.clone()));
        }
    }
    if answer.values.is_empty() && answer.permitted.is_empty() {
        let what = if action == Action::ManufactureDate { "when it was made" } else { "this" };
        return Answer::new(Outcome::Refused, format!("the UPS does not tell {what}"));
    }
    answer
}

/// The result of a self test that is waited for is asked for so often.
pub const TEST_INTERVAL: Duration = Duration::from_secs(2);
/// And for so long (apctest §2: 40 s).
const TEST_TIMEOUT: Duration = Duration::from_secs(90);
/// One that has not been seen to run by then was too short to be seen; before, the result may be that of the test before (usb-hid §11: it
/// can begin 10 s after the order).
const TEST_BEGUN: Duration = Duration::from_secs(15);

/// A self test that was ordered, and whose end is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TestWait {
    /// It has been seen to run.
    seen: bool,
}

impl TestWait {
    /// What [`self_test_result`] has given, so long after the order; `runs`: the UPS does a test now. The answer when it is over; `None`: it
    /// is to be asked again.
    pub fn look(&mut self, result: Option<Answer>, runs: bool, age: Duration) -> Option<Answer> {
        self.seen |= runs || result.is_none();
        let over = result.filter(|_| !runs && (self.seen || age >= TEST_BEGUN));
        let late = || Answer::new(Outcome::Refused, "the self test was started and has not ended in time");
        over.or_else(|| (age >= TEST_TIMEOUT).then(late))
    }
}

/// The answer that tells the result of the last self test; `None`: it is in progress.
#[must_use]
pub fn self_test_result(result: Option<SelfTestResult>, waited: bool) -> Option<Answer> {
    let Some(result) = result else {
        return Some(Answer::new(Outcome::Refused, "the UPS does not tell the result of a self test"));
    };
    if waited && result == SelfTestResult::InProgress {
        return None;
    }
    let failed =
        !matches!(result, SelfTestResult::Passed | SelfTestResult::InProgress | SelfTestResult::NotAvailable);
    let outcome = if waited && failed { Outcome::Refused } else { Outcome::Done };
    Some(Answer::new(outcome, result.log_text()).with("self-test result", result.code()))
}

/// The answer that tells how the last calibration ended: as the UPS tells it, or as it was `seen` to end where it does not; `runs`: one does.
#[must_use]
pub fn calibration_result(told: Option<CalibrationResult>, runs: bool, seen: Option<&str>) -> Answer {
    use CalibrationResult::{InProgress, NotAvailable};
    let text = match (told.filter(|told| *told != NotAvailable), seen) {
        _ if runs => InProgress.text(),
        (Some(result), _) => result.text(),
        (None, Some(seen)) => seen.to_owned(),
        (None, None) if told.is_some() => NotAvailable.text(),
        (None, None) => {
            return Answer::new(Outcome::Refused, "the UPS does not tell how a calibration ended");
        }
    };
    Answer::new(Outcome::Done, "").with("calibrate result", text)
}
