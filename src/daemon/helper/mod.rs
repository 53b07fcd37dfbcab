//! The helper: it carries out what the loop decides, and knows nothing of UPSes.
//!
//! By default it is a process of its own, the one that the service manager knows: it has read the configuration and nothing
//! foreign, and takes fixed messages ([`crate::wire::helper`]) from the main process, which has the loop. A main process that ends, or hangs,
//! is followed by another one, which is told the outage so far. Where there is no such process (`PRIVSEP off`, no process to be had) the loop does the same by itself.

mod allowance;
mod connection;
mod hands;
mod jobs;
mod main_role;
mod outbox;
mod process;
mod remote;
mod restarts;
mod spares;
mod stand_in;
mod standing_in;
mod started;
#[cfg(test)]
mod tests;

use std::time::Instant;

use mio::Registry;

use super::reread::Found;
use crate::act::{Outcome, Request};
use crate::power::SavedOutage;
use crate::sys::job::Starter;
use crate::ups::Reading;

pub use hands::Hands;
pub use jobs::Means;
pub use process::{HelperProcess, Start};
pub use remote::Remote;

/// What the helper tells the loop, beside what came of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The configuration was read again; and the same as the reader has told it.
    Configuration(Found, Vec<u8>),
    /// It could not be read; why, in words.
    NotRead(String),
    /// This signal asks for the end of the daemon.
    Terminate(i32),
    /// There is no helper any more.
    Gone,
}

/// The helper, as the loop has it.
#[derive(Debug)]
pub enum Helper {
    /// In the loop's own process.
    Here(Box<Hands>),
    /// In a process of its own.
    Process(Remote),
}

impl Helper {
    /// Has something carried out.
    pub fn handle(&mut self, request: Request, now: Instant) {
        match self {
            Self::Here(hands) => hands.handle(request, now),
            Self::Process(remote) => remote.handle(&request, now),
        }
    }

    /// Has kept what a main process that is started in place of this one has to know.
    pub fn keep(&mut self, outage: &SavedOutage, now: Instant) {
        if let Self::Process(remote) = self {
            remote.keep(outage, now);
        }
    }

    /// The UPS has told a reading; what is believed of the line is known.
    pub fn note_reading(&mut self, reading: &Reading, on_battery: bool, now: Instant) {
        if let Self::Process(remote) = self {
            remote.note_reading(reading, on_battery, now);
        }
    }

    /// Has the configuration read again.
    pub fn reload(&mut self, registry: &Registry, now: Instant) {
        match self {
            Self::Here(hands) => hands.reload(registry, now),
            Self::Process(remote) => remote.reload(now),
        }
    }

    /// Whether signals that end the daemon, or have it read its configuration, come here.
    #[must_use]
    pub const fn takes_signals_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }

    /// The daemon guards; a configuration was applied, or not.
    pub fn ready(&mut self, now: Instant) {
        match self {
            Self::Here(hands) => hands.ready(),
            Self::Process(remote) => remote.ready(now),
        }
    }

    /// The daemon ends.
    pub fn stopping(&mut self) {
        if let Self::Here(hands) = self {
            hands.stopping();
        }
    }

    /// Who does what takes rights.
    #[must_use]
    pub fn starter(&self) -> Starter {
        match self {
            Self::Here(_) => Starter::default(),
            Self::Process(remote) => remote.starter(),
        }
    }

    /// Makes the loop wake for what it tells.
    pub fn register(&self, registry: &Registry) {
        if let Self::Process(remote) = self {
            remote.register(registry);
        }
    }

    /// It may have told something.
    pub fn handle_readable(&mut self, now: Instant) {
        if let Self::Process(remote) = self {
            remote.handle_readable(now);
        }
    }

    /// A child may have ended.
    pub fn handle_child_signal(&mut self, now: Instant) {
        if let Self::Here(hands) = self {
            hands.handle_child_signal(now);
        }
    }

    /// Deadlines may have passed.
    pub fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        match self {
            Self::Here(hands) => hands.handle_timeout(registry, now),
            Self::Process(remote) => remote.handle_timeout(now),
        }
    }

    /// The next deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Here(hands) => hands.poll_timeout(),
            Self::Process(remote) => remote.poll_timeout(),
        }
    }

    /// What came of requests; call until `None`.
    pub fn poll_outcome(&mut self) -> Option<Outcome> {
        match self {
            Self::Here(hands) => hands.poll_outcome(),
            Self::Process(remote) => remote.poll_outcome(),
        }
    }

    /// What else there is to tell; call until `None`.
    pub fn poll_told(&mut self) -> Option<Told> {
        match self {
            Self::Here(hands) => hands.poll_told(),
            Self::Process(remote) => remote.poll_told(),
        }
    }

    /// Whether a shutdown is under way whose end is not yet known.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        match self {
            Self::Here(hands) => hands.is_shutting_down(),
            Self::Process(remote) => remote.is_shutting_down(),
        }
    }

    /// Whether nothing is waited for; a process of its own is not asked.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        match self {
            Self::Here(hands) => hands.is_idle(),
            Self::Process(_) => true,
        }
    }

    /// The daemon ends: everything that was asked for is begun, and what can be waited for is, for some seconds at most.
    pub fn finish(&mut self, now: Instant) {
        match self {
            Self::Here(hands) => hands.finish(now),
            Self::Process(remote) => remote.finish(now),
        }
    }
}
