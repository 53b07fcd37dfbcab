//! The decision to shut down, and what follows from it.

use std::time::{Duration, Instant};

use super::shutdown_state::{Decision, KILL_AGAIN, MAINS_STABLE, Progress, ShutdownState, Waiting};
use super::{Cause, Condition, Demand, Flag, HookReport, Host, Order};
use crate::ups::{Command, Event, Evidence, NoLogon, Priority};

impl Host {
    /// It is said outside that the shutdown is ordered, or is not. `remote`: the words of such a shutdown.
    pub(in crate::power) fn remote_said(
        &mut self,
        ordered: bool,
        evidence: Evidence,
        supply: &Condition,
        remote: impl FnOnce() -> Demand,
    ) {
        if self.remote.note(ordered, evidence != Evidence::Poll, self.now) {
            self.remote_turned(supply, remote);
        }
    }

    /// What is believed of an order from outside has changed.
    pub(super) fn remote_turned(&mut self, supply: &Condition, remote: impl FnOnce() -> Demand) {
        if self.remote.stands() && self.settings.slave {
            self.log(Priority::Error, "Shutdown because NIS master is shutting down.");
        }
        self.carry_out_remote(supply, remote);
    }

    /// An order from outside that stands is carried out, if none is already.
    pub(super) fn carry_out_remote(&mut self, supply: &Condition, remote: impl FnOnce() -> Demand) {
        if self.remote.stands() && self.shutdown == ShutdownState::Idle {
            self.decide(remote(), supply);
        }
    }

    /// The one place where a shutdown is decided.
    pub(super) fn decide(&mut self, demand: Demand, supply: &Condition) {
        let Demand { cause, explanation } = demand;
        let event = match cause {
            Cause::LowBattery => Event::Failing,
            Cause::Timeout => Event::Timeout,
            Cause::Charge => Event::LoadLimit,
            Cause::Runtime => Event::RunLimit,
            Cause::Emergency => Event::Emergency,
            Cause::Remote | Cause::MasterLost | Cause::Operator => Event::RemoteDown,
        };
        self.order(Order::EventWithReason(event, explanation.clone()));
        let announced = self.announced_from(supply);
        let waiting =
            Waiting { from: announced, looked: self.now, low: supply.low, present: None, slaves: Vec::new() };
        self.shutdown = ShutdownState::Decided(Decision {
            cause,
            decided: self.now,
            announced,
            waited_until: None,
            ordered: self.now,
            progress: Progress::Waiting(waiting),
            kill_at: None,
            share_waited: false,
            explanation,
        });
        self.announce(supply);
    }

    pub(super) fn order_shutdown(&mut self, supply: &Condition) {
        let now = self.now;
        let Some(decision) = self.shutdown.decision_mut() else { return };
        decision.ordered = now;
        decision.progress = Progress::Ordered;
        self.exit_at = None;
        let (cause, explanation) = (decision.cause, decision.explanation.clone());
        self.log(Priority::Alert, Event::DoShutdown.text());
        // With mains there, the flag would have the UPS start a machine again that somebody wants off.
        if cause != Cause::Operator || supply.outage.is_some() {
            self.powerfail = Some(Flag::Created(now));
            self.order(Order::CreatePowerfail);
        }
        if self.settings.no_logon != NoLogon::Disable {
            self.prohibit_logins();
        }
        self.order(Order::Shutdown { cause, explanation });
    }

    pub(super) fn prohibit_logins(&mut self) {
        if !std::mem::replace(&mut self.no_login, true) {
            self.order(Order::CreateNologin);
            self.log(Priority::Alert, "User logins prohibited");
        }
    }

    /// Removes `nologin`, if it is ours.
    pub(super) fn allow_logins(&mut self) {
        if std::mem::take(&mut self.no_login) {
            self.log(Priority::Alert, "Allowing logins");
        }
        self.order(Order::RemoveNologin);
    }

    /// The shutdown that was ordered has not happened.
    pub(super) fn order_again(&mut self, supply: &Condition, remote: impl FnOnce() -> Demand) {
        let since =
            self.shutdown.decision().map_or(0, |c| self.now.saturating_duration_since(c.decided).as_secs());
        self.log(
            Priority::Alert,
            format!("The system still runs {since} s after its shutdown was decided: trying again."),
        );
        let orders = self.remote.stands() && supply.outage.is_none();
        if orders && self.shutdown.decision().is_some_and(|decision| decision.cause != Cause::Remote) {
            // Decided for an outage that is over, called for from outside since.
            let why = remote().explanation;
            self.order(Order::EventWithReason(Event::RemoteDown, why.clone()));
            if let Some(decision) = self.shutdown.decision_mut() {
                decision.cause = Cause::Remote;
                decision.explanation = why;
            }
        } else if let Some(decision) = self.shutdown.decision() {
            let why = decision.explanation.clone();
            self.log(Priority::Alert, why);
        }
        self.order_shutdown(supply);
    }

    /// Whether the decided shutdown is still called for.
    pub(super) fn still_wanted(&self, supply: &Condition) -> bool {
        self.remote.stands()
            || self
                .shutdown
                .decision()
                .is_some_and(|decision| supply.upholds(decision.cause) || decision.is_operators_to_repeat())
    }

    pub(in crate::power) fn report(&mut self, report: HookReport) {
        let (now, settings) = (self.now, &self.settings);
        let (at_once, delay, leave) =
            (settings.kill_on_powerfail, settings.kill_delay, settings.term_on_powerfail);
        let (slave, lead) = (settings.slave, settings.kill_wait);
        // A report that comes while slaves have their time is of an order before this decision.
        let Some(decision) =
            self.shutdown.decision_mut().filter(|c| !matches!(c.progress, Progress::Waiting(_)))
        else {
            return;
        };
        if report == HookReport::ShutdownFailed {
            decision.progress = Progress::Failed(now);
            decision.kill_at = None;
            self.exit_at = None;
            return;
        }
        decision.progress = Progress::UnderWay;
        let delayed = delay.and_then(|delay| decision.ordered.checked_add(delay)).map(|at| at.max(now));
        decision.kill_at = if at_once { Some(now) } else { decision.kill_at.or(delayed) };
        if leave {
            let wait = if at_once && !slave { KILL_AGAIN } else { Duration::ZERO };
            self.exit_at = now.checked_add(if at_once { wait + lead } else { wait });
        }
    }

    /// When the UPS is told to switch off: only while the shutdown is under way and mains is out.
    pub(super) fn kill_due(&self, supply: &Condition) -> Option<Instant> {
        let decision = self.shutdown.decision()?;
        let settings = &self.settings;
        let asked = !settings.slave && (settings.kill_on_powerfail || settings.kill_delay.is_some());
        let ready = asked
            && decision.progress == Progress::UnderWay
            && supply.outage.is_some()
            && !supply.changing
            && !supply.silent
            && !decision.is_before(supply);
        decision.kill_at.filter(|_| ready).map(|at| supply.defer_while_ambiguous(at))
    }

    pub(super) fn kill_power(&mut self) {
        let lead = self.settings.kill_wait;
        if let Some(decision) = self.shutdown.decision_mut() {
            if !lead.is_zero() && !std::mem::replace(&mut decision.share_waited, true) {
                decision.kill_at = Some(self.now + lead);
                let text = format!("Waiting {} seconds for slave(s) to shutdown.", lead.as_secs());
                return self.log(Priority::Warning, text);
            }
        }
        let next = self
            .settings
            .kill_delay
            .and_then(|delay| self.now.checked_add(delay.max(Duration::from_secs(1))));
        if let Some(decision) = self.shutdown.decision_mut() {
            decision.kill_at = next;
        }
        self.log(Priority::Warning, "Attempting to kill the UPS power!");
        self.order(Order::Command(Command::KillPower));
    }

    pub(in crate::power) fn kill_result(&mut self, outcome: &Result<String, String>) {
        if self.exit_at.is_some() {
            self.exit_at = Some(self.now);
        }
        match outcome {
            Ok(words) => self.log(Priority::Warning, words.clone()),
            Err(words) => {
                self.log(Priority::Warning, format!("Failed to issue shutdown command! {words}"));
                let again = self.now.checked_add(KILL_AGAIN);
                if let Some(decision) = self.shutdown.decision_mut() {
                    decision.kill_at = decision.kill_at.or(again);
                }
            }
        }
    }

    /// When mains will have been back for good after a shutdown that did not happen.
    pub(super) fn rearm_at(&self, supply: &Condition) -> Option<Instant> {
        let decision = self.shutdown.decision().filter(|c| !matches!(c.progress, Progress::Waiting(_)))?;
        if decision.cause == Cause::Remote && !self.remote.stands() && supply.on_battery_since.is_some() {
            // Taken back, and still on battery: our own limits must count again.
            return decision.ordered.checked_add(self.settings.shutdown_grace);
        }
        if decision.is_before(supply) {
            // It was for a machine on mains: from now on the limits count.
            return Some(self.now);
        }
        if decision.cause == Cause::Operator {
            // Somebody has stopped it.
            let repeats = decision.is_operators_to_repeat();
            return decision.ordered.checked_add(self.settings.shutdown_grace).filter(|_| !repeats);
        }
        if decision.cause == Cause::MasterLost
            && !self.still_wanted(supply)
            && supply.on_battery_since.is_some()
        {
            // The master is back, and so is what it says.
            return decision.ordered.checked_add(self.settings.shutdown_grace);
        }
        // Ordered late, for slaves, it has its time too.
        let least = match decision.waited_until {
            Some(at) => at.checked_add(MAINS_STABLE)?,
            None => decision.decided,
        };
        Some(self.mains_for_good_at(supply)?.max(least))
    }

    fn mains_for_good_at(&self, supply: &Condition) -> Option<Instant> {
        supply.mains_since.filter(|_| !self.remote.stands())?.checked_add(MAINS_STABLE)
    }

    /// When a `powerfail` flag that this run created is stale: mains is back and the shutdown had its time.
    pub(super) fn flag_stale_at(&self, supply: &Condition) -> Option<Instant> {
        let Some(Flag::Created(at)) = self.powerfail else { return None };
        Some(self.mains_for_good_at(supply)?.max(at.checked_add(self.settings.shutdown_grace)?))
    }

    /// The daemon ends.
    pub(in crate::power) fn stop(&mut self, supply: &Condition) {
        let under_way =
            self.shutdown.decision().is_some_and(|decision| decision.progress == Progress::UnderWay);
        // A system that goes down stays closed to logins.
        if self.no_login && !under_way {
            self.allow_logins();
        }
        if self.shutdown.waiting().is_some() {
            let text = "Stopped while waiting for slaves: the shutdown that was decided is not carried out.";
            self.log(Priority::Alert, text);
        }
        if supply.on_battery_since.is_some() && !supply.tests && !under_way {
            self.log(
                Priority::Alert,
                "Stopped while on battery: this machine is now unguarded and will not be shut down when the battery \
                 runs out.",
            );
        }
    }
}
