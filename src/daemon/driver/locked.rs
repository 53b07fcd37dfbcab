//! A driver whose port another program has: it begins once the port's lock can be had.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::{Registry, event::Event as IoEvent};

use super::Driver;
use crate::journal::LockFile;
use crate::link::LinkEvent;
use crate::ups::{Command, CommandResult, Pace, Priority};

/// Between two tries for the lock.
const AGAIN: Duration = Duration::from_secs(5);

/// A driver that waits for the lock of its port (config §5).
pub struct LockedDriver {
    inner: Box<dyn Driver>,
    path: PathBuf,
    device: String,
    lock: Option<LockFile>,
    try_at: Instant,
    events: Vec<LinkEvent>,
}

impl LockedDriver {
    /// `inner`, to be started when the lock file at `path`, which stands for `device`, is free.
    #[must_use]
    pub fn new(inner: Box<dyn Driver>, path: PathBuf, device: String, now: Instant) -> Self {
        Self { inner, path, device, lock: None, try_at: now, events: Vec::new() }
    }
}

impl Driver for LockedDriver {
    fn start(&mut self, registry: &Registry, now: Instant) {
        self.handle_timeout(registry, now);
        if self.lock.is_none() {
            let (device, path) = (&self.device, self.path.display());
            let reason = format!("{device} is held by another program, which {path} names; trying again");
            self.events =
                vec![LinkEvent::Lost { reason: reason.clone() }, LinkEvent::Log(Priority::Warning, reason)];
        }
    }

    fn ready(&mut self, registry: &Registry, event: &IoEvent, now: Instant) {
        self.inner.ready(registry, event, now);
    }

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        if self.lock.is_some() {
            return self.inner.handle_timeout(registry, now);
        }
        if self.try_at <= now {
            self.try_at = now + AGAIN;
            self.lock = LockFile::acquire(&self.path, &self.device).ok();
            if self.lock.is_some() {
                self.inner.start(registry, now);
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.lock.is_some() { self.inner.poll_timeout() } else { Some(self.try_at) }
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop().or_else(|| self.inner.poll_event())
    }

    fn set_pace(&mut self, pace: Pace, now: Instant) {
        self.inner.set_pace(pace, now);
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.inner.set_poll_time(poll_time, now);
    }

    fn command(&mut self, command: Command, now: Instant) {
        if self.lock.is_some() {
            return self.inner.command(command, now);
        }
        let outcome = Err("no communication with the UPS".to_owned());
        self.events.push(LinkEvent::Command(CommandResult { command, outcome }));
    }

    fn close(&mut self, registry: &Registry) {
        self.inner.close(registry);
        if let Some(lock) = self.lock.take() {
            lock.release();
        }
    }
}
