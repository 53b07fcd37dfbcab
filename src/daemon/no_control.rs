//! A build without the control socket: nobody orders anything.

use std::time::Instant;

use mio::Registry;
use mio::event::Event;

/// A socket that listens: there is none.
#[derive(Debug)]
pub enum Listening {}

/// No server.
#[derive(Debug)]
pub struct ControlSocket {
    /// No orders.
    pub desk: Desk,
}

/// No orders.
#[derive(Debug)]
pub struct Desk;

impl Desk {
    /// Whether somebody has asked for a reload.
    pub fn take_reload(&mut self) -> bool {
        false
    }

    /// What came of a reload.
    pub fn reloaded(&mut self, _: &Result<String, String>) {}
}

impl ControlSocket {
    /// None.
    #[must_use]
    pub fn new(_: Option<Listening>) -> Self {
        Self { desk: Desk }
    }

    /// Has nothing to open.
    pub fn open(&mut self, _: &Registry, _: Instant) -> Option<String> {
        None
    }

    /// No event is for it.
    #[must_use]
    pub fn owns(&self, _: &Event) -> bool {
        false
    }

    /// Never called.
    pub fn ready(&mut self, _: &Registry, _: &Event, _: Instant) {}

    /// It has no deadlines.
    pub fn handle_timeout(&mut self, _: &Registry, _: Instant) {}

    /// It has no deadlines.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Has nothing to close.
    pub fn close(&mut self) {}
}
