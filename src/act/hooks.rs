//! The queue of hooks: one at a time, in order.

use std::collections::VecDeque;
use std::time::Instant;

use super::task::{Step, Task};
use super::{Act, HookArgs, MAX_ABANDONED, Outcome};
use crate::ups::{Event, Priority};

/// Most hooks that wait. A hook that hangs for HOOKTIMEOUT while mains flaps every second fills it.
const MAX_QUEUED: usize = 32;

#[derive(Debug)]
struct Queued {
    number: u64,
    event: Event,
    args: HookArgs,
}

/// The hooks that wait and the one that runs. Numbers count the hooks since the start.
#[derive(Debug, Default)]
pub(super) struct HookQueue {
    queue: VecDeque<Queued>,
    running: Option<(u64, Task)>,
    last: u64,
}

impl HookQueue {
    /// Puts a hook at the end. If too many wait, the oldest of them is dropped, for the newest tells how things stand; gives
    /// the event of the one that was dropped.
    pub fn queue(&mut self, event: Event, args: HookArgs) -> Option<Event> {
        // It comes again as long as it holds: more than one that waits would push out what happened once.
        if event == Event::AnnoyMe && self.queue.iter().any(|queued| queued.event == event) {
            return None;
        }
        self.last += 1;
        self.queue.push_back(Queued { number: self.last, event, args });
        if self.queue.len() <= MAX_QUEUED {
            return None;
        }
        self.queue.pop_front().map(|dropped| dropped.event)
    }

    /// The number of the hook that was queued last.
    pub fn last_queued(&self) -> u64 {
        self.last
    }

    /// Whether all hooks up to this number have ended, or been abandoned.
    pub fn is_past(&self, number: u64) -> bool {
        let waiting = self.queue.front().is_some_and(|queued| queued.number <= number);
        let running = self.running.as_ref().is_some_and(|(running, _)| *running <= number);
        !waiting && !running
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.running.as_ref().and_then(|(_, task)| task.deadline())
    }

    /// Takes the running hook out of the queue; it goes on beside it.
    pub fn take_running(&mut self) -> Option<Task> {
        self.running.take().map(|(_, task)| task)
    }

    fn next(&mut self, up_to: u64) -> Option<Queued> {
        match (&self.running, self.queue.front()) {
            (None, Some(queued)) if queued.number <= up_to => self.queue.pop_front(),
            _ => None,
        }
    }
}

impl Act {
    /// True if something changed.
    pub(super) fn advance_hooks(&mut self, now: Instant) -> bool {
        if let Some((number, mut task)) = self.hook_queue.running.take() {
            match task.advance(now) {
                Step::Ended(how) => {
                    self.log_end(&task, &how);
                    self.outcomes.extend(task.finished(how, now));
                    return true;
                }
                Step::GivenUp => {
                    self.tell(&task, Step::GivenUp);
                    self.abandoned.push(task);
                    return true;
                }
                step => {
                    self.tell(&task, step);
                    self.hook_queue.running = Some((number, task));
                }
            }
        }
        let Some(next) = self.hook_queue.next(self.shutdown.hooks_may_run_up_to()) else { return false };
        self.start_hook(next, now);
        true
    }

    fn start_hook(&mut self, hook: Queued, now: Instant) {
        let (spec, what) = self.hook_spec(hook.event, &hook.args);
        if self.abandoned.len() >= MAX_ABANDONED {
            self.log(Priority::Warning, format!("{what} is not run: too many hooks hang"));
            return;
        }
        match self.start(&spec) {
            Ok(child) => {
                let task = Task::new(child, Some(hook.event), what, self.settings.hook_timeout, now);
                self.hook_queue.running = Some((hook.number, task));
            }
            Err(how) => {
                self.outcomes.push_back(Outcome::HookFinished {
                    event: hook.event,
                    how,
                    took: std::time::Duration::ZERO,
                });
            }
        }
    }
}
