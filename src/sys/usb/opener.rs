//! The calls that may wait for a device, each made in a process of its own.
//!
//! While the kernel probes or resets a device it holds the device's lock, for seconds when the device does not answer,
//! and meanwhile an `open` of its node, or a look at its strings in sysfs, waits with no way out. The kernel's own
//! probe (attaching its driver) and a reset are calls that last as long. So a detached child makes them and reports
//! over a socket; if nobody listens any more, it just ends.
//!
//! ```text
//! files ──open──▶ lock, opened ──attach──▶ done
//!   │                  └──end of file──▶ ends: who has them, has both
//!   ├──ask──▶ held by whom
//!   └──attach, reset, give back──▶ done
//! ```

mod child;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, shutdown};

use crate::sys::passing::{self, receive};

pub use child::serve;

/// What an opener is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Files to read; each may wait for the device.
    pub files: Vec<PathBuf>,
    /// The usbfs node.
    pub node: PathBuf,
    /// The number of the interface that is claimed.
    pub interface: u8,
}

/// What an opener reports.
#[derive(Debug)]
pub enum Message {
    /// The device as it is now, in the words of who has started the child: before the messages about it that take a look at it.
    Fresh(Vec<u8>),
    /// The contents of the files, in order; `None`: not readable. It waits for [`Opener::open`],
    /// [`Opener::attach`] or [`Opener::ask_holder`] now.
    Files(Vec<Option<Vec<u8>>>),
    /// The device's lock, which is kept by keeping this.
    Lock(OwnedFd),
    /// The node is open, the device answers, and the descriptor has claimed the interface. The child ends when the opener is dropped;
    /// or [`Opener::give_back`].
    Opened(OwnedFd),
    /// The node cannot be opened.
    Failed(io::Error),
    /// The node is open, but the interface cannot be claimed.
    Unusable(io::Error),
    /// The node is open, but the device does not answer.
    Silent,
    /// Another program has the device's lock, or its interface; who, in words. Empty: nobody has the lock.
    Held(String),
    /// The kernel has been asked to attach its driver, or to reset the device.
    Done,
    /// The child is gone.
    Gone,
}

/// Most that is read of one file.
const FILE_MAX: usize = 1024;
/// Most files of one opener.
const FILES_MAX: usize = 4;
/// Room for all files with two bytes of length each, and for what a device is.
const PACKET: usize = 6000;
const _: () = assert!(PACKET >= FILES_MAX * (FILE_MAX + 2));
/// Length that stands for "not readable".
const ABSENT: u16 = u16::MAX;

const TAG_FILES: u8 = b's';
const TAG_LOCK: u8 = b'l';
const TAG_OPENED: u8 = b'o';
const TAG_FAILED: u8 = b'e';
const TAG_UNUSABLE: u8 = b'u';
const TAG_SILENT: u8 = b't';
const TAG_DONE: u8 = b'd';
const TAG_HELD: u8 = b'h';
const TAG_FRESH: u8 = b'n';
const GO_OPEN: u8 = b'o';
const GO_ATTACH: u8 = b'a';
const GO_RESET: u8 = b'r';
const GO_BACK: u8 = b'b';
const GO_ASK: u8 = b'l';

/// A child that waits in our place. Dropped, it ends when its call returns.
#[derive(Debug)]
pub struct Opener {
    socket: OwnedFd,
    /// It was told to open the device.
    opens: Cell<bool>,
    /// It was told to reset the device: what it says before that is over is no news.
    resets: Cell<bool>,
}

impl Opener {
    /// The child that [`serve`] has started with the other end of this socket, in this process or another.
    #[must_use]
    pub const fn new(socket: OwnedFd) -> Self {
        Self { socket, opens: Cell::new(false), resets: Cell::new(false) }
    }

    /// Tells the child to open the node, to see whether the device answers, and to take the interface from the kernel's driver.
    ///
    /// # Errors
    /// The child is gone.
    pub fn open(&self) -> io::Result<()> {
        self.opens.set(true);
        self.say(GO_OPEN)
    }

    /// Asks who has the device's lock: [`Message::Held`] comes, without words if nobody has.
    ///
    /// # Errors
    /// The child is gone.
    pub fn ask_holder(&self) -> io::Result<()> {
        self.say(GO_ASK)
    }

    /// Tells the child to have the kernel attach its driver to the interface, which has none.
    ///
    /// # Errors
    /// The child is gone.
    pub fn attach(&self) -> io::Result<()> {
        self.say(GO_ATTACH)
    }

    /// Tells the child to reset the device, which this process has closed; [`Message::Done`] comes when that is over, whatever came
    /// of it, or [`Message::Held`].
    ///
    /// # Errors
    /// The child is gone.
    pub fn reset(&self) -> io::Result<()> {
        self.resets.set(true);
        self.say(GO_RESET)
    }

    /// Tells the child to have the kernel attach its driver to the interface, which this process has closed, and to remove the lock.
    /// It does so also when nobody waits for it.
    ///
    /// # Errors
    /// The child is gone.
    pub fn back(self) -> io::Result<()> {
        self.say(GO_BACK)
    }

    /// Lets go of the child: a device that it has opened, or opens yet, is the kernel's driver's again. What this process has of it must
    /// be closed. Waits for nothing.
    pub fn give_back(self) {
        if self.opens.get() {
            let _ = shutdown(&self.socket, Shutdown::Read);
            // A descriptor that was on its way is closed here, before the child hears of it.
            while !matches!(self.receive(), Ok(None | Some(Message::Gone)) | Err(_)) {}
            let _ = self.attach();
        }
    }

    fn say(&self, order: u8) -> io::Result<()> {
        Ok(passing::send(self.socket.as_fd(), &[order], None, SendFlags::empty())?)
    }

    /// The next report; `None`: not yet.
    ///
    /// # Errors
    /// What the system says; the child is useless then.
    pub fn receive(&self) -> io::Result<Option<Message>> {
        loop {
            match self.receive_next()? {
                Some(Message::Fresh(_) | Message::Files(_)) if self.resets.get() => {}
                message => return Ok(message),
            }
        }
    }

    fn receive_next(&self) -> io::Result<Option<Message>> {
        let mut packet = [0; PACKET + 1];
        let (got, passed) = match receive(self.socket.as_fd(), &mut packet, RecvFlags::empty()) {
            Ok(got) => got,
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let error = |rest: &[u8]| {
            io::Error::from_raw_os_error(rest.first_chunk().map_or(libc::EIO, |b| i32::from_le_bytes(*b)))
        };
        let message = match (packet.get(..got).and_then(<[u8]>::split_first), passed) {
            (Some((&TAG_FILES, rest)), _) => Message::Files(split_files(rest)),
            (Some((&TAG_LOCK, _)), Some(fd)) => Message::Lock(fd),
            (Some((&TAG_OPENED, _)), Some(fd)) => Message::Opened(fd),
            (Some((&TAG_FAILED, rest)), _) => Message::Failed(error(rest)),
            (Some((&TAG_UNUSABLE, rest)), _) => Message::Unusable(error(rest)),
            (Some((&TAG_SILENT, _)), _) => Message::Silent,
            (Some((&TAG_FRESH, rest)), _) => Message::Fresh(rest.to_vec()),
            (Some((&TAG_HELD, rest)), _) => Message::Held(String::from_utf8_lossy(rest).into_owned()),
            (Some((&TAG_DONE, _)), _) => Message::Done,
            _ => Message::Gone,
        };
        Ok(Some(message))
    }
}

impl AsRawFd for Opener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn split_files(mut rest: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut files = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        rest = after;
        match u16::from_le_bytes(*length) {
            ABSENT => files.push(None),
            length => {
                let (file, after) = rest.split_at_checked(usize::from(length)).unwrap_or((rest, &[]));
                files.push(Some(file.to_vec()));
                rest = after;
            }
        }
    }
    files
}
