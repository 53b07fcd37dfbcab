//! This computer: whether its shutdown is decided, who is told and waited for, and what must be undone.
//!
//! It believes its supply: no sample, limit or silence is judged here. What the supply tells comes in by [`Host::take`], and
//! what it is like now is a [`Condition`]. The orders of both come out of [`Host::poll_order`], in the order in which they
//! arose.

mod operator;
mod remote;
mod shutdown;
mod shutdown_state;
mod slaves;
mod timers;

use std::collections::VecDeque;
use std::time::Instant;

use remote::RemoteOrder;
use shutdown_state::{Decision, ShutdownState};
pub(super) use timers::Timer;

use super::condition::{Condition, Demand, News};
use super::{Cause, HookReport, Order, SavedOutage, Settings};
use crate::ups::{Priority, StatusFlags};

/// The computer that is guarded.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) settings: Settings,
    now: Instant,
    shutdown: ShutdownState,
    /// When an earlier run decided a shutdown.
    restored_decision_at: Option<Instant>,
    /// The shutdown is ordered from outside, or not.
    remote: RemoteOrder,
    /// `-t`: when to leave.
    exit_at: Option<Instant>,
    /// `nologin` is in force, by us.
    no_login: bool,
    /// What an earlier run left behind has been removed.
    stale_flags_removed: bool,
    /// Since when a `powerfail` flag may lie around.
    powerfail: Option<Flag>,
    pub(super) saved: SavedOutage,
    /// Of a card's packets: only kept for its link.
    pub(super) counters: Option<[u32; 2]>,
    out: VecDeque<Order>,
}

/// A `powerfail` flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flag {
    /// Found at start.
    Stale,
    /// Created for a shutdown ordered then.
    Created(Instant),
}

impl Host {
    /// A host whose shutdown is not decided; the flag `powerfail` was found, or not, and `nologin` is in force by us, or not.
    pub(super) fn new(
        settings: Settings,
        now: Instant,
        saved: SavedOutage,
        (powerfail, no_login): (bool, bool),
    ) -> Self {
        Self {
            settings,
            now,
            shutdown: ShutdownState::Idle,
            restored_decision_at: saved.decided_at.map(|at| at.min(now)),
            remote: RemoteOrder::default(),
            exit_at: None,
            no_login,
            stale_flags_removed: false,
            // Within an outage the flag may belong to a shutdown that an earlier run ordered and that is under way.
            powerfail: powerfail
                .then_some(saved.on_battery_since.map_or(Flag::Stale, |_| Flag::Created(now))),
            counters: saved.counters,
            saved,
            out: VecDeque::new(),
        }
    }

    /// Time has come to `now`, never an earlier one than before.
    pub(super) fn begin(&mut self, now: Instant) {
        self.now = now;
    }

    /// Takes what a supply tells; `supply`: as it is since.
    pub(super) fn take(&mut self, news: News, supply: &Condition) {
        match news {
            News::Order(order) => self.order(order),
            News::MainsBack => self.mains_back(),
            News::MainsConfirmed => self.remove_stale_flags(supply),
            News::Demand(demand) => self.decide(demand, supply),
        }
    }

    /// The next order; call until `None`.
    pub(super) fn poll_order(&mut self) -> Option<Order> {
        self.out.pop_front()
    }

    /// A shutdown is decided and has not been called off.
    pub(super) fn has_decided(&self) -> bool {
        self.shutdown != ShutdownState::Idle
    }

    /// A decided shutdown waits for slaves.
    pub(super) fn awaits_slaves(&self) -> bool {
        self.shutdown.waiting().is_some()
    }

    /// An earlier run has left a `powerfail` flag, which is removed when mains is confirmed.
    pub(super) fn has_stale_flag(&self) -> bool {
        self.powerfail == Some(Flag::Stale)
    }

    fn order(&mut self, order: Order) {
        self.out.push_back(order);
    }

    fn log(&mut self, priority: Priority, text: impl Into<String>) {
        self.order(Order::Log(priority, text.into()));
    }

    fn mains_back(&mut self) {
        if let Some(decision) = self.shutdown.decision_mut() {
            // The next outage may find the machine running, its shutdown cancelled: that needs a new order first.
            decision.kill_at = None;
        }
        self.allow_logins();
    }

    /// Mains is confirmed: removes what an earlier run left behind.
    fn remove_stale_flags(&mut self, supply: &Condition) {
        if self.stale_flags_removed {
            return;
        }
        self.stale_flags_removed = true;
        let open = supply.on_battery_since.is_none() && !self.has_decided();
        if !self.no_login || open {
            self.allow_logins();
        }
        if self.powerfail == Some(Flag::Stale) {
            self.powerfail = None;
            self.order(Order::RemovePowerfail);
            self.log(
                Priority::Notice,
                "Removed the powerfail flag that an earlier power failure left behind.",
            );
        }
    }

    /// What an earlier run decided was for another UPS.
    pub(super) fn forget_decision(&mut self) {
        self.restored_decision_at = None;
    }

    /// The outage is dropped that an earlier run left: it was another UPS's. `remote`: the words of a shutdown that is
    /// ordered from outside.
    pub(super) fn drop_taken_over(&mut self, supply: &Condition, remote: impl FnOnce() -> Demand) {
        if matches!(&self.shutdown, ShutdownState::Decided(Decision { cause, .. }) if !matches!(cause, Cause::Remote | Cause::Operator))
        {
            self.shutdown = ShutdownState::Idle;
            self.exit_at = None;
        }
        if self.shutdown == ShutdownState::Idle {
            if self.no_login {
                self.allow_logins();
            }
            // An order from outside stands, whatever UPS this is.
            self.carry_out_remote(supply, remote);
        }
    }

    /// Has what outlives a restart written if it has changed; `state`: the supply's part.
    pub(super) fn save(&mut self, state: SavedOutage, supply: &Condition) {
        let decided_at = match self.shutdown.decision() {
            Some(decision) => Some(decision.announced),
            None => self.restored_decision_at(supply),
        };
        let state = SavedOutage { decided_at, counters: self.counters, ..state };
        if state != self.saved {
            self.saved = state.clone();
            self.order(Order::Save(state));
        }
    }

    /// Adds the host's bits to those of its supply.
    pub(super) fn add_flags(&self, flags: &mut StatusFlags) {
        flags.set(StatusFlags::SHUT_REMOTE, self.remote.stands());
        let Some(decision) = self.shutdown.decision() else { return };
        let cause = match decision.cause {
            Cause::LowBattery | Cause::Operator => StatusFlags::default(),
            Cause::Timeout => StatusFlags::SHUT_BTIME,
            Cause::Charge => StatusFlags::SHUT_LOAD,
            Cause::Runtime => StatusFlags::SHUT_LTIME,
            Cause::Emergency => StatusFlags::SHUT_EMERG,
            Cause::Remote | Cause::MasterLost => StatusFlags::SHUT_REMOTE,
        };
        flags.set(StatusFlags::SHUTDOWN | cause, true);
        if self.remote.stands() {
            flags.set(StatusFlags::FASTPOLL, true);
        }
    }

    #[cfg(test)]
    pub(super) fn remote_order_stands(&self) -> bool {
        self.remote.stands()
    }

    #[cfg(test)]
    pub(super) fn shape(&self) -> &'static str {
        match &self.shutdown {
            ShutdownState::Idle => "idle",
            ShutdownState::Decided(decision) => match decision.progress {
                shutdown_state::Progress::Waiting(_) => "waiting",
                shutdown_state::Progress::Ordered => "ordered",
                shutdown_state::Progress::UnderWay => "under way",
                shutdown_state::Progress::Failed(_) => "failed",
            },
        }
    }
}
