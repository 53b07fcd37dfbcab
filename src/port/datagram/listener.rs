//! A socket that listens at a port, bound before this process gives up its rights. One that could not be bound is asked of another
//! process from time to time.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdSocket};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use super::reader::Reader;
use crate::sys::job::{Job, Starter};
use crate::sys::lent::{self, Lender};
use crate::sys::port_holder::holder_of_port;
use crate::sys::{reason, socket};

/// Between two tries.
const AGAIN: Duration = Duration::from_secs(60);

/// The addresses that are listened at, by the number of their listener.
const ADDRESSES: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];

/// One address.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) port: u16,
    number: u8,
    pub(super) reader: Reader,
    /// Bound, but not yet in the loop.
    bound: Option<StdSocket>,
    /// Why there is none, in words for the log. A machine without addresses of its kind misses none.
    pub(super) failed: Option<String>,
    /// Another process binds it, until then at the latest.
    asked: Option<(Lender, Instant)>,
    retry_at: Option<Instant>,
    /// Who has the port has been looked for.
    is_holder_known: bool,
}

impl Listener {
    /// One for each kind of addresses.
    pub(super) fn both(port: u16, token: Token) -> impl Iterator<Item = Self> {
        [0, 1].into_iter().map(move |number: u8| Self {
            port,
            number,
            reader: Reader::new(Token(token.0 + usize::from(number))),
            bound: None,
            failed: None,
            asked: None,
            retry_at: None,
            is_holder_known: false,
        })
    }

    pub(super) fn is_bound(&self) -> bool {
        self.reader.is_open() || self.bound.is_some()
    }

    /// Whether datagrams to this address leave from here.
    pub(super) fn is_of_family(&self, to: SocketAddr) -> bool {
        to.is_ipv6() == (self.number == 1)
    }

    /// Binds it, if this process may.
    pub(super) fn bind_here(&mut self) {
        match bind(self.port, self.number) {
            Ok(socket) => (self.bound, self.failed) = (Some(socket), None),
            Err(error) => self.note(&error),
        }
    }

    pub(super) fn start(&mut self, registry: &Registry, now: Instant) {
        if let Some(socket) = self.bound.take() {
            if let Err(error) = self.reader.open(socket, registry) {
                self.note(&error);
            }
        }
        self.retry_at = self.failed.as_ref().map(|_| now + AGAIN);
    }

    /// A deadline may have passed; early calls do nothing.
    pub(super) fn handle_timeout(&mut self, starter: &Starter, registry: &Registry, now: Instant) {
        if self.retry_at.is_none_or(|at| now < at) {
            return;
        }
        let Some(bound) = self.obtain(starter, now) else {
            self.retry_at = Some(now + lent::LOOK_INTERVAL);
            return;
        };
        self.asked = None;
        self.retry_at = None;
        match bound.and_then(|socket| self.reader.open(socket.into(), registry)) {
            Ok(()) => self.failed = None,
            Err(error) => {
                self.note(&error);
                self.retry_at = Some(now + AGAIN);
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        crate::ups::earliest(&[self.retry_at, self.reader.poll_timeout()])
    }

    /// A bound socket; `None`: not yet.
    fn obtain(&mut self, starter: &Starter, now: Instant) -> Option<io::Result<OwnedFd>> {
        if let Some((lender, until)) = &self.asked {
            return lender.receive().or_else(|| (now >= *until).then(|| Err(ErrorKind::TimedOut.into())));
        }
        let refused = match bind(self.port, self.number) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => error,
            bound => return Some(bound.map(OwnedFd::from)),
        };
        match Lender::ask(starter, &Job::ListenForDriver(self.number)) {
            Some(lender) => {
                self.asked = Some((lender, now + lent::TIMEOUT));
                None
            }
            None => Some(Err(refused)),
        }
    }

    fn note(&mut self, error: &io::Error) {
        if socket::is_without_address(error) {
            self.failed = None;
            return;
        }
        let port = self.port;
        // What another process says is not seen from here. To look who has it takes long, so once.
        if socket::is_taken(error) && !self.is_holder_known {
            self.is_holder_known = true;
            let holder = holder_of_port(port).and_then(|holder| holder.words());
            let holder = holder.unwrap_or_else(|| "another program".to_owned());
            self.failed = Some(format!("UDP port {port} is held by {holder}"));
        } else if !(socket::is_taken(error) && self.failed.is_some()) {
            self.failed = Some(format!("UDP port {port} cannot be listened at: {}", reason(error)));
        }
    }
}

fn bind(port: u16, number: u8) -> io::Result<StdSocket> {
    let address = ADDRESSES.get(usize::from(number)).ok_or(ErrorKind::NotFound)?;
    socket::udp_bind(SocketAddr::new(*address, port))
}

/// Binds the listener with this number at this port, for who has the other end of the socket.
pub fn lend(port: u16, number: u8, socket: BorrowedFd<'_>) {
    lent::lend(&bind(port, number).map(OwnedFd::from), socket);
}
