//! What the helper does for the machine that stands in.

use std::time::Instant;

use super::process::HelperProcess;
use super::stand_in::StandIn;
use crate::act::{HookArgs, Outcome, Request};
use crate::daemon::settings;
use crate::drivers::Traits;
use crate::power::{HookReport, Order};
use crate::ups::{Event, Priority};

impl HelperProcess {
    /// No main process hears the UPS from now on.
    pub(super) fn stand_in(&mut self, now: Instant) {
        let invocation = self.hands.invocation();
        if self.outage.stand_in.is_some() || invocation.dry_run.is_log_only() {
            return;
        }
        let settings = settings::power(&self.hands.config(), invocation);
        let begun = StandIn::begin(settings, &self.next.at_start, &self.outage.readings, now);
        self.outage.stand_in = begun;
    }

    /// Lets it judge its limits, and carries out what it orders.
    pub(super) fn run_stand_in(&mut self, now: Instant) {
        if let Some(stand_in) = &mut self.outage.stand_in {
            stand_in.handle_timeout(now);
        }
        while let Some(order) = self.outage.stand_in.as_mut().and_then(|stand_in| stand_in.poll_order(now)) {
            self.carry_out(order, now);
        }
    }

    fn carry_out(&mut self, order: Order, now: Instant) {
        match order {
            // A main process has asked for the shutdown, and has told what there is to be told.
            Order::Event(_) | Order::EventWithReason(..) | Order::Hook(_) | Order::Log(..)
                if self.was_asked(now) => {}
            Order::Event(event) => {
                self.log(event.priority(), event.text());
                self.run_hook(event, now);
            }
            Order::EventWithReason(event, reason) => {
                self.log(event.priority(), event.text());
                self.log(event.priority(), &reason);
                self.run_hook(event, now);
            }
            Order::Hook(event) => self.run_hook(event, now),
            Order::Log(priority, text) => self.log(priority, &text),
            Order::CreatePowerfail => {
                self.next.at_start.powerfail = true;
                self.hands.handle(Request::CreatePowerfail, now);
            }
            Order::CreateNologin => {
                self.next.at_start.no_login = true;
                self.hands.handle(Request::CreateNologin, now);
            }
            Order::Shutdown { explanation, .. } => self.shut_down(explanation, now),
            Order::Save(mut saved) => {
                // The machine has begun with the first reading that is kept, and knows of nothing later than that.
                let before = self.next.at_start.saved.as_ref().and_then(|saved| saved.decided_at);
                saved.decided_at = saved.decided_at.map(|at| before.map_or(at, |before| before.max(at)));
                self.next.at_start.saved = Some(saved);
            }
            // Mains was not seen to be back.
            Order::RemovePowerfail | Order::RemoveNologin => {}
            // Not told: see `StandIn::poll_order`.
            Order::SetPace(_) | Order::Command(_) | Order::CountSlaves | Order::Exit => {}
        }
    }

    fn run_hook(&mut self, event: Event, now: Instant) {
        let args = self.hook_args();
        self.hands.handle(Request::Hook(event, args), now);
    }

    fn shut_down(&mut self, explanation: String, now: Instant) {
        if self.was_asked(now) {
            // One that is under way is told when it has started.
            if !self.hands.is_shutting_down() {
                self.report(HookReport::ShutdownStarted, now);
            }
            return;
        }
        self.started.note_former();
        self.log(Priority::Alert, "No main process hears the UPS: the helper shuts this machine down");
        let args = self.hook_args();
        self.hands.handle(Request::Shutdown(args, explanation), now);
    }

    /// Whether the shutdown was decided before, and is under way or has been started.
    fn was_asked(&self, now: Instant) -> bool {
        let grace = self.hands.of_the_file().shutdown_grace;
        self.started.is_former() && self.hands.is_shutting_down() || self.started.stands(grace, now)
    }

    /// The machine that stands in hears what came of its order.
    pub(super) fn report_to_stand_in(&mut self, outcome: &Outcome, now: Instant) {
        if self.outage.stand_in.is_none() {
            return;
        }
        match outcome {
            Outcome::ShutdownStarted(_) => self.report(HookReport::ShutdownStarted, now),
            Outcome::ShutdownFellBack(_) => self.report(HookReport::ShutdownFellBack, now),
            Outcome::ShutdownFailed => self.report(HookReport::ShutdownFailed, now),
            Outcome::Log(..) | Outcome::HookFinished { .. } => {}
        }
    }

    fn report(&mut self, report: HookReport, now: Instant) {
        if let Some(stand_in) = &mut self.outage.stand_in {
            stand_in.handle_report(report, now);
        }
    }

    /// As the last hook was told.
    fn hook_args(&self) -> HookArgs {
        let config = self.hands.of_the_file();
        self.outage.args.clone().unwrap_or_else(|| HookArgs {
            ups_name: Some(config.ups_name.clone())
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| "default".to_owned()),
            connected: !config.ups_is(Traits::SLAVE),
            powered: !config.ups_is(Traits::SIMULATED),
        })
    }
}
