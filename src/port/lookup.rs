//! Looks a name up without waiting: a short-lived child asks the system's resolver, which may block for as long as it likes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use crate::sys::in_child;
use crate::sys::job::{Job, Starter};
use crate::sys::spawn::{Child, End};

/// Longest look-up.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Most of the child's answer that is read.
const ANSWER_BYTES_MAX: usize = 4096;
/// Most addresses that are used.
const ADDRESSES: usize = 8;

/// A look-up under way. Dropped, the child is ended.
#[derive(Debug)]
pub struct Lookup {
    /// `None`: it is another process's child.
    child: Option<Child>,
    answer: File,
    port: u16,
    until: Instant,
    over: bool,
}

/// The addresses of a host, one a line, with port 0. It may wait for as long as the system's resolver does.
#[must_use]
pub fn resolve(host: &str) -> String {
    let found = (host, 0).to_socket_addrs().into_iter().flatten().take(ADDRESSES);
    found.map(|address| format!("{address}\n")).collect()
}

impl Lookup {
    /// Starts to look `host` up, which is the target with this number; the addresses will have this port.
    ///
    /// # Errors
    /// Words for the log if no child can be made.
    pub fn start(starter: &Starter, number: u8, host: &str, port: u16, now: Instant) -> Result<Self, String> {
        let begun = match starter.start(&Job::Resolve(number)) {
            Some(socket) => socket.map(|socket| (None, File::from(socket))),
            None => start(host).map(|(child, answer)| (Some(child), answer)),
        };
        let (child, answer) = begun.map_err(|error| crate::sys::reason(&error))?;
        Ok(Self { child, answer, port, until: now + TIMEOUT, over: false })
    }

    /// The result, once it is there: the addresses, or why there are none. Call at each turn of the loop; the end of a
    /// child, or its answer, makes one.
    pub fn poll(&mut self, now: Instant) -> Option<Result<Vec<SocketAddr>, String>> {
        let end = self.child.as_mut().and_then(Child::try_wait);
        if self.over {
            return None;
        }
        let found = match (&self.child, end) {
            (Some(_), Some(End::Exited(0))) => Some(self.read().unwrap_or_default()),
            (Some(_), Some(_)) => Some(Vec::new()),
            (Some(_), None) => None,
            (None, _) => self.read(),
        };
        let Some(found) = found else {
            if now < self.until {
                return None;
            }
            self.over = true;
            if let Some(child) = &self.child {
                child.kill_group();
            }
            return Some(Err("the look-up of its name takes too long".to_owned()));
        };
        self.over = true;
        Some(if found.is_empty() { Err("its name has no address".to_owned()) } else { Ok(found) })
    }

    /// Whether the result has been given and the child is gone, so that this can be dropped and leaves nothing behind.
    pub fn is_over(&mut self) -> bool {
        self.over && self.child.as_mut().is_none_or(|child| child.try_wait().is_some())
    }

    /// When [`Lookup::poll`] gives up.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.over).then_some(self.until)
    }

    /// `None`: nothing was said yet.
    fn read(&mut self) -> Option<Vec<SocketAddr>> {
        read(&mut self.answer, self.port)
    }
}

/// Reads what [`resolve`] gave; `None`: nothing was said yet.
fn read(answer: &mut File, port: u16) -> Option<Vec<SocketAddr>> {
    let mut bytes = vec![0; ANSWER_BYTES_MAX];
    let length = match answer.read(&mut bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return None,
        length => length.unwrap_or(0),
    };
    Some(addresses(&String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()), port))
}

/// The addresses in what [`resolve`] gave.
fn addresses(text: &str, port: u16) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for mut address in text.lines().filter_map(|line| line.parse::<SocketAddr>().ok()).take(ADDRESSES) {
        address.set_port(port);
        found.push(address);
    }
    found
}

/// Looks a host up in this thread, for as long as that takes: in a program with several threads, which starts no such child.
#[must_use]
pub fn here(host: &str, port: u16) -> Vec<SocketAddr> {
    addresses(&resolve(host), port)
}

/// Looks a host up and waits for it so long at most, for a program with one thread that has nothing else to do. `None`: no answer by then.
///
/// # Errors
/// What the system says if no child can be made.
pub fn wait(host: &str, port: u16, limit: Duration) -> io::Result<Option<Vec<SocketAddr>>> {
    let (mut child, mut answer) = start(host)?;
    if child.wait(limit).is_none() {
        child.kill_group();
        return Ok(None);
    }
    Ok(Some(read(&mut answer, port).unwrap_or_default()))
}

/// The child, and what it will say.
fn start(host: &str) -> io::Result<(Child, File)> {
    in_child::start(|out| {
        // Nobody reads what cannot be written.
        let _ = out.write_all(resolve(host).as_bytes());
    })
}

impl AsRawFd for Lookup {
    fn as_raw_fd(&self) -> RawFd {
        self.answer.as_raw_fd()
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            if child.try_wait().is_none() {
                child.kill_group();
            }
        }
    }
}
