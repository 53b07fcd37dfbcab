//! The helper's process, as the main process has it.

#![allow(
    clippy::disallowed_methods,
    reason = "at the end of the daemon the helper is waited for, by the clock"
)]

use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry};

use super::Told;
use super::connection::{Connection, Received};
use super::outbox::Outbox;
use crate::act::{HookArgs, Outcome, Request};
use crate::daemon::reread::Found;
use crate::daemon::token;
use crate::journal::{BootClock, saved_message};
use crate::power::SavedOutage;
use crate::sys::clock;
use crate::sys::job::Starter;
use crate::sys::role::Socket;
use crate::ups::{Item, Minutes, Percent, Priority, Reading, StatusFlags, is_unsafe, one_line};
use crate::wire::helper::{Arguments, FromHelper, OnBattery, ToHelper};

/// How long the end of the daemon waits for the helper: for both flags, a second each, and then some.
const FINISH_TIMEOUT: Duration = Duration::from_secs(4);
/// Longest configuration with what is said of it, in bytes.
const MAX_CONFIGURATION: usize = 24 << 20;

/// The other end of the helper's socket.
#[derive(Debug)]
pub struct Remote {
    connection: Rc<Connection>,
    outbox: Outbox,
    outcomes: VecDeque<Outcome>,
    told: VecDeque<Told>,
    /// What of a configuration has come.
    configuration: Vec<u8>,
    /// The shutdown was asked for, and how it ended is not known.
    shutting_down: bool,
    finished: bool,
    gone: bool,
    /// What the helper was told last of where the UPS is.
    on_battery: Option<bool>,
    /// The last `now` of a turn.
    now: Instant,
}

impl Remote {
    /// Speaks over this socket.
    #[must_use]
    pub fn new(socket: Socket, now: Instant) -> Self {
        Self {
            connection: Rc::new(Connection::new(socket)),
            outbox: Outbox::default(),
            outcomes: VecDeque::new(),
            told: VecDeque::new(),
            configuration: Vec::new(),
            shutting_down: false,
            finished: false,
            gone: false,
            on_battery: None,
            now,
        }
    }

    /// Who does what takes rights: the helper.
    #[must_use]
    pub fn starter(&self) -> Starter {
        let connection = Rc::clone(&self.connection);
        Starter::new(move |job| connection.start(job))
    }

    /// Has something carried out.
    pub fn handle(&mut self, request: &Request, now: Instant) {
        let packet = match request {
            Request::Hook(event, args) => {
                let name = name(args);
                let packet = ToHelper::Hook(*event, arguments(args, &name)).encode();
                if !self.outbox.push_if_room(packet) {
                    let words = format!("Too many hooks are waiting: {} is not run", event.arg());
                    self.outcomes.push_back(Outcome::Log(Priority::Warning, words));
                }
                return self.send(now);
            }
            Request::Shutdown(args, reason) => {
                self.shutting_down = true;
                ToHelper::Shutdown(arguments(args, &name(args)), &one_line(reason)).encode()
            }
            Request::CreatePowerfail => ToHelper::Powerfail { present: true }.encode(),
            Request::RemovePowerfail => ToHelper::Powerfail { present: false }.encode(),
            Request::CreateNologin => ToHelper::Nologin { present: true }.encode(),
            Request::RemoveNologin => ToHelper::Nologin { present: false }.encode(),
        };
        self.outbox.push(packet);
        self.send(now);
    }

    /// Has kept what the next main process has to know.
    pub fn keep(&mut self, outage: &SavedOutage, now: Instant) {
        let clock = BootClock { now, uptime: clock::since_boot() };
        self.outbox.replace(ToHelper::Saved(saved_message(outage, "", clock)).encode());
        self.send(now);
    }

    /// The UPS has told a reading: each one is sent on battery, the first one on mains.
    pub fn note_reading(&mut self, reading: &Reading, on_battery: bool, now: Instant) {
        if on_battery {
            self.outbox.replace(ToHelper::OnBattery(on_battery_message(reading, now)).encode());
        } else if self.on_battery != Some(false) {
            self.outbox.push(ToHelper::OnMains.encode());
        } else {
            return;
        }
        self.on_battery = Some(on_battery);
        self.send(now);
    }

    /// Has the configuration read again.
    pub fn reload(&mut self, now: Instant) {
        self.outbox.replace(ToHelper::Reload.encode());
        self.send(now);
    }

    /// The daemon guards.
    pub fn ready(&mut self, now: Instant) {
        self.outbox.replace(ToHelper::Ready.encode());
        self.send(now);
    }

    /// Makes the loop wake for what it tells.
    pub fn register(&self, registry: &Registry) {
        // Without it, it is heard when something else happens.
        let fd = self.connection.as_raw_fd();
        let _ = registry.register(&mut SourceFd(&fd), token::HELPER, Interest::READABLE);
    }

    /// Takes what it has told.
    pub fn handle_readable(&mut self, now: Instant) {
        self.now = now;
        while !self.gone {
            match self.connection.receive() {
                Received::Nothing => break,
                Received::Message(message) => {
                    if let Some(message) = FromHelper::decode(&message) {
                        self.take(message);
                    }
                }
                Received::End => self.end(),
            }
        }
        self.send(now);
    }

    fn take(&mut self, message: FromHelper<'_>) {
        let outcome = match message {
            FromHelper::Log(priority, text) => Outcome::Log(priority, text.to_owned()),
            FromHelper::ShutdownStarted(what) => {
                self.shutting_down = false;
                Outcome::ShutdownStarted(what.to_owned())
            }
            FromHelper::ShutdownFellBack(what) => Outcome::ShutdownFellBack(what.to_owned()),
            FromHelper::ShutdownFailed => {
                self.shutting_down = false;
                Outcome::ShutdownFailed
            }
            FromHelper::Configuration { last, bytes } => {
                self.configuration.extend_from_slice(bytes);
                if last || self.configuration.len() > MAX_CONFIGURATION {
                    let answer = std::mem::take(&mut self.configuration);
                    if let Some(Ok(found)) = Found::parse(&answer) {
                        self.told.push_back(Told::Configuration(found, answer));
                    }
                }
                return;
            }
            FromHelper::NotRead(why) => return self.told.push_back(Told::NotRead(why.to_owned())),
            FromHelper::Terminate(signal) => return self.told.push_back(Told::Terminate(signal)),
            FromHelper::IsAlive => return self.outbox.replace(ToHelper::Alive.encode()),
            FromHelper::Finished => {
                self.finished = true;
                return;
            }
            // The connection keeps them.
            FromHelper::Spare => return,
        };
        self.outcomes.push_back(outcome);
    }

    fn end(&mut self) {
        if !std::mem::replace(&mut self.gone, true) {
            self.told.push_back(Told::Gone);
        }
    }

    fn send(&mut self, now: Instant) {
        let connection = &self.connection;
        if !self.gone && self.outbox.send(now, |packet| connection.send(packet)).is_err() {
            self.end();
        }
    }

    /// Deadlines may have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.connection.has_waiting() {
            self.handle_readable(now);
        } else if self.outbox.poll_timeout().is_some_and(|at| at <= now) {
            self.send(now);
        }
    }

    /// The next deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        // What came while a job was begun does not wake the loop again.
        let waiting = self.connection.has_waiting().then_some(self.now);
        waiting.or_else(|| self.outbox.poll_timeout())
    }

    /// What came of requests; call until `None`.
    pub fn poll_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// What else there is to tell; call until `None`.
    pub fn poll_told(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    /// Whether a shutdown was asked for whose end is not known.
    #[must_use]
    pub const fn is_shutting_down(&self) -> bool {
        self.shutting_down
    }

    /// Has everything carried out that was asked for, and waits for it.
    pub fn finish(&mut self, now: Instant) {
        self.outbox.push(ToHelper::Finish.encode());
        self.send(now);
        let deadline = Instant::now() + FINISH_TIMEOUT;
        loop {
            let now = Instant::now();
            self.handle_readable(now);
            let left = deadline.saturating_duration_since(now);
            if self.finished || self.gone || left.is_zero() {
                return;
            }
            // What is not sent is tried again soon.
            let retry = self.outbox.poll_timeout().map(|at| at.saturating_duration_since(now));
            self.connection.wait(retry.unwrap_or(left).min(left));
        }
    }
}

/// What limits go by, of a reading on battery.
fn on_battery_message(reading: &Reading, now: Instant) -> OnBattery {
    let age = |item| reading.read.of(item).map(|at| now.saturating_duration_since(at));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped, and `as` saturates")]
    let charge = |Percent(percent): Percent| (percent.clamp(0.0, 100.0) * 10.0).floor() as u16;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped, and `as` saturates")]
    let runtime = |Minutes(minutes): Minutes| (minutes.max(0.0) * 60.0).floor() as u32;
    OnBattery {
        low: reading.status.contains(StatusFlags::BATTLOW),
        line_age: age(Item::Line).unwrap_or_default(),
        charge: reading.values.battery_charge.map(charge).zip(age(Item::Charge)),
        runtime: reading.values.runtime_left.map(runtime).zip(age(Item::Runtime)),
    }
}

/// The name as a hook may have it.
fn name(args: &HookArgs) -> String {
    args.ups_name.chars().filter(|c| !is_unsafe(*c)).collect()
}

const fn arguments<'a>(args: &HookArgs, name: &'a str) -> Arguments<'a> {
    Arguments { ups_name: name, connected: args.connected, powered: args.powered }
}

/// What a hook is told, as it came over.
pub(super) fn args(arguments: &Arguments<'_>) -> HookArgs {
    HookArgs {
        ups_name: arguments.ups_name.to_owned(),
        connected: arguments.connected,
        powered: arguments.powered,
    }
}
