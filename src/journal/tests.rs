use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::*;

/// A folder of its own, gone when dropped.
pub(super) struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mainsd-journal-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const WALL: std::time::SystemTime = UNIX_EPOCH;

struct SystemLog(UnixDatagram);

impl SystemLog {
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

fn settings(folder: &Folder) -> JournalSettings {
    JournalSettings {
        syslog: Some(folder.join("log")),
        events_file: Some(folder.join("events")),
        ..JournalSettings::default()
    }
}

fn events(folder: &Folder) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("events")).unwrap_or_default();
    text.lines().map(|line| line.get(27..).unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_line_goes_to_syslog_and_all_but_information_to_the_events_file() {
    let folder = Folder::new("log");
    let log = SystemLog::listen(&folder.join("log"));
    let mut journal = Journal::new(settings(&folder));
    journal.log(Priority::Alert, "Power failure.", WALL);
    journal.log(Priority::Info, "NIS server startup succeeded", WALL);
    journal.log_status("APC      : 001\nSTATUS   : ONLINE\n", WALL);
    assert_eq!(log.next(), (25, "Power failure.".to_owned()));
    assert_eq!(log.next(), (30, "NIS server startup succeeded".to_owned()));
    assert_eq!(log.next(), (29, "APC      : 001".to_owned()));
    assert_eq!(log.next(), (29, "STATUS   : ONLINE".to_owned()));
    assert_eq!(events(&folder), ["Power failure.", "APC      : 001", "STATUS   : ONLINE"]);
}

#[test]
fn no_text_makes_two_lines_or_reaches_a_terminal_as_an_order() {
    let folder = Folder::new("log-forged");
    let log = SystemLog::listen(&folder.join("log"));
    let mut journal = Journal::new(settings(&folder));
    journal.log(Priority::Warning, "X is gone\n2026-11-28 12:00:00 +0000  Power failure.\u{1b}[2J", WALL);
    let shown = "X is gone\\n2026-11-28 12:00:00 +0000  Power failure.\\u{1b}[2J";
    assert_eq!(log.next().1, shown);
    assert_eq!(events(&folder), [shown]);
    journal.log(Priority::Warning, &"x".repeat(1_000_000), WALL);
    assert!(log.next().1.ends_with("x ..."));
    assert!(std::fs::metadata(folder.join("events")).unwrap().len() < 2500);
}

#[test]
fn a_full_disk_costs_one_line_of_syslog() {
    let folder = Folder::new("log-full");
    let log = SystemLog::listen(&folder.join("log"));
    std::os::unix::fs::symlink("/dev/full", folder.join("events")).unwrap();
    let mut journal = Journal::new(settings(&folder));
    journal.log(Priority::Alert, "one", WALL);
    journal.log(Priority::Alert, "two", WALL);
    journal.trim_events(WALL);
    assert_eq!(log.next().1, "one");
    let (priority, text) = log.next();
    assert!(priority == 28 && text.ends_with("No space left on device"), "{text}");
    assert_eq!(log.next().1, "two");
    assert!(log.is_empty());
}

#[test]
fn lines_that_syslog_did_not_take_are_counted_and_still_reach_the_events_file() {
    let folder = Folder::new("log-lost");
    let mut journal = Journal::new(settings(&folder));
    journal.log(Priority::Warning, "one", WALL);
    journal.log(Priority::Warning, "two", WALL);
    let log = SystemLog::listen(&folder.join("log"));
    journal.log(Priority::Warning, "three", WALL);
    assert_eq!(log.next().1, "three");
    assert_eq!(log.next().1, "2 lines were lost before this one: the system log did not take them");
    assert_eq!(events(&folder), ["one", "two", "three"]);
}

#[test]
fn new_settings_take_effect_with_the_next_line() {
    let folder = Folder::new("log-settings");
    let log = SystemLog::listen(&folder.join("log"));
    let mut journal = Journal::new(settings(&folder));
    journal.log(Priority::Notice, "one", WALL);
    journal.reconfigure(JournalSettings { facility: 16, events_file: None, ..settings(&folder) });
    journal.log(Priority::Notice, "two", WALL);
    assert_eq!(log.next(), (29, "one".to_owned()));
    assert_eq!(log.next(), (133, "two".to_owned()));
    assert_eq!(events(&folder), ["one"]);
}
