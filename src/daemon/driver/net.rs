//! The net driver: [`NetLink`], [`TcpClient`] and the look-up of names.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use mio::{Registry, event::Event as IoEvent};

use super::{Driver, ROUNDS};
use crate::daemon::token;
use crate::link::LinkEvent;
use crate::link::net::{NetLink, Transmit, targets};
use crate::port::lookup::Lookup;
use crate::port::tcp_client::{Event, TcpClient};
use crate::ups::{Command, Pace};

/// This program, also after an upgrade has replaced its file.
const SELF: &str = "/proc/self/exe";
/// Longest wait for a connection to one address, on mains (nis §4) and on battery.
const CONNECT: Duration = Duration::from_secs(5);
const CONNECT_FAST: Duration = Duration::from_secs(2);
/// Addresses that were looked up and do not answer are looked up again, at most this often.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What is known of one target's addresses.
#[derive(Clone, Debug, Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    looked_at: Option<Instant>,
}

/// A master at the network.
#[derive(Debug)]
pub struct NetDriver {
    link: NetLink,
    client: TcpClient,
    known: Vec<Known>,
    /// The look-up under way, for which target, and whether the link waits for it.
    lookup: Option<(Lookup, usize, bool)>,
    /// The target that is being connected to or asked.
    target: usize,
    pace: Pace,
    due: Option<Instant>,
}

impl NetDriver {
    /// A slave of the master that `device` (the directive DEVICE) names.
    #[must_use]
    pub fn new(device: &str, default_port: u16, poll_time: Duration, now: Instant) -> Self {
        let link = NetLink::new(targets(device, default_port), poll_time, now);
        let known = link
            .targets()
            .iter()
            .map(|target| Known { addresses: target.address().into_iter().collect(), looked_at: None });
        Self {
            known: known.collect(),
            link,
            client: TcpClient::new(token::DRIVER),
            lookup: None,
            target: 0,
            pace: Pace::Normal,
            due: None,
        }
    }

    fn pump(&mut self, registry: &Registry, now: Instant) {
        self.due = None;
        for _ in 0..ROUNDS {
            self.take_lookup(registry, now);
            while let Some(event) = self.client.poll_event() {
                match event {
                    Event::Connected(_) => self.link.handle_connected(now),
                    Event::Bytes(bytes) => self.link.handle_bytes(now, &bytes),
                    Event::Closed(reason) => {
                        self.look_up_again(now);
                        self.link.handle_closed(now, &reason);
                    }
                }
            }
            match self.link.poll_transmit() {
                Some(Transmit::Connect(target)) => self.connect(registry, target, now),
                Some(Transmit::Send(bytes)) => self.client.send(registry, bytes),
                Some(Transmit::Close) => {
                    self.client.close(registry);
                    if let Some((_, _, waited_for)) = &mut self.lookup {
                        *waited_for = false;
                    }
                }
                None => return,
            }
        }
        self.due = Some(now);
    }

    fn connect(&mut self, registry: &Registry, target: usize, now: Instant) {
        self.target = target;
        let addresses = self.known.get(target).map(|known| known.addresses.clone()).unwrap_or_default();
        if !addresses.is_empty() {
            let patience = if self.pace == Pace::Fast { CONNECT_FAST } else { CONNECT };
            return self.client.connect(registry, &addresses, patience, now);
        }
        match &mut self.lookup {
            Some((lookup, of, waited_for)) if *of == target && lookup.poll_timeout().is_some() => {
                *waited_for = true;
            }
            // Another is under way, or does not die: this one's turn comes with a later check.
            Some(_) => self.link.handle_closed(now, "its name has not been looked up yet"),
            None => {
                if let Err(reason) = self.look_up(target, true, now) {
                    self.link.handle_closed(now, &reason);
                }
            }
        }
    }

    fn look_up(&mut self, target: usize, waited_for: bool, now: Instant) -> Result<(), String> {
        let Some(host) = self.link.targets().get(target) else { return Ok(()) };
        if let Some(known) = self.known.get_mut(target) {
            known.looked_at = Some(now);
        }
        let lookup = Lookup::start(Path::new(SELF), &host.host, host.port, now)?;
        self.lookup = Some((lookup, target, waited_for));
        Ok(())
    }

    /// The addresses of a name do not answer: it may have others by now. Those that are known stay until then.
    fn look_up_again(&mut self, now: Instant) {
        let named = self.link.targets().get(self.target).is_some_and(|target| target.address().is_none());
        let due = self.known.get(self.target).and_then(|known| known.looked_at);
        let due = due.is_none_or(|at| now.saturating_duration_since(at) >= LOOK_AGAIN);
        if named && due && self.lookup.is_none() {
            // Without a child the old addresses go on being tried.
            let _ = self.look_up(self.target, false, now);
        }
    }

    fn take_lookup(&mut self, registry: &Registry, now: Instant) {
        let Some((lookup, target, waited_for)) = &mut self.lookup else { return };
        let result = lookup.poll(now);
        let (target, waited_for) = (*target, *waited_for);
        if lookup.is_over() {
            self.lookup = None;
        } else if result.is_some()
            && let Some((_, _, waited_for)) = &mut self.lookup
        {
            *waited_for = false;
        }
        let Some(result) = result else { return };
        match result {
            Ok(addresses) => {
                if let Some(known) = self.known.get_mut(target) {
                    known.addresses = addresses;
                }
                if waited_for {
                    self.connect(registry, target, now);
                }
            }
            Err(reason) if waited_for => self.link.handle_closed(now, &reason),
            Err(_) => {}
        }
    }
}

impl Driver for NetDriver {
    fn start(&mut self, registry: &Registry, now: Instant) {
        self.link.handle_timeout(now);
        self.pump(registry, now);
    }

    fn ready(&mut self, registry: &Registry, _: &IoEvent, now: Instant) {
        self.client.ready(registry, now);
        self.pump(registry, now);
    }

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.client.handle_timeout(registry, now);
        self.link.handle_timeout(now);
        self.pump(registry, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let lookup = self.lookup.as_ref().and_then(|(lookup, ..)| lookup.poll_timeout());
        [self.due, self.client.poll_timeout(), Some(self.link.poll_timeout()), lookup]
            .into_iter()
            .flatten()
            .min()
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.link.poll_event()
    }

    fn set_pace(&mut self, pace: Pace, now: Instant) {
        self.pace = pace;
        self.link.set_pace(pace, now);
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.link.set_poll_time(poll_time, now);
    }

    fn command(&mut self, command: Command, now: Instant) {
        self.link.command(command, now);
    }

    fn close(&mut self, registry: &Registry) {
        self.client.close(registry);
        self.lookup = None;
    }
}
