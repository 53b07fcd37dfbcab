//! A child with a time limit.

use std::fmt;
use std::time::{Duration, Instant};

use super::Outcome;
use crate::sys::spawn::{Child, End};
use crate::ups::Event;

/// From SIGTERM to SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(5);

/// From SIGKILL to giving up: a process that hangs in the kernel (a dead disk) does not die.
const KILL_GRACE: Duration = Duration::from_secs(1);

/// How a hook or command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookEnd {
    /// It exited with this status.
    Exited(i32),
    /// A signal, this one, ended it.
    Signaled(i32),
    /// It could not be executed; why.
    NotExecuted(String),
    /// No process could be made; why.
    NotForked(String),
    /// It took too long and was terminated.
    TimedOut,
    /// It is gone and left no status.
    Unknown,
}

impl HookEnd {
    /// Whether it did what it was run for.
    #[must_use]
    pub fn is_success(&self) -> bool {
        *self == Self::Exited(0)
    }
}

impl fmt::Display for HookEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exited with status {status}"),
            Self::Signaled(signal) => write!(f, "was ended by signal {signal}"),
            Self::NotExecuted(reason) => write!(f, "cannot be executed: {reason}"),
            Self::NotForked(reason) => write!(f, "cannot be started: {reason}"),
            Self::TimedOut => f.write_str("took too long"),
            Self::Unknown => f.write_str("ended without a status"),
        }
    }
}

/// What [`Task::advance`] saw or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Running,
    /// It ended.
    Ended(HookEnd),
    /// Its time is up: SIGTERM was sent.
    Terminated,
    /// SIGKILL was sent.
    Killed,
    /// It does not die.
    GivenUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running { limit: Instant },
    Terminated { kill_at: Instant },
    Killed { give_up_at: Instant },
    GivenUp,
}

/// A running child: a hook, or a shutdown command.
#[derive(Debug)]
pub(super) struct Task {
    child: Child,
    /// The hook's event; `None`: a shutdown command.
    event: Option<Event>,
    /// What was run, for log lines.
    what: String,
    started: Instant,
    stage: Stage,
}

impl Task {
    pub fn new(child: Child, event: Option<Event>, what: String, limit: Duration, now: Instant) -> Self {
        Self { child, event, what, started: now, stage: Stage::Running { limit: now + limit } }
    }

    /// Looks whether it ended, and sends the signal that is due.
    pub fn advance(&mut self, now: Instant) -> Step {
        let in_time = matches!(self.stage, Stage::Running { .. });
        let end = if in_time { self.child.try_wait() } else { self.end_with_group() };
        if let Some(end) = end {
            return Step::Ended(if in_time { how(end) } else { HookEnd::TimedOut });
        }
        match self.stage {
            Stage::Running { limit } if now >= limit => {
                self.child.terminate_group();
                self.stage = Stage::Terminated { kill_at: now + TERM_GRACE };
                Step::Terminated
            }
            Stage::Terminated { kill_at } if now >= kill_at => {
                self.child.kill_group();
                self.stage = Stage::Killed { give_up_at: now + KILL_GRACE };
                Step::Killed
            }
            Stage::Killed { give_up_at } if now >= give_up_at => {
                self.stage = Stage::GivenUp;
                Step::GivenUp
            }
            _ => Step::Running,
        }
    }

    /// How it ended. Those of its group that ignored SIGTERM go with it: before its status is taken, for its id may be another's after that.
    fn end_with_group(&mut self) -> Option<End> {
        // One look for both: it may end between two.
        if !self.child.has_ended() {
            return None;
        }
        self.child.kill_group();
        self.child.try_wait()
    }

    /// When the next signal is due; `None`: no more can be done.
    pub fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Running { limit: at }
            | Stage::Terminated { kill_at: at }
            | Stage::Killed { give_up_at: at } => Some(at),
            Stage::GivenUp => None,
        }
    }

    /// What is told of a hook that ended.
    pub fn finished(&self, how: HookEnd, now: Instant) -> Option<Outcome> {
        let took = now.saturating_duration_since(self.started);
        self.event.map(|event| Outcome::HookFinished { event, how, took })
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

fn how(end: End) -> HookEnd {
    match end {
        End::Exited(status) => HookEnd::Exited(status),
        End::Signaled(signal) => HookEnd::Signaled(signal),
        End::Failed(errno) => {
            HookEnd::NotExecuted(crate::sys::reason(&std::io::Error::from_raw_os_error(errno)))
        }
        End::Unknown => HookEnd::Unknown,
    }
}
