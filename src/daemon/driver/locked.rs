//! A driver whose port another program has, as the port's lock file says: it begins once that is free.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::{Registry, event::Event as IoEvent};

use super::Driver;
use crate::journal::{LockError, LockFile};
use crate::link::LinkEvent;
use crate::sys::process;
use crate::ups::{Asker, Command, CommandResult, PollRate, Priority};

/// Between two tries for the lock.
const AGAIN: Duration = Duration::from_secs(5);

/// A driver that waits for the lock file of its port (config §5). It begins when nobody holds that any more, with the file or,
/// if that cannot be made, without.
pub struct LockedDriver {
    inner: Box<dyn Driver>,
    path: PathBuf,
    device: String,
    started: bool,
    lock: Option<LockFile>,
    try_at: Instant,
    /// Who held it at the last try.
    holder: Option<i32>,
    events: VecDeque<LinkEvent>,
}

impl LockedDriver {
    /// `inner`, to be started when the lock file at `path`, which stands for `device`, is free.
    #[must_use]
    pub fn new(inner: Box<dyn Driver>, path: PathBuf, device: String, now: Instant) -> Self {
        let events = VecDeque::new();
        Self { inner, path, device, started: false, lock: None, try_at: now, holder: None, events }
    }

    fn try_again(&mut self, registry: &Registry, now: Instant) {
        self.try_at = now + AGAIN;
        match LockFile::acquire(&self.path, &self.device) {
            Ok(lock) => self.lock = Some(lock),
            Err(error @ LockError::Io(..)) => {
                self.events.push_back(LinkEvent::Log(Priority::Warning, error.and_goes_on()));
            }
            Err(LockError::Held(pid)) => return self.wait_for(pid),
        }
        self.started = true;
        self.inner.start(registry, now);
    }

    fn wait_for(&mut self, pid: i32) {
        if self.holder.replace(pid) == Some(pid) {
            return;
        }
        let (device, path, holder) = (&self.device, self.path.display(), process::describe(pid));
        let reason =
            format!("{device} is held by another program: {holder}, which {path} names; trying again");
        self.events.push_back(LinkEvent::Log(Priority::Warning, reason.clone()));
        self.events.push_back(LinkEvent::Lost { reason });
    }
}

impl Driver for LockedDriver {
    fn start(&mut self, registry: &Registry, now: Instant) {
        self.handle_timeout(registry, now);
    }

    fn ready(&mut self, registry: &Registry, event: &IoEvent, now: Instant) {
        self.inner.ready(registry, event, now);
    }

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        if self.started {
            self.inner.handle_timeout(registry, now);
        } else if self.try_at <= now {
            self.try_again(registry, now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.started { self.inner.poll_timeout() } else { Some(self.try_at) }
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front().or_else(|| self.inner.poll_event())
    }

    fn set_poll_rate(&mut self, poll_rate: PollRate, now: Instant) {
        self.inner.set_poll_rate(poll_rate, now);
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.inner.set_poll_time(poll_time, now);
    }

    fn command(&mut self, asker: Asker, command: Command, now: Instant) {
        if self.started {
            return self.inner.command(asker, command, now);
        }
        let outcome = Err("no communication with the UPS".to_owned());
        self.events.push_back(LinkEvent::Command(CommandResult { asker, command, outcome }));
    }

    fn close(&mut self, registry: &Registry) {
        self.inner.close(registry);
        self.lock = None;
    }
}
