//! Datagrams: a socket to one peer, whose name a child looks up, and sockets that listen at a port.

mod listener;
mod reader;
#[cfg(test)]
mod tests;

pub use listener::lend;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::Port;
use super::lookup::Lookup;
use crate::bus::datagram::{Datagram, Event, Socket, Transmit};
use crate::bus::stream::Target;
use crate::sys::job::Starter;
use crate::sys::{reason, socket};
use crate::ups::Priority;
use listener::Listener;
use reader::{Read, Reader};

/// Addresses that were looked up are looked up again when the socket is opened anew, at most this often.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// To whom datagrams are sent.
#[derive(Debug)]
struct Peer {
    target: Target,
    addresses: Vec<SocketAddr>,
    /// Which of them the next opening takes.
    next: usize,
    looked_at: Option<Instant>,
    lookup: Option<Lookup>,
    /// The loop wakes for its answer.
    is_heard: bool,
    /// The link waits for a socket until the look-up has ended.
    is_awaited: bool,
}

/// See the head of this file.
#[derive(Debug)]
pub struct DatagramPort {
    peer: Option<Peer>,
    to_peer: Reader,
    listeners: Vec<Listener>,
    /// What has been told of the sockets that listen.
    listening: Option<Result<(), String>>,
    starter: Starter,
    /// Of the look-up's answer; the socket to the peer has the one before, those that listen have the ones behind.
    token: Token,
    events: VecDeque<Event>,
    log: VecDeque<(Priority, String)>,
    /// The last `now` of any call.
    now: Instant,
}

impl DatagramPort {
    /// A port without a socket: to this peer, and to listen at this port. It takes four tokens from this one on.
    #[must_use]
    pub fn new(peer: Option<Target>, listen: Option<u16>, token: Token, now: Instant) -> Self {
        let peer = peer.map(|target| Peer {
            addresses: target.address().into_iter().collect(),
            target,
            next: 0,
            looked_at: None,
            lookup: None,
            is_heard: false,
            is_awaited: false,
        });
        Self {
            peer,
            to_peer: Reader::new(token),
            listeners: listen
                .map(|port| Listener::both(port, Token(token.0 + 2)))
                .into_iter()
                .flatten()
                .collect(),
            listening: None,
            starter: Starter::default(),
            token: Token(token.0 + 1),
            events: VecDeque::new(),
            log: VecDeque::new(),
            now,
        }
    }

    /// Names are looked up, and sockets that this process may not bind are bound, by another process.
    #[must_use]
    pub fn with_starter(mut self, starter: Starter) -> Self {
        self.starter = starter;
        self
    }

    fn closed(&mut self, registry: &Registry, why: String) {
        self.to_peer.close(registry);
        self.events.push_back(Event::Closed(why));
    }

    fn open(&mut self, registry: &Registry, now: Instant) {
        self.to_peer.close(registry);
        let starter = self.starter.clone();
        let Some(peer) = &mut self.peer else { return self.closed(registry, "there is no peer".to_owned()) };
        let begun = peer.look_up(&starter, now);
        if !peer.addresses.is_empty() {
            return self.connect(registry);
        }
        match begun {
            Ok(()) => peer.is_awaited = true,
            Err(why) => self.closed(registry, why),
        }
    }

    fn connect(&mut self, registry: &Registry) {
        let Some(peer) = &mut self.peer else { return };
        peer.is_awaited = false;
        let at = peer.next % peer.addresses.len().max(1);
        peer.next = at + 1;
        let Some(address) = peer.addresses.get(at) else { return };
        let opened = socket::udp_connect(*address).and_then(|socket| self.to_peer.open(socket, registry));
        match opened {
            Ok(()) => {
                let (before, from) = peer.addresses.split_at(at);
                let addresses = from.iter().chain(before).map(SocketAddr::ip).collect();
                self.events.push_back(Event::Opened(addresses));
            }
            Err(error) => self.closed(registry, reason(&error)),
        }
    }

    fn take_lookup(&mut self, registry: &Registry, now: Instant) {
        let Some(peer) = &mut self.peer else { return };
        let Some(lookup) = &mut peer.lookup else { return };
        let result = lookup.poll(now);
        if lookup.is_over() {
            peer.lookup = None;
        }
        let is_awaited = peer.is_awaited;
        match result {
            Some(Ok(addresses)) => {
                if addresses != peer.addresses {
                    (peer.addresses, peer.next) = (addresses, 0);
                }
                if is_awaited {
                    self.connect(registry);
                }
            }
            Some(Err(why)) if is_awaited => {
                peer.is_awaited = false;
                self.closed(registry, why);
            }
            _ => {}
        }
        self.hear_lookup(registry);
    }

    /// Has the loop wake for the answer of a look-up that another process does; the end of a child of our own wakes it.
    fn hear_lookup(&mut self, registry: &Registry) {
        let Some(peer) = self.peer.as_mut().filter(|peer| !peer.is_heard) else { return };
        let Some(lookup) = &peer.lookup else { return };
        peer.is_heard = true;
        if self.starter.is_another() {
            // Without it, its time limit wakes the loop.
            let _ = registry.register(&mut SourceFd(&lookup.as_raw_fd()), self.token, Interest::READABLE);
        }
    }

    fn read(&mut self, registry: &Registry, now: Instant) {
        let events = &mut self.events;
        let end = self.to_peer.read(registry, now, |bytes, from| {
            events.push_back(Event::Bytes { bytes, from, socket: Socket::Peer });
        });
        if let Read::Failed(why) = end {
            self.closed(registry, why);
        }
        let events = &mut self.events;
        for listener in &mut self.listeners {
            // What fails there concerns one datagram of somebody's.
            let _ = listener.reader.read(registry, now, |bytes, from| {
                events.push_back(Event::Bytes { bytes, from, socket: Socket::Listener });
            });
        }
    }

    /// Tells whether datagrams are listened for, if that has changed.
    fn tell_listening(&mut self) {
        // One family is enough: of the other there may be no address.
        let failed = self.listeners.iter().find_map(|listener| listener.failed.clone());
        let is_bound = self.listeners.iter().any(Listener::is_bound);
        let state = match failed {
            Some(why) => Err(why),
            None if is_bound => Ok(()),
            None => return,
        };
        if self.listening.as_ref() == Some(&state) {
            return;
        }
        match (&state, &self.listening) {
            (Err(why), _) => self.log.push_back((Priority::Warning, format!("{why}; it is tried again"))),
            (Ok(()), Some(_)) => {
                let ports = self.listeners.first().map_or(0, |listener| listener.port);
                self.log.push_back((Priority::Notice, format!("UDP port {ports} is listened at now")));
            }
            (Ok(()), None) => {}
        }
        self.events.push_back(Event::Listening(state.clone()));
        self.listening = Some(state);
    }
}

impl Peer {
    /// Begins a look-up if it is time. `Err`: there is none, and why.
    fn look_up(&mut self, starter: &Starter, now: Instant) -> Result<(), String> {
        let is_due = self.looked_at.is_none_or(|at| now.saturating_duration_since(at) >= LOOK_AGAIN)
            || self.addresses.is_empty();
        if self.target.address().is_some() || !is_due {
            return Ok(());
        }
        match &mut self.lookup {
            Some(lookup) if lookup.poll_timeout().is_none() => {
                Err("its name has not been looked up yet".to_owned())
            }
            Some(_) => Ok(()),
            None => {
                self.looked_at = Some(now);
                let lookup = Lookup::start(starter, 0, &self.target.host, self.target.port, now)?;
                (self.lookup, self.is_heard) = (Some(lookup), false);
                Ok(())
            }
        }
    }
}

impl Port for DatagramPort {
    type Bus = Datagram;

    fn listen(&mut self) {
        for listener in &mut self.listeners {
            listener.bind_here();
        }
    }

    fn start(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        for listener in &mut self.listeners {
            listener.start(registry, now);
        }
        self.tell_listening();
    }

    fn ready(&mut self, registry: &Registry, token: Token, now: Instant) {
        self.now = now;
        // A look-up's answer is taken at each turn.
        if token != self.token {
            self.read(registry, now);
        }
    }

    fn take_waiting(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        self.read(registry, now);
    }

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        self.take_lookup(registry, now);
        for listener in &mut self.listeners {
            listener.handle_timeout(&self.starter, registry, now);
        }
        self.tell_listening();
        if self.to_peer.is_due(now) || self.listeners.iter().any(|listener| listener.reader.is_due(now)) {
            self.read(registry, now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let lookup = self.peer.as_ref().and_then(|peer| {
            let lookup = peer.lookup.as_ref()?;
            if peer.is_heard { lookup.poll_timeout() } else { Some(self.now) }
        });
        let listeners = self.listeners.iter().filter_map(Listener::poll_timeout);
        listeners.chain(lookup).chain(self.to_peer.poll_timeout()).min()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_log(&mut self) -> Option<(Priority, String)> {
        self.log.pop_front()
    }

    fn transmit(&mut self, registry: &Registry, transmit: Transmit, now: Instant) {
        self.now = now;
        match transmit {
            Transmit::Open => self.open(registry, now),
            Transmit::Send(bytes) => {
                if let Err(why) = self.to_peer.send(&bytes) {
                    self.closed(registry, why);
                }
            }
            Transmit::Answer(to, bytes) => {
                if let Some(listener) = self.listeners.iter().find(|listener| listener.is_of_family(to)) {
                    listener.reader.answer(&bytes, to);
                }
            }
        }
    }

    fn close(&mut self, registry: &Registry) {
        self.to_peer.close(registry);
        for listener in &mut self.listeners {
            listener.reader.close(registry);
        }
        if let Some(peer) = &mut self.peer {
            peer.lookup = None;
        }
    }
}
