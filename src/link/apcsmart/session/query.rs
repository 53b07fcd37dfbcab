//! The query under way, and what has one asked again.

use std::time::{Duration, Instant};

use crate::link::apcsmart::order::Order;
use crate::wire::upslink::{self, Alert, Form, Set, Value};

/// The next character of an answer must come within this.
const CHARACTER_WAIT: Duration = Duration::from_secs(1);
/// An answer must be whole within this, whatever comes meanwhile.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// A list must: permitted values take seconds at 2400 bit/s.
const LIST_WAIT: Duration = Duration::from_secs(6);
/// Tries for an answer.
const QUERY_ATTEMPTS: u8 = 3;

/// A query under way.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) query: u8,
    /// Those before this one.
    pub(super) tries: u8,
    pub(super) deadline: Instant,
    cap: Instant,
}

impl Asked {
    fn new(query: u8, tries: u8, now: Instant) -> Self {
        let wait = match upslink::form(query) {
            Some(Form::Raw) => LIST_WAIT,
            _ => ANSWER_WAIT,
        };
        Self { query, tries, deadline: now + CHARACTER_WAIT, cap: now + wait }
    }

    /// A byte of the answer came: its rest gets its time.
    pub(super) fn note_byte(&mut self, now: Instant) {
        self.deadline = (now + CHARACTER_WAIT).min(self.cap);
    }
}

/// What has the line.
#[derive(Debug, Default)]
pub(super) enum UnderWay {
    #[default]
    Nothing,
    Query(Asked),
    Order(Order),
}

impl UnderWay {
    /// A query that is sent now; `tries`: those before.
    pub(super) fn query(query: u8, tries: u8, now: Instant) -> Self {
        Self::Query(Asked::new(query, tries, now))
    }

    /// The query whose answer is waited for.
    pub(super) fn asked(&self) -> Option<u8> {
        match self {
            Self::Nothing => None,
            Self::Query(asked) => Some(asked.query),
            Self::Order(order) => order.asked(),
        }
    }

    /// Ends it, if it is an order.
    pub(super) fn take_order(&mut self) -> Option<Order> {
        match std::mem::take(self) {
            Self::Order(order) => Some(order),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Ends it, if it is a query.
    pub(super) fn take_query(&mut self) -> Option<Asked> {
        match std::mem::take(self) {
            Self::Query(asked) => Some(asked),
            other => {
                *self = other;
                None
            }
        }
    }
}

/// Which queries the UPS knows.
#[derive(Debug, Default)]
pub(super) struct Queries {
    /// Those that it lists; `None`: it has no list.
    pub(super) listed: Option<Set>,
    /// Those that it has answered.
    pub(super) answered: Set,
}

impl Queries {
    /// Whether it makes sense to try one that has not been asked before.
    pub(super) fn may_know(&self, query: u8) -> bool {
        self.listed.is_none_or(|listed| listed.contains(query))
    }

    /// Tries until no answer is taken for one. What the UPS may simply not know is asked once.
    pub(super) fn tries(&self, query: u8) -> u8 {
        let probing = self.listed.is_none() && !self.answered.contains(query);
        if probing && query != upslink::STATUS && query != upslink::CAPABILITIES { 1 } else { QUERY_ATTEMPTS }
    }
}

/// What is asked again.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// Asked, not answered: query and tries so far.
    pub(super) again: Option<(u8, u8)>,
    /// Its text may have an alert in it; read once.
    doubtful: Option<u8>,
}

impl Repeats {
    /// A query has been answered.
    pub(super) fn answered(&mut self, query: u8) {
        self.again.take_if(|(again, _)| *again == query);
    }

    /// The tries so far of the status byte, if it is to be asked again.
    pub(super) fn take_status(&mut self) -> Option<u8> {
        self.again.take_if(|(query, _)| *query == upslink::STATUS).map(|(_, tries)| tries)
    }

    /// A text with a character that can also be an alert is read again: what comes the second time is text.
    pub(super) fn doubt(&mut self, query: u8, value: &Value) -> bool {
        let Value::Text(text) = value else { return false };
        let suspicious = text.bytes().any(|byte| Alert::of(byte).is_some());
        if !suspicious || self.doubtful == Some(query) {
            self.doubtful = None;
            return false;
        }
        self.doubtful = Some(query);
        self.again = Some((query, 0));
        true
    }
}
