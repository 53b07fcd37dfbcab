//! The system shutdown, from the request to the last resort.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::commands::LastResort;
use super::task::{Step, Task};
use super::{Act, HookArgs, HookEnd, Outcome, SHUTDOWN_HOLD_UP};
use crate::sys::reboot;
use crate::sys::spawn::{Child, Spec, spawn_sync};
use crate::ups::{Event, Priority};

/// How long a shutdown command of ours may take; `systemctl` gives up on a dead bus after 25 s by itself.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// For how long everything is tried again while `fork` fails for some of it, and how often.
const FORK_PATIENCE: Duration = Duration::from_secs(10);
const FORK_RETRY: Duration = Duration::from_secs(1);

/// How long the disks have to take what is dirty, before the machine is switched off all the same.
const SYNC_LIMIT: Duration = Duration::from_secs(10);

/// For the log to take the last lines, where no process could be made to write the disks.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What was asked for, and what became of it so far.
#[derive(Debug)]
struct Pending {
    args: HookArgs,
    reason: String,
    /// Set once `fork` has failed: until then it is tried again.
    fork_until: Option<Instant>,
    /// `fork` has failed in this round.
    fork_failed: bool,
    /// That a fall-back was started has been told.
    fell_back: bool,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Idle,
    /// Hooks up to number `after` come first, but not beyond `until`.
    Waiting { pending: Pending, after: u64, until: Instant },
    /// The `doshutdown` hook runs.
    Hook { pending: Pending, task: Task },
    /// A command runs; `rest` comes after it.
    Command { pending: Pending, task: Task, rest: VecDeque<(Spec, String)> },
    /// No process could be made; all begins again at `at`.
    Retrying { pending: Pending, at: Instant },
    /// The disks are being written, by a child if one could be made; then the machine is switched off.
    Syncing { child: Option<Child>, until: Instant },
}

/// The shutdown that is under way, if one is.
#[derive(Debug, Default)]
pub(super) struct Shutdown {
    phase: Phase,
}

impl Shutdown {
    /// Begins, unless one is under way already.
    pub fn request(&mut self, args: HookArgs, reason: String, after: u64, now: Instant) {
        if matches!(self.phase, Phase::Idle) {
            let pending = Pending { args, reason, fork_until: None, fork_failed: false, fell_back: false };
            self.phase = Phase::Waiting { pending, after, until: now + SHUTDOWN_HOLD_UP };
        }
    }

    pub fn run_pending_now(&mut self, now: Instant) {
        if let Phase::Waiting { until, .. } = &mut self.phase {
            *until = now;
        }
    }

    pub fn is_under_way(&self) -> bool {
        !matches!(self.phase, Phase::Idle)
    }

    /// The number of the last hook that may start now: those queued after the request wait for `doshutdown`.
    pub fn hooks_may_run_up_to(&self) -> u64 {
        match self.phase {
            Phase::Waiting { after, .. } => after,
            Phase::Hook { .. } => 0,
            _ => u64::MAX,
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Idle => None,
            Phase::Waiting { until: at, .. }
            | Phase::Retrying { at, .. }
            | Phase::Syncing { until: at, .. } => Some(*at),
            Phase::Hook { task, .. } | Phase::Command { task, .. } => task.deadline(),
        }
    }
}

impl Act {
    /// True if something changed.
    pub(super) fn advance_shutdown(&mut self, now: Instant) -> bool {
        let phase = std::mem::take(&mut self.shutdown.phase);
        let (next, moved) = match phase {
            Phase::Idle => (Phase::Idle, false),
            Phase::Waiting { pending, after, until } if self.hook_queue.is_past(after) || now >= until => {
                self.leave_hook_behind(after);
                (self.run_hook(pending, now), true)
            }
            Phase::Hook { pending, mut task } => match task.advance(now) {
                Step::Running => (Phase::Hook { pending, task }, false),
                step => (self.after_hook(pending, task, step, now), true),
            },
            Phase::Command { pending, mut task, rest } => match task.advance(now) {
                Step::Running => (Phase::Command { pending, task, rest }, false),
                step => (self.after_command(pending, task, step, rest, now), true),
            },
            Phase::Retrying { pending, at } if now >= at => (self.run_hook(pending, now), true),
            Phase::Syncing { mut child, until } => {
                let written = child.as_mut().is_some_and(|child| child.try_wait().is_some());
                if written || now >= until {
                    (self.switch_off(child.is_some()), true)
                } else {
                    (Phase::Syncing { child, until }, false)
                }
            }
            waits @ (Phase::Waiting { .. } | Phase::Retrying { .. }) => (waits, false),
        };
        self.shutdown.phase = next;
        moved
    }

    /// Time is up for what was queued before: what runs goes on beside the shutdown until its own limit.
    fn leave_hook_behind(&mut self, after: u64) {
        if self.hook_queue.is_past(after) {
            return;
        }
        if let Some(task) = self.hook_queue.take_running() {
            self.log(Priority::Warning, format!("{task} has not ended: the shutdown does not wait for it"));
            self.abandoned.push(task);
        }
    }

    fn run_hook(&mut self, mut pending: Pending, now: Instant) -> Phase {
        let (spec, what) = self.hook_spec(Event::DoShutdown, &pending.args);
        let again = pending.fork_until.is_some();
        pending.fork_failed = false;
        let started = if again { self.start_quietly(&spec) } else { self.start(&spec) };
        match started {
            Ok(child) => {
                let task = Task::new(child, Some(Event::DoShutdown), what, self.settings.hook_timeout, now);
                Phase::Hook { pending, task }
            }
            Err(how) => {
                pending.fork_failed = true;
                self.fall_back(pending, &what, &how, now)
            }
        }
    }

    fn after_hook(&mut self, pending: Pending, task: Task, step: Step, now: Instant) -> Phase {
        let how = self.ended_or_abandoned(task, step, now);
        if how.1.is_success() {
            return self.succeeded(how.0, &pending.reason);
        }
        self.fall_back(pending, &how.0, &how.1, now)
    }

    fn fall_back(&mut self, pending: Pending, what: &str, how: &HookEnd, now: Instant) -> Phase {
        let commands: VecDeque<_> = self.settings.fallback.commands(self.settings.output).into();
        if let Some((_, first)) = commands.front() {
            if pending.fork_until.is_none() {
                self.log(
                    Priority::Error,
                    format!("{what} {how}; {first} is run instead. {}", pending.reason),
                );
            }
        } else if pending.fork_until.is_none() {
            self.log(Priority::Error, format!("{what} {how}. {}", pending.reason));
        }
        self.run_next_command(pending, commands, now)
    }

    fn run_next_command(
        &mut self,
        mut pending: Pending,
        mut rest: VecDeque<(Spec, String)>,
        now: Instant,
    ) -> Phase {
        while let Some((spec, what)) = rest.pop_front() {
            // The user's own command has the user's own limit.
            let is_users = self.settings.fallback.shutdown_cmd.as_deref() == Some(what.as_str());
            let limit = if is_users { self.settings.hook_timeout } else { COMMAND_LIMIT };
            match self.start_quietly(&spec) {
                Ok(child) => {
                    if !std::mem::replace(&mut pending.fell_back, true) {
                        self.outcomes.push_back(Outcome::ShutdownFellBack(what.clone()));
                    }
                    let task = Task::new(child, None, what, limit, now);
                    return Phase::Command { pending, task, rest };
                }
                Err(how) => {
                    pending.fork_failed = true;
                    if pending.fork_until.is_none() {
                        self.log(Priority::Error, format!("{what} {how}"));
                    }
                }
            }
        }
        if pending.fork_failed && now < *pending.fork_until.get_or_insert(now + FORK_PATIENCE) {
            return Phase::Retrying { pending, at: now + FORK_RETRY };
        }
        self.last_resort(&pending, now)
    }

    fn after_command(
        &mut self,
        pending: Pending,
        task: Task,
        step: Step,
        rest: VecDeque<(Spec, String)>,
        now: Instant,
    ) -> Phase {
        let (what, how) = self.ended_or_abandoned(task, step, now);
        if how.is_success() {
            return self.succeeded(what, &pending.reason);
        }
        self.log(Priority::Error, format!("{what} {how}"));
        self.run_next_command(pending, rest, now)
    }

    /// What was run, and how it ended. If it only ran out of time, it gets its signals beside what comes next.
    fn ended_or_abandoned(&mut self, task: Task, step: Step, now: Instant) -> (String, HookEnd) {
        let what = task.to_string();
        if let Step::Ended(how) = step {
            if matches!(how, HookEnd::NotExecuted(_)) {
                self.log_end(&task, &how);
            }
            self.outcomes.extend(task.finished(how.clone(), now));
            return (what, how);
        }
        self.tell(&task, step);
        self.abandoned.push(task);
        (what, HookEnd::TimedOut)
    }

    fn succeeded(&mut self, what: String, reason: &str) -> Phase {
        self.log(Priority::Notice, format!("System shutdown started by {what}. {reason}"));
        self.outcomes.push_back(Outcome::ShutdownStarted(what));
        Phase::Idle
    }

    fn last_resort(&mut self, pending: &Pending, now: Instant) -> Phase {
        if self.settings.fallback.last_resort == LastResort::LogOnly {
            self.log(Priority::Alert, format!("No command shuts the system down. {}", pending.reason));
            self.outcomes.push_back(Outcome::ShutdownFailed);
            return Phase::Idle;
        }
        let reason = &pending.reason;
        self.log(
            Priority::Alert,
            format!("No command shuts the system down: it is switched off at once. {reason}"),
        );
        let child = spawn_sync().ok();
        let until = now + if child.is_some() { SYNC_LIMIT } else { LAST_WORDS };
        Phase::Syncing { child, until }
    }

    fn switch_off(&mut self, written: bool) -> Phase {
        if !written {
            reboot::write_disks();
        }
        let error = reboot::power_off();
        self.log(
            Priority::Alert,
            format!("The system cannot be switched off: reboot ERR={}", crate::sys::reason(&error)),
        );
        self.outcomes.push_back(Outcome::ShutdownFailed);
        Phase::Idle
    }
}
