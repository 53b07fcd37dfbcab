//! What is asked when, and what is told of the answers; the same on a serial line, over TCP and over USB.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::blocks::{Block, Blocks};
use super::exchange::{Exchange, Framing, Outcome};
use super::order::Order;
use super::store::Store;
use crate::link::LinkEvent;
use crate::link::loss::Loss;
use crate::link::silence::Silence;
use crate::ups::{Command, CommandResult, PollRate, Priority, TransferCause};
use crate::wire::modbus::{Answer, REGISTERS, Register, Request, STATUS, Span};

/// A UPS says nothing by itself: so often its status is asked for.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);
/// The same on mains where the UPS says by other reports, at once, that mains has failed.
const STATUS_INTERVAL_BESIDE: Duration = Duration::from_secs(10);
/// The first reading must be told within this.
const FIRST_TIMEOUT: Duration = Duration::from_secs(10);
/// Without a reading for so long the UPS counts as lost.
const SILENT_MIN: Duration = Duration::from_secs(10);
/// So long everything is read before anything is told; what is missing then is told of later.
const LEARN_MAX: Duration = Duration::from_secs(5);
/// A UPS that restarts refuses what it has: what it refuses is asked for again after this.
const REFUSAL_BELIEVED: Duration = Duration::from_secs(10 * 60);
/// In so many rounds what it is, is asked for again if nothing came of that.
const IDENTITY_ROUNDS: u32 = 5;
/// Between two tries to find the UPS.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);
/// Most events kept for a caller that does not fetch them; the oldest go first.
const MAX_EVENTS: usize = 64;

/// The conversation with one UPS over an open port.
#[derive(Debug)]
pub(super) struct Conversation {
    exchange: Exchange,
    blocks: Blocks,
    /// Since when they are known.
    blocks_since: Instant,
    store: Store,
    /// What else is to be read in this round.
    queue: VecDeque<Span>,
    /// What of its identity nothing came of, and in how many rounds more it is asked for.
    missing: (Vec<Span>, u32),
    /// What has been told of its identity is not all.
    is_partial: bool,
    /// Why the UPS with this serial number last transferred, as an earlier connection has it.
    cause: Option<(String, TransferCause)>,
    /// The last request for the status was not answered.
    is_mute: bool,
    /// The status was what was asked for last.
    after_status: bool,
    silence: Silence,
    schedule: Schedule,
    state: State,
    order: Option<Order>,
    /// Commands that are done when the round is.
    reads: Vec<Command>,
}

/// When to ask.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    poll_time: Duration,
    poll_rate: PollRate,
    /// Something else tells at once that mains has failed.
    beside: bool,
    status_at: Instant,
    poll_at: Instant,
}

impl Schedule {
    fn interval(&self) -> Duration {
        match self.poll_rate {
            PollRate::Fast => STATUS_INTERVAL,
            PollRate::Normal => self.poll_time,
        }
    }

    fn status_interval(&self) -> Duration {
        match self.poll_rate {
            PollRate::Normal if self.beside => STATUS_INTERVAL_BESIDE.min(self.poll_time),
            PollRate::Normal | PollRate::Fast => STATUS_INTERVAL,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has not answered yet; tried again then.
    Searching(Instant),
    /// The same, and a request has had no answer in all its tries.
    SearchingInVain(Instant),
    /// It answers, and everything is read for the first time, until then.
    Learning(Instant),
    /// It is known.
    Watching,
}

/// What has been told.
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

    fn ended(&mut self, command: Command, outcome: Result<String, String>) {
        self.push(LinkEvent::Command(CommandResult::new(command, outcome)));
    }

    fn order_ended(&mut self, order: &Order, outcome: Result<String, String>) {
        let is_acknowledged = order.is_acknowledged();
        let result = CommandResult { is_acknowledged, ..CommandResult::new(order.command, outcome) };
        self.push(LinkEvent::Command(result));
    }
}

impl Conversation {
    /// `probes`: see [`Exchange::new`].
    pub(super) fn new(
        framing: Framing,
        poll_time: Duration,
        poll_rate: PollRate,
        probes: usize,
        now: Instant,
    ) -> Self {
        Self {
            exchange: Exchange::new(framing, probes, now),
            blocks: Blocks::default(),
            blocks_since: now,
            store: Store::default(),
            queue: VecDeque::new(),
            missing: (Vec::new(), IDENTITY_ROUNDS),
            is_partial: false,
            cause: None,
            is_mute: false,
            after_status: false,
            silence: Silence::new(now, FIRST_TIMEOUT, SILENT_MIN),
            schedule: Schedule {
                poll_time,
                poll_rate,
                beside: framing == Framing::Usb,
                status_at: now,
                poll_at: now,
            },
            state: State::Searching(now),
            order: None,
            reads: Vec::new(),
        }
    }

    pub(super) fn handle_bytes(&mut self, bytes: &[u8], told: &mut Told, now: Instant) -> Result<(), ()> {
        if let Some(outcome) = self.exchange.handle_bytes(bytes, now)? {
            self.take(outcome, told, now);
        }
        Ok(())
    }

    /// A deadline may have passed. `Err`: the UPS is lost; why is told.
    pub(super) fn handle_timeout(&mut self, device: &str, told: &mut Told, now: Instant) -> Result<(), ()> {
        if let Some(outcome) = self.exchange.handle_timeout(now) {
            self.take(outcome, told, now);
        }
        if self.silence.is_over(now) {
            told.lost(format!(
                "{device}: no UPS answers by Modbus; is it on, and is Modbus switched on in its front panel menu? It is off when the UPS \
                 is delivered"
            ));
            return Err(());
        }
        Ok(())
    }

    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.exchange.is_free() {
            if let Some(request) = self.next(now) {
                let is_hopeless = matches!(request, Request::Read(span) if self.blocks.is_silent(span));
                self.exchange.ask(request, is_hopeless, now);
            }
        }
        self.exchange.poll_transmit(now)
    }

    /// What is to be asked now: the status before everything else.
    fn next(&mut self, now: Instant) -> Option<Request> {
        match self.state {
            State::Searching(at) | State::SearchingInVain(at) if at <= now => {
                self.queue.clear();
                return Some(Request::Read(STATUS));
            }
            State::Searching(_) | State::SearchingInVain(_) => return None,
            State::Learning(_) | State::Watching => {}
        }
        let ordered = self.order.as_ref().and_then(|order| order.request(now));
        let waits = ordered.is_some() || !self.queue.is_empty() || self.schedule.poll_at <= now;
        // A card that needs a second for each answer is asked for something else all the same.
        let is_urgent = self.order.as_ref().is_some_and(Order::is_urgent);
        if self.schedule.status_at <= now && !is_urgent && !(self.after_status && waits) {
            self.after_status = true;
            self.schedule.status_at = now + self.schedule.status_interval();
            return Some(Request::Read(STATUS));
        }
        self.after_status = false;
        if ordered.is_some() {
            return ordered;
        }
        if self.schedule.poll_at <= now && self.queue.is_empty() {
            self.begin_round(&Block::POLLED, now);
        }
        self.queue.pop_front().map(Request::Read)
    }

    fn begin_round(&mut self, blocks: &[Block], now: Instant) {
        self.schedule.poll_at = now + self.schedule.interval();
        let mut again = Vec::new();
        if now >= self.blocks_since + REFUSAL_BELIEVED {
            again = self.blocks.absent_identity();
            (self.blocks, self.blocks_since) = (Blocks::default(), now);
        }
        let rest = std::mem::take(&mut self.queue).into_iter().filter(|span| Block::is_identity(*span));
        let rest: Vec<Span> = rest.chain(self.missing.0.drain(..)).chain(again).collect();
        let spans = blocks.iter().flat_map(|block| self.blocks.spans(*block));
        self.queue = spans.filter(|span| self.blocks.is_due(*span, now)).chain(rest).collect();
    }

    fn take(&mut self, Outcome { request, answer }: Outcome, told: &mut Told, now: Instant) {
        if let Some(mut order) = self.order.take() {
            match order.take(request, answer.as_ref(), now) {
                Some(outcome) => told.order_ended(&order, outcome),
                None => self.order = Some(order),
            }
        }
        let Request::Read(span) = request else { return };
        let rows =
            REGISTERS.iter().filter(|row| row.span.address >= span.address && row.span.end() <= span.end());
        let rows: Vec<&Register> = rows.collect();
        if span == STATUS {
            self.is_mute = answer.is_none();
        }
        let mut instead = Vec::new();
        if answer.is_some() {
            self.blocks.answered(span);
        } else if span != STATUS && !self.is_mute {
            instead = self.blocks.unanswered(span, now);
        }
        let is_silent = answer.is_none();
        let line_before = self.store.line();
        let mut has_status = false;
        match answer {
            Some(Answer::Registers(words)) => {
                // It was missing until now.
                self.is_partial |= self.state == State::Watching && Block::is_identity(span);
                // What it says beside a status that is none is no data either: a UPS that starts says 0 of everything.
                let is_said = |store: &Store, row: &Register| row.span == STATUS || store.has_state();
                for row in &rows {
                    let first = usize::from(row.span.address - span.address);
                    let words = words.get(first..first + usize::from(row.span.count)).unwrap_or_default();
                    let makes_sense = is_said(&self.store, row) && self.store.take(row, words, now);
                    has_status |= makes_sense && row.span == STATUS;
                    if !makes_sense {
                        self.exchange.discarded += 1;
                    }
                }
                has_status &= self.store.status_at() == Some(now);
            }
            Some(Answer::Exception(code)) if Blocks::is_refusal(code) => {
                for item in self.blocks.refused(span).into_iter().rev() {
                    self.queue.push_front(item);
                }
                if let ([row], true) = (&rows[..], span != STATUS) {
                    self.store.forget(row.item);
                }
            }
            Some(Answer::Exception(_) | Answer::Written) | None => {
                rows.iter().for_each(|row| self.store.miss(row.item));
                if Block::is_identity(span) && self.missing.1 > 0 {
                    match instead.is_empty() {
                        true => self.missing.0.push(span),
                        false => self.missing.0.append(&mut instead),
                    }
                }
            }
        }
        match self.state {
            State::Searching(_) | State::SearchingInVain(_) if has_status => {
                self.state = State::Learning(now + LEARN_MAX);
                self.begin_round(&Block::ALL, now);
                return;
            }
            State::Searching(_) | State::SearchingInVain(_) => {
                let again = now + SEARCH_INTERVAL;
                self.state = if is_silent { State::SearchingInVain(again) } else { State::Searching(again) };
                return;
            }
            State::Learning(until) if self.queue.is_empty() || now >= until => {
                self.state = State::Watching;
                if self.schedule.beside {
                    self.schedule.status_at = now;
                }
                told.loss.end();
                self.attach(told);
                self.tell(false, told, now);
            }
            State::Learning(_) => return,
            State::Watching if self.is_partial && Block::is_identity(span) && !self.asks_identity() => {
                self.attach(told);
            }
            State::Watching => {}
        }
        let has_changed = has_status && self.store.line() != line_before;
        if has_changed {
            // A second look, and all that belongs to it, at once.
            self.begin_round(&Block::POLLED, now);
        }
        if has_status || self.queue.is_empty() {
            self.tell(has_changed, told, now);
        }
        if self.queue.is_empty() {
            for command in std::mem::take(&mut self.reads) {
                told.ended(command, Ok("read".to_owned()));
            }
        }
    }

    /// What the UPS is, is still to be asked for in this round.
    fn asks_identity(&self) -> bool {
        self.queue.iter().any(|span| Block::is_identity(*span))
    }

    fn attach(&mut self, told: &mut Told) {
        if let Some((serial, cause)) = &self.cause {
            self.store.recall(serial, *cause);
        }
        self.is_partial = self.asks_identity() || !self.missing.0.is_empty();
        self.missing.1 = self.missing.1.saturating_sub(1);
        told.push(LinkEvent::Attached(Box::new(self.store.identity.clone())));
    }

    /// Tells what is known. Only the status keeps the UPS from counting as lost.
    fn tell(&mut self, has_changed: bool, told: &mut Told, now: Instant) {
        told.push(LinkEvent::Reading(Box::new(self.store.reading(now))));
        if self.store.status_at() == Some(now) {
            self.silence.told(now, self.schedule.status_interval(), has_changed);
        }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        let next = match (self.exchange.poll_timeout(), self.state) {
            (Some(at), _) | (None, State::Searching(at) | State::SearchingInVain(at)) => at,
            (None, _) => {
                let at = self.schedule.status_at.min(self.schedule.poll_at);
                self.order.as_ref().map_or(at, |order| order.poll_timeout().min(at))
            }
        };
        next.min(self.silence.until())
    }

    pub(super) fn set_polling(&mut self, poll_time: Duration, poll_rate: PollRate, now: Instant) {
        (self.schedule.poll_time, self.schedule.poll_rate) = (poll_time, poll_rate);
        self.schedule.poll_at = self.schedule.poll_at.min(now + self.schedule.interval());
        self.schedule.status_at = self.schedule.status_at.min(now + self.schedule.status_interval());
        if self.state == State::Watching {
            self.silence.set_interval(now, self.schedule.status_interval());
        }
    }

    pub(super) fn command(&mut self, command: Command, told: &mut Told, now: Instant) {
        if self.state != State::Watching {
            return told.ended(command, Err("no communication with the UPS".to_owned()));
        }
        if command.order().is_none() {
            self.reads.push(command);
            return self.begin_round(&Block::POLLED, now);
        }
        if let Some(order) = self.order.take_if(|order| order.may_be_left()) {
            let outcome = Ok("self test started; another order came before it had ended".to_owned());
            told.ended(order.command, outcome);
        }
        if self.order.as_ref().is_some_and(|order| !command.displaces(order.command)) {
            return told.ended(command, Err("another order is under way".to_owned()));
        }
        match Order::new(command, &self.store, self.exchange.framing, now) {
            Ok(mut order) => {
                if order.is_urgent() {
                    self.exchange.hurry();
                }
                order.is_behind = !self.exchange.is_free();
                if let Some(old) = self.order.replace(order) {
                    told.order_ended(&old, Err("another order took its place".to_owned()));
                }
            }
            Err(reason) => told.ended(command, Err(reason)),
        }
    }

    /// The same with what an earlier connection has heard of the cause of the last transfer.
    pub(super) fn knowing(mut self, cause: Option<(String, TransferCause)>) -> Self {
        self.cause = cause;
        self
    }

    /// Why the UPS last transferred, with its serial number.
    pub(super) fn cause(&self) -> Option<(String, TransferCause)> {
        self.store.cause()
    }

    /// How many probes have been sent.
    pub(super) const fn probes(&self) -> usize {
        self.exchange.probes()
    }

    /// The conversation is over, for this reason.
    pub(super) fn end(self, reason: &str, told: &mut Told) {
        // Where HID guards beside it that may be once a minute.
        if self.exchange.discarded > 0 && !self.schedule.beside {
            let text = format!(
                "{} bytes or values came by Modbus that were no answer or made no sense",
                self.exchange.discarded
            );
            told.push(LinkEvent::Log(Priority::Info, text));
        }
        for command in self.reads {
            told.ended(command, Err(reason.to_owned()));
        }
        if let Some(order) = self.order {
            told.order_ended(&order, Err(reason.to_owned()));
        }
    }
}

/// What a conversation beside another one is asked.
#[cfg(feature = "usb")]
impl Conversation {
    /// Reads everything that changes, now.
    pub(super) fn poll_soon(&mut self, now: Instant) {
        if self.state == State::Watching {
            self.begin_round(&Block::POLLED, now);
        }
    }

    /// Whether it is known what the UPS is and how it is.
    pub(super) fn is_watching(&self) -> bool {
        self.state == State::Watching
    }

    /// Whether a request to a UPS that has never answered had no answer in all its tries.
    pub(super) const fn is_in_vain(&self) -> bool {
        matches!(self.state, State::SearchingInVain(_))
    }
}
