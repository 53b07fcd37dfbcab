//! One writer, as the loop sees it: told without waiting, started again when it ends.

use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::queue::{Kind, Queue};
use super::start::Fork;
use super::task;
use crate::journal::Sink;
use crate::sys::reason;
use crate::sys::role::Role;
use crate::ups::Priority;
use crate::wire::role::{FromWriter, MAX_PACKET, ToWriter};

/// A writer that has done nothing of what it was told for so long hangs: nothing waits for it.
const HANGS_AFTER: Duration = Duration::from_secs(1);
/// That it hangs is told when it has for so long.
const TOLD_AFTER: Duration = Duration::from_secs(10);
/// The least time between two starts, and the most that a new one waits for the end of the one before it.
const START_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// When none could be started, another try is made after so long.
const FORK_RETRY_INTERVAL: Duration = Duration::from_secs(60);
/// When the kernel has no memory for a message, another try is made after so long.
const SEND_RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// Most processes that were told to end and hang; while there are so many, no other is started.
const MAX_ENDING: usize = 4;

/// Something that a writer, or what became of it, has to tell.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// A line for the log.
    Line(Priority, String),
    /// A line for the log that cannot go to the events file.
    NotForFiles(String),
    /// A piece of the end of the events file: first, last, found.
    Events(Vec<u8>, [bool; 3]),
}

/// The way to one sink.
#[derive(Debug)]
pub struct Writer {
    /// As a new process gets it; written to only if there can be none.
    sink: Sink,
    role: Option<Role>,
    /// Starts a process; `None`: none is wanted.
    fork: Option<Fork>,
    /// There has been no process yet: the loop writes.
    in_loop: bool,
    /// The last start has failed.
    cannot_start: bool,
    queue: Queue,
    started_at: Instant,
    /// When a process is to be started.
    start_at: Option<Instant>,
    /// It waits only for the end of the one before it.
    renewing: bool,
    /// When sending is tried again.
    send_at: Option<Instant>,
    /// Processes that are to end, or have ended and are to be reaped.
    left: Vec<Role>,
    told: VecDeque<Told>,
    told_hung: bool,
    /// The daemon ends: no other process is started.
    finishing: bool,
}

impl Writer {
    /// Starts a process that writes there; without `fork`, or if it fails, the loop writes.
    #[must_use]
    pub fn new(sink: Sink, fork: Option<Fork>, now: Instant) -> Self {
        let mut writer = Self {
            sink,
            role: None,
            fork: fork.clone(),
            in_loop: true,
            cannot_start: false,
            queue: Queue::default(),
            started_at: now,
            start_at: None,
            renewing: false,
            send_at: None,
            left: Vec::new(),
            told: VecDeque::new(),
            told_hung: false,
            finishing: false,
        };
        if fork.is_some() {
            writer.start(now);
        } else {
            writer.sink.begin();
        }
        writer
    }

    /// The sink, as a new process gets it.
    pub const fn sink(&mut self) -> &mut Sink {
        &mut self.sink
    }

    fn start(&mut self, now: Instant) {
        let Some(fork) = self.fork.clone() else { return };
        self.started_at = now;
        self.start_at = None;
        self.renewing = false;
        let first = !std::mem::replace(&mut self.cannot_start, false);
        self.sink.close_opened();
        match (fork.0)(&mut self.sink) {
            Ok(role) => {
                self.role = Some(role);
                self.in_loop = false;
                self.sink.hand_over();
            }
            Err(error) => {
                self.cannot_start = true;
                // One that has written knows what a disk that hangs would do to the loop.
                let (again, effect) = if self.in_loop {
                    self.sink.begin();
                    (FORK_RETRY_INTERVAL, "a disk or terminal that hangs holds up the daemon")
                } else {
                    (START_INTERVAL_MIN, "what is said waits, or is lost")
                };
                self.start_at = Some(now + again);
                if first {
                    let name = self.sink.name();
                    let words =
                        format!("No process can be started for {name} ({}): {effect}", reason(&error));
                    self.told.push_back(Told::Line(Priority::Warning, words));
                }
            }
        }
        self.send_waiting(now);
    }

    /// Makes the loop wake for what it tells.
    pub fn register(&self, registry: &Registry, token: Token) {
        if let Some(role) = &self.role {
            // Without it, it is heard when something else happens.
            let _ = registry.register(&mut SourceFd(&role.as_raw_fd()), token, Interest::READABLE);
        }
    }

    /// Has it do something, without waiting. The number of the message.
    pub fn tell(&mut self, message: &ToWriter<'_>, now: Instant) -> u64 {
        if self.in_loop && self.queue.is_empty() {
            self.handle_in_loop(message);
            return self.queue.pass();
        }
        self.tell_lost(now);
        let number = self.queue.push(message);
        self.send_waiting(now);
        number
    }

    fn handle_in_loop(&mut self, message: &ToWriter<'_>) {
        let told = &mut self.told;
        self.sink.handle(message, task::boot_clock(), &mut |from| take(&from, told));
    }

    /// Whether a status text is on its way: another one would come too soon.
    #[must_use]
    pub fn has_status(&self) -> bool {
        self.queue.has(Kind::Status)
    }

    fn send_waiting(&mut self, now: Instant) {
        self.send_at = None;
        if self.in_loop {
            while let Some(packet) = self.queue.next_unsent() {
                let packet = packet.to_vec();
                if let Some((number, message)) = ToWriter::decode(&packet) {
                    self.handle_in_loop(&message);
                    self.queue.note_sent(now);
                    self.queue.acknowledge(number, now);
                }
            }
            return;
        }
        while let (Some(role), Some(packet)) = (&self.role, self.queue.next_unsent()) {
            match role.send(packet) {
                Ok(()) => self.queue.note_sent(now),
                // It goes on when something there is done.
                Err(error)
                    if error.kind() == std::io::ErrorKind::WouldBlock
                        && self.queue.stuck_since().is_some() =>
                {
                    return;
                }
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                    self.take_all_told(now);
                    return self.handle_end(now);
                }
                Err(_) => {
                    self.send_at = Some(now + SEND_RETRY_INTERVAL);
                    return;
                }
            }
        }
    }

    fn tell_lost(&mut self, now: Instant) {
        if let Some(lost) = self.queue.take_lost() {
            let text = format!("{lost} lines were lost before this one: {} took no more", self.sink.name());
            let unix = super::unix_now();
            self.queue.push(&ToWriter::Line { priority: Priority::Warning, unix, text: &text });
            self.send_waiting(now);
        }
    }

    /// Takes what it has told; true: it has ended.
    fn take_all_told(&mut self, now: Instant) -> bool {
        let mut buffer = [0; MAX_PACKET + 1];
        while let Some(role) = &self.role {
            match role.receive(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
                Ok(length @ 1..) => match buffer.get(..length).and_then(FromWriter::decode) {
                    Some(FromWriter::Acknowledged(number)) => self.queue.acknowledge(number, now),
                    Some(from) => take(&from, &mut self.told),
                    None => {}
                },
                Ok(_) | Err(_) => return true,
            }
        }
        false
    }

    /// It may have told something.
    pub fn handle_readable(&mut self, now: Instant) {
        if self.take_all_told(now) {
            return self.handle_end(now);
        }
        if self.told_hung && self.queue.stuck_since().is_none() {
            self.told_hung = false;
            self.told.push_back(Told::NotForFiles(format!("Writing of {} goes on", self.sink.name())));
        }
        self.tell_lost(now);
        self.send_waiting(now);
    }

    /// It has ended, and nobody has told it to.
    fn handle_end(&mut self, now: Instant) {
        let Some(role) = self.role.take() else { return };
        if self.finishing {
            return;
        }
        let name = self.sink.name();
        let process = role.pid().map(|pid| format!(" (process {pid})")).unwrap_or_default();
        self.told.push_back(Told::Line(
            Priority::Warning,
            format!("The process for {name}{process} has ended: another one is started"),
        ));
        self.left.push(role);
        self.queue.send_again();
        self.start_at = Some(now.max(self.started_at + START_INTERVAL_MIN));
    }

    /// The sink has changed: another process is started when this one has finished and ended, or after a moment.
    pub fn renew(&mut self, now: Instant) {
        // The sink may have another events file now, and lines since.
        self.told.retain(|told| !matches!(told, Told::Events(..)));
        if self.fork.is_none() {
            return self.sink.begin();
        }
        if self.in_loop {
            // It may be possible now.
            self.start_at = Some(now);
            return;
        }
        if let Some(role) = self.role.take() {
            role.close();
            self.left.push(role);
            self.queue.count_sent_as_done(now);
        }
        self.renewing = true;
        self.start_at = Some(now + START_INTERVAL_MIN);
    }

    /// A child of ours may have ended.
    pub fn handle_child_signal(&mut self, now: Instant) {
        self.left.retain_mut(|role| !role.has_ended());
        if self.renewing && self.left.is_empty() {
            self.start_at = Some(now);
        }
        if self.role.as_mut().is_some_and(Role::has_ended) {
            // What it has told before that counts.
            self.handle_readable(now);
            self.handle_end(now);
        }
    }

    /// One that somebody has stopped is ended, if it is a child of this process; else its parent does so.
    fn end_stopped(&mut self, now: Instant) {
        if let Some(role) = &mut self.role {
            if role.is_stopped_for_long(now) {
                role.kill();
            }
        }
    }

    /// A deadline may have passed.
    pub fn handle_timeout(&mut self, registry: &Registry, token: Token, now: Instant) {
        self.end_stopped(now);
        if self.start_at.is_some_and(|at| at <= now) {
            self.left.retain_mut(|role| !role.has_ended());
            if self.left.len() >= MAX_ENDING {
                self.start_at = Some(now + START_INTERVAL_MIN);
            } else {
                self.start(now);
                self.register(registry, token);
            }
        }
        if self.send_at.is_some_and(|at| at <= now) {
            self.send_waiting(now);
        }
        if !self.told_hung && self.tells_hang_at().is_some_and(|at| at <= now) {
            self.told_hung = true;
            let name = self.sink.name();
            let words = format!(
                "Writing of {name} has hung for {} s, the disk may not answer; what is said waits, and the UPS is watched",
                TOLD_AFTER.as_secs()
            );
            self.told.push_back(Told::NotForFiles(words));
        }
    }

    /// The next deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let hang = self.tells_hang_at().filter(|_| !self.told_hung);
        let stopped = self.role.as_ref().and_then(Role::poll_timeout);
        crate::ups::earliest(&[self.start_at, self.send_at, hang, stopped])
    }

    /// A terminal that nobody reads is no news.
    fn tells_hang_at(&self) -> Option<Instant> {
        let is_news = matches!(self.sink, Sink::Files(_));
        self.queue.stuck_since().filter(|_| is_news).map(|since| since + TOLD_AFTER)
    }

    /// The number of the newest message.
    #[must_use]
    pub const fn newest(&self) -> u64 {
        self.queue.newest()
    }

    /// Whether nothing up to this message is worth waiting for: it is done, or the writer hangs.
    #[must_use]
    pub fn is_past(&self, number: u64, now: Instant) -> bool {
        self.queue.is_done(number)
            || self.cannot_start
            || self.queue.stuck_since().is_some_and(|since| since + HANGS_AFTER <= now)
    }

    /// What there is to tell; call until `None`.
    pub fn poll_told(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    /// Sends what can be sent, and says that nothing more comes when all was. True: nothing is left to be waited for.
    pub fn finish(&mut self, now: Instant) -> bool {
        if !self.finishing && self.role.is_none() && !self.queue.is_empty() {
            self.start(now);
        }
        self.finishing = true;
        self.handle_readable(now);
        let all_sent = self.queue.next_unsent().is_none() && !self.queue.has_lost();
        if let Some(role) = self.role.as_ref().filter(|_| all_sent) {
            role.close();
        }
        self.role.is_none()
    }

    /// Its process, while there is one.
    #[must_use]
    pub const fn role(&self) -> Option<&Role> {
        self.role.as_ref()
    }
}

fn take(from: &FromWriter<'_>, told: &mut VecDeque<Told>) {
    told.push_back(match *from {
        FromWriter::Trouble { events: true, text } => Told::NotForFiles(text.to_owned()),
        FromWriter::Trouble { events: false, text } => Told::Line(Priority::Warning, text.to_owned()),
        FromWriter::Events { first, last, found, bytes } => {
            Told::Events(bytes.to_vec(), [first, last, found])
        }
        FromWriter::Acknowledged(_) => return,
    });
}

#[cfg(test)]
mod tests;
