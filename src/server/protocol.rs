//! What a server asks of the protocol that it speaks.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::sys::local::Peer;

/// A protocol: bytes in, answers out, without I/O and without a clock. [`super::Server`] does the rest for each protocol
/// alike: it listens, keeps to the access list, the most clients and the time limits, reads in turns, sends what is to be
/// sent, and lets go who takes nothing.
///
/// For one connection the server calls, in this order:
///
/// 1. [`Protocol::open`], once, when a client that the access list allows has been accepted;
/// 2. [`Protocol::handle_bytes`] with what has come, as often as it takes to use all of it. Each call takes bytes up to
///    the end of one request and gives one [`Reply`]. It is not called again before the kernel has taken that answer: a
///    connection holds one answer, and what its client has sent meanwhile waits in the kernel (512 bytes of it with us);
/// 3. [`Protocol::push`], if [`Protocol::watches`]: after each [`super::Server::push`], and from time to time. A client
///    that has not taken its last answer is asked about when it has, once, however often there was something to push;
/// 4. [`Protocol::handle_turn_end`] after each turn in which bytes may have come, then [`Protocol::list`] if the last
///    reply of the turn was [`Reply::List`];
/// 5. [`Protocol::handle_closed`], once.
///
/// [`Protocol::is_inside`] and [`Protocol::watches`] are asked at any time; they change only in `handle_bytes` and `push`.
///
/// A session bounds what it keeps of a request: a request that is too long ends in [`Reply::Close`] or in an answer that
/// says so. No bytes make a protocol panic.
///
/// An answer that is not there at once (the UPS has to be asked) is pushed: the session watches until it has it.
pub trait Protocol {
    /// What one connection keeps between calls; a few bytes, for there may be thousands.
    type Session;
    /// Where answers come from; lent for each call, so it can take requests as well. It never waits for the UPS.
    type Source: ?Sized;

    /// Time limits.
    const TIMEOUTS: Timeouts;
    /// The protocol's words in log lines.
    const WORDS: Words;

    /// The session of a new client, and what it is greeted with; `None`: nothing before it asks.
    fn open(&mut self, client: &Client, source: &mut Self::Source) -> (Self::Session, Option<Rc<[u8]>>);

    /// Takes bytes of a client (never none), up to the end of one request. Gives how many were taken, and what is to be done;
    /// none and [`Reply::Nothing`] closes the connection, for it would be asked the same for ever.
    fn handle_bytes(
        &mut self,
        session: &mut Self::Session,
        client: &Client,
        bytes: &[u8],
        source: &mut Self::Source,
    ) -> (usize, Reply);

    /// Whether a request has begun and is not complete: it has a time limit of its own, and its client gives its place to
    /// others first.
    fn is_inside(session: &Self::Session) -> bool;

    /// Whether it gets output unasked. It may be silent for as long as it likes, and gives its place to others last.
    fn watches(session: &Self::Session) -> bool {
        let _ = session;
        false
    }

    /// What a client that watches is sent now; `None`: nothing.
    fn push(
        &mut self,
        session: &mut Self::Session,
        client: &Client,
        source: &mut Self::Source,
    ) -> Option<Rc<[u8]>> {
        let _ = (session, client, source);
        None
    }

    /// The answer to a request that [`Reply::List`] was the reply to, from all who are connected.
    fn list<'a>(
        &mut self,
        connected: impl Iterator<Item = Connected<'a, Self::Session>> + Clone,
        now: Instant,
        source: &mut Self::Source,
    ) -> Rc<[u8]>
    where
        Self::Session: 'a,
    {
        let _ = (connected, now, source);
        Rc::default()
    }

    /// The turn of a connection is over, for now or for ever.
    fn handle_turn_end(&mut self, session: &mut Self::Session, client: &Client, now: Instant) {
        let _ = (session, client, now);
    }

    /// The connection is gone, whoever ended it; not told when the whole server closes.
    fn handle_closed(&mut self, session: &Self::Session, client: &Client) {
        let _ = (session, client);
    }

    /// The answer to a datagram of at most 32 bytes, or to the beginning of a longer one; `None`: none, which is right for
    /// all that is no request, errors included (two servers would answer each other for ever).
    fn answer_datagram(&mut self, datagram: &[u8], source: &mut Self::Source) -> Option<Rc<[u8]>> {
        let _ = (datagram, source);
        None
    }
}

/// What is to be done after a call of [`Protocol::handle_bytes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing: the request is not complete, or has no answer, or one that will be pushed.
    Nothing,
    /// Sending this answer.
    Send(Rc<[u8]>),
    /// Sending this answer, and closing when the kernel has taken it. What the client sends after its request is not read; one
    /// that goes on sending may miss the end of the answer.
    Last(Rc<[u8]>),
    /// Sending the answer that [`Protocol::list`] makes.
    List,
    /// Closing at once.
    Close,
}

/// Whom a connection belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Its address; with a peer: loopback.
    pub address: IpAddr,
    /// Who it is, if it has come by a socket of this machine.
    pub peer: Option<Peer>,
    /// When it was accepted.
    pub opened: Instant,
}

/// One connection, for [`Protocol::list`].
#[derive(Clone, Copy, Debug)]
pub struct Connected<'a, S> {
    /// Whose it is.
    pub client: &'a Client,
    /// Its session.
    pub session: &'a S,
    /// It is the one that gets the list.
    pub is_asking: bool,
}

/// How long what may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// A client that sends nothing for this long, unless it watches, is disconnected.
    pub idle: Duration,
    /// A client that has not taken an answer after this time is disconnected.
    pub write: Duration,
    /// One request may take this long, however busily its bytes come.
    pub request: Duration,
    /// A client that takes longer over one request gives its place to another before any idle one does.
    pub slow_request: Duration,
    /// A client that watches hears from us at least this often.
    pub push_again: Duration,
    /// Pushes closer together than this become one, once it is over.
    pub push_apart: Duration,
}

/// How log lines name a server, and the directives it obeys.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// The server, as it begins a line.
    pub server: &'static str,
    /// What begins the line about a port that cannot be bound.
    pub bind: &'static str,
    /// The directive of [`super::Settings::addresses`].
    pub addresses: &'static str,
    /// The directive of [`super::Settings::allow`].
    pub allow: &'static str,
    /// The directive of [`super::Settings::max_clients`].
    pub max_clients: &'static str,
    /// What it means for users that another program has the port.
    pub port_held: &'static str,
}
