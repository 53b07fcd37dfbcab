//! A connection to one of several targets: [`TcpClient`], and the look-up of names by a child.

#[cfg(feature = "card")]
use std::net::IpAddr;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::Port;
use super::lookup::Lookup;
use super::tcp_client::TcpClient;
use crate::bus::stream::{Event, Stream, Target, Transmit};
use crate::sys::job::Starter;
use crate::ups::Priority;

/// Addresses that were looked up and do not answer are looked up again, at most this often.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// A target and what is known of its addresses.
#[derive(Clone, Debug)]
struct Known {
    target: Target,
    addresses: Vec<SocketAddr>,
    looked_at: Option<Instant>,
}

/// The look-up of a name that is under way.
#[derive(Debug)]
struct Under {
    lookup: Lookup,
    /// Whose name it is.
    target: usize,
    /// The link waits for a connection, with so long for each address.
    waited_for: Option<Duration>,
    /// The loop wakes for its answer.
    is_heard: bool,
}

/// A look-up without a connection.
#[cfg(feature = "card")]
#[derive(Debug)]
enum LookedUp {
    NotWanted,
    Awaited,
    Done(Result<Vec<IpAddr>, String>),
}

/// One connection at a time, to one of the targets.
#[derive(Debug)]
pub struct StreamPort {
    client: TcpClient,
    known: Vec<Known>,
    under: Option<Under>,
    /// The target that is being connected to, or is connected.
    target: usize,
    /// The end of a try that did not come to a connection.
    failed: Option<String>,
    /// What a look-up that was asked for alone has come to, or that it is awaited.
    #[cfg(feature = "card")]
    looked_up: LookedUp,
    /// The last `now` of any call.
    now: Instant,
    starter: Starter,
    /// Of the look-up's answer; the connection has the one before.
    token: Token,
}

impl StreamPort {
    /// A port without a connection, whose descriptor will have this token.
    #[must_use]
    pub fn new(targets: Vec<Target>, token: Token, now: Instant) -> Self {
        let known = |target: Target| Known {
            addresses: target.address().into_iter().collect(),
            target,
            looked_at: None,
        };
        Self {
            client: TcpClient::new(token),
            known: targets.into_iter().map(known).collect(),
            under: None,
            target: 0,
            failed: None,
            #[cfg(feature = "card")]
            looked_up: LookedUp::NotWanted,
            now,
            starter: Starter::default(),
            token: Token(token.0 + 1),
        }
    }

    /// Names are looked up by another process.
    #[must_use]
    pub fn with_starter(mut self, starter: Starter) -> Self {
        self.starter = starter;
        self
    }

    /// Looks up the name of the first target, whether it is to be connected to or not.
    #[cfg(feature = "card")]
    pub fn look_up_address(&mut self, now: Instant) {
        let address = self.known.first().and_then(|known| known.target.address());
        self.looked_up = match (address, &self.under) {
            (Some(address), _) => LookedUp::Done(Ok(vec![address.ip()])),
            (None, Some(_)) => LookedUp::Awaited,
            (None, None) => match self.look_up(0, None, now) {
                Ok(()) => LookedUp::Awaited,
                Err(reason) => LookedUp::Done(Err(reason)),
            },
        };
    }

    /// What came of [`Self::look_up_address`], once.
    #[cfg(feature = "card")]
    pub fn take_looked_up(&mut self) -> Option<Result<Vec<IpAddr>, String>> {
        match std::mem::replace(&mut self.looked_up, LookedUp::NotWanted) {
            LookedUp::Done(found) => Some(found),
            before => {
                self.looked_up = before;
                None
            }
        }
    }

    /// Has the loop wake for the answer of a look-up that another process does; the end of a child of our own wakes it.
    fn hear_lookup(&mut self, registry: &Registry) {
        if let Some(under) = self.under.as_mut().filter(|under| !under.is_heard) {
            under.is_heard = true;
            if self.starter.is_another() {
                // Without it, its time limit wakes the loop.
                let lookup = under.lookup.as_raw_fd();
                let _ = registry.register(&mut SourceFd(&lookup), self.token, Interest::READABLE);
            }
        }
    }

    fn connect(&mut self, registry: &Registry, target: usize, timeout: Duration, now: Instant) {
        self.target = target;
        let addresses = self.known.get(target).map(|known| known.addresses.clone()).unwrap_or_default();
        if !addresses.is_empty() {
            return self.client.connect(registry, &addresses, timeout, now);
        }
        match &mut self.under {
            Some(under) if under.target == target && under.lookup.poll_timeout().is_some() => {
                under.waited_for = Some(timeout);
            }
            // Another is under way, or does not die: this one's turn comes with a later try.
            Some(_) => self.failed = Some("its name has not been looked up yet".to_owned()),
            None => self.failed = self.look_up(target, Some(timeout), now).err(),
        }
    }

    fn look_up(&mut self, target: usize, waited_for: Option<Duration>, now: Instant) -> Result<(), String> {
        let Some(known) = self.known.get_mut(target) else { return Ok(()) };
        known.looked_at = Some(now);
        let number = u8::try_from(target).unwrap_or(u8::MAX);
        let lookup = Lookup::start(&self.starter, number, &known.target.host, known.target.port, now)?;
        self.under = Some(Under { lookup, target, waited_for, is_heard: false });
        Ok(())
    }

    /// The addresses of a name do not answer: it may have others by now. Those that are known stay until then.
    fn look_up_again(&mut self) {
        let now = self.now;
        let due = self.known.get(self.target).is_some_and(|known| {
            let due = known.looked_at.is_none_or(|at| now.saturating_duration_since(at) >= LOOK_AGAIN);
            known.target.address().is_none() && due
        });
        if due && self.under.is_none() {
            // Without a child the old addresses go on being tried.
            let _ = self.look_up(self.target, None, now);
        }
    }

    fn take_lookup(&mut self, registry: &Registry, now: Instant) {
        let Some(under) = &mut self.under else { return };
        let result = under.lookup.poll(now);
        let (target, waited_for) = (under.target, under.waited_for);
        if under.lookup.is_over() {
            self.under = None;
        } else if result.is_some() {
            under.waited_for = None;
        }
        #[cfg(feature = "card")]
        if let (Some(result), LookedUp::Awaited) = (&result, &self.looked_up) {
            let found = result.as_ref().map(|found| found.iter().map(SocketAddr::ip).collect());
            self.looked_up = LookedUp::Done(found.map_err(String::clone));
        }
        match (result, waited_for) {
            (Some(Ok(addresses)), _) => {
                if let Some(known) = self.known.get_mut(target) {
                    known.addresses = addresses;
                }
                if let Some(timeout) = waited_for {
                    self.connect(registry, target, timeout, now);
                }
            }
            (Some(Err(reason)), Some(_)) => self.failed = Some(reason),
            _ => {}
        }
    }
}

impl Port for StreamPort {
    type Bus = Stream;

    fn start(&mut self, _: &Registry, _: Instant) {}

    fn ready(&mut self, registry: &Registry, token: Token, now: Instant) {
        self.now = now;
        // A look-up's answer is taken at each turn.
        if token != self.token {
            self.client.ready(registry, now);
        }
    }

    fn take_waiting(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        self.client.ready(registry, now);
    }

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        // The end of its child makes a turn of the loop.
        self.take_lookup(registry, now);
        self.hear_lookup(registry);
        self.client.handle_timeout(registry, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let lookup = self
            .under
            .as_ref()
            .and_then(|under| if under.is_heard { under.lookup.poll_timeout() } else { Some(self.now) });
        crate::ups::earliest(&[self.client.poll_timeout(), lookup])
    }

    fn poll_event(&mut self) -> Option<Event> {
        if let Some(reason) = self.failed.take() {
            return Some(Event::Closed(reason));
        }
        let event = self.client.poll_event()?;
        if let Event::Closed(_) = event {
            self.look_up_again();
        }
        Some(event)
    }

    fn poll_log(&mut self) -> Option<(Priority, String)> {
        None
    }

    fn transmit(&mut self, registry: &Registry, transmit: Transmit, now: Instant) {
        self.now = now;
        match transmit {
            Transmit::Connect { target, timeout } => {
                self.failed = None;
                self.connect(registry, target, timeout, now);
            }
            Transmit::Send(bytes) => self.client.send(registry, &bytes),
            Transmit::Close => {
                self.failed = None;
                self.client.close(registry);
                if let Some(under) = &mut self.under {
                    under.waited_for = None;
                }
            }
        }
    }

    fn close(&mut self, registry: &Registry) {
        self.client.close(registry);
        self.under = None;
    }
}
