//! The system log, as a writer has it.

use std::path::PathBuf;

use crate::sys::clock;
use crate::sys::syslog::{SOCKET, Syslog};
use crate::ups::Priority;

/// Settings of the system log. Directive names in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemLogSettings {
    /// Name of the program in its records: what users search for.
    pub ident: String,
    /// [FACILITY] RFC 5424 number; `daemon` is 3.
    pub facility: u8,
    /// Its socket; `None`: no system log.
    pub socket: Option<PathBuf>,
}

impl Default for SystemLogSettings {
    fn default() -> Self {
        Self { ident: "apcupsd".to_owned(), facility: 3, socket: Some(PathBuf::from(SOCKET)) }
    }
}

/// Sends each line to the system log; one that it does not take at once is lost, and told with the next.
#[derive(Debug)]
pub struct SystemLog {
    settings: SystemLogSettings,
    socket: Option<Syslog>,
    /// Of the process whose lines these are.
    pid: u32,
}

impl SystemLog {
    /// Connects with the first line, and again when the system log was restarted.
    #[must_use]
    pub fn new(settings: SystemLogSettings) -> Self {
        let socket = settings.socket.as_deref().map(Syslog::new);
        Self { settings, socket, pid: std::process::id() }
    }

    /// Closes the connection until the next line.
    pub(super) fn close_opened(&mut self) {
        if let Some(socket) = &mut self.socket {
            socket.disconnect();
        }
    }

    /// Sends a line that was said at this moment (seconds since 1970).
    pub fn write(&mut self, priority: Priority, unix: i64, text: &str) {
        let Some(syslog) = &mut self.socket else { return };
        let SystemLogSettings { ident, facility, .. } = &self.settings;
        let local = clock::local_of(unix);
        let taken = syslog.send(*facility, priority as u8, &local, ident, self.pid, text);
        let lost = if taken { syslog.take_dropped() } else { 0 };
        if lost > 0 {
            let words = format!("{lost} lines were lost before this one: the system log did not take them");
            syslog.send(*facility, Priority::Notice as u8, &local, ident, self.pid, &words);
        }
    }
}
