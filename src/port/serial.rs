//! One serial port: opened, kept, opened again. No protocol knowledge.
//!
//! A port that is missing or held by another program is tried again by the clock, faster at first.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::sys::reason;
use crate::sys::tty::{self, ModemLines, Tty};

/// Pauses before the port is opened again, in seconds; the last one repeats (apcsmart §3).
const PAUSES: [u64; 4] = [0, 1, 2, 5];
/// A port that stayed open so long was a good one: the next pause is the shortest again.
const GOOD: Duration = Duration::from_secs(10);
/// Bytes taken in one turn of the loop; more wait for the next.
const TAKE_MAX: usize = 4096;
/// Bytes that wait to be sent.
const SEND_MAX: usize = 64;
/// How often sending is tried again when the port takes nothing, and for how long.
const SEND_AGAIN: Duration = Duration::from_millis(50);
const SEND_PATIENCE: Duration = Duration::from_secs(5);

/// What the port has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The port is open.
    Opened,
    /// The port is gone, or cannot be opened; told when the reason changes.
    Closed(String),
    /// Bytes came.
    Bytes(Vec<u8>),
}

#[derive(Debug)]
enum State {
    /// Tried again at this time.
    Closed(Instant),
    Open {
        tty: Tty,
        since: Instant,
    },
}

/// A serial port.
#[derive(Debug)]
pub struct SerialPort {
    path: PathBuf,
    token: Token,
    /// Switched on, then off, when the port is open.
    lines: (ModemLines, ModemLines),
    state: State,
    failures: usize,
    events: VecDeque<Event>,
    /// What the port did not take yet, and since when.
    unsent: Vec<u8>,
    unsent_since: Option<Instant>,
    send_at: Instant,
    /// There may be more to read.
    more: bool,
    told: Option<String>,
    /// Closed, the port stays as it is.
    keep: bool,
}

impl SerialPort {
    /// The port at `path`. When it is open, the lines of `raise` are switched on and those of `clear` off; a port without
    /// modem lines is no error.
    #[must_use]
    pub fn new(path: PathBuf, token: Token, raise: ModemLines, clear: ModemLines, now: Instant) -> Self {
        Self {
            path,
            token,
            lines: (raise, clear),
            state: State::Closed(now),
            failures: 0,
            events: VecDeque::new(),
            unsent: Vec::new(),
            unsent_since: None,
            send_at: now,
            more: false,
            told: None,
            keep: false,
        }
    }

    /// Closed, the port does not get its former settings back: that could move lines that order something (dumb §1).
    #[must_use]
    pub const fn keep_settings(mut self) -> Self {
        self.keep = true;
        self
    }

    /// The first try.
    pub fn start(&mut self, registry: &Registry, now: Instant) {
        self.handle_timeout(registry, now);
    }

    /// The port's token is ready.
    pub fn ready(&mut self, registry: &Registry, now: Instant) {
        self.receive(registry, now);
    }

    /// A deadline may have passed; early calls do nothing.
    pub fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        if let State::Closed(at) = self.state {
            if at <= now {
                self.open(registry, now);
            }
            return;
        }
        if self.more {
            self.receive(registry, now);
        }
        if !self.unsent.is_empty() && self.send_at <= now {
            self.send_rest(registry, now);
        }
    }

    /// The next deadline; in the past: at once.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Closed(at) => Some(*at),
            State::Open { since, .. } if self.more => Some(*since),
            State::Open { .. } => (!self.unsent.is_empty()).then_some(self.send_at),
        }
    }

    /// What the port has to tell; call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Sends a byte; nowhere, if the port is closed.
    pub fn send(&mut self, registry: &Registry, byte: u8, now: Instant) {
        if matches!(self.state, State::Open { .. }) && self.unsent.len() < SEND_MAX {
            self.unsent.push(byte);
            self.send_rest(registry, now);
        }
    }

    /// Closes the port and opens it again after a moment.
    pub fn reopen(&mut self, registry: &Registry, now: Instant) {
        if matches!(self.state, State::Open { .. }) {
            self.drop_tty(registry);
            self.state = State::Closed(now + Duration::from_secs(1));
        }
    }

    /// The modem lines; `None` within if the port has none. `None` if it is closed, or found to be gone now.
    pub fn modem_lines(&mut self, registry: &Registry, now: Instant) -> Option<Option<ModemLines>> {
        let State::Open { tty, .. } = &self.state else { return None };
        match tty.modem_lines() {
            Ok(lines) => Some(Some(lines)),
            Err(error) if tty::is_none(&error) => Some(None),
            Err(error) => {
                self.gone(registry, now, &format!("is gone: {}", reason(&error)));
                None
            }
        }
    }

    /// Switches modem lines of the open port. That they are, the next look at them shows.
    pub fn set_modem_lines(&self, lines: ModemLines, on: bool) {
        if let State::Open { tty, .. } = &self.state {
            let _ = tty.set_modem_lines(lines, on);
        }
    }

    /// Puts the sending line of the open port into the break condition, or takes it out.
    pub fn set_break(&self, on: bool) {
        if let State::Open { tty, .. } = &self.state {
            let _ = tty.set_break(on);
        }
    }

    /// Gives the port back as it was.
    pub fn close(&mut self, registry: &Registry) {
        self.drop_tty(registry);
    }

    fn open(&mut self, registry: &Registry, now: Instant) {
        let opened = Tty::open(&self.path).and_then(|mut tty| {
            if self.keep {
                tty.keep_settings();
            }
            registry.register(&mut SourceFd(&tty.as_raw_fd()), self.token, Interest::READABLE)?;
            Ok(tty)
        });
        match opened {
            Ok(tty) => {
                let (raise, clear) = self.lines;
                for (lines, on) in [(clear, false), (raise, true)] {
                    if lines != ModemLines::default()
                        && let Err(error) = tty.set_modem_lines(lines, on)
                    {
                        log::debug!("{}: no modem lines: {error}", self.path.display());
                    }
                }
                self.state = State::Open { tty, since: now };
                self.told = None;
                // What came between opening and registering made no edge.
                self.more = true;
                self.events.push_back(Event::Opened);
            }
            Err(error) => self.closed(now, &self.words(&error)),
        }
    }

    fn words(&self, error: &io::Error) -> String {
        let path = self.path.display();
        match error.kind() {
            io::ErrorKind::ResourceBusy => {
                format!("{path} is held by another program; trying again (fuser {path} shows which)")
            }
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
                if now.saturating_duration_since(since) >= SEND_PATIENCE {
                    return self.gone(registry, now, "takes no bytes");
                }
            }
        }
        self.send_at = now + SEND_AGAIN;
    }

    fn gone(&mut self, registry: &Registry, now: Instant, what: &str) {
        if let State::Open { since, .. } = &self.state
            && now.saturating_duration_since(*since) >= GOOD
        {
            self.failures = 0;
        }
        self.drop_tty(registry);
        self.closed(now, &format!("{} {what}", self.path.display()));
    }

    fn closed(&mut self, now: Instant, why: &str) {
        let pause = PAUSES.get(self.failures).or(PAUSES.last()).copied().unwrap_or(5);
        self.failures = (self.failures + 1).min(PAUSES.len());
        self.state = State::Closed(now + Duration::from_secs(pause));
        if self.told.as_deref() != Some(why) {
            self.told = Some(why.to_owned());
            self.events.push_back(Event::Closed(why.to_owned()));
        }
    }

    fn drop_tty(&mut self, registry: &Registry) {
        self.unsent.clear();
        self.unsent_since = None;
        self.more = false;
        if let State::Open { tty, since } = &self.state {
            // It is closed in any case.
            let _ = registry.deregister(&mut SourceFd(&tty.as_raw_fd()));
            self.state = State::Closed(*since);
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
mod tests {
    use std::io::{Read, Write};

    use mio::{Events, Poll};

    use super::*;

    fn port(path: PathBuf, now: Instant) -> SerialPort {
        SerialPort::new(path, Token(1), ModemLines::default(), ModemLines::RTS, now)
    }

    #[test]
    fn a_missing_port_is_told_once_and_opened_when_it_is_there() {
        let poll = Poll::new().unwrap();
        let start = Instant::now();
        let link = std::env::temp_dir().join(format!("mainsd-tty-{}", std::process::id()));
        let _ = std::fs::remove_file(&link);
        let mut port = port(link.clone(), start);
        let mut now = start;
        let mut tries = 0;
        while now < start + Duration::from_secs(60) {
            port.handle_timeout(poll.registry(), now);
            tries += 1;
            now = port.poll_timeout().unwrap();
        }
        assert!((10..20).contains(&tries), "{tries} tries a minute");
        let words = format!("{} does not exist; waiting for it", link.display());
        assert_eq!(port.poll_event(), Some(Event::Closed(words)));
        assert_eq!(port.poll_event(), None);
        let (_master, path) = tty::pty().unwrap();
        std::os::unix::fs::symlink(path, &link).unwrap();
        port.handle_timeout(poll.registry(), now);
        assert_eq!(port.poll_event(), Some(Event::Opened));
        std::fs::remove_file(&link).unwrap();
    }

    #[test]
    fn bytes_pass_and_a_port_that_goes_away_is_closed_and_tried_again() {
        let mut poll = Poll::new().unwrap();
        let now = Instant::now();
        let (master, path) = tty::pty().unwrap();
        let mut master = std::fs::File::from(master);
        let mut port = port(path, now);
        port.start(poll.registry(), now);
        assert_eq!(port.poll_event(), Some(Event::Opened));
        port.handle_timeout(poll.registry(), now);
        port.send(poll.registry(), b'Y', now);
        let mut byte = [0];
        master.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"Y");
        master.write_all(b"SM\r\n").unwrap();
        let mut events = Events::with_capacity(4);
        let mut wait = |poll: &mut Poll| {
            crate::sys::poll_through_signals(poll, &mut events, Duration::from_secs(30));
            assert!(events.iter().any(|event| event.token() == Token(1)));
        };
        wait(&mut poll);
        port.ready(poll.registry(), now);
        assert_eq!(port.poll_event(), Some(Event::Bytes(b"SM\r\n".to_vec())));
        assert_eq!(port.poll_timeout(), None);
        drop(master);
        wait(&mut poll);
        port.ready(poll.registry(), now);
        assert!(matches!(port.poll_event(), Some(Event::Closed(_))));
        assert!(port.poll_timeout().is_some());
        // Nobody is there to hear it.
        port.send(poll.registry(), b'Y', now);
        port.close(poll.registry());
    }
}
