//! Looks a name up without waiting: a short-lived child asks the system's resolver, which may block for as long as it likes.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::sys::in_child;
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
    child: Child,
    answer: File,
    port: u16,
    until: Instant,
    over: bool,
}

impl Lookup {
    /// Starts to look `host` up; the addresses will have this port.
    ///
    /// # Errors
    /// Words for the log if no child can be made.
    pub fn start(host: &str, port: u16, now: Instant) -> Result<Self, String> {
        let begun = in_child::start(|out| {
            let found = (host, 0).to_socket_addrs().into_iter().flatten();
            // Nobody reads what cannot be written.
            let _ = out.write_all(found.map(|address| format!("{address}\n")).collect::<String>().as_bytes());
        });
        let (child, answer) = begun.map_err(|error| crate::sys::reason(&error))?;
        Ok(Self { child, answer, port, until: now + TIMEOUT, over: false })
    }

    /// The result, once it is there: the addresses, or why there are none. Call at each turn of the loop; the end of a
    /// child makes one.
    pub fn poll(&mut self, now: Instant) -> Option<Result<Vec<SocketAddr>, String>> {
        let end = self.child.try_wait();
        if self.over {
            return None;
        }
        let Some(end) = end else {
            if now < self.until {
                return None;
            }
            self.over = true;
            self.child.kill_group();
            return Some(Err("the look-up of its name takes too long".to_owned()));
        };
        self.over = true;
        let found = if end == End::Exited(0) { self.read() } else { Vec::new() };
        Some(if found.is_empty() { Err("its name has no address".to_owned()) } else { Ok(found) })
    }

    /// Whether the result has been given and the child is gone, so that this can be dropped and leaves nothing behind.
    pub fn is_over(&mut self) -> bool {
        self.over && self.child.try_wait().is_some()
    }

    /// When [`Lookup::poll`] gives up.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.over).then_some(self.until)
    }

    fn read(&mut self) -> Vec<SocketAddr> {
        let mut bytes = vec![0; ANSWER_BYTES_MAX];
        // The child has ended: everything it wrote is in the pipe.
        let n = self.answer.read(&mut bytes).unwrap_or(0);
        let text = String::from_utf8_lossy(bytes.get(..n).unwrap_or_default()).into_owned();
        let addresses = text.lines().filter_map(|line| line.parse::<SocketAddr>().ok());
        let with_port = addresses.map(|mut address| {
            address.set_port(self.port);
            address
        });
        with_port.take(ADDRESSES).collect()
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        if self.child.try_wait().is_none() {
            self.child.kill_group();
        }
    }
}
