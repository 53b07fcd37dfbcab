//! Slaves: machines on the same UPS that follow this one. They are told of a shutdown when it is decided, and have some
//! time to go before this machine does.
//!
//! The machine asks who is there ([`Order::CountSlaves`]) and is told by [`Machine::handle_slaves`](crate::power::Machine::handle_slaves); nobody there, or no
//! time, and the shutdown is ordered in the same moment.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::shutdown_state::{MAINS_STABLE, Progress, Waiting};
use super::{Condition, Host, Order};
use crate::ups::{Fixed, Priority};

/// Runtime kept for this machine's own shutdown: as long as systemd gives services to stop.
pub(super) const RESERVE: Duration = Duration::from_secs(90);
/// With a low battery whose runtime nobody knows, slaves have this long.
pub(super) const LOW_BATTERY: Duration = Duration::from_secs(5);
/// How often it is asked whether they are still there.
pub(super) const RECOUNT_INTERVAL: Duration = Duration::from_secs(1);
/// A decision of an earlier run is this one if it is no older than this; SLAVEWAIT is never longer.
const SAME_DECISION_WINDOW: Duration = Duration::from_secs(600);
/// Most slaves named in a line of the log.
const MAX_LOGGED_NAMES: usize = 8;
/// Most slaves remembered: who comes and goes from ever new addresses must not fill the memory meanwhile.
const REMEMBERED: usize = 1024;

impl Host {
    /// From when slaves' time counts if the shutdown is decided now: a restart does not start it over.
    pub(super) fn announced_from(&self, supply: &Condition) -> Instant {
        self.restored_decision_at(supply).unwrap_or(self.now)
    }

    /// When an earlier run of the daemon decided the shutdown that it could not carry out, if that still matters.
    pub(super) fn restored_decision_at(&self, supply: &Condition) -> Option<Instant> {
        let over =
            supply.mains_since.is_some_and(|since| self.now.saturating_duration_since(since) >= MAINS_STABLE);
        self.restored_decision_at
            .filter(|at| !over && self.now.saturating_duration_since(*at) < SAME_DECISION_WINDOW)
    }

    /// Tells slaves of a shutdown that has just been decided, if there is time for them; orders it if there is none.
    pub(super) fn announce(&mut self, supply: &Condition) {
        if self.slaves_until(supply).is_some_and(|until| until > self.now) {
            return self.order(Order::CountSlaves);
        }
        self.order_shutdown(supply);
    }

    /// Who is there now.
    pub(in crate::power) fn slaves(&mut self, present: &[IpAddr], supply: &Condition) {
        let now = self.now;
        let until = self.slaves_until(supply).unwrap_or(now);
        let Some(waiting) = self.shutdown.waiting_mut() else { return };
        waiting.looked = now;
        waiting.present = Some(present.len());
        let first = waiting.slaves.is_empty();
        for slave in present {
            let room = waiting.slaves.len() < REMEMBERED;
            if room && (first || !waiting.slaves.contains(slave)) {
                waiting.slaves.push(*slave);
            }
        }
        if first && !present.is_empty() {
            let seconds = Fixed(until.saturating_duration_since(now).as_secs_f64());
            let line = format!(
                "Waiting for slaves before the shutdown, {seconds:.0} s at most: {}",
                names(&waiting.slaves)
            );
            self.log(Priority::Warning, line);
        }
    }

    /// When slaves have had their time: SLAVEWAIT, and never longer than the battery allows. In the past if staying is
    /// dangerous.
    fn slaves_until(&self, supply: &Condition) -> Option<Instant> {
        let decision = self.shutdown.decision()?;
        let Progress::Waiting(waiting) = &decision.progress else { return None };
        let from = waiting.from;
        let until = from.checked_add(self.settings.slave_wait)?;
        if supply.mains_since.is_some() {
            return Some(until);
        }
        // An emergency that decided still shows at that moment.
        let dangerous = supply.emergency || supply.silent || (supply.low && !waiting.low);
        if dangerous {
            return Some(from);
        }
        let lasts = match supply.runtime {
            Some(runtime) => {
                let counted = supply.on_battery_since.map_or(runtime.at, |since| since.max(runtime.at));
                let span = Duration::try_from_secs_f64(runtime.value * 60.0).unwrap_or_default();
                counted.checked_add(span).and_then(|end| end.checked_sub(RESERVE)).unwrap_or(from)
            }
            None if supply.low => from.checked_add(LOW_BATTERY)?,
            None => until,
        };
        Some(until.min(lasts))
    }

    /// When they are asked for again, or the waiting ends.
    pub(super) fn slaves_due(&self, supply: &Condition) -> Option<Instant> {
        let until = self.slaves_until(supply)?;
        let Waiting { from, looked, present, slaves, .. } = self.shutdown.waiting()?;
        let lead = if slaves.is_empty() { Duration::ZERO } else { self.settings.slave_lead };
        Some(until.min(match present {
            Some(0) => from.checked_add(lead)?,
            _ => looked.checked_add(RECOUNT_INTERVAL)?,
        }))
    }

    /// The time is over, everybody has gone, or it is time to look.
    pub(super) fn await_slaves(&mut self, supply: &Condition) {
        let (now, until) = (self.now, self.slaves_until(supply));
        let Some(waiting) = self.shutdown.waiting_mut() else { return };
        let gone = waiting.present == Some(0);
        if !gone && until.is_some_and(|until| until > now) {
            waiting.looked = now;
            return self.order(Order::CountSlaves);
        }
        if !waiting.slaves.is_empty() {
            let line = format!(
                "Waited {:.1} s for slaves: {}; {}",
                Fixed(now.saturating_duration_since(waiting.from).as_secs_f64()),
                names(&waiting.slaves),
                match waiting.present {
                    Some(0) => "all have gone.".to_owned(),
                    left => format!("{} not gone, and there is no more time.", left.unwrap_or_default()),
                }
            );
            self.log(Priority::Warning, line);
            if let Some(decision) = self.shutdown.decision_mut() {
                decision.waited_until = Some(now);
            }
        }
        self.order_shutdown(supply);
    }
}

fn names(slaves: &[IpAddr]) -> String {
    let mut names: Vec<String> = slaves.iter().take(MAX_LOGGED_NAMES).map(ToString::to_string).collect();
    if let Some(more) = slaves.len().checked_sub(MAX_LOGGED_NAMES + 1) {
        names.push(format!("{} more", more + 1));
    }
    names.join(", ")
}
