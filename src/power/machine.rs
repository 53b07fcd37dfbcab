//! The machine: one supply and its host, joined.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::host::{self, Host};
use super::permit::{Situation, permits};
use super::supply::{self, Supply};
use super::{AtStart, Order, PowerView, Settings};
use crate::ups::{Command, CommandResult, Evidence, Reading, Values};

/// A call so long after the deadline it was asked for means that the daemon was held up: a paused virtual machine, a
/// frozen process, a machine out of memory.
const STALL_THRESHOLD: Duration = Duration::from_secs(2);

/// The power machine. Everything that happens is handed in with `now`; what is to be done comes out of
/// [`Machine::poll_order`], in order, and [`Machine::poll_timeout`] says when to call [`Machine::handle_timeout`] next.
/// Calls in excess do nothing. `now` never goes back; a `now` from the past counts as the latest seen.
#[derive(Debug)]
pub struct Machine {
    pub(super) supply: Supply,
    pub(super) host: Host,
}

/// A timer of either; at the same moment those of the supply come first.
enum Timer {
    Supply(supply::Timer),
    Host(host::Timer),
}

impl Machine {
    /// A machine that knows nothing of the UPS yet, started at `now`.
    #[must_use]
    pub fn new(settings: Settings, now: Instant, at_start: AtStart) -> Self {
        let saved = at_start.saved.unwrap_or_default();
        let supply = Supply::new(settings.clone(), now, &saved);
        let host = Host::new(settings, now, saved, (at_start.powerfail, at_start.no_login));
        let mut machine = Self { supply, host };
        machine.settle();
        machine
    }

    /// The UPS answers: first contact, or after a loss.
    pub fn handle_attached(&mut self, now: Instant) {
        self.begin(now);
        self.supply.contact();
        self.settle();
    }

    /// The UPS is another one than that of the state taken over at the start ([`AtStart`]): that outage, its counters, and a
    /// shutdown decided for it are dropped. What this UPS has said stays.
    pub fn handle_other_ups(&mut self, now: Instant) {
        self.begin(now);
        self.host.forget_decision();
        if self.supply.drop_taken_over() {
            let (host, supply) = (&mut self.host, &self.supply);
            host.drop_taken_over(&supply.condition(), || supply.remote_demand());
            self.supply.look_soon();
        }
        self.settle();
    }

    /// A reading. Each of its items counts as evidence once, by the time at which it was read; an item that has no time, or
    /// one that is no later than the one before, is a copy. The values that are to be shown: what is not data is left out.
    pub fn handle_reading(&mut self, now: Instant, reading: &Reading) -> Values {
        self.begin(now);
        self.supply.contact();
        let read = reading.read.moved(now, self.supply.now);
        let shown = self.supply.read(reading, &read, self.host.has_decided());
        self.settle();
        shown
    }

    /// The UPS does not answer. `reason` is for the log. Repeats do nothing.
    pub fn handle_lost(&mut self, now: Instant, reason: &str) {
        self.begin(now);
        self.supply.lose(reason);
        self.settle();
    }

    /// What became of a shutdown order.
    pub fn handle_report(&mut self, now: Instant, report: super::HookReport) {
        self.begin(now);
        self.host.report(report);
        self.settle();
    }

    /// How a command to the UPS ended. A link that is told to read the transfer cause or the self test result hands in
    /// a reading with the value, before or after the command's result.
    pub fn handle_command_result(&mut self, now: Instant, result: &CommandResult) {
        self.begin(now);
        match result.command {
            Command::KillPower => self.host.kill_result(&result.outcome),
            _ => self.supply.command_result(result),
        }
        self.settle();
    }

    /// A master or management card orders the shutdown, or takes the order back. With [`Evidence::Poll`] it takes a second
    /// word that says the same.
    pub fn handle_remote(&mut self, now: Instant, ordered: bool, evidence: Evidence) {
        self.begin(now);
        let (host, supply) = (&mut self.host, &self.supply);
        host.remote_said(ordered, evidence, &supply.condition(), || supply.remote_demand());
        self.settle();
    }

    /// Whether somebody else may give the UPS this command now; `values`: the last that it has told.
    ///
    /// # Errors
    /// Why not.
    pub fn permits(&self, command: Command, values: &Values) -> Result<(), String> {
        let supply = self.supply.condition();
        let situation = Situation {
            decided: self.host.has_decided(),
            on_battery: supply.on_battery_since.is_some() || supply.changing,
            tests: self.supply.tests(),
        };
        permits(command, situation, values)
    }

    /// Root orders the shutdown of this machine.
    ///
    /// # Errors
    /// One is decided already.
    pub fn handle_shutdown_now(&mut self, now: Instant) -> Result<(), &'static str> {
        self.begin(now);
        let demand = self.supply.operator_demand();
        let taken = self.host.shut_down_now(demand, &self.supply.condition());
        self.settle();
        taken
    }

    /// Root takes that order back.
    ///
    /// # Errors
    /// Why it stays.
    pub fn handle_shutdown_cancel(&mut self, now: Instant) -> Result<(), &'static str> {
        self.begin(now);
        let taken = self.host.cancel_shutdown();
        self.settle();
        taken
    }

    /// A slave's master has answered (`None`), or is unreachable since then. Lost while an outage was known, the machine
    /// is shut down after NETTIMEOUT (nis §9.4).
    pub fn handle_master(&mut self, now: Instant, unreachable_since: Option<Instant>) {
        self.begin(now);
        self.supply.master(unreachable_since);
        self.settle();
    }

    /// The answer to [`Order::CountSlaves`]: the machines that depend on this one and have not gone, one address for each.
    /// While slaves have their time it may come unasked, whenever somebody has come or gone.
    pub fn handle_slaves(&mut self, now: Instant, present: &[IpAddr]) {
        self.begin(now);
        self.host.slaves(present, &self.supply.condition());
        self.settle();
    }

    /// Whether a decided shutdown waits for slaves.
    #[must_use]
    pub fn awaits_slaves(&self) -> bool {
        self.host.awaits_slaves()
    }

    /// The counters of a card's packets have come so far: kept over a restart, and nothing decides by them.
    pub fn handle_counters(&mut self, now: Instant, counters: [u32; 2]) {
        self.begin(now);
        self.host.counters = Some(counters);
        self.settle();
    }

    /// The machine was suspended and runs again: what the UPS says now counts, and no reading from before.
    pub fn handle_resume(&mut self, now: Instant) {
        self.begin(now);
        self.supply.resume();
        self.settle();
    }

    /// The daemon is told to stop (SIGTERM). Removes what is ours and says what that means; no order after it counts.
    pub fn handle_stop(&mut self, now: Instant) {
        self.begin(now);
        self.host.stop(&self.supply.condition());
        self.save();
    }

    /// A deadline may have passed; early calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.begin(now);
        self.settle();
    }

    /// New settings (SIGHUP). Running states and their timers go on under them.
    pub fn reconfigure(&mut self, settings: Settings, now: Instant) {
        self.begin(now);
        self.supply.settings = settings.clone();
        self.host.settings = settings;
        self.settle();
    }

    /// When to call [`Machine::handle_timeout`]; `None`: only input wakes it.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_timer().map(|(at, _)| at)
    }

    /// The next order; call until `None`.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.host.poll_order()
    }

    /// What to show.
    #[must_use]
    pub fn view(&self) -> PowerView {
        let mut view = self.supply.view();
        self.host.add_flags(&mut view.flags);
        view
    }

    /// Whether a shutdown ordered from outside is believed.
    #[cfg(test)]
    pub(crate) fn remote_order_stands(&self) -> bool {
        self.host.remote_order_stands()
    }

    fn begin(&mut self, now: Instant) {
        let late =
            self.next_timer().is_some_and(|(at, _)| now.saturating_duration_since(at) >= STALL_THRESHOLD);
        let now = now.max(self.supply.now);
        self.supply.begin(now, late);
        self.host.begin(now);
        self.take_news();
    }

    /// Lets all timers fire that are due, then says what has changed.
    fn settle(&mut self) {
        self.take_news();
        self.run_timers();
        self.supply.update_pace(self.host.has_stale_flag());
        self.take_news();
        self.save();
    }

    /// The host takes what the supply has to tell.
    fn take_news(&mut self) {
        while let Some(news) = self.supply.poll_news() {
            self.host.take(news, &self.supply.condition());
        }
    }

    fn save(&mut self) {
        self.host.save(self.supply.to_save(), &self.supply.condition());
    }

    fn next_timer(&self) -> Option<(Instant, Timer)> {
        let supply = self.supply.next_timer(self.host.has_decided());
        let host = self.host.next_timer(&self.supply.condition());
        let supply = supply.map(|(at, timer)| (at, Timer::Supply(timer)));
        let host = host.map(|(at, timer)| (at, Timer::Host(timer)));
        supply.into_iter().chain(host).min_by_key(|(at, _)| *at)
    }

    /// Fires what is due, in order of deadlines.
    fn run_timers(&mut self) {
        // Each firing moves its own deadline past now; the bound only keeps a mistake from hanging the loop.
        for _ in 0..64 {
            match self.next_timer() {
                Some((at, timer)) if at <= self.supply.now => self.fire(timer, at),
                _ => return,
            }
        }
    }

    fn fire(&mut self, timer: Timer, at: Instant) {
        match timer {
            Timer::Supply(timer) => self.supply.fire(timer, at),
            Timer::Host(timer) => {
                let (host, supply) = (&mut self.host, &self.supply);
                host.fire(timer, &supply.condition(), || supply.remote_demand());
                if timer == host::Timer::Annoy {
                    self.supply.users_told();
                }
            }
        }
        self.take_news();
    }
}
