//! Port 3551: listeners, connections with limits and deadlines, datagrams. Answers come from a [`StatusSource`], which
//! never waits for the UPS.
//!
//! Every client has a slot, and every slot a place in one of four lists ordered by deadline (`queue`); nothing is
//! ever searched, and with 1,000 idle clients the server sleeps. A client costs less than 200 bytes; an answer is one
//! allocation shared by all who get it. A client that watches is sent the status whenever [`Server::push`] is called,
//! and from time to time.
//!
//! The loop drives a [`Server`] like this:
//!
//! 1. [`Server::open`] once; [`Server::reconfigure`] when the configuration changed;
//! 2. [`Server::ready`] for each event whose token [`Server::owns`];
//! 3. [`Server::handle_timeout`] whenever it turns; too early or too often does no harm;
//! 4. [`Server::push`] when the state of the UPS has changed;
//! 5. [`Server::poll_log`] until `None`;
//! 6. wait no longer than [`Server::poll_timeout`].

mod cache;
mod census;
mod clients;
mod connection;
mod events;
mod listener;
mod log;
mod queue;
mod room;
mod service;
mod udp;

use std::collections::VecDeque;
use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::report::Stamp;
use crate::sys::socket;
use crate::ups::Priority;
use census::Census;
use connection::Connection;
use listener::{Listener, Transport};
use log::{Kind, Log};
use queue::{Queues, State};

pub use cache::Cache;
pub use events::events_answer;

/// Where answers come from. The daemon implements it over its snapshot and events file.
pub trait StatusSource {
    /// The complete framed answer to `status`, ready to send (nis §2, §5).
    fn status(&mut self) -> Rc<[u8]>;
    /// The complete framed answer to `events` (nis §6).
    fn events(&mut self) -> Rc<[u8]>;
    /// Wall time now, to be shown.
    fn stamp(&mut self) -> Stamp;
}

/// How to serve.
pub struct Settings {
    /// NISIP.
    pub addresses: Vec<IpAddr>,
    /// NISPORT; 0: any free one, the same for TCP and UDP of one address.
    pub port: u16,
    /// NISUDP.
    pub udp: bool,
    /// NISALLOW: whether a source is answered.
    pub allow: Box<dyn Fn(IpAddr) -> bool>,
    /// NISMAXCLIENTS; at least 1, and no more than the limit on open files leaves.
    pub max_clients: usize,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("addresses", &self.addresses)
            .field("port", &self.port)
            .field("udp", &self.udp)
            .field("max_clients", &self.max_clients)
            .finish_non_exhaustive()
    }
}

/// A client that sends nothing for this long is let go (nis §4).
const IDLE_LIMIT: Duration = Duration::from_secs(15);
/// A client that has not taken an answer after this time is let go.
const WRITE_LIMIT: Duration = Duration::from_secs(15);
/// Clients that watch hear from us at least every 10 s (mainsd-nis(7)); the rest is for a loop that is busy.
const WATCH_AGAIN: Duration = Duration::from_millis(9500);
/// What changes faster than this is told together, once it is over: a UPS that says something else at each moment must not
/// cost each of a thousand clients an answer for it.
const PUSH_APART: Duration = Duration::from_millis(50);
/// A client that takes longer over one request of 8 bytes gives its place to another before any idle one does.
const DAWDLING: Duration = Duration::from_secs(2);
/// Deadlines this close together cost one wake-up.
const SLACK: Duration = Duration::from_millis(100);
/// Files kept free for the UPS, hooks, flags and logs.
const FILE_RESERVE: usize = 32;
/// Connections accepted before others have their turn.
const ACCEPTS_A_TURN: u32 = 64;
/// From this many clients on, the memory they needed is given back when all have gone.
const CROWD: usize = 64;
/// Tokens set aside for listeners: two for each of 32 addresses.
const LISTENERS: usize = 64;

/// The server.
#[derive(Debug)]
pub struct Server {
    settings: Settings,
    first_token: usize,
    /// Listeners by token; `None`: free.
    listeners: Vec<Option<Listener>>,
    /// Clients by token; `None`: free.
    slots: Vec<Option<Connection>>,
    free: Vec<u32>,
    clients: usize,
    /// How many of them watch, and when they are to hear from us again.
    watchers: usize,
    push_at: Option<Instant>,
    pushed_at: Option<Instant>,
    /// One who may be a slave has come or gone since [`Server::take_came_or_went`].
    came_or_went: bool,
    /// Most clients at a time.
    limit: usize,
    queues: Queues,
    /// Clients with more to do that no event will announce.
    again: VecDeque<u32>,
    limiter: udp::Limiter,
    census: Census,
    log: Log,
    /// The last `now`, for work that is due at once.
    now: Option<Instant>,
    succeeded: bool,
    /// Who has the port has been said.
    holder_told: bool,
}

impl Server {
    /// A server that uses the tokens from `first_token` on. Opens nothing yet.
    #[must_use]
    pub fn new(settings: Settings, first_token: Token) -> Self {
        Self {
            settings,
            first_token: first_token.0,
            listeners: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            clients: 0,
            watchers: 0,
            push_at: None,
            pushed_at: None,
            came_or_went: false,
            limit: 1,
            queues: Queues::default(),
            again: VecDeque::new(),
            limiter: udp::Limiter::default(),
            census: Census::default(),
            log: Log::default(),
            now: None,
            succeeded: false,
            holder_told: false,
        }
    }

    /// Opens every listener. One that cannot be opened is logged, and tried again until it can.
    pub fn open(&mut self, registry: &Registry, now: Instant) {
        let mut wanted = Vec::new();
        for address in &self.settings.addresses {
            wanted.push((*address, Transport::Tcp));
            if self.settings.udp {
                wanted.push((*address, Transport::Udp));
            }
        }
        if wanted.len() > LISTENERS {
            wanted.truncate(LISTENERS);
            self.log.say(
                Priority::Error,
                format!(
                    "NISIP: more addresses than {} are not listened on",
                    LISTENERS / if self.settings.udp { 2 } else { 1 }
                ),
            );
        }
        let port = self.settings.port;
        for listener in &mut self.listeners {
            let wants = |l: &Listener| l.port == port && wanted.contains(&(l.address, l.transport));
            if listener.as_ref().is_some_and(|l| !wants(l)) {
                *listener = None;
            }
        }
        for (address, transport) in wanted {
            let there = |l: &Listener| l.address == address && l.transport == transport;
            if self.listeners.iter().flatten().any(there) {
                continue;
            }
            let index = self.listeners.iter().position(Option::is_none).unwrap_or(self.listeners.len());
            let listener = Listener::new(address, port, transport, Token(self.first_token + index));
            match self.listeners.get_mut(index) {
                Some(place) => *place = Some(listener),
                None => self.listeners.push(Some(listener)),
            }
            self.open_listener(index, registry, now);
        }
        // What `mainsd status` asks is TCP.
        let is_taken = |listener: &Listener| listener.is_taken && listener.transport == Transport::Tcp;
        if self.listeners.iter().flatten().any(is_taken) && !self.holder_told {
            self.holder_told = true;
            self.log.say(Priority::Warning, listener::held_port(port));
        }
        let files = socket::max_open_files();
        let limit = self.settings.max_clients.min(files.saturating_sub(FILE_RESERVE.min(files / 2))).max(1);
        self.limit = limit;
        if limit < self.settings.max_clients {
            self.log.say(
                Priority::Notice,
                format!(
                    "NISMAXCLIENTS {}: the limit of {files} open files leaves {limit}",
                    self.settings.max_clients
                ),
            );
        }
    }

    /// Serves by new settings. Listeners that stay keep their socket, and clients that are still allowed their
    /// connection.
    pub fn reconfigure(&mut self, settings: Settings, registry: &Registry, now: Instant) {
        self.settings = settings;
        self.open(registry, now);
        for slot in 0..self.slots.len() {
            let refused =
                self.slots.get(slot).and_then(Option::as_ref).is_some_and(|c| !(self.settings.allow)(c.peer));
            if let (true, Ok(slot)) = (refused, u32::try_from(slot)) {
                self.drop_client(slot);
            }
        }
        while self.clients > self.limit {
            self.drop_one(now);
        }
    }

    /// Whether an event with this token is for the server.
    #[must_use]
    pub const fn owns(&self, token: Token) -> bool {
        token.0 >= self.first_token
    }

    /// Something happened to one of the server's descriptors.
    pub fn ready(&mut self, registry: &Registry, event: &Event, now: Instant, source: &mut dyn StatusSource) {
        self.now = Some(now);
        let Some(index) = event.token().0.checked_sub(self.first_token) else { return };
        match index.checked_sub(LISTENERS) {
            None => self.serve_listener(index, registry, now, source),
            Some(slot) => self.serve_client(u32::try_from(slot).unwrap_or(u32::MAX), now, source),
        }
    }

    /// Does what is due. Too early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, registry: &Registry, now: Instant, source: &mut dyn StatusSource) {
        self.now = Some(now);
        for _ in 0..self.again.len() {
            let Some(slot) = self.again.pop_front() else { break };
            if let Some(client) = self.client(slot) {
                client.again = false;
            }
            self.serve_client(slot, now, source);
        }
        if self.push_at.is_some_and(|at| at <= now) {
            self.push(now, source);
        }
        for (state, limit) in LIMITS {
            while let Some(slot) = self.queues.first(state) {
                if self.client(slot).is_some_and(|c| now.saturating_duration_since(c.since) < limit) {
                    break;
                }
                self.drop_client(slot);
            }
        }
        for index in 0..self.listeners.len() {
            let Some(Some(listener)) = self.listeners.get_mut(index) else { continue };
            let due = listener.retry_at.is_some_and(|at| at <= now);
            if !due && !listener.again {
                continue;
            }
            if due && !listener.is_open() {
                self.open_listener(index, registry, now);
            } else if due {
                listener.retry_at = None;
            }
            self.serve_listener(index, registry, now, source);
        }
    }

    /// When [`Server::handle_timeout`] has something to do next; in the past if at once; `None`: only events wake it.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let unfinished = !self.again.is_empty() || self.listeners.iter().flatten().any(|l| l.again);
        if unfinished && self.now.is_some() {
            return self.now;
        }
        let clients = LIMITS.iter().filter_map(|&(state, limit)| {
            let client = self.slots.get(self.queues.first(state)? as usize)?.as_ref()?;
            Some(client.since + limit + SLACK)
        });
        let listeners = self.listeners.iter().flatten().filter_map(|l| l.retry_at);
        clients.chain(listeners).chain(self.push_at).min()
    }

    /// Tells every client that watches what is true now. One that has not yet taken the last answer gets the newest
    /// when it has.
    pub fn push(&mut self, now: Instant, source: &mut dyn StatusSource) {
        self.push_at = None;
        if self.watchers == 0 {
            return;
        }
        if let Some(next) =
            self.pushed_at.and_then(|at| at.checked_add(PUSH_APART)).filter(|next| *next > now)
        {
            self.push_at = Some(next);
            return;
        }
        self.pushed_at = Some(now);
        self.push_at = Some(now + WATCH_AGAIN);
        for slot in 0..self.slots.len() {
            let watching = self.slots.get_mut(slot).and_then(Option::as_mut).filter(|c| c.watching);
            let (Some(client), Ok(slot)) = (watching, u32::try_from(slot)) else { continue };
            let outcome = client.push(source);
            self.settle(slot, outcome, false, now);
        }
    }

    /// Whether one who may be a slave has come or gone; once. Who stops asking shows in [`Server::slaves`] alone.
    pub const fn take_came_or_went(&mut self) -> bool {
        std::mem::replace(&mut self.came_or_went, false)
    }

    /// The next line for the log.
    pub fn poll_log(&mut self) -> Option<(Priority, String)> {
        self.log.poll()
    }

    /// The TCP addresses that are listened on now.
    pub fn local_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners
            .iter()
            .flatten()
            .filter(|l| l.transport == Transport::Tcp)
            .filter_map(Listener::local_address)
    }

    /// Clients connected now.
    #[must_use]
    pub const fn clients(&self) -> usize {
        self.clients
    }

    /// Closes everything. [`Server::open`] opens it again.
    pub fn close(&mut self) {
        self.listeners.clear();
        self.slots = Vec::new();
        self.free = Vec::new();
        self.clients = 0;
        self.watchers = 0;
        self.push_at = None;
        self.queues.shrink();
        self.again = VecDeque::new();
    }

    fn client(&mut self, slot: u32) -> Option<&mut Connection> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    fn open_listener(&mut self, index: usize, registry: &Registry, now: Instant) {
        let Some(Some(listener)) = self.listeners.get(index) else { return };
        // Where the system chose the port for TCP, UDP takes the same.
        let mut port = listener.port;
        if port == 0 && listener.transport == Transport::Udp {
            let address = listener.address;
            port = self.local_addresses().find(|a| a.ip() == address).map_or(0, |a| a.port());
        }
        let Some(Some(listener)) = self.listeners.get_mut(index) else { return };
        if listener.open(port, registry, now, &mut self.log) && !self.succeeded {
            self.succeeded = true;
            self.log.say(Priority::Info, "NIS server startup succeeded".into());
        }
    }

    fn serve_listener(
        &mut self,
        index: usize,
        registry: &Registry,
        now: Instant,
        source: &mut dyn StatusSource,
    ) {
        let Some(Some(listener)) = self.listeners.get_mut(index) else { return };
        listener.again = match listener.udp() {
            Some(socket) => udp::answer(socket, &self.settings.allow, &mut self.limiter, now, source),
            None => return self.accept(index, registry, now, source),
        };
    }

    fn accept(&mut self, index: usize, registry: &Registry, now: Instant, source: &mut dyn StatusSource) {
        let mut made_room = false;
        let mut accepted = 0;
        // So few that those who are there have their turn before they would give their places to newcomers.
        let most = ACCEPTS_A_TURN.min(u32::try_from(self.limit / 4).unwrap_or(u32::MAX)).max(1);
        for _ in 0..most {
            let Some(Some(listener)) = self.listeners.get_mut(index) else { return };
            match listener.accept() {
                Ok((stream, peer)) => {
                    accepted += 1;
                    self.welcome(stream, peer.ip(), registry, now, source);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    listener.again = false;
                    return;
                }
                Err(e) if socket::is_out_of_files(&e) => {
                    self.log.say_rarely(Kind::NoFiles, now, || {
                        format!(
                            "NIS server: cannot accept a client: {e}; is the limit on open files too low?"
                        )
                    });
                    if made_room || self.clients == 0 {
                        listener.rest(now);
                        return;
                    }
                    made_room = true;
                    self.drop_one(now);
                }
                // The client went away before it was accepted, or the network did.
                Err(_) => {}
            }
        }
        if let Some(Some(listener)) = self.listeners.get_mut(index) {
            // A listener that does nothing but fail must not keep the loop busy.
            if accepted > 0 {
                listener.again = true;
            } else {
                listener.rest(now);
            }
        }
    }

    fn welcome(
        &mut self,
        mut stream: TcpStream,
        peer: IpAddr,
        registry: &Registry,
        now: Instant,
        source: &mut dyn StatusSource,
    ) {
        if !(self.settings.allow)(peer) {
            self.log
                .say_rarely(Kind::Refused, now, || format!("Connection from {peer} refused by NISALLOW."));
            return;
        }
        if self.clients >= self.limit {
            let limit = self.limit;
            self.log.say_rarely(Kind::Full, now, || {
                format!("NIS server: {limit} clients, no more are allowed (NISMAXCLIENTS); the idlest is dropped for {peer}")
            });
            self.drop_one(now);
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => u32::try_from(self.slots.len()).unwrap_or(u32::MAX),
        };
        let token = Token(self.first_token + LISTENERS + slot as usize);
        if registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).is_err() {
            if (slot as usize) < self.slots.len() {
                self.free.push(slot);
            }
            return;
        }
        let client = Some(Connection::new(stream, peer, now));
        match self.slots.get_mut(slot as usize) {
            Some(place) => *place = client,
            None => self.slots.push(client),
        }
        self.clients += 1;
        self.queues.enter(slot, State::Waiting);
        // The request is often there already.
        self.serve_client(slot, now, source);
    }
}

/// How long a client may stay in each state.
const LIMITS: [(State, Duration); 3] =
    [(State::Waiting, IDLE_LIMIT), (State::Partial, IDLE_LIMIT), (State::Writing, WRITE_LIMIT)];

#[cfg(test)]
mod tests;
