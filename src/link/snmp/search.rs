//! Finds out by what the card can be spoken to, and which MIB it serves.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::account::{Account, Said};
use super::exchange::{next, value_of};
use super::mib::{self, Mib};
use super::session::Session;
use crate::wire::snmp::{Binding, Kind, NO_SUCH_NAME, Pdu, Value, Version};

/// Communities that are tried where DEVICE names none; the first may usually be written to (snmp §1).
const COMMUNITIES: [&[u8]; 2] = [b"private", b"public"];
/// Between two tries.
const TRY_INTERVAL: Duration = Duration::from_secs(1);
/// From the beginning of one round of tries to the next.
const ROUND_INTERVAL: Duration = Duration::from_secs(5);
/// So long a better way to speak to the card than the one that was answered has to be answered too.
const SETTLE_TIME: Duration = Duration::from_secs(2);
/// An answer may come late: so many tries are remembered.
const TRIES_MAX: usize = 16;

/// A way of speaking to the card.
#[derive(Debug)]
pub(super) struct Candidate {
    session: Session,
    /// The community was found by trying, and may usually not be written to.
    is_guess: bool,
}

impl Candidate {
    /// The only one, if there is an account.
    pub(super) fn account(account: Box<Account>) -> Vec<Self> {
        vec![Self { session: Session::Account(account), is_guess: false }]
    }

    /// All that there are by versions and communities. `community`: what DEVICE says; `version`: the one that is configured.
    pub(super) fn communities(community: Option<&[u8]>, version: Option<Version>) -> Vec<Self> {
        let guesses = COMMUNITIES.iter().map(|it| (*it, *it != COMMUNITIES[0]));
        let communities: Vec<_> = community.map_or_else(|| guesses.collect(), |it| vec![(it, false)]);
        let versions = Session::VERSIONS.into_iter().filter(|it| version.is_none_or(|only| only == *it));
        let versions: Vec<Version> = versions.collect();
        let candidates = communities.into_iter().flat_map(|(community, is_guess)| {
            versions.iter().map(move |version| Self {
                session: Session::Community { version: *version, community: community.to_vec() },
                is_guess,
            })
        });
        candidates.collect()
    }
}

/// A try.
#[derive(Debug)]
struct Try {
    candidate: usize,
    mibs: Vec<&'static Mib>,
    number: i32,
}

/// A candidate that was answered.
#[derive(Debug)]
struct Chosen {
    candidate: usize,
    mib: &'static Mib,
    until: Instant,
}

/// What has been found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) session: Session,
    pub(super) mib: &'static Mib,
    /// See [`Candidate::is_guess`].
    pub(super) is_guess: bool,
}

/// Tries, one after the other, until one is answered.
#[derive(Debug)]
pub(super) struct Search {
    candidates: Vec<Candidate>,
    mibs: Vec<&'static Mib>,
    tries: VecDeque<Try>,
    /// What is to be sent at once: to which candidate, and what is left to ask.
    again: VecDeque<(usize, Vec<&'static Mib>)>,
    /// What was answered, until it is known whether a better candidate is: one that stands before it.
    chosen: Option<Chosen>,
    next: usize,
    at: Instant,
    round_at: Instant,
    /// The number of the last message.
    pub(super) number: i32,
    /// The card has answered, and serves no MIB of a UPS.
    pub(super) serves_none: bool,
}

impl Search {
    /// `number`: that of the last message.
    pub(super) fn new(
        candidates: Vec<Candidate>,
        mib: Option<&'static Mib>,
        number: i32,
        now: Instant,
    ) -> Self {
        Self {
            candidates,
            mibs: mib.map_or_else(|| mib::ALL.to_vec(), |mib| vec![mib]),
            tries: VecDeque::new(),
            again: VecDeque::new(),
            chosen: None,
            next: 0,
            at: now,
            round_at: now,
            number,
            serves_none: false,
        }
    }

    /// Whether messages can be made; otherwise a step is to be made towards it.
    fn is_ready(&self) -> bool {
        self.candidates.iter().all(|candidate| candidate.session.is_ready())
    }

    /// What is to be done about a card that does not answer an account; `None`: there is none.
    pub(super) fn advice(&self) -> Option<&'static str> {
        self.candidates.iter().find_map(|candidate| candidate.session.account()).map(Account::advice)
    }

    /// The account, if there is one.
    pub(super) fn account(&mut self) -> Option<&mut Account> {
        self.candidates.iter_mut().find_map(|candidate| candidate.session.account_mut())
    }

    /// The message that is to be sent now, if any.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        if !self.is_ready() {
            return None;
        }
        let (candidate, mibs) = match self.again.pop_front() {
            Some(again) => again,
            None if self.at <= now && self.chosen.is_none() => {
                let candidate = self.next;
                if candidate == 0 {
                    self.round_at = now;
                }
                self.next = (candidate + 1) % self.candidates.len().max(1);
                self.at = now + TRY_INTERVAL;
                if self.next == 0 {
                    self.at = self.at.max(self.round_at + ROUND_INTERVAL);
                }
                (candidate, self.mibs.clone())
            }
            None => return None,
        };
        self.number = next(self.number);
        let bindings = mibs.iter().map(|mib| Binding::asked(&mib.output())).collect();
        let pdu = Pdu::new(Kind::Get, self.number, bindings);
        let message = self.candidates.get_mut(candidate)?.session.encode(&pdu, now);
        if self.tries.len() >= TRIES_MAX {
            self.tries.pop_front();
        }
        self.tries.push_back(Try { candidate, mibs, number: self.number });
        Some(message)
    }

    /// A datagram from the card.
    pub(super) fn handle_bytes(&mut self, datagram: &[u8], now: Instant) -> Option<Found> {
        let candidates = self.candidates.iter_mut().enumerate();
        let read = |(at, candidate): (usize, &mut Candidate)| match candidate.session.decode(datagram, now) {
            Said::Nothing => None,
            said => Some((at, said)),
        };
        let (candidate, pdu) = match candidates.into_iter().find_map(read)? {
            (candidate, Said::Answer(pdu)) if pdu.kind == Kind::Response => (candidate, pdu),
            (candidate, Said::Again(number)) => {
                let at = self.tries.iter().position(|it| it.number == number && it.candidate == candidate)?;
                let Try { mibs, .. } = self.tries.remove(at)?;
                self.again.push_back((candidate, mibs));
                return None;
            }
            _ => return None,
        };
        let at = self.tries.iter().position(|it| it.number == pdu.request_id && it.candidate == candidate)?;
        let Try { mut mibs, .. } = self.tries.remove(at)?;
        match (pdu.error_status, usize::try_from(pdu.error_index).ok()?) {
            (0, _) => {
                let says = |mib: &&'static Mib| {
                    matches!(value_of(&pdu.bindings, &mib.output()), Some(Value::Integer(_)))
                };
                let Some(mib) = mibs.into_iter().find(says) else {
                    self.serves_none = true;
                    return None;
                };
                return self.choose(candidate, mib, now);
            }
            // Version 1: without the one that is missing.
            (NO_SUCH_NAME, at @ 1..) if at <= mibs.len() => {
                mibs.remove(at - 1);
                if mibs.is_empty() {
                    self.serves_none = true;
                } else {
                    self.again.push_back((candidate, mibs));
                }
            }
            // One by one is less for a card to refuse.
            _ if mibs.len() > 1 => self.again.extend(mibs.into_iter().map(|mib| (candidate, vec![mib]))),
            _ => self.serves_none = true,
        }
        None
    }

    /// The card has answered this candidate. A card that has been away answers whichever is tried when it is back.
    fn choose(&mut self, candidate: usize, mib: &'static Mib, now: Instant) -> Option<Found> {
        let before = self.chosen.take().filter(|chosen| chosen.candidate < candidate);
        let chosen = before.unwrap_or(Chosen { candidate, mib, until: now + SETTLE_TIME });
        if chosen.candidate == candidate {
            self.again = (0..candidate).map(|better| (better, self.mibs.clone())).collect();
        }
        let is_best = chosen.candidate == 0;
        self.chosen = Some(chosen);
        if is_best { self.found() } else { None }
    }

    fn found(&mut self) -> Option<Found> {
        let Chosen { candidate, mib, .. } = self.chosen.take()?;
        if candidate >= self.candidates.len() {
            return None;
        }
        let Candidate { session, is_guess } = self.candidates.swap_remove(candidate);
        Some(Found { session, mib, is_guess })
    }

    /// What was answered, if nothing better was for so long.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Found> {
        if !self.is_ready() {
            self.account()?.prepare();
            return None;
        }
        if self.chosen.as_ref().is_some_and(|chosen| chosen.until <= now) { self.found() } else { None }
    }

    /// A whole round of tries was not answered: the next begins now.
    pub(super) fn is_round_over(&self, now: Instant) -> bool {
        self.next == 0
            && self.at <= now
            && self.again.is_empty()
            && self.chosen.is_none()
            && !self.tries.is_empty()
    }

    /// When there is something to be sent.
    pub(super) fn poll_timeout(&self) -> Instant {
        match &self.chosen {
            _ if !self.again.is_empty() => self.round_at,
            Some(chosen) => chosen.until,
            None => self.at,
        }
    }
}
