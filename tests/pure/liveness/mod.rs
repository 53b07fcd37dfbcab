//! Whatever is pushed unasked, a UPS that answers every question is heard within 20 s of going on battery, or its loss is
//! told; and it is heard again once the noise is over. For every link, with a fake clock.
//!
//! `MAINSD_LIVENESS_STEPS=10000000 cargo test --release --test pure liveness::` for a long run; `MAINSD_LIVENESS_SEED` to begin
//! with another seed. A step is one call of the link.

mod dumb;
mod modbus;
mod net;
mod pcnet;
mod simulated;
mod smart;
mod snmp;
mod usb;
mod usb_modbus;

use std::time::{Duration, Instant};

use crate::support::random::{Random, number};
use mainsd::link::LinkEvent;
use mainsd::ups::{Evidence, PollRate, StatusFlags};

/// So long after the UPS went on battery it has been heard, or its loss told.
const HEARD_WITHIN: Duration = Duration::from_secs(20);

/// Any moment will do; there is no other way to have one.
#[allow(clippy::disallowed_methods)]
fn start() -> Instant {
    Instant::now() + Duration::from_secs(1_000_000)
}

/// When what happens in a life.
#[derive(Clone, Copy)]
struct Times {
    /// Noise begins.
    noise: Instant,
    /// The UPS goes on battery.
    fails: Instant,
    /// Noise ends.
    quiet: Instant,
    end: Instant,
}

impl Times {
    fn new(start: Instant, random: &mut Random) -> Self {
        let noise = start + Duration::from_secs(15) + random.millis(0, 5_000);
        let fails = noise + random.millis(0, 20_000);
        let quiet = fails + HEARD_WITHIN + Duration::from_secs(1);
        Self { noise, fails, quiet, end: quiet + Duration::from_secs(60) }
    }
}

/// What the link has told, as far as the property needs it. At first nothing has been: a loss.
struct Judge {
    times: Times,
    /// Since when it is lost.
    lost: Option<Instant>,
    /// One reading on battery that no alert announced.
    once: bool,
    /// On battery has been told so that the power machine believes it.
    believed: bool,
    heard_at: Option<Instant>,
    /// A loss was in force while the UPS was on battery, and mains has not been told since.
    loss_at: Option<Instant>,
}

impl Judge {
    fn new(times: Times) -> Self {
        Self { times, lost: Some(times.noise), once: false, believed: false, heard_at: None, loss_at: None }
    }

    /// Takes in an event; gives the poll rate that the daemon sets after it.
    fn take(&mut self, event: &LinkEvent, now: Instant) -> Option<PollRate> {
        self.reach(now);
        match event {
            LinkEvent::Reading(reading) => {
                self.lost = None;
                let on_battery = reading.status.contains(StatusFlags::ONBATT);
                let certain = reading.evidence != Evidence::Poll || self.once;
                self.believed = on_battery && certain;
                self.once = on_battery;
                if self.believed && now >= self.times.fails {
                    self.heard_at.get_or_insert(now);
                }
                if !on_battery {
                    self.loss_at = None;
                }
                return Some(if on_battery { PollRate::Fast } else { PollRate::Normal });
            }
            LinkEvent::Lost { .. } => {
                self.lost.get_or_insert(now);
                self.once = false;
                self.reach(now);
            }
            _ => {}
        }
        None
    }

    fn reach(&mut self, now: Instant) {
        if let Some(since) = self.lost.filter(|_| now >= self.times.fails) {
            self.loss_at.get_or_insert(since.max(self.times.fails));
        }
    }

    /// What does not hold.
    fn broken(self) -> Option<String> {
        let bound = self.times.fails + HEARD_WITHIN;
        let in_time = |at: Option<Instant>| at.is_some_and(|at| at <= bound);
        if !in_time(self.heard_at) && !in_time(self.loss_at) {
            let heard = self.heard_at.map(|at| at - self.times.fails);
            return Some(format!("on battery and neither heard nor lost within 20 s, heard after {heard:?}"));
        }
        (!self.believed || self.lost.is_some()).then(|| "not heard although the noise is over".to_owned())
    }
}

/// Lives one life after another until they have had `steps` in all, more in a long run; `life` gives the steps it took, and
/// what does not hold.
fn lives(steps: u64, life: impl Fn(&mut Random) -> (u64, Option<String>)) {
    let wanted = number("MAINSD_LIVENESS_STEPS").unwrap_or(steps);
    let mut seed = number("MAINSD_LIVENESS_SEED").unwrap_or(1);
    let (mut taken, mut count) = (0, 0);
    while taken < wanted {
        let (steps, broken) = life(&mut Random::new(seed));
        if let Some(broken) = broken {
            panic!("{broken}; MAINSD_LIVENESS_SEED={seed} MAINSD_LIVENESS_STEPS=1 repeats this");
        }
        taken += steps;
        count += 1;
        seed += 1;
    }
    println!("{count} lives, {taken} steps");
}
