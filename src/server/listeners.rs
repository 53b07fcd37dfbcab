//! The listening sockets of one server, by the addresses of its settings.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Instant;

use mio::{Registry, Token};

use super::Settings;
use super::listener::{Listener, Transport, held_port};
use super::log::Log;
use super::protocol::Words;
use crate::sys::job::Starter;
use crate::ups::Priority;

/// Tokens set aside for listeners: two for each of 32 addresses.
pub(super) const LISTENERS: usize = 64;

/// What is to be listened on, in this order.
pub(super) fn wanted(settings: &Settings) -> impl Iterator<Item = (IpAddr, Transport)> {
    let udp = settings.udp.then_some(Transport::Udp);
    let transports = move |address: &IpAddr| {
        [Some(Transport::Tcp), udp].into_iter().flatten().map({
            let address = *address;
            move |transport| (address, transport)
        })
    };
    settings.addresses.iter().flat_map(transports)
}

/// The listeners.
#[derive(Debug)]
pub(super) struct Listeners {
    words: Words,
    first_token: usize,
    /// By token; `None`: free.
    all: Vec<Option<Listener>>,
    succeeded: bool,
    /// Who has the port has been said.
    holder_told: bool,
    starter: Starter,
}

impl Listeners {
    pub fn new(words: Words, first_token: usize) -> Self {
        Self {
            words,
            first_token,
            all: Vec::new(),
            succeeded: false,
            holder_told: false,
            starter: Starter::default(),
        }
    }

    /// Who opens what this process may not.
    pub fn set_starter(&mut self, starter: Starter) {
        self.starter = starter;
    }

    /// Opens what the settings want and is not open, and closes the rest.
    pub fn open(&mut self, settings: &Settings, registry: &Registry, now: Instant, log: &mut Log) {
        let mut wanted: Vec<_> = wanted(settings).collect();
        if wanted.len() > LISTENERS {
            wanted.truncate(LISTENERS);
            let most = LISTENERS / if settings.udp { 2 } else { 1 };
            let line = format!("{}: more addresses than {most} are not listened on", self.words.addresses);
            log.say(Priority::Error, line);
        }
        let port = settings.port;
        for listener in &mut self.all {
            let wants = |l: &Listener| l.port == port && wanted.contains(&(l.address, l.transport));
            if listener.as_ref().is_some_and(|l| !wants(l)) {
                *listener = None;
            }
        }
        for (number, (address, transport)) in (0..).zip(wanted) {
            let there = |l: &&mut Listener| l.address == address && l.transport == transport;
            if let Some(listener) = self.all.iter_mut().flatten().find(there) {
                listener.number = number;
                continue;
            }
            let index = self.all.iter().position(Option::is_none).unwrap_or(self.all.len());
            let token = Token(self.first_token + index);
            let mut listener = Listener::new(address, port, transport, token);
            listener.number = number;
            match self.all.get_mut(index) {
                Some(place) => *place = Some(listener),
                None => self.all.push(Some(listener)),
            }
            self.open_one(index, registry, now, log);
        }
        self.tell_holder(port, log);
    }

    /// Takes over one that listens already, on this machine.
    pub fn adopt(&mut self, socket: OwnedFd, group: Option<u32>, registry: &Registry) -> io::Result<()> {
        let token = Token(self.first_token + self.all.len());
        self.all.push(Some(Listener::adopted(socket, group, token, registry)?));
        Ok(())
    }

    /// Says who has the port, if another program does.
    fn tell_holder(&mut self, port: u16, log: &mut Log) {
        // What `mainsd status` asks is TCP.
        let is_taken = |listener: &Listener| listener.is_taken && listener.transport == Transport::Tcp;
        if self.iter().any(is_taken) && !self.holder_told {
            self.holder_told = true;
            log.say(Priority::Warning, held_port(&self.words, port));
        }
    }

    /// Opens one that is closed and due, or has one that has rested go on. True: it is to be served.
    pub fn retry(&mut self, index: usize, registry: &Registry, now: Instant, log: &mut Log) -> bool {
        let Some(listener) = self.get(index) else { return false };
        let due = listener.retry_at.is_some_and(|at| at <= now);
        if !due && !listener.again {
            return false;
        }
        if due && !listener.is_open() {
            let port = listener.port;
            self.open_one(index, registry, now, log);
            self.tell_holder(port, log);
        } else if due {
            listener.retry_at = None;
        }
        true
    }

    pub fn get(&mut self, index: usize) -> Option<&mut Listener> {
        self.all.get_mut(index)?.as_mut()
    }

    /// How many tokens are used.
    pub fn end(&self) -> usize {
        self.all.len()
    }

    /// The TCP addresses that are listened on now.
    pub fn local_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.iter().filter(|l| l.transport == Transport::Tcp).filter_map(Listener::local_address)
    }

    /// Whether one has more to do that no event will announce.
    pub fn is_unfinished(&self) -> bool {
        self.iter().any(|l| l.again)
    }

    /// When the next is to be tried again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.iter().filter_map(|l| l.retry_at).min()
    }

    /// Closes all.
    pub fn close(&mut self) {
        self.all.clear();
    }

    fn iter(&self) -> impl Iterator<Item = &Listener> {
        self.all.iter().flatten()
    }

    fn open_one(&mut self, index: usize, registry: &Registry, now: Instant, log: &mut Log) {
        let Some(Some(listener)) = self.all.get(index) else { return };
        // Where the system chose the port for TCP, UDP takes the same.
        let mut port = listener.port;
        if port == 0 && listener.transport == Transport::Udp {
            let address = listener.address;
            port = self.local_addresses().find(|a| a.ip() == address).map_or(0, |a| a.port());
        }
        let (words, starter) = (self.words, self.starter.clone());
        let Some(listener) = self.get(index) else { return };
        if listener.open(port, &words, (registry, &starter), now, log) && !self.succeeded {
            self.succeeded = true;
            log.say(Priority::Info, format!("{} startup succeeded", words.server));
        }
    }
}
