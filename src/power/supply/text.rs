//! The lines that explain a shutdown, and a silence.

use std::fmt::Write as _;

use super::limits::Basis;
use super::{Cause, Supply};
use crate::ups::{Fixed, LowBatteryFlag, StatusFlags, plain};

/// One line: cause, values, since when, thresholds.
pub(super) fn explanation(supply: &Supply, cause: Cause, grounds: Basis) -> String {
    let settings = &supply.settings;
    let now = supply.now;
    let mut line = String::from("Shutdown because ");
    line.push_str(match (cause, grounds) {
        (Cause::LowBattery, Basis::Reported) => "the UPS says that its battery is low",
        (Cause::LowBattery, Basis::Extrapolated) => "the battery must be nearly empty by now",
        (Cause::LowBattery, Basis::NoData) => "the UPS is silent and nothing says how long its battery lasts",
        (Cause::Timeout, _) => "TIMEOUT is over",
        (Cause::Charge, Basis::Reported) => "the charge is at or below BATTERYLEVEL",
        (Cause::Charge, _) => "the charge must be at or below BATTERYLEVEL by now",
        (Cause::Runtime, Basis::Reported) => "the runtime is at or below MINUTES",
        (Cause::Runtime, _) => "the runtime must be at or below MINUTES by now",
        (Cause::Emergency, _) => "the battery fails: low battery while on line and on battery at once",
        (Cause::MasterLost, _) => "the master was lost while on battery and NETTIMEOUT is over",
        (Cause::Remote, _) => "a master or management card orders it",
        (Cause::Operator, _) => "root has ordered it, with 'shutdown now'",
    });
    // Writing to a String cannot fail.
    let _ = match supply.on_battery_since() {
        Some(since) => write!(line, "; on battery for {} s", now.saturating_duration_since(since).as_secs()),
        None => write!(line, "; not on battery"),
    };
    let age = |at| now.saturating_duration_since(at).as_secs();
    let _ = match supply.known.charge {
        Some(charge) => write!(line, "; charge {:.1} % {} s ago", Fixed(charge.value), age(charge.at)),
        None => write!(line, "; charge unknown"),
    };
    let _ = match settings.battery_level {
        Some(limit) => write!(line, " (BATTERYLEVEL {} %)", plain(limit.0)),
        None => write!(line, " (BATTERYLEVEL off)"),
    };
    let _ = match supply.known.runtime {
        Some(runtime) => write!(line, "; runtime {:.1} min {} s ago", Fixed(runtime.value), age(runtime.at)),
        None => write!(line, "; runtime unknown"),
    };
    let _ = match settings.minutes {
        Some(limit) => write!(line, " (MINUTES {})", plain(limit.0)),
        None => write!(line, " (MINUTES off)"),
    };
    let _ = match settings.timeout {
        Some(limit) => write!(line, "; TIMEOUT {} s", limit.as_secs()),
        None => write!(line, "; TIMEOUT off"),
    };
    let low = supply.last_status.contains(StatusFlags::BATTLOW);
    let _ = write!(line, "; low battery {}", if low { "yes" } else { "no" });
    let mode = settings.low_battery_flag;
    let since = supply.on_battery_since().unwrap_or(now);
    if mode != LowBatteryFlag::Ups {
        let counts = (mode == LowBatteryFlag::Confirm && low)
            .then(|| supply.low.confirmed_by(settings.confirm_polls, since, now))
            .flatten();
        let why = counts.map_or(String::new(), |why| format!(": {why}"));
        let _ = write!(line, " (LOWBATTERYFLAG {}{why})", mode.word());
    }
    if let Some(since) = supply.comm.silent_since() {
        let _ = write!(line, "; the UPS has not answered for {} s", age(since));
    }
    line.push('.');
    let by_flag = matches!(cause, Cause::LowBattery | Cause::Emergency) && grounds != Basis::NoData;
    let doubtful = supply.low.is_doubtful(settings.confirm_polls, since, now);
    if by_flag && low && doubtful && mode == LowBatteryFlag::Ups {
        line.push_str(
            " Charge and runtime speak against a low battery: if this UPS says so at every outage, see LOWBATTERYFLAG in \
             mainsd.conf(5).",
        );
    }
    line
}

/// Charge and runtime, as last known.
pub(super) fn battery(supply: &Supply) -> String {
    let known = &supply.known;
    let charge =
        known.charge.map_or("charge unknown".to_owned(), |v| format!("charge {:.1} %", Fixed(v.value)));
    let runtime =
        known.runtime.map_or("runtime unknown".to_owned(), |v| format!("runtime {:.1} min", Fixed(v.value)));
    format!("{charge}, {runtime}")
}

/// What is known of why the UPS does not answer.
pub(super) fn no_answer(reason: &str) -> String {
    format!("No answer from the UPS: {reason}")
}
