//! What a server does, by a clock that the test turns; the sockets are real.
#![allow(clippy::disallowed_methods, reason = "sockets deliver in real time")]

mod clients;
mod deadlines;
mod echo;
mod watching;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use mio::{Events, Poll};

use super::connection::Connection;
use super::nis::{Nis, StatusSource};
use super::queue::State;
use super::*;
use crate::report::Stamp;

struct Source(Rc<[u8]>);

impl StatusSource for Source {
    fn status(&mut self) -> Rc<[u8]> {
        Rc::clone(&self.0)
    }

    fn events(&mut self) -> Rc<[u8]> {
        Rc::from(&[0, 0][..])
    }

    fn stamp(&mut self) -> Stamp {
        Stamp::new(1_795_230_596, 3600)
    }
}

/// Lends a protocol its source.
trait Lend<P: Protocol> {
    fn lend(&mut self) -> &mut P::Source;
}

impl Lend<Nis> for Source {
    fn lend(&mut self) -> &mut (dyn StatusSource + 'static) {
        self
    }
}

/// TCP only: at a free port, which datagrams of others may have.
fn settings(max_clients: usize) -> Settings {
    Settings {
        addresses: vec![Ipv4Addr::LOCALHOST.into()],
        port: 0,
        udp: false,
        allow: Box::new(|_| true),
        max_clients,
    }
}

/// A server and its loop.
struct Bench<P: Protocol = Nis, S = Source> {
    poll: Poll,
    server: Server<P>,
    source: S,
    now: Instant,
    probe: (TcpStream, TcpStream),
}

impl Bench {
    /// Of port 3551; the answer to `status` has so many bytes.
    fn new(max_clients: usize, answer: usize) -> Self {
        Self::of(Nis::default(), Source(vec![b'x'; answer].into()), settings(max_clients))
    }

    /// The UPS changes, some time after the last change, and those who watch are told.
    fn change(&mut self, answer: &[u8]) {
        self.now += Nis::TIMEOUTS.push_apart;
        self.source.0 = answer.into();
        self.server.push(self.now, &mut self.source);
        self.settle();
    }
}

impl<P: Protocol, S: Lend<P>> Bench<P, S> {
    fn of(protocol: P, source: S, settings: Settings) -> Self {
        let poll = Poll::new().unwrap();
        let now = Instant::now();
        let mut server = Server::new(protocol, settings, Token(10));
        server.open(poll.registry(), now);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let probe = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let probe = (probe, listener.accept().unwrap().0);
        Self { poll, server, source, now, probe }
    }

    /// A client; it has sent these bytes, and the server has seen them.
    fn client(&mut self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.local_addresses().next().unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        self.settle();
        stream
    }

    fn send(&mut self, stream: &mut TcpStream, bytes: &[u8]) {
        stream.write_all(bytes).unwrap();
        self.settle();
    }

    /// Waits until the kernel has delivered what was sent before, which on a busy machine takes its time: it keeps the order.
    fn deliver(&mut self) {
        self.probe.0.write_all(b"x").unwrap();
        self.probe.1.read_exact(&mut [0]).unwrap();
    }

    /// Turns the loop until the sockets have nothing more to tell.
    fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 2 {
            self.deliver();
            let silent = self.turn(20);
            quiet = if silent && self.wait() != Some(0.0) { quiet + 1 } else { 0 };
        }
    }

    /// Turns the loop until nobody is connected: a busy machine may be late to tell that a client has gone.
    fn wait_until_empty(&mut self) {
        while self.server.clients() > 0 {
            self.deliver();
            self.turn(20);
        }
    }

    /// Turns the loop once; whether there was nothing within so many milliseconds.
    fn turn(&mut self, milliseconds: u64) -> bool {
        let mut events = Events::with_capacity(64);
        crate::sys::poll_through_signals(&mut self.poll, &mut events, Duration::from_millis(milliseconds));
        for event in &events {
            self.server.ready(self.poll.registry(), event, self.now, self.source.lend());
        }
        self.server.handle_timeout(self.poll.registry(), self.now, self.source.lend());
        events.is_empty()
    }

    fn advance(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
        self.server.handle_timeout(self.poll.registry(), self.now, self.source.lend());
    }

    /// Seconds until the server wants to be woken.
    fn wait(&self) -> Option<f64> {
        self.server.poll_timeout().map(|at| at.saturating_duration_since(self.now).as_secs_f64())
    }
}

/// Closes a connection for certain: were it only dropped, a process that another test starts could hold it for a while.
fn close(stream: &TcpStream) {
    stream.shutdown(Shutdown::Both).unwrap();
}

/// Whether the server closes this connection without another byte.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 4096]) {
        Ok(n) => n == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

const WATCH: &[u8] = b"\0\x05watch";

fn take<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Nothing more has come; what is on its way: [`Bench::deliver`].
fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let silent = stream.read(&mut [0; 64]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    stream.set_nonblocking(false).unwrap();
    silent
}
