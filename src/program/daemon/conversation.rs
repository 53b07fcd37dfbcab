//! Orders to a UPS outside of the daemon that guards, on the loop of the daemon.

use std::time::{Duration, Instant};

use mio::Registry;
use mio::event::Event;

use super::start::Refusal;
use crate::config::Config;
use crate::daemon::{Clock, Driver, EventLoop, Exit, Source, driver, settings};
use crate::link::LinkEvent;
use crate::port::device_lock::DeviceLocks;
use crate::power::kill_power::{MainsBack, Role};
use crate::power::permit::{Situation, permits};
use crate::sys::signals::{Signal, Signals};
use crate::ups::{
    Asker, Command, CommandResult, Identity, Item, PollRate, Priority, Reading, StatusFlags, Values,
};

/// How long to look for the UPS. The system is halting: longer than this, and the battery is better saved by other means.
const FIND_TIMEOUT: Duration = Duration::from_secs(60);
/// What stands before the reason why a UPS is not found.
pub(in crate::program) const NOT_FOUND: &str = "Unable to open UPS device: ";
/// How long one setting may take: ten steps through its values.
const SETTING_TIMEOUT: Duration = Duration::from_secs(180);
/// How long to wait, once the UPS answers, for readings that agree on the line. A UPS whose line is unknown is told to
/// switch off as if on battery: that is why the machine went down.
const LINE_WAIT: Duration = Duration::from_secs(5);
/// So many readings agree.
const AGREEING_READINGS: u8 = 2;
/// Set by the last hook of a system that restarts: with mains back, it needs nobody to start it again.
const RESTARTS: &str = "MAINSD_RESTARTS";

/// What follows a command that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::program) enum Then {
    /// The next one, after this time.
    Next(Duration),
    /// The same, after this time.
    #[cfg_attr(
        not(feature = "tools"),
        expect(dead_code, reason = "only programs that wait for a UPS say it")
    )]
    Again(Duration),
}

/// The next command at once.
pub(in crate::program) const GO_ON: Then = Then::Next(Duration::ZERO);

/// Gives the UPS orders, one after the other, the first after `wait`; `done` hears how each ended and what the UPS has said, and says what
/// follows. What the UPS may not be told now it is not told (`power::permit`).
///
/// # Errors
/// If there is no such driver, the UPS is not found in time, or a signal ends it.
pub(in crate::program) fn converse(
    config: &Config,
    locks: &DeviceLocks,
    commands: &[Command],
    wait: Duration,
    say: &mut dyn FnMut(Priority, &str),
    done: &mut dyn FnMut(&CommandResult, &Heard) -> Then,
) -> Result<(), Refusal> {
    let secrets = driver::secrets(config).map_err(|refused| Refusal::new(refused.text))?;
    let open = |now| driver::open(config, locks, None, secrets.as_ref(), None, now);
    let patience = Patience { before: wait, find: FIND_TIMEOUT, until_loss: false };
    converse_with(&open, settings::role(config), commands, patience, say, done)
}

/// How long a UPS is waited for.
#[derive(Clone, Copy, Debug)]
pub(in crate::program) struct Patience {
    /// Before the first order.
    pub before: Duration,
    /// Until it has answered.
    pub find: Duration,
    /// The first loss of it is the end: what is asked may be no UPS.
    pub until_loss: bool,
}

/// As [`converse`], by the driver that `open` makes.
///
/// # Errors
/// As [`converse`].
pub(in crate::program) fn converse_with(
    open: &dyn Fn(Instant) -> Result<Box<dyn Driver>, String>,
    role: Role,
    commands: &[Command],
    patience: Patience,
    say: &mut dyn FnMut(Priority, &str),
    done: &mut dyn FnMut(&CommandResult, &Heard) -> Then,
) -> Result<(), Refusal> {
    let signals = Signals::new().map_err(Refusal::new)?;
    let clock = Clock::default();
    let mut event_loop = EventLoop::new(clock, signals).map_err(Refusal::new)?;
    let now = clock.now();
    let mut conversation = Conversation {
        driver: open(now).map_err(Refusal::new)?,
        role,
        commands,
        heard: Heard::default(),
        attached_at: None,
        ordered: false,
        number: 0,
        order_at: now + patience.before,
        deadline: now + patience.before + patience.find,
        until_loss: patience.until_loss,
        ended: None,
        say,
        done,
    };
    let exit = event_loop.run(&mut conversation).map_err(Refusal::new)?;
    event_loop.close(&mut conversation, exit);
    match conversation.ended {
        Some(End::Done(result)) => result.map_err(Refusal::new),
        Some(End::Signal(number)) => Err(Refusal::new(format!("ended by signal {number}"))),
        None => Ok(()),
    }
}

/// How it ended.
enum End {
    Done(Result<(), String>),
    Signal(i32),
}

/// A UPS, and what is said to it.
struct Conversation<'a> {
    driver: Box<dyn Driver>,
    role: Role,
    /// What is still to be ordered; the first may be under way.
    commands: &'a [Command],
    heard: Heard,
    attached_at: Option<Instant>,
    /// The first command is under way.
    ordered: bool,
    /// Of the command given last.
    number: u32,
    /// Not before.
    order_at: Instant,
    /// By then the first command has ended.
    deadline: Instant,
    until_loss: bool,
    ended: Option<End>,
    say: &'a mut dyn FnMut(Priority, &str),
    done: &'a mut dyn FnMut(&CommandResult, &Heard) -> Then,
}

impl<'a> Conversation<'a> {
    /// When the first command is due; `None`: it is under way, or the UPS has not answered.
    fn due(&self, command: Command) -> Option<Instant> {
        let known = self.heard.agree >= AGREEING_READINGS || command != Command::KillPower;
        let attached_at = self.attached_at.filter(|_| !self.ordered)?;
        Some(if known { self.order_at } else { self.order_at.max(attached_at + LINE_WAIT) })
    }

    /// Takes a step; `false`: there is nothing to do before more happens.
    fn step(&mut self, now: Instant) -> bool {
        let Some((command, rest)) = self.commands.split_first() else {
            self.ended.get_or_insert(End::Done(Ok(())));
            return false;
        };
        if let Some(mut result) = self.take_events() {
            if let (Err(words), Command::KillPower, true) =
                (&mut result.outcome, command, self.heard.is_mains())
            {
                words.push_str("; with mains there it is not switched off for good");
            }
            self.end_command(&result, rest, now);
            return true;
        }
        if now >= self.deadline
            || (self.until_loss && self.heard.ups.is_none() && !self.heard.last_loss.is_empty())
        {
            self.ended.get_or_insert(End::Done(Err(self.too_late(*command))));
            return false;
        }
        self.attached_at = self.heard.ups.as_ref().and(self.attached_at.or(Some(now)));
        if self.due(*command).is_none_or(|at| now < at) {
            return false;
        }
        if *command == Command::KillPower && self.heard.is_mains() && !self.goes_on_with_mains(*command) {
            self.ended.get_or_insert(End::Done(Ok(())));
            return false;
        }
        if let Err(why) = permits(*command, self.heard.situation(), &self.heard.values) {
            let result = CommandResult::new(*command, Err(why));
            self.end_command(&result, rest, now);
            return true;
        }
        self.ordered = true;
        if !command.cuts_power() {
            self.deadline = now + SETTING_TIMEOUT;
        }
        self.number += 1;
        self.driver.command(Asker::Other(self.number), *command, now);
        true
    }

    fn end_command(&mut self, result: &CommandResult, rest: &'a [Command], now: Instant) {
        let then = (self.done)(result, &self.heard);
        self.ordered = false;
        let pause = match then {
            Then::Next(pause) => {
                self.commands = rest;
                pause
            }
            Then::Again(pause) => pause,
        };
        self.order_at = now + pause;
        self.deadline = self.deadline.max(self.order_at + FIND_TIMEOUT);
    }

    /// Whether power is to be killed though mains is back.
    fn goes_on_with_mains(&mut self, command: Command) -> bool {
        let restarts = std::env::var_os(RESTARTS).is_some_and(|value| !value.is_empty());
        let words = match self.role.with_mains(restarts) {
            MainsBack::LeaveAlone => {
                let words = "Mains is back and this machine restarts by itself: the UPS is left alone";
                let result = CommandResult::new(command, Ok(words.to_owned()));
                let _ = (self.done)(&result, &Heard::default());
                return false;
            }
            MainsBack::Interrupt => {
                "Mains is back: the UPS interrupts the power all the same, or this machine would stay off"
            }
            MainsBack::TellAnyway => "Mains is back: the UPS is told in case that it fails again at once",
        };
        (self.say)(Priority::Warning, words);
        true
    }

    fn too_late(&self, command: Command) -> String {
        let Heard { ups, last_loss, .. } = &self.heard;
        match ups {
            None if !command.cuts_power() => {
                format!("{NOT_FOUND}{last_loss}")
            }
            None => format!("Unable to open UPS device for hibernate or shutdown: {last_loss}"),
            Some(_) => "the UPS did not answer the order in time".to_owned(),
        }
    }

    /// Takes what the UPS has told; the end of the command given last, if it has come.
    fn take_events(&mut self) -> Option<CommandResult> {
        // A link that has lost its UPS says so after the end of a command.
        let mut ended = None;
        while let Some(event) = self.driver.poll_event() {
            match event {
                LinkEvent::Attached(identity) => self.heard.ups = Some(identity),
                LinkEvent::Lost { reason } => {
                    let line_at = self.heard.line_at;
                    self.heard = Heard { last_loss: reason, line_at, ..Heard::default() };
                }
                LinkEvent::Reading(reading) => self.heard.note(&reading),
                LinkEvent::Command(result) if result.asker == Asker::Other(self.number) => {
                    ended = Some(result);
                }
                LinkEvent::Log(priority, text) => (self.say)(priority, &text),
                LinkEvent::Command(_)
                | LinkEvent::Master { .. }
                | LinkEvent::MasterUnreachable { .. }
                | LinkEvent::Remote(_)
                | LinkEvent::Counters(_) => {}
            }
        }
        ended
    }
}

impl Source for Conversation<'_> {
    fn start(&mut self, registry: &Registry, now: Instant) {
        self.driver.start(registry, now);
        if self.commands.contains(&Command::KillPower) {
            // Two samples make a line state, also here.
            self.driver.set_poll_rate(PollRate::Fast, now);
        }
    }

    fn ready(&mut self, registry: &Registry, event: &Event, now: Instant) {
        self.driver.ready(registry, event, now);
    }

    fn handle_signal(&mut self, signal: Signal, _: &Registry, _: Instant) {
        if let Signal::Terminate(number) = signal {
            self.ended.get_or_insert(End::Signal(number));
        }
    }

    fn handle_resume(&mut self, _: Duration, _: Instant) {}

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.driver.handle_timeout(registry, now);
    }

    fn pump(&mut self, now: Instant) {
        while self.ended.is_none() && self.step(now) {}
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let due = self.commands.first().and_then(|command| self.due(*command)).unwrap_or(self.deadline);
        crate::ups::earliest(&[Some(due), self.driver.poll_timeout()])
    }

    fn exit(&self) -> Option<Exit> {
        self.ended.as_ref().map(|end| match end {
            End::Done(_) => Exit::Done,
            End::Signal(number) => Exit::Signal(*number),
        })
    }

    fn close(&mut self, registry: &Registry, _: Exit, _: Instant) {
        self.driver.close(registry);
    }
}

/// What the UPS has said.
#[derive(Debug, Default)]
pub(in crate::program) struct Heard {
    /// What it is.
    pub ups: Option<Box<Identity>>,
    /// The last that it has measured.
    pub values: Values,
    /// Its status bits.
    pub status: StatusFlags,
    /// The line in the last sample of it, and how many in a row agree.
    mains: bool,
    agree: u8,
    /// When that sample was read: a copy of it agrees with nothing.
    line_at: Option<Instant>,
    last_loss: String,
}

impl Heard {
    const fn is_mains(&self) -> bool {
        self.mains && self.agree >= AGREEING_READINGS
    }

    fn situation(&self) -> Situation {
        Situation {
            decided: false,
            on_battery: self.status.contains(StatusFlags::ONBATT),
            tests: self.status.contains(StatusFlags::CALIBRATION),
        }
    }

    fn note(&mut self, reading: &Reading) {
        (self.values, self.status) = (reading.values.clone(), reading.status);
        let at = reading.read.of(Item::Line);
        if !reading.states(Item::Line) || at <= self.line_at {
            return;
        }
        let mains = !reading.status.contains(StatusFlags::ONBATT);
        self.agree = if self.mains == mains { self.agree.saturating_add(1) } else { 1 };
        (self.mains, self.line_at) = (mains, at);
    }
}
