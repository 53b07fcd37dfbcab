//! The descriptors of the port in the loop: announcements, openers, libusb.

use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::announces_device;
use crate::sys::usb::{Context, Opener, Source, UeventSocket, UsbError};

/// Openers that wait for the kernel while the search goes on; the oldest is forgotten beyond this.
const STUCK_MAX: usize = 4;
/// Longest announcement the kernel makes: `UEVENT_BUFFER_SIZE`.
const ANNOUNCEMENT_MAX: usize = 2048;
/// Announcements taken in one turn; the next one wakes the loop for the rest.
const ANNOUNCEMENTS: usize = 256;

/// What is registered with the poll.
#[derive(Debug)]
pub(super) struct Sources {
    base: usize,
    uevents: Option<UeventSocket>,
    context: Option<Rc<Context>>,
    /// There will be no other.
    is_kept: bool,
    registered: Vec<Source>,
    /// Openers that take too long, and the node of the device each waits for: one that is plugged in anew has another.
    stuck: Vec<(Opener, PathBuf)>,
    libusb_at: Option<Instant>,
}

impl Sources {
    pub(super) fn new(base: Token) -> Self {
        Self {
            base: base.0,
            uevents: None,
            context: None,
            is_kept: false,
            registered: Vec::new(),
            stuck: Vec::new(),
            libusb_at: None,
        }
    }

    pub(super) fn is_announcement(&self, token: Token) -> bool {
        token.0 == self.base
    }

    pub(super) fn is_child(&self, token: Token) -> bool {
        token.0 == self.base + 1
    }

    fn libusb_token(&self) -> Token {
        Token(self.base + 2)
    }

    /// Opens the socket for announcements; without it the port looks by the clock.
    pub(super) fn listen(&mut self, registry: &Registry) {
        let socket = UeventSocket::open().and_then(|socket| {
            let token = Token(self.base);
            registry.register(&mut SourceFd(&socket.as_raw_fd()), token, Interest::READABLE)?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => self.uevents = Some(socket),
            Err(error) => log::debug!("no hot-plug messages from the kernel ({error}): looking by the clock"),
        }
    }

    /// Reads all announcements; whether one is worth a look.
    pub(super) fn announced(&self) -> bool {
        let Some(socket) = &self.uevents else { return false };
        let mut news = false;
        let mut message = [0; ANNOUNCEMENT_MAX];
        for _ in 0..ANNOUNCEMENTS {
            match socket.receive(&mut message) {
                Ok(length) => news |= announces_device(message.get(..length).unwrap_or(&[])),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return news,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                // ENOBUFS: some were lost, one of them may have been ours.
                Err(_) => news = true,
            }
        }
        true
    }

    pub(super) fn add_child(&self, registry: &Registry, child: &impl AsRawFd) -> std::io::Result<()> {
        let token = Token(self.base + 1);
        registry.register(&mut SourceFd(&child.as_raw_fd()), token, Interest::READABLE)
    }

    pub(super) fn drop_child(&self, registry: &Registry, child: &impl AsRawFd) {
        let _ = registry.deregister(&mut SourceFd(&child.as_raw_fd()));
    }

    /// Keeps a registered or fresh one until it reports; its device is passed over meanwhile.
    pub(super) fn add_stuck(&mut self, registry: &Registry, opener: Opener, node: PathBuf) {
        if self.stuck.len() >= STUCK_MAX {
            let (oldest, _) = self.stuck.remove(0);
            self.drop_child(registry, &oldest);
            oldest.give_back();
        }
        let _ = self.add_child(registry, &opener); // already there: no harm
        self.stuck.push((opener, node));
    }

    pub(super) fn is_stuck(&self, node: &Path) -> bool {
        self.stuck.iter().any(|(_, stuck)| stuck == node)
    }

    /// Lets go of the openers that have reported meanwhile; whether there were any.
    pub(super) fn free_stuck(&mut self, registry: &Registry) -> bool {
        let before = self.stuck.len();
        let mut at = 0;
        while let Some((opener, _)) = self.stuck.get(at) {
            if matches!(opener.receive(), Ok(None)) {
                at += 1;
            } else {
                self.drop_child(registry, opener);
                // It may have opened the device that nobody waits for any more.
                self.stuck.remove(at).0.give_back();
            }
        }
        self.stuck.len() < before
    }

    /// Makes the libusb context that is kept from now on: later this process may not look for devices any more. False: libusb does
    /// not start before there is a USB device.
    pub(super) fn prepare(&mut self) -> bool {
        self.context = self.context.take().or_else(|| Context::new().ok().map(Rc::new));
        self.is_kept = self.context.is_some();
        self.is_kept
    }

    /// The libusb context, made when first needed: libusb refuses to start before there is a USB device.
    pub(super) fn context(&mut self, registry: &Registry) -> Result<Rc<Context>, UsbError> {
        let context = match self.context.take() {
            Some(context) => context,
            None => Rc::new(Context::new()?),
        };
        self.context = Some(Rc::clone(&context));
        self.sync(registry);
        Ok(context)
    }

    /// Registers what libusb wants watched now, and nothing else of it.
    pub(super) fn sync(&mut self, registry: &Registry) {
        let Some(context) = &self.context else { return };
        if !context.take_sources_changed() {
            return;
        }
        let wanted = context.sources();
        self.registered.retain(|source| {
            let keep = wanted.contains(source);
            if !keep {
                let _ = registry.deregister(&mut SourceFd(&source.fd));
            }
            keep
        });
        for source in wanted {
            if self.registered.contains(&source) {
                continue;
            }
            match self.watch(registry, &source) {
                Ok(()) => self.registered.push(source),
                Err(error) => log::debug!("cannot watch a descriptor of libusb: {error}"),
            }
        }
    }

    fn watch(&self, registry: &Registry, source: &Source) -> std::io::Result<()> {
        let interest = match (source.readable, source.writable) {
            (true, true) => Interest::READABLE | Interest::WRITABLE,
            (true, false) => Interest::READABLE,
            (false, _) => Interest::WRITABLE,
        };
        registry.register(&mut SourceFd(&source.fd), self.libusb_token(), interest)
    }

    /// This descriptor does not wake the loop until [`Sources::unmute`].
    pub(super) fn mute(&self, registry: &Registry, fd: RawFd) {
        if self.has(fd) {
            let _ = registry.deregister(&mut SourceFd(&fd)); // muted already: no harm
        }
    }

    /// It does again, at once if there is something.
    pub(super) fn unmute(&self, registry: &Registry, fd: RawFd) {
        let source = self.registered.iter().find(|source| source.fd == fd);
        if let Some(Err(error)) = source.map(|source| self.watch(registry, source)) {
            // Looked at by the clock of libusb, then.
            log::debug!("cannot watch a descriptor of libusb: {error}");
        }
    }

    /// Whether libusb still watches this descriptor.
    pub(super) fn has(&self, fd: RawFd) -> bool {
        self.registered.iter().any(|source| source.fd == fd)
    }

    pub(super) fn handle_events(&mut self, registry: &Registry, now: Instant) -> Result<(), UsbError> {
        let Some(context) = &self.context else { return Ok(()) };
        let result = context.handle_events();
        self.libusb_at = context.next_timeout().map(|wait| now + wait);
        self.sync(registry);
        result
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.libusb_at
    }

    /// Forgets libusb; there must be no open device.
    pub(super) fn drop_context(&mut self, registry: &Registry) {
        if self.is_kept {
            return;
        }
        for source in self.registered.drain(..) {
            let _ = registry.deregister(&mut SourceFd(&source.fd));
        }
        self.context = None;
        self.libusb_at = None;
    }

    pub(super) fn close(&mut self, registry: &Registry) {
        self.is_kept = false;
        self.drop_context(registry);
        for (opener, _) in std::mem::take(&mut self.stuck) {
            self.drop_child(registry, &opener);
            opener.give_back();
        }
        if let Some(socket) = self.uevents.take() {
            let _ = registry.deregister(&mut SourceFd(&socket.as_raw_fd()));
        }
    }
}
