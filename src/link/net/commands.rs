//! Commands that an answer of the master ends.

use std::time::{Duration, Instant};

use crate::ups::Command;

/// So long after a change that was sent by itself a watched master is asked about it: by then it has asked its UPS.
const SETTLED: Duration = Duration::from_millis(700);
/// Most commands that wait for a check.
const MAX_COMMANDS: usize = 8;

/// Those that wait for a check, and those that the check under way answers.
#[derive(Debug, Default)]
pub(super) struct Commands {
    waiting: Vec<Command>,
    /// While watching: when to ask for the sake of those that wait.
    ask_at: Option<Instant>,
    running: Vec<Command>,
}

impl Commands {
    /// One that only reads. False: too many wait.
    pub(super) fn add(&mut self, command: Command, now: Instant) -> bool {
        if self.waiting.len() >= MAX_COMMANDS {
            return false;
        }
        self.waiting.push(command);
        let at = if command == Command::Poll { now } else { now + SETTLED };
        self.ask_at = Some(self.ask_at.map_or(at, |earlier| earlier.min(at)));
        true
    }

    /// The master is asked: the answer is for all that wait.
    pub(super) fn begin(&mut self) {
        self.ask_at = None;
        self.running.append(&mut self.waiting);
    }

    /// No answer will come: the next one is for them too.
    pub(super) fn interrupt(&mut self) {
        self.waiting.append(&mut self.running);
    }

    /// The answer has come, or is given up: those that it ends.
    pub(super) fn end(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.running)
    }

    /// Whether some wait for a check.
    pub(super) fn are_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// While watching: when to ask.
    pub(super) const fn ask_at(&self) -> Option<Instant> {
        self.ask_at
    }
}
