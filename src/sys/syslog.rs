//! A syslog client that never waits: a line that the socket does not take at once is dropped and counted.

use std::fmt::Write as _;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::clock::Local;

/// Longest message in bytes; RFC 3164 asks for no more than 1024 with the header, what people run takes 8 KiB.
pub const MAX_MESSAGE: usize = 2048;

/// Where the system's log socket is.
pub const SOCKET: &str = "/dev/log";

/// A connection to the local syslog daemon, made anew whenever that was restarted.
#[derive(Debug)]
pub struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    dropped: u64,
    line: String,
}

impl Syslog {
    /// Connects when there is something to say, so that it may be started before the syslog daemon.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), socket: None, dropped: 0, line: String::new() }
    }

    /// Sends one record in the form of RFC 3164: `<PRI>Nov 21 04:09:56 ident[pid]: text`. `facility` and `severity` are
    /// RFC 5424 numbers. True if it was taken.
    pub fn send(
        &mut self,
        facility: u8,
        severity: u8,
        local: &Local,
        ident: &str,
        pid: u32,
        text: &str,
    ) -> bool {
        self.line.clear();
        let priority = u16::from(facility) * 8 + u16::from(severity);
        let _ = write!(self.line, "<{priority}>{} {:2} ", month(local.month), local.day);
        let _ = write!(self.line, "{:02}:{:02}:{:02} ", local.hour, local.minute, local.second);
        let _ = write!(self.line, "{ident}[{pid}]: ");
        self.line.extend(cut(text, MAX_MESSAGE).chars().filter(|c| *c != '\0'));
        let taken = self.deliver();
        if !taken {
            self.dropped = self.dropped.saturating_add(1);
        }
        taken
    }

    /// Closes the connection; the next record makes another.
    pub fn disconnect(&mut self) {
        self.socket = None;
    }

    /// How many records were dropped since this was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    fn deliver(&mut self) -> bool {
        // A second try with a new socket: the first send after a restart of the syslog daemon fails.
        for _ in 0..2 {
            if self.socket.is_none() {
                self.socket = connect(&self.path).ok();
            }
            let Some(socket) = &self.socket else { return false };
            match socket.send(self.line.as_bytes()) {
                Ok(_) => return true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => self.socket = None,
            }
        }
        false
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

/// Names of months as RFC 3164 §4.1.2 has them, whatever the language of the system.
fn month(number: i32) -> &'static str {
    const NAMES: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    usize::try_from(number - 1).ok().and_then(|index| NAMES.get(index)).unwrap_or(&"Jan")
}

/// The longest beginning of at most `bytes` bytes that does not split a character.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: Local =
        Local { year: 2026, month: 11, day: 1, hour: 4, minute: 9, second: 56, utc_offset: 3600 };

    struct Daemon {
        path: PathBuf,
        socket: UnixDatagram,
    }

    impl Daemon {
        fn listen(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mainsd-{name}-{}", std::process::id()));
            let _ = std::fs::remove_file(&path);
            let socket = UnixDatagram::bind(&path).unwrap();
            Self { path, socket }
        }

        fn receive(&self) -> String {
            let mut buffer = vec![0; 8192];
            self.socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
            let length = self.socket.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        }
    }

    impl Drop for Daemon {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    #[test]
    fn a_record_has_the_form_of_rfc_3164() {
        let daemon = Daemon::listen("syslog-form");
        let mut syslog = Syslog::new(&daemon.path);
        assert!(syslog.send(3, 1, &LOCAL, "apcupsd", 42, "Power failure."));
        assert_eq!(daemon.receive(), "<25>Nov  1 04:09:56 apcupsd[42]: Power failure.");
    }

    #[test]
    fn a_long_record_is_cut_between_characters_and_loses_its_nul_bytes() {
        let daemon = Daemon::listen("syslog-cut");
        let mut syslog = Syslog::new(&daemon.path);
        assert!(syslog.send(3, 1, &LOCAL, "m", 1, &format!("a\0{}", "é".repeat(MAX_MESSAGE))));
        let text = daemon.receive();
        assert!(text.starts_with("<25>Nov  1 04:09:56 m[1]: aéé") && text.len() < MAX_MESSAGE + 30, "{text}");
    }

    #[test]
    fn a_restarted_syslog_daemon_gets_the_next_record() {
        let daemon = Daemon::listen("syslog-restart");
        let path = daemon.path.clone();
        let mut syslog = Syslog::new(&path);
        assert!(syslog.send(3, 5, &LOCAL, "m", 1, "one"));
        // A process that another test starts may hold the socket for a while.
        daemon.socket.shutdown(std::net::Shutdown::Both).unwrap();
        drop(daemon);
        assert!(!syslog.send(3, 5, &LOCAL, "m", 1, "lost"));
        assert_eq!(syslog.take_dropped(), 1);
        let daemon = Daemon::listen("syslog-restart");
        assert!(syslog.send(3, 5, &LOCAL, "m", 1, "two"));
        assert!(daemon.receive().ends_with("two"));
        assert_eq!(syslog.take_dropped(), 0);
    }

    #[test]
    fn a_syslog_daemon_that_does_not_read_costs_lines_not_time() {
        let daemon = Daemon::listen("syslog-full");
        let mut syslog = Syslog::new(&daemon.path);
        let taken = (0..100_000).take_while(|_| syslog.send(3, 5, &LOCAL, "m", 1, "x")).count();
        assert!(taken < 100_000);
        assert_eq!(syslog.take_dropped(), 1);
    }
}
