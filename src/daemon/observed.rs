//! The daemon in the loop, and who watches it.

use std::time::{Duration, Instant};

use mio::Registry;
use mio::event::Event;

use super::event_loop::{Exit, Source};
use super::supervisor::Supervisor;
use crate::sys::signals::Signal;

/// Somebody who watches the daemon from the inside: the demonstration's live view. Called once a turn.
pub trait Observer {
    /// After everything of a turn has been moved. Returns when to be called next if nothing else happens.
    fn turn(&mut self, supervisor: &mut Supervisor, now: Instant) -> Option<Instant>;
}

/// Watches nothing.
#[derive(Debug)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn turn(&mut self, _house: &mut Supervisor, _now: Instant) -> Option<Instant> {
        None
    }
}

/// The daemon with its observer.
pub struct Observed<'a> {
    supervisor: &'a mut Supervisor,
    observer: &'a mut dyn Observer,
    /// When the observer wants to be called.
    next: Option<Instant>,
}

impl<'a> Observed<'a> {
    /// The two.
    #[must_use]
    pub fn new(supervisor: &'a mut Supervisor, observer: &'a mut dyn Observer) -> Self {
        Self { supervisor, observer, next: None }
    }
}

impl Source for Observed<'_> {
    fn start(&mut self, registry: &Registry, now: Instant) {
        self.supervisor.start(registry, now);
    }

    fn ready(&mut self, registry: &Registry, event: &Event, now: Instant) {
        self.supervisor.ready(registry, event, now);
    }

    fn handle_signal(&mut self, signal: Signal, registry: &Registry, now: Instant) {
        match signal {
            // To all processes of a terminal; the helper says so too.
            Signal::Terminate(_) | Signal::Reload if !self.supervisor.takes_signals() => {}
            Signal::Terminate(number) => self.supervisor.request_exit(Exit::Signal(number)),
            Signal::Reload => self.supervisor.reload(registry, now),
            Signal::Child => self.supervisor.handle_child_signal(now),
        }
    }

    fn handle_resume(&mut self, slept: Duration, now: Instant) {
        self.supervisor.handle_resume(slept, now);
    }

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.supervisor.handle_timeout(registry, now);
    }

    fn pump(&mut self, now: Instant) {
        self.supervisor.pump(now);
        self.next = self.observer.turn(self.supervisor, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        crate::ups::earliest(&[self.supervisor.poll_timeout(), self.next])
    }

    fn exit(&self) -> Option<Exit> {
        self.supervisor.exit()
    }

    fn close(&mut self, registry: &Registry, exit: Exit, now: Instant) {
        self.supervisor.close(registry, exit, now);
    }
}
