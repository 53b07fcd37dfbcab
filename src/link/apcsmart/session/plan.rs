//! What to ask next.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::query::{Queries, UnderWay};
use super::{FAST_POLL_INTERVAL, STATUS_EVERY, Session};
use crate::link::LinkEvent;
use crate::ups::{Identity, PollRate};
use crate::wire::upslink;

/// How often the UPS is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Intervals {
    pub(super) poll_rate: PollRate,
    pub(super) poll_time: Duration,
}

impl Intervals {
    /// Time between two polls.
    pub(super) fn poll(self) -> Duration {
        match self.poll_rate {
            PollRate::Normal => self.poll_time,
            PollRate::Fast => FAST_POLL_INTERVAL.min(self.poll_time),
        }
    }
}

/// Whether the UPS has been told of as attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attach {
    /// Not yet: its first poll is under way. With a status byte it is not put off beyond this.
    By(Instant),
    Done,
}

/// What is read once.
#[derive(Debug)]
pub(super) struct StaticQueries {
    /// What has not been read yet; empty: all is known.
    left: VecDeque<u8>,
    /// It is read once more.
    again_at: Option<Instant>,
}

impl StaticQueries {
    /// Begins with the list of what the UPS knows.
    pub(super) fn new() -> Self {
        Self { left: VecDeque::from([upslink::CAPABILITIES]), again_at: None }
    }

    pub(super) fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    pub(super) fn again_at(&self) -> Option<Instant> {
        self.again_at
    }

    /// It may have changed, as far as is known now.
    pub(super) fn read_again(&mut self, at: Instant) {
        self.again_at = Some(at);
    }

    /// It is about to change; what has been planned before stands.
    pub(super) fn read_again_once_settled(&mut self, at: Instant) {
        self.again_at.get_or_insert(at);
    }

    /// The list has come, or will not.
    pub(super) fn plan(&mut self, queries: &Queries) {
        self.left.pop_front();
        self.left.extend(upslink::READ_ONCE.iter().filter(|query| queries.may_know(**query)));
        if self.left.is_empty() {
            self.left.push_back(upslink::OLD_REVISION);
        }
    }

    fn next(&mut self, queries: &Queries, now: Instant) -> Option<u8> {
        if self.left.is_empty() && self.again_at.take_if(|at| *at <= now).is_some() {
            self.left.extend(upslink::READ_ONCE.iter().filter(|query| queries.answered.contains(**query)));
        }
        self.left.front().copied()
    }

    /// A query has been dealt with. `true`: it was the last.
    fn step(&mut self, query: u8, identity: &Identity) -> bool {
        self.left.pop_front();
        if !self.left.is_empty() {
            return false;
        }
        if query != upslink::OLD_REVISION && (identity.model.is_none() || identity.firmware.is_none()) {
            self.left.push_back(upslink::OLD_REVISION);
        }
        self.left.is_empty()
    }
}

/// Polls of the values.
#[derive(Debug)]
pub(super) struct PollCycles {
    /// What is left of this poll; empty: none is under way.
    left: VecDeque<u8>,
    /// The next one is due.
    at: Instant,
    /// The first poll, which also finds out what there is, has ended.
    past_first: bool,
}

impl PollCycles {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: VecDeque::new(), at: now, past_first: false }
    }

    pub(super) fn at(&self) -> Instant {
        self.at
    }

    pub(super) fn is_past_first(&self) -> bool {
        self.past_first
    }

    pub(super) fn is_under_way(&self) -> bool {
        !self.left.is_empty()
    }

    fn is_due(&self, now: Instant) -> bool {
        self.left.is_empty() && self.at <= now
    }

    /// The next one is due then, or earlier.
    pub(super) fn no_later_than(&mut self, at: Instant) {
        self.at = self.at.min(at);
    }

    /// Unless one is under way, the next one is due now.
    pub(super) fn call(&mut self, now: Instant) {
        if self.left.is_empty() {
            self.at = now;
        }
    }

    fn begin(&mut self, queries: &Queries, next_at: Instant) {
        self.at = next_at;
        let wanted = |query: &&u8| {
            if self.past_first { queries.answered.contains(**query) } else { queries.may_know(**query) }
        };
        self.left = upslink::POLLED.iter().filter(wanted).copied().collect();
    }

    /// `true`: the query was the next of this poll, and its last.
    fn step(&mut self, query: u8) -> bool {
        if self.left.front() != Some(&query) {
            return false;
        }
        self.left.pop_front();
        self.left.is_empty()
    }
}

impl Session {
    /// Until everything is known about the UPS, which can take long, it is at least watched.
    pub(super) fn status_interval(&self) -> Duration {
        let longest = if self.attach == Attach::Done { STATUS_EVERY } else { FAST_POLL_INTERVAL };
        self.intervals.poll().min(longest)
    }

    /// What to do with the line now that it is free.
    pub(super) fn next(&mut self, now: Instant) -> UnderWay {
        let query = |query, tries| UnderWay::query(query, tries, now);
        let look = self.alerts.is_some_and(|alerts| alerts.look_at <= now);
        let opens_round = self.rounds.is_due(now) && !self.status.is_fresh(now);
        if self.status.is_due(now) || look || opens_round {
            if self.status.is_put_off(now) {
                return UnderWay::Nothing;
            }
            if self.cause.take_wanted() {
                return query(upslink::TRANSFER_CAUSE, 0);
            }
            self.status.wanted = false;
            return query(upslink::STATUS, self.repeats.take_status().unwrap_or_default());
        }
        if let Some((again, tries)) = self.repeats.again.take() {
            return query(again, tries);
        }
        let for_command = self.next_for_command(now);
        if !matches!(for_command, UnderWay::Nothing) {
            return for_command;
        }
        if let Some(next) = self.static_queries.next(&self.queries, now) {
            return query(next, 0);
        }
        if self.rounds.is_due(now) {
            self.rounds.begin(&self.queries, now + self.intervals.poll());
            if !self.rounds.is_under_way() {
                self.end_round();
            }
        }
        self.rounds.left.front().map_or(UnderWay::Nothing, |next| query(*next, 0))
    }

    fn end_round(&mut self) {
        let first = !std::mem::replace(&mut self.rounds.past_first, true);
        self.status.wanted = true;
        self.readings.wanted = true;
        self.commands.round_ended();
        // One whose status is not known is not watched.
        if first && self.status.is_known() {
            self.attach();
        }
    }

    /// The front of what is read once has been dealt with.
    pub(super) fn step_inventory(&mut self, query: u8) {
        if !self.static_queries.step(query, &self.store.identity) {
            return;
        }
        self.store.settle_permitted();
        if self.attach == Attach::Done && self.rounds.past_first {
            self.attach();
        }
    }

    pub(super) fn attach(&mut self) {
        self.attach = Attach::Done;
        let identity: Box<Identity> = Box::new(self.store.identity.clone());
        self.events.push(LinkEvent::Attached(identity));
    }

    /// A query is dealt with, with or without an answer.
    pub(super) fn done(&mut self, query: u8, available: bool, now: Instant) {
        if self.commands.reads(query) {
            if self.commands.tried(available, now) {
                self.status.wanted = true;
                self.readings.wanted = true;
            }
        } else if self.static_queries.left.front() == Some(&query) {
            self.step_inventory(query);
        } else if self.rounds.step(query) {
            self.end_round();
        }
    }
}
