//! What takes rights, done for the main process by children of the helper, each with a socket of its own to who asked.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Instant;

use super::Hands;
use super::allowance::{Allowance, JOBS};
#[cfg(feature = "serial-port")]
use crate::daemon::driver::at_rest;
#[cfg(feature = "card")]
use crate::daemon::driver::card_listening;
#[cfg(feature = "datagram")]
use crate::daemon::driver::listened;
#[cfg(any(feature = "stream", feature = "datagram"))]
use crate::daemon::driver::targets;
use crate::daemon::driver::try_lock;
use crate::daemon::settings;
use crate::daemon::writers::serve_writer;
use crate::journal::{DebugTarget, StateFile};
#[cfg(feature = "datagram")]
use crate::port::datagram;
use crate::port::device_lock::DeviceLocks;
#[cfg(any(feature = "stream", feature = "datagram"))]
use crate::port::lookup;
#[cfg(feature = "serial-port")]
use crate::port::serial;
#[cfg(feature = "usb")]
use crate::port::usb;
use crate::server::lent;
use crate::sys::job::Job;
#[cfg(feature = "card")]
use crate::sys::named_lock::NamedLock;
#[cfg(any(feature = "usb", feature = "stream", feature = "datagram"))]
use crate::sys::rights;
use crate::sys::rights::User;
use crate::sys::role::{Kind, Process, Socket, Streams};

/// A child that does one thing.
const PLAIN: Kind<'static> =
    Kind { name: c"mainsd: job", kept: &[], streams: Streams::Null, has_loop: false };

/// Most children of one kind of job that run at a time. Writers that a disk holds up keep no port from being opened.
const MAX_CHILDREN: usize = 12;

/// What jobs are done with.
#[derive(Debug, Default)]
pub struct Means {
    /// Where devices are locked.
    pub locks: DeviceLocks,
    /// Who a child is that needs no rights.
    pub user: User,
    /// Where debug output goes.
    pub debug: Option<DebugTarget>,
    /// The state file.
    pub state: Option<StateFile>,
    /// The lock file of the serial port, if it is to be waited for.
    pub port_lock: Option<PathBuf>,
}

/// The jobs that were begun.
#[derive(Debug)]
pub struct Jobs {
    means: Means,
    allowance: Allowance,
    ports: Vec<Process>,
    locks: Vec<Process>,
    /// What looks devices and names up.
    lookups: Vec<Process>,
    writers: Vec<Process>,
    /// Of the card that the main process listens to.
    #[cfg(feature = "card")]
    card_lock: Option<NamedLock>,
}

impl Jobs {
    /// None yet.
    #[must_use]
    pub const fn new(means: Means, now: Instant) -> Self {
        Self {
            means,
            allowance: Allowance::new(JOBS, now),
            ports: Vec::new(),
            locks: Vec::new(),
            lookups: Vec::new(),
            writers: Vec::new(),
            #[cfg(feature = "card")]
            card_lock: None,
        }
    }

    /// A child may have ended, or was stopped.
    pub fn handle_child_signal(&mut self, now: Instant) {
        for children in [&mut self.ports, &mut self.locks, &mut self.lookups, &mut self.writers] {
            children.retain_mut(|child| child.end().is_none());
        }
        self.handle_timeout(now);
    }

    /// Writers that somebody has stopped are ended: who has them starts others. The other children hold nothing up.
    pub fn handle_timeout(&mut self, now: Instant) {
        for writer in &mut self.writers {
            if writer.is_stopped_for_long(now) {
                writer.kill();
            }
        }
    }

    /// When to call [`Jobs::handle_timeout`] again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.writers.iter().filter_map(Process::poll_timeout).min()
    }

    /// Begins a job, if it may be. Else the socket is closed, which says so.
    pub fn start(&mut self, job: &Job<'_>, socket: OwnedFd, hands: &Hands, now: Instant) {
        self.handle_child_signal(now);
        if !self.allowance.take(now) || self.children(job).len() >= MAX_CHILDREN {
            log::debug!("too many jobs: not begun");
            return;
        }
        match self.begin(job, socket, hands) {
            Ok(child) => self.children(job).extend(child),
            Err(error) => log::debug!("a job is not begun: {error}"),
        }
    }

    const fn children(&mut self, job: &Job<'_>) -> &mut Vec<Process> {
        match job {
            Job::UsbDevice { .. } | Job::SerialPort => &mut self.ports,
            Job::PortLock => &mut self.locks,

            Job::UsbList | Job::Resolve(_) | Job::Listen(_) | Job::CardPort(_) | Job::ListenForDriver(_) => {
                &mut self.lookups
            }
            Job::Writer(_) => &mut self.writers,
        }
    }

    fn begin(&mut self, job: &Job<'_>, socket: OwnedFd, hands: &Hands) -> io::Result<Option<Process>> {
        match *job {
            #[cfg(feature = "usb")]
            Job::UsbDevice { interface, bus, device } => {
                let roots = usb::Roots::default();
                usb::serve(&roots, &self.means.locks, interface, (bus, device), &socket)?;
                Ok(None)
            }
            #[cfg(feature = "usb")]
            Job::UsbList => {
                let kind = Kind { name: c"mainsd: usb", ..PLAIN };
                let user = self.means.user;
                let tell = |socket: Socket| {
                    rights::become_user(user);
                    usb::tell(&usb::Roots::default(), &socket);
                };
                Process::start(&kind, socket, || (), tell).map(Some)
            }
            #[cfg(any(feature = "stream", feature = "datagram"))]
            Job::Resolve(number) => {
                let targets = targets(hands.of_the_file());
                let target = targets.get(usize::from(number)).ok_or(io::ErrorKind::NotFound)?;
                let kind = Kind { name: c"mainsd: resolve", ..PLAIN };
                let user = self.means.user;
                let resolve = |socket: Socket| {
                    rights::become_user(user);
                    socket.send(lookup::resolve(&target.host).as_bytes());
                };
                Process::start(&kind, socket, || (), resolve).map(Some)
            }
            #[cfg(feature = "serial-port")]
            Job::SerialPort => {
                let (locks, at_rest) = (&self.means.locks, at_rest(hands.of_the_file()));
                let path = std::path::Path::new(&hands.of_the_file().device);
                let kind = Kind { name: c"mainsd: port", ..PLAIN };
                let keep = |socket| serial::keep(path, locks, at_rest, &socket);
                Process::start(&kind, socket, || (), keep).map(Some)
            }
            Job::PortLock => {
                let path = self.means.port_lock.as_deref().ok_or(io::ErrorKind::NotFound)?;
                let owner =
                    self.means.locks.owner().and_then(|pid| u32::try_from(pid).ok()).unwrap_or_default();
                let device = &hands.of_the_file().device;
                let kind = Kind { name: c"mainsd: lock", ..PLAIN };
                let lock = |socket: Socket| socket.send(try_lock(owner, path, device).as_bytes());
                Process::start(&kind, socket, || (), lock).map(Some)
            }
            // No call of it waits.
            Job::Listen(number) => {
                lent::lend(&settings::server(&hands.config()), number, socket.as_fd());
                Ok(None)
            }
            // Nor of this.
            #[cfg(feature = "card")]
            Job::CardPort(number) => {
                if let Some(listening) = card_listening(hands.of_the_file()) {
                    listening.lend(number, &self.means.locks, &mut self.card_lock, socket.as_fd());
                }
                Ok(None)
            }
            #[cfg(feature = "datagram")]
            Job::ListenForDriver(number) => {
                if let Some(port) = listened(hands.of_the_file()) {
                    datagram::lend(port, number, socket.as_fd());
                }
                Ok(None)
            }
            Job::Writer(number) => {
                let Means { debug, state, .. } = &mut self.means;
                let (config, invocation) = (hands.config(), hands.invocation());
                let places = settings::places(&config, invocation, debug.take(), state.take());
                let (started, debug, state) = serve_writer(places, number, socket);
                (self.means.debug, self.means.state) = (debug, state);
                started.map(Some)
            }
            #[cfg(not(all(
                feature = "usb",
                feature = "serial-port",
                feature = "stream",
                feature = "card",
                feature = "datagram"
            )))]
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "any moment will do")]
mod tests {
    use std::time::Duration;

    use super::super::tests::{configuration, invocation};
    use super::*;
    use crate::sys::passing::socket_pair;
    use crate::sys::role::{Role, wait_for_any};

    #[cfg(feature = "serial-port")]
    #[test]
    fn writers_that_do_not_end_keep_no_port_from_being_opened_and_are_not_ever_more() {
        let folder = std::path::Path::new("/nonexistent");
        let hands =
            Hands::new(configuration(folder, "DEVICE /nonexistent"), invocation(folder), Instant::now());
        let mut jobs = Jobs::new(Means::default(), Instant::now());
        let mut start = |job: Job<'_>| {
            let (ours, theirs) = socket_pair().unwrap();
            jobs.start(&job, theirs, &hands, Instant::now());
            Role::of_another(ours)
        };
        let mut writers: Vec<Role> = (0..20).map(|_| start(Job::Writer(0))).collect();
        let (begun, refused) = writers.split_at_mut(MAX_CHILDREN);
        for role in refused {
            // A child of another test may have had the other end for a moment.
            wait_for_any([&*role].into_iter(), Duration::from_secs(60));
            assert!(role.has_ended());
        }
        assert!(!begun.iter_mut().any(Role::has_ended));
        let port = start(Job::SerialPort);
        wait_for_any([&port].into_iter(), Duration::from_secs(60));
        assert!(port.receive(&mut [0; 16]).unwrap() > 0, "it cannot be opened");
    }
}
