//! One request at a time, and what counts as its answer: a response with the number of one of its tries.

use std::time::{Duration, Instant};

use super::account::Said;
use super::session::Session;
use crate::wire::snmp::{Binding, Kind, Oid, Pdu, Value};

/// The longest time until an answer is there. A card asks its UPS itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a request is sent before it counts as not answered.
const TRIES: u32 = 2;
/// The same for an order.
const ORDER_TRIES: u32 = 3;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// These objects.
    Get(Vec<Oid>),
    /// What comes behind this object, as many of it at most if the version has that.
    Next(Oid, i32),
    /// That these objects are set.
    Set(Vec<Binding>),
}

impl Request {
    fn pdu(&self, id: i32, is_v1: bool) -> Pdu {
        let asked = |oids: &[Oid]| oids.iter().map(|oid| Binding::asked(oid)).collect();
        match self {
            Self::Get(oids) => Pdu::new(Kind::Get, id, asked(oids)),
            Self::Next(oid, _) if is_v1 => Pdu::new(Kind::GetNext, id, vec![Binding::asked(oid)]),
            Self::Next(oid, most) => {
                Pdu { error_index: *most, ..Pdu::new(Kind::GetBulk, id, vec![Binding::asked(oid)]) }
            }
            Self::Set(bindings) => Pdu::new(Kind::Set, id, bindings.clone()),
        }
    }
}

/// What has come of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// These objects.
    Objects(Vec<Binding>),
    /// An error (snmp §8.4), and the number of the object that it is about, from 1; 0: none.
    Error(i32, usize),
    /// Nothing.
    None,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) request: Request,
    pub(super) answer: Answer,
}

#[derive(Debug)]
struct Pending {
    request: Request,
    tries: u32,
    /// The number of its first try.
    first: i32,
    /// To be sent; or its answer must be there by then.
    until: Option<Instant>,
}

/// The request that is under way.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) session: Session,
    pending: Option<Pending>,
    /// The number of the last message; each has its own.
    number: i32,
    /// Datagrams that were no answer.
    pub(super) discarded: u64,
}

impl Exchange {
    /// `number`: that of the last message that was sent.
    pub(super) const fn new(session: Session, number: i32) -> Self {
        Self { session, pending: None, number, discarded: 0 }
    }

    pub(super) const fn number(&self) -> i32 {
        self.number
    }

    pub(super) const fn is_free(&self) -> bool {
        self.pending.is_none()
    }

    /// Asks this next. To be called while it is free.
    pub(super) fn ask(&mut self, request: Request) {
        self.pending = Some(Pending { request, tries: 0, first: 0, until: None });
    }

    /// What is under way is dropped: an answer to it is none from now on.
    pub(super) fn drop_pending(&mut self) {
        self.pending = None;
    }

    /// The message that is to be sent now, if any.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        let pending = self.pending.as_mut().filter(|pending| pending.until.is_none())?;
        pending.tries += 1;
        pending.until = Some(now + ANSWER_TIMEOUT);
        self.number = next(self.number);
        if pending.tries == 1 {
            pending.first = self.number;
        }
        let pdu = pending.request.pdu(self.number, self.session.is_v1());
        Some(self.session.encode(&pdu, now))
    }

    /// A datagram from the card.
    pub(super) fn handle_bytes(&mut self, datagram: &[u8], now: Instant) -> Option<Outcome> {
        let pdu = match self.session.decode(datagram, now) {
            Said::Answer(pdu) if pdu.kind == Kind::Response => pdu,
            Said::Again(id) if self.pending.is_some() && id == self.number => {
                self.send_again();
                return None;
            }
            _ => {
                self.discarded += 1;
                return None;
            }
        };
        // An answer to an earlier try is one too.
        let is_its = |pending: &Pending| {
            pending.until.is_some() && is_between(pending.first, pdu.request_id, self.number)
        };
        if !self.pending.as_ref().is_some_and(is_its) {
            self.discarded += 1;
            return None;
        }
        let request = self.pending.take()?.request;
        let answer = match pdu.error_status {
            0 => Answer::Objects(pdu.bindings),
            error => Answer::Error(error, usize::try_from(pdu.error_index).unwrap_or(0)),
        };
        Some(Outcome { request, answer })
    }

    /// The last try was not taken, which is no fault of anybody.
    fn send_again(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.tries = pending.tries.saturating_sub(1);
            pending.until = None;
        }
    }

    /// A deadline may have passed: it is sent again at once, or has no answer.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Outcome> {
        let pending = self.pending.as_mut()?;
        if pending.until.is_none_or(|until| now < until) {
            return None;
        }
        let tries = if matches!(pending.request, Request::Set(_)) { ORDER_TRIES } else { TRIES };
        if pending.tries < tries {
            pending.until = None;
            return None;
        }
        let request = self.pending.take()?.request;
        Some(Outcome { request, answer: Answer::None })
    }

    /// When [`Self::handle_timeout`] has something to do; `None`: nothing has been sent.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.pending.as_ref()?.until
    }
}

/// The number behind this one; none is negative, which some agents do not give back as it was.
pub(super) const fn next(number: i32) -> i32 {
    if number == i32::MAX { 1 } else { number + 1 }
}

/// Whether `number` is one of those from `first` to `last`, which may begin again at 1.
const fn is_between(first: i32, number: i32, last: i32) -> bool {
    if first <= last {
        first <= number && number <= last
    } else {
        number >= first || (number <= last && number > 0)
    }
}

/// The value of this object among others; `None`: it is not there, or only that it is missing.
pub(super) fn value_of<'a>(bindings: &'a [Binding], oid: &[u32]) -> Option<&'a Value> {
    let binding = bindings.iter().find(|binding| binding.oid == *oid)?;
    Some(&binding.value).filter(|value| !is_missing(value))
}

/// Whether a value says that there is no such object.
pub(super) const fn is_missing(value: &Value) -> bool {
    matches!(value, Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView | Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_positive_and_those_of_the_tries_are_known_when_they_begin_again() {
        assert_eq!((next(7), next(i32::MAX)), (8, 1));
        assert!(is_between(3, 3, 4) && is_between(3, 4, 4) && !is_between(3, 5, 4) && !is_between(3, 2, 4));
        assert!(
            is_between(i32::MAX, i32::MAX, 1) && is_between(i32::MAX, 1, 1) && !is_between(i32::MAX, 2, 1)
        );
        assert!(!is_between(i32::MAX, -1, 1));
    }
}
