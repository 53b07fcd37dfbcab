//! The port of a link that needs none.

use std::convert::Infallible;
use std::time::Instant;

use mio::{Registry, Token};

use super::Port;
use crate::bus::Unconnected;
use crate::ups::Priority;

/// No descriptor, no event, no deadline.
#[derive(Debug)]
pub struct NoPort;

impl Port for NoPort {
    type Bus = Unconnected;

    fn start(&mut self, _: &Registry, _: Instant) {}

    fn ready(&mut self, _: &Registry, _: Token, _: Instant) {}

    fn take_waiting(&mut self, _: &Registry, _: Instant) {}

    fn handle_timeout(&mut self, _: &Registry, _: Instant) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_event(&mut self) -> Option<Infallible> {
        None
    }

    fn poll_log(&mut self) -> Option<(Priority, String)> {
        None
    }

    fn transmit(&mut self, _: &Registry, transmit: Infallible, _: Instant) {
        match transmit {}
    }

    fn close(&mut self, _: &Registry) {}
}
