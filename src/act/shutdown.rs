//! The system shutdown, from the request to the last resort.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::commands::LastResort;
use super::last_resort::Syncing;
use super::task::{Step, Task};
use super::{Act, HookArgs, HookEnd, Outcome, SHUTDOWN_HOLD_UP};
use crate::sys::reboot;
use crate::sys::spawn::Spec;
use crate::ups::{Event, Priority};

/// How long a shutdown command of ours may take; `systemctl` gives up on a dead bus after 25 s by itself.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// Once a step has timed out: when the commands have had their time, in a shutdown that took all of HOOKTIMEOUT for that step.
/// With the time of [`Syncing`] the machine is off 30 s after HOOKTIMEOUT.
const HURRIED_END: Duration = Duration::from_secs(19);
/// The least time that the commands which are left have between them then.
const HURRIED_LEAST: Duration = Duration::from_secs(9);

/// For how long everything is tried again while `fork` fails for some of it, and how often.
const FORK_TIMEOUT: Duration = Duration::from_secs(10);
const FORK_RETRY: Duration = Duration::from_secs(1);

/// What was asked for, and what became of it so far.
#[derive(Debug)]
struct Pending {
    args: HookArgs,
    reason: String,
    requested: Instant,
    /// Set once a step has timed out: the commands have until then.
    hurried_until: Option<Instant>,
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
    /// A command runs, more than one if the others hang; `rest` comes after it, at `next_at` also if it has not ended.
    Commands { pending: Pending, tasks: Vec<Task>, rest: VecDeque<(Spec, String)>, next_at: Option<Instant> },
    /// No process could be made; all begins again at `at`.
    Retrying { pending: Pending, at: Instant },
    /// The disks have a last chance; then the machine is switched off.
    Syncing(Syncing),
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
            let pending = Pending {
                args,
                reason,
                requested: now,
                hurried_until: None,
                fork_until: None,
                fork_failed: false,
                fell_back: false,
            };
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
            Phase::Waiting { until: at, .. } | Phase::Retrying { at, .. } => Some(*at),
            Phase::Hook { task, .. } => task.deadline(),
            Phase::Commands { tasks, next_at, .. } => {
                tasks.iter().filter_map(Task::deadline).chain(*next_at).min()
            }
            Phase::Syncing(syncing) => Some(syncing.deadline()),
        }
    }
}

impl Act {
    /// True if something changed.
    pub(super) fn advance_shutdown(&mut self, now: Instant) -> bool {
        let phase = std::mem::take(&mut self.shutdown.phase);
        let (next, moved) = match phase {
            Phase::Idle => (Phase::Idle, false),
            // The scripts of the hook may look for the flag.
            Phase::Waiting { pending, after, until }
                if now >= until || self.hook_queue.is_past(after) && !self.flags.powerfail.is_awaited() =>
            {
                self.leave_hook_behind(after);
                (self.run_hook(pending, now), true)
            }
            Phase::Hook { pending, mut task } => match task.advance(now) {
                Step::Running => (Phase::Hook { pending, task }, false),
                step => (self.after_hook(pending, task, step, now), true),
            },
            Phase::Commands { pending, tasks, rest, next_at } => {
                self.advance_commands(pending, tasks, rest, next_at, now)
            }
            Phase::Retrying { pending, at } if now >= at => (self.run_hook(pending, now), true),
            Phase::Syncing(mut syncing) => {
                if syncing.is_over(now) {
                    (self.switch_off(), true)
                } else {
                    (Phase::Syncing(syncing), false)
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
                let left = pending.hurried_until.map(|until| until.saturating_duration_since(now));
                let limit = left.unwrap_or(self.settings.hook_timeout);
                let task = Task::new(child, Some(Event::DoShutdown), what, limit, now);
                Phase::Hook { pending, task }
            }
            Err(how) => {
                pending.fork_failed = true;
                self.fall_back(pending, &what, &how, now)
            }
        }
    }

    fn after_hook(&mut self, mut pending: Pending, task: Task, step: Step, now: Instant) -> Phase {
        let (what, how) = self.ended_or_abandoned(task, step, now);
        if how.is_success() {
            return self.succeeded(what, &pending.reason);
        }
        if how == HookEnd::TimedOut {
            self.hurry(&mut pending, now);
        }
        self.fall_back(pending, &what, &how, now)
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
        self.run_next_command(pending, Vec::new(), commands, now)
    }

    /// Starts the next of `rest` beside the commands that run.
    fn run_next_command(
        &mut self,
        mut pending: Pending,
        mut tasks: Vec<Task>,
        mut rest: VecDeque<(Spec, String)>,
        now: Instant,
    ) -> Phase {
        while let Some((spec, what)) = rest.pop_front() {
            match self.start_quietly(&spec) {
                Ok(child) => {
                    if !std::mem::replace(&mut pending.fell_back, true) {
                        self.outcomes.push_back(Outcome::ShutdownFellBack(what.clone()));
                    }
                    let left = pending.hurried_until.map(|until| until.saturating_duration_since(now));
                    let limit = left.unwrap_or_else(|| self.command_limit(&what));
                    // What is left is shared equally.
                    let share = |left: Duration| left / u32::try_from(rest.len() + 1).unwrap_or(1);
                    let next_at = left.filter(|_| !rest.is_empty()).map(|left| now + share(left));
                    tasks.push(Task::new(child, None, what, limit, now));
                    return Phase::Commands { pending, tasks, rest, next_at };
                }
                Err(how) => {
                    pending.fork_failed = true;
                    if pending.fork_until.is_none() {
                        self.log(Priority::Error, format!("{what} {how}"));
                    }
                }
            }
        }
        if !tasks.is_empty() {
            return Phase::Commands { pending, tasks, rest, next_at: None };
        }
        if pending.fork_failed && now < *pending.fork_until.get_or_insert(now + FORK_TIMEOUT) {
            return Phase::Retrying { pending, at: now + FORK_RETRY };
        }
        self.last_resort(&pending, now)
    }

    /// The user's own command has the user's own limit.
    fn command_limit(&self, what: &str) -> Duration {
        let own = self.settings.fallback.shutdown_cmd.as_deref() == Some(what);
        if own { self.settings.hook_timeout } else { COMMAND_LIMIT.min(self.settings.hook_timeout) }
    }

    fn advance_commands(
        &mut self,
        mut pending: Pending,
        tasks: Vec<Task>,
        rest: VecDeque<(Spec, String)>,
        next_at: Option<Instant>,
        now: Instant,
    ) -> (Phase, bool) {
        let before = tasks.len();
        let mut running = Vec::new();
        let mut succeeded = None;
        for mut task in tasks {
            let step = task.advance(now);
            if step == Step::Running {
                running.push(task);
                continue;
            }
            let (what, how) = self.ended_or_abandoned(task, step, now);
            if how.is_success() {
                succeeded = Some(what);
                continue;
            }
            self.log(Priority::Error, format!("{what} {how}"));
            if how == HookEnd::TimedOut {
                self.hurry(&mut pending, now);
            }
        }
        if let Some(what) = succeeded {
            self.abandoned.extend(running);
            return (self.succeeded(what, &pending.reason), true);
        }
        let hangs = running.last().filter(|_| next_at.is_some_and(|at| at <= now));
        if let Some(words) =
            hangs.map(|task| format!("{task} has not ended: the next way is tried beside it"))
        {
            self.log(Priority::Warning, words);
            return (self.run_next_command(pending, running, rest, now), true);
        }
        if running.len() < before {
            return (self.run_next_command(pending, running, rest, now), true);
        }
        (Phase::Commands { pending, tasks: running, rest, next_at }, false)
    }

    /// A step has timed out: everything may hang, and the battery does not wait for each of them.
    fn hurry(&self, pending: &mut Pending, now: Instant) {
        let end = pending.requested + self.settings.hook_timeout + HURRIED_END;
        pending.hurried_until.get_or_insert(end.max(now + HURRIED_LEAST));
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
        let reason = &pending.reason;
        let done_without = match self.settings.fallback.last_resort {
            LastResort::PowerOff => None,
            LastResort::LogOnly => Some(format!("No command shuts the system down. {reason}")),
            LastResort::LeftToHost => Some(format!(
                "No command in this container shuts the machine down: its host must, which may see {}. {reason}",
                self.settings.powerfail_dir.join("powerfail").display()
            )),
        };
        if let Some(words) = done_without {
            self.log(Priority::Alert, words);
            self.outcomes.push_back(Outcome::ShutdownFailed);
            return Phase::Idle;
        }
        self.log(
            Priority::Alert,
            format!("No command shuts the system down: it is switched off at once. {reason}"),
        );
        Phase::Syncing(Syncing::begin(now))
    }

    fn switch_off(&mut self) -> Phase {
        let error = reboot::power_off();
        self.log(
            Priority::Alert,
            format!("The system cannot be switched off: reboot ERR={}", crate::sys::reason(&error)),
        );
        self.outcomes.push_back(Outcome::ShutdownFailed);
        Phase::Idle
    }
}
