//! One outgoing TCP connection at a time, non-blocking.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::bus::stream::Event;
use crate::sys::{self, socket};
use crate::ups::RateLimit;

/// What the other end may cost: so many portions at once, and one more each 4 ms, 64 kB a second. A read takes a portion for
/// each 256 bytes, and one at least, so that single bytes cost as much. An answer of apcupsd takes 92 at most, if each piece of it
/// comes by itself.
const PORTIONS: RateLimit = RateLimit::new(256, Duration::from_millis(4));
const PORTION_BYTES: usize = 256;
/// What is read in one go.
const READ_BYTES: usize = 4096;
/// When the portions are used up, so many are waited for.
const PORTIONS_PAUSE: Duration = Duration::from_millis(64);
/// What the kernel keeps of what has come and not been read: after a flood, what is read next is no older than a second.
const KERNEL_BUFFER: usize = 64 * 1024;

/// The client end of a connection. All calls of an owner of one token.
#[derive(Debug)]
pub struct TcpClient {
    token: Token,
    stream: Option<TcpStream>,
    connected: bool,
    /// Addresses still to be tried.
    rest: VecDeque<SocketAddr>,
    /// Longest wait for each of them.
    timeout: Duration,
    deadline: Option<Instant>,
    out: Vec<u8>,
    portions: RateLimit,
    /// Until then nothing is read, for too much has been.
    again: Option<Instant>,
    events: VecDeque<Event>,
}

impl TcpClient {
    /// A client without a connection, whose descriptor will have this token.
    #[must_use]
    pub const fn new(token: Token) -> Self {
        Self {
            token,
            stream: None,
            connected: false,
            rest: VecDeque::new(),
            timeout: Duration::ZERO,
            deadline: None,
            out: Vec::new(),
            portions: PORTIONS,
            again: None,
            events: VecDeque::new(),
        }
    }

    /// Connects to the first of these addresses that accepts within `timeout` each. What was connected before is closed.
    pub fn connect(
        &mut self,
        registry: &Registry,
        addresses: &[SocketAddr],
        timeout: Duration,
        now: Instant,
    ) {
        self.close(registry);
        self.rest = addresses.iter().copied().collect();
        self.timeout = timeout;
        self.try_next(registry, "no address".to_owned(), now);
    }

    /// Sends these bytes, after those that wait.
    pub fn send(&mut self, registry: &Registry, bytes: &[u8]) {
        if self.connected {
            self.out.extend_from_slice(bytes);
            self.write(registry);
        }
    }

    /// Closes what there is. Events that have not been taken are dropped.
    pub fn close(&mut self, registry: &Registry) {
        self.drop_stream(registry);
        self.rest.clear();
        self.events.clear();
    }

    /// The descriptor is ready.
    pub fn ready(&mut self, registry: &Registry, now: Instant) {
        if self.stream.is_none() {
            return;
        }
        if !self.connected {
            match self.is_connected() {
                Ok(true) => {
                    self.connected = true;
                    self.deadline = None;
                    self.rest.clear();
                    self.events.push_back(Event::Connected);
                }
                Ok(false) => return,
                Err(error) => return self.try_next(registry, sys::reason(&error), now),
            }
        }
        self.write(registry);
        if self.again.is_none() {
            self.read(registry, now);
        }
    }

    /// A deadline may have passed; early calls do nothing.
    pub fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        if self.again.is_some_and(|at| at <= now) {
            self.listen(registry, Interest::READABLE | Interest::WRITABLE);
            self.read(registry, now);
        }
        if self.deadline.is_some_and(|at| at <= now) {
            // It may have been accepted in time.
            self.ready(registry, now);
        }
        if self.deadline.is_some_and(|at| at <= now) {
            self.try_next(registry, "Connection timed out".to_owned(), now);
        }
    }

    /// The next deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        crate::ups::earliest(&[self.deadline, self.again])
    }

    /// What has happened; call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next address, or the end: `reason` says why the one before was given up.
    fn try_next(&mut self, registry: &Registry, mut reason: String, now: Instant) {
        self.drop_stream(registry);
        while let Some(address) = self.rest.pop_front() {
            let opened = TcpStream::connect(address).and_then(|mut stream| {
                registry.register(&mut stream, self.token, Interest::READABLE | Interest::WRITABLE)?;
                Ok(stream)
            });
            match opened {
                Ok(stream) => {
                    self.stream = Some(stream);
                    self.deadline = Some(now + self.timeout);
                    return;
                }
                Err(error) => reason = sys::reason(&error),
            }
        }
        self.events.push_back(Event::Closed(reason));
    }

    fn is_connected(&self) -> io::Result<bool> {
        let Some(stream) = &self.stream else { return Ok(false) };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => {
                // A request must not wait for an acknowledgement of anything. What the kernel thinks of it is its own.
                let _ = stream.set_nodelay(true);
                socket::limit_receive_buffer(stream, KERNEL_BUFFER);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, registry: &Registry) {
        let Some(stream) = self.stream.as_mut().filter(|_| self.connected) else { return };
        while !self.out.is_empty() {
            match stream.write(&self.out) {
                Ok(n) => drop(self.out.drain(..n.min(self.out.len()))),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return self.end(registry, sys::reason(&error)),
            }
        }
    }

    fn read(&mut self, registry: &Registry, now: Instant) {
        self.again = None;
        let mut chunk = [0; READ_BYTES];
        while self.portions.is_there(now) {
            let Some(stream) = self.stream.as_mut().filter(|_| self.connected) else { return };
            match stream.read(&mut chunk) {
                Ok(0) => return self.end(registry, "the connection was closed".to_owned()),
                Ok(n) => {
                    self.portions
                        .take_up_to(u32::try_from(n.div_ceil(PORTION_BYTES)).unwrap_or(u32::MAX), now);
                    let bytes = chunk.get(..n).unwrap_or_default();
                    if let Some(Event::Bytes(last)) = self.events.back_mut() {
                        last.extend_from_slice(bytes);
                    } else {
                        self.events.push_back(Event::Bytes(bytes.to_vec()));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return self.end(registry, sys::reason(&error)),
            }
        }
        // What comes meanwhile waits in the kernel, and then at the other end; it must not wake the loop either.
        self.again = Some(now + PORTIONS_PAUSE);
        self.listen(registry, Interest::WRITABLE);
    }

    fn listen(&mut self, registry: &Registry, interest: Interest) {
        if let Some(stream) = &mut self.stream {
            // One that cannot be registered is read at the next deadline all the same.
            let _ = registry.reregister(stream, self.token, interest);
        }
    }

    fn end(&mut self, registry: &Registry, reason: String) {
        self.drop_stream(registry);
        self.rest.clear();
        self.events.push_back(Event::Closed(reason));
    }

    fn drop_stream(&mut self, registry: &Registry) {
        if let Some(mut stream) = self.stream.take() {
            // Both fail only for a descriptor that is gone already.
            let _ = registry.deregister(&mut stream);
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.connected = false;
        self.deadline = None;
        self.again = None;
        self.out.clear();
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "sockets go by the real clock")]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::net::TcpListener;

    /// Turns the client's loop until there is an event.
    fn next(poll: &mut Poll, client: &mut TcpClient) -> Event {
        let limit = Instant::now() + Duration::from_secs(30);
        let mut events = Events::with_capacity(8);
        loop {
            if let Some(event) = client.poll_event() {
                return event;
            }
            let now = Instant::now();
            assert!(now < limit, "no event");
            let until = client.poll_timeout().unwrap_or(limit).min(limit);
            crate::sys::poll_through_signals(poll, &mut events, until.saturating_duration_since(now));
            if !events.is_empty() {
                client.ready(poll.registry(), Instant::now());
            }
            client.handle_timeout(poll.registry(), Instant::now());
        }
    }

    fn setup() -> (Poll, TcpClient) {
        (Poll::new().unwrap(), TcpClient::new(Token(7)))
    }

    const TIMEOUT: Duration = Duration::from_secs(20);

    /// The near end of a connection: nobody listens there, and no test beside this one can be given its port.
    fn nobody() -> std::net::TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap()
    }

    #[test]
    fn the_second_address_is_used_where_the_first_refuses_and_bytes_go_both_ways() {
        let (mut poll, mut client) = setup();
        let nobody = nobody();
        let refused = nobody.local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        client.connect(poll.registry(), &[refused, address], TIMEOUT, Instant::now());
        assert_eq!(next(&mut poll, &mut client), Event::Connected);
        client.send(poll.registry(), b"ping");
        let (mut server, _) = listener.accept().unwrap();
        let mut got = [0; 4];
        server.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"ping");
        server.write_all(b"pong").unwrap();
        assert_eq!(next(&mut poll, &mut client), Event::Bytes(b"pong".to_vec()));
        drop(server);
        assert_eq!(next(&mut poll, &mut client), Event::Closed("the connection was closed".into()));
        assert_eq!(client.poll_timeout(), None);
    }

    #[test]
    fn where_nobody_listens_the_reason_is_that_of_the_system() {
        let (mut poll, mut client) = setup();
        let nobody = nobody();
        let refused = nobody.local_addr().unwrap();
        client.connect(poll.registry(), &[refused], TIMEOUT, Instant::now());
        assert_eq!(next(&mut poll, &mut client), Event::Closed("Connection refused".into()));
        client.connect(poll.registry(), &[], TIMEOUT, Instant::now());
        assert_eq!(next(&mut poll, &mut client), Event::Closed("no address".into()));
    }

    #[test]
    fn an_address_that_does_not_answer_is_given_up_at_its_deadline() {
        let (poll, mut client) = setup();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Nobody accepts, and no more can wait for it.
        let timeout = Duration::from_millis(200);
        let waiting = std::iter::from_fn(|| std::net::TcpStream::connect_timeout(&address, timeout).ok());
        let _waiting: Vec<_> = waiting.collect();
        let now = Instant::now();
        client.connect(poll.registry(), &[address], TIMEOUT, now);
        client.handle_timeout(poll.registry(), now + TIMEOUT - Duration::from_millis(1));
        assert_eq!(client.poll_event(), None);
        client.handle_timeout(poll.registry(), now + TIMEOUT);
        assert_eq!(client.poll_event(), Some(Event::Closed("Connection timed out".into())));
    }
}
