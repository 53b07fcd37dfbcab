//! The helper in a process of its own: its loop has the main process's socket, signals, and children.

mod source;

use std::io;
use std::time::{Duration, Instant};

use super::allowance::{Allowance, HOOKS};
use super::jobs::{Jobs, Means};
use super::main_role::{Due, MainRole, describe};
use super::outbox::Outbox;
use super::remote::args;
use super::restarts::Restarts;
use super::stand_in::Outage;
use super::started::Started;
use super::{Hands, Told};
use crate::act::{Outcome, Request};
use crate::daemon::event_loop::Exit;
use crate::journal::{BootClock, saved_outage};
use crate::power::AtStart;
use crate::sys::job::Job;
use crate::sys::role::{Process, Role};
use crate::sys::{clock, reason};
use crate::ups::{Priority, one_line};
use crate::wire::helper::{FromHelper, MAX_PACKET, ToHelper};

/// How long a main process that was told to end may take, before it is killed.
const END_TIMEOUT: Duration = Duration::from_secs(8);
/// Most messages that are taken in one turn; more wait for the next, after signals and children.
const MESSAGES_PER_TURN: usize = 64;
/// So many packets wait for a main process that takes none only if somebody else has it.
const MAX_WAITING: usize = 1024;
/// Most ended main processes that hang and are waited for.
const MAX_LEFT: usize = 16;
/// How the next main process is to start.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// What it takes over.
    pub at_start: AtStart,
    /// It is the first one.
    pub is_first: bool,
    /// It opens no port.
    pub without_server: bool,
    /// It may make any system call that its user may.
    pub without_filter: bool,
}

/// The helper's process.
#[derive(Debug)]
pub struct HelperProcess {
    pub(super) hands: Hands,
    main: Option<MainRole>,
    /// Main processes that were given up, to be reaped.
    left: Vec<Process>,
    outbox: Outbox,
    pub(super) next: Start,
    restarts: Restarts,
    pub(super) started: Started,
    allowance: Allowance,
    jobs: Jobs,
    pub(super) outage: Outage,
    /// More may have been said than was taken, since then.
    more: Option<Instant>,
    /// The configuration is to be read again, since then.
    reread: Option<Instant>,
    /// The main process that has ended, and what is to be said of it once its status can be had.
    ended: Option<(Process, String)>,
    /// That none can be started has been told.
    told_fork: bool,
    ending: Option<Ending>,
    exit: Option<Exit>,
}

/// The end of the daemon.
#[derive(Clone, Copy, Debug)]
struct Ending {
    exit: Exit,
    /// The main process is killed then.
    kill_at: Instant,
    /// Everything is carried out.
    finished: bool,
    /// No other main process is started for it.
    is_last: bool,
}

impl HelperProcess {
    /// Without a main process yet.
    #[must_use]
    pub fn new(hands: Hands, means: Means, at_start: AtStart, now: Instant) -> Self {
        Self {
            hands,
            main: None,
            left: Vec::new(),
            outbox: Outbox::default(),
            next: Start { at_start, is_first: true, without_server: false, without_filter: false },
            restarts: Restarts::default(),
            started: Started::default(),
            allowance: Allowance::new(HOOKS, now),
            jobs: Jobs::new(means, now),
            outage: Outage::default(),
            more: None,
            reread: None,
            ended: None,
            told_fork: false,
            ending: None,
            exit: None,
        }
    }

    /// What carries out; for a main process that is to do so by itself.
    #[must_use]
    pub fn into_hands(self) -> Hands {
        self.hands
    }

    /// What carries out.
    #[must_use]
    pub const fn hands(&self) -> &Hands {
        &self.hands
    }

    /// How the next main process is to start.
    #[must_use]
    pub const fn next(&self) -> &Start {
        &self.next
    }

    /// The main process was started, or not.
    pub fn handle_start(&mut self, role: io::Result<Role>, now: Instant) {
        match role {
            Ok(role) => {
                let mut main = MainRole::new(role, now);
                main.fill_spares(now);
                self.main = Some(main);
                self.told_fork = false;
                self.next.is_first = false;
                // It was made from what holds now.
                self.outbox.drop_configuration();
            }
            Err(error) => {
                if !std::mem::replace(&mut self.told_fork, true) {
                    let words =
                        format!("No main process can be started ({}): it is tried again", reason(&error));
                    self.log(Priority::Alert, &words);
                }
                self.restarts.plan(now);
            }
        }
    }

    #[cfg(test)]
    pub(super) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    #[cfg(test)]
    pub(super) fn main_pid(&mut self) -> Option<i32> {
        self.main.as_mut()?.role().pid()
    }

    #[cfg(test)]
    pub(super) const fn hands_mut(&mut self) -> &mut Hands {
        &mut self.hands
    }

    fn on_battery(&self) -> bool {
        self.next.at_start.saved.as_ref().is_some_and(|saved| saved.on_battery_since.is_some())
    }

    /// A line that the next message of the main process's log begins with; lost where too many wait.
    pub(super) fn log(&mut self, priority: Priority, text: &str) {
        self.outbox.push_if_room(FromHelper::Log(priority, &one_line(text)).encode());
    }

    /// Takes what the main process has said.
    pub(super) fn take_all(&mut self, now: Instant) {
        let mut buffer = [0; MAX_PACKET + 1];
        self.more = None;
        for _ in 0..MESSAGES_PER_TURN {
            let Some(main) = &mut self.main else { return };
            match main.role().receive(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(length @ 1..) => {
                    let message = buffer.get(..length).and_then(ToHelper::decode);
                    let Some(message) = message else {
                        let why = "says what this program never says";
                        return self.give_up(why, now);
                    };
                    main.note_heard(now);
                    self.take(message, now);
                }
                Ok(_) | Err(_) => return self.handle_end(now),
            }
        }
        self.more = Some(now);
    }

    fn take(&mut self, message: ToHelper<'_>, now: Instant) {
        let request = match message {
            ToHelper::UsbDevice { interface, bus, device } => {
                return self.start_job(&Job::UsbDevice { interface, bus, device }, now);
            }
            ToHelper::UsbList => return self.start_job(&Job::UsbList, now),
            ToHelper::Resolve(number) => return self.start_job(&Job::Resolve(number), now),
            ToHelper::SerialPort => return self.start_job(&Job::SerialPort, now),
            ToHelper::PortLock => return self.start_job(&Job::PortLock, now),
            ToHelper::Listen(number) => return self.start_job(&Job::Listen(number), now),
            ToHelper::CardPort(number) => return self.start_job(&Job::CardPort(number), now),
            ToHelper::ListenForDriver(number) => return self.start_job(&Job::ListenForDriver(number), now),
            ToHelper::Writer(number) => return self.start_job(&Job::Writer(number), now),
            ToHelper::Hook(event, arguments) if self.allowance.take(now) => {
                self.outage.args = Some(args(&arguments));
                Request::Hook(event, args(&arguments))
            }
            ToHelper::Hook(event, _) => {
                let words = format!("Too many hooks were asked for: {} is not run", event.arg());
                return self.log(Priority::Warning, &words);
            }
            ToHelper::Shutdown(arguments, reason) => {
                if self.next.at_start.powerfail {
                    self.hands.handle(Request::CreatePowerfail, now);
                }
                // Also if this one ends before it has told that.
                self.next.at_start.saved.get_or_insert_default().decided_at.get_or_insert(now);
                // It may have been started in this turn.
                self.pump_told(now);
                let grace = self.hands.of_the_file().shutdown_grace;
                if let Some(what) = self.started.ask(grace, now) {
                    let packet = FromHelper::ShutdownStarted(&one_line(what)).encode();
                    return self.outbox.push(packet);
                }
                Request::Shutdown(args(&arguments), reason.to_owned())
            }
            // It is made with the shutdown that follows: alone, it would have the UPS switched off at somebody else's halt.
            ToHelper::Powerfail { present: true } => return self.next.at_start.powerfail = true,
            ToHelper::Powerfail { present: false } => {
                self.next.at_start.powerfail = false;
                Request::RemovePowerfail
            }
            ToHelper::Nologin { present } => {
                self.next.at_start.no_login = present;
                if present { Request::CreateNologin } else { Request::RemoveNologin }
            }
            ToHelper::OnBattery(said) => return self.outage.note_heard(Some(&said), now),
            ToHelper::OnMains => return self.outage.note_heard(None, now),
            // One that has not heard the UPS knows no more of the outage than what it was told.
            ToHelper::Saved(_) if self.outage.stand_in.is_some() => return,
            ToHelper::Saved(saved) => {
                let clock = BootClock { now, uptime: clock::since_boot() };
                let saved = saved_outage(&saved, clock);
                if saved.decided_at.is_none() && self.outage.is_over {
                    self.started.note_undecided();
                }
                self.next.at_start.saved = Some(saved);
                return;
            }
            ToHelper::Ready => return self.hands.ready(),
            ToHelper::Alive => return,
            ToHelper::Reload if self.allowance.take(now) => return self.reread = Some(now),
            ToHelper::Reload => return,
            ToHelper::Finish => return self.handle_finish(now),
        };
        self.hands.handle(request, now);
    }

    fn start_job(&mut self, job: &Job<'_>, now: Instant) {
        if let Some(socket) = self.main.as_mut().and_then(MainRole::take_spare) {
            self.jobs.start(job, socket, &self.hands, now);
        }
    }

    /// The main process ends by itself, in order. Without a reason it does not: the guard would be ended by whoever has it.
    fn handle_finish(&mut self, now: Instant) {
        let invocation = self.hands.invocation();
        let goes_down = self.started.is_some() || invocation.dry_run.is_log_only();
        if self.ending.is_none() && !(invocation.term_on_powerfail && goes_down) {
            return self.give_up("ends without a reason", now);
        }
        if self.ending.is_some_and(|ending| ending.finished) {
            return;
        }
        self.hands.stopping();
        self.hands.finish(now);
        self.pump_told(now);
        self.outbox.push(FromHelper::Finished.encode());
        let ending = Ending { exit: Exit::Done, kill_at: now + END_TIMEOUT, finished: true, is_last: true };
        let exit = self.ending.map_or(Exit::Done, |ending| ending.exit);
        self.ending = Some(Ending { exit, ..ending });
    }

    /// The main process has ended.
    fn handle_end(&mut self, now: Instant) {
        let Some(mut main) = self.main.take() else { return };
        if let Some(ending) = self.ending.filter(|ending| ending.is_last) {
            self.reap_later(main.into_process());
            if !ending.finished {
                self.exit = Some(ending.exit);
            }
            return self.end_if_reaped();
        }
        let (words, age) = (main.describe(), main.age(now));
        // One that has only closed its socket would keep the UPS from the next. How one ends that already does, this does not
        // change.
        main.role().kill();
        // Its socket is closed a moment before its status can be had.
        self.ended = main.into_process().map(|process| (process, words));
        self.died(age, now);
        self.end_by_next(now);
    }

    /// The main process has gone before it could end the daemon in order: the next one does that, once.
    fn end_by_next(&mut self, now: Instant) {
        if let Some(ending) = &mut self.ending {
            ending.is_last = true;
            if let Exit::Signal(number) = ending.exit {
                self.outbox.push(FromHelper::Terminate(number).encode());
            }
            self.restarts.start_now(now);
        }
    }

    /// The main process is ended: it hangs, or is somebody else's by now.
    fn give_up(&mut self, why: &str, now: Instant) {
        let Some(mut main) = self.main.take() else { return };
        main.role().kill();
        if let Some(ending) = self.ending.filter(|ending| ending.is_last) {
            self.exit = Some(ending.exit);
            return;
        }
        let (words, age) = (main.describe(), main.age(now));
        self.reap_later(main.into_process());
        self.log(Priority::Error, &format!("{words} {why} and was killed"));
        self.died(age, now);
        self.end_by_next(now);
    }

    /// The daemon ends when the main process is gone with all that it holds.
    fn end_if_reaped(&mut self) {
        self.left.retain_mut(|process| process.end().is_none());
        if let Some(ending) = self.ending.filter(|ending| ending.finished) {
            if self.main.is_none() && self.left.is_empty() {
                self.exit = Some(ending.exit);
            }
        }
    }

    fn reap_later(&mut self, process: Option<Process>) {
        if let Some(mut process) = process {
            if process.end().is_none() && self.left.len() < MAX_LEFT {
                self.left.push(process);
            }
        }
    }

    fn died(&mut self, age: Duration, now: Instant) {
        if self.next.at_start.saved.as_ref().is_some_and(|saved| saved.decided_at.is_some()) {
            self.started.note_former();
        }
        if self.restarts.note_end(age, now) {
            // Without clients it ended as often: a call may be refused that a C library needs.
            self.next.without_filter |= self.next.without_server;
            self.next.without_server = true;
        }
        self.stand_in(now);
    }

    /// The next main process is due: what is to be said of the one before it comes first.
    fn tell_end(&mut self) {
        if let Some((mut process, who)) = self.ended.take() {
            let how = describe(process.end());
            self.reap_later(Some(process));
            self.log(Priority::Error, &format!("{who} {how}"));
        }
        let effect = match (self.next.without_server, self.next.without_filter) {
            (_, true) => {
                ", without the port for clients and without the filter of system calls until the next reload"
            }
            (true, false) => ", without the port for clients until the next reload",
            (false, false) => "",
        };
        self.log(Priority::Warning, &format!("Another main process watches the UPS{effect}"));
    }

    /// What was carried out is told.
    fn pump_told(&mut self, now: Instant) {
        while let Some(outcome) = self.hands.poll_outcome() {
            self.report_to_stand_in(&outcome, now);
            let packet = match outcome {
                Outcome::Log(priority, text) => {
                    self.log(priority, &text);
                    continue;
                }
                Outcome::HookFinished { .. } => continue,
                Outcome::ShutdownStarted(what) => {
                    self.started.note(&what, now);
                    FromHelper::ShutdownStarted(&one_line(&what)).encode()
                }
                Outcome::ShutdownFellBack(what) => FromHelper::ShutdownFellBack(&one_line(&what)).encode(),
                Outcome::ShutdownFailed => FromHelper::ShutdownFailed.encode(),
            };
            self.outbox.push(packet);
        }
        while let Some(told) = self.hands.poll_told() {
            match told {
                Told::Configuration(found, answer) => {
                    if found.obstacles.is_empty() {
                        self.next.without_server = false;
                        self.next.without_filter = false;
                    }
                    self.outbox.push_configuration(answer);
                }
                Told::NotRead(why) => self.outbox.push(FromHelper::NotRead(&one_line(&why)).encode()),
                Told::Terminate(_) | Told::Gone => {}
            }
        }
    }

    fn send(&mut self, now: Instant) {
        let Some(main) = &mut self.main else { return };
        let role = main.role();
        if self.outbox.send(now, |packet| role.send(packet)).is_err() {
            // What it has said before that counts.
            self.take_all(now);
            if self.more.is_none() {
                self.give_up("takes nothing that it is told", now);
            }
        } else if self.outbox.waiting() > MAX_WAITING {
            self.give_up("takes nothing that it is told", now);
        }
    }

    fn watch(&mut self, now: Instant) {
        let on_battery = self.on_battery();
        match self.main.as_mut().and_then(|main| main.handle_timeout(on_battery, now)) {
            Some(Due::Ask) => self.outbox.replace(FromHelper::IsAlive.encode()),
            Some(Due::Hangs) => self.give_up("does not answer", now),
            Some(Due::Stopped) => self.give_up("was stopped for 1 s", now),
            None => {}
        }
    }
}
