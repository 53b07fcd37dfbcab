//! Roles that are ended or stopped, and how long until they are back.

use std::process::Command;
use std::time::{Duration, Instant};

use mainsd::ups::{Event, Priority};

use super::super::{Lines, MAIN, is_slow, logged};
use super::guard::{AT_ONCE, Guard};
use super::record::Return;
use super::story::Story;

/// How soon a role is back.
const BACK_WITHIN: Duration = Duration::from_secs(2);
/// A role that was ended.
#[derive(Clone, Copy, Debug)]
struct Awaited {
    name: &'static str,
    pid: u32,
    ended: Instant,
}

/// The roles of a daemon.
#[derive(Debug, Default)]
pub struct Roles {
    awaited: Vec<Awaited>,
    /// Writers that were stopped.
    stopped: Vec<u32>,
}

impl Roles {
    /// Sends a role this signal and waits for another one; false: there is none.
    pub fn end(&mut self, guard: &Guard, name: &'static str, signal: &str) -> bool {
        let Some(pid) = guard.role(name) else { return false };
        send(pid, signal);
        self.awaited.push(Awaited { name, pid, ended: Instant::now() });
        true
    }

    /// Stops a writer, and waits for another one unless it goes on; false: there is none.
    pub fn stop(&mut self, guard: &Guard, name: &'static str) -> bool {
        let Some(pid) = guard.role(name) else { return false };
        send(pid, "STOP");
        self.stopped.push(pid);
        self.awaited.push(Awaited { name, pid, ended: Instant::now() });
        true
    }

    /// All that were stopped go on, unless they have been killed.
    pub fn go_on(&mut self) {
        let stopped = std::mem::take(&mut self.stopped);
        self.awaited.retain(|awaited| !stopped.contains(&awaited.pid));
        for pid in stopped {
            send(pid, "CONT");
        }
    }

    /// The whole daemon is another one.
    pub fn forget(&mut self) {
        self.awaited.clear();
    }

    /// Whether another main process is waited for.
    pub fn awaits_main(&self) -> bool {
        self.awaited.iter().any(|awaited| awaited.name == MAIN)
    }

    /// Whether one is waited for.
    pub fn awaits(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Those that are back since the last look, or will not be.
    pub fn returned(&mut self, guard: &Guard) -> Vec<Return> {
        let mut returned = Vec::new();
        self.awaited.retain(|awaited| {
            let took = awaited.ended.elapsed();
            let is_back = guard.role(awaited.name).is_some_and(|pid| pid != awaited.pid);
            if !is_back && took < BACK_WITHIN + AT_ONCE {
                return true;
            }
            let is_late = !is_back || is_slow(took, BACK_WITHIN);
            returned.push(Return { role: awaited.name, took: took.as_secs_f64(), is_late });
            false
        });
        returned
    }
}

impl Drop for Roles {
    /// A stopped process does not find out that its daemon has ended.
    fn drop(&mut self) {
        self.go_on();
    }
}

/// One that has ended meanwhile gets none.
fn send(pid: u32, signal: &str) {
    let _ = Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).output();
}

/// Lines of the log that one place has and the other has not, and what the state file should not say, once the daemon has ended.
pub fn what_is_lost(guard: &Guard, story: &Story) -> Vec<String> {
    let file = logged(guard.dir());
    let error: Vec<String> = guard.outputs.iter().map(Lines::text).collect();
    let error = error.concat();
    // The events file does not have all that standard error has.
    let events = Event::ALL.iter().filter(|event| event.priority() != Priority::Info);
    let known: Vec<&str> = events.map(|event| event.text()).chain(["Shutdown because "]).collect();
    let mut wrong = Vec::new();
    for line in file.iter().filter(|line| !error.contains(line.as_str())) {
        wrong.push(format!("standard error does not have {line:?}"));
    }
    for line in known.iter().filter(|known| error.contains(**known)) {
        if !file.iter().any(|logged| logged.starts_with(line)) {
            wrong.push(format!("the events file does not have {line:?}"));
        }
    }
    let state = std::fs::read_to_string(guard.dir().join("state")).unwrap_or_default();
    if story.limit.is_none() && state.contains("on_battery_since") {
        wrong.push(format!("the state file has an outage that is over: {state}"));
    }
    wrong
}
