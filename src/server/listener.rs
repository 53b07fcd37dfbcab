//! A listening socket that comes back by itself: what cannot be bound now is tried again.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, UdpSocket, UnixListener};
use mio::{Interest, Registry, Token};

use super::log::Log;
use super::protocol::Words;
use super::stream::Stream;
use crate::sys::job::{Job, Starter};
use crate::sys::lent::{self, Lender};
use crate::sys::local::{self, Peer};
use crate::sys::port_holder::holder_of_port;
use crate::sys::socket;
use crate::ups::Priority;

/// First and longest pause between two attempts to bind.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(60);
/// A failure that lasts is logged again after this time (nis §1).
const LOG_AGAIN: Duration = Duration::from_secs(3600);

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
    /// A socket of this machine, which somebody else has made.
    Unix,
}

impl Transport {
    /// A socket that is bound to this address, and listens.
    pub fn bind(self, address: SocketAddr) -> io::Result<OwnedFd> {
        Ok(match self {
            Self::Tcp => socket::tcp_listen(address)?.into(),
            Self::Udp => socket::udp_bind(address)?.into(),
            Self::Unix => return Err(ErrorKind::Unsupported.into()),
        })
    }
}

#[derive(Debug)]
enum Socket {
    Closed,
    /// Somebody with the rights opens it, until then at the latest.
    Asked(Lender, Instant),
    Tcp(TcpListener),
    Udp(UdpSocket),
    /// With the group whose members are told from others.
    Unix(UnixListener, Option<u32>),
}

/// One address and transport.
#[derive(Debug)]
pub(super) struct Listener {
    pub address: IpAddr,
    pub port: u16,
    pub transport: Transport,
    /// Its place among those that the settings want.
    pub number: u8,
    socket: Socket,
    token: Token,
    /// More may wait than the last turn took.
    pub again: bool,
    /// When to bind again, or to accept again after a pause.
    pub retry_at: Option<Instant>,
    pause: Duration,
    failed_at: Option<Instant>,
    /// Another program has the port.
    pub is_taken: bool,
}

impl Listener {
    pub fn new(address: IpAddr, port: u16, transport: Transport, token: Token) -> Self {
        Self {
            address,
            port,
            transport,
            number: 0,
            socket: Socket::Closed,
            token,
            again: false,
            retry_at: None,
            pause: RETRY_FIRST,
            failed_at: None,
            is_taken: false,
        }
    }

    /// One that listens already, on this machine; members of the group are told from others.
    pub fn adopted(
        socket: OwnedFd,
        group: Option<u32>,
        token: Token,
        registry: &Registry,
    ) -> io::Result<Self> {
        let mut listener = UnixListener::from_std(socket.into());
        registry.register(&mut listener, token, Interest::READABLE)?;
        let address = Ipv4Addr::LOCALHOST.into();
        let socket = Socket::Unix(listener, group);
        Ok(Self { socket, again: true, ..Self::new(address, 0, Transport::Unix, token) })
    }

    pub fn is_open(&self) -> bool {
        matches!(self.socket, Socket::Tcp(_) | Socket::Udp(_) | Socket::Unix(..))
    }

    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Closed | Socket::Asked(..) | Socket::Unix(..) => None,
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Udp(socket) => socket.local_addr().ok(),
        }
    }

    pub fn udp(&self) -> Option<&UdpSocket> {
        if let Socket::Udp(socket) = &self.socket { Some(socket) } else { None }
    }

    /// The next client; `WouldBlock` if there is none.
    pub fn accept(&self) -> io::Result<(Stream, (IpAddr, Option<Peer>))> {
        match &self.socket {
            Socket::Tcp(listener) => {
                listener.accept().map(|(stream, peer)| (Stream::Tcp(stream), (peer.ip(), None)))
            }
            Socket::Unix(listener, group) => {
                let (stream, _) = listener.accept()?;
                let peer = local::peer(&stream, *group)?;
                Ok((Stream::Unix(stream), (Ipv4Addr::LOCALHOST.into(), Some(peer))))
            }
            Socket::Closed | Socket::Asked(..) | Socket::Udp(_) => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// Binds to `port` (that of the listener, unless a free one was asked for); a failure is logged and tried again
    /// later. What this process may not bind, the starter's other process is asked for. True: it is open now.
    pub fn open(
        &mut self,
        port: u16,
        words: &Words,
        (registry, starter): (&Registry, &Starter),
        now: Instant,
        log: &mut Log,
    ) -> bool {
        let Some(bound) = self.obtain(SocketAddr::new(self.address, port), starter, now) else {
            self.retry_at = Some(now + lent::LOOK_INTERVAL);
            return false;
        };
        self.socket = Socket::Closed;
        match bound.and_then(|bound| self.register(bound, registry)) {
            Ok(socket) => {
                self.socket = socket;
                self.again = true;
                self.retry_at = None;
                self.pause = RETRY_FIRST;
                self.is_taken = false;
                if self.failed_at.take().is_some() {
                    log.say(
                        Priority::Notice,
                        format!("{}: now listening on {}", words.server, self.named(port)),
                    );
                }
                true
            }
            Err(error) => {
                self.is_taken = socket::is_taken(&error);
                self.retry_at = Some(now + self.pause);
                self.pause = (self.pause * 2).min(RETRY_LONGEST);
                if self.failed_at.is_none_or(|at| now.saturating_duration_since(at) >= LOG_AGAIN) {
                    self.failed_at = Some(now);
                    let line = format!(
                        "{}: cannot bind port {port}. ERR={} ({}; trying again)",
                        words.bind,
                        reason(&error),
                        self.named(port)
                    );
                    log.say(if self.is_excusable(&error) { Priority::Info } else { Priority::Error }, line);
                }
                false
            }
        }
    }

    /// Stops for a while, the socket kept.
    pub fn rest(&mut self, now: Instant) {
        self.again = false;
        self.retry_at = Some(now + RETRY_FIRST);
    }

    /// A bound socket; `None`: not yet.
    fn obtain(
        &mut self,
        address: SocketAddr,
        starter: &Starter,
        now: Instant,
    ) -> Option<io::Result<OwnedFd>> {
        if let Socket::Asked(lender, until) = &self.socket {
            return lender.receive().or_else(|| (now >= *until).then(|| Err(ErrorKind::TimedOut.into())));
        }
        let refused = match self.transport.bind(address) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => error,
            bound => return Some(bound),
        };
        match Lender::ask(starter, &Job::Listen(self.number)) {
            Some(lender) => {
                self.socket = Socket::Asked(lender, now + lent::TIMEOUT);
                None
            }
            None => Some(Err(refused)),
        }
    }

    fn register(&self, bound: OwnedFd, registry: &Registry) -> io::Result<Socket> {
        match self.transport {
            Transport::Tcp => {
                let mut listener = TcpListener::from_std(bound.into());
                registry.register(&mut listener, self.token, Interest::READABLE)?;
                Ok(Socket::Tcp(listener))
            }
            Transport::Udp => {
                let mut socket = UdpSocket::from_std(bound.into());
                registry.register(&mut socket, self.token, Interest::READABLE)?;
                Ok(Socket::Udp(socket))
            }
            Transport::Unix => Err(ErrorKind::Unsupported.into()),
        }
    }

    /// A machine without IPv6 cannot listen on `::1`, and nobody misses it there.
    fn is_excusable(&self, error: &io::Error) -> bool {
        self.address.is_ipv6() && self.address.is_loopback() && socket::is_without_address(error)
    }

    fn named(&self, port: u16) -> String {
        let transport = match self.transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
            Transport::Unix => "unix",
        };
        format!("{transport} {}", SocketAddr::new(self.address, port))
    }
}

/// Who is in the way, and what that means for who asks.
pub(super) fn held_port(words: &Words, port: u16) -> String {
    let holder = holder_of_port(port).and_then(|holder| holder.words());
    let holder = holder.unwrap_or_else(|| "another program".to_owned());
    format!("{}: port {port} is held by {holder}: {}", words.server, words.port_held)
}

/// The system's words without the number that Rust appends.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
