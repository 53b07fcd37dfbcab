//! A simulated UPS: for the demonstration, for tests, and for users who want to try their scripts (`UPSTYPE test`).
//!
//! The UPS itself is a [`Model`]; what happens to it is a [`Script`]; [`Simulated`] is the conversation with it, in
//! the shape of every other link. It has no bytes to exchange, so its only inputs are time and commands.

mod model;
mod scenario;
mod script;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::{Duration, Instant};

pub use model::Model;
pub use scenario::Scenario;
pub use script::{Action, Script, ScriptError, Step};

use super::{Link, LinkEvent};
use crate::bus::Unconnected;
use crate::ups::{Command, CommandResult, Evidence, PollRate, Reading, SelfTestResult, StatusFlags, Values};

/// A self test that a command starts lasts this long.
const SELF_TEST_SECONDS: f64 = 8.0;
/// Fast polling, and looking for a UPS that does not answer.
const FAST_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Polling is never faster than this, whatever POLLTIME says.
const FASTEST: Duration = Duration::from_millis(10);
/// Steps carried out in one call; the rest follow in the next, which is due at once.
const STEPS_A_CALL: usize = 64;

/// The conversation with a simulated UPS.
#[derive(Debug)]
pub struct Simulated {
    model: Model,
    script: Script,
    /// Index of the next step of the script.
    next_step: usize,
    /// When the script's present round began, since the beginning.
    round_began: Duration,
    /// Time since the beginning that the model has reached.
    reached: Duration,
    /// The script's time zero.
    began_at: Instant,
    poll_time: Duration,
    poll_rate: PollRate,
    next_poll_at: Instant,
    answers: bool,
    plugged: bool,
    alerts: bool,
    refuse: bool,
    garbage: u32,
    contact: Contact,
    reported: Option<StatusFlags>,
    events: VecDeque<LinkEvent>,
}

/// What has been told about the UPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contact {
    Untold,
    Attached,
    Lost,
}

impl Simulated {
    /// A UPS on mains to which `script` happens from `now` on.
    #[must_use]
    pub fn new(script: Script, poll_time: Duration, now: Instant) -> Self {
        Self {
            model: Model::default(),
            script,
            next_step: 0,
            round_began: Duration::ZERO,
            reached: Duration::ZERO,
            began_at: now,
            poll_time,
            poll_rate: PollRate::Normal,
            next_poll_at: now,
            answers: true,
            plugged: true,
            alerts: true,
            refuse: false,
            garbage: 0,
            contact: Contact::Untold,
            reported: None,
            events: VecDeque::new(),
        }
    }

    /// The UPS at the other end.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    fn obey(&mut self, command: Command) -> String {
        match command {
            Command::Poll | Command::ReadTransferCause | Command::ReadSelfTest => "read".to_owned(),
            Command::KillPower => {
                let delay = self.model.switch_off(true).as_secs();
                format!("the load is switched off in {delay} seconds, and on again when mains returns")
            }
            Command::PowerOff => {
                let delay = self.model.switch_off(false).as_secs();
                format!("the load is switched off in {delay} seconds and stays off")
            }
            Command::SelfTest => {
                self.model.start_self_test(SELF_TEST_SECONDS, SelfTestResult::Passed);
                "self test started".to_owned()
            }
            Command::Calibrate => {
                self.model.start_calibration();
                "calibration started".to_owned()
            }
            Command::AbortTest if self.model.abort_test() => "test stopped".to_owned(),
            Command::AbortTest => "no test was running".to_owned(),
            Command::Set(..) | Command::Outlets | Command::Outlet(..) => "nothing is kept".to_owned(),
            Command::Beeper(_) | Command::PanelTest => "nothing is heard".to_owned(),
            Command::Record => "failed there is no UPS".to_owned(),
        }
    }

    fn step_if_due(&mut self) {
        let round = self.reached.saturating_sub(self.round_began);
        match self.script.steps.get(self.next_step) {
            Some(step) if step.at <= round && self.script.period.is_none_or(|period| step.at < period) => {
                let action = step.action;
                self.next_step += 1;
                self.act(action);
            }
            _ if self.script.period.is_some_and(|period| period <= round) => {
                self.round_began = self.reached;
                self.next_step = 0;
            }
            _ => {}
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Answers(answers) => self.answers = answers,
            Action::Plugged(plugged) => self.plugged = plugged,
            Action::Garbage(readings) => self.garbage = readings,
            Action::Alerts(alerts) => self.alerts = alerts,
            Action::Refuse(refuse) => self.refuse = refuse,
            other => self.model.apply(other),
        }
    }

    /// A system that slept for hours must not carry out every round it missed.
    fn catch_up(&mut self, target: Duration) {
        if let Some(period) = self.script.period {
            let behind = target.saturating_sub(self.round_began);
            let rounds = (behind.as_secs_f64() / period.as_secs_f64()).floor() as u32;
            if rounds >= 2 {
                self.round_began += period * (rounds - 1);
                self.next_step = 0;
                self.advance_to(self.round_began);
            }
        }
    }

    fn advance_to(&mut self, moment: Duration) {
        let span = moment.saturating_sub(self.reached);
        self.reached = self.reached.max(moment);
        self.model.advance(span);
    }

    /// When something happens next, since the beginning.
    fn next_due(&self) -> Option<Duration> {
        let step = match (self.script.steps.get(self.next_step), self.script.period) {
            (Some(step), Some(period)) => Some(step.at.min(period)),
            (Some(step), None) => Some(step.at),
            (None, period) => period,
        };
        let step = step.map(|at| self.round_began + at);
        let change = self.model.next_change().map(|span| self.reached + span);
        step.into_iter().chain(change).min()
    }

    fn reachable(&self) -> bool {
        self.answers && self.plugged
    }

    /// What the UPS says by itself: that its status changed, or that it was plugged in or out.
    fn tell_change(&mut self, now: Instant) {
        let returned = self.contact == Contact::Lost;
        let changed = self.reported.is_some_and(|reported| reported != self.model.status());
        if !self.plugged || (self.reachable() && self.alerts && (returned || changed)) {
            self.poll(now);
        }
    }

    fn poll(&mut self, now: Instant) {
        if self.reachable() {
            if self.contact != Contact::Attached {
                self.contact = Contact::Attached;
                self.reported = None;
                self.events.push_back(LinkEvent::Attached(Box::new(self.model.identity())));
            }
            let reading = self.read(now);
            self.events.push_back(LinkEvent::Reading(Box::new(reading)));
        } else if self.contact != Contact::Lost {
            self.contact = Contact::Lost;
            let what = if self.plugged { "does not answer" } else { "was unplugged" };
            self.events.push_back(LinkEvent::Lost { reason: format!("the simulated UPS {what}") });
        }
        self.next_poll_at = now + self.interval();
    }

    fn read(&mut self, now: Instant) -> Reading {
        if self.garbage > 0 {
            self.garbage -= 1;
            return all_zero(now);
        }
        let status = self.model.status();
        let announced = self.alerts && self.reported.is_some_and(|reported| reported != status);
        self.reported = Some(status);
        let evidence = if announced { Evidence::AlertAndRead } else { Evidence::Poll };
        Reading::sampled(now, status, evidence, self.model.values()).with_mains(Some(self.model.mains()))
    }

    fn reschedule_sooner(&mut self, now: Instant) {
        self.next_poll_at = self.next_poll_at.min(now + self.interval());
    }

    fn interval(&self) -> Duration {
        let interval = match (self.contact, self.poll_rate) {
            (Contact::Attached, PollRate::Normal) => self.poll_time,
            (Contact::Attached, PollRate::Fast) | (Contact::Lost | Contact::Untold, _) => {
                FAST_POLL_INTERVAL.min(self.poll_time)
            }
        };
        interval.max(FASTEST)
    }
}

impl Link for Simulated {
    type Bus = Unconnected;

    fn handle_event(&mut self, _: Instant, event: Infallible) {
        match event {}
    }

    fn handle_timeout(&mut self, now: Instant) {
        let target = now.saturating_duration_since(self.began_at);
        self.catch_up(target);
        for _ in 0..STEPS_A_CALL {
            let Some(due) = self.next_due().filter(|due| *due <= target) else {
                self.advance_to(target);
                break;
            };
            self.advance_to(due);
            self.step_if_due();
            self.tell_change(now);
        }
        if self.next_poll_at <= now {
            self.poll(now);
        }
    }

    fn poll_transmit(&mut self, _: Instant) -> Option<Infallible> {
        None
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.next_due().map_or(self.next_poll_at, |due| (self.began_at + due).min(self.next_poll_at)))
    }

    fn set_poll_rate(&mut self, poll_rate: PollRate, now: Instant) {
        self.poll_rate = poll_rate;
        self.reschedule_sooner(now);
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.poll_time = poll_time;
        self.reschedule_sooner(now);
    }

    fn command(&mut self, command: Command, now: Instant) {
        self.handle_timeout(now);
        let outcome = if !self.reachable() {
            Err("the simulated UPS does not answer".to_owned())
        } else if self.refuse && !is_read(command) {
            Err("the simulated UPS refuses".to_owned())
        } else if matches!(command, Command::Outlets | Command::Outlet(..)) {
            Err(command.not_known())
        } else {
            Ok(self.obey(command))
        };
        let read = outcome.is_ok() && is_read(command);
        self.tell_change(now);
        if read {
            self.poll(now);
        }
        self.events.push_back(LinkEvent::Command(CommandResult::new(command, outcome)));
    }
}

fn is_read(command: Command) -> bool {
    matches!(command, Command::Poll | Command::ReadTransferCause | Command::ReadSelfTest)
}

/// What a confused UPS sends: zeros.
fn all_zero(now: Instant) -> Reading {
    use crate::ups::{Minutes, Percent, Volts};
    let values = Values {
        line_voltage: Some(Volts(0.0)),
        load: Some(Percent(0.0)),
        battery_charge: Some(Percent(0.0)),
        runtime_left: Some(Minutes(0.0)),
        ..Values::default()
    };
    Reading::sampled(now, StatusFlags::default(), Evidence::Poll, values)
}

#[cfg(test)]
mod tests;
