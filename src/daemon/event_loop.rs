//! The one loop: poll, tokens, deadlines, signals. It knows sources, not UPSes.

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use super::clock::Clock;
use super::house::House;
use super::token;
use crate::sys;
use crate::sys::clock::SuspendWatch;
use crate::sys::memory;
use crate::sys::signals::{Signal, Signals};

/// Most events taken from the kernel in one turn.
const EVENTS_A_TURN: usize = 128;
/// The loop turns at least this often, so that a resume from suspend is seen also where the kernel does not tell of it.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// By then the UPS is known and everything that happens only at the start has happened.
const STARTED: Duration = Duration::from_secs(10);

/// Somebody who watches the daemon from the inside: the demo's live view. Called once a turn.
pub trait Observer {
    /// After everything of a turn has been moved. Returns when to be called next if nothing else happens.
    fn turn(&mut self, house: &mut House, now: Instant) -> Option<Instant>;
}

/// Watches nothing.
#[derive(Debug)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn turn(&mut self, _house: &mut House, _now: Instant) -> Option<Instant> {
        None
    }
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A signal, by its number.
    Signal(i32),
    /// The shutdown is under way and `-t` was given.
    ShutdownUnderWay,
    /// The observer has seen enough.
    Done,
}

/// The loop with what hangs off it.
#[derive(Debug)]
pub struct EventLoop {
    poll: Poll,
    signals: Signals,
    clock: Clock,
}

impl EventLoop {
    /// Wakes for these signals. `clock` is the only one that anything in the loop goes by.
    ///
    /// # Errors
    /// If the kernel gives no epoll instance.
    pub fn new(clock: Clock, mut signals: Signals) -> io::Result<Self> {
        let poll = Poll::new()?;
        signals.register(poll.registry(), token::SIGNALS)?;
        Ok(Self { poll, signals, clock })
    }

    /// Runs until a signal or an order ends it.
    ///
    /// # Errors
    /// Only if `poll` itself fails, which no device, file or client can bring about.
    pub fn run(&mut self, house: &mut House, observer: &mut dyn Observer) -> io::Result<Exit> {
        let mut events = Events::with_capacity(EVENTS_A_TURN);
        let mut suspend = SuspendWatch::new();
        suspend.register(self.poll.registry(), token::RESUME);
        let now = self.clock.now();
        house.start(self.poll.registry(), now);
        house.pump(now);
        let mut observed = observer.turn(house, now);
        let mut started = Some(now + STARTED);
        loop {
            if let Some(exit) = house.exit() {
                return Ok(exit);
            }
            let now = self.clock.now();
            let deadline = [house.poll_timeout(), observed, started].into_iter().flatten().min();
            let wait = deadline.map_or(LONGEST_SLEEP, |at| self.clock.wait(now, at).min(LONGEST_SLEEP));
            sys::poll(&mut self.poll, &mut events, wait)?;
            let now = self.clock.now();
            if let Some(slept) = suspend.slept() {
                house.handle_resume(slept, now);
            }
            self.take(&events, house, &mut suspend, now);
            if deadline.is_some_and(|at| at <= now) {
                // This process may have been stopped since the wait ended: what is ready by now comes before what is due by now.
                sys::poll(&mut self.poll, &mut events, Duration::ZERO)?;
                self.take(&events, house, &mut suspend, now);
            }
            house.handle_timeout(self.poll.registry(), now);
            house.pump(now);
            observed = observer.turn(house, now);
            if started.is_some_and(|at| at <= now) {
                started = None;
                memory::forget_startup_pages();
            }
        }
    }

    /// Gives everything back: the device, the sockets, the files that are ours.
    pub fn close(&mut self, house: &mut House, exit: Exit) {
        house.close(self.poll.registry(), exit, self.clock.now());
    }

    fn take(&mut self, events: &Events, house: &mut House, suspend: &mut SuspendWatch, now: Instant) {
        for event in events {
            match event.token() {
                token::SIGNALS => self.take_signals(house, now),
                token::RESUME => suspend.ready(),
                _ => house.ready(self.poll.registry(), event, now),
            }
        }
    }

    fn take_signals(&mut self, house: &mut House, now: Instant) {
        for signal in self.signals.pending() {
            match signal {
                Signal::Terminate(number) => house.request_exit(Exit::Signal(number)),
                Signal::Reload => house.reload(self.poll.registry(), now),
                Signal::Child => house.handle_child_signal(now),
            }
        }
    }
}
