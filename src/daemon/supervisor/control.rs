//! Orders of the control socket: each is judged, logged with who gives it, and carried out or given to the link.

use std::time::Instant;

use super::Supervisor;
use crate::daemon::control::answers::{calibration_result, command_of, may, polled, self_test_result, show};
use crate::daemon::control::desk::{Asked, Due, OWN};
use crate::ups::{Asker, Command, CommandResult, Priority, StatusFlags};
use crate::wire::control::{Action, Answer, Outcome, Right, When};

impl Supervisor {
    /// Takes the orders that have come, and gives the link the next. True: there was something.
    pub(super) fn serve_orders(&mut self, now: Instant) -> bool {
        let mut moved = false;
        while let Some(asked) = self.control.desk.poll_asked() {
            self.take_order(asked, now);
            moved = true;
        }
        while let Some(due) = self.control.desk.poll_due(now) {
            self.do_due(due, now);
            moved = true;
        }
        if let Some(answer) = self.control.desk.take_own() {
            self.self_test_ended(&answer, now);
            moved = true;
        }
        self.control.push(now);
        while let Some((priority, text)) = self.control.lines.poll_line(now) {
            self.log(priority, &text, now);
        }
        while let Some((priority, text)) = self.control.poll_log() {
            self.log_rarely(priority, &text, now);
        }
        moved
    }

    fn take_order(&mut self, asked: Asked, now: Instant) {
        let Asked { number, from, request } = asked;
        let group = self.control.group.as_ref().map(|(_, name)| name.as_str());
        let allowed = may(&asked, self.control.owner, group);
        let value = request.value.map(|value| format!(" {value}")).unwrap_or_default();
        let line = format!(
            "Control socket: user {} (process {}) orders: {}{value}",
            from.uid, from.pid, request.row.words
        );
        let (priority, line) = match &allowed {
            Err(why) => (Priority::Warning, format!("{line}: refused, {why}")),
            Ok(()) if request.right() == Right::Read => (Priority::Info, line),
            Ok(()) => (Priority::Notice, line),
        };
        let refused = allowed.is_err().then_some(Outcome::Refused);
        self.log_order(&asked, refused, priority, &line, now);
        if let Err(why) = allowed {
            return self.control.desk.answer(number, &Answer::new(Outcome::Refused, why));
        }
        if request.when() == When::NoDaemon {
            let words = format!(
                "not while {} guards: stop it first, then 'mainsd ctl {} --yes' does it",
                self.invocation.name, request.row.words
            );
            return self.control.desk.answer(number, &Answer::new(Outcome::Refused, words));
        }
        if let Some(command) = command_of(&request) {
            return match self.against(command, request.waits) {
                Some(answer) => self.control.desk.answer(number, &answer),
                None => self.control.desk.queue(asked, command),
            };
        }
        let answer = match request.row.action {
            Action::Reload => {
                return self.control.desk.await_reload(number, now);
            }
            Action::ShutdownNow => {
                let words = "the shutdown is decided: slaves have their time, then this machine goes down";
                Answer::of(
                    self.machine.handle_shutdown_now(now).map(|()| words.to_owned()).map_err(str::to_owned),
                )
            }
            Action::ShutdownCancel => {
                let words = "the shutdown is cancelled";
                Answer::of(
                    self.machine
                        .handle_shutdown_cancel(now)
                        .map(|()| words.to_owned())
                        .map_err(str::to_owned),
                )
            }
            action => {
                let snapshot = self.status.snapshot();
                show(action, &snapshot.identity, &snapshot.values)
            }
        };
        self.control.desk.answer(number, &answer);
    }

    /// Why the UPS is not given this command now; `waits`: who gives it waits for the end of a test.
    pub(super) fn against(&self, command: Command, waits: bool) -> Option<Answer> {
        let refused = |why: String| Some(Answer::new(Outcome::Refused, why));
        if self.machine.view().flags.contains(StatusFlags::COMMLOST) {
            return Some(Answer::new(Outcome::Lost, "the UPS does not answer"));
        }
        if let Err(why) = self.machine.permits(command, &self.status.snapshot().values) {
            return refused(why);
        }
        if waits && self.control.desk.awaits_test() {
            return refused("somebody waits for a self test already".to_owned());
        }
        let changes = command.order().is_some() && command != Command::Outlets;
        if self.invocation.dry_run.is_log_only() && changes {
            return refused("dry run: the UPS gets no order".to_owned());
        }
        None
    }

    fn do_due(&mut self, due: Due, now: Instant) {
        match due {
            Due::Give(asked, command) => {
                // It has waited: mains may have failed since.
                if let Some(answer) = self.against(command, false) {
                    self.control.desk.end(asked, &answer, now);
                } else {
                    self.calibration.note_order(command, true);
                    self.driver.command(Asker::Other(asked.number), command, now);
                }
            }
            Due::Tell(asked) => self.tell(asked, now),
            Due::TooLate(asked) => {
                let answer = Answer::new(Outcome::Lost, "the UPS did not end the order in time");
                self.control.desk.end(asked, &answer, now);
            }
        }
    }

    /// Tells what has been read.
    fn tell(&mut self, asked: Asked, now: Instant) {
        let flags = self.machine.view().flags;
        if let Some(why) = self.control.desk.take_failure() {
            let lost = flags.contains(StatusFlags::COMMLOST);
            return self.end_order(
                asked,
                &Answer::new(if lost { Outcome::Lost } else { Outcome::Refused }, why),
                now,
            );
        }
        let result = self.status.snapshot().values.self_test;
        if asked.request.row.action == Action::Poll {
            let answer = polled(flags, &self.status.snapshot().values);
            return self.control.desk.end(asked, &answer, now);
        }
        if asked.request.row.action == Action::CalibrateResult {
            let told = self.status.snapshot().values.calibration;
            let runs = flags.contains(StatusFlags::CALIBRATION);
            let answer = calibration_result(told, runs, self.calibration.seen());
            return self.control.desk.end(asked, &answer, now);
        }
        let answer = self_test_result(result, asked.request.waits);
        match answer {
            Some(answer) if !asked.request.waits => self.control.desk.end(asked, &answer, now),
            answer => {
                let runs = flags.contains(StatusFlags::ONBATT);
                self.control.desk.look_at_test(asked, answer, runs, now);
            }
        }
    }

    /// The link has ended a command of a client's.
    pub(super) fn order_ended(&mut self, number: u32, result: CommandResult, now: Instant) {
        self.calibration.note_order(result.command, result.outcome.is_ok());
        let ended = self.control.desk.handle_result(number, result.outcome, now);
        if let Some((asked, answer)) = ended {
            self.end_order(asked, &answer, now);
        }
    }

    fn end_order(&mut self, asked: Asked, answer: &Answer, now: Instant) {
        let line =
            format!("Control socket: {}: {} {}", asked.request.row.words, answer.outcome.word(), answer.text);
        self.log_order(&asked, Some(answer.outcome), Priority::Info, &line, now);
        self.control.desk.end(asked, answer, now);
    }

    /// Logs a line about an order, unless this user has given too many of its kind.
    fn log_order(
        &mut self,
        asked: &Asked,
        outcome: Option<Outcome>,
        priority: Priority,
        text: &str,
        now: Instant,
    ) {
        if asked.number == OWN {
            return;
        }
        let row = asked.request.row;
        if let Some(line) = self.control.lines.offer(asked.from.uid, (row, outcome), (priority, text), now) {
            self.log(priority, &line, now);
        }
    }
}
