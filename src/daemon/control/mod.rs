//! The control socket (mainsd-control(7)): its server, and what is on its way between clients and the supervisor, which carries orders
//! out (`supervisor/control.rs`).

pub mod answers;
pub mod desk;
pub mod lines;

use std::os::fd::OwnedFd;
use std::time::Instant;

use mio::Registry;
use mio::event::Event;

use super::token;
use crate::server;
use crate::server::control::{Control, MAX_CLIENTS, Server};
use crate::ups::Priority;
use desk::Desk;
use lines::OrderLines;

/// A socket that listens already.
#[derive(Debug)]
pub struct Listening {
    /// The socket.
    pub socket: OwnedFd,
    /// CONTROLGROUP, by number and name.
    pub group: Option<(u32, String)>,
    /// The user that the daemon was started as: it may what root may.
    pub owner: u32,
}

/// The server and its orders.
#[derive(Debug)]
pub struct ControlSocket {
    server: Server,
    /// Orders on their way.
    pub desk: Desk,
    /// What is logged of them.
    pub lines: OrderLines,
    listening: Option<OwnedFd>,
    /// See [`Listening::group`].
    pub group: Option<(u32, String)>,
    /// See [`Listening::owner`].
    pub owner: u32,
}

impl ControlSocket {
    /// Not open yet; `None`: there is none.
    #[must_use]
    pub fn new(listening: Option<Listening>) -> Self {
        let settings = server::Settings {
            addresses: Vec::new(),
            port: 0,
            udp: false,
            // The mode of the file decides who comes.
            allow: Box::new(|_| true),
            max_clients: MAX_CLIENTS,
        };
        let server = Server::new(Control::default(), settings, token::CONTROL);
        let (socket, group, owner) = match listening {
            Some(it) => (Some(it.socket), it.group, it.owner),
            None => (None, None, 0),
        };
        Self { server, desk: Desk::default(), lines: OrderLines::default(), listening: socket, group, owner }
    }

    /// Begins to serve. A line for the log if it cannot.
    pub fn open(&mut self, registry: &Registry, now: Instant) -> Option<String> {
        let socket = self.listening.take()?;
        let group = self.group.as_ref().map(|(number, _)| *number);
        self.server.open(registry, now);
        let failed = self.server.adopt(socket, group, registry).err()?;
        Some(format!("The control socket cannot be served: {failed}"))
    }

    /// Whether an event is for it.
    #[must_use]
    pub fn owns(&self, event: &Event) -> bool {
        self.server.owns(event.token())
    }

    /// A descriptor is ready.
    pub fn ready(&mut self, registry: &Registry, event: &Event, now: Instant) {
        self.server.ready(registry, event, now, &mut self.desk);
        self.forget_left();
    }

    /// Deadlines may have passed.
    pub fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.server.handle_timeout(registry, now, &mut self.desk);
        self.forget_left();
    }

    /// What clients that have gone waited for is forgotten.
    fn forget_left(&mut self) {
        for number in self.server.take_left() {
            self.desk.forget(number);
        }
    }

    /// The next deadline; in the past if at once.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        crate::ups::earliest(&[
            self.server.poll_timeout(),
            self.desk.poll_timeout(),
            self.lines.poll_timeout(),
        ])
    }

    /// Sends the answers that are there.
    pub fn push(&mut self, now: Instant) {
        if self.desk.has_answers() {
            self.server.push(now, &mut self.desk);
            self.forget_left();
            self.desk.pushed();
        }
    }

    /// The next line for the log.
    pub fn poll_log(&mut self) -> Option<(Priority, String)> {
        self.server.poll_log()
    }

    /// Closes everything.
    pub fn close(&mut self) {
        self.server.close();
    }
}
