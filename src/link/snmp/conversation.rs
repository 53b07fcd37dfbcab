//! What is asked when of a card that has answered, and what is told of its answers.

mod answers;
mod commands;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::account::Account;
use super::exchange::{Answer, Exchange, Outcome, Request};
use super::mib::{Item, Mib, When};
use super::objects::{Job, Objects};
use super::order::Order;
use super::schedule::{STATUS_FAST, Schedule};
use super::session::Session;
use super::store::Store;
use super::told::Told;
use crate::link::LinkEvent;
use crate::link::silence::Silence;
use crate::ups::{Command, PollRate, Priority};
use crate::wire::snmp::Binding;

/// The first reading must be told within this.
const FIRST_TIMEOUT: Duration = Duration::from_secs(15);
/// Without a reading for so long the UPS counts as lost.
const SILENT_MIN: Duration = Duration::from_secs(10);
/// So long everything is read before anything is told; what is missing then is told of later.
const LEARN_MAX: Duration = Duration::from_secs(5);
/// So many answers in a row to what says it, that say that the card does not reach its UPS are a loss.
const UNREACHED_MAX: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Everything is read for the first time, until then.
    Learning(Instant),
    /// It is known.
    Watching,
    /// The card answers, and says that it does not reach its UPS; told.
    Unreached,
}

/// What the request that is under way is for.
#[derive(Clone, Debug)]
enum Under {
    Status(Vec<usize>),
    Job(Job),
    Order,
}

/// The conversation with one card.
#[derive(Debug)]
pub(super) struct Conversation {
    exchange: Exchange,
    objects: Objects,
    store: Store,
    under: Option<Under>,
    /// What else is to be read in this round.
    queue: VecDeque<Job>,
    /// The status was what was asked for last.
    after_status: bool,
    /// What has been told of its identity is not all.
    is_partial: bool,
    unreached: u8,
    /// All of the status together was not answered.
    status_lost: bool,
    silence: Silence,
    schedule: Schedule,
    state: State,
    order: Option<Order>,
    /// Commands that are done when the round is.
    reads: Vec<Command>,
    /// The last `now` of any call.
    now: Instant,
}

impl Conversation {
    /// With a card that has just answered in this session and serves this MIB; `number`: of the last message.
    pub(super) fn new(
        (session, number): (Session, i32),
        mib: &'static Mib,
        (poll_time, poll_rate): (Duration, PollRate),
        now: Instant,
    ) -> Self {
        let mut new = Self {
            exchange: Exchange::new(session, number),
            objects: Objects::new(mib, now),
            store: Store::default(),
            under: None,
            queue: VecDeque::new(),
            after_status: false,
            is_partial: false,
            unreached: 0,
            status_lost: false,
            silence: Silence::new(now, FIRST_TIMEOUT, SILENT_MIN),
            schedule: Schedule { poll_time, poll_rate, status_at: now, poll_at: now },
            state: State::Learning(now + LEARN_MAX),
            order: None,
            reads: Vec::new(),
            now,
        };
        new.learn(now);
        new
    }

    /// What is to be done about a card that does not answer an account; `None`: there is none.
    pub(super) fn advice(&self) -> Option<&'static str> {
        self.exchange.session.account().map(Account::advice)
    }

    pub(super) fn handle_bytes(&mut self, datagram: &[u8], device: &str, told: &mut Told, now: Instant) {
        if let Some(outcome) = self.exchange.handle_bytes(datagram, now) {
            self.take(outcome, device, told, now);
        }
    }

    /// A deadline may have passed. `Err`: the UPS is lost.
    pub(super) fn handle_timeout(&mut self, device: &str, told: &mut Told, now: Instant) -> Result<(), ()> {
        if let Some(outcome) = self.exchange.handle_timeout(now) {
            self.take(outcome, device, told, now);
        }
        if self.silence.is_over(now) { Err(()) } else { Ok(()) }
    }

    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.now = now;
        if self.exchange.is_free() {
            let (under, request) = self.next(now)?;
            self.under = Some(under);
            self.exchange.ask(request);
        }
        self.exchange.poll_transmit(now)
    }

    /// The next deadline; `sends`: there is a socket.
    pub(super) fn poll_timeout(&self, sends: bool) -> Instant {
        let silence = self.silence.until();
        match self.exchange.poll_timeout() {
            Some(until) => until.min(silence),
            None if !sends => silence,
            None if !self.exchange.is_free() || !self.queue.is_empty() => self.now,
            None => {
                let order = self.order.as_ref().map_or(silence, Order::poll_timeout);
                self.schedule.status_at.min(self.schedule.poll_at).min(order).min(silence)
            }
        }
    }

    /// What is to be asked now: the status before everything else.
    fn next(&mut self, now: Instant) -> Option<(Under, Request)> {
        let ordered = self.order.as_ref().and_then(|order| order.request(now));
        let waits = ordered.is_some() || !self.queue.is_empty() || self.schedule.poll_at <= now;
        // A card that needs a second for each answer is asked for something else all the same.
        let is_urgent = self.order.as_ref().is_some_and(Order::is_urgent);
        if self.schedule.status_at <= now && !is_urgent && !(self.after_status && waits) {
            self.after_status = true;
            self.schedule.status_at = now + self.schedule.status_interval();
            let mut rows = self.objects.status();
            let rest = rows.split_off(rows.len().min(self.objects.together()));
            let is_rest =
                |job: &Job| matches!(job, Job::Get(rows) if rows.iter().any(|row| rest.contains(row)));
            if !rest.is_empty() && !self.queue.iter().any(is_rest) {
                self.queue.push_back(Job::Get(rest));
            }
            return Some((Under::Status(rows.clone()), self.get(&rows)));
        }
        self.after_status = false;
        if let Some(request) = ordered {
            return Some((Under::Order, request));
        }
        if self.schedule.poll_at <= now && !self.is_in_round() {
            self.begin_round(now);
        }
        let mut job = self.queue.pop_front()?;
        if let Job::Get(rows) = &mut job {
            let rest = rows.split_off(rows.len().min(self.objects.together()));
            if !rest.is_empty() {
                self.queue.push_front(Job::Get(rest));
            }
        }
        let request = match &job {
            Job::Get(rows) => self.get(rows),
            Job::Walk { from, .. } => Request::Next(from.clone(), self.objects.rows_at_once),
        };
        Some((Under::Job(job), request))
    }

    fn get(&self, rows: &[usize]) -> Request {
        Request::Get(rows.iter().map(|row| self.objects.name(*row)).collect())
    }

    /// Everything is to be read, what is polled first.
    fn learn(&mut self, now: Instant) {
        self.schedule.poll_at = now + self.schedule.interval();
        self.queue = self.objects.jobs(&[When::Polled], now);
        self.queue.extend(self.objects.jobs(&[When::Once], now));
    }

    /// What is polled is to be read. What is still to be read of what it is stays.
    fn begin_round(&mut self, now: Instant) {
        self.schedule.poll_at = now + self.schedule.interval();
        let identity: Vec<Job> =
            std::mem::take(&mut self.queue).into_iter().filter(|job| self.is_identity(job)).collect();
        self.queue = self.objects.jobs(&[When::Polled], now);
        self.queue.extend(identity);
    }

    /// What was to be asked in the last round has not been asked yet.
    fn is_in_round(&self) -> bool {
        self.queue.iter().any(|job| self.is_of(job, When::Polled))
    }

    fn is_identity(&self, job: &Job) -> bool {
        self.is_of(job, When::Once)
    }

    fn is_of(&self, job: &Job, when: When) -> bool {
        let row = match job {
            Job::Get(rows) => rows.first().copied(),
            Job::Walk { row, .. } => Some(*row),
        };
        row.and_then(|row| self.objects.row(row)).is_some_and(|row| row.when == when)
    }

    fn take(&mut self, Outcome { request, answer }: Outcome, device: &str, told: &mut Told, now: Instant) {
        let line_before = self.store.line();
        let is_answered = answer != Answer::None;
        let mut has_status = false;
        match self.under.take() {
            Some(Under::Order) => {
                if let Some(order) = &mut self.order {
                    let command = order.command;
                    if let Some(outcome) = order.take(&request, &answer, now) {
                        self.order = None;
                        if let (Command::Set(..), Ok(_), Answer::Objects(kept)) = (command, &outcome, &answer)
                        {
                            self.show_kept(kept, told, now);
                        }
                        told.ended(command, outcome);
                        // What it has changed is looked at.
                        self.begin_round(now);
                    }
                }
            }
            Some(Under::Status(rows)) => {
                let alarms = self.objects.number(Item::AlarmCount);
                self.take_scalars(&rows, answer, true, now);
                has_status = self.store.status_at() == Some(now);
                if self.objects.number(Item::AlarmCount) != alarms {
                    let walks = self.objects.mib.rows.iter().position(|row| row.item == Item::Alarms);
                    self.queue.extend(walks.map(|row| self.objects.walk(row)));
                }
            }
            Some(Under::Job(Job::Get(rows))) => {
                self.take_scalars(&rows, answer, false, now);
                has_status = rows.contains(&0) && self.store.status_at() == Some(now);
                if rows == [0] && std::mem::take(&mut self.status_lost) && has_status {
                    self.objects.too_many(&self.objects.status());
                }
            }
            Some(Under::Job(Job::Walk { row, from, found })) => {
                self.take_column(row, from, found, answer, now)
            }
            None => {}
        }
        if self.store.is_unreached() {
            return self.unreached(is_answered, device, told, now);
        }
        self.tell_progress(has_status, has_status && self.store.line() != line_before, told, now);
    }

    /// What the UPS keeps since an order: it is told now, for it is not read again.
    fn show_kept(&mut self, kept: &[Binding], told: &mut Told, now: Instant) {
        for row in 0..self.objects.mib.rows.len() {
            if kept.iter().any(|binding| binding.oid == self.objects.name(row)) {
                self.take_scalar(row, kept, now);
            }
        }
        self.attach(told);
    }

    /// What follows from an answer.
    fn tell_progress(&mut self, has_status: bool, has_changed: bool, told: &mut Told, now: Instant) {
        self.unreached = 0;
        match self.state {
            State::Unreached => {
                self.state = State::Learning(now + LEARN_MAX);
                self.silence = Silence::new(now, FIRST_TIMEOUT, SILENT_MIN);
                return self.learn(now);
            }
            State::Learning(until)
                if self.store.status_at().is_some() && (self.queue.is_empty() || now >= until) =>
            {
                self.state = State::Watching;
                told.loss.end();
                self.attach(told);
                self.silence.told(now, self.schedule.status_interval(), false);
                self.tell(told, now);
                return;
            }
            State::Learning(_) => return,
            State::Watching if self.is_partial && !self.asks_identity() => self.attach(told),
            State::Watching => {}
        }
        if has_changed {
            // A second look, and all that belongs to it, at once.
            self.begin_round(now);
            self.schedule.status_at = self.schedule.status_at.min(now + STATUS_FAST);
        }
        if has_status {
            // Without the status of the output nothing is known, whatever else comes.
            self.silence.told(now, self.schedule.status_interval(), has_changed);
        }
        if has_status || self.queue.is_empty() {
            self.tell(told, now);
        }
        if !self.is_in_round() {
            for command in std::mem::take(&mut self.reads) {
                told.ended(command, Ok("read".to_owned()));
            }
        }
    }

    /// The card says that it does not reach its UPS: what else it says is from before.
    fn unreached(&mut self, is_answered: bool, device: &str, told: &mut Told, now: Instant) {
        if self.state == State::Unreached {
            if is_answered {
                self.silence.pause(now);
            }
            return;
        }
        // Another answer meanwhile is no second word on it.
        if self.store.unreached_at() != Some(now) {
            return;
        }
        self.unreached = self.unreached.saturating_add(1);
        if self.unreached < UNREACHED_MAX {
            self.schedule.status_at = self.schedule.status_at.min(now + STATUS_FAST);
            self.schedule.poll_at = self.schedule.poll_at.min(now + STATUS_FAST);
            return;
        }
        self.state = State::Unreached;
        self.silence.pause(now);
        // An order goes on: the card has it.
        self.abandon_reads("the card has lost its UPS", told);
        told.lost(format!("{device}: the card answers, but says that it has lost its UPS"));
    }

    /// What it is, is still to be asked for in this round.
    fn asks_identity(&self) -> bool {
        self.queue.iter().any(|job| self.is_identity(job))
    }

    fn attach(&mut self, told: &mut Told) {
        self.is_partial = self.asks_identity();
        told.push(LinkEvent::Attached(Box::new(self.store.identity.clone())));
    }

    fn tell(&mut self, told: &mut Told, now: Instant) {
        if let Some(text) = self.store.poll_notice() {
            told.push(LinkEvent::Log(Priority::Warning, format!("The card says: {text}")));
        }
        told.push(LinkEvent::Reading(Box::new(self.store.reading(now))));
    }

    /// Something has happened to the UPS: it is looked at.
    pub(super) fn look(&mut self, now: Instant) {
        self.schedule.status_at = now;
        self.after_status = false;
        if self.state == State::Watching {
            self.begin_round(now);
        }
    }

    pub(super) fn set_polling(&mut self, poll_time: Duration, poll_rate: PollRate, now: Instant) {
        let schedule = &mut self.schedule;
        (schedule.poll_time, schedule.poll_rate) = (poll_time, poll_rate);
        schedule.poll_at = schedule.poll_at.min(now + schedule.interval());
        schedule.status_at = schedule.status_at.min(now + schedule.status_interval());
        self.silence.set_interval(now, schedule.status_interval());
    }

    fn abandon_reads(&mut self, reason: &str, told: &mut Told) {
        for command in std::mem::take(&mut self.reads) {
            told.ended(command, Err(reason.to_owned()));
        }
    }

    /// The session, to be changed.
    pub(super) fn session_mut(&mut self) -> &mut Session {
        &mut self.exchange.session
    }

    /// The conversation is over, for this reason. What is left of it is the session, and the number of the last message.
    pub(super) fn end(mut self, reason: &str, told: &mut Told) -> (Session, i32) {
        if self.exchange.discarded > 0 {
            let text =
                format!("{} datagrams came from the card that were no answer", self.exchange.discarded);
            told.push(LinkEvent::Log(Priority::Info, text));
        }
        self.abandon_reads(reason, told);
        if let Some(order) = self.order {
            told.ended(order.command, Err(reason.to_owned()));
        }
        let number = self.exchange.number();
        (self.exchange.session, number)
    }
}
