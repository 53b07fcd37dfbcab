//! A port with faults: what comes from the device is now and then lost, changed or cut short, and sometimes all of it is lost for a
//! while. For tests, and for `--faults SEED` with `--dry-run`.

use std::time::{Duration, Instant};

use mio::{Registry, Token};

use super::Port;
use crate::bus::{Bus, Fault};
use crate::ups::Priority;

/// Of so many events one is spoilt.
const EVENTS_PER_FAULT: u64 = 24;
/// Of so many events one begins a silence.
const SILENCE_ONE_OF: u64 = 600;
/// Longest silence, in seconds.
const LONGEST_SILENCE: u64 = 45;

/// A port whose events have faults; which, its seed decides.
pub struct Faulty<B: Bus> {
    inner: Box<dyn Port<Bus = B>>,
    dice: Dice,
    silent_until: Option<Instant>,
    now: Instant,
    /// Bytes of the event that was spoilt last.
    spoilt: Vec<u8>,
}

impl<B: Bus> Faulty<B> {
    /// `inner` with the faults of this seed.
    #[must_use]
    pub fn new(inner: Box<dyn Port<Bus = B>>, seed: u64, now: Instant) -> Self {
        Self { inner, dice: Dice(seed), silent_until: None, now, spoilt: Vec::new() }
    }
}

/// Numbers that a seed decides (splitmix64: Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// The fault of the next event.
    fn fault(&mut self, now: Instant, silent_until: &mut Option<Instant>) -> Option<Fault> {
        if silent_until.is_some_and(|until| now < until) {
            return Some(Fault::Silence);
        }
        if self.next() % SILENCE_ONE_OF == 0 {
            *silent_until = Some(now + Duration::from_secs(1 + self.next() % LONGEST_SILENCE));
            return Some(Fault::Silence);
        }
        if self.next() % EVENTS_PER_FAULT != 0 {
            return None;
        }
        Some(match self.next() % 3 {
            0 => Fault::Silence,
            1 => Fault::Half,
            _ => Fault::Bit(usize::try_from(self.next() % 4096).unwrap_or(0)),
        })
    }
}

impl<B: Bus> Port for Faulty<B> {
    type Bus = B;

    fn prepare(&mut self) -> bool {
        self.inner.prepare()
    }

    fn listen(&mut self) {
        self.inner.listen();
    }

    fn start(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        self.inner.start(registry, now);
    }

    fn ready(&mut self, registry: &Registry, token: Token, now: Instant) {
        self.now = now;
        self.inner.ready(registry, token, now);
    }

    fn take_waiting(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        self.inner.take_waiting(registry, now);
    }

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.now = now;
        self.inner.handle_timeout(registry, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.inner.poll_timeout()
    }

    fn poll_event(&mut self) -> Option<B::Event<'_>> {
        let event = self.inner.poll_event()?;
        Some(match self.dice.fault(self.now, &mut self.silent_until) {
            None => event,
            Some(fault) => B::spoil(event, fault, &mut self.spoilt),
        })
    }

    fn poll_log(&mut self) -> Option<(Priority, String)> {
        self.inner.poll_log()
    }

    fn transmit(&mut self, registry: &Registry, transmit: B::Transmit, now: Instant) {
        self.now = now;
        self.inner.transmit(registry, transmit, now);
    }

    fn close(&mut self, registry: &Registry) {
        self.inner.close(registry);
    }
}
