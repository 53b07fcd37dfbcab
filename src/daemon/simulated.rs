//! The simulated UPS as a driver. It has no descriptors; only deadlines move it.

use std::time::{Duration, Instant};

use mio::{Registry, event::Event as IoEvent};

use super::Driver;
use crate::link::LinkEvent;
use crate::link::simulated::{Script, Simulated};
use crate::ups::{Command, Pace};

/// The driver of `UPSTYPE test` and of the demonstration.
#[derive(Debug)]
pub struct SimulatedDriver {
    link: Simulated,
}

impl SimulatedDriver {
    /// A simulated UPS to which `script` happens from `now` on.
    #[must_use]
    pub fn new(script: Script, poll_time: Duration, now: Instant) -> Self {
        Self { link: Simulated::new(script, poll_time, now) }
    }
}

impl Driver for SimulatedDriver {
    fn start(&mut self, _: &Registry, now: Instant) {
        self.link.handle_timeout(now);
    }

    fn ready(&mut self, _: &Registry, _: &IoEvent, _: Instant) {}

    fn handle_timeout(&mut self, _: &Registry, now: Instant) {
        self.link.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.link.poll_timeout())
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.link.poll_event()
    }

    fn set_pace(&mut self, pace: Pace, now: Instant) {
        self.link.set_pace(pace, now);
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.link.set_poll_time(poll_time, now);
    }

    fn command(&mut self, command: Command, now: Instant) {
        self.link.command(command, now);
    }

    fn close(&mut self, _: &Registry) {}
}
