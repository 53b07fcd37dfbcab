//! One serial port: opened, kept, opened again. No protocol knowledge.
//!
//! A port that is missing or held by another program is tried again by the clock, faster at first. Who holds it is looked up
//! between other work; a program that has the port open without a lock is named too, and the port is used all the same.

mod keeper;
mod lent;

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::Port;
use super::device_lock::DeviceLocks;
use crate::bus::serial::{Event, Outputs, Serial, Transmit};
use crate::sys::named_lock::NamedLock;
use crate::sys::process::{self, UserSearch};
use crate::sys::reason;
use crate::sys::tty::{self, Tty};
use crate::ups::Priority;
use keeper::Keeper;

/// Pauses before the port is opened again, in seconds; the last one repeats (apcsmart §3).
const PAUSES: [u64; 4] = [0, 1, 2, 5];
/// After the port has been open so long, the back-off is reset: the next pause is the shortest again.
const STABLE_AFTER: Duration = Duration::from_secs(10);
/// Bytes taken in one turn of the loop; more wait for the next.
const TAKE_MAX: usize = 4096;
/// The same for everything that waits: more than any kernel keeps of a terminal.
const TAKES_MAX: usize = 16;
/// Bytes that wait to be sent.
const SEND_MAX: usize = 64;
/// How often sending is tried again when the port takes nothing, and for how long.
const SEND_RETRY_INTERVAL: Duration = Duration::from_millis(50);
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Who holds a port is looked up again after this.
const SEARCH_AGAIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
enum State {
    /// Tried again at this time.
    Closed(Instant),
    /// A keeper opens it, and is given up at this time.
    Opening(Keeper, Instant),
    Open {
        tty: Tty,
        since: Instant,
        held: Held,
    },
}

/// What keeps other configurations from the port, under whatever name.
#[derive(Debug)]
enum Held {
    Here { _lock: Option<NamedLock> },
    There(Keeper),
}

/// What is known about who else has the port.
#[derive(Debug, Default)]
struct Users {
    search: Option<UserSearch>,
    /// The last search: when it began, and whom it found.
    found: Option<(Instant, Option<i32>)>,
}

/// How a port is left by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtRest {
    /// What is switched as soon as the port is open; one without modem lines is no error.
    pub lines: Outputs,
    /// Closed, the port does not get its former settings back: that could move lines that order something (dumb §1).
    pub keeps_settings: bool,
    /// Bits a second; `None`: 2400.
    pub speed: Option<u32>,
}

impl AtRest {
    /// # Errors
    /// A port that does not take the speed.
    fn apply(self, tty: &mut Tty) -> io::Result<()> {
        if self.keeps_settings {
            tty.keep_settings();
        }
        if let Some(speed) = self.speed {
            tty.set_speed(speed)?;
        }
        for (lines, on) in [(self.lines.clear, false), (self.lines.raise, true)] {
            if !lines.is_empty() {
                if let Err(error) = tty.set_modem_lines(lines, on) {
                    log::debug!("a serial port has no modem lines: {error}");
                }
            }
        }
        Ok(())
    }
}

/// Why a port that is there is not opened.
enum Busy {
    /// Somebody has taken it; who that is must be looked up.
    Taken,
    /// The same, and who, in words.
    Told(String),
    /// Another configuration has its lock; who, in words.
    Locked(String),
    Error(io::Error),
}

/// A serial port.
#[derive(Debug)]
pub struct SerialPort {
    path: PathBuf,
    token: Token,
    at_rest: AtRest,
    state: State,
    failures: usize,
    events: VecDeque<Event>,
    log: VecDeque<String>,
    /// What the port did not take yet, and since when.
    unsent: Vec<u8>,
    unsent_since: Option<Instant>,
    send_at: Instant,
    /// There may be more to read.
    more: bool,
    told: Option<String>,
    locks: DeviceLocks,
    users: Users,
}

impl SerialPort {
    /// The port at `path`.
    #[must_use]
    pub fn new(path: PathBuf, token: Token, at_rest: AtRest, now: Instant) -> Self {
        Self {
            path,
            token,
            at_rest,
            state: State::Closed(now),
            failures: 0,
            events: VecDeque::new(),
            log: VecDeque::new(),
            unsent: Vec::new(),
            unsent_since: None,
            send_at: now,
            more: false,
            told: None,
            locks: DeviceLocks::default(),
            users: Users::default(),
        }
    }

    /// While it is open, the port is locked here as well.
    #[must_use]
    pub fn with_locks(mut self, locks: DeviceLocks) -> Self {
        self.locks = locks;
        self
    }

    /// Sends bytes; nowhere, if the port is closed.
    fn send(&mut self, registry: &Registry, bytes: &[u8], now: Instant) {
        if matches!(self.state, State::Open { .. }) && self.unsent.len() < SEND_MAX {
            self.unsent.extend_from_slice(bytes);
            self.send_rest(registry, now);
        }
    }

    /// Closes the port and opens it again after a moment.
    fn reopen(&mut self, registry: &Registry, now: Instant) {
        if matches!(self.state, State::Open { .. }) {
            self.drop_tty(registry);
            self.state = State::Closed(now + Duration::from_secs(1));
        }
    }

    /// Looks at the modem lines, or finds that the port is gone.
    fn look(&mut self, registry: &Registry, now: Instant) {
        let State::Open { tty, .. } = &self.state else { return };
        match tty.modem_lines() {
            Ok(lines) => self.events.push_back(Event::Lines(Some(lines))),
            Err(error) if tty::is_none(&error) => self.events.push_back(Event::Lines(None)),
            Err(error) => self.gone(registry, now, &format!("is gone: {}", reason(&error))),
        }
    }

    fn open(&mut self, registry: &Registry, now: Instant) {
        if self.ask_keeper(registry, now) {
            return;
        }
        let opened = self.try_open(registry).map(|(tty, lock)| (tty, Held::Here { _lock: lock }));
        self.handle_opened(opened, now);
        if matches!(self.state, State::Open { .. }) {
            self.begin_search(now);
        }
    }

    fn handle_opened(&mut self, opened: Result<(Tty, Held), Busy>, now: Instant) {
        match opened {
            Ok((tty, held)) => {
                self.state = State::Open { tty, since: now, held };
                self.told = None;
                // What came between opening and registering made no edge.
                self.more = true;
                self.events.push_back(Event::Opened);
            }
            Err(Busy::Taken) => self.taken(now),
            Err(Busy::Told(words)) => self.closed(now, &words),
            Err(Busy::Locked(holder)) => {
                self.users.search = None;
                self.closed(now, &self.held(Some(holder)));
            }
            Err(Busy::Error(error)) => {
                self.users.search = None;
                self.closed(now, &self.words(&error));
            }
        }
    }

    fn try_open(&self, registry: &Registry) -> Result<(Tty, Option<NamedLock>), Busy> {
        // Before it is opened: that would change its settings for whoever has it by another name.
        let lock = match tty::device_name(&self.path) {
            Some(device) => self.locks.take(&device).map_err(Busy::Locked)?,
            None => None,
        };
        let mut tty = Tty::open(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => Busy::Taken,
            _ => Busy::Error(error),
        })?;
        self.at_rest.apply(&mut tty).map_err(Busy::Error)?;
        registry
            .register(&mut SourceFd(&tty.as_raw_fd()), self.token, Interest::READABLE)
            .map_err(Busy::Error)?;
        Ok((tty, lock))
    }

    /// Somebody has taken the port: says who, when that is known.
    fn taken(&mut self, now: Instant) {
        if self.users.search.is_some() {
            return self.pause(now);
        }
        match self.users.found {
            Some((at, holder))
                if now.saturating_duration_since(at) < SEARCH_AGAIN && holder.is_none_or(process::runs) =>
            {
                self.closed(now, &self.held(holder.map(process::describe)));
            }
            _ => {
                self.begin_search(now);
                if self.users.search.is_none() {
                    return self.closed(now, &self.held(None));
                }
                self.pause(now);
            }
        }
    }

    fn begin_search(&mut self, now: Instant) {
        self.users.search = UserSearch::new(&self.path);
        self.users.found = Some((now, None));
    }

    /// Takes a step of the search. Its end is told, unless the port is in another state by then.
    fn search_on(&mut self, now: Instant) {
        let Some(found) = self.users.search.as_mut().and_then(UserSearch::step) else { return };
        self.users.search = None;
        self.users.found = Some((now, found));
        match (&self.state, found) {
            (State::Closed(_), holder) => {
                let words = self.held(holder.map(process::describe));
                self.tell_closed(&words);
            }
            (State::Open { .. }, Some(user)) => {
                let words = self.used(&process::describe(user));
                self.log.push_back(words);
            }
            (State::Opening(..), _) | (State::Open { .. }, None) => {}
        }
    }

    fn used(&self, user: &str) -> String {
        let path = self.path.display();
        format!("{path} is open in another program too: {user}; it may take away what the UPS says: end it")
    }

    fn held(&self, holder: Option<String>) -> String {
        let path = self.path.display();
        match holder {
            Some(holder) => format!("{path} is held by another program: {holder}; trying again"),
            None => format!("{path} is held by another program; trying again (fuser {path} shows which)"),
        }
    }

    fn words(&self, error: &io::Error) -> String {
        let path = self.path.display();
        match error.kind() {
            io::ErrorKind::ResourceBusy => self.held(None),
            io::ErrorKind::NotFound => format!("{path} does not exist; waiting for it"),
            io::ErrorKind::PermissionDenied => {
                format!("cannot open {path}: {}; trying again", reason(error))
            }
            _ if tty::is_none(error) => {
                format!("{path} is no serial port; look at DEVICE")
            }
            _ => format!("cannot open {path}: {}; trying again", reason(error)),
        }
    }

    fn receive(&mut self, registry: &Registry, now: Instant) {
        self.more = false;
        let mut taken = 0;
        let mut buffer = [0_u8; 256];
        while let State::Open { tty, .. } = &self.state {
            if taken >= TAKE_MAX {
                self.more = true;
                return;
            }
            match tty.read(&mut buffer) {
                Ok(0) => return self.gone(registry, now, "is gone"),
                Ok(length) => {
                    taken += length;
                    self.events.push_back(Event::Bytes(buffer.get(..length).unwrap_or_default().to_vec()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.gone(registry, now, &format!("is gone: {}", reason(&error))),
            }
        }
    }

    fn send_rest(&mut self, registry: &Registry, now: Instant) {
        let State::Open { tty, .. } = &self.state else { return };
        match tty.write(&self.unsent) {
            Ok(took) if took > 0 => {
                self.unsent.drain(..took.min(self.unsent.len()));
                self.unsent_since = None;
            }
            Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return self.gone(registry, now, &format!("is gone: {}", reason(&error)));
            }
            _ => {
                let since = *self.unsent_since.get_or_insert(now);
                if now.saturating_duration_since(since) >= SEND_TIMEOUT {
                    return self.gone(registry, now, "takes no bytes");
                }
            }
        }
        self.send_at = now + SEND_RETRY_INTERVAL;
    }

    fn gone(&mut self, registry: &Registry, now: Instant, what: &str) {
        if let State::Open { since, .. } = &self.state {
            if now.saturating_duration_since(*since) >= STABLE_AFTER {
                self.failures = 0;
            }
        }
        self.drop_tty(registry);
        self.closed(now, &format!("{} {what}", self.path.display()));
    }

    fn closed(&mut self, now: Instant, why: &str) {
        self.pause(now);
        self.tell_closed(why);
    }

    /// It is tried again after a while.
    fn pause(&mut self, now: Instant) {
        let pause = PAUSES.get(self.failures).or(PAUSES.last()).copied().unwrap_or(5);
        self.failures = (self.failures + 1).min(PAUSES.len());
        self.state = State::Closed(now + Duration::from_secs(pause));
    }

    fn tell_closed(&mut self, why: &str) {
        if self.told.as_deref() != Some(why) {
            self.told = Some(why.to_owned());
            self.events.push_back(Event::Closed(why.to_owned()));
        }
    }

    fn drop_tty(&mut self, registry: &Registry) {
        self.unsent.clear();
        self.unsent_since = None;
        self.more = false;
        self.users.search = None;
        self.drop_keeper(registry);
        if let State::Open { tty, since, held } = &self.state {
            // It is closed in any case.
            let _ = registry.deregister(&mut SourceFd(&tty.as_raw_fd()));
            if let Held::There(keeper) = held {
                let _ = registry.deregister(&mut SourceFd(&keeper.as_raw_fd()));
            }
            self.state = State::Closed(*since);
        }
    }
}

impl Port for SerialPort {
    type Bus = Serial;

    fn start(&mut self, registry: &Registry, now: Instant) {
        self.handle_timeout(registry, now);
    }

    fn ready(&mut self, registry: &Registry, token: Token, now: Instant) {
        if token == self.keeper_token() {
            return self.hear_keeper(registry, now);
        }
        self.receive(registry, now);
    }

    fn take_waiting(&mut self, registry: &Registry, now: Instant) {
        for _ in 0..TAKES_MAX {
            self.receive(registry, now);
            if !self.more {
                return;
            }
        }
    }

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        if self.users.search.is_some() {
            self.search_on(now);
        }
        match &self.state {
            State::Closed(at) => {
                if *at <= now {
                    self.open(registry, now);
                }
                return;
            }
            State::Opening(_, until) if *until <= now => {
                let error = io::Error::other("it does not answer");
                return self.not_opened(registry, Busy::Error(error), now);
            }
            State::Opening(..) | State::Open { .. } => {}
        }
        if self.more {
            self.receive(registry, now);
        }
        if !self.unsent.is_empty() && self.send_at <= now {
            self.send_rest(registry, now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Closed(_) if self.users.search.is_some() => self.users.found.map(|(began, _)| began),
            State::Closed(at) | State::Opening(_, at) => Some(*at),
            State::Open { since, .. } if self.more || self.users.search.is_some() => Some(*since),
            State::Open { .. } => (!self.unsent.is_empty()).then_some(self.send_at),
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_log(&mut self) -> Option<(Priority, String)> {
        self.log.pop_front().map(|line| (Priority::Warning, line))
    }

    fn transmit(&mut self, registry: &Registry, transmit: Transmit, now: Instant) {
        match transmit {
            Transmit::Byte(byte) => self.send(registry, &[byte], now),
            Transmit::Bytes(bytes) => self.send(registry, &bytes, now),
            Transmit::Reopen => self.reopen(registry, now),
            Transmit::Look => self.look(registry, now),
            // That it has done it, the next look shows.
            Transmit::Switch(lines, on) => {
                if let State::Open { tty, .. } = &self.state {
                    let _ = tty.set_modem_lines(lines, on);
                }
            }
            Transmit::Break(on) => {
                if let State::Open { tty, .. } = &self.state {
                    let _ = tty.set_break(on);
                }
            }
        }
    }

    fn close(&mut self, registry: &Registry) {
        self.drop_tty(registry);
    }
}

pub use keeper::keep;

#[cfg(test)]
mod tests;
