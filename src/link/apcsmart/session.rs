//! The conversation with a UPS that answers: what to ask next, and what to make of the answer.
//!
//! In order: an order's bytes, the status byte when it is due, what was asked before a link check, what a command wants read,
//! what the UPS is (once), the values of this poll. A reading is told for a status byte, and everything else in it has the
//! time of the answer that said it.

mod alerts;
mod commands;
mod plan;
mod query;
mod status;

use std::time::{Duration, Instant};

use self::alerts::{Alerts, CauseQuery};
use self::commands::Commands;
use self::plan::{Attach, Intervals, PollCycles, StaticQueries};
use self::query::{Queries, Repeats, UnderWay};
use self::status::{Readings, StatusByte};
use crate::link::LinkEvent;
use crate::link::letters::Store;
use crate::link::silence::Silence;
use crate::ups::PollRate;
use crate::wire::upslink::{self, Alert, Capabilities, Eeprom, Value};

/// On battery.
const FAST_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Longest time between two status bytes, however long POLLTIME is: an alert may be lost.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// Without a reading for three status bytes, and for so long, the UPS counts as lost.
const SILENT_LEAST: Duration = Duration::from_secs(10);
/// A unit that says nothing to what it does not know takes long to find out; it is watched meanwhile.
const ATTACH_BY: Duration = Duration::from_secs(10);

/// What the link must do about the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Nothing.
    GoOn,
    /// Check the link, then go on.
    Check,
    /// The conversation has no sense any more.
    GiveUp(&'static str),
}

/// The conversation.
#[derive(Debug)]
pub(super) struct Session {
    intervals: Intervals,
    store: Store,
    events: Vec<LinkEvent>,
    under_way: UnderWay,
    repeats: Repeats,
    queries: Queries,
    attach: Attach,
    static_queries: StaticQueries,
    rounds: PollCycles,
    status: StatusByte,
    readings: Readings,
    alerts: Option<Alerts>,
    cause: CauseQuery,
    commands: Commands,
}

impl Session {
    /// With a UPS that has just answered.
    pub(super) fn new(poll_rate: PollRate, poll_time: Duration, now: Instant) -> Self {
        Self {
            intervals: Intervals { poll_rate, poll_time },
            store: Store::default(),
            events: Vec::new(),
            under_way: UnderWay::Nothing,
            repeats: Repeats::default(),
            queries: Queries::default(),
            attach: Attach::By(now + ATTACH_BY),
            static_queries: StaticQueries::new(),
            rounds: PollCycles::new(now),
            status: StatusByte::new(now),
            readings: Readings::new(Silence::new(now, ATTACH_BY + SILENT_LEAST, SILENT_LEAST)),
            alerts: None,
            cause: CauseQuery::new(),
            commands: Commands::new(now),
        }
    }

    /// The query under way.
    pub(super) fn asked(&self) -> Option<u8> {
        self.under_way.asked()
    }

    /// A byte of an answer came.
    pub(super) fn note_byte(&mut self, now: Instant) {
        if let UnderWay::Query(asked) = &mut self.under_way {
            asked.note_byte(now);
        }
    }

    pub(super) fn take_events(&mut self) -> Vec<LinkEvent> {
        std::mem::take(&mut self.events)
    }

    /// What there still is to tell when the conversation ends.
    pub(super) fn end(mut self: Box<Self>, reason: &str) -> Vec<LinkEvent> {
        self.end_commands(reason);
        self.events
    }

    pub(super) fn set_poll_rate(&mut self, poll_rate: PollRate, poll_time: Duration, now: Instant) {
        self.intervals = Intervals { poll_rate, poll_time };
        self.status.no_later_than(now + self.status_interval());
        self.rounds.no_later_than(now + self.intervals.poll());
        self.readings.silence.set_interval(now, self.status_interval());
    }

    /// The byte to send now.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<u8> {
        match &mut self.under_way {
            UnderWay::Query(_) => return None,
            UnderWay::Order(order) => return order.poll_transmit(now),
            UnderWay::Nothing => self.under_way = self.next(now),
        }
        match &mut self.under_way {
            UnderWay::Nothing => None,
            UnderWay::Query(asked) => Some(asked.query),
            UnderWay::Order(order) => order.poll_transmit(now),
        }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        match &self.under_way {
            UnderWay::Order(order) => order.poll_timeout(),
            UnderWay::Query(asked) => Some(asked.deadline.min(self.readings.silence.until())),
            UnderWay::Nothing => None,
        }
        .unwrap_or_else(|| self.next_at().min(self.readings.silence.until()))
    }

    /// When there is something to ask.
    fn next_at(&self) -> Instant {
        if self.status.pauses() {
            return self.status.at();
        }
        let work = self.status.wanted
            || !self.static_queries.is_done()
            || self.rounds.is_under_way()
            || self.repeats.again.is_some()
            || !self.commands.is_empty();
        [
            Some(self.status.at()),
            Some(self.rounds.at()),
            work.then(|| self.commands.at()),
            self.alerts.map(|alerts| alerts.look_at),
            self.static_queries.again_at(),
        ]
        .into_iter()
        .flatten()
        .fold(self.status.at(), Instant::min)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> NextStep {
        if let UnderWay::Order(order) = &mut self.under_way {
            let outcome = order.handle_timeout(now);
            self.order_ended(outcome, now);
            return NextStep::GoOn;
        }
        if self.readings.silence.is_over(now) {
            return NextStep::GiveUp(if self.status.is_refused() {
                "the UPS is not ready to say its status"
            } else {
                "the UPS answers, but its status has not been heard for too long"
            });
        }
        match &self.under_way {
            UnderWay::Query(asked) if asked.deadline <= now => self.failed(now),
            _ => NextStep::GoOn,
        }
    }

    /// The UPS said something by itself.
    pub(super) fn handle_alert(&mut self, alert: Alert, now: Instant) -> NextStep {
        if let UnderWay::Order(order) = &mut self.under_way {
            let outcome = order.handle_alert(alert);
            self.order_ended(outcome, now);
        }
        self.note_alert(alert, now);
        NextStep::GoOn
    }

    /// A line came.
    pub(super) fn handle_line(&mut self, line: &[u8], now: Instant) -> NextStep {
        let query = match &mut self.under_way {
            UnderWay::Nothing => return NextStep::GoOn,
            UnderWay::Order(order) => {
                let outcome = order.handle_line(line);
                self.order_ended(outcome, now);
                return NextStep::GoOn;
            }
            UnderWay::Query(asked) => asked.query,
        };
        match query {
            upslink::STATUS if line == upslink::SMART => {
                self.under_way = UnderWay::Nothing;
                self.not_ready(now)
            }
            upslink::CAPABILITIES => {
                self.under_way = UnderWay::Nothing;
                self.queries.listed = Capabilities::parse(line).map(|list| list.commands);
                self.static_queries.plan(&self.queries);
                // An alert that fell into the list was not seen as one.
                self.status.wanted = true;
                NextStep::GoOn
            }
            upslink::EEPROM => {
                self.under_way = UnderWay::Nothing;
                self.store.permitted = Eeprom::parse(line);
                self.step_inventory(upslink::EEPROM);
                self.status.wanted = true;
                NextStep::GoOn
            }
            query => {
                let value = upslink::form(query).and_then(|form| upslink::decode(form, line).ok());
                match value {
                    Some(value) => self.answered(query, value, now),
                    None => self.failed(now),
                }
            }
        }
    }

    fn answered(&mut self, query: u8, value: Value, now: Instant) -> NextStep {
        self.under_way = UnderWay::Nothing;
        if self.repeats.doubt(query, &value) {
            return NextStep::GoOn;
        }
        self.repeats.answered(query);
        if let (upslink::STATUS, Value::Hex(status)) = (query, &value) {
            self.take_status(*status, now);
            return NextStep::GoOn;
        }
        if query == upslink::STATUS {
            return NextStep::GiveUp("the UPS has no status byte");
        }
        let available = value != Value::NotAvailable;
        if available {
            self.queries.answered.insert(query);
            self.cause.note(query);
        }
        self.store.take(query, value, now);
        self.done(query, available, now);
        NextStep::GoOn
    }

    /// The answer did not come, or was none.
    fn failed(&mut self, now: Instant) -> NextStep {
        let Some(asked) = self.under_way.take_query() else { return NextStep::GoOn };
        let (query, tries) = (asked.query, asked.tries.saturating_add(1));
        if tries < self.queries.tries(query) {
            self.repeats.again = Some((query, tries));
            if query == upslink::STATUS {
                self.status.wanted = true;
            }
            return NextStep::Check;
        }
        match query {
            upslink::STATUS => return NextStep::GiveUp("the UPS answers, but does not say its status"),
            upslink::CAPABILITIES => {
                self.static_queries.plan(&self.queries);
                self.status.wanted = true;
            }
            query => {
                self.store.miss(query);
                self.done(query, false, now);
            }
        }
        NextStep::Check
    }
}
