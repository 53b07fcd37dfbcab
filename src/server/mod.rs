//! Servers: what all have in common, and the protocols that they speak. A [`Server`] has listeners, connections with limits
//! and deadlines, an access list, datagrams; a [`Protocol`] makes answers of bytes. [`nis`] is that of port 3551.
//!
//! Every client has a slot, and every slot a place in one of four lists ordered by deadline (`queue`); nothing is
//! ever searched, and with 1,000 idle clients the server sleeps. A client costs less than 200 bytes; an answer is one
//! allocation shared by all who get it. A client that watches is sent what the protocol pushes whenever [`Server::push`] is
//! called, and from time to time.
//!
//! The loop drives a [`Server`] like this:
//!
//! 1. [`Server::open`] once; [`Server::reconfigure`] when the configuration changed;
//! 2. [`Server::ready`] for each event whose token [`Server::owns`];
//! 3. [`Server::handle_timeout`] whenever it turns; too early or too often does no harm;
//! 4. [`Server::push`] when there is something to push: the state of the UPS has changed;
//! 5. [`Server::poll_log`] until `None`;
//! 6. wait no longer than [`Server::poll_timeout`].
//!
//! A socket of this machine listens already when it comes here ([`Server::adopt`]), and its clients have a [`Client::peer`]. Another
//! way of being connected is an arm in `listener` and one in `stream`.

mod accept;
mod connection;
mod connections;
#[cfg(feature = "control")]
pub mod control;
mod datagram;
pub mod lent;
mod listener;
mod listeners;
mod log;
pub mod nis;
mod protocol;
mod pushes;
mod queue;
mod service;
mod stream;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Instant;

use mio::event::Event;
use mio::{Registry, Token};

use crate::sys::job::Starter;
use crate::sys::socket;
use crate::ups::Priority;
use connections::Connections;
use listeners::{LISTENERS, Listeners};
use log::Log;
use pushes::Pushes;

pub use protocol::{Client, Connected, Protocol, Reply, Timeouts, Words};

/// How to serve.
pub struct Settings {
    /// Where to listen; NISIP.
    pub addresses: Vec<IpAddr>,
    /// NISPORT; 0: any free one, the same for TCP and UDP of one address.
    pub port: u16,
    /// Whether datagrams are answered; NISUDP.
    pub udp: bool,
    /// Whether a source is answered; NISALLOW.
    pub allow: Box<dyn Fn(IpAddr) -> bool>,
    /// Most clients at a time; NISMAXCLIENTS; at least 1, and no more than the limit on open files leaves.
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

/// Files kept free for the UPS, hooks, flags and logs.
const FILE_RESERVE: usize = 32;
/// Tokens of one server: its listeners, then its clients.
const TOKEN_COUNT: usize = 1 << 20;

/// A server that speaks `P`.
#[derive(Debug)]
pub struct Server<P: Protocol> {
    protocol: P,
    settings: Settings,
    first_token: usize,
    listeners: Listeners,
    connections: Connections<P::Session>,
    pushes: Pushes,
    /// Most clients at a time.
    limit: usize,
    limiter: datagram::Limiter,
    log: Log,
    /// The last `now`, for work that is due at once.
    now: Option<Instant>,
}

impl<P: Protocol> Server<P> {
    /// A server that uses 2<sup>20</sup> tokens from `first_token` on. Opens nothing yet.
    #[must_use]
    pub fn new(protocol: P, settings: Settings, first_token: Token) -> Self {
        Self {
            protocol,
            settings,
            first_token: first_token.0,
            listeners: Listeners::new(P::WORDS, first_token.0),
            connections: Connections::default(),
            pushes: Pushes::new(P::TIMEOUTS),
            limit: 1,
            limiter: datagram::Limiter::default(),
            log: Log::default(),
            now: None,
        }
    }

    /// Has listeners opened by somebody with the rights, where this process has none: those of ports below 1024.
    #[must_use]
    pub fn with_starter(mut self, starter: Starter) -> Self {
        self.listeners.set_starter(starter);
        self
    }

    /// Opens every listener. One that cannot be opened is logged, and tried again until it can.
    pub fn open(&mut self, registry: &Registry, now: Instant) {
        self.listeners.open(&self.settings, registry, now, &mut self.log);
        let files = socket::max_open_files();
        let wanted = self.settings.max_clients.min(TOKEN_COUNT - LISTENERS);
        let limit = wanted.min(files.saturating_sub(FILE_RESERVE.min(files / 2))).max(1);
        self.limit = limit;
        if limit < wanted {
            let directive = P::WORDS.max_clients;
            let line = format!("{directive} {wanted}: the limit of {files} open files leaves {limit}");
            self.log.say(Priority::Notice, line);
        }
    }

    /// Serves a socket of this machine that listens already; members of the group are told from others. After [`Server::open`], and not
    /// for a server that gets new settings.
    ///
    /// # Errors
    /// What the system says.
    pub fn adopt(&mut self, socket: OwnedFd, group: Option<u32>, registry: &Registry) -> io::Result<()> {
        self.listeners.adopt(socket, group, registry)
    }

    /// Serves by new settings. Listeners that stay keep their socket, and clients that are still allowed their
    /// connection.
    pub fn reconfigure(&mut self, settings: Settings, registry: &Registry, now: Instant) {
        self.settings = settings;
        self.open(registry, now);
        for slot in 0..self.connections.end() {
            let allow = &self.settings.allow;
            if self.connections.get(slot).is_some_and(|c| !allow(c.client.address)) {
                self.drop_client(slot, now);
            }
        }
        while self.connections.count() > self.limit {
            self.drop_one(now);
        }
    }

    /// Whether an event with this token is for the server.
    #[must_use]
    pub const fn owns(&self, token: Token) -> bool {
        token.0 >= self.first_token && token.0 - self.first_token < TOKEN_COUNT
    }

    /// Something happened to one of the server's descriptors.
    pub fn ready(&mut self, registry: &Registry, event: &Event, now: Instant, source: &mut P::Source) {
        self.now = Some(now);
        let Some(index) = event.token().0.checked_sub(self.first_token) else { return };
        match index.checked_sub(LISTENERS) {
            None => self.serve_listener(index, registry, now, source),
            Some(slot) => self.serve_client(u32::try_from(slot).unwrap_or(u32::MAX), now, source),
        }
    }

    /// Does what is due. Too early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, registry: &Registry, now: Instant, source: &mut P::Source) {
        self.now = Some(now);
        for _ in 0..self.connections.unfinished() {
            let Some(slot) = self.connections.poll_again() else { break };
            self.serve_client(slot, now, source);
        }
        if self.pushes.poll_timeout().is_some_and(|at| at <= now) {
            self.push(now, source);
        }
        while let Some(slot) = self.connections.overdue(&P::TIMEOUTS, now) {
            self.drop_client(slot, now);
        }
        for index in 0..self.listeners.end() {
            if self.listeners.retry(index, registry, now, &mut self.log) {
                self.serve_listener(index, registry, now, source);
            }
        }
    }

    /// When [`Server::handle_timeout`] has something to do next; in the past if at once; `None`: only events wake it.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let unfinished = self.connections.unfinished() > 0 || self.listeners.is_unfinished();
        if unfinished && self.now.is_some() {
            return self.now;
        }
        let clients = self.connections.poll_timeout(&P::TIMEOUTS);
        crate::ups::earliest(&[clients, self.listeners.poll_timeout(), self.pushes.poll_timeout()])
    }

    /// Sends every client that watches what is to be pushed. One that has not yet taken the last answer gets the newest
    /// when it has.
    pub fn push(&mut self, now: Instant, source: &mut P::Source) {
        if self.pushes.begin(now) {
            for slot in 0..self.connections.end() {
                self.push_to(slot, now, source);
            }
        }
    }

    /// The next line for the log.
    pub fn poll_log(&mut self) -> Option<(Priority, String)> {
        self.log.poll()
    }

    /// The TCP addresses that are listened on now.
    pub fn local_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.local_addresses()
    }

    /// Clients connected now.
    #[must_use]
    pub const fn clients(&self) -> usize {
        self.connections.count()
    }

    /// Closes everything. [`Server::open`] opens it again.
    pub fn close(&mut self) {
        self.listeners.close();
        self.connections.clear();
        self.pushes.clear();
    }

    /// Who is connected, with the sessions.
    fn sessions(&self) -> impl Iterator<Item = (&Client, &P::Session)> {
        self.connections.iter().map(|(_, connection)| (&connection.client, &connection.session))
    }
}

#[cfg(test)]
mod tests;
