//! The writers without processes: who writes what. With processes: `tests/daemon/writers.rs`.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::*;
use crate::sys::job::Starter;

/// A folder of its own, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mainsd-writers-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct SystemLogSocket(UnixDatagram);

impl SystemLogSocket {
    fn listen(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self(socket)
    }

    /// Priority number and text.
    fn next(&self) -> (u8, String) {
        let mut buffer = [0; 8192];
        let length = self.0.recv(&mut buffer).unwrap();
        let record = String::from_utf8(buffer[..length].to_vec()).unwrap();
        let (priority, rest) = record.strip_prefix('<').unwrap().split_once('>').unwrap();
        let head = format!(" apcupsd[{}]: ", std::process::id());
        let (_, text) = rest.split_once(&head).unwrap();
        (priority.parse().unwrap(), text.to_owned())
    }

    fn is_empty(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let empty = self.0.recv(&mut [0]).is_err();
        self.0.set_nonblocking(false).unwrap();
        empty
    }
}

/// Writers in the loop, and what the recorder makes of what they tell.
struct Log {
    writers: Writers,
    now: Instant,
}

impl Log {
    fn new(folder: &Folder) -> Self {
        let places = Places {
            starter: Starter::default(),
            system_log: log_settings(folder),
            output: Output { stderr: false, debug: None },
            files: files(folder),
            state: None,
            forks: false,
        };
        #[allow(clippy::disallowed_methods, reason = "any moment will do")]
        let now = Instant::now();
        Self { writers: Writers::start(places, now), now }
    }

    fn log(&mut self, priority: Priority, text: &str) {
        self.writers.log(priority, 0, &crate::ups::one_line(text), true, self.now);
        self.tell();
    }

    fn tell(&mut self) {
        while let Some(told) = self.writers.poll_told() {
            match told {
                Told::Line(priority, text) => self.log(priority, &text),
                Told::NotForFiles(text) => self.writers.log(Priority::Warning, 0, &text, false, self.now),
                Told::Events(..) => {}
            }
        }
    }
}

fn log_settings(folder: &Folder) -> SystemLogSettings {
    SystemLogSettings { socket: Some(folder.join("log")), ..SystemLogSettings::default() }
}

fn files(folder: &Folder) -> FilesSettings {
    FilesSettings {
        events: Some(folder.join("events")),
        events_max: 10,
        status: Some(folder.join("status")),
        has_status: true,
    }
}

fn events(folder: &Folder) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("events")).unwrap_or_default();
    text.lines().map(|line| line.get(27..).unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_line_goes_to_syslog_and_all_but_information_to_the_events_file() {
    let folder = Folder::new("log");
    let socket = SystemLogSocket::listen(&folder.join("log"));
    let mut log = Log::new(&folder);
    log.log(Priority::Alert, "Power failure.");
    log.log(Priority::Info, "NIS server startup succeeded");
    assert_eq!(socket.next(), (25, "Power failure.".to_owned()));
    assert_eq!(socket.next(), (30, "NIS server startup succeeded".to_owned()));
    assert_eq!(events(&folder), ["Power failure."]);
}

#[test]
fn no_text_makes_two_lines_or_reaches_a_terminal_as_an_order() {
    let folder = Folder::new("forged");
    let socket = SystemLogSocket::listen(&folder.join("log"));
    let mut log = Log::new(&folder);
    log.log(Priority::Warning, "X is gone\n2026-11-28 12:00:00 +0000  Power failure.\u{1b}[2J");
    let shown = "X is gone\\n2026-11-28 12:00:00 +0000  Power failure.\\u{1b}[2J";
    assert_eq!(socket.next().1, shown);
    assert_eq!(events(&folder), [shown]);
    log.log(Priority::Warning, &"x".repeat(1_000_000));
    assert!(socket.next().1.ends_with("x ..."));
    assert!(std::fs::metadata(folder.join("events")).unwrap().len() < 2500);
}

#[test]
fn a_full_disk_costs_one_line_of_syslog() {
    let folder = Folder::new("full");
    let socket = SystemLogSocket::listen(&folder.join("log"));
    std::os::unix::fs::symlink("/dev/full", folder.join("events")).unwrap();
    let mut log = Log::new(&folder);
    log.log(Priority::Alert, "one");
    log.log(Priority::Alert, "two");
    log.writers.trim_events(log.now);
    log.tell();
    assert_eq!(socket.next().1, "one");
    let (priority, text) = socket.next();
    assert!(priority == 28 && text.ends_with("No space left on device"), "{text}");
    assert_eq!(socket.next().1, "two");
    assert!(socket.is_empty());
}

#[test]
fn lines_that_syslog_did_not_take_are_counted_and_still_reach_the_events_file() {
    let folder = Folder::new("lost");
    let mut log = Log::new(&folder);
    log.log(Priority::Warning, "one");
    log.log(Priority::Warning, "two");
    let socket = SystemLogSocket::listen(&folder.join("log"));
    log.log(Priority::Warning, "three");
    assert_eq!(socket.next().1, "three");
    assert_eq!(socket.next().1, "2 lines were lost before this one: the system log did not take them");
    assert_eq!(events(&folder), ["one", "two", "three"]);
}

#[test]
fn new_settings_take_effect_with_the_next_line() {
    let folder = Folder::new("settings");
    let socket = SystemLogSocket::listen(&folder.join("log"));
    let mut log = Log::new(&folder);
    log.log(Priority::Notice, "one");
    let facility = SystemLogSettings { facility: 16, ..log_settings(&folder) };
    log.writers.reconfigure(facility, FilesSettings { events: None, ..files(&folder) }, log.now);
    log.log(Priority::Notice, "two");
    assert_eq!(socket.next(), (29, "one".to_owned()));
    assert_eq!(socket.next(), (133, "two".to_owned()));
    assert_eq!(events(&folder), ["one"]);
}

#[test]
fn a_long_status_is_written_whole_and_none_is_left_without_stattime() {
    let folder = Folder::new("status");
    let mut log = Log::new(&folder);
    let text = "STATUS   : ONLINE \u{fc}\n".repeat(400);
    log.writers.write_status(&text, log.now);
    assert_eq!(std::fs::read_to_string(folder.join("status")).unwrap(), text);
    log.writers.write_status("a\u{1b}[2J\tb\n", log.now);
    assert_eq!(std::fs::read_to_string(folder.join("status")).unwrap(), "a [2J b\n");
    log.writers.reconfigure(
        log_settings(&folder),
        FilesSettings { has_status: false, ..files(&folder) },
        log.now,
    );
    assert!(!folder.join("status").exists());
}

#[test]
fn the_end_of_the_events_file_is_told_in_pieces() {
    let folder = Folder::new("end");
    let mut log = Log::new(&folder);
    let told = |log: &mut Log| {
        log.writers.ask_for_events(log.now);
        let mut end = Vec::new();
        let mut flags = Vec::new();
        while let Some(Told::Events(bytes, piece)) = log.writers.poll_told() {
            end.extend(bytes);
            flags.push(piece);
        }
        (String::from_utf8(end).unwrap(), flags)
    };
    assert_eq!(told(&mut log), (String::new(), vec![[true, true, false]]), "no file");
    std::fs::write(folder.join("events"), "").unwrap();
    assert_eq!(told(&mut log), (String::new(), vec![[true, true, true]]), "an empty one");
    let lines: String = (0..10_000).map(|n| format!("line {n:05}\n")).collect();
    std::fs::write(folder.join("events"), &lines).unwrap();
    let (end, flags) = told(&mut log);
    assert!(lines.ends_with(&end) && end.starts_with("line ") && end.len() > 16_000, "{}", end.len());
    assert_eq!((flags[0], flags[flags.len() - 1]), ([true, false, true], [false, true, true]));
}
