//! A master: another apcupsd or mainsd that is asked over port 3551 (`UPSTYPE net`, nis §9).
//!
//! A check is a connection: `watch` asks for the status now and whenever it changes, and a master that knows that keeps
//! the connection (mainsd-nis(7)). Another is asked `status`, to the end frame, and the connection is closed; the next check is
//! another. With several targets the one that answered last is asked first, then the others in their order.

mod answer;
mod device;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use answer::{Incoming, MasterStatus};
pub use device::targets;

use super::silence::Silence;
use super::{Link, LinkEvent};
use crate::bus::stream::{Event, Stream, Target, Transmit};
use crate::ups::{Command, CommandResult, Evidence, Identity, PollRate, Priority, RateLimit, StatusFlags};

/// Between checks on battery (nis §9.1).
const FAST: Duration = Duration::from_secs(2);
/// Between checks while the master does not answer, on mains (nis §9.1).
const LOST: Duration = Duration::from_secs(5);
/// Longest wait for a connection, the look-up of a name included; the port has shorter limits of its own.
const CONNECT: Duration = Duration::from_secs(40);
/// Longest wait for a connection to one address, on mains (nis §4) and on battery.
const TRY: Duration = Duration::from_secs(5);
const TRY_FAST: Duration = Duration::from_secs(2);
/// Longest wait for the whole answer (nis §4: a client of 3.14.14 reads for 15 s).
const ANSWER: Duration = Duration::from_secs(15);
/// Longest silence of a watched master, which sends something at least every 10 s.
const SILENCE: Duration = Duration::from_secs(12);
/// Without a reading for three checks and for so long the UPS counts as lost, whatever else its master says; a check may take
/// some seconds.
const SILENT_LEAST: Duration = Duration::from_secs(20);
/// The first check may take this long, its connection included, with each of a few targets.
const FIRST: Duration = Duration::from_secs(120);
/// So long after a change that was sent by itself a watched master is asked about it: by then it has asked its UPS.
const SETTLED: Duration = Duration::from_millis(700);
/// A shutdown that a master announces, or takes back, is asked about again after this, and believed if that says the same.
const SAID_AGAIN: Duration = Duration::from_millis(250);
/// Answers closer together than this are one word: the master may be about to say the other thing.
const APART: Duration = Duration::from_millis(200);
/// Without any answer it is believed after this: a master that goes down may have no time to say it twice.
const SAID_LAST: Duration = Duration::from_secs(2);
/// So many answers are taken at once, and one more each 100 ms; of more the last alone counts. A master of ours says 20 a second
/// at most, and only while its UPS changes at each moment.
const ANSWERS: RateLimit = RateLimit::new(20, Duration::from_millis(100));
/// So many checks in a row without any answer make a master unreachable (nis §9.4).
const UNREACHABLE: u32 = 5;
/// Most commands that wait for a check.
const MOST_COMMANDS: usize = 8;

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
    poll_time: Duration,
    poll_rate: PollRate,
    state: State,
    /// When the last check began.
    began: Option<Instant>,
    next_at: Instant,
    incoming: Incoming,
    /// The target that does not know `watch`, and the STARTTIME that it has said since.
    refused: Option<(usize, Option<String>)>,
    /// That has been logged.
    refusal_said: bool,
    /// While watching: the last answer, and whether the next one has been asked for.
    heard: Instant,
    asked: bool,
    told: Told,
    silence: Silence,
    identity: Identity,
    /// Checks in a row that got no answer, and when the first of them failed.
    unanswered: u32,
    unanswered_since: Option<Instant>,
    /// The master is shutting down.
    remote: bool,
    /// The master has said the opposite of that, at this moment for the first time.
    remote_said: Option<Instant>,
    /// When it is asked about that again; `None`: it has been.
    remote_ask: Option<Instant>,
    answers: RateLimit,
    /// An answer waits for its turn.
    late: Option<Instant>,
    /// Commands that the check under way, or the next one, answers.
    waiting: Vec<Command>,
    /// While watching: when to ask for the sake of those that wait.
    command_at: Option<Instant>,
    running: Vec<Command>,
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
            poll_time,
            poll_rate: PollRate::Normal,
            state: State::Idle,
            began: None,
            next_at: now,
            incoming: Incoming::default(),
            refused: None,
            refusal_said: false,
            heard: now,
            asked: false,
            told: Told::Nothing,
            silence: Silence::new(now, FIRST, SILENT_LEAST),
            identity: Identity::default(),
            unanswered: 0,
            unanswered_since: None,
            remote: false,
            remote_said: None,
            remote_ask: None,
            answers: ANSWERS,
            late: None,
            waiting: Vec::new(),
            command_at: None,
            running: Vec::new(),
            out: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The connection is there.
    pub fn handle_connected(&mut self, now: Instant) {
        if let State::Connecting { target, tried, .. } = self.state {
            let watch = self.refused.as_ref().is_none_or(|(refused, _)| *refused != target);
            self.ask(now, target, tried, watch);
        }
    }

    /// Bytes have come.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        let (State::Asked { target, .. } | State::Watching { target, .. }) = self.state else { return };
        match self.incoming.take(bytes) {
            Ok(false) => {}
            // Whatever it says without end, it has so much attention.
            Ok(true) if matches!(self.state, State::Watching { .. }) && !self.answers.take(now) => {
                self.late = self.answers.next_at();
            }
            Ok(true) => self.answered(now, target),
            Err(reason) => self.target_failed(now, &reason, true),
        }
    }

    /// There is no connection, or no longer one; why.
    pub fn handle_closed(&mut self, now: Instant, reason: &str) {
        // The last word of a connection counts, however many came before it.
        if let State::Watching { target, .. } = self.state
            && self.late.take().is_some()
            && self.incoming.is_complete()
        {
            self.answered(now, target);
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
        self.state = State::Connecting { target, tried, until: now + CONNECT };
        let timeout = if self.poll_rate == PollRate::Fast { TRY_FAST } else { TRY };
        self.out.push_back(Transmit::Connect { target, timeout });
    }

    fn ask(&mut self, now: Instant, target: usize, tried: usize, watch: bool) {
        self.incoming.clear();
        self.asked = false;
        self.state = State::Asked { target, tried, watch, until: now + ANSWER };
        self.out.push_back(Transmit::Send(if watch { WATCH } else { STATUS }));
    }

    /// While watching: when to ask for an answer that does not come by itself.
    fn ask_at(&self) -> Option<Instant> {
        let fast = (self.poll_rate == PollRate::Fast).then(|| self.heard + FAST);
        self.command_at.into_iter().chain(fast).chain(self.remote_ask).min().filter(|_| !self.asked)
    }

    fn take_commands(&mut self) {
        self.command_at = None;
        self.running.append(&mut self.waiting);
    }

    /// A complete answer.
    fn answered(&mut self, now: Instant, target: usize) {
        let name = self.name(target);
        let Some(status) = self.incoming.status() else {
            match self.state {
                State::Asked { tried, watch: true, .. } => {
                    self.refused = Some((target, None));
                    return self.ask(now, target, tried, false);
                }
                State::Watching { .. } => return self.target_failed(now, "no status", false),
                _ => {}
            }
            self.reached();
            self.lost(format!("{name} answers, but not with a status"));
            return self.end_check(now, Err("the master gives no status"));
        };
        self.reached();
        self.preferred = target;
        let watch = matches!(self.state, State::Watching { .. } | State::Asked { watch: true, .. });
        if watch {
            (self.heard, self.asked) = (now, false);
            self.state = State::Watching { target, until: now + SILENCE };
        } else {
            self.polled(&name, status.started.clone().unwrap_or_default());
        }
        let master = LinkEvent::Master { name: name.clone(), mode: status.mode.clone() };
        self.events.push_back(master);
        if self.incoming.take_unsteady().contains(StatusFlags::SHUTDOWN) {
            // In between it has said the opposite.
            self.remote_said = None;
        }
        self.remote(status.flags.contains(StatusFlags::SHUTDOWN), now);
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

    fn reached(&mut self) {
        self.unanswered = 0;
        self.unanswered_since = None;
    }

    /// A master that does not know `watch` has answered. Restarted, it may be another program.
    fn polled(&mut self, name: &str, started: String) {
        let Some((_, said)) = &mut self.refused else { return };
        match said {
            None => *said = Some(started),
            Some(said) if *said != started => self.refused = None,
            Some(_) => {}
        }
        if !std::mem::replace(&mut self.refusal_said, true) {
            let text = format!("{name} does not know `watch`: it is polled");
            self.events.push_back(LinkEvent::Log(Priority::Info, text));
        }
    }

    /// The master shuts down, or no longer: believed if it says so twice, or falls silent after it.
    fn remote(&mut self, says: bool, now: Instant) {
        if says == self.remote {
            self.remote_said = None;
            self.remote_ask = None;
            return;
        }
        match self.remote_said {
            Some(said) if now.saturating_duration_since(said) >= APART => self.turn_remote(),
            Some(_) => {}
            None => {
                self.remote_said = Some(now);
                self.remote_ask = Some(now + SAID_AGAIN);
            }
        }
    }

    /// What the master has said of its shutdown is so.
    fn turn_remote(&mut self) {
        self.remote = !self.remote;
        self.remote_said = None;
        self.remote_ask = None;
        if self.remote {
            let text = "Shutdown because NIS master is shutting down.".to_owned();
            self.events.push_back(LinkEvent::Log(Priority::Error, text));
        }
        self.events.push_back(LinkEvent::Remote(self.remote));
    }

    /// This target gives no answer, or not any more: a new check, without `watch` if that may be why, the next target, or
    /// the check has failed.
    fn target_failed(&mut self, now: Instant, reason: &str, at_once: bool) {
        let (target, tried) = match self.state {
            State::Idle => return,
            State::Watching { .. } => {
                self.late = None;
                self.out.push_back(Transmit::Close);
                self.incoming.clear();
                self.waiting.append(&mut self.running);
                self.state = State::Idle;
                // A master that was restarted answers at once; one that never keeps a connection is as if polled.
                self.next_at = self.began.map_or(now, |began| now.max(began + FAST));
                return;
            }
            State::Connecting { target, tried, .. } | State::Asked { target, tried, .. } => (target, tried),
        };
        self.out.push_back(Transmit::Close);
        self.refused = matches!(self.state, State::Asked { watch: true, .. }).then_some((target, None));
        if self.refused.is_some() && at_once {
            return self.connect(now, target, tried);
        }
        self.state = State::Idle;
        let tried = tried + 1;
        if tried < self.targets.len() {
            return self.connect(now, (target + 1) % self.targets.len(), tried);
        }
        let name = self.name(target);
        self.lost(format!("{name}: {reason}"));
        self.unanswered = self.unanswered.saturating_add(1);
        let since = *self.unanswered_since.get_or_insert(now);
        if self.unanswered == UNREACHABLE {
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
        for command in std::mem::take(&mut self.running) {
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
        let due = if self.waiting.is_empty() { self.due(now) } else { now };
        self.next_at = self.remote_ask.map_or(due, |at| at.min(due));
    }

    /// Between two checks.
    fn interval(&self) -> Duration {
        let interval = match (self.told, self.poll_rate) {
            (_, PollRate::Fast) => FAST,
            (Told::Lost, PollRate::Normal) => LOST,
            (Told::Nothing | Told::Attached, PollRate::Normal) => self.poll_time,
        };
        interval.min(self.poll_time)
    }

    /// Between two readings; one that is watched says by itself how its UPS is.
    fn told_every(&self) -> Duration {
        if matches!(self.state, State::Watching { .. }) { FAST } else { self.interval() }
    }

    fn due(&self, now: Instant) -> Instant {
        (self.began.unwrap_or(now) + self.interval()).max(now)
    }

    fn reschedule_sooner(&mut self, now: Instant) {
        self.next_at = self.next_at.min(self.due(now));
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
        if let State::Watching { target, .. } = self.state
            && self.late.is_some_and(|at| at <= now)
        {
            self.late = None;
            if self.incoming.is_complete() && self.answers.take(now) {
                self.answered(now, target);
            }
        }
        if self.remote_said.is_some_and(|said| said + SAID_LAST <= now) {
            self.turn_remote();
        }
        if self.told != Told::Lost && self.silence.is_over(now) {
            self.lost(format!("{}: it does not say how its UPS is any more", self.name(self.preferred)));
        }
        match self.state {
            State::Idle if now >= self.next_at => {
                self.began = Some(now);
                self.remote_ask = None;
                self.take_commands();
                self.connect(now, self.preferred, 0);
            }
            State::Connecting { until, .. } if now >= until => {
                self.target_failed(now, "no connection", false)
            }
            State::Asked { until, .. } if now >= until => self.target_failed(now, "no answer", false),
            State::Watching { until, .. } if now >= until => self.target_failed(now, "silent", false),
            State::Watching { .. } if self.ask_at().is_some_and(|at| now >= at) => {
                self.asked = true;
                self.remote_ask = None;
                self.take_commands();
                self.out.push_back(Transmit::Send(STATUS));
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
            State::Idle => self.next_at,
            State::Connecting { until, .. } | State::Asked { until, .. } => until,
            State::Watching { until, .. } => {
                [self.ask_at(), self.late].into_iter().flatten().fold(until, Instant::min)
            }
        };
        let silence = (self.told != Told::Lost).then(|| self.silence.until());
        let remote = self.remote_said.map(|said| said + SAID_LAST);
        Some([silence, remote].into_iter().flatten().fold(next, Instant::min))
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
        match command {
            Command::Poll | Command::ReadTransferCause | Command::ReadSelfTest => {
                if self.waiting.len() < MOST_COMMANDS {
                    self.waiting.push(command);
                }
                self.next_at = now;
                let at = if command == Command::Poll { now } else { now + SETTLED };
                self.command_at = Some(self.command_at.map_or(at, |earlier| earlier.min(at)));
            }
            Command::KillPower
            | Command::PowerOff
            | Command::SelfTest
            | Command::Calibrate
            | Command::AbortTest
            | Command::Set(..) => {
                let outcome = Err("a slave does not command its master's UPS".to_owned());
                self.events.push_back(LinkEvent::Command(CommandResult::new(command, outcome)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
