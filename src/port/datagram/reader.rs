//! A UDP socket in the loop, and what others may cost that send to it.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};

use crate::sys::{self, socket};
use crate::ups::RateLimit;

/// What the other end may cost: so many portions at once, and one more each 4 ms, 64 kB a second. A datagram takes a portion for each
/// 256 bytes, and one at least. An answer of an agent takes 2 to 6.
const PORTIONS: RateLimit = RateLimit::new(256, Duration::from_millis(4));
const PORTION_BYTES: usize = 256;
/// When the portions are used up, so many are waited for.
const PORTIONS_PAUSE: Duration = Duration::from_millis(64);
/// Longest datagram that is read whole, in bytes; the rest of a longer one is lost.
const DATAGRAM_BYTES: usize = 8192;
/// What the kernel keeps of what has come and not been read: after a flood, what is read next is no older than a second.
const KERNEL_BUFFER: usize = 64 * 1024;

/// How reading has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Nothing is left, or the rest waits for its time.
    Done,
    /// The system says that the socket is of no use: nobody listens at the peer, or no network leads there.
    Failed(String),
}

/// One socket, or none.
#[derive(Debug)]
pub(super) struct Reader {
    token: Token,
    socket: Option<UdpSocket>,
    portions: RateLimit,
    /// Until then nothing is read, for too much has been.
    again: Option<Instant>,
}

impl Reader {
    pub(super) const fn new(token: Token) -> Self {
        Self { token, socket: None, portions: PORTIONS, again: None }
    }

    pub(super) fn open(&mut self, socket: StdSocket, registry: &Registry) -> io::Result<()> {
        socket::limit_receive_buffer(&socket, KERNEL_BUFFER);
        let mut socket = UdpSocket::from_std(socket);
        registry.register(&mut socket, self.token, Interest::READABLE)?;
        self.socket = Some(socket);
        Ok(())
    }

    pub(super) const fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    pub(super) fn close(&mut self, registry: &Registry) {
        if let Some(mut socket) = self.socket.take() {
            // Fails only for a descriptor that is gone already, or rests.
            let _ = registry.deregister(&mut socket);
        }
        self.again = None;
    }

    /// The pause is over.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.again.is_some_and(|at| at <= now)
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.again
    }

    /// Reads what has come, within its portions.
    pub(super) fn read(
        &mut self,
        registry: &Registry,
        now: Instant,
        mut take: impl FnMut(Vec<u8>, SocketAddr),
    ) -> Read {
        let Some(socket) = &mut self.socket else { return Read::Done };
        if let Some(at) = self.again {
            if now < at {
                return Read::Done;
            }
            self.again = None;
            // One that cannot be registered is read at the link's next deadline all the same.
            let _ = registry.register(socket, self.token, Interest::READABLE);
        }
        let mut buffer = [0; DATAGRAM_BYTES];
        while self.portions.is_there(now) {
            match socket.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    let portions = length.div_ceil(PORTION_BYTES).max(1);
                    self.portions.take_up_to(u32::try_from(portions).unwrap_or(u32::MAX), now);
                    take(buffer.get(..length).unwrap_or_default().to_vec(), from);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Read::Done,
                // Each costs a portion too: a socket that does nothing but fail must not keep the loop busy.
                Err(error) if error.kind() == ErrorKind::Interrupted => _ = self.portions.take(now),
                Err(error) => {
                    self.portions.take(now);
                    return Read::Failed(sys::reason(&error));
                }
            }
        }
        // What comes meanwhile waits in the kernel, and what it has no place for is lost; it must not wake the loop either.
        self.again = Some(now + PORTIONS_PAUSE);
        let _ = registry.deregister(socket);
        Read::Done
    }

    /// Sends to the peer. `Err`: the socket is of no use.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<(), String> {
        let Some(socket) = &self.socket else { return Ok(()) };
        match socket.send(bytes) {
            Ok(_) => Ok(()),
            // A datagram may get lost; the link asks again.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(()),
            Err(error) => Err(sys::reason(&error)),
        }
    }

    /// Sends to somebody.
    pub(super) fn answer(&self, bytes: &[u8], to: SocketAddr) {
        if let Some(socket) = &self.socket {
            // A datagram may get lost; the other end asks again.
            let _ = socket.send_to(bytes, to);
        }
    }
}
