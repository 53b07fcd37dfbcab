//! The conversation with the network card of a UPS by SNMP (`snmp`). Sans-I/O.
//!
//! The card is searched for until it answers, whenever that is ([`search`]); then it is asked for the status of the output every
//! second on battery and every five on mains, before everything else ([`conversation`]). Answers are matched by number, by address, and
//! object by object. What a card sends by itself is a hint to look at once, and nothing else.

mod account;
mod codes;
mod conversation;
mod device;
mod exchange;
mod mib;
mod objects;
mod order;
mod outlet;
mod schedule;
mod search;
mod session;
mod store;
#[cfg(test)]
mod tests;
mod told;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::silence::Silence;
use super::{Link, LinkEvent};
use crate::bus::datagram::{Datagram, Event, Socket, Transmit};
use crate::ups::{Command, PollRate, Priority, RateLimit};
pub use crate::wire::snmp::Version;
use crate::wire::snmp::{Content, Kind, Message, decode, encode};
pub use account::Login;
use account::{Account, Notice};
use conversation::Conversation;
pub use device::Device;
use search::{Candidate, Found, Search};
use session::Session;
use told::Told;

/// Where cards send what they send by themselves (snmp §3).
pub const TRAP_PORT: u16 = 162;
/// Between the end of a socket and the next one.
const OPEN_INTERVAL: Duration = Duration::from_secs(1);
/// The first reading must be told within this.
const FIRST_TIMEOUT: Duration = Duration::from_secs(15);
/// Without a reading for so long the UPS counts as lost.
const SILENT_MIN: Duration = Duration::from_secs(10);
/// So many hints at once, and one more each so often.
const HINTS: RateLimit = RateLimit::new(4, Duration::from_secs(3));

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// DEVICE.
    pub device: Device,
    /// SNMPVERSION; `None`: it is found out.
    pub version: Option<Version>,
    /// An account of v3; versions and communities are not tried then.
    pub login: Option<Login>,
    /// POLLTIME.
    pub poll_time: Duration,
    /// The number of the first message: one that nobody can guess.
    pub first_number: i32,
}

#[derive(Debug)]
enum State {
    Searching(Box<Search>),
    Talking(Box<Conversation>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    /// To be opened then.
    Closed(Instant),
    Opening,
    Open,
}

/// A card, by SNMP.
#[derive(Debug)]
pub struct SnmpLink {
    settings: Settings,
    /// How a person calls it.
    name: String,
    poll_rate: PollRate,
    port: Port,
    /// The card's addresses; the first is the one that is spoken to.
    addresses: Vec<IpAddr>,
    state: State,
    /// Of the search.
    silence: Silence,
    hints: RateLimit,
    /// Notifications that are to be acknowledged.
    acknowledged: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Why there was no socket last.
    closed: Option<String>,
    /// The card has answered once.
    is_known: bool,
    /// That the card may not be given orders has been told.
    is_guess_told: bool,
    /// The same of informs of v3.
    is_inform_told: bool,
    told: Told,
}

impl SnmpLink {
    /// A link to the card that DEVICE names.
    #[must_use]
    pub fn new(settings: Settings, now: Instant) -> Self {
        let Device { host, port, .. } = &settings.device;
        let name = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let account = settings.login.as_ref().map(|login| Box::new(Account::new(login)));
        let state = State::Searching(Box::new(search(&settings, account, settings.first_number, now)));
        Self {
            settings,
            name,
            poll_rate: PollRate::Normal,
            port: Port::Closed(now),
            addresses: Vec::new(),
            state,
            silence: Silence::new(now, FIRST_TIMEOUT, SILENT_MIN),
            hints: HINTS,
            acknowledged: VecDeque::new(),
            closed: None,
            is_known: false,
            is_guess_told: false,
            is_inform_told: false,
            told: Told::default(),
        }
    }

    /// The card does not answer any more: it is searched for.
    fn lose(&mut self, now: Instant) {
        let reason = self.why();
        let blank = State::Searching(Box::new(Search::new(Vec::new(), None, 0, now)));
        self.state = match std::mem::replace(&mut self.state, blank) {
            State::Talking(conversation) => {
                let (session, number) = conversation.end("the card does not answer", &mut self.told);
                // Its keys take time to make.
                let account = if let Session::Account(account) = session { Some(account) } else { None };
                State::Searching(Box::new(search(&self.settings, account, number, now)))
            }
            searching @ State::Searching(_) => searching,
        };
        self.told.lost(reason);
        self.silence = Silence::new(now, FIRST_TIMEOUT, SILENT_MIN);
        self.port = Port::Closed(now);
    }

    /// Why it counts as lost.
    fn why(&self) -> String {
        let name = &self.name;
        let advice = match &self.state {
            State::Searching(search) => search.advice(),
            State::Talking(conversation) => conversation.advice(),
        };
        match (&self.state, &self.closed) {
            (State::Searching(search), _) if search.serves_none => format!(
                "{name}: the card answers by SNMP, but serves none of the MIBs of UPSes that are looked for (PowerNet, RFC 1628, MGE)"
            ),
            (_, Some(closed)) => format!("{name}: no answer by SNMP: {closed}"),
            _ if advice.is_some() => format!("{name}: {}", advice.unwrap_or_default()),
            _ if self.is_known => format!("{name}: no answer by SNMP any more"),
            _ => format!(
                "{name}: no answer by SNMP v1 or v2c; is one of them switched on in the card, with this community, for this computer?"
            ),
        }
    }

    fn found(&mut self, found: Found, now: Instant) {
        let State::Searching(search) = &self.state else { return };
        let (mib, number) = (found.mib, search.number);
        self.is_known = true;
        if found.is_guess && !self.is_guess_told {
            self.is_guess_told = true;
            let text = format!(
                "{}: the card answers to a community that may usually read only: orders such as kill power will then be refused; name \
                 another one in DEVICE, host:port:vendor:community",
                self.name
            );
            self.told.push(LinkEvent::Log(Priority::Warning, text));
        }
        log::debug!("{}: {:?}, {} MIB", self.name, found.session, mib.name);
        let polling = (self.settings.poll_time, self.poll_rate);
        self.state = State::Talking(Box::new(Conversation::new((found.session, number), mib, polling, now)));
    }

    fn tell_inform(&mut self) {
        if !std::mem::replace(&mut self.is_inform_told, true) {
            let text = format!(
                "{}: the card sends informs by SNMP v3, which are not answered; have it send traps, or nothing: the UPS is asked \
                 every few seconds",
                self.name
            );
            self.told.push(LinkEvent::Log(Priority::Notice, text));
        }
    }

    fn account(&mut self) -> Option<&mut Account> {
        match &mut self.state {
            State::Searching(search) => search.account(),
            State::Talking(conversation) => conversation.session_mut().account_mut(),
        }
    }

    /// What somebody has sent to the port for traps.
    fn handle_trap(&mut self, bytes: &[u8], from: SocketAddr, now: Instant) {
        if !self.addresses.contains(&from.ip()) {
            return;
        }
        let Ok(message) = decode(bytes) else { return };
        // What it says is not believed, so it does not matter whether anybody else can have sent it.
        let acknowledgement = match message {
            Message::Community { version, community, content: Content::Pdu(pdu) } => match pdu.kind {
                Kind::Inform => Some(encode(version, &community, &pdu.acknowledgement())),
                Kind::TrapV2 => None,
                _ => return,
            },
            Message::Community { content: Content::TrapV1(_), .. } => None,
            Message::V3 => match self.account().map(|account| account.notice(bytes, now)) {
                Some(Notice::Inform) => return self.tell_inform(),
                Some(Notice::Nothing) => return,
                Some(Notice::Notification) | None => None,
            },
        };
        if !self.hints.take(now) {
            return;
        }
        self.acknowledged.extend(acknowledgement.map(|answer| (from, answer)));
        if let State::Talking(conversation) = &mut self.state {
            conversation.look(now);
        }
    }
}

/// A search from the beginning.
fn search(settings: &Settings, account: Option<Box<Account>>, number: i32, now: Instant) -> Search {
    let device = &settings.device;
    let communities = || Candidate::communities(device.community.as_deref(), settings.version);
    Search::new(account.map_or_else(communities, Candidate::account), device.mib, number, now)
}

impl Link for SnmpLink {
    type Bus = Datagram;

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Opened(addresses) => (self.addresses, self.port) = (addresses, Port::Open),
            Event::Closed(why) => {
                self.closed = Some(why);
                self.port = Port::Closed(now + OPEN_INTERVAL);
            }
            Event::Bytes { bytes, from, socket: Socket::Listener } => self.handle_trap(&bytes, from, now),
            Event::Bytes { bytes, from, socket: Socket::Peer } => {
                if self.addresses.first() != Some(&from.ip()) {
                    return;
                }
                self.closed = None;
                match &mut self.state {
                    State::Talking(conversation) => {
                        conversation.handle_bytes(&bytes, &self.name, &mut self.told, now)
                    }
                    State::Searching(search) => {
                        if let Some(found) = search.handle_bytes(&bytes, now) {
                            self.found(found, now);
                        }
                    }
                }
            }
            // The port tells it; without traps everything goes on.
            Event::Listening(_) => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let found = match &mut self.state {
            State::Searching(search) => search.handle_timeout(now),
            State::Talking(_) => None,
        };
        if let Some(found) = found {
            self.found(found, now);
        }
        let is_lost = match &mut self.state {
            State::Talking(conversation) => {
                conversation.handle_timeout(&self.name, &mut self.told, now).is_err()
            }
            State::Searching(search) => {
                if self.port == Port::Open && search.is_round_over(now) {
                    // Perhaps it has another address by now.
                    self.port = Port::Closed(now);
                }
                self.silence.is_over(now)
            }
        };
        if is_lost {
            if let State::Searching(_) = self.state {
                // It goes on.
                let reason = self.why();
                self.told.lost(reason);
                self.silence = Silence::new(now, FIRST_TIMEOUT, SILENT_MIN);
            } else {
                self.lose(now);
            }
        }
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if let Some((to, answer)) = self.acknowledged.pop_front() {
            return Some(Transmit::Answer(to, answer));
        }
        match self.port {
            Port::Closed(at) if at <= now => {
                self.port = Port::Opening;
                Some(Transmit::Open)
            }
            Port::Closed(_) | Port::Opening => None,
            Port::Open => match &mut self.state {
                State::Talking(conversation) => conversation.poll_transmit(now),
                State::Searching(search) => search.poll_transmit(now),
            }
            .map(Transmit::Send),
        }
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.told.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let open = match self.port {
            Port::Closed(at) => Some(at),
            Port::Opening | Port::Open => None,
        };
        let state = match &self.state {
            State::Talking(conversation) => conversation.poll_timeout(self.port == Port::Open),
            State::Searching(search) if self.port == Port::Open => {
                search.poll_timeout().min(self.silence.until())
            }
            State::Searching(_) => self.silence.until(),
        };
        Some(open.map_or(state, |open| open.min(state)))
    }

    fn set_poll_rate(&mut self, poll_rate: PollRate, now: Instant) {
        self.poll_rate = poll_rate;
        if let State::Talking(conversation) = &mut self.state {
            conversation.set_polling(self.settings.poll_time, poll_rate, now);
        }
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.settings.poll_time = poll_time;
        if let State::Talking(conversation) = &mut self.state {
            conversation.set_polling(poll_time, self.poll_rate, now);
        }
    }

    fn command(&mut self, command: Command, now: Instant) {
        match &mut self.state {
            State::Talking(conversation) => conversation.command(command, &mut self.told, now),
            State::Searching(_) => self.told.ended(command, Err("no communication with the UPS".to_owned())),
        }
    }
}
