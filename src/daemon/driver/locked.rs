//! A driver whose port another program has, as the port's lock file says: it begins once that is free.
//!
//! The folder of the lock file may be on a disk that no longer answers, so children look at it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token, event::Event as IoEvent};

use super::Driver;
use crate::daemon::token;
use crate::journal::{LockError, LockFile};
use crate::link::LinkEvent;
use crate::sys::job::{Job, Starter};
use crate::sys::spawn::Child;
use crate::sys::{in_child, process, reason};
use crate::ups::{Asker, Command, CommandResult, PollRate, Priority, clean};

/// Between two tries for the lock.
const AGAIN: Duration = Duration::from_secs(5);

/// How long a try may take; after that the port is used without the lock.
const LIMIT: Duration = Duration::from_secs(5);

/// How long the removal of the file may hold up the end of the daemon.
const AT_EXIT: Duration = Duration::from_secs(1);

/// The loop's token of another process's child; drivers have the ones before it.
const TOKEN: Token = Token(token::DRIVER.0 + 0x80);

/// What a child tells that has made the file.
const DONE: &str = "done";

/// Makes the lock file for this owner: [`DONE`], who has it (process id, and in words), or why it cannot be made.
pub fn try_lock(owner: u32, path: &Path, device: &str) -> String {
    match LockFile::leave_for(owner, path, device) {
        Ok(()) => DONE.to_owned(),
        Err(LockError::Held(pid)) => format!("{pid} {}", process::describe(pid)),
        Err(LockError::Io(_, error)) => reason(&error),
    }
}

/// A driver that waits for the lock file of its port (config §5). It begins when nobody holds that any more, with the file or,
/// if that cannot be made, without.
pub struct LockedDriver {
    inner: Box<dyn Driver>,
    path: PathBuf,
    device: String,
    /// When it is tried next, or the child has had its time; `None`: the driver has begun.
    next_at: Option<Instant>,
    running: Option<Try>,
    /// Who held it at the last try.
    holder: Option<i32>,
    events: VecDeque<LinkEvent>,
    starter: Starter,
}

/// A child that tries to have the lock.
struct Try {
    /// `None`: it is another process's child.
    child: Option<Child>,
    answer: File,
}

/// What came of it.
enum Tried {
    /// The file is there, or cannot be made; why.
    Begin(Option<String>),
    /// This process holds it; it in words.
    Held(i32, String),
}

impl LockedDriver {
    /// `inner`, to be started when the lock file at `path`, which stands for `device`, is free.
    #[must_use]
    pub fn new(
        inner: Box<dyn Driver>,
        path: PathBuf,
        device: String,
        starter: Starter,
        now: Instant,
    ) -> Self {
        let events = VecDeque::new();
        Self { inner, path, device, next_at: Some(now), running: None, holder: None, events, starter }
    }

    fn go_on(&mut self, registry: &Registry, now: Instant) {
        // One that has ended is reaped, also where the driver has begun without it.
        let told = self.running.as_mut().and_then(Try::poll);
        if told.is_some() {
            if let Some(Try { child: None, answer }) = self.running.take() {
                let _ = registry.deregister(&mut SourceFd(&answer.as_raw_fd()));
            }
        }
        let Some(next_at) = self.next_at else { return };
        let tried = match (told, &self.running) {
            (Some(told), _) => told,
            (None, Some(_)) if next_at <= now => {
                Tried::Begin(Some(format!("no answer in {} s", LIMIT.as_secs())))
            }
            (None, None) if next_at <= now => match self.begin(registry) {
                Ok(running) => {
                    self.running = Some(running);
                    self.next_at = Some(now + LIMIT);
                    return;
                }
                Err(error) => Tried::Begin(Some(reason(&error))),
            },
            _ => return,
        };
        match tried {
            Tried::Held(pid, words) => {
                self.next_at = Some(now + AGAIN);
                self.wait_for(pid, &words);
            }
            Tried::Begin(trouble) => {
                if let Some(why) = trouble {
                    let error = LockError::Io(self.path.clone(), std::io::Error::other(why));
                    self.events.push_back(LinkEvent::Log(Priority::Warning, error.and_goes_on()));
                }
                self.next_at = None;
                self.inner.start(registry, now);
            }
        }
    }

    fn begin(&self, registry: &Registry) -> std::io::Result<Try> {
        if let Some(socket) = self.starter.start(&Job::PortLock) {
            let answer = File::from(socket?);
            registry.register(&mut SourceFd(&answer.as_raw_fd()), TOKEN, Interest::READABLE)?;
            return Ok(Try { child: None, answer });
        }
        let (child, answer) = in_child::start(|out| {
            let words = try_lock(std::process::id(), &self.path, &self.device);
            // Nobody reads what cannot be written.
            let _ = out.write_all(words.as_bytes());
        })?;
        Ok(Try { child: Some(child), answer })
    }

    fn wait_for(&mut self, pid: i32, holder: &str) {
        if self.holder.replace(pid) == Some(pid) {
            return;
        }
        let (device, path) = (&self.device, self.path.display());
        let reason =
            format!("{device} is held by another program: {holder}, which {path} names; trying again");
        self.events.push_back(LinkEvent::Log(Priority::Warning, reason.clone()));
        self.events.push_back(LinkEvent::Lost { reason });
    }

    const fn has_begun(&self) -> bool {
        self.next_at.is_none()
    }
}

impl Try {
    /// What the child has told, once it has ended, or has told it.
    fn poll(&mut self) -> Option<Tried> {
        if self.child.as_mut().is_some_and(|child| child.try_wait().is_none()) {
            return None;
        }
        let mut told = [0; 256];
        let got = match self.answer.read(&mut told) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return None,
            got => got.unwrap_or(0),
        };
        let words = String::from_utf8_lossy(told.get(..got).unwrap_or_default()).into_owned();
        let holder = words.split_once(' ').and_then(|(pid, holder)| Some((pid.parse().ok()?, clean(holder))));
        Some(match holder {
            Some((pid, holder)) => Tried::Held(pid, holder),
            None if words == DONE => Tried::Begin(None),
            None if words.is_empty() => Tried::Begin(Some("its process has ended".to_owned())),
            None => Tried::Begin(Some(words)),
        })
    }
}

impl Driver for LockedDriver {
    fn prepare(&mut self) -> bool {
        self.inner.prepare()
    }

    fn listen(&mut self) {
        self.inner.listen();
    }

    fn start(&mut self, registry: &Registry, now: Instant) {
        self.handle_timeout(registry, now);
    }

    fn ready(&mut self, registry: &Registry, event: &IoEvent, now: Instant) {
        if event.token() != TOKEN {
            self.inner.ready(registry, event, now);
        }
    }

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        if self.has_begun() {
            self.inner.handle_timeout(registry, now);
        }
        self.go_on(registry, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next_at.or_else(|| self.inner.poll_timeout())
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
        if self.has_begun() {
            return self.inner.command(asker, command, now);
        }
        let outcome = Err("no communication with the UPS".to_owned());
        self.events
            .push_back(LinkEvent::Command(CommandResult { asker, ..CommandResult::new(command, outcome) }));
    }

    fn close(&mut self, registry: &Registry) {
        self.inner.close(registry);
        if self.starter.is_another() {
            return;
        }
        let (owner, path) = (std::process::id(), &self.path);
        // Also where the child that was to make the file has not ended: it may have made it since.
        in_child::finish(AT_EXIT, || LockFile::give_back(owner, path));
    }
}
