//! Any bytes as a long session of clients with the server of port 3551, over real sockets, and what must hold in each.
//!
//! The bytes choose requests and how they are cut, changes of the UPS, time, and when a client reads. Every answer must be
//! whole, those to requests in their order, and states never older than the last.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)] // what fails here is a test
#![allow(clippy::disallowed_methods)] // sockets deliver in real time

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mainsd::report::Stamp;
use mainsd::server::Settings;
use mainsd::server::nis::{Nis, Server, StatusSource};
use mainsd::wire::nis::{END, Frame, INVALID_COMMAND, Request, RequestReader, parse_frame, push_frame};
use mio::{Events, Poll, Token};

/// Clients at a time.
const CLIENTS: usize = 3;

/// What a run did, so that a test can see that it did something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    pub answers: u64,
    pub told: u64,
    pub closed: u64,
}

struct Source {
    state: u32,
}

impl StatusSource for Source {
    fn status(&mut self) -> Rc<[u8]> {
        let mut out = Vec::new();
        push_frame(&mut out, format!("STATE    : {}\n", self.state).as_bytes());
        // Long enough that a client that does not read has to be waited for.
        push_frame(&mut out, &[b'x'; 250]);
        out.extend(END);
        out.into()
    }

    fn events(&mut self) -> Rc<[u8]> {
        let mut out = Vec::new();
        push_frame(&mut out, b"an event\n");
        out.extend(END);
        out.into()
    }

    fn stamp(&mut self) -> Stamp {
        Stamp::default()
    }
}

/// One client, and what it may expect.
struct Client {
    stream: TcpStream,
    reader: RequestReader,
    /// Requests not yet answered, oldest first.
    asked: std::collections::VecDeque<Request>,
    watches: bool,
    /// It has sent what ends a connection, or the server has ended it.
    over: bool,
    received: Vec<u8>,
    state: u32,
}

struct Simulation {
    poll: Poll,
    events: Events,
    server: Server,
    source: Source,
    now: Instant,
    clients: Vec<Client>,
    summary: Summary,
}

/// Lives through `bytes`; panics if something that must hold does not.
pub fn run(bytes: &[u8]) -> Summary {
    let poll = Poll::new().unwrap();
    let settings = Settings {
        addresses: vec![Ipv4Addr::LOCALHOST.into()],
        port: 0,
        udp: false,
        allow: Box::new(|_| true),
        max_clients: CLIENTS,
    };
    let now = Instant::now();
    let mut server = Server::new(Nis::default(), settings, Token(1));
    server.open(poll.registry(), now);
    let mut world = Simulation {
        poll,
        events: Events::with_capacity(16),
        server,
        source: Source { state: 0 },
        now,
        clients: Vec::new(),
        summary: Summary::default(),
    };
    let mut rest = bytes;
    while let [op, more @ ..] = rest {
        rest = world.step(*op, more);
    }
    for client in 0..world.clients.len() {
        world.read(client);
    }
    world.summary
}

impl Simulation {
    fn step<'a>(&mut self, op: u8, rest: &'a [u8]) -> &'a [u8] {
        let (kind, who, cut) = (op & 7, usize::from(op >> 3) % CLIENTS, usize::from(op >> 5) + 1);
        while self.clients.len() <= who {
            self.connect();
        }
        if self.clients[who].over {
            self.clients.swap_remove(who);
            return rest;
        }
        let raw = &rest[..rest.len().min(usize::from(op >> 4))];
        match kind {
            0 => self.send(who, b"\0\x06status", cut),
            1 => self.send(who, b"\0\x06events\0\x04help", cut),
            2 => self.send(who, b"\0\x05watch", cut),
            3 => self.send(who, b"\0\x07clients\0\x06status\0\x06status\0\x06events", cut),
            4 => {
                // Changes that lie closer together are told together.
                self.now += Duration::from_millis(50);
                self.source.state += 1;
                self.server.push(self.now, &mut self.source);
            }
            5 => self.read(who),
            6 => {
                // Never so long that somebody is let go for it.
                self.now += Duration::from_millis(1);
                self.turn();
            }
            _ => {
                self.send(who, raw, cut);
                return &rest[raw.len()..];
            }
        }
        rest
    }

    fn connect(&mut self) {
        let address = self.server.local_addresses().next().unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        self.clients.push(Client {
            stream,
            reader: RequestReader::default(),
            asked: std::collections::VecDeque::new(),
            watches: false,
            over: false,
            received: Vec::new(),
            state: 0,
        });
        self.turn();
    }

    /// Sends bytes in pieces of this size, the server having its turn after each.
    fn send(&mut self, who: usize, bytes: &[u8], cut: usize) {
        for piece in bytes.chunks(cut) {
            let client = &mut self.clients[who];
            let sent = match client.stream.write(piece) {
                Ok(sent) => sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    client.over = true;
                    return;
                }
            };
            let mut rest = &piece[..sent];
            while !rest.is_empty() && !client.over {
                match client.reader.read(rest) {
                    Ok((taken, request)) => {
                        client.asked.extend(request);
                        rest = &rest[taken..];
                    }
                    Err(_) => client.over = true,
                }
            }
            self.turn();
            if sent < piece.len() || self.clients[who].over {
                return;
            }
        }
    }

    /// One turn of the loop.
    fn turn(&mut self) {
        let _ = self.poll.poll(&mut self.events, Some(Duration::ZERO));
        for event in &self.events {
            self.server.ready(self.poll.registry(), event, self.now, &mut self.source);
        }
        self.server.handle_timeout(self.poll.registry(), self.now, &mut self.source);
        assert!(self.server.clients() <= CLIENTS, "more clients than NISMAXCLIENTS");
    }

    /// Reads until every request of this client has its answer.
    fn read(&mut self, who: usize) {
        let timeout = Instant::now() + Duration::from_secs(20);
        loop {
            self.turn();
            let mut chunk = [0; 4096];
            let client = &mut self.clients[who];
            match client.stream.read(&mut chunk) {
                Ok(0) => client.over = true,
                Ok(n) => client.received.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => client.over = true,
            }
            self.take(who);
            let client = &self.clients[who];
            if client.over {
                self.summary.closed += 1;
                return;
            }
            if client.asked.is_empty() && client.received.is_empty() {
                return;
            }
            assert!(Instant::now() < timeout, "no answer to {:?}", client.asked);
        }
    }

    /// Takes the complete answers from what has been received.
    fn take(&mut self, who: usize) {
        let newest = self.source.state;
        let client = &mut self.clients[who];
        loop {
            let mut at = 0;
            let mut records = Vec::new();
            loop {
                match parse_frame(&client.received[at..], 1000).expect("a frame") {
                    None => return,
                    Some((Frame::End, size)) => {
                        at += size;
                        break;
                    }
                    Some((Frame::Record(record), size)) => {
                        at += size;
                        records.push(String::from_utf8_lossy(record).into_owned());
                    }
                }
            }
            client.received.drain(..at);
            self.summary.answers += 1;
            let first = records.first().map_or("", String::as_str);
            let Some(state) = first.strip_prefix("STATE    : ") else {
                let request = client.asked.pop_front();
                match request {
                    Some(Request::Events) => assert_eq!(records, ["an event\n"]),
                    Some(Request::Clients) => {
                        let known = |line: &String| {
                            ["watch ", "polling ", "other "].iter().any(|how| line.starts_with(how))
                        };
                        assert!(records.iter().all(known), "{records:?}");
                    }
                    Some(Request::Unknown) => assert_eq!(first.as_bytes(), &INVALID_COMMAND[2..19]),
                    other => panic!("an answer out of its turn, to {other:?}: {first:?}"),
                }
                continue;
            };
            assert_eq!(records.len(), 2, "answers are mixed");
            let state: u32 = state.trim_end().parse().expect("a whole state");
            assert!((client.state..=newest).contains(&state), "a state that has passed: {state}");
            client.state = state;
            match client.asked.front() {
                Some(Request::Status) => drop(client.asked.pop_front()),
                Some(Request::Watch) => {
                    client.watches = true;
                    client.asked.pop_front();
                }
                _ => {
                    assert!(client.watches, "told without having asked");
                    self.summary.told += 1;
                }
            }
        }
    }
}
