//! The protocol of port 3551, over TCP and in datagrams (nis, mainsd-nis(7)). Answers come from a [`StatusSource`].

mod cache;
mod clients;
mod events;
mod poller_table;

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::protocol::{Client, Connected, Protocol, Reply, Timeouts, Words};
use crate::report::Stamp;
use crate::wire::nis::{INVALID_COMMAND, Request, RequestReader};
use poller_table::PollerTable;

pub use cache::Cache;
pub use events::EventsTail;

/// The server of port 3551.
pub type Server = super::Server<Nis>;

/// Where answers come from. The daemon implements it over its snapshot and the last events.
pub trait StatusSource {
    /// The complete framed answer to `status`, ready to send (nis §2, §5).
    fn status(&mut self) -> Rc<[u8]>;
    /// The complete framed answer to `events` (nis §6).
    fn events(&mut self) -> Rc<[u8]>;
    /// Wall time now, to be shown.
    fn stamp(&mut self) -> Stamp;
}

/// What is known of all clients together.
#[derive(Debug, Default)]
pub struct Nis {
    pollers: PollerTable,
    /// One who may be a slave has come or gone since [`Server::take_came_or_went`].
    came_or_went: bool,
}

/// What is known of one connection.
#[derive(Debug, Default)]
pub struct Session {
    reader: RequestReader,
    /// How often the status was asked for.
    asked: u32,
    /// Since the turn began: it has asked something that shows who it is; the first status was among it.
    heard: bool,
    anew: bool,
    /// It has asked to be told of changes.
    watches: bool,
}

impl Session {
    /// Whether it polls on this connection: it has asked for the status again, and does not watch. It is there for as long as
    /// the connection is.
    const fn keeps_polling(&self) -> bool {
        self.asked > 1 && !self.watches
    }
}

impl Protocol for Nis {
    type Session = Session;
    type Source = dyn StatusSource;

    const TIMEOUTS: Timeouts = Timeouts {
        // nis §4.
        idle: Duration::from_secs(15),
        write: Duration::from_secs(15),
        request: Duration::from_secs(60),
        // A request has 8 bytes.
        slow_request: Duration::from_secs(2),
        // 10 s in mainsd-nis(7); the rest is for a loop that is busy.
        push_again: Duration::from_millis(9500),
        // A UPS that says something else at each moment must not cost each of a thousand clients an answer for it.
        push_apart: Duration::from_millis(50),
    };
    const WORDS: Words = Words {
        server: "NIS server",
        bind: "apcserver",
        addresses: "NISIP",
        allow: "NISALLOW",
        max_clients: "NISMAXCLIENTS",
        port_held: "until that ends, 'mainsd status' on this machine shows the answers of that program, not of this one",
    };

    fn open(&mut self, _: &Client, _: &mut Self::Source) -> (Session, Option<Rc<[u8]>>) {
        (Session::default(), None)
    }

    fn handle_bytes(
        &mut self,
        session: &mut Session,
        client: &Client,
        bytes: &[u8],
        source: &mut Self::Source,
    ) -> (usize, Reply) {
        let Ok((used, request)) = session.reader.read(bytes) else { return (0, Reply::Close) };
        let Some(request) = request else { return (used, Reply::Nothing) };
        session.heard |= request != Request::Clients;
        let reply = match request {
            Request::Status => {
                session.anew |= session.asked == 0;
                session.asked = session.asked.saturating_add(1);
                Reply::Send(source.status())
            }
            Request::Watch => {
                self.came_or_went |= !session.watches;
                session.watches = true;
                Reply::Send(source.status())
            }
            Request::Events => Reply::Send(source.events()),
            Request::Clients if client.address.is_loopback() => Reply::List,
            Request::Clients | Request::Unknown => Reply::Send(Rc::from(INVALID_COMMAND)),
        };
        (used, reply)
    }

    fn is_inside(session: &Session) -> bool {
        session.reader.is_inside()
    }

    fn watches(session: &Session) -> bool {
        session.watches
    }

    fn push(&mut self, _: &mut Session, _: &Client, source: &mut Self::Source) -> Option<Rc<[u8]>> {
        Some(source.status())
    }

    fn list<'a>(
        &mut self,
        connected: impl Iterator<Item = Connected<'a, Session>> + Clone,
        now: Instant,
        source: &mut Self::Source,
    ) -> Rc<[u8]> {
        clients::list(&self.pollers, connected, now, source.stamp())
    }

    fn handle_turn_end(&mut self, session: &mut Session, client: &Client, now: Instant) {
        let (heard, anew) = (std::mem::take(&mut session.heard), std::mem::take(&mut session.anew));
        // On a connection that it keeps it is known by that.
        if heard && !session.watches {
            self.pollers.note(client.address, anew, now);
        }
    }

    fn handle_closed(&mut self, session: &Session, _: &Client) {
        self.came_or_went |= session.watches || session.keeps_polling();
    }

    fn answer_datagram(&mut self, datagram: &[u8], source: &mut Self::Source) -> Option<Rc<[u8]>> {
        match Request::parse_datagram(datagram)? {
            Request::Status => Some(source.status()),
            Request::Events => Some(source.events()),
            Request::Watch | Request::Clients | Request::Unknown => None,
        }
    }
}
