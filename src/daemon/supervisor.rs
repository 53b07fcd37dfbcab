//! The pump: moves readings, orders, commands and lines between the rooms, each an owner of its own.

#[cfg_attr(not(feature = "control"), path = "supervisor/no_control.rs")]
mod control;
mod orders;
mod reload;
#[cfg(feature = "control")]
mod self_tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mio::{Registry, event::Event as IoEvent};

use super::calibration::Calibration;
use super::contact::Contact;
use super::control::{ControlSocket, Listening};
use super::driver::Driver;
use super::event_limit::EventLimit;
use super::event_loop::Exit;
use super::held_hooks::HeldHooks;
use super::helper::{Helper, Told};
use super::line_limit::LineLimit;
use super::recorder::Recorder;
use super::self_tests::SelfTests;
use super::settings::{self, Invocation};
use super::status::Status;
use super::token;
use crate::act::Request;
use crate::config::Config;
use crate::drivers::Traits;
use crate::link::LinkEvent;
use crate::power::{AtStart, Machine};
use crate::report::{Snapshot, Stamp};
use crate::server::nis::{EventsTail, Nis, Server};
use crate::ups::{Asker, Evidence, Priority, StatusFlags};

/// What a supervisor is built from.
pub struct SupervisorConfig {
    /// The configuration.
    pub config: Config,
    /// How the daemon was called.
    pub invocation: Invocation,
    /// The driver that UPSTYPE names.
    pub driver: Box<dyn Driver>,
    /// What writes down what happens.
    pub recorder: Recorder,
    /// What carries out.
    pub helper: Helper,
    /// It takes the place of a main process that has ended: the daemon itself goes on.
    pub is_restarted: bool,
    /// The control socket, if there is one.
    pub control: Option<Listening>,
    /// What is true when the daemon starts.
    pub at_start: AtStart,
    /// HOSTNAME.
    pub hostname: String,
    /// STARTTIME.
    pub start_time: Stamp,
}

/// Everything that the loop drives.
pub struct Supervisor {
    invocation: Invocation,
    config: Config,
    hostname: String,
    driver: Box<dyn Driver>,
    machine: Machine,
    helper: Helper,
    is_restarted: bool,
    held_hooks: HeldHooks,
    server: Server,
    server_is_open: bool,
    control: ControlSocket,
    status: Status,
    recorder: Recorder,
    /// How much of what happens is announced, and of what is said is logged.
    events: EventLimit,
    lines: LineLimit,
    contact: Contact,
    self_tests: SelfTests,
    calibration: Calibration,
    /// What clocks show here, in seconds; a test has one of its own.
    #[cfg(feature = "control")]
    local_time: Box<dyn Fn(Instant) -> i64>,
    exit: Option<Exit>,
    /// What the observer has not yet seen; filled only if somebody observes.
    log_subscriber: Option<VecDeque<(Priority, String)>>,
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor").field("machine", &self.machine).finish_non_exhaustive()
    }
}

impl Supervisor {
    /// Puts the parts together. Reads the events so far, which clients are told; touches nothing else yet.
    #[must_use]
    pub fn new(parts: SupervisorConfig, now: Instant) -> Self {
        let SupervisorConfig {
            config,
            invocation,
            driver,
            recorder,
            helper,
            is_restarted,
            control,
            at_start,
            hostname,
            start_time,
        } = parts;
        // Later the writer is asked: the disk may not answer by then.
        let events = if is_restarted { EventsTail::new(None) } else { Recorder::read_events(&config) };
        let snapshot = Snapshot {
            facts: settings::facts(&config, &invocation, &hostname, start_time),
            ups_name: Some(config.ups_name.clone()).filter(|name| !name.is_empty()),
            ..Snapshot::default()
        };
        Self {
            machine: Machine::new(settings::power(&config, &invocation), now, at_start),
            is_restarted,
            held_hooks: HeldHooks::default(),
            server: Server::new(Nis::default(), settings::server(&config), token::SERVER)
                .with_starter(helper.starter()),
            server_is_open: false,
            control: ControlSocket::new(control),
            status: Status::new(snapshot, events, now),
            recorder,
            contact: Contact::new(&config),
            self_tests: SelfTests::default(),
            calibration: Calibration::default(),
            #[cfg(feature = "control")]
            local_time: Box::new(|_| self_tests::local_time()),
            invocation,
            config,
            hostname,
            driver,
            events: EventLimit::default(),
            lines: LineLimit::default(),
            exit: None,
            log_subscriber: None,
            helper,
        }
    }

    /// Binds what the driver listens at.
    pub fn listen(&mut self) {
        self.driver.listen();
    }

    /// Makes what takes files, before this process gives up its right to them. False: they will be needed.
    pub fn prepare(&mut self) -> bool {
        self.driver.listen();
        self.driver.prepare()
    }

    /// Opens the port, where it is to be opened before the loop runs.
    pub fn open_server(&mut self, registry: &Registry, now: Instant) {
        self.server.open(registry, now);
        self.server_is_open = true;
    }

    /// Opens the port, then the device.
    pub fn start(&mut self, registry: &Registry, now: Instant) {
        self.recorder.register(registry);
        self.helper.register(registry);
        if self.is_restarted {
            self.recorder.ask_for_events(&mut self.status, now);
        } else {
            self.tell_start(now);
        }
        if !self.server_is_open {
            self.open_server(registry, now);
        }
        if let Some(line) = self.control.open(registry, now) {
            self.log(Priority::Error, &line, now);
        }
        self.driver.start(registry, now);
        self.helper.ready(now);
    }

    fn tell_start(&mut self, now: Instant) {
        self.log(
            Priority::Notice,
            &format!("{} {} startup succeeded", self.invocation.name, self.invocation.version),
            now,
        );
        if let Some(words) = self.invocation.dry_run.announcement() {
            self.log(Priority::Warning, &words, now);
        }
        if self.invocation.kill_on_powerfail && !self.config.ups_is(Traits::DELAYS_OFF) {
            self.log(
                Priority::Warning,
                "Ignoring --kill-on-powerfail since it is unsafe on Simple Signaling UPSes",
                now,
            );
        }
    }

    /// A descriptor is ready.
    pub fn ready(&mut self, registry: &Registry, event: &IoEvent, now: Instant) {
        self.status.set_now(now);
        if self.server.owns(event.token()) {
            self.server.ready(registry, event, now, &mut self.status);
        } else if self.control.owns(event) {
            self.control.ready(registry, event, now);
        } else if event.token() == token::HELPER {
            self.helper.handle_readable(now);
        } else if Recorder::owns(event.token()) {
            self.recorder.handle_readable(event.token(), now);
        } else {
            self.driver.ready(registry, event, now);
        }
    }

    /// Deadlines may have passed.
    pub fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.status.set_now(now);
        self.driver.handle_timeout(registry, now);
        // What the UPS has said by now comes before what is due by now: mains may be back.
        while let Some(event) = self.driver.poll_event() {
            self.take_link_event(event, now);
        }
        self.machine.handle_timeout(now);
        self.events.handle_timeout(now);
        self.helper.handle_timeout(registry, now);
        self.server.handle_timeout(registry, now, &mut self.status);
        self.control.handle_timeout(registry, now);
        if self.control.desk.take_reload() {
            self.helper.reload(registry, now);
        }
        self.recorder.handle_timeout(registry, &mut self.status, now);
        // Here, where the registry is: a configuration can open and close ports.
        while let Some(told) = self.helper.poll_told() {
            self.take_told(told, registry, now);
        }
    }

    /// The next deadline of anybody.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        crate::ups::earliest(&[
            self.driver.poll_timeout(),
            self.machine.poll_timeout(),
            self.events.poll_timeout(),
            self.lines.poll_timeout(),
            self.helper.poll_timeout(),
            self.held_hooks.poll_timeout(),
            self.server.poll_timeout(),
            self.control.poll_timeout(),
            self.self_tests.poll_timeout(),
            self.recorder.poll_timeout(),
        ])
    }

    /// A child of ours may have ended.
    pub fn handle_child_signal(&mut self, now: Instant) {
        self.helper.handle_child_signal(now);
        self.recorder.handle_child_signal(now);
    }

    /// The machine slept: whatever was believed about the UPS is old.
    pub fn handle_resume(&mut self, slept: Duration, now: Instant) {
        self.log(
            Priority::Notice,
            &format!("The machine slept for {} s; looking at the UPS", slept.as_secs()),
            now,
        );
        self.machine.handle_resume(now);
        self.self_tests.slept();
    }

    /// Whether neither a hook nor a shutdown is being waited for: tests let their clock run on only then.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.helper.is_idle() && self.held_hooks.poll_timeout().is_none()
    }

    /// Moves everything until nothing is left to move.
    pub fn pump(&mut self, now: Instant) {
        self.look_at_schedule(now);
        if self.server.take_came_or_went() && self.machine.awaits_slaves() {
            // The last one may have gone.
            self.count_slaves(now);
        }
        loop {
            let mut moved = false;
            while let Some(event) = self.driver.poll_event() {
                self.take_link_event(event, now);
                moved = true;
            }
            while let Some(order) = self.machine.poll_order() {
                self.events.offer(order, now);
                moved = true;
            }
            while let Some(order) = self.events.poll_order() {
                self.carry_out(order, now);
                moved = true;
            }
            while let Some((event, args)) = self.held_hooks.poll(now, |line| self.recorder.is_past(line, now))
            {
                self.helper.handle(Request::Hook(event, args), now);
                moved = true;
            }
            while let Some(outcome) = self.helper.poll_outcome() {
                self.take_outcome(outcome, now);
                moved = true;
            }
            while let Some((priority, text)) = self.server.poll_log() {
                self.log_rarely(priority, &text, now);
            }
            while let Some((priority, text)) = self.recorder.poll_line(&mut self.status, now) {
                self.log_unless_often(priority, &text, now);
            }
            while let Some((priority, text)) = self.lines.poll_line(now) {
                self.log(priority, &text, now);
            }
            moved |= self.serve_orders(now);
            if !moved {
                break;
            }
        }
        self.status.show_power(&self.machine.view(), now);
        if self.status.take_changed() {
            self.server.push(now, &mut self.status);
        }
    }

    fn take_link_event(&mut self, event: LinkEvent, now: Instant) {
        match event {
            LinkEvent::Attached(identity) => {
                self.contact.handle_attached(&identity);
                if let Some(line) = self.recorder.told_serial(identity.serial.as_deref(), now) {
                    self.log(Priority::Warning, &line, now);
                    self.machine.handle_other_ups(now);
                }
                self.status.show_identity(*identity);
                self.show_ups_name();
                self.machine.handle_attached(now);
            }
            LinkEvent::Reading(mut reading) => {
                if let Some(line) = self.contact.handle_reading(&reading) {
                    self.log(Priority::Info, &line, now);
                }
                reading.values = self.machine.handle_reading(now, &reading);
                let on_battery = self.machine.view().flags.contains(StatusFlags::ONBATT);
                self.helper.note_reading(&reading, on_battery, now);
                let ended = self.calibration.note(self.machine.view().flags, reading.values.calibration, now);
                self.status.show_reading(*reading);
                if let Some(words) = ended {
                    self.log(Priority::Notice, &format!("Calibration ended: {words}"), now);
                }
            }
            LinkEvent::Lost { reason } => {
                if let Some(line) = self.contact.handle_lost(&reason) {
                    self.log(Priority::Info, &line, now);
                }
                self.machine.handle_lost(now, &reason);
            }
            LinkEvent::Master { name, mode } => {
                let stamp = self.status.stamp();
                let snapshot = self.status.update();
                snapshot.master = Some((stamp, name));
                if let Some(mode) = mode {
                    snapshot.facts.class = mode;
                }
                self.machine.handle_master(now, None);
            }
            LinkEvent::MasterUnreachable { since } => self.machine.handle_master(now, Some(since)),
            LinkEvent::Counters(counters) => self.machine.handle_counters(now, counters),
            LinkEvent::Remote(ordered) => self.machine.handle_remote(now, ordered, Evidence::Poll),
            LinkEvent::Command(result) if result.asker == Asker::Machine => {
                self.machine.handle_command_result(now, &result);
            }
            LinkEvent::Command(result) => {
                if let Asker::Other(number) = result.asker {
                    self.order_ended(number, result, now);
                }
            }
            LinkEvent::Log(priority, text) => self.log_rarely(priority, &text, now),
        }
    }

    /// UPSNAME of the configuration, else of the UPS, else this machine's name once a UPS is there (config §3).
    fn show_ups_name(&mut self) {
        let snapshot = self.status.snapshot();
        let told = snapshot.identity.name.as_deref().filter(|name| !name.trim().is_empty());
        let name = match (self.config.ups_name.as_str(), told) {
            ("", Some(told)) => told,
            ("", None) if !self.contact.has_attached() => return self.status.update().ups_name = None,
            ("", None) if self.hostname.is_empty() => "default",
            ("", None) => &self.hostname,
            (configured, _) => configured,
        };
        let name = Some(name.to_owned());
        self.status.update().ups_name = name;
    }

    fn take_told(&mut self, told: Told, registry: &Registry, now: Instant) {
        match told {
            Told::Configuration(found, _) => self.take_configuration(found, registry, now),
            Told::NotRead(why) => self.not_read(&why, now),
            Told::Terminate(signal) => self.request_exit(Exit::Signal(signal)),
            Told::Gone => self.request_exit(Exit::HelperEnded),
        }
    }

    /// Whether signals that end the daemon, or have it read its configuration, come here.
    #[must_use]
    pub const fn takes_signals(&self) -> bool {
        self.helper.takes_signals_here()
    }

    /// Ends the loop at the end of this turn; the first reason counts.
    pub fn request_exit(&mut self, exit: Exit) {
        if self.exit.is_none() || matches!(exit, Exit::Signal(_) | Exit::HelperEnded) {
            self.exit = Some(exit);
        }
    }

    /// Whether, and why, the loop is to end now. By itself the daemon does not leave while the shutdown may still need a
    /// fall-back.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        match self.exit {
            Some(Exit::ShutdownUnderWay) if self.helper.is_shutting_down() => None,
            exit => exit,
        }
    }

    /// Gives everything back. Bounded: whatever the device, the clients and the hooks do.
    pub fn close(&mut self, registry: &Registry, exit: Exit, now: Instant) {
        self.helper.stopping();
        if let Exit::Signal(number) = exit {
            self.log(Priority::Warning, &format!("{} exiting, signal {number}", self.invocation.name), now);
        }
        self.machine.handle_stop(now);
        self.events.close(now);
        self.pump(now);
        self.release_hooks(now);
        self.helper.finish(now);
        self.pump(now);
        self.server.close();
        self.control.close();
        self.driver.close(registry);
        self.log(Priority::Notice, &format!("{} shutdown succeeded", self.invocation.name), now);
        self.recorder.finish(now);
    }

    /// Keeps what is logged from now on for [`Supervisor::poll_log_line`].
    pub fn subscribe_log(&mut self) {
        self.log_subscriber.get_or_insert_with(VecDeque::new);
    }

    /// The next line that was logged since the last call.
    pub fn poll_log_line(&mut self) -> Option<(Priority, String)> {
        self.log_subscriber.as_mut()?.pop_front()
    }

    /// The present snapshot, with what follows the clock set to `now`.
    pub fn snapshot(&mut self, now: Instant) -> &Snapshot {
        self.status.refreshed(now)
    }

    /// Logs one line of the machine or of `act/`: whole while a shutdown is decided, else as often as the same may come.
    fn log_unless_often(&mut self, priority: Priority, text: &str, now: Instant) {
        let decided = self.machine.view().flags.contains(StatusFlags::SHUTDOWN);
        if decided || self.helper.is_shutting_down() {
            return self.log(priority, text, now);
        }
        self.log_rarely(priority, text, now);
    }

    /// Logs one line that somebody outside can cause, unless it has come too often.
    fn log_rarely(&mut self, priority: Priority, text: &str, now: Instant) {
        if let Some(line) = self.lines.offer(priority, text, now) {
            self.log(priority, &line, now);
        }
    }

    /// Logs one line.
    pub fn log(&mut self, priority: Priority, text: &str, now: Instant) {
        self.recorder.log(&mut self.status, priority, text, now);
        if let Some(log_subscriber) = &mut self.log_subscriber {
            log_subscriber.push_back((priority, text.to_owned()));
        }
    }
}
