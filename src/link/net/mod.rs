//! A master: another apcupsd or mainsd that is asked over port 3551 (`UPSTYPE net`, nis §9).
//!
//! A check is a connection: `watch` asks for the status now and whenever it changes, and a master that knows that keeps
//! the connection (mainsd-nis(7)). Another is asked `status`, to the end frame, and the connection is closed; the next check is
//! another. With several targets the one that answered last is asked first, then the others in their order.

mod answer;
mod checks;
mod commands;
mod device;
mod refusal;
mod watched;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use crate::wire::nis_status::MasterStatus;
pub use answer::Incoming;
pub use device::targets;

use checks::{Checks, FAST_CHECK_INTERVAL};
use commands::Commands;
use refusal::Refusal;
use watched::Watched;

use super::silence::Silence;
use super::{Link, LinkEvent};
use crate::bus::stream::{Event, Stream, Target, Transmit};
use crate::ups::{Command, CommandResult, Evidence, Identity, PollRate, Priority, StatusFlags};

/// Longest wait for a connection, the look-up of a name included; the port has shorter limits of its own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(40);
/// Longest wait for a connection to one address, on mains (nis §4) and on battery.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(5);
const ADDRESS_TIMEOUT_ON_BATTERY: Duration = Duration::from_secs(2);
/// Longest wait for the whole answer (nis §4: a client of 3.14.14 reads for 15 s).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest silence of a watched master, which sends something at least every 10 s.
const SILENCE: Duration = Duration::from_secs(12);
/// Without a reading for three checks and for so long the UPS counts as lost, whatever else its master says; a check may take
/// some seconds.
const SILENT_TIMEOUT_MIN: Duration = Duration::from_secs(20);
/// The first check may take this long, its connection included, with each of a few targets.
const FIRST_CHECK_TIMEOUT: Duration = Duration::from_secs(120);
/// So many checks in a row without any answer make a master unreachable (nis §9.4).
const UNREACHABLE: u32 = 5;
/// The requests, framed.
const STATUS: &[u8] = b"\x00\x06status";
const WATCH: &[u8] = b"\x00\x05watch";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// Asked for a connection to this target; `tried` targets before it failed in this check.
    Connecting {
        target: usize,
        tried: usize,
        until: Instant,
    },
    /// Connected and asked.
    Asked {
        target: usize,
        tried: usize,
        watch: bool,
        until: Instant,
    },
    /// The master says by itself what changes; something must come until then.
    Watching {
        target: usize,
        until: Instant,
    },
}

/// What has been told about the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Attached,
    Lost,
}

/// The conversation with a master.
#[derive(Debug)]
pub struct NetLink {
    targets: Vec<Target>,
    /// The target that answered last.
    preferred: usize,
    state: State,
    checks: Checks,
    incoming: Incoming,
    refusal: Refusal,
    watched: Watched,
    told: Told,
    silence: Silence,
    identity: Identity,
    /// Checks in a row that got no answer, and when the first of them failed.
    unanswered: Option<(u32, Instant)>,
    /// The master has said that it shuts down: since then each of its words is told.
    has_ordered: bool,
    /// What has been told of that last.
    last_word: bool,
    commands: Commands,
    out: VecDeque<Transmit>,
    events: VecDeque<LinkEvent>,
}

impl NetLink {
    /// A slave of the master at `targets`, first asked at `now`.
    #[must_use]
    pub fn new(targets: Vec<Target>, poll_time: Duration, now: Instant) -> Self {
        Self {
            targets,
            preferred: 0,
            state: State::Idle,
            checks: Checks::new(poll_time, now),
            incoming: Incoming::default(),
            refusal: Refusal::default(),
            watched: Watched::new(now),
            told: Told::Nothing,
            silence: Silence::new(now, FIRST_CHECK_TIMEOUT, SILENT_TIMEOUT_MIN),
            identity: Identity::default(),
            unanswered: None,
            has_ordered: false,
            last_word: false,
            commands: Commands::default(),
            out: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The connection is there.
    pub fn handle_connected(&mut self, now: Instant) {
        if let State::Connecting { target, tried, .. } = self.state {
            self.ask(now, target, tried, self.refusal.allows(target));
        }
    }

    /// Bytes have come.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        let (State::Asked { target, .. } | State::Watching { target, .. }) = self.state else { return };
        match self.incoming.take(bytes) {
            Ok(false) => {}
            // Whatever it says without end, it has so much attention.
            Ok(true) if matches!(self.state, State::Watching { .. }) && !self.watched.takes(now) => {}
            Ok(true) => self.answered(now, target),
            Err(reason) => self.target_failed(now, &reason, true),
        }
    }

    /// There is no connection, or no longer one; why.
    pub fn handle_closed(&mut self, now: Instant, reason: &str) {
        // The last word of a connection counts, however many came before it.
        if let State::Watching { target, .. } = self.state {
            if self.watched.end() && self.incoming.is_complete() {
                self.answered(now, target);
            }
        }
        match self.state {
            State::Asked { target, tried, until, .. } if self.incoming.has_last_record() => {
                // An answer all the same, but nothing to watch.
                self.state = State::Asked { target, tried, watch: false, until };
                self.answered(now, target);
            }
            _ => self.target_failed(now, reason, true),
        }
    }

    fn connect(&mut self, now: Instant, target: usize, tried: usize) {
        self.state = State::Connecting { target, tried, until: now + CONNECT_TIMEOUT };
        let timeout = if self.checks.is_fast() { ADDRESS_TIMEOUT_ON_BATTERY } else { ADDRESS_TIMEOUT };
        self.out.push_back(Transmit::Connect { target, timeout });
    }

    fn ask(&mut self, now: Instant, target: usize, tried: usize, watch: bool) {
        self.incoming.clear();
        self.watched.begin();
        self.state = State::Asked { target, tried, watch, until: now + ANSWER_TIMEOUT };
        self.out.push_back(Transmit::Send(if watch { WATCH } else { STATUS }.into()));
    }

    /// While watching: when to ask for an answer that does not come by itself.
    fn ask_at(&self) -> Option<Instant> {
        let every = self.checks.is_fast().then_some(FAST_CHECK_INTERVAL);
        self.watched.ask_at(every, self.commands.ask_at())
    }

    /// A complete answer.
    fn answered(&mut self, now: Instant, target: usize) {
        let name = self.name(target);
        let Some(status) = self.incoming.status() else {
            match self.state {
                State::Asked { tried, watch: true, .. } => {
                    self.refusal.set(Some(target));
                    return self.ask(now, target, tried, false);
                }
                State::Watching { .. } => return self.target_failed(now, "no status", false),
                _ => {}
            }
            self.unanswered = None;
            self.lost(format!("{name} answers, but not with a status"));
            return self.end_check(now, Err("the master gives no status"));
        };
        self.unanswered = None;
        self.preferred = target;
        let watch = matches!(self.state, State::Watching { .. } | State::Asked { watch: true, .. });
        if watch {
            self.watched.note_answer(now);
            self.state = State::Watching { target, until: now + SILENCE };
        } else {
            self.note_polled(&name, status.started.clone().unwrap_or_default());
        }
        let master = LinkEvent::Master { name: name.clone(), mode: status.mode.clone() };
        self.events.push_back(master);
        let ordered = status.flags.contains(StatusFlags::SHUTDOWN);
        if self.incoming.take_unsteady().contains(StatusFlags::SHUTDOWN) && ordered == self.last_word {
            // In between it has said the opposite: this is no second word of the same.
            self.tell_remote(!ordered);
        }
        self.tell_remote(ordered);
        if status.flags.contains(StatusFlags::COMMLOST) {
            self.lost(format!("the master {name} has lost its UPS"));
            return self.end_check(now, Err("the master has lost its UPS"));
        }
        if self.told != Told::Attached || self.identity != status.identity {
            self.told = Told::Attached;
            self.identity.clone_from(&status.identity);
            self.events.push_back(LinkEvent::Attached(Box::new(status.identity.clone())));
        }
        // What a master sends by itself it has confirmed.
        let evidence = if watch { Evidence::AlertAndRead } else { Evidence::Poll };
        self.events.push_back(LinkEvent::Reading(Box::new(status.reading(now, evidence))));
        self.silence.told(now, self.told_every(), false);
        self.end_check(now, Ok(()));
    }

    /// A master that does not know `watch` has answered.
    fn note_polled(&mut self, name: &str, started: String) {
        if self.refusal.note_answer(started) {
            let text = format!("{name} does not know `watch`: it is polled");
            self.events.push_back(LinkEvent::Log(Priority::Info, text));
        }
    }

    /// Tells what the master says of its shutdown.
    fn tell_remote(&mut self, ordered: bool) {
        self.last_word = ordered;
        self.has_ordered |= ordered;
        if self.has_ordered {
            self.events.push_back(LinkEvent::Remote(ordered));
        }
    }

    /// This target gives no answer, or not any more: a new check, without `watch` if that may be why, the next target, or
    /// the check has failed.
    fn target_failed(&mut self, now: Instant, reason: &str, at_once: bool) {
        let (target, tried) = match self.state {
            State::Idle => return,
            State::Watching { .. } => {
                self.watched.end();
                self.out.push_back(Transmit::Close);
                self.incoming.clear();
                self.commands.interrupt();
                self.state = State::Idle;
                // A master that was restarted answers at once; one that never keeps a connection is as if polled.
                self.checks.begin_again_soon(now);
                return;
            }
            State::Connecting { target, tried, .. } | State::Asked { target, tried, .. } => (target, tried),
        };
        self.out.push_back(Transmit::Close);
        let refused = matches!(self.state, State::Asked { watch: true, .. });
        self.refusal.set(refused.then_some(target));
        if refused && at_once {
            return self.connect(now, target, tried);
        }
        self.state = State::Idle;
        let tried = tried + 1;
        if tried < self.targets.len() {
            return self.connect(now, (target + 1) % self.targets.len(), tried);
        }
        let name = self.name(target);
        self.lost(format!("{name}: {reason}"));
        let (count, since) = self.unanswered.unwrap_or((0, now));
        let count = count.saturating_add(1);
        self.unanswered = Some((count, since));
        if count == UNREACHABLE {
            self.events.push_back(LinkEvent::MasterUnreachable { since });
        }
        self.end_check(now, Err("the master does not answer"));
    }

    fn lost(&mut self, reason: String) {
        if self.told != Told::Lost {
            self.told = Told::Lost;
            self.events.push_back(LinkEvent::Lost { reason });
        }
    }

    fn name(&self, target: usize) -> String {
        self.targets.get(target).map_or_else(String::new, ToString::to_string)
    }

    /// The end of a check, or, while watching, of an answer.
    fn end_check(&mut self, now: Instant, outcome: Result<(), &str>) {
        for command in self.commands.end() {
            let outcome = outcome.map(|()| "read".to_owned()).map_err(ToOwned::to_owned);
            self.events.push_back(LinkEvent::Command(CommandResult::new(command, outcome)));
        }
        if matches!(self.state, State::Watching { .. }) {
            return;
        }
        if let State::Asked { .. } = self.state {
            self.out.push_back(Transmit::Close);
            self.state = State::Idle;
        }
        self.incoming.clear();
        self.checks.next_at = if self.commands.are_waiting() { now } else { self.due(now) };
    }

    /// Between two checks.
    fn interval(&self) -> Duration {
        self.checks.interval(self.told == Told::Lost)
    }

    /// Between two readings; one that is watched says by itself how its UPS is.
    fn told_every(&self) -> Duration {
        if matches!(self.state, State::Watching { .. }) { FAST_CHECK_INTERVAL } else { self.interval() }
    }

    fn due(&self, now: Instant) -> Instant {
        self.checks.due(now, self.told == Told::Lost)
    }

    fn reschedule_sooner(&mut self, now: Instant) {
        self.checks.next_at = self.checks.next_at.min(self.due(now));
        if self.told == Told::Attached {
            self.silence.set_interval(now, self.told_every());
        }
    }
}

impl Link for NetLink {
    type Bus = Stream;

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Connected => self.handle_connected(now),
            Event::Bytes(bytes) => self.handle_bytes(now, &bytes),
            Event::Closed(reason) => self.handle_closed(now, &reason),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let State::Watching { target, .. } = self.state {
            if self.watched.takes_late(now, self.incoming.is_complete()) {
                self.answered(now, target);
            }
        }
        if self.told != Told::Lost && self.silence.is_over(now) {
            self.lost(format!("{}: it does not say how its UPS is any more", self.name(self.preferred)));
        }
        match self.state {
            State::Idle if now >= self.checks.next_at => {
                self.checks.begin(now);
                self.commands.begin();
                self.connect(now, self.preferred, 0);
            }
            State::Connecting { until, .. } if now >= until => {
                self.target_failed(now, "no connection", false)
            }
            State::Asked { until, .. } if now >= until => self.target_failed(now, "no answer", false),
            State::Watching { until, .. } if now >= until => self.target_failed(now, "silent", false),
            State::Watching { .. } if self.ask_at().is_some_and(|at| now >= at) => {
                self.watched.ask();
                self.commands.begin();
                self.out.push_back(Transmit::Send(STATUS.into()));
            }
            _ => {}
        }
    }

    fn poll_transmit(&mut self, _: Instant) -> Option<Transmit> {
        self.out.pop_front()
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let next = match self.state {
            State::Idle => self.checks.next_at,
            State::Connecting { until, .. } | State::Asked { until, .. } => until,
            State::Watching { until, .. } => {
                [self.ask_at(), self.watched.late()].into_iter().flatten().fold(until, Instant::min)
            }
        };
        let silence = (self.told != Told::Lost).then(|| self.silence.until());
        Some(silence.map_or(next, |at| at.min(next)))
    }

    fn set_poll_rate(&mut self, poll_rate: PollRate, now: Instant) {
        self.checks.poll_rate = poll_rate;
        self.reschedule_sooner(now);
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.checks.poll_time = poll_time;
        self.reschedule_sooner(now);
    }

    fn command(&mut self, command: Command, now: Instant) {
        let why = match command {
            Command::Poll | Command::ReadTransferCause | Command::ReadSelfTest => {
                self.checks.next_at = now;
                if self.commands.add(command, now) {
                    return;
                }
                "too many orders wait for the master"
            }
            Command::KillPower
            | Command::PowerOff
            | Command::SelfTest
            | Command::Calibrate
            | Command::AbortTest
            | Command::Set(..)
            | Command::Beeper(_)
            | Command::PanelTest
            | Command::Record
            | Command::Outlets
            | Command::Outlet(..) => "a slave does not command its master's UPS",
        };
        self.events.push_back(LinkEvent::Command(CommandResult::new(command, Err(why.to_owned()))));
    }
}

#[cfg(test)]
mod tests;
