//! Dates in the log and in answers, whatever year the clock shows: on 32-bit platforms time has many places to end in 2038.

use std::process::Command;

use super::{Lab, Scenario, ensure};
use crate::support;

/// All of them.
pub const ALL: &[Scenario] = &[("dates_are_those_of_the_clock", dates)];

/// A time zone that needs no file.
const ZONE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

fn dates(lab: &Lab) {
    let unit = lab.plug("apc-back-ups-es-850g2");
    let before = seconds("now");
    let daemon = lab.online(&lab.setup().environment("TZ", ZONE));
    unit.mains(false);
    daemon.wait_for_hook("onbattery", support::TIMEOUT);
    let status = daemon.wait_for_status(|status| status.get("XONBATT").is_some(), support::TIMEOUT);
    let after = seconds("now");
    let events = std::fs::read_to_string(daemon.dir().join("events")).unwrap();
    let line = events.lines().next().and_then(|line| line.get(..25)).unwrap_or_default();
    for (what, stamp) in ["DATE", "STARTTIME", "XONBATT", "END APC"]
        .map(|key| (key, status.get(key).unwrap_or_default()))
        .into_iter()
        .chain([("the first line of the events file", line)])
    {
        let moment = seconds(stamp);
        let holds = (before..=after).contains(&moment) && date(&format!("@{moment}"), "%F %T %z") == stamp;
        ensure(&daemon, holds, &format!("{what}: {stamp} is not between {before} and {after}"));
    }
    for pid in [daemon.pid(), daemon.main_pid()] {
        let timer = jump_timer(pid);
        let waits = timer.contains("settime flags: 03");
        ensure(&daemon, waits, &format!("{pid} waits for no jump of the clock: {timer}"));
        let has_ended = timer.contains("it_value: (0, 0)");
        ensure(&daemon, !has_ended, &format!("the timer of {pid} has ended: {timer}"));
    }
}

/// What the system's own `date` makes of a moment, in the time zone.
fn date(moment: &str, format: &str) -> String {
    let output = Command::new("date").env("TZ", ZONE).args(["-d", moment, &format!("+{format}")]).output();
    String::from_utf8(output.unwrap().stdout).unwrap().trim_end().to_owned()
}

fn seconds(moment: &str) -> i64 {
    date(moment, "%s").parse().unwrap_or_else(|_| panic!("{moment:?} is no date"))
}

/// The kernel's words about the timer of a process that goes by the wall clock (proc(5), fdinfo).
fn jump_timer(pid: u32) -> String {
    let folder = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
    let texts = folder.filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok());
    texts.into_iter().find(|text| text.contains("clockid: 0")).unwrap_or_default()
}
