//! Every timer of the host, by name.

use std::time::{Duration, Instant};

use super::shutdown_state::ShutdownState;
use super::{Condition, Demand, Host, Order};
use crate::ups::{Command, Event, Priority};

/// A timer of the host. None runs on mains but those of a shutdown that did not happen, or that a master speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::power) enum Timer {
    /// A master has said something new of its shutdown: it is asked again.
    RemoteAgain,
    /// The same, and it has said nothing since: that is believed.
    RemoteLast,
    /// Slaves have been told of the decided shutdown: all of them have gone and SLAVELEAD is over, SLAVEWAIT or what the
    /// battery allows is over, or it is time to look again who is there (every second).
    Slaves,
    /// The shutdown was decided, ordered SHUTDOWNGRACE ago (30 s if every way failed), and the machine still runs.
    ShutdownAgain,
    /// `-p`, or KILLDELAY after `doshutdown`: UPS power off.
    Kill,
    /// NOLOGON by time: no more logins.
    NoLogin,
    /// ANNOY and ANNOYDELAY: `annoyme`.
    Annoy,
    /// Mains back for 60 s after a decided shutdown: the decision is dropped.
    Rearm,
    /// The same, and SHUTDOWNGRACE over: the `powerfail` flag is stale.
    FlagStale,
    /// `-t`: the daemon leaves once the shutdown is under way (and the UPS has been ordered to switch off, with `-p`).
    Exit,
}

impl Timer {
    /// All, in the order in which they fire when due at the same moment, after those of the supply.
    pub(in crate::power) const ALL: [Self; 10] = [
        Self::RemoteAgain,
        Self::RemoteLast,
        Self::Slaves,
        Self::ShutdownAgain,
        Self::Kill,
        Self::NoLogin,
        Self::Annoy,
        Self::Rearm,
        Self::FlagStale,
        Self::Exit,
    ];
}

impl Host {
    /// The earliest timer.
    pub(in crate::power) fn next_timer(&self, supply: &Condition) -> Option<(Instant, Timer)> {
        Timer::ALL
            .into_iter()
            .filter_map(|timer| Some((self.deadline(timer, supply)?, timer)))
            .min_by_key(|(at, _)| *at)
    }

    fn deadline(&self, timer: Timer, supply: &Condition) -> Option<Instant> {
        match timer {
            Timer::RemoteAgain => self.remote.ask_at(),
            Timer::RemoteLast => self.remote.last_at(),
            Timer::Slaves => self.slaves_due(supply),
            Timer::ShutdownAgain => {
                let decision = self.shutdown.decision().filter(|_| self.still_wanted(supply))?;
                decision.again_at(self.settings.shutdown_grace).map(|at| supply.defer_while_ambiguous(at))
            }
            Timer::Kill => self.kill_due(supply),
            Timer::NoLogin => {
                supply.outage.filter(|_| !self.no_login && self.shutdown == ShutdownState::Idle)?.no_login_at
            }
            Timer::Annoy => self.annoy_at(supply),
            Timer::Rearm => self.rearm_at(supply),
            Timer::FlagStale => self.flag_stale_at(supply),
            Timer::Exit => self.exit_at,
        }
    }

    fn annoy_at(&self, supply: &Condition) -> Option<Instant> {
        let outage = supply.outage.filter(|_| self.no_login && self.shutdown == ShutdownState::Idle)?;
        let settings = &self.settings;
        let again = settings.annoy.max(Duration::from_secs(1));
        let last = outage.annoyed.unwrap_or(outage.counted_from);
        Some(last.checked_add(again)?.max(outage.counted_from.checked_add(settings.annoy_delay)?))
    }

    /// Does what is due by this timer. `remote`: the words of a shutdown that is ordered from outside.
    pub(in crate::power) fn fire(
        &mut self,
        timer: Timer,
        supply: &Condition,
        remote: impl FnOnce() -> Demand,
    ) {
        match timer {
            Timer::RemoteAgain => {
                self.remote.asked();
                self.order(Order::Command(Command::Poll));
            }
            Timer::RemoteLast => {
                self.remote.turn();
                self.remote_turned(supply, remote);
            }
            Timer::Slaves => self.await_slaves(supply),
            Timer::ShutdownAgain => self.order_again(supply, remote),
            Timer::Kill => self.kill_power(),
            Timer::NoLogin => self.prohibit_logins(),
            Timer::Annoy => {
                let first = supply.outage.is_none_or(|outage| outage.annoyed.is_none());
                let event = Event::AnnoyMe;
                self.order(if first { Order::Event(event) } else { Order::Hook(event) });
            }
            Timer::Rearm => {
                self.shutdown = ShutdownState::Idle;
                self.exit_at = None;
                // A shutdown ordered from outside prohibits logins on mains too.
                if supply.outage.is_none() && self.no_login {
                    self.allow_logins();
                }
                self.log(
                    Priority::Notice,
                    "The system still runs and its shutdown is not called for any more: ready to shut it down again.",
                );
                // One from outside that came after root's stands.
                self.carry_out_remote(supply, remote);
            }
            Timer::FlagStale => {
                self.powerfail = None;
                self.order(Order::RemovePowerfail);
            }
            Timer::Exit => {
                self.exit_at = None;
                self.order(Order::Exit);
            }
        }
    }
}
