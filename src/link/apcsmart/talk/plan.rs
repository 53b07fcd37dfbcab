//! What to ask next.

use std::time::{Duration, Instant};

use super::{CAUSE_PAUSE, CAUSE_TRIES, FAST, STATUS_EVERY, STATUS_FRESH, Talk};
use crate::link::LinkEvent;
use crate::ups::{Command, Identity, Pace};
use crate::wire::upslink;

impl Talk {
    pub(super) fn interval(&self) -> Duration {
        match self.pace {
            Pace::Normal => self.poll_time,
            Pace::Fast => FAST.min(self.poll_time),
        }
    }

    /// Until everything is known about the UPS, which can take long, it is at least watched.
    pub(super) fn status_interval(&self) -> Duration {
        let longest = if self.attached { STATUS_EVERY } else { FAST };
        self.interval().min(longest)
    }

    /// What to ask next, and how often it has been asked already.
    pub(super) fn next(&mut self, now: Instant) -> Option<(u8, u8)> {
        let look = self.alerts.is_some_and(|alerts| alerts.look_at <= now);
        let opens_round = !self.in_round
            && self.round_at <= now
            && self.status_read_at.is_none_or(|at| now.saturating_duration_since(at) >= STATUS_FRESH);
        let due = self.status_at <= now || opens_round;
        if self.status_wanted || look || due {
            if self.not_ready > 0 && now < self.status_at {
                return None;
            }
            if std::mem::take(&mut self.cause_wanted) {
                return Some((upslink::TRANSFER_CAUSE, 0));
            }
            let tries = match self.again {
                Some((upslink::STATUS, tries)) => {
                    self.again = None;
                    tries
                }
                _ => 0,
            };
            self.status_wanted = false;
            return Some((upslink::STATUS, tries));
        }
        if let Some((query, tries)) = self.again.take() {
            return Some((query, tries));
        }
        if let Some(query) = self.next_for_command(now) {
            return Some((query, 0));
        }
        if self.order.is_some() {
            // The caller sends its first byte; the query is not used.
            return Some((upslink::STATUS, 0));
        }
        if self.read_again_at.is_some_and(|at| at <= now) && self.inventory_done {
            self.read_again_at = None;
            self.inventory.extend(upslink::READ_ONCE.iter().filter(|query| self.known.contains(**query)));
            self.inventory_done = self.inventory.is_empty();
        }
        if let Some(query) = self.inventory.front() {
            return Some((*query, 0));
        }
        if !self.in_round && self.round_at <= now {
            self.begin_round(now);
        }
        self.round.front().map(|query| (*query, 0))
    }

    pub(super) fn begin_round(&mut self, now: Instant) {
        self.in_round = true;
        self.round_at = now + self.interval();
        let wanted = |query: &&u8| match (self.rounds, self.listed) {
            (0, Some(listed)) => listed.contains(**query),
            (0, None) => true,
            _ => self.known.contains(**query),
        };
        self.round = upslink::POLLED.iter().filter(wanted).copied().collect();
        if self.round.is_empty() {
            self.end_round();
        }
    }

    pub(super) fn end_round(&mut self) {
        self.in_round = false;
        self.rounds = self.rounds.saturating_add(1);
        self.status_wanted = true;
        self.tell = true;
        if self.commands.front() == Some(&Command::Poll) && self.command_tries > 0 {
            self.command_read = true;
        }
        // One whose status is not known is not watched.
        if self.rounds == 1 && self.status.is_some() {
            self.attach();
        }
    }

    pub(super) fn plan_inventory(&mut self) {
        let listed = self.listed;
        let wanted = |query: &&u8| listed.is_none_or(|listed| listed.contains(**query));
        self.inventory.extend(upslink::READ_ONCE.iter().filter(wanted));
        if self.inventory.is_empty() {
            self.inventory.push_back(upslink::OLD_REVISION);
        }
    }

    /// The front of what is read once has been dealt with.
    pub(super) fn step_inventory(&mut self, query: u8) {
        self.inventory.pop_front();
        if !self.inventory.is_empty() {
            return;
        }
        let identity = &self.store.identity;
        if query != upslink::OLD_REVISION && (identity.model.is_none() || identity.firmware.is_none()) {
            self.inventory.push_back(upslink::OLD_REVISION);
            return;
        }
        self.inventory_done = true;
        self.store.settle_permitted();
        if self.attached && self.rounds > 0 {
            self.attach();
        }
    }

    pub(super) fn attach(&mut self) {
        self.attached = true;
        let identity: Box<Identity> = Box::new(self.store.identity.clone());
        self.events.push(LinkEvent::Attached(identity));
    }

    /// A query is dealt with, with or without an answer.
    pub(super) fn done(&mut self, query: u8, available: bool, now: Instant) {
        if self.for_command() == Some(query) && !self.command_read {
            self.command_tries = self.command_tries.saturating_add(1);
            if query == upslink::TRANSFER_CAUSE && !available && self.command_tries < CAUSE_TRIES {
                self.command_at = now + CAUSE_PAUSE;
            } else {
                self.command_read = true;
                self.status_wanted = true;
                self.tell = true;
            }
            return;
        }
        if self.inventory.front() == Some(&query) {
            self.step_inventory(query);
        } else if self.round.front() == Some(&query) {
            self.round.pop_front();
            if self.round.is_empty() {
                self.end_round();
            }
        }
    }
}
