//! Syslog, events file, status file, lock and pid files, persistent counters.
//!
//! Nothing here waits or fails the daemon: a line that cannot be written is lost, and that it was is told once.

mod data;
mod events;
mod lock;
mod pid;
mod replace;
mod run_folder;
mod state;
mod status;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use crate::sys::clock::{self, Local};
use crate::sys::fs::writable_now;
use crate::sys::syslog::{SOCKET, Syslog};
use crate::ups::{Priority, one_line};

pub use data::{data_record, dumb_data_record};
pub use events::EventsFile;
pub use lock::{LOCK_FATAL, LockError, LockFile, is_ups_program, lock_path, parse_lock};
pub use pid::{PidError, PidFile};
pub use run_folder::{RunFolder, state_in};
pub use state::{BootClock, SavedState, StateFile, UpsIdentity, emit_state, parse_state};
pub use status::StatusFile;

/// Longest line to stderr: up to this length (`PIPE_BUF`), a pipe that is ready takes all of it at once.
const MAX_STDERR: usize = 4096;

/// Settings. Directive names in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalSettings {
    /// Name of the program in syslog records: what users search for.
    pub ident: String,
    /// [FACILITY] RFC 5424 number; `daemon` is 3.
    pub facility: u8,
    /// The system log's socket; `None`: no syslog.
    pub syslog: Option<PathBuf>,
    /// Lines go to stderr as well; see [`stderr_wanted`].
    pub stderr: bool,
    /// [EVENTSFILE]
    pub events_file: Option<PathBuf>,
    /// [EVENTSFILEMAX] KiB; 0: never trimmed.
    pub events_file_max: u64,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            ident: "apcupsd".to_owned(),
            facility: 3,
            syslog: Some(PathBuf::from(SOCKET)),
            stderr: false,
            events_file: None,
            events_file_max: 10,
        }
    }
}

/// Whether the log belongs on stderr too: in the foreground, unless that leads to the systemd journal, which gets every
/// line by syslog already.
#[must_use]
pub fn stderr_wanted(foreground: bool) -> bool {
    foreground && (std::env::var_os("JOURNAL_STREAM").is_none() || std::io::stderr().is_terminal())
}

/// The log: every line to syslog, all but [`Priority::Info`] to the events file (config §8).
#[derive(Debug)]
pub struct Journal {
    settings: JournalSettings,
    syslog: Option<Syslog>,
    events: Option<EventsFile>,
    line: String,
}

impl Journal {
    /// Opens nothing yet: each file and socket is opened with the first line for it, and again when it was replaced.
    #[must_use]
    pub fn new(settings: JournalSettings) -> Self {
        let syslog = settings.syslog.as_deref().map(Syslog::new);
        let events = events_file(&settings);
        Self { settings, syslog, events, line: String::new() }
    }

    /// Takes new settings.
    pub fn reconfigure(&mut self, settings: JournalSettings) {
        if settings != self.settings {
            *self = Self::new(settings);
        }
    }

    /// Writes one line, and one only, whatever `text` holds: see [`one_line`].
    pub fn log(&mut self, priority: Priority, text: &str, wall: SystemTime) {
        let text = &*one_line(text);
        let local = clock::local(wall);
        self.send_to_syslog(priority, text, &local);
        self.print(text, &local);
        if priority == Priority::Info {
            return;
        }
        if let Some(trouble) = self.events.as_mut().and_then(|events| events.append(&local, text)) {
            self.aside(&trouble, &local);
        }
    }

    /// Logs a status text line by line (LOGSTATS).
    pub fn log_status(&mut self, status: &str, wall: SystemTime) {
        for line in status.lines() {
            self.log(Priority::Notice, line, wall);
        }
    }

    /// Trims the events file if it is too long. To be called now and then while mains is present: it waits for the disk.
    pub fn trim_events(&mut self, wall: SystemTime) {
        if let Some(trouble) = self.events.as_mut().and_then(EventsFile::trim) {
            self.aside(&trouble, &clock::local(wall));
        }
    }

    /// A line that must not go to the events file, for it is about that file.
    fn aside(&mut self, text: &str, local: &Local) {
        let text = &*one_line(text);
        self.send_to_syslog(Priority::Warning, text, local);
        self.print(text, local);
    }

    fn send_to_syslog(&mut self, priority: Priority, text: &str, local: &Local) {
        let Some(syslog) = &mut self.syslog else { return };
        let JournalSettings { ident, facility, .. } = &self.settings;
        let pid = std::process::id();
        let taken = syslog.send(*facility, priority as u8, local, ident, pid, text);
        let lost = if taken { syslog.take_dropped() } else { 0 };
        if lost > 0 {
            let words = format!("{lost} lines were lost before this one: the system log did not take them");
            syslog.send(*facility, Priority::Notice as u8, local, ident, pid, &words);
        }
    }

    fn print(&mut self, text: &str, local: &Local) {
        use std::fmt::Write as _;
        let stderr = std::io::stderr();
        if !self.settings.stderr || !writable_now(&stderr) {
            return;
        }
        self.line.clear();
        let _ = writeln!(self.line, "{local}  {text}");
        let bytes = self.line.as_bytes();
        let _ = stderr.lock().write(bytes.get(..MAX_STDERR).unwrap_or(bytes));
    }
}

fn events_file(settings: &JournalSettings) -> Option<EventsFile> {
    let path = settings.events_file.as_deref()?;
    Some(EventsFile::new(path, settings.events_file_max.saturating_mul(1024)))
}

#[cfg(test)]
mod tests;
