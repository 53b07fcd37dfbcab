//! What the power machine orders, and what comes of it.

use std::time::Instant;

use super::Supervisor;
use crate::act::{HookArgs, Outcome, Request};
use crate::daemon::event_loop::Exit;
use crate::drivers::Traits;
use crate::power::{HookReport, Order};
use crate::ups::{Asker, Command, CommandResult, Event, Priority, StatusFlags};

impl Supervisor {
    pub(super) fn carry_out(&mut self, order: Order, now: Instant) {
        match order {
            Order::Event(event) => {
                self.log(event.priority(), event.text(), now);
                self.run_hook(event, now);
            }
            Order::EventWithReason(event, reason) => {
                self.log(event.priority(), event.text(), now);
                self.log(event.priority(), &reason, now);
                self.run_hook(event, now);
            }
            Order::Hook(event) => self.run_hook(event, now),
            Order::Log(priority, text) => self.log_unless_often(priority, &text, now),
            Order::SetPace(poll_rate) => self.driver.set_poll_rate(poll_rate, now),
            Order::Command(command) => self.send(command, now),
            Order::CreatePowerfail => self.helper.handle(Request::CreatePowerfail, now),
            Order::RemovePowerfail => self.helper.handle(Request::RemovePowerfail, now),
            Order::CreateNologin => self.helper.handle(Request::CreateNologin, now),
            Order::RemoveNologin => self.helper.handle(Request::RemoveNologin, now),
            Order::CountSlaves => self.count_slaves(now),
            Order::Shutdown { explanation, .. } => self.shut_down(explanation, now),
            Order::Save(saved) => {
                self.recorder.save(&saved, now);
                self.helper.keep(&saved, now);
            }
            Order::Exit => self.request_exit(Exit::ShutdownUnderWay),
        }
    }

    pub(super) fn count_slaves(&mut self, now: Instant) {
        let slaves = self.server.slaves(now);
        self.machine.handle_slaves(now, &slaves);
    }

    /// Nothing else runs a hook: a dry run does not.
    fn run_hook(&mut self, event: Event, now: Instant) {
        let args = self.hook_args();
        if self.invocation.dry_run.is_log_only() {
            let words = format!("Dry run: not run: {}", self.command_line(event, &args));
            return self.log(Priority::Info, &words, now);
        }
        self.held_hooks.hold(event, args, self.recorder.newest_line(), now);
    }

    /// The hooks that are held back are run now.
    pub(super) fn release_hooks(&mut self, now: Instant) {
        while let Some((event, args)) = self.held_hooks.release() {
            self.helper.handle(Request::Hook(event, args), now);
        }
    }

    /// Nothing else shuts the machine down: a dry run tells the power machine that it was.
    fn shut_down(&mut self, explanation: String, now: Instant) {
        let args = self.hook_args();
        if self.invocation.dry_run.is_log_only() {
            let how = self.command_line(Event::DoShutdown, &args);
            let words = format!("Dry run: this machine would be shut down now, by {how}: {explanation}");
            self.log(Priority::Alert, &words, now);
            return self.machine.handle_report(now, HookReport::ShutdownStarted);
        }
        // A shutdown waits for no file.
        self.release_hooks(now);
        self.helper.handle(Request::Shutdown(args, explanation), now);
    }

    /// Nothing else gives the driver a command: a dry run keeps back those that change what the UPS does.
    fn send(&mut self, command: Command, now: Instant) {
        if self.invocation.dry_run.is_log_only() {
            if let Some(words) = command.order() {
                self.log(
                    Priority::Warning,
                    &format!("Dry run: the UPS does not get the order: {words}"),
                    now,
                );
                let outcome = Ok("nothing was sent: dry run".to_owned());
                return self.machine.handle_command_result(now, &CommandResult::new(command, outcome));
            }
        }
        self.driver.command(Asker::Machine, command, now);
    }

    fn command_line(&self, event: Event, args: &HookArgs) -> String {
        let apccontrol = self.config.script_dir.join("apccontrol");
        let HookArgs { ups_name, connected, powered } = args;
        let (connected, powered) = (u8::from(*connected), u8::from(*powered));
        format!("{} {} {ups_name} {connected} {powered}", apccontrol.display(), event.arg())
    }

    fn hook_args(&self) -> HookArgs {
        HookArgs {
            ups_name: self.status.snapshot().ups_name.clone().unwrap_or_else(|| "default".to_owned()),
            connected: !self.machine.view().flags.contains(StatusFlags::SLAVE),
            powered: !self.config.ups_is(Traits::SIMULATED),
        }
    }

    pub(super) fn take_outcome(&mut self, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Log(priority, text) => self.log_unless_often(priority, &text, now),
            Outcome::HookFinished { .. } => {}
            // What was started, and what had failed before, `act/` has logged.
            Outcome::ShutdownStarted(_) => self.machine.handle_report(now, HookReport::ShutdownStarted),
            Outcome::ShutdownFellBack(_) => self.machine.handle_report(now, HookReport::ShutdownFellBack),
            Outcome::ShutdownFailed => self.machine.handle_report(now, HookReport::ShutdownFailed),
        }
    }
}
