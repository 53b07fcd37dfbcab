//! The port at which a network card's datagrams come, and a connection to its web server: [`StreamPort`].
//!
//! Several daemons can have the same port if each names its card. Each has two sockets for each kind of addresses: one that takes whatever
//! comes, broadcasts too, and one that is connected to the card's address, with any port. The kernel gives what a card sends to the
//! socket that is connected to it, and to nobody else's (pcnet §1).

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};

use super::Port;
use super::device_lock::DeviceLocks;
use super::stream::StreamPort;
use crate::bus::card::{Card, Event, Transmit};
use crate::bus::stream::Target;
use crate::sys::job::Job;
use crate::sys::named_lock::NamedLock;
use crate::sys::port_holder::holder_of_port;
use crate::sys::{passing, process, reason, socket};
use crate::ups::{Priority, RateLimit};

/// Longest datagram that is read, in bytes (pcnet §2).
const LONGEST: usize = 4096;
/// Of what has come at a socket so many are read at once, and one more each so often: a flood must not keep the loop busy.
const DATAGRAMS: RateLimit = RateLimit::new(64, Duration::from_millis(10));
/// What is left then is read after this.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two tries to have the port, or to connect a socket to the card.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// How long another process may take to open a socket.
const LEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Tokens of a [`StreamPort`].
const STREAM_TOKENS: usize = 2;

/// What is listened at: both kinds of addresses, each by a socket for all and one for the card alone.
const SOCKETS: u8 = 4;

/// The port, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The UDP port.
    pub port: u16,
    /// The web server of the card: daemons that name different cards share the port. `None`: no card is named.
    pub target: Option<Target>,
}

impl Listening {
    /// The name of the lock that keeps a second daemon from the same card: it would have some of the packets, and the first one not.
    fn lock_name(&self) -> Option<String> {
        let host = self.target.as_ref()?.host.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "_");
        Some(format!("pcnet-{}-{host}", self.port))
    }

    /// The sockets that are wanted, by their numbers: those for the card alone only where its address tells them apart.
    fn numbers(&self) -> impl Iterator<Item = u8> + use<> {
        let is_shared = self.target.is_some();
        (0..SOCKETS).filter(move |number| is_shared || !is_for_card(*number))
    }

    fn bind(&self, number: u8) -> io::Result<OwnedFd> {
        let address: IpAddr =
            if is_ipv6(number) { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let address = SocketAddr::new(address, self.port);
        let bound =
            if self.target.is_some() { socket::udp_bind_shared(address) } else { socket::udp_bind(address) };
        bound.map(OwnedFd::from)
    }

    /// Opens the socket with this number for who has the other end of `to`: an errno (4 bytes, little-endian), 0 with the socket. `lock`
    /// is what this process holds for that.
    pub fn lend(&self, number: u8, locks: &DeviceLocks, lock: &mut Option<NamedLock>, to: BorrowedFd<'_>) {
        if !self.numbers().any(|wanted| wanted == number) {
            return;
        }
        let locked = match self
            .lock_name()
            .filter(|_| lock.is_none())
            .map(|name| locks.take_for_daemon(process::own(), &name))
        {
            Some(Ok(taken)) => {
                *lock = taken;
                true
            }
            Some(Err(_)) => false,
            None => true,
        };
        let bound = if locked { self.bind(number) } else { Err(socket::taken()) };
        let errno = bound.as_ref().err().and_then(io::Error::raw_os_error).unwrap_or_default();
        // Who has asked may be gone.
        let _ = passing::send_now(to, &errno.to_le_bytes(), bound.as_ref().ok().map(AsFd::as_fd));
    }
}

const fn is_ipv6(number: u8) -> bool {
    number & 1 == 1
}

const fn is_for_card(number: u8) -> bool {
    number & 2 == 2
}

/// Which of the card's addresses the socket with this number is for.
fn address_for(addresses: &[IpAddr], number: u8) -> Option<IpAddr> {
    addresses.iter().copied().find(|address| is_for_card(number) && address.is_ipv6() == is_ipv6(number))
}

/// What another process has been asked for.
#[derive(Debug)]
struct Lender {
    number: u8,
    from: OwnedFd,
    look_at: Instant,
    until: Instant,
}

/// A socket that listens.
#[derive(Debug)]
struct Listener {
    number: u8,
    socket: UdpSocket,
    is_registered: bool,
    is_connected: bool,
    /// Its own: what floods the socket for all keeps nothing of the card out.
    limit: RateLimit,
    /// More may have come than was read, and waits until then.
    again_at: Option<Instant>,
}

impl Listener {
    fn new(number: u8, bound: OwnedFd) -> Self {
        let socket = UdpSocket::from_std(bound.into());
        Self { number, socket, is_registered: false, is_connected: false, limit: DATAGRAMS, again_at: None }
    }

    fn reads_at(&self, now: Instant) -> bool {
        self.again_at.is_none_or(|at| at <= now)
    }

    /// Reads what has come, within its limit.
    fn read(&mut self, registry: &Registry, events: &mut VecDeque<Event>, now: Instant) {
        self.again_at = None;
        let mut buffer = [0; LONGEST];
        while self.limit.take(now) {
            match self.socket.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                    events.push_back(Event::Datagram { bytes, from });
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
        // Too much comes: it waits in the kernel, which throws away what has no room, and wakes the loop no more for a while.
        self.again_at = Some(now + PAUSE);
        let _ = registry.deregister(&mut self.socket);
        self.is_registered = false;
    }
}

/// The sockets, and the connection.
#[derive(Debug)]
pub struct CardPort {
    listening: Listening,
    /// Those for the card alone first.
    listeners: Vec<Listener>,
    retry_at: Option<Instant>,
    lender: Option<Lender>,
    lock: Option<NamedLock>,
    /// This machine has no IPv6.
    has_no_ipv6: bool,
    stream: StreamPort,
    /// The card's addresses.
    addresses: Vec<IpAddr>,
    /// That nothing can come has been told.
    is_deaf: bool,
    events: VecDeque<Event>,
    locks: DeviceLocks,
    token: Token,
}

impl CardPort {
    /// A port without sockets, which will have tokens from this one on. `locks`: what keeps other daemons from the same card, and
    /// says who looks names up, and opens sockets later on.
    #[must_use]
    pub fn new(listening: Listening, locks: DeviceLocks, token: Token, now: Instant) -> Self {
        let targets = listening.target.iter().cloned().collect();
        Self {
            stream: StreamPort::new(targets, token, now).with_starter(locks.starter().clone()),
            lock: None,
            has_no_ipv6: false,
            locks,
            listening,
            listeners: Vec::new(),
            retry_at: None,
            lender: None,
            addresses: Vec::new(),
            is_deaf: false,
            events: VecDeque::new(),
            token,
        }
    }

    fn missing(&self) -> Vec<u8> {
        let is_there = |number: &u8| self.listeners.iter().any(|listener| listener.number == *number);
        let can_be = |number: &u8| !(self.has_no_ipv6 && is_ipv6(*number));
        self.listening.numbers().filter(|number| !is_there(number) && can_be(number)).collect()
    }

    /// Opens what is missing, by the rights of this process.
    fn open(&mut self) {
        if let Some(name) = self.listening.lock_name().filter(|_| self.lock.is_none()) {
            // With a helper, that is the daemon's first process.
            let daemon = if self.locks.starter().is_another() { process::parent() } else { process::own() };
            match self.locks.take_for_daemon(daemon, &name) {
                Ok(lock) => self.lock = lock,
                Err(holder) => return self.be_deaf(&format!("the card is watched by {holder}")),
            }
        }
        for number in self.missing() {
            let bound = self.listening.bind(number);
            self.take_socket(number, bound);
        }
        self.tell();
    }

    fn take_socket(&mut self, number: u8, bound: io::Result<OwnedFd>) {
        match bound {
            Ok(bound) => {
                self.listeners.push(Listener::new(number, bound));
                self.listeners.sort_unstable_by_key(|listener| !is_for_card(listener.number));
            }
            // A machine without IPv6 lacks nothing.
            Err(error) if is_ipv6(number) && socket::is_without_address(&error) => self.has_no_ipv6 = true,
            Err(error) if !self.is_deaf => {
                let reason = self.trouble(&error);
                self.be_deaf(&reason);
            }
            Err(_) => {}
        }
    }

    /// Tells, once, that nothing can come.
    fn be_deaf(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.is_deaf, true) {
            let port = self.listening.port;
            let text = format!("UDP port {port}: {reason}: no packet of the card can come; trying again");
            self.events.push_back(Event::Deaf(text));
        }
    }

    fn trouble(&self, error: &io::Error) -> String {
        if !socket::is_taken(error) {
            return reason(error);
        }
        match holder_of_port(self.listening.port).and_then(|holder| holder.words()) {
            Some(holder) => {
                format!(
                    "it is held by {holder}, and daemons share it only if DEVICE of each names its own card"
                )
            }
            None => "it is held by another program, or the card is watched by one".to_owned(),
        }
    }

    fn tell(&mut self) {
        if self.missing().is_empty() && std::mem::take(&mut self.is_deaf) {
            self.events.push_back(Event::Listening);
        }
    }

    /// Opens what is missing, a socket at a time, by the rights of another process; `true`: nothing more is to be done now.
    fn open_by_another(&mut self, now: Instant) -> bool {
        if let Some(lender) = self.lender.take() {
            let mut errno = [0; 4];
            let bound = match passing::receive_now(lender.from.as_fd(), &mut errno) {
                Err(error) if error.kind() == ErrorKind::WouldBlock && now < lender.until => {
                    self.lender = Some(Lender { look_at: now + PAUSE, ..lender });
                    return false;
                }
                Err(error) => Err(error),
                Ok((4, Some(bound))) => Ok(bound),
                Ok((4, None)) => Err(io::Error::from_raw_os_error(i32::from_le_bytes(errno))),
                Ok(_) => Err(ErrorKind::PermissionDenied.into()),
            };
            let is_refused = bound.is_err();
            self.take_socket(lender.number, bound);
            self.tell();
            if is_refused && !self.has_no_ipv6 {
                return true;
            }
        }
        let Some(number) = self.missing().first().copied() else { return true };
        match self.locks.starter().start(&Job::CardPort(number)) {
            Some(Ok(from)) => {
                self.lender = Some(Lender { number, from, look_at: now + PAUSE, until: now + LEND_TIMEOUT });
                false
            }
            _ => true,
        }
    }

    /// Connects sockets to the card, so that what it sends comes to no other daemon.
    fn connect(&mut self) {
        for listener in self.listeners.iter_mut().filter(|listener| !listener.is_connected) {
            if let Some(address) = address_for(&self.addresses, listener.number) {
                // Where there is no way to the card, it is tried again; until then this one takes what any card sends.
                listener.is_connected = listener.socket.connect(SocketAddr::new(address, 0)).is_ok();
            }
        }
    }

    /// A socket is missing, or not yet connected to the card.
    fn needs_retry(&self) -> bool {
        let waits = |it: &Listener| !it.is_connected && address_for(&self.addresses, it.number).is_some();
        !self.missing().is_empty() || self.listeners.iter().any(waits)
    }

    fn register(&mut self, registry: &Registry) {
        for listener in &mut self.listeners {
            if !listener.is_registered && listener.again_at.is_none() {
                let token = Token(self.token.0 + STREAM_TOKENS + usize::from(listener.number));
                // One that cannot be registered is read at each deadline of the link all the same.
                listener.is_registered =
                    registry.register(&mut listener.socket, token, Interest::READABLE).is_ok();
            }
        }
    }

    fn read(&mut self, registry: &Registry, now: Instant) {
        for listener in self.listeners.iter_mut().filter(|listener| listener.reads_at(now)) {
            listener.read(registry, &mut self.events, now);
        }
        self.register(registry);
    }

    fn again_at(&self) -> Option<Instant> {
        self.listeners.iter().filter_map(|listener| listener.again_at).min()
    }

    fn take_addresses(&mut self) {
        let Some(found) = self.stream.take_looked_up() else { return };
        if let Ok(found) = &found {
            self.addresses.clone_from(found);
            self.listeners.iter_mut().for_each(|listener| listener.is_connected = false);
            self.connect();
        }
        self.events.push_back(Event::Addresses(found));
    }
}

impl Port for CardPort {
    type Bus = Card;

    fn prepare(&mut self) -> bool {
        self.open();
        true
    }

    fn start(&mut self, registry: &Registry, now: Instant) {
        if !self.locks.starter().is_another() {
            self.open();
        }
        self.read(registry, now);
        self.retry_at = Some(now + RETRY_INTERVAL);
    }

    fn ready(&mut self, registry: &Registry, token: Token, now: Instant) {
        if token.0 < self.token.0 + STREAM_TOKENS {
            self.stream.ready(registry, token, now);
        } else {
            self.read(registry, now);
        }
    }

    fn take_waiting(&mut self, registry: &Registry, now: Instant) {
        self.stream.take_waiting(registry, now);
        self.read(registry, now);
    }

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.stream.handle_timeout(registry, now);
        self.take_addresses();
        let is_due = match &self.lender {
            Some(lender) => lender.look_at <= now,
            None => self.retry_at.is_some_and(|at| at <= now) && self.needs_retry(),
        };
        if is_due {
            let is_done = if self.locks.starter().is_another() {
                self.open_by_another(now)
            } else {
                self.open();
                true
            };
            self.connect();
            if is_done {
                self.retry_at = Some(now + RETRY_INTERVAL);
            }
        }
        if is_due || self.again_at().is_some_and(|at| at <= now) {
            self.read(registry, now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let retry = match &self.lender {
            Some(lender) => Some(lender.look_at),
            None => self.retry_at.filter(|_| self.needs_retry()),
        };
        crate::ups::earliest(&[self.stream.poll_timeout(), self.again_at(), retry])
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front().or_else(|| self.stream.poll_event().map(Event::Stream))
    }

    fn poll_log(&mut self) -> Option<(Priority, String)> {
        None
    }

    fn transmit(&mut self, registry: &Registry, transmit: Transmit, now: Instant) {
        match transmit {
            Transmit::LookUp => {
                self.stream.look_up_address(now);
                self.take_addresses();
            }
            Transmit::Stream(transmit) => self.stream.transmit(registry, transmit, now),
        }
    }

    fn close(&mut self, registry: &Registry) {
        for listener in &mut self.listeners {
            let _ = registry.deregister(&mut listener.socket);
        }
        self.listeners.clear();
        self.lender = None;
        self.stream.close(registry);
    }
}

#[cfg(test)]
mod tests;
