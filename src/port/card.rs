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
use super::stream::StreamPort;
use crate::bus::card::{Card, Event, Transmit};
use crate::bus::stream::Target;
use crate::sys::job::{Job, Starter};
use crate::sys::port_holder::{Holder, holder_of_port};
use crate::sys::{passing, reason, socket};
use crate::ups::{Priority, RateLimit};

/// Longest datagram that is read, in bytes (pcnet §2).
const LONGEST: usize = 4096;
/// Of what has come so many are read at once, and one more each so often: a flood must not keep the loop busy.
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

/// The port, and whether other daemons may have it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The UDP port.
    pub port: u16,
    /// Each daemon names its own card.
    pub is_shared: bool,
}

impl Listening {
    /// The sockets that are wanted, by their numbers: those for the card alone only where its address tells them apart.
    fn numbers(self) -> impl Iterator<Item = u8> {
        (0..SOCKETS).filter(move |number| self.is_shared || !is_for_card(*number))
    }

    fn bind(self, number: u8) -> io::Result<OwnedFd> {
        let address: IpAddr =
            if is_ipv6(number) { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let address = SocketAddr::new(address, self.port);
        let bound = if self.is_shared { socket::udp_bind_shared(address) } else { socket::udp_bind(address) };
        bound.map(OwnedFd::from)
    }

    /// Opens the socket with this number for who has the other end of `to`: an errno (4 bytes, little-endian), 0 with the socket.
    pub fn lend(self, number: u8, to: BorrowedFd<'_>) {
        if !self.numbers().any(|wanted| wanted == number) {
            return;
        }
        let bound = self.bind(number);
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

/// A socket that listens.
#[derive(Debug)]
struct Listener {
    number: u8,
    socket: UdpSocket,
    is_registered: bool,
    is_connected: bool,
}

/// The sockets, and the connection.
#[derive(Debug)]
pub struct CardPort {
    listening: Listening,
    listeners: Vec<Listener>,
    limit: RateLimit,
    /// More may have come than was read.
    again_at: Option<Instant>,
    retry_at: Option<Instant>,
    /// Another process opens the socket with this number, until then.
    lender: Option<(u8, OwnedFd, Instant)>,
    stream: StreamPort,
    /// The card's addresses.
    addresses: Vec<IpAddr>,
    /// That nothing can come has been told.
    is_deaf: bool,
    events: VecDeque<Event>,
    starter: Starter,
    token: Token,
}

impl CardPort {
    /// A port without sockets, which will have tokens from this one on. `target`: the card's web server.
    #[must_use]
    pub fn new(listening: Listening, target: Option<Target>, token: Token, now: Instant) -> Self {
        Self {
            listening,
            listeners: Vec::new(),
            limit: DATAGRAMS,
            again_at: None,
            retry_at: None,
            lender: None,
            stream: StreamPort::new(target.into_iter().collect(), token, now),
            addresses: Vec::new(),
            is_deaf: false,
            events: VecDeque::new(),
            starter: Starter::default(),
            token,
        }
    }

    /// Names are looked up, and sockets opened later on, by another process.
    #[must_use]
    pub fn with_starter(mut self, starter: Starter) -> Self {
        self.stream = self.stream.with_starter(starter.clone());
        self.starter = starter;
        self
    }

    fn missing(&self) -> Vec<u8> {
        let is_there = |number: &u8| self.listeners.iter().any(|listener| listener.number == *number);
        self.listening.numbers().filter(|number| !is_there(number)).collect()
    }

    /// Opens what is missing, by the rights of this process.
    fn open(&mut self) {
        for number in self.missing() {
            let bound = self.listening.bind(number);
            self.take_socket(number, bound);
        }
        self.tell();
    }

    fn take_socket(&mut self, number: u8, bound: io::Result<OwnedFd>) {
        match bound {
            Ok(bound) => {
                let socket = UdpSocket::from_std(bound.into());
                self.listeners.push(Listener { number, socket, is_registered: false, is_connected: false });
            }
            // A machine without IPv6 lacks nothing.
            Err(error) if number != 0 && socket::is_without_address(&error) => {}
            Err(error) if number == 0 && !self.is_deaf => {
                self.is_deaf = true;
                self.events.push_back(Event::Deaf(self.trouble(&error)));
            }
            Err(_) => {}
        }
    }

    fn trouble(&self, error: &io::Error) -> String {
        let port = self.listening.port;
        if !socket::is_taken(error) {
            return format!("UDP port {port}: {}; trying again", reason(error));
        }
        let holder = match holder_of_port(port) {
            Some(Holder::Process { pid, name }) => format!("{name} (process {pid})"),
            Some(Holder::Unseen) | None => "another program".to_owned(),
        };
        format!(
            "UDP port {port} is held by {holder}: no packet of the card can come; trying again. Daemons of this machine share it only if \
             DEVICE of each names its card"
        )
    }

    fn tell(&mut self) {
        if self.listeners.iter().any(|listener| listener.number == 0) && std::mem::take(&mut self.is_deaf) {
            self.events.push_back(Event::Listening);
        }
    }

    /// Opens what is missing, a socket at a time, by the rights of another process; `true`: they are all there.
    fn open_by_another(&mut self, now: Instant) -> bool {
        if let Some((number, from, until)) = self.lender.take() {
            let mut errno = [0; 4];
            let bound = match passing::receive_now(from.as_fd(), &mut errno) {
                Err(error) if error.kind() == ErrorKind::WouldBlock && now < until => {
                    self.lender = Some((number, from, until));
                    return false;
                }
                Err(error) => Err(error),
                Ok((4, Some(bound))) => Ok(bound),
                Ok((4, None)) => Err(io::Error::from_raw_os_error(i32::from_le_bytes(errno))),
                Ok(_) => Err(ErrorKind::PermissionDenied.into()),
            };
            self.take_socket(number, bound);
            self.tell();
        }
        // Without the first one there is no need of the others.
        let number = self.missing().into_iter().next().filter(|number| *number == 0);
        let Some(number) = number else { return true };
        if let Some(Ok(lender)) = self.starter.start(&Job::CardPort(number)) {
            self.lender = Some((number, lender, now + LEND_TIMEOUT));
        }
        true
    }

    /// Connects sockets to the card, so that what it sends comes to no other daemon.
    fn connect(&mut self) {
        for listener in &mut self.listeners {
            let fits = |address: &&IpAddr| address.is_ipv6() == is_ipv6(listener.number);
            let address = self.addresses.iter().find(fits).filter(|_| is_for_card(listener.number));
            if let Some(address) = address {
                // Where there is no way to the card, it is tried again; until then this one takes what any card sends.
                listener.is_connected = listener.socket.connect(SocketAddr::new(*address, 0)).is_ok();
            }
        }
    }

    fn register(&mut self, registry: &Registry) {
        for listener in &mut self.listeners {
            if !listener.is_registered {
                let token = Token(self.token.0 + STREAM_TOKENS + usize::from(listener.number));
                // One that cannot be registered is read at each deadline of the link all the same.
                listener.is_registered =
                    registry.register(&mut listener.socket, token, Interest::READABLE).is_ok();
            }
        }
    }

    fn read(&mut self, registry: &Registry, now: Instant) {
        self.again_at = None;
        let mut buffer = [0; LONGEST];
        for at in 0..self.listeners.len() {
            loop {
                let Some(listener) = self.listeners.get_mut(at) else { return };
                if !self.limit.take(now) {
                    self.rest(registry, now);
                    return;
                }
                match listener.socket.recv_from(&mut buffer) {
                    Ok((length, from)) => {
                        let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                        self.events.push_back(Event::Datagram { bytes, from });
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
        }
    }

    /// Too much comes: it waits in the kernel, which throws away what has no room, and wakes the loop no more for a while.
    fn rest(&mut self, registry: &Registry, now: Instant) {
        self.again_at = Some(now + PAUSE);
        for listener in &mut self.listeners {
            let _ = registry.deregister(&mut listener.socket);
            listener.is_registered = false;
        }
    }

    fn take_addresses(&mut self) {
        let Some(found) = self.stream.take_looked_up() else { return };
        if let Ok(found) = &found {
            self.addresses.clone_from(found);
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
        if self.listeners.is_empty() {
            self.open();
        }
        self.register(registry);
        self.read(registry, now);
        self.retry_at = Some(now + RETRY_INTERVAL);
    }

    fn ready(&mut self, registry: &Registry, token: Token, now: Instant) {
        if token.0 < self.token.0 + STREAM_TOKENS {
            self.stream.ready(registry, token, now);
        } else if self.again_at.is_none() {
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
        if self.lender.is_some() || self.retry_at.is_some_and(|at| at <= now) {
            let is_done = if self.starter.is_another() {
                self.open_by_another(now)
            } else {
                self.open();
                true
            };
            if is_done {
                self.retry_at = Some(now + RETRY_INTERVAL);
                if self.listeners.iter().any(|it| is_for_card(it.number) && !it.is_connected) {
                    self.connect();
                }
            }
            self.register(registry);
        }
        if self.again_at.is_some_and(|at| at <= now) {
            self.register(registry);
            self.read(registry, now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        // What another process answers is looked for until it is there.
        let lender = self.lender.as_ref().map(|(_, _, until)| *until - LEND_TIMEOUT + PAUSE);
        let needs = self.listeners.is_empty() || self.listeners.iter().any(|it| !it.is_connected);
        let retry = self.retry_at.filter(|_| needs);
        [self.stream.poll_timeout(), self.again_at, retry, lender].into_iter().flatten().min()
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
