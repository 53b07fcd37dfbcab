//! One client: requests in, answers out, never waiting.

use std::io::{ErrorKind, Read, Write};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use super::StatusSource;
use super::queue::State;
use crate::sys::socket;
use crate::wire::nis::{INVALID_COMMAND, Request, RequestReader};

/// Answers a connection gets before others have their turn.
const ANSWERS_A_TURN: u32 = 4;
/// Reads from a connection before others have their turn.
const READS_A_TURN: u32 = 4;
/// Most bytes taken with one read, and so the longest backlog of requests that we keep; the rest waits in the kernel.
const CHUNK: usize = 512;
/// A single request may take this long, however busily its bytes drip in.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);

/// What is to become of a connection after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It waits for the client.
    Wait,
    /// It has more to do that no event will announce.
    Again,
    /// It wants to know who is connected, and goes on when it has been told.
    List,
    /// It is over.
    Close,
}

/// One client.
#[derive(Debug)]
pub(super) struct Connection {
    pub stream: TcpStream,
    pub peer: IpAddr,
    /// When it entered its state, or last sent something in it.
    pub since: Instant,
    pub state: State,
    /// When it was accepted.
    pub opened: Instant,
    /// Requests since the server looked last, and how often the status was asked for in all.
    pub heard: bool,
    pub asked: u32,
    /// Set while it stands in the list of those with more to do.
    pub again: bool,
    /// When the incomplete request began.
    begun: Option<Instant>,
    reader: RequestReader,
    /// Received but not yet looked at; empty unless the client sends faster than it reads.
    backlog: Box<[u8]>,
    /// The answer on its way, shared with everyone else who got it, and how much of it has been sent.
    answer: Option<Rc<[u8]>>,
    sent: u32,
    /// It has asked to be told of changes.
    pub watching: bool,
    /// Something has changed since the answer on its way was made.
    outdated: bool,
}

impl Connection {
    pub fn new(stream: TcpStream, peer: IpAddr, now: Instant) -> Self {
        Self {
            stream,
            peer,
            since: now,
            state: State::Waiting,
            opened: now,
            heard: false,
            asked: 0,
            again: false,
            begun: None,
            reader: RequestReader::default(),
            backlog: Box::default(),
            answer: None,
            sent: 0,
            watching: false,
            outdated: false,
        }
    }

    /// Whether it polls on this connection: it has asked for the status again, and does not watch. It is there for as long as
    /// the connection is.
    pub const fn keeps_polling(&self) -> bool {
        self.asked > 1 && !self.watching
    }

    /// Whether the client has taken more than `limit` over one request.
    pub fn dawdles(&self, now: Instant, limit: Duration) -> bool {
        self.begun.is_some_and(|begun| now.saturating_duration_since(begun) > limit)
    }

    /// Does what can be done without waiting. The second value says whether the client did something that starts its
    /// time limit anew.
    pub fn advance(&mut self, now: Instant, source: &mut dyn StatusSource) -> (Outcome, bool) {
        let mut touched = false;
        let mut answers = 0;
        let mut reads = 0;
        loop {
            match self.flush() {
                Flush::Done => {}
                Flush::Blocked => return (Outcome::Wait, touched),
                Flush::Broken => return (Outcome::Close, touched),
            }
            if std::mem::take(&mut self.outdated) {
                // It has taken the last answer, and has its time for the next.
                touched = true;
                self.tell(source.status());
                continue;
            }
            let mut chunk = [0; CHUNK];
            let taken = std::mem::take(&mut self.backlog);
            let bytes: &[u8] = if taken.is_empty() {
                if reads == READS_A_TURN {
                    return (Outcome::Again, touched);
                }
                reads += 1;
                match self.stream.read(&mut chunk) {
                    Ok(0) => return (Outcome::Close, touched),
                    Ok(n) => chunk.get(..n).unwrap_or(&[]),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                    Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                    Err(_) => return (Outcome::Close, touched),
                }
            } else {
                &taken
            };
            touched = true;
            let mut rest = bytes;
            while !rest.is_empty() {
                if answers == ANSWERS_A_TURN {
                    self.backlog = rest.into();
                    return (Outcome::Again, touched);
                }
                let Ok((used, request)) = self.reader.read(rest) else { return (Outcome::Close, touched) };
                rest = rest.get(used..).unwrap_or(&[]);
                let Some(request) = request else { continue };
                answers += 1;
                self.begun = None;
                if request == Request::Watch && !self.watching {
                    self.watching = true;
                    socket::watched(&self.stream, super::WRITE_LIMIT);
                }
                self.heard |= request != Request::Clients;
                self.asked = self.asked.saturating_add(u32::from(request == Request::Status));
                self.answer = Some(match request {
                    Request::Status | Request::Watch => source.status(),
                    Request::Events => source.events(),
                    Request::Clients if self.peer.is_loopback() => {
                        self.backlog = rest.into();
                        return (Outcome::List, touched);
                    }
                    Request::Clients | Request::Unknown => Rc::from(INVALID_COMMAND),
                });
                self.sent = 0;
                match self.flush() {
                    Flush::Done => {}
                    Flush::Blocked => {
                        self.backlog = rest.into();
                        return (Outcome::Wait, touched);
                    }
                    Flush::Broken => return (Outcome::Close, touched),
                }
            }
            if self.reader.is_inside() {
                let begun = *self.begun.get_or_insert(now);
                if now.saturating_duration_since(begun) > REQUEST_LIMIT {
                    return (Outcome::Close, touched);
                }
            }
        }
        if touched && self.reader.is_inside() {
            socket::acknowledge_now(&self.stream);
        }
        (Outcome::Wait, touched)
    }

    /// Gives the answer to [`Outcome::List`].
    pub fn tell(&mut self, answer: Rc<[u8]>) {
        self.answer = Some(answer);
        self.sent = 0;
    }

    /// Tells a watching client what is true now; after the answer that is on its way, if there is one.
    pub fn push(&mut self, source: &mut dyn StatusSource) -> Outcome {
        if self.answer.is_some() {
            self.outdated = true;
            return Outcome::Wait;
        }
        self.tell(source.status());
        match self.flush() {
            Flush::Broken => Outcome::Close,
            Flush::Done | Flush::Blocked => Outcome::Wait,
        }
    }

    /// What it is doing now.
    pub fn doing(&self) -> State {
        if self.answer.is_some() {
            State::Writing
        } else if self.watching {
            State::Watching
        } else if self.reader.is_inside() {
            State::Partial
        } else {
            State::Waiting
        }
    }

    fn flush(&mut self) -> Flush {
        while let Some(answer) = &self.answer {
            let rest = answer.get(self.sent as usize..).unwrap_or(&[]);
            if rest.is_empty() {
                self.answer = None;
                break;
            }
            match self.stream.write(rest) {
                Ok(0) => return Flush::Broken,
                Ok(n) => self.sent = self.sent.saturating_add(u32::try_from(n).unwrap_or(u32::MAX)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Flush::Blocked,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Flush::Broken,
            }
        }
        Flush::Done
    }
}

enum Flush {
    Done,
    Blocked,
    Broken,
}
