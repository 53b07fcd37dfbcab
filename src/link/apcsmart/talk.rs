//! The conversation with a UPS that answers: what to ask next, and what to make of the answer.
//!
//! In order: an order's bytes, the status byte when it is due, what was asked before a link check, what a command wants read,
//! what the UPS is (once), the values of this poll. A reading is told for a status byte, and everything else in it has the
//! time of the answer that said it.

mod commands;
mod plan;
mod status;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::order::Order;
use super::store::Store;
use crate::link::LinkEvent;
use crate::link::silence::Silence;
use crate::ups::{Command, Pace, StatusFlags};
use crate::wire::upslink::{self, Alert, Capabilities, Eeprom, Form, Set, Value};

/// The next character of an answer must come within this.
const CHARACTER_WAIT: Duration = Duration::from_secs(1);
/// An answer must be whole within this, whatever comes meanwhile.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// A list must: permitted values take seconds at 2400 bit/s.
const LIST_WAIT: Duration = Duration::from_secs(6);
/// Tries for an answer.
const TRIES: u8 = 3;
/// A poll begins with a status byte unless it is as young as this.
const STATUS_FRESH: Duration = Duration::from_millis(500);
/// On battery.
const FAST: Duration = Duration::from_secs(1);
/// Longest time between two status bytes, however long POLLTIME is: an alert may be lost.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// Without a reading for three status bytes, and for so long, the UPS counts as lost.
const SILENT_LEAST: Duration = Duration::from_secs(10);
/// A unit that says nothing to what it does not know takes long to find out; it is watched meanwhile.
const ATTACH_BY: Duration = Duration::from_secs(10);
/// The UPS may not know the cause of a transfer yet.
const CAUSE_TRIES: u8 = 3;
const CAUSE_PAUSE: Duration = Duration::from_millis(200);
/// Commands that wait.
const COMMANDS_MAX: usize = 8;
/// A calibration needs this charge (apcsmart §11).
const FULL: f64 = 100.0;

/// What the link must do about the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing.
    GoOn,
    /// Check the link, then go on.
    Check,
    /// The conversation has no sense any more.
    GiveUp(&'static str),
}

/// A query under way.
#[derive(Debug)]
struct Asked {
    query: u8,
    tries: u8,
    deadline: Instant,
    cap: Instant,
}

/// The conversation.
#[derive(Debug)]
pub(super) struct Talk {
    pace: Pace,
    poll_time: Duration,
    store: Store,
    events: Vec<LinkEvent>,
    asked: Option<Asked>,
    /// Asked, not answered, to be asked again: query and tries so far.
    again: Option<(u8, u8)>,
    /// A text that may have an alert in it, read once.
    doubtful: Option<(u8, String)>,
    /// Queries that the UPS lists; `None`: it has no list.
    listed: Option<Set>,
    /// Queries that it has answered.
    known: Set,
    /// What is read once and has not been yet.
    inventory: VecDeque<u8>,
    inventory_done: bool,
    read_again_at: Option<Instant>,
    /// What is left of this poll.
    round: VecDeque<u8>,
    /// The first poll also finds out what there is.
    rounds: u32,
    in_round: bool,
    round_at: Instant,
    status_at: Instant,
    /// A status byte is wanted now, whatever the clock says.
    status_wanted: bool,
    /// The status byte under way may have been made before an alert: it is asked for once more.
    status_doubted: bool,
    /// The next status byte makes a reading even if nothing has changed.
    tell: bool,
    told_status: Option<u8>,
    /// On mains or on battery, as the last reading with a line state said.
    told_line: Option<StatusFlags>,
    /// When the last reading was told: the next status byte is due an interval later.
    told_at: Option<Instant>,
    silence: Silence,
    status: Option<u8>,
    /// When it was read last, or given up for this time.
    status_read_at: Option<Instant>,
    not_ready: u8,
    /// It said so whenever it was asked last.
    no_status: bool,
    alerts: Option<status::Alerts>,
    /// The UPS says by itself that it went on battery: why, to be asked before the status byte that confirms it.
    cause_wanted: bool,
    /// It has been asked for this transfer.
    cause_asked: bool,
    /// It has said why.
    cause_said: bool,
    attached: bool,
    attach_by: Instant,
    commands: VecDeque<Command>,
    command_at: Instant,
    command_tries: u8,
    /// The front command is done once a reading has been told.
    command_read: bool,
    order: Option<Order>,
    /// A setting being written, between two steps.
    parked: Option<(Instant, Order)>,
}

impl Talk {
    /// With a UPS that has just answered.
    pub(super) fn new(pace: Pace, poll_time: Duration, now: Instant) -> Self {
        Self {
            pace,
            poll_time,
            store: Store::default(),
            events: Vec::new(),
            asked: None,
            again: None,
            doubtful: None,
            listed: None,
            known: Set::default(),
            inventory: VecDeque::from([upslink::CAPABILITIES]),
            inventory_done: false,
            read_again_at: None,
            round: VecDeque::new(),
            rounds: 0,
            in_round: false,
            round_at: now,
            status_at: now,
            status_wanted: true,
            status_doubted: false,
            tell: false,
            told_status: None,
            told_line: None,
            told_at: None,
            silence: Silence::new(now, ATTACH_BY + SILENT_LEAST, SILENT_LEAST),
            status: None,
            status_read_at: None,
            not_ready: 0,
            no_status: false,
            alerts: None,
            cause_wanted: false,
            cause_asked: false,
            cause_said: false,
            attached: false,
            attach_by: now + ATTACH_BY,
            commands: VecDeque::new(),
            command_at: now,
            command_tries: 0,
            command_read: false,
            order: None,
            parked: None,
        }
    }

    /// The query under way.
    pub(super) fn asked(&self) -> Option<u8> {
        match &self.order {
            Some(order) => order.asked(),
            None => self.asked.as_ref().map(|asked| asked.query),
        }
    }

    /// A byte of an answer came: its rest gets its time.
    pub(super) fn hear(&mut self, now: Instant) {
        if let Some(asked) = &mut self.asked {
            asked.deadline = (now + CHARACTER_WAIT).min(asked.cap);
        }
    }

    pub(super) fn take_events(&mut self) -> Vec<LinkEvent> {
        std::mem::take(&mut self.events)
    }

    /// What there still is to tell when the conversation ends.
    pub(super) fn end(mut self: Box<Self>, reason: &str) -> Vec<LinkEvent> {
        if let Some(order) = self.order.take() {
            self.commands.pop_front();
            self.result(order.command, Err(order.interrupted(reason)));
        }
        if let Some(order) = self.take_parked() {
            self.result(order.command, Err(order.interrupted(reason)));
        }
        for command in std::mem::take(&mut self.commands) {
            self.result(command, Err(reason.to_owned()));
        }
        self.events
    }

    pub(super) fn set_pace(&mut self, pace: Pace, poll_time: Duration, now: Instant) {
        self.pace = pace;
        self.poll_time = poll_time;
        self.status_at = self.status_at.min(now + self.status_interval());
        self.round_at = self.round_at.min(now + self.interval());
        self.silence.set_interval(now, self.status_interval());
    }

    /// The byte to send now.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<u8> {
        if self.asked.is_some() {
            return None;
        }
        if let Some(order) = &mut self.order {
            return order.poll_transmit(now);
        }
        let (query, tries) = self.next(now)?;
        if self.order.is_some() {
            return self.order.as_mut().and_then(|order| order.poll_transmit(now));
        }
        let wait = match upslink::form(query) {
            Some(Form::Raw) => LIST_WAIT,
            _ => ANSWER_WAIT,
        };
        let asked = Asked { query, tries, deadline: now + CHARACTER_WAIT, cap: now + wait };
        self.asked = Some(asked);
        Some(query)
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        if let Some(at) = self.order.as_ref().and_then(Order::poll_timeout) {
            return at;
        }
        self.next_at().min(self.silence.until())
    }

    fn next_at(&self) -> Instant {
        if let Some(asked) = &self.asked {
            return asked.deadline;
        }
        if self.not_ready > 0 {
            return self.status_at;
        }
        let mut at = self.status_at.min(self.round_at);
        if self.status_wanted || !self.inventory.is_empty() || !self.round.is_empty() || self.again.is_some()
        {
            at = at.min(self.command_at);
        }
        if !self.commands.is_empty() {
            at = at.min(self.command_at);
        }
        let alert = self.alerts.map(|alerts| alerts.look_at);
        [Some(at), alert, self.read_again_at].into_iter().flatten().min().unwrap_or(at)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Turn {
        if let Some(order) = &mut self.order {
            let outcome = order.handle_timeout(now);
            self.order_ended(outcome, now);
            return Turn::GoOn;
        }
        if self.silence.is_over(now) {
            return Turn::GiveUp(if self.no_status {
                "the UPS is not ready to say its status"
            } else {
                "the UPS answers, but its status has not been heard for too long"
            });
        }
        if self.asked.as_ref().is_none_or(|asked| now < asked.deadline) {
            return Turn::GoOn;
        }
        self.failed(now)
    }

    /// The UPS said something by itself.
    pub(super) fn handle_alert(&mut self, alert: Alert, now: Instant) -> Turn {
        if let Some(order) = &mut self.order {
            let outcome = order.handle_alert(alert);
            self.order_ended(outcome, now);
        }
        self.note_alert(alert, now);
        Turn::GoOn
    }

    /// A line came.
    pub(super) fn handle_line(&mut self, line: &[u8], now: Instant) -> Turn {
        if let Some(order) = &mut self.order {
            let outcome = order.handle_line(line);
            self.order_ended(outcome, now);
            return Turn::GoOn;
        }
        let Some(asked) = &self.asked else { return Turn::GoOn };
        match asked.query {
            upslink::STATUS if line == upslink::SMART => self.not_ready(now),
            upslink::CAPABILITIES => {
                self.asked = None;
                self.inventory.pop_front();
                let list = Capabilities::parse(line);
                self.listed = list.map(|list| list.commands);
                self.plan_inventory();
                // An alert that fell into the list was not seen as one.
                self.status_wanted = true;
                Turn::GoOn
            }
            upslink::EEPROM => {
                self.asked = None;
                self.store.permitted = Eeprom::parse(line);
                self.step_inventory(upslink::EEPROM);
                self.status_wanted = true;
                Turn::GoOn
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

    fn answered(&mut self, query: u8, value: Value, now: Instant) -> Turn {
        if self.is_doubtful(query, &value) {
            return Turn::GoOn;
        }
        self.asked = None;
        if self.again.is_some_and(|(again, _)| again == query) {
            self.again = None;
        }
        if let (upslink::STATUS, Value::Hex(status)) = (query, &value) {
            self.take_status(*status, now);
            return Turn::GoOn;
        }
        if query == upslink::STATUS {
            return Turn::GiveUp("the UPS has no status byte");
        }
        let available = value != Value::NotAvailable;
        if available {
            self.known.insert(query);
        }
        self.cause_said |= query == upslink::TRANSFER_CAUSE && available;
        self.store.take(query, value, now);
        self.done(query, available, now);
        Turn::GoOn
    }

    /// A text with a character that can also be an alert is read again: if it comes the same it is text.
    fn is_doubtful(&mut self, query: u8, value: &Value) -> bool {
        let Value::Text(text) = value else { return false };
        let suspicious = text.bytes().any(|byte| Alert::of(byte).is_some());
        if !suspicious || self.doubtful.as_ref() == Some(&(query, text.clone())) {
            self.doubtful = None;
            return false;
        }
        if self.doubtful.as_ref().is_some_and(|(before, _)| *before == query) {
            // Twice different: the later one stands.
            self.doubtful = None;
            return false;
        }
        self.doubtful = Some((query, text.clone()));
        self.asked = None;
        self.again = Some((query, 0));
        true
    }

    /// The answer did not come, or was none.
    fn failed(&mut self, now: Instant) -> Turn {
        let Some(asked) = self.asked.take() else { return Turn::GoOn };
        let (query, tries) = (asked.query, asked.tries + 1);
        // What the unit may simply not know is asked once.
        let probing = self.listed.is_none() && !self.known.contains(query);
        let most =
            if probing && query != upslink::STATUS && query != upslink::CAPABILITIES { 1 } else { TRIES };
        if tries < most {
            self.again = Some((query, tries));
            if query == upslink::STATUS {
                self.status_wanted = true;
            }
            return Turn::Check;
        }
        match query {
            upslink::STATUS => return Turn::GiveUp("the UPS answers, but does not say its status"),
            upslink::CAPABILITIES => {
                self.inventory.pop_front();
                self.plan_inventory();
                self.status_wanted = true;
            }
            query => {
                self.store.miss(query);
                self.done(query, false, now);
            }
        }
        Turn::Check
    }
}
