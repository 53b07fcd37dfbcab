//! Who writes: a process for each place that can hang, so that none holds up another or the loop.
//!
//! The system log, standard error with debug output, and the files each have a writer. So a line reaches the first two while
//! the disk of the events file does not answer, and a terminal that nobody reads holds up nothing else.

mod queue;
mod start;
mod task;
mod writer;

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use super::token;
use crate::journal::{
    DebugTarget, Files, FilesSettings, Output, Sink, StateFile, SystemLog, SystemLogSettings, next_debug_line,
};
use crate::sys::clock;
use crate::sys::job::Starter;
use crate::sys::role::{Process, Role, wait_for_any};
use crate::ups::{MAX_LINE, Priority, is_unsafe};
use crate::wire::role::{ToWriter, cut};
use start::{Fork, fork, serve};
use writer::Writer;

pub use writer::Told;

/// How long the end of the daemon waits for what is still to be written.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// All writers.
#[derive(Debug)]
pub struct Writers {
    files: Writer,
    system_log: Option<Writer>,
    output: Option<Writer>,
    system_log_settings: SystemLogSettings,
    stderr: bool,
    debug: bool,
    fork: Option<Fork>,
}

/// What there is to write to.
#[derive(Debug)]
pub struct Places {
    /// The system log.
    pub system_log: SystemLogSettings,
    /// Standard error and debug output.
    pub output: Output,
    /// The files but one.
    pub files: FilesSettings,
    /// The state file, and its lock.
    pub state: Option<StateFile>,
    /// Processes are made for it; else the loop writes.
    pub forks: bool,
    /// Who makes them.
    pub starter: Starter,
}

impl Writers {
    /// Starts them. To be called before anything that somebody else says is read.
    #[must_use]
    pub fn start(places: Places, now: Instant) -> Self {
        let Places { system_log: settings, output, files, state, forks, starter } = places;
        let fork = forks.then(|| fork(starter));
        let writer = |sink| Writer::new(sink, fork.clone(), now);
        Self {
            files: writer(Sink::Files(Box::new(Files::new(files, state)))),
            system_log: system_log(&settings).map(writer),
            system_log_settings: settings,
            stderr: output.stderr,
            debug: output.debug.is_some(),
            fork: fork.clone(),
            output: output.is_wanted().then_some(Sink::Output(output)).map(writer),
        }
    }

    fn all(&mut self) -> impl Iterator<Item = (Token, &mut Writer)> {
        let others = [&mut self.system_log, &mut self.output];
        let all = [Some(&mut self.files)].into_iter().chain(others.map(Option::as_mut));
        all.zip(token::WRITERS.0..).filter_map(|(writer, token)| Some((Token(token), writer?)))
    }

    /// Takes new settings. The files have a new writer each time, which finds what was moved or edited meanwhile.
    pub fn reconfigure(&mut self, log: SystemLogSettings, files: FilesSettings, now: Instant) {
        if let Sink::Files(sink) = self.files.sink() {
            sink.reconfigure(files);
        }
        self.files.renew(now);
        if log == self.system_log_settings {
            return;
        }
        match (&mut self.system_log, system_log(&log)) {
            (Some(writer), Some(sink)) => {
                *writer.sink() = sink;
                writer.renew(now);
            }
            (writer, sink) => *writer = sink.map(|sink| Writer::new(sink, self.fork.clone(), now)),
        }
        self.system_log_settings = log;
    }

    /// Makes the loop wake for what they tell.
    pub fn register(&mut self, registry: &Registry) {
        for (token, writer) in self.all() {
            writer.register(registry, token);
        }
    }

    /// Whether this is a token of theirs.
    #[must_use]
    pub const fn owns(token: Token) -> bool {
        token.0 >= token::WRITERS.0 && token.0 < token::WRITERS.0 + 3
    }

    /// A writer has told something.
    pub fn handle_readable(&mut self, token: Token, now: Instant) {
        if let Some((_, writer)) = self.all().find(|(its, _)| *its == token) {
            writer.handle_readable(now);
        }
    }

    /// A child of ours may have ended.
    pub fn handle_child_signal(&mut self, now: Instant) {
        self.all().for_each(|(_, writer)| writer.handle_child_signal(now));
    }

    /// Deadlines may have passed.
    pub fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.all().for_each(|(token, writer)| writer.handle_timeout(registry, token, now));
    }

    /// The next deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let all = [Some(&self.files), self.system_log.as_ref(), self.output.as_ref()];
        all.into_iter().flatten().filter_map(Writer::poll_timeout).min()
    }

    /// Writes a line of the log; not into the events file if it must not go there.
    pub fn log(&mut self, priority: Priority, unix: i64, text: &str, for_files: bool, now: Instant) {
        let message = ToWriter::Line { priority, unix, text };
        if let Some(system_log) = &mut self.system_log {
            system_log.tell(&message, now);
        }
        if let Some(output) = self.output.as_mut().filter(|_| self.stderr) {
            output.tell(&message, now);
        }
        if for_files && priority != Priority::Info && self.has_events_file() {
            self.files.tell(&message, now);
        }
    }

    /// Whether there is an events file.
    pub fn has_events_file(&mut self) -> bool {
        matches!(self.files.sink(), Sink::Files(files) if files.settings().events.is_some())
    }

    /// Prints the debug output that has come.
    pub fn print_debug_lines(&mut self, now: Instant) {
        let Some(output) = self.output.as_mut().filter(|_| self.debug) else { return };
        while let Some(line) = next_debug_line() {
            output.tell(&ToWriter::Debug(&line), now);
        }
    }

    /// Writes the status file, unless the last one is not written yet.
    pub fn write_status(&mut self, text: &str, now: Instant) {
        if self.files.has_status() {
            return;
        }
        let text = text.replace(|c| c != '\n' && is_unsafe(c), " ");
        let mut rest = &*text;
        loop {
            let piece = cut(rest, MAX_LINE);
            rest = rest.get(piece.len()..).unwrap_or_default();
            let last = rest.is_empty();
            self.files.tell(&ToWriter::Status { last, text: piece }, now);
            if last {
                return;
            }
        }
    }

    /// The state file, as the loop knows it.
    pub fn state(&mut self) -> Option<&mut StateFile> {
        match self.files.sink() {
            Sink::Files(files) => files.state(),
            Sink::SystemLog(_) | Sink::Output(_) => None,
        }
    }

    /// Writes the state file, if it does not hold what it should.
    pub fn write_state(&mut self, now: Instant) {
        let clock = task::boot_clock();
        let Some(state) = self.state() else { return };
        let Some(saved) = state.take_unwritten(clock) else { return };
        // The serial number is the sink's, which is told.
        let serial = saved.serial.to_owned();
        let message = ToWriter::Saved(crate::wire::role::Saved { serial: &serial, ..saved });
        self.files.tell(&message, now);
    }

    /// Trims the events file if it is too long.
    pub fn trim_events(&mut self, now: Instant) {
        self.files.tell(&ToWriter::Trim, now);
    }

    /// Asks for the end of the events file: it comes as [`Told::Events`].
    pub fn ask_for_events(&mut self, now: Instant) {
        self.files.tell(&ToWriter::TellEvents, now);
    }

    /// The newest message for the files.
    #[must_use]
    pub const fn newest_for_files(&self) -> u64 {
        self.files.newest()
    }

    /// Whether this message for the files is done, or not worth waiting for.
    #[must_use]
    pub fn files_are_past(&self, number: u64, now: Instant) -> bool {
        self.files.is_past(number, now)
    }

    /// What they have to tell; call until `None`.
    pub fn poll_told(&mut self) -> Option<Told> {
        self.all().find_map(|(_, writer)| writer.poll_told())
    }

    /// Has them finish, and waits for it, a second at most.
    pub fn finish(&mut self) {
        let mut now = task::boot_clock().now;
        let deadline = now + FINISH_TIMEOUT;
        loop {
            let mut unfinished = false;
            self.all().for_each(|(_, writer)| unfinished |= !writer.finish(now));
            let left = deadline.saturating_duration_since(now);
            if !unfinished || left.is_zero() {
                return;
            }
            let roles: Vec<&Role> = self.all().filter_map(|(_, writer)| writer.role()).collect();
            wait_for_any(roles.into_iter(), left);
            now = task::boot_clock().now;
        }
    }
}

/// Starts the process of one of these writers, by its number, for who has the other end of this socket. The debug target and the
/// state file come back.
///
/// # Errors
/// There is no such writer; no process left.
pub fn serve_writer(
    places: Places,
    number: u8,
    socket: OwnedFd,
) -> (io::Result<Process>, Option<DebugTarget>, Option<StateFile>) {
    let Places { system_log: settings, output, files, state, .. } = places;
    let mut sinks = [
        Some(Sink::Files(Box::new(Files::new(files, state)))),
        system_log(&settings),
        Some(Sink::Output(output)),
    ];
    let started = match sinks.get_mut(usize::from(number)).and_then(Option::as_mut) {
        Some(sink) => serve(sink, socket),
        None => Err(io::ErrorKind::NotFound.into()),
    };
    let (mut debug, mut state) = (None, None);
    for sink in sinks.into_iter().flatten() {
        match sink {
            Sink::Files(files) => state = files.into_state(),
            Sink::Output(output) => debug = output.debug,
            Sink::SystemLog(_) => {}
        }
    }
    (started, debug, state)
}

fn system_log(settings: &SystemLogSettings) -> Option<Sink> {
    settings.socket.is_some().then(|| Sink::SystemLog(SystemLog::new(settings.clone())))
}

/// Wall time, to be written down.
fn unix_now() -> i64 {
    #[allow(clippy::disallowed_methods, reason = "to be written down")]
    clock::unix_seconds(clock::now())
}

#[cfg(test)]
mod tests;
