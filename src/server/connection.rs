//! One client: requests in, answers out, never waiting.

use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::protocol::{Client, Protocol, Reply};
use super::queue::State;
use super::stream::Stream;
use crate::sys::socket;

/// Answers a connection gets before others have their turn.
const ANSWERS_A_TURN: u32 = 4;
/// Reads from a connection before others have their turn.
const READS_A_TURN: u32 = 4;
/// Most bytes taken with one read, and so the longest backlog of requests that we keep; the rest waits in the kernel.
const READ_BYTES: usize = 512;

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

/// One client, with what the protocol keeps of it.
#[derive(Debug)]
pub(super) struct Connection<S> {
    pub stream: Stream,
    pub client: Client,
    pub session: S,
    /// When it entered its state, or last sent something in it.
    pub since: Instant,
    pub state: State,
    /// Set while it stands in the list of those with more to do.
    pub again: bool,
    /// When the incomplete request began.
    begun: Option<Instant>,
    /// Received but not yet looked at; empty unless the client sends faster than it reads.
    backlog: Box<[u8]>,
    /// The answer on its way, shared with everyone else who got it, and how much of it has been sent.
    answer: Option<Rc<[u8]>>,
    sent: u32,
    /// It is over when the answer has been sent.
    closing: bool,
    /// It gets output unasked.
    pub watching: bool,
    /// Something has been pushed since the answer on its way was made.
    outdated: bool,
}

impl<S> Connection<S> {
    pub fn new(stream: Stream, client: Client, session: S, greeting: Option<Rc<[u8]>>) -> Self {
        Self {
            stream,
            client,
            session,
            since: client.opened,
            state: State::Waiting,
            again: false,
            begun: None,
            backlog: Box::default(),
            answer: greeting,
            sent: 0,
            closing: false,
            watching: false,
            outdated: false,
        }
    }

    /// Whether the client has taken more than `limit` over one request.
    pub fn is_slow(&self, now: Instant, limit: Duration) -> bool {
        self.begun.is_some_and(|begun| now.saturating_duration_since(begun) > limit)
    }

    /// Does what can be done without waiting. The second value says whether the client did something that starts its
    /// time limit anew.
    pub fn advance<P: Protocol<Session = S>>(
        &mut self,
        now: Instant,
        protocol: &mut P,
        source: &mut P::Source,
    ) -> (Outcome, bool) {
        let mut touched = false;
        let mut answers = 0;
        let mut reads = 0;
        self.note_watching::<P>();
        loop {
            match self.flush() {
                Flush::Done if self.closing => return (Outcome::Close, touched),
                Flush::Done => {}
                Flush::Blocked => return (Outcome::Wait, touched),
                Flush::Broken => return (Outcome::Close, touched),
            }
            if std::mem::take(&mut self.outdated) {
                // It has taken the last answer, and has its time for the next.
                touched = true;
                self.take_push(protocol, source);
                continue;
            }
            let mut chunk = [0; READ_BYTES];
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
                let (used, reply) = protocol.handle_bytes(&mut self.session, &self.client, rest, source);
                rest = rest.get(used..).unwrap_or(&[]);
                if !matches!(reply, Reply::Nothing) || !P::is_inside(&self.session) {
                    self.begun = None;
                }
                self.note_watching::<P>();
                match reply {
                    // It would be asked the same for ever.
                    Reply::Nothing if used == 0 => return (Outcome::Close, touched),
                    Reply::Nothing => continue,
                    Reply::Send(answer) => self.tell(answer),
                    Reply::Last(answer) => {
                        self.tell(answer);
                        self.closing = true;
                    }
                    Reply::List => {
                        self.backlog = rest.into();
                        return (Outcome::List, touched);
                    }
                    Reply::Close => return (Outcome::Close, touched),
                }
                answers += 1;
                match self.flush() {
                    Flush::Done if self.closing => return (Outcome::Close, touched),
                    Flush::Done => {}
                    Flush::Blocked => {
                        self.backlog = rest.into();
                        return (Outcome::Wait, touched);
                    }
                    Flush::Broken => return (Outcome::Close, touched),
                }
            }
            if P::is_inside(&self.session) {
                let begun = *self.begun.get_or_insert(now);
                if now.saturating_duration_since(begun) > P::TIMEOUTS.request {
                    return (Outcome::Close, touched);
                }
            }
        }
        if touched && P::is_inside(&self.session) {
            socket::acknowledge_now(&self.stream);
        }
        (Outcome::Wait, touched)
    }

    /// Gives the answer to [`Outcome::List`].
    pub fn tell(&mut self, answer: Rc<[u8]>) {
        self.answer = Some(answer);
        self.sent = 0;
    }

    /// Sends a watching client what is to be pushed now; after the answer that is on its way, if there is one.
    pub fn push<P: Protocol<Session = S>>(&mut self, protocol: &mut P, source: &mut P::Source) -> Outcome {
        if self.answer.is_some() {
            self.outdated = true;
            return Outcome::Wait;
        }
        self.take_push(protocol, source);
        match self.flush() {
            Flush::Broken => Outcome::Close,
            Flush::Done | Flush::Blocked => Outcome::Wait,
        }
    }

    /// What it is doing now.
    pub fn doing<P: Protocol<Session = S>>(&self) -> State {
        if self.answer.is_some() {
            State::Writing
        } else if self.watching {
            State::Watching
        } else if P::is_inside(&self.session) {
            State::Partial
        } else {
            State::Waiting
        }
    }

    fn take_push<P: Protocol<Session = S>>(&mut self, protocol: &mut P, source: &mut P::Source) {
        self.answer = protocol.push(&mut self.session, &self.client, source);
        self.sent = 0;
        self.note_watching::<P>();
    }

    fn note_watching<P: Protocol<Session = S>>(&mut self) {
        let watches = P::watches(&self.session);
        if watches && !self.watching {
            socket::watched(&self.stream, P::TIMEOUTS.write);
        }
        self.watching = watches;
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
