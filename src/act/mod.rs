//! Carries orders out: hooks, flags, the system shutdown and its fall-backs.
//!
//! Spoken to by messages: plain values in ([`Request`]), plain values out ([`Outcome`]), never a reference to daemon
//! state. The loop calls [`Act::handle`] for each order, [`Act::handle_child_signal`] after SIGCHLD,
//! [`Act::handle_timeout`] at [`Act::poll_timeout`], and [`Act::poll_outcome`] until `None` after each of these. Nothing waits.
//!
//! What may wait for a disk is done by children, each with a time limit: hooks and commands, and the flags too, whose folders may
//! be on a disk that has failed. The loop itself only forks, looks whether children have ended, and calls `reboot(2)`.
//!
//! # The shutdown
//!
//! | step | begins when | ends well | else |
//! | --- | --- | --- | --- |
//! | what was queued before, and the flag `powerfail` | at once | all ended | left running after 10 s, the flag after 1 s; the rest is run later |
//! | hook `doshutdown` | then | exit status 0 | missing, not executable, no fork, other status, HOOKTIMEOUT: next step |
//! | SHUTDOWNCMD | then | exit status 0 | other status, HOOKTIMEOUT: next step |
//! | `systemctl poweroff`, `shutdown -h now`, `poweroff`, `halt`: those that existed at the start | then, one by one | exit status 0 | other status, 30 s: next step |
//! | `sync`, then all file systems read-only, 10 s at most for both, then `reboot(2)` | then | the machine is off | reported |
//!
//! In a container without an init of its own the last two are left out: only its host can do it ([`LastResort::LeftToHost`]).
//!
//! The flag comes before the hook because the scripts that this runs may look for it; a folder that does not answer costs the second.
//!
//! No step waits for the end of one that timed out. Once one has, everything may hang, and what is left is hurried: the commands that are left share
//! what remains until 19 s after HOOKTIMEOUT, counted from the order, but 9 s at least; each of them goes on beside the next, and the first
//! that ends well counts. So a machine on which everything hangs is off 30 s after HOOKTIMEOUT. If `fork` failed for one of them, all are
//! gone through again, each second for ten seconds, before the last.

mod commands;
mod flags;
mod hooks;
mod last_resort;
mod rehearsal;
mod shutdown;
mod task;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::sys::spawn::{self, Child, Spec};
use crate::ups::{Event, Priority, is_unsafe};

pub use crate::sys::spawn::Output;
pub use commands::{BuiltIn, Fallback, LastResort};
pub use flags::NOLOGIN_TEXT;
pub use rehearsal::RehearsedHook;
pub use task::HookEnd;

use flags::{Flags, Wanted};
use hooks::HookQueue;
use shutdown::Shutdown;
use task::{Step, Task};

/// How long the hooks that were queued before a shutdown may hold it up, all of them together (issue 3, "Never
/// unprotected").
pub const SHUTDOWN_HOLD_UP: Duration = Duration::from_secs(10);

/// Most children that were abandoned, hung beyond the reach of SIGKILL, before further hooks (not the shutdown) are
/// no longer started.
const MAX_ABANDONED: usize = 16;

/// Longest UPSNAME that a hook is told, in characters; apcupsd has 99 (config §3).
const MAX_NAME: usize = 255;

/// Settings, in their final types. Directive names in brackets.
#[derive(Clone, Debug)]
pub struct ActSettings {
    /// [SCRIPTDIR] where `apccontrol` is.
    pub script_dir: PathBuf,
    /// [PWRFAILDIR] where `powerfail` is put.
    pub powerfail_dir: PathBuf,
    /// [NOLOGINDIR] where `nologin` is put.
    pub nologin_dir: PathBuf,
    /// [HOOKTIMEOUT] how long a hook may run.
    pub hook_timeout: Duration,
    /// What is done when the `doshutdown` hook fails.
    pub fallback: Fallback,
    /// Where hooks write to.
    pub output: Output,
}

impl Default for ActSettings {
    /// The defaults of the directives, and a fall-back that can do nothing: see [`Fallback::default`].
    fn default() -> Self {
        Self {
            script_dir: PathBuf::from("/etc/apcupsd"),
            powerfail_dir: PathBuf::from("/etc/apcupsd"),
            nologin_dir: PathBuf::from("/etc"),
            hook_timeout: Duration::from_secs(60),
            fallback: Fallback::default(),
            output: Output::Inherit,
        }
    }
}

/// What the hooks are told besides the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookArgs {
    /// UPSNAME. May come from a device or a master: control characters are left out of the argument, and what comes after
    /// 255 characters.
    pub ups_name: String,
    /// 0 on a network slave (power-events §7).
    pub connected: bool,
    /// 1 except with the test driver (power-events §7).
    pub powered: bool,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Run `apccontrol EVENT UPSNAME CONNECTED POWERED` when those queued before have ended.
    Hook(Event, HookArgs),
    /// Shut the system down. The text says why, for the log lines of the fall-backs.
    Shutdown(HookArgs, String),
    /// Create the `powerfail` flag.
    CreatePowerfail,
    /// Remove the `powerfail` flag.
    RemovePowerfail,
    /// Create the `nologin` flag. One that is there already is left alone.
    CreateNologin,
    /// Remove the `nologin` flag if it is ours, also if made by an instance before us; an administrator's own stays.
    RemoveNologin,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A line for the log.
    Log(Priority, String),
    /// A hook has ended, or was given up. What there was to say about it has been logged.
    HookFinished {
        /// Its event.
        event: Event,
        /// How it ended.
        how: HookEnd,
        /// From its start.
        took: Duration,
    },
    /// The shutdown was carried out as far as this process can tell: this command, or `doshutdown`, ended with success.
    ShutdownStarted(String),
    /// The `doshutdown` hook failed; this command has been started instead.
    ShutdownFellBack(String),
    /// Every way to shut down failed.
    ShutdownFailed,
}

/// Starts children; another one in tests, so that `fork` can be made to fail.
type Spawn = fn(&Spec) -> std::io::Result<Child>;

/// Carries orders out.
#[derive(Debug)]
pub struct Act {
    settings: ActSettings,
    flags: Flags,
    hook_queue: HookQueue,
    shutdown: Shutdown,
    abandoned: Vec<Task>,
    outcomes: VecDeque<Outcome>,
    spawn: Spawn,
}

impl Act {
    /// Does nothing until asked to.
    #[must_use]
    pub fn new(settings: ActSettings) -> Self {
        Self {
            flags: Flags::new(&settings.powerfail_dir, &settings.nologin_dir),
            settings,
            hook_queue: HookQueue::default(),
            shutdown: Shutdown::default(),
            abandoned: Vec::new(),
            outcomes: VecDeque::new(),
            spawn: spawn::spawn,
        }
    }

    /// Takes new settings for whatever starts from now on. Running hooks keep their time limit; flags made under the
    /// old settings stay where they are.
    pub fn reconfigure(&mut self, settings: ActSettings) {
        self.flags.reconfigure(&settings.powerfail_dir, &settings.nologin_dir);
        self.settings = settings;
    }

    /// Carries one request out, or queues it.
    pub fn handle(&mut self, request: Request, now: Instant) {
        match request {
            Request::Hook(event, args) => {
                if let Some(dropped) = self.hook_queue.queue(event, args) {
                    self.log(
                        Priority::Warning,
                        format!("Too many hooks are waiting: {} is not run", dropped.arg()),
                    );
                }
            }
            Request::Shutdown(args, reason) => {
                self.shutdown.request(args, reason, self.hook_queue.last_queued(), now);
            }
            Request::CreatePowerfail => self.flags.powerfail.order(Wanted::Present, now),
            Request::RemovePowerfail => self.flags.powerfail.order(Wanted::Absent, now),
            Request::CreateNologin => self.flags.nologin.order(Wanted::Present, now),
            Request::RemoveNologin => self.flags.nologin.order(Wanted::Absent, now),
        }
        self.advance(now);
    }

    /// SIGCHLD came: looks after the children that were started here, and no others.
    pub fn handle_child_signal(&mut self, now: Instant) {
        self.advance(now);
    }

    /// A deadline may have passed; early calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    /// The daemon is about to end: a shutdown that still waits for hooks before it is started now.
    pub fn run_pending_now(&mut self, now: Instant) {
        self.shutdown.run_pending_now(now);
        self.advance(now);
    }

    /// Waits until the flags are as they were ordered, so long at most. For the end of the daemon.
    pub fn finish_flags(&mut self, limit: Duration, now: Instant) {
        let mut lines = self.flags.powerfail.finish(limit, now);
        lines.extend(self.flags.nologin.finish(limit, now));
        self.outcomes.extend(lines.into_iter().map(|(priority, line)| Outcome::Log(priority, line)));
    }

    /// When [`Act::handle_timeout`] is to be called; `None`: only a request or SIGCHLD wakes it.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let behind = self.abandoned.iter().filter_map(Task::deadline).min();
        let deadlines = [self.hook_queue.deadline(), self.shutdown.deadline(), self.flags.deadline(), behind];
        crate::ups::earliest(&deadlines)
    }

    /// What there is to tell; call until `None`.
    pub fn poll_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// Whether a shutdown is under way whose end is not yet known. While it is, the daemon must not leave by itself: the
    /// fall-backs need it.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shutdown.is_under_way()
    }

    /// Moves everything as far as it goes by now.
    fn advance(&mut self, now: Instant) {
        self.poll_abandoned(now);
        let lines = self.flags.advance(now);
        self.outcomes.extend(lines.into_iter().map(|(priority, line)| Outcome::Log(priority, line)));
        loop {
            let moved = self.advance_hooks(now) | self.advance_shutdown(now);
            if !moved {
                return;
            }
        }
    }

    fn poll_abandoned(&mut self, now: Instant) {
        let mut tasks = std::mem::take(&mut self.abandoned);
        tasks.retain_mut(|task| match task.advance(now) {
            Step::Ended(how) => {
                self.log_end(task, &how);
                self.outcomes.extend(task.finished(how, now));
                false
            }
            step => {
                self.tell(task, step);
                true
            }
        });
        self.abandoned = tasks;
    }

    /// Logs a step of a task that goes on.
    fn tell(&mut self, task: &Task, step: Step) {
        let words = match step {
            Step::Terminated => "took too long: terminated",
            Step::Killed => "ignored SIGTERM: killed",
            Step::GivenUp => "cannot be killed: left behind",
            Step::Running | Step::Ended(_) => return,
        };
        self.log(Priority::Warning, format!("{task} {words}"));
    }

    /// Starts a program; if that fails, says so in the words that users search for.
    fn start(&mut self, spec: &Spec) -> Result<Child, HookEnd> {
        let started = self.start_quietly(spec);
        if let Err(HookEnd::NotForked(reason)) = &started {
            self.log(Priority::Warning, format!("execute: cannot fork(). ERR={reason}"));
        }
        started
    }

    fn start_quietly(&self, spec: &Spec) -> Result<Child, HookEnd> {
        (self.spawn)(spec).map_err(|error| HookEnd::NotForked(crate::sys::reason(&error)))
    }

    fn hook_spec(&self, event: Event, args: &HookArgs) -> (Spec, String) {
        let path = self.settings.script_dir.join("apccontrol");
        let [name, connected, powered] = arguments(args);
        let argv = [event.arg(), &name, &connected, &powered];
        (Spec::new(&path, argv, self.settings.output), format!("{} {}", path.display(), event.arg()))
    }

    /// Logs how a hook ended, where there is something to say.
    fn log_end(&mut self, task: &Task, how: &HookEnd) {
        match how {
            HookEnd::NotExecuted(reason) => {
                self.log(Priority::Warning, format!("Cannot exec {task}: {reason}"));
            }
            HookEnd::Exited(0) | HookEnd::TimedOut | HookEnd::NotForked(_) => {}
            other => self.log(Priority::Info, format!("{task} {other}")),
        }
    }

    fn log(&mut self, priority: Priority, text: String) {
        self.outcomes.push_back(Outcome::Log(priority, text));
    }
}

/// What a hook is told after its event.
fn arguments(args: &HookArgs) -> [String; 3] {
    let name = args.ups_name.chars().filter(|c| !is_unsafe(*c)).take(MAX_NAME).collect();
    let flag = |set| u8::from(set).to_string();
    [name, flag(args.connected), flag(args.powered)]
}

#[cfg(test)]
mod tests;
