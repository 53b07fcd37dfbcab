//! A process that opens a serial port for one that has no right to, and keeps its lock and its settings from before.
//!
//! ```text
//! to who asked: o + descriptor   open            h text   another configuration has its lock; who
//!               b text           taken; by whom, if that is known            e errno (4)   cannot be opened
//!               u text           who has it open too
//! ```

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use super::AtRest;
use crate::port::device_lock::DeviceLocks;
use crate::sys::passing;
use crate::sys::process::{self, UserSearch};
use crate::sys::role::Socket;
use crate::sys::tty::{self, Tty};
use crate::ups::clean;

const OPEN: u8 = b'o';
const HELD: u8 = b'h';
const TAKEN: u8 = b'b';
const FAILED: u8 = b'e';
const USED: u8 = b'u';

/// Longest packet in bytes.
const PACKET: usize = 1024;

/// How often, and how far apart, a port is looked at that the keeper before this one may have.
const LOOKS: u32 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// What a keeper says.
#[derive(Debug)]
pub(super) enum Said {
    /// The port is open.
    Open(OwnedFd),
    /// Another configuration has its lock; who, in words.
    Held(String),
    /// Somebody has taken it; who, in words, if that is known.
    Taken(Option<String>),
    /// It cannot be opened.
    Failed(io::Error),
    /// Somebody has it open too; who, in words.
    Used(String),
    /// The keeper has ended.
    Gone,
}

/// The keeper, as who asked sees it. Dropped, it gives the port back.
#[derive(Debug)]
pub(super) struct Keeper(OwnedFd);

impl Keeper {
    pub const fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// What it says next; `None`: nothing yet.
    pub fn receive(&self) -> Option<Said> {
        let mut packet = [0; PACKET];
        let (length, passed) = match passing::receive_now(self.0.as_fd(), &mut packet) {
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(_) => return Some(Said::Gone),
        };
        let Some((tag, rest)) = packet.get(..length).and_then(<[u8]>::split_first) else {
            return Some(Said::Gone);
        };
        let words = || clean(&String::from_utf8_lossy(rest));
        Some(match (*tag, passed) {
            (OPEN, Some(fd)) => Said::Open(fd),
            (HELD, _) => Said::Held(words()),
            (TAKEN, _) => Said::Taken(Some(words()).filter(|words| !words.is_empty())),
            (FAILED, _) => {
                let errno = rest.first_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes));
                Said::Failed(io::Error::from_raw_os_error(errno))
            }
            (USED, _) => Said::Used(words()),
            _ => Said::Gone,
        })
    }
}

impl AsRawFd for Keeper {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// What the process of a keeper does, until nobody is at the other end of the socket.
pub fn keep(path: &Path, locks: &DeviceLocks, at_rest: AtRest, socket: &Socket) {
    let say = |tag: u8, words: &str| {
        let words = words.get(..PACKET - 1).unwrap_or(words);
        socket.send(&[&[tag], words.as_bytes()].concat());
    };
    let _lock = match tty::device_name(path).map(|device| locks.take(&device)) {
        Some(Err(holder)) => return say(HELD, &holder),
        Some(Ok(lock)) => lock,
        None => None,
    };
    // At once: the kernel has raised lines that may order something.
    let opened = open(path).and_then(|mut tty| at_rest.apply(&mut tty).map(|()| tty));
    let tty = match opened {
        Ok(tty) => tty,
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            return say(TAKEN, &user(path, locks).unwrap_or_default());
        }
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or_default();
            return socket.send(&[&[FAILED], &errno.to_le_bytes()[..]].concat());
        }
    };
    if socket.pass(&[OPEN], tty.as_fd()).is_err() {
        return;
    }
    if let Some(user) = user(path, locks) {
        say(USED, &user);
    }
    while let Ok(1..) = socket.receive(&mut [0; 8]) {}
}

/// Opens the port; the keeper before this one may be about to give it back.
#[allow(clippy::disallowed_methods, reason = "a process of its own, which has nothing else to do")]
fn open(path: &Path) -> io::Result<Tty> {
    for _ in 0..LOOKS {
        match Tty::open(path) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => std::thread::sleep(BETWEEN_LOOKS),
            other => return other,
        }
    }
    Tty::open(path)
}

/// Who else has the port open, in words; no process of this daemon.
fn user(path: &Path, locks: &DeviceLocks) -> Option<String> {
    let mut search = UserSearch::new(path)?.without_daemon(locks.owner());
    loop {
        if let Some(found) = search.step() {
            return found.map(process::describe);
        }
    }
}
