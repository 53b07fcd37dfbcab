//! The protocol of the control socket (mainsd-control(7)): one request a line, one answer of lines. Whatever is asked is given to an
//! [`Orders`], and its answer is pushed when it is there; the client waits meanwhile, and so does nobody else.

use std::rc::Rc;
use std::time::Duration;

use super::protocol::{Client, Protocol, Reply, Timeouts, Words};
use crate::sys::local::Peer;
use crate::wire::control::{Answer, LineReader, Outcome, Request};

/// The server of the control socket.
pub type Server = super::Server<Control>;

/// Most clients at a time.
pub const MAX_CLIENTS: usize = 64;

/// Who carries orders out.
pub trait Orders {
    /// Takes an order; its answer is asked for by this number.
    fn order(&mut self, number: u32, from: Peer, request: Request);
    /// The answer to an order, once.
    fn poll_answer(&mut self, number: u32) -> Option<String>;
}

/// What is known of all clients together.
#[derive(Debug, Default)]
pub struct Control {
    /// The number of the last order.
    last: u32,
    /// The orders whose answers nobody waits for any more.
    left: Vec<u32>,
}

impl Server {
    /// The orders whose answers nobody waits for any more, since the last call.
    pub fn take_left(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.protocol.left)
    }
}

/// What is known of one connection.
#[derive(Debug, Default)]
pub struct Session {
    reader: LineReader,
    /// The order whose answer is waited for.
    waits_for: Option<u32>,
}

fn line(outcome: Outcome, text: &str) -> Rc<[u8]> {
    Rc::from(Answer::new(outcome, text).encode().into_bytes())
}

impl Protocol for Control {
    type Session = Session;
    type Source = dyn Orders;

    const TIMEOUTS: Timeouts = Timeouts {
        idle: Duration::from_secs(60),
        write: Duration::from_secs(15),
        request: Duration::from_secs(60),
        slow_request: Duration::from_secs(2),
        push_again: Duration::from_secs(600),
        // An answer is pushed when it is there.
        push_apart: Duration::ZERO,
    };
    const WORDS: Words = Words {
        server: "Control socket",
        bind: "Control socket",
        addresses: "CONTROLSOCKET",
        allow: "CONTROLGROUP",
        max_clients: "a fixed number",
        port_held: "",
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
        let Some(peer) = client.peer else { return (0, Reply::Close) };
        if let Some(number) = session.waits_for.take() {
            self.left.push(number);
            return (
                bytes.len(),
                Reply::Last(line(Outcome::Usage, "one order at a time: wait for the answer")),
            );
        }
        let (used, text) = match session.reader.read(bytes) {
            Ok(read) => read,
            Err(long) => return (bytes.len(), Reply::Last(line(Outcome::Usage, &long.to_string()))),
        };
        let Some(text) = text else { return (used, Reply::Nothing) };
        match Request::parse(&text) {
            Err(why) => (used, Reply::Send(line(Outcome::Usage, &why))),
            Ok(request) => {
                // The greatest is the daemon's own.
                self.last = self.last.wrapping_add(1) % u32::MAX;
                source.order(self.last, peer, request);
                session.waits_for = Some(self.last);
                (used, Reply::Nothing)
            }
        }
    }

    fn is_inside(session: &Session) -> bool {
        session.reader.is_inside()
    }

    fn watches(session: &Session) -> bool {
        session.waits_for.is_some()
    }

    fn handle_closed(&mut self, session: &Session, _: &Client) {
        self.left.extend(session.waits_for);
    }

    fn push(&mut self, session: &mut Session, _: &Client, source: &mut Self::Source) -> Option<Rc<[u8]>> {
        let answer = source.poll_answer(session.waits_for?)?;
        session.waits_for = None;
        Some(Rc::from(answer.into_bytes()))
    }
}
