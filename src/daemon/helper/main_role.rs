//! The main process, as the helper has it: whether it lives, and whether its loop goes on.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry};

use super::spares::Spares;
use crate::daemon::token;
use crate::sys::role::{Process, Role};
use crate::sys::spawn::End;

/// On mains, a main process that has said nothing for so long is asked whether its loop goes on; on battery, for so long.
const SILENCE_ON_MAINS: Duration = Duration::from_secs(60);
const SILENCE_ON_BATTERY: Duration = Duration::from_secs(2);
/// How long the answer may take: a busy machine is slow, and to start another process does not make it faster.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT_ON_BATTERY: Duration = Duration::from_secs(5);
/// A look so long after it was due means that this process was held up itself, and the other one with it, most likely.
const STALL_THRESHOLD: Duration = Duration::from_secs(1);

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Ask whether its loop goes on.
    Ask,
    /// It does not.
    Hangs,
    /// Somebody has stopped it.
    Stopped,
}

/// A running main process.
#[derive(Debug)]
pub struct MainRole {
    role: Role,
    started_at: Instant,
    heard_at: Instant,
    asked_at: Option<Instant>,
    spares: Spares,
}

impl MainRole {
    /// It has just been started.
    #[must_use]
    pub fn new(role: Role, now: Instant) -> Self {
        Self { role, started_at: now, heard_at: now, asked_at: None, spares: Spares::default() }
    }

    /// The role.
    pub const fn role(&mut self) -> &mut Role {
        &mut self.role
    }

    /// Its process, which is no main process any more.
    #[must_use]
    pub fn into_process(self) -> Option<Process> {
        self.role.into_process()
    }

    /// It in words: `The main process (123)`.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("The main process ({})", self.role.pid().unwrap_or_default())
    }

    /// The socket for the next job that it has asked for; `None`: it asks for more than it has sockets.
    pub fn take_spare(&mut self) -> Option<OwnedFd> {
        self.spares.take()
    }

    /// Sends it the sockets that it lacks.
    pub fn fill_spares(&mut self, now: Instant) {
        let role = &self.role;
        self.spares.fill(now, |message, socket| role.send_with(message, socket));
    }

    /// When to call [`MainRole::fill_spares`] again.
    #[must_use]
    pub const fn spares_at(&self) -> Option<Instant> {
        self.spares.poll_timeout()
    }

    /// Makes the loop wake for what it tells.
    pub fn register(&self, registry: &Registry) {
        // Without it, it is heard when something else happens.
        let _ = registry.register(&mut SourceFd(&self.role.as_raw_fd()), token::HELPER, Interest::READABLE);
    }

    /// How long it has lived.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started_at)
    }

    /// It has said something.
    pub const fn note_heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.asked_at = None;
    }

    /// What is due by now.
    pub fn handle_timeout(&mut self, on_battery: bool, now: Instant) -> Option<Due> {
        if self.role.is_stopped_for_long(now) {
            return Some(Due::Stopped);
        }
        let at = self.answer_timeout(on_battery);
        let late = now.checked_duration_since(at)?;
        if self.asked_at.is_some() && late < STALL_THRESHOLD {
            return Some(Due::Hangs);
        }
        self.asked_at = Some(now);
        Some(Due::Ask)
    }

    /// When something is due.
    #[must_use]
    pub fn poll_timeout(&self, on_battery: bool) -> Instant {
        let at = self.answer_timeout(on_battery);
        self.role.poll_timeout().map_or(at, |stopped| stopped.min(at))
    }

    fn answer_timeout(&self, on_battery: bool) -> Instant {
        match self.asked_at {
            None if on_battery => self.heard_at + SILENCE_ON_BATTERY,
            None => self.heard_at + SILENCE_ON_MAINS,
            Some(asked_at) if on_battery => asked_at + ANSWER_TIMEOUT_ON_BATTERY,
            Some(asked_at) => asked_at + ANSWER_TIMEOUT,
        }
    }
}

/// How it ended, for a sentence.
#[must_use]
pub fn describe(end: Option<End>) -> String {
    match end {
        Some(End::Signaled(signal)) => format!("was ended by signal {signal}"),
        Some(End::Exited(status)) => format!("has ended with status {status}"),
        Some(End::Failed(_) | End::Unknown) | None => "has ended".to_owned(),
    }
}
