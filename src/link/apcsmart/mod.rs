//! The conversation with one APC UPS by UPS-Link, its "smart" serial protocol (`apcsmart`). Sans-I/O.
//!
//! One query is under way at a time. The status byte goes before everything else: when the UPS says by itself that
//! something happened, and every second on battery. An answer that does not come leads to the link check (`Y`, `SM`), behind
//! which late answers cannot be taken for those of other queries.

mod order;
mod session;
mod stream;
#[cfg(test)]
mod tests;
mod write;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::loss::Loss;
use super::{Link, LinkEvent};
use crate::bus::serial::{Event, Serial, Transmit};
use crate::ups::{Command, CommandResult, PollRate};
use crate::wire::upslink::{self, Form};
use session::{NextStep, Session};
use stream::{Filter, Item, Stream};

/// Most events kept for a caller that does not fetch them; the oldest go first.
const MAX_EVENTS: usize = 64;
/// `SM` must come within this.
const KNOCK_WAIT: Duration = Duration::from_secs(1);
/// Between two link checks of a UPS that does not answer.
const KNOCK_PAUSE: Duration = Duration::from_secs(1);
/// Link checks in a row without an answer until the UPS counts as lost.
const PROBE_ATTEMPTS: u32 = 3;
/// After so long without an answer the port is opened anew: an adapter may have lost its settings (apcsmart §4).
const REOPEN_AFTER: Duration = Duration::from_secs(20);
/// Bytes beyond which what answers is not silence but something else.
const NOISE: u64 = 32;

/// What the configuration says about the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// POLLTIME: time between two polls on mains.
    pub poll_time: Duration,
    /// The port's name, for messages.
    pub port: String,
}

/// The conversation with one UPS.
#[derive(Debug)]
pub struct ApcSmartLink {
    settings: Settings,
    poll_rate: PollRate,
    phase: Phase,
    stream: Stream,
    events: VecDeque<LinkEvent>,
    loss: Loss,
}

#[derive(Debug)]
enum Phase {
    /// The port is closed.
    Closed,
    /// The port is open; the UPS must say that it is there.
    Probing(Probing),
    /// The UPS answers.
    Watching(Box<Session>),
}

#[derive(Debug)]
struct Probing {
    since: Instant,
    /// Link checks sent.
    sent: u32,
    /// Waiting for the answer, or for the end of the pause.
    state: ProbeStep,
    /// The conversation that goes on when the UPS answers.
    session: Option<Box<Session>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProbeStep {
    Send,
    Escape,
    Wait(Instant),
    Pause(Instant),
}

impl ApcSmartLink {
    /// A link that waits for its port.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            poll_rate: PollRate::Normal,
            phase: Phase::Closed,
            stream: Stream::default(),
            events: VecDeque::new(),
            loss: Loss::default(),
        }
    }

    /// The port is open.
    pub fn handle_opened(&mut self, now: Instant) {
        self.end("the port was opened anew");
        self.stream = Stream::default();
        self.begin_probing(now, None);
    }

    /// The port is gone, or cannot be opened. Repeated calls report `Lost` only once.
    pub fn handle_closed(&mut self, _now: Instant, reason: &str) {
        self.end(reason);
        self.phase = Phase::Closed;
        self.tell_lost(reason.to_owned());
    }

    /// Bytes came.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        for byte in bytes {
            let filter = match &mut self.phase {
                Phase::Closed => return,
                Phase::Probing(_) => Filter::All,
                Phase::Watching(session) => match session.asked().and_then(upslink::form) {
                    Some(Form::Raw) => Filter::Off,
                    Some(Form::Text) => Filter::Text,
                    _ => Filter::All,
                },
            };
            let item = self.stream.push(*byte, filter);
            // What the UPS says by itself is no part of an answer.
            if !matches!(item, Some(Item::Alert(_))) {
                if let Phase::Watching(session) = &mut self.phase {
                    session.note_byte(now);
                }
            }
            if let Some(item) = item {
                self.handle_item(now, item);
            }
        }
    }

    fn session(&mut self) -> Option<&mut Session> {
        match &mut self.phase {
            Phase::Watching(session) | Phase::Probing(Probing { session: Some(session), .. }) => {
                Some(session)
            }
            Phase::Closed | Phase::Probing(_) => None,
        }
    }

    fn handle_item(&mut self, now: Instant, item: Item) {
        match (&mut self.phase, item) {
            (Phase::Closed, _) => {}
            (Phase::Probing(probing), Item::Alert(alert)) => {
                if let Some(session) = &mut probing.session {
                    session.note_alert(alert, now);
                }
            }
            (Phase::Probing(probing), Item::Line(line)) => {
                if says_smart(&line) && matches!(probing.state, ProbeStep::Wait(_)) {
                    self.stream.stray = 0;
                    let session = probing.session.take().unwrap_or_else(|| {
                        Box::new(Session::new(self.poll_rate, self.settings.poll_time, now))
                    });
                    self.phase = Phase::Watching(session);
                } else {
                    self.stream.stray = self.stream.stray.saturating_add(line.len() as u64);
                }
            }
            (Phase::Watching(session), Item::Alert(alert)) => {
                let turn = session.handle_alert(alert, now);
                self.take(turn, now);
            }
            (Phase::Watching(session), Item::Line(line)) => {
                let turn = session.handle_line(&line, now);
                self.take(turn, now);
            }
        }
    }

    /// Takes over what the conversation has to tell, and what it needs next.
    fn take(&mut self, turn: NextStep, now: Instant) {
        if let Some(session) = self.session() {
            for event in session.take_events() {
                if matches!(event, LinkEvent::Attached(_) | LinkEvent::Reading(_)) {
                    self.loss.end();
                }
                self.push(event);
            }
        }
        match turn {
            NextStep::GoOn => {}
            NextStep::Check => {
                if let Phase::Watching(session) = std::mem::replace(&mut self.phase, Phase::Closed) {
                    self.begin_probing(now, Some(session));
                }
            }
            NextStep::GiveUp(reason) => {
                self.end(reason);
                self.begin_probing(now, None);
                // Not at once: the link check would succeed and all begin anew.
                if let Phase::Probing(probing) = &mut self.phase {
                    probing.state = ProbeStep::Pause(now + KNOCK_PAUSE);
                }
                self.tell_lost(format!("{}: {reason}", self.settings.port));
            }
        }
    }

    fn begin_probing(&mut self, now: Instant, session: Option<Box<Session>>) {
        self.phase = Phase::Probing(Probing { since: now, sent: 0, state: ProbeStep::Send, session });
    }

    fn probe_failed(&mut self, now: Instant) {
        let Phase::Probing(probing) = &mut self.phase else { return };
        // A conversation is resumed soon or not at all.
        let resumes = probing.session.as_ref().map(|session| !session.is_lost(now));
        probing.state = if resumes == Some(true) && probing.sent < PROBE_ATTEMPTS {
            ProbeStep::Send
        } else {
            ProbeStep::Pause(now + KNOCK_PAUSE)
        };
        if resumes != Some(false) && probing.sent < PROBE_ATTEMPTS {
            return;
        }
        let port = &self.settings.port;
        let reason = if self.stream.stray >= NOISE {
            format!(
                "{port}: what answers there is no UPS with smart signalling; look at DEVICE, UPSTYPE and the cable"
            )
        } else {
            format!("{port}: the UPS does not answer; is it on, and is its cable a smart one?")
        };
        if let Some(session) = probing.session.take() {
            for event in session.end(&reason) {
                self.push(event);
            }
        }
        self.tell_lost(reason);
    }

    /// Ends the conversation, if there is one, with what it still has to tell.
    fn end(&mut self, reason: &str) {
        let phase = std::mem::replace(&mut self.phase, Phase::Closed);
        if let Phase::Watching(session) | Phase::Probing(Probing { session: Some(session), .. }) = phase {
            for event in session.end(reason) {
                self.push(event);
            }
        }
    }

    fn tell_lost(&mut self, reason: String) {
        for event in self.loss.begin(reason) {
            self.push(event);
        }
    }

    fn push(&mut self, event: LinkEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

impl Link for ApcSmartLink {
    type Bus = Serial;

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Opened => self.handle_opened(now),
            Event::Closed(reason) => self.handle_closed(now, &reason),
            Event::Bytes(bytes) => self.handle_bytes(now, &bytes),
            Event::Lines(_) => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Closed => {}
            Phase::Probing(probing) => match probing.state {
                ProbeStep::Wait(until) if until <= now => self.probe_failed(now),
                ProbeStep::Pause(until) if until <= now => {
                    // Every other time something else first, that shakes a confused unit loose.
                    probing.state = if probing.sent % 2 == 0 { ProbeStep::Escape } else { ProbeStep::Send };
                }
                _ => {}
            },
            Phase::Watching(session) => {
                let turn = session.handle_timeout(now);
                self.take(turn, now);
            }
        }
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        let byte = match &mut self.phase {
            Phase::Closed => return None,
            Phase::Probing(probing) => match probing.state {
                ProbeStep::Wait(_) | ProbeStep::Pause(_) => return None,
                ProbeStep::Escape => {
                    if now.saturating_duration_since(probing.since) >= REOPEN_AFTER {
                        self.end("the port is opened anew");
                        self.phase = Phase::Closed;
                        return Some(Transmit::Reopen);
                    }
                    probing.state = ProbeStep::Send;
                    upslink::ESCAPE
                }
                ProbeStep::Send => {
                    probing.sent = probing.sent.saturating_add(1);
                    probing.state = ProbeStep::Wait(now + KNOCK_WAIT);
                    self.stream.clear();
                    upslink::SMART_MODE
                }
            },
            Phase::Watching(session) => {
                let byte = session.poll_transmit(now);
                self.take(NextStep::GoOn, now);
                let byte = byte?;
                // Half an answer to what was asked before is none to this.
                self.stream.clear();
                byte
            }
        };
        Some(Transmit::Byte(byte))
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Closed => None,
            Phase::Probing(probing) => Some(match probing.state {
                ProbeStep::Send | ProbeStep::Escape => probing.since,
                ProbeStep::Wait(until) | ProbeStep::Pause(until) => until,
            }),
            Phase::Watching(session) => Some(session.poll_timeout()),
        }
    }

    fn set_poll_rate(&mut self, poll_rate: PollRate, now: Instant) {
        self.poll_rate = poll_rate;
        let poll_time = self.settings.poll_time;
        if let Some(session) = self.session() {
            session.set_poll_rate(poll_rate, poll_time, now);
        }
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.settings.poll_time = poll_time;
        self.set_poll_rate(self.poll_rate, now);
    }

    fn command(&mut self, command: Command, now: Instant) {
        let result = match self.session() {
            Some(session) => session.command(command, now),
            None => Err("no communication with the UPS".to_owned()),
        };
        if let Err(reason) = result {
            self.push(LinkEvent::Command(CommandResult::new(command, Err(reason))));
        }
    }
}

/// `SM`, possibly behind what the line gave when it was opened.
fn says_smart(line: &[u8]) -> bool {
    let start = line.iter().position(u8::is_ascii_graphic).unwrap_or(line.len());
    line.get(start..) == Some(upslink::SMART)
}
