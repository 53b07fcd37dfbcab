//! The one loop: poll, tokens, deadlines, signals. It knows sources, not UPSes.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Registry};

use super::clock::Clock;
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

/// What hangs off the loop. No call blocks.
pub trait Source {
    /// The loop begins.
    fn start(&mut self, registry: &Registry, now: Instant);
    /// A descriptor with one of its tokens is ready.
    fn ready(&mut self, registry: &Registry, event: &Event, now: Instant);
    /// A signal came.
    fn handle_signal(&mut self, signal: Signal, registry: &Registry, now: Instant);
    /// The machine slept.
    fn handle_resume(&mut self, slept: Duration, now: Instant);
    /// A deadline may have passed.
    fn handle_timeout(&mut self, registry: &Registry, now: Instant);
    /// Moves everything until nothing is left to move; called after all of the above.
    fn pump(&mut self, now: Instant);
    /// The next deadline; `None`: only input is waited for.
    fn poll_timeout(&self) -> Option<Instant>;
    /// Why the loop is to end, if it is.
    fn exit(&self) -> Option<Exit>;
    /// Gives everything back: the device, the sockets, the files that are ours.
    fn close(&mut self, registry: &Registry, exit: Exit, now: Instant);
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A signal, by its number.
    Signal(i32),
    /// The shutdown is under way and `-t` was given.
    ShutdownUnderWay,
    /// Everything that was to be done is done.
    Done,
    /// The helper's process has ended: nobody carries anything out.
    HelperEnded,
    /// Another main process is to be started; the loop goes on after that.
    StartMain,
}

/// The loop with what hangs off it.
#[derive(Debug)]
pub struct EventLoop {
    poll: Poll,
    signals: Signals,
    clock: Clock,
    /// What is mapped, to be looked at when the start is over.
    mappings: Option<File>,
}

impl EventLoop {
    /// Wakes for these signals. `clock` is the only one that anything in the loop goes by.
    ///
    /// # Errors
    /// If the kernel gives no epoll instance.
    pub fn new(clock: Clock, mut signals: Signals) -> io::Result<Self> {
        let poll = Poll::new()?;
        signals.register(poll.registry(), token::SIGNALS)?;
        Ok(Self { poll, signals, clock, mappings: memory::mappings() })
    }

    /// Where descriptors are registered.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Runs until the source has a reason to end.
    ///
    /// # Errors
    /// Only if `poll` itself fails, which no device, file or client can bring about.
    pub fn run(&mut self, source: &mut dyn Source) -> io::Result<Exit> {
        let mut events = Events::with_capacity(EVENTS_A_TURN);
        let mut suspend = SuspendWatch::new();
        suspend.register(self.poll.registry(), token::RESUME);
        let now = self.clock.now();
        source.start(self.poll.registry(), now);
        source.pump(now);
        let mut started = Some(now + STARTED);
        loop {
            if let Some(exit) = source.exit() {
                return Ok(exit);
            }
            let now = self.clock.now();
            let deadline = crate::ups::earliest(&[source.poll_timeout(), started]);
            let wait = deadline.map_or(LONGEST_SLEEP, |at| self.clock.wait(now, at).min(LONGEST_SLEEP));
            sys::poll(&mut self.poll, &mut events, wait)?;
            let now = self.clock.now();
            if let Some(slept) = suspend.slept() {
                source.handle_resume(slept, now);
            }
            self.take(&events, source, &mut suspend, now);
            if deadline.is_some_and(|at| at <= now) {
                // This process may have been stopped since the wait ended: what is ready by now comes before what is due by now.
                sys::poll(&mut self.poll, &mut events, Duration::ZERO)?;
                self.take(&events, source, &mut suspend, now);
            }
            source.handle_timeout(self.poll.registry(), now);
            source.pump(now);
            if started.is_some_and(|at| at <= now) {
                started = None;
                memory::drop_clean_pages(self.mappings.take());
            }
        }
    }

    /// Gives everything back: the device, the sockets, the files that are ours.
    pub fn close(&mut self, source: &mut dyn Source, exit: Exit) {
        source.close(self.poll.registry(), exit, self.clock.now());
    }

    fn take(&mut self, events: &Events, source: &mut dyn Source, suspend: &mut SuspendWatch, now: Instant) {
        for event in events {
            match event.token() {
                token::SIGNALS => self.take_signals(source, now),
                token::RESUME => suspend.ready(),
                _ => source.ready(self.poll.registry(), event, now),
            }
        }
    }

    fn take_signals(&mut self, source: &mut dyn Source, now: Instant) {
        for signal in self.signals.pending() {
            source.handle_signal(signal, self.poll.registry(), now);
        }
    }
}
