//! A network card that sends packets to PowerChute Network Shutdown (`pcnet`). Sans-I/O.
//!
//! The card sends its status by itself, every 25 s and at once on changes (pcnet §4); nothing can be asked. Which packets are believed is in
//! [`gate`]. Only the order to switch off goes to the card, to its web server: [`kill`].

mod gate;
mod kill;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::letters::Store;
use super::loss::Loss;
use super::silence::Silence;
use super::{Link, LinkEvent};
use crate::bus::card::{self, Event, Transmit};
use crate::bus::stream;
use crate::ups::{
    Command, CommandResult, Evidence, Identity, PollRate, Priority, RateLimit, Reading, StatusFlags,
};
use crate::wire::pcnet::{Counters, Packet, Secret};
use crate::wire::upslink;
use gate::{Gate, REFUSALS, Refusal};
use kill::Kill;

/// Where cards send (pcnet §1).
pub const PORT: u16 = 3052;
/// Where their web server is (pcnet §5).
pub const WEB_PORT: u16 = 80;
/// Without a reading for so long the UPS counts as lost: two packets, and five seconds (pcnet §4).
const SILENCE: Duration = Duration::from_secs(55);
/// A name without an address, or with one that is not the card's, is looked up again after this.
const LOOK_UP_INTERVAL: Duration = Duration::from_secs(60);
/// Of each reason to refuse packets a line is logged at once, and one each so often.
const LINE_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Most events kept for a caller that does not fetch them; the oldest go first.
const MAX_EVENTS: usize = 64;
/// Where the load gets its power from.
const LINE: StatusFlags =
    StatusFlags::from_bits_retain(StatusFlags::ONLINE.bits() | StatusFlags::ONBATT.bits());

/// The card that DEVICE names.
#[derive(Clone, Debug)]
pub struct Card {
    /// A name, or an address without brackets.
    pub host: String,
    /// What it signs with.
    pub secret: Secret,
    /// Where its web server is.
    pub web_port: u16,
}

impl Card {
    /// A card that signs with a user and a pass phrase.
    #[must_use]
    pub fn new(host: &str, (user, phrase): (&str, &str), web_port: u16) -> Self {
        Self { host: host.to_owned(), secret: Secret::new(user, phrase), web_port }
    }

    /// It as a URL has it.
    fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.web_port == WEB_PORT { host } else { format!("{host}:{}", self.web_port) }
    }
}

/// What a link is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `None`: who sends first is believed, signed or not.
    pub card: Option<Card>,
    /// The port that packets come to, for the log.
    pub port: u16,
    /// The newest counters that an earlier run has seen.
    pub counters: Option<[u32; 2]>,
}

/// Packets that were refused for one reason.
#[derive(Clone, Copy, Debug)]
struct Refused {
    limit: RateLimit,
    untold: u64,
}

/// The conversation.
#[derive(Debug)]
pub struct PcnetLink {
    card: Option<Card>,
    /// The card or the port, for the log.
    name: String,
    gate: Gate,
    store: Store,
    status: Status,
    silence: Silence,
    loss: Loss,
    /// What has been told of what the UPS is, since it was lost.
    attached: Option<Identity>,
    /// When the card's name is to be looked up.
    look_up_at: Option<Instant>,
    refused: [Refused; REFUSALS],
    kill: Option<Kill>,
    close: bool,
    events: VecDeque<LinkEvent>,
}

/// What packets have said.
#[derive(Debug, Default)]
struct Status {
    /// The last status byte with a line state, and when it came.
    byte: Option<(u8, Instant)>,
    /// What it has said of the UPS so far: bytes of the serial protocol.
    known: upslink::Set,
    /// The card orders a shutdown; what was told last, and whether the packet before said the same.
    orders: Option<bool>,
    ordered_before: bool,
}

impl PcnetLink {
    /// A link that waits for packets from `now` on.
    #[must_use]
    pub fn new(settings: Settings, now: Instant) -> Self {
        let Settings { card, port, counters } = settings;
        let counters = counters.map(|[starts, uptime]| Counters { starts, uptime });
        let gate = Gate::new(card.as_ref(), counters);
        let name = card.as_ref().map_or_else(|| format!("UDP port {port}"), |card| card.host.clone());
        let refused = Refused { limit: RateLimit::new(1, LINE_INTERVAL), untold: 0 };
        let mut link = Self {
            // The addresses of a name, and to have the port listen to the card alone.
            look_up_at: card.is_some().then_some(now),
            gate,
            name,
            store: Store::default(),
            status: Status::default(),
            silence: Silence::new(now, SILENCE, SILENCE),
            loss: Loss::default(),
            attached: None,
            refused: [refused; REFUSALS],
            kill: None,
            close: false,
            events: VecDeque::new(),
            card,
        };
        if link.card.is_none() {
            let text = format!(
                "DEVICE names no card and no pass phrase: whoever sends to UDP port {port} first is believed, and can have this machine \
                 shut down"
            );
            link.push(LinkEvent::Log(Priority::Warning, text));
        }
        link
    }

    fn push(&mut self, event: LinkEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn lost(&mut self, reason: String) {
        self.attached = None;
        self.gate.lose(self.card.as_ref());
        for event in self.loss.begin(reason) {
            self.push(event);
        }
    }

    fn take_datagram(&mut self, bytes: &[u8], from: SocketAddr, now: Instant) {
        let sender = from.ip().to_canonical();
        let judged = match Packet::parse(bytes) {
            Err(_) => Err(Refusal::Unsigned),
            Ok(packet) => {
                let card = self.card.as_ref();
                let judged = self.gate.judge(card, &packet, sender, says_mains(&packet), now);
                judged.map(|counters| (packet, counters))
            }
        };
        match judged {
            Ok((packet, counters)) => self.take_packet(&packet, counters, now),
            Err(refusal) => self.refuse(&refusal, sender, now),
        }
    }

    fn refuse(&mut self, refusal: &Refusal, sender: IpAddr, now: Instant) {
        if matches!(refusal, Refusal::OtherCard(_) | Refusal::Unknown) && self.has_name() {
            // Its address may have changed.
            self.look_up_at.get_or_insert(now + LOOK_UP_INTERVAL);
        }
        let Some(refused) = self.refused.get_mut(refusal.kind()) else { return };
        if !refused.limit.take(now) {
            refused.untold += 1;
            return;
        }
        let others = match std::mem::take(&mut refused.untold) {
            0 => String::new(),
            count => format!(" ({count} more before it)"),
        };
        let text = format!("A packet from {sender} is refused{others}: {}", refusal.reason());
        self.push(LinkEvent::Log(Priority::Warning, text));
    }

    fn has_name(&self) -> bool {
        self.card.as_ref().is_some_and(|card| card.host.parse::<IpAddr>().is_err())
    }

    fn take_packet(&mut self, packet: &Packet<'_>, counters: Counters, now: Instant) {
        self.push(LinkEvent::Counters([counters.starts, counters.uptime]));
        let in_doubt = self.gate.is_in_doubt(self.card.as_ref());
        self.take_order(packet, in_doubt);
        let mut said = upslink::Set::default();
        let mut status = None;
        for (code, answer) in packet.answers().filter(|(code, _)| *code != upslink::OLD_REVISION) {
            let value = upslink::form(code).and_then(|form| upslink::decode(form, answer).ok());
            match value {
                Some(upslink::Value::Hex(byte)) if code == upslink::STATUS => status = Some(byte),
                Some(value) => self.store.take(code, value, now),
                None => continue,
            }
            said.insert(code);
            self.status.known.insert(code);
        }
        for code in (0..128).filter(|code| self.status.known.contains(*code) && !said.contains(*code)) {
            self.store.miss(code);
        }
        let line = |byte: u8| StatusFlags::from_bits_retain(u32::from(byte)) & LINE;
        let status = status.filter(|byte| !line(*byte).is_empty());
        if let Some(byte) = status {
            let changed = self.status.byte.is_some_and(|(last, _)| line(last) != line(byte));
            self.status.byte = Some((byte, now));
            self.silence.told(now, Duration::ZERO, changed && in_doubt);
            self.loss.end();
        }
        let Some((byte, status_at)) = self.status.byte else { return };
        if status.is_none() && self.attached.is_none() {
            // It does not end a loss.
            return;
        }
        self.attach();
        let reading = Reading {
            at: now,
            status: self.store.flags(byte),
            // A card says by itself what changes, and has signed it.
            evidence: if in_doubt { Evidence::Poll } else { Evidence::AlertAndRead },
            mains: self.store.mains(),
            values: self.store.values.clone(),
            read: self.store.times(status_at),
        };
        self.push(LinkEvent::Reading(Box::new(reading)));
    }

    /// Tells that the UPS is there, and what it is if that is new.
    fn attach(&mut self) {
        if self.attached.as_ref() != Some(&self.store.identity) {
            let identity = self.store.identity.clone();
            self.attached = Some(identity.clone());
            self.push(LinkEvent::Attached(Box::new(identity)));
        }
    }

    /// What a packet says of a shutdown that the card orders.
    fn take_order(&mut self, packet: &Packet<'_>, in_doubt: bool) {
        let Some(orders) = packet.value("SD").map(|value| value == b"1") else { return };
        let before = std::mem::replace(&mut self.status.ordered_before, orders);
        if orders && in_doubt && !before {
            let text = "The card orders a shutdown; as nothing proves that it is the card, a second packet is waited for";
            return self.push(LinkEvent::Log(Priority::Warning, text.to_owned()));
        }
        if orders || self.status.orders == Some(true) {
            self.push(LinkEvent::Remote(orders));
        }
        self.status.orders = Some(orders);
    }

    fn ended(&mut self, command: Command, outcome: Result<String, String>) {
        self.push(LinkEvent::Command(CommandResult::new(command, outcome)));
    }

    fn end_kill(&mut self, outcome: Option<kill::Outcome>) {
        if let Some(outcome) = outcome {
            self.kill = None;
            self.close = true;
            self.ended(Command::KillPower, outcome);
        }
    }
}

/// Whether a packet says that the load runs from mains, and nothing that is bad; `None`: it says nothing of that.
fn says_mains(packet: &Packet<'_>) -> Option<bool> {
    let orders = (packet.value("SD") == Some(b"1")).then_some(false);
    let status = packet.answers().filter(|(code, _)| *code == upslink::STATUS);
    let is_good = |(_, answer)| match upslink::decode(upslink::Form::Hex, answer) {
        Ok(upslink::Value::Hex(byte)) => {
            let flags = StatusFlags::from_bits_retain(u32::from(byte));
            flags & (LINE | StatusFlags::BATTLOW) == StatusFlags::ONLINE
        }
        _ => false,
    };
    orders.into_iter().chain(status.map(is_good)).reduce(|one, other| one && other)
}

impl Link for PcnetLink {
    type Bus = card::Card;

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Listening => {}
            Event::Deaf(reason) => self.lost(reason),
            Event::Datagram { bytes, from } => self.take_datagram(&bytes, from, now),
            Event::Addresses(Ok(addresses)) => self.gate.addresses = addresses,
            Event::Addresses(Err(reason)) => {
                self.look_up_at = Some(now + LOOK_UP_INTERVAL);
                if self.refused.get_mut(Refusal::Unknown.kind()).is_some_and(|it| it.limit.take(now)) {
                    let text = format!("{}: {reason}; it is looked up again", self.name);
                    self.push(LinkEvent::Log(Priority::Warning, text));
                }
            }
            Event::Stream(event) => {
                let (Some(kill), Some(card)) = (&mut self.kill, &self.card) else { return };
                let outcome = kill.handle_event(event, card, &self.gate);
                self.end_kill(outcome);
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if !self.loss.is_told() && self.silence.is_over(now) {
            self.lost(format!(
                "{}: no packet of the card has come for {} s; is the address of this machine among the clients on the card's PowerChute \
                 page?",
                self.name,
                SILENCE.as_secs()
            ));
        }
        let outcome = self.kill.as_ref().and_then(|kill| kill.handle_timeout(now));
        self.end_kill(outcome);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if std::mem::take(&mut self.close) {
            return Some(Transmit::Stream(stream::Transmit::Close));
        }
        if let Some(transmit) = self.kill.as_mut().and_then(Kill::poll_transmit) {
            return Some(Transmit::Stream(transmit));
        }
        if self.look_up_at.is_some_and(|at| at <= now) {
            self.look_up_at = None;
            return Some(Transmit::LookUp);
        }
        None
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let silence = (!self.loss.is_told()).then(|| self.silence.until());
        let kill = self.kill.as_ref().map(Kill::until);
        crate::ups::earliest(&[silence, kill, self.look_up_at])
    }

    // Nothing is asked: the card sends when it likes.
    fn set_poll_rate(&mut self, _: PollRate, _: Instant) {}

    fn set_poll_time(&mut self, _: Duration, _: Instant) {}

    fn command(&mut self, command: Command, now: Instant) {
        let outcome = match command {
            Command::KillPower if self.card.is_none() => {
                Err("DEVICE names no card and no pass phrase: it takes orders of nobody else".to_owned())
            }
            Command::KillPower if self.kill.is_some() => Err("another order is under way".to_owned()),
            Command::KillPower => {
                self.kill = Some(Kill::new(now));
                return;
            }
            Command::Poll | Command::ReadTransferCause | Command::ReadSelfTest => match self.attached {
                Some(_) => Ok("the card sends it by itself".to_owned()),
                None => Err("no communication with the UPS".to_owned()),
            },
            Command::PowerOff
            | Command::SelfTest
            | Command::Calibrate
            | Command::AbortTest
            | Command::Beeper(_)
            | Command::PanelTest
            | Command::Record
            | Command::Outlets
            | Command::Outlet(..)
            | Command::Set(..) => Err("a card takes this order on its web page only".to_owned()),
        };
        self.ended(command, outcome);
    }
}
