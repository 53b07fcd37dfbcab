//! What the link has to tell.

use std::collections::VecDeque;

use crate::link::LinkEvent;
use crate::link::loss::Loss;
use crate::ups::{Command, CommandResult};

/// Most events kept for a caller that does not fetch them; the oldest go first.
const MAX_EVENTS: usize = 64;

/// Events that are to be fetched, and the loss that they tell of.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) events: VecDeque<LinkEvent>,
    pub(super) loss: Loss,
}

impl Told {
    pub(super) fn push(&mut self, event: LinkEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    pub(super) fn lost(&mut self, reason: String) {
        for event in self.loss.begin(reason) {
            self.push(event);
        }
    }

    pub(super) fn ended(&mut self, command: Command, outcome: Result<String, String>) {
        self.push(LinkEvent::Command(CommandResult::new(command, outcome)));
    }
}
