//! Syslog, events file, status file, lock and pid files, persistent counters.
//!
//! What is written while the daemon guards goes to a [`Sink`], by messages, so that a process of its own can write it: a disk
//! that no longer answers holds that up, and not the daemon. A line that cannot be written is lost, and that it was is told
//! once.

mod data;
mod debug_lines;
mod events;
mod files;
mod lock;
mod output;
mod pid;
mod replace;
mod run_folder;
mod sink;
mod state;
mod status;
mod system_log;

use std::io::IsTerminal;

use crate::sys::clock::Local;

pub use data::{data_record, dumb_data_record};
pub use debug_lines::{DebugLines, next_debug_line};
pub use events::{EventsFile, end_of_events};
pub use files::{Files, FilesSettings};
pub use lock::{LOCK_FATAL, LockError, LockFile, is_ups_program, lock_path, parse_lock};
pub use output::{DebugTarget, Output};
pub use pid::{PidError, PidFile};
pub use run_folder::{RunFolder, name_of, state_in};
pub use sink::Sink;
pub use state::{
    BootClock, SavedState, StateFile, UpsIdentity, emit_state, parse_state, saved_message, saved_outage,
};
pub use status::StatusFile;
pub use system_log::{SystemLog, SystemLogSettings};

/// Whether the log belongs on stderr too: in the foreground, unless that leads to the systemd journal, which gets every
/// line by syslog already.
#[must_use]
pub fn stderr_wanted(foreground: bool) -> bool {
    foreground && (std::env::var_os("JOURNAL_STREAM").is_none() || std::io::stderr().is_terminal())
}

/// A record of the events file: `2026-11-21 04:09:56 +0100  text` (config §8).
#[must_use]
pub fn event_record(local: &Local, text: &str) -> String {
    format!("{local}  {text}\n")
}

#[cfg(test)]
mod tests;
