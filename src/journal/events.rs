//! The events file (config §8).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::replace;
use crate::sys::clock::Local;
use crate::sys::fs::{ENOSPC, O_NOCTTY, O_NONBLOCK};
use crate::sys::reason;

/// How much of the end of the file [`tail`] looks at: 50 lines of 255 bytes (config §8), and some.
const TAIL_BYTES: u64 = 16 * 1024;

/// The events file: records are appended; one that was renamed or removed is made anew.
#[derive(Debug)]
pub struct EventsFile {
    path: PathBuf,
    max_bytes: u64,
    open: Option<Open>,
    failing: bool,
    untrimmed: Option<u64>,
}

#[derive(Debug)]
struct Open {
    file: File,
    id: (u64, u64),
}

impl EventsFile {
    /// `max_bytes`: when [`EventsFile::trim`] trims; 0: never.
    #[must_use]
    pub fn new(path: &Path, max_bytes: u64) -> Self {
        Self { path: path.to_owned(), max_bytes, open: None, failing: false, untrimmed: None }
    }

    /// Appends `2026-11-21 04:09:56 +0100  text`. A line about the trouble if there is any, but only the first time until
    /// it is over.
    pub fn append(&mut self, local: &Local, text: &str) -> Option<String> {
        let record = format!("{local}  {text}\n");
        let result = self.write(record.as_bytes());
        let first = !std::mem::replace(&mut self.failing, result.is_err());
        match result {
            Err(error) if first => {
                Some(format!("Could not open events file {}: {}", self.path.display(), reason(&error)))
            }
            _ => None,
        }
    }

    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        let file = &self.opened()?.file;
        let before = file.metadata()?;
        let written = (&mut &*file).write(record)?;
        if written == record.len() {
            return Ok(());
        }
        if before.is_file() {
            // Half a record would spoil the next one's line.
            let _ = file.set_len(before.len());
        }
        Err(io::Error::from_raw_os_error(ENOSPC))
    }

    /// The file that now has the name, open.
    fn opened(&mut self) -> io::Result<&Open> {
        let there = fs::metadata(&self.path).ok().map(|data| (data.dev(), data.ino()));
        let open = match self.open.take() {
            Some(open) if there == Some(open.id) => open,
            _ => {
                let file = options().open(&self.path)?;
                let data = file.metadata()?;
                Open { file, id: (data.dev(), data.ino()) }
            }
        };
        Ok(self.open.insert(open))
    }

    /// If the file is longer than it may be, keeps the end of it: whole lines, four fifths of the limit. The history is in
    /// one piece under the name at every moment, also if the power fails: the end is copied, written to the disk, and
    /// renamed. A line about the trouble if there is any.
    pub fn trim(&mut self) -> Option<String> {
        let data = fs::metadata(&self.path).ok()?;
        let length = data.len();
        let worth_a_try =
            self.untrimmed.is_none_or(|failed| length > failed.saturating_add(self.max_bytes / 5));
        if self.max_bytes == 0 || length <= self.max_bytes || !data.is_file() || !worth_a_try {
            return None;
        }
        match self.keep_end(length) {
            Ok(()) => {
                self.untrimmed = None;
                None
            }
            Err(error) => {
                let first = self.untrimmed.replace(length).is_none();
                let words = || format!("Cannot trim events file {}: {}", self.path.display(), reason(&error));
                first.then(words)
            }
        }
    }

    fn keep_end(&mut self, length: u64) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        let start = start_of_line(&file, length.saturating_sub(self.max_bytes / 5 * 4))?;
        file.seek(SeekFrom::Start(start))?;
        replace::with(&self.path, |new| replace::copy(&mut file, new), replace::Durable::Yes)
    }
}

/// The first beginning of a line at or after `at`; `at` itself if no line begins there any more.
fn start_of_line(file: &File, at: u64) -> io::Result<u64> {
    let mut buffer = [0; 4096];
    // One byte earlier: if that ends a line, the one at `at` is whole.
    let mut from = at.saturating_sub(1);
    loop {
        let got = file.read_at(&mut buffer, from)?;
        let bytes = buffer.get(..got).unwrap_or_default();
        if got == 0 {
            return Ok(at);
        }
        if let Some(newline) = bytes.iter().position(|byte| *byte == b'\n') {
            return Ok(from + newline as u64 + 1);
        }
        from += got as u64;
    }
}

/// Never waits, whatever the path names; not for the reader of a pipe, and a terminal does not become ours.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o644).custom_flags(O_NONBLOCK | O_NOCTTY);
    options
}

/// The last lines of an events file, oldest first, without their newlines; what a NIS `events` answer is made of.
///
/// # Errors
///
/// What opening or reading says.
pub fn tail(path: &Path, lines: usize) -> io::Result<Vec<String>> {
    let mut file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK | O_NOCTTY).open(path)?;
    let data = file.metadata()?;
    if !data.is_file() {
        return Ok(Vec::new());
    }
    let start = data.len().saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // The first line is half a line if the look began within the file.
    let whole = if start > 0 { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    let all: Vec<&str> = whole.lines().collect();
    let first = all.len().saturating_sub(lines);
    Ok(all.into_iter().skip(first).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::Folder;
    use std::os::unix::fs::PermissionsExt;

    const LOCAL: Local =
        Local { year: 2026, month: 11, day: 21, hour: 4, minute: 9, second: 56, utc_offset: 3600 };

    #[test]
    fn a_record_is_stamp_two_spaces_text_newline() {
        let folder = Folder::new("events-record");
        let path = folder.join("events");
        let mut events = EventsFile::new(&path, 0);
        assert_eq!(events.append(&LOCAL, "Power failure."), None);
        assert_eq!(events.append(&LOCAL, "two\nlines"), None);
        let expected = "2026-11-21 04:09:56 +0100  Power failure.\n2026-11-21 04:09:56 +0100  two\nlines\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }

    /// The observed case: captures/events-eventsfile-trim.txt.
    #[test]
    fn trimming_keeps_the_end_as_apcupsd_does() {
        let folder = Folder::new("events-trim");
        let path = folder.join("events");
        let filler: String =
            (0..40).map(|n| format!("2020-01-01 00:00:{n:02} +0000  filler line number {n:03}\n")).collect();
        assert_eq!(filler.len(), 2000);
        fs::write(&path, &filler).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let mut events = EventsFile::new(&path, 1024);
        events.append(&LOCAL, "apcupsd 3.14.14 (31 May 2016) debian startup succeeded");
        assert_eq!(events.trim(), None);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.len(), 782);
        assert!(text.starts_with("2020-01-01 00:00:26 +0000  filler line number 026\n"));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(events.append(&LOCAL, "after"), None);
        assert!(
            fs::read_to_string(&path).unwrap().ends_with("succeeded\n2026-11-21 04:09:56 +0100  after\n")
        );
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "no file is left over");
    }

    #[test]
    fn a_file_within_its_limit_or_without_one_is_left_alone() {
        let folder = Folder::new("events-no-trim");
        let path = folder.join("events");
        fs::write(&path, "x".repeat(1024)).unwrap();
        for max in [0, 1024] {
            assert_eq!(EventsFile::new(&path, max).trim(), None);
            assert_eq!(path.metadata().unwrap().len(), 1024);
        }
        EventsFile::new(&path, 1023).trim();
        assert_eq!(path.metadata().unwrap().len(), 1023 / 5 * 4);
    }

    #[test]
    fn a_whole_line_at_the_cut_is_kept() {
        let folder = Folder::new("events-cut");
        let path = folder.join("events");
        fs::write(&path, "123456789\n".repeat(11)).unwrap();
        EventsFile::new(&path, 100).trim();
        assert_eq!(fs::read_to_string(&path).unwrap(), "123456789\n".repeat(8));
    }

    #[test]
    fn trimming_through_a_link_keeps_the_link() {
        let folder = Folder::new("events-link");
        let (real, link) = (folder.join("real"), folder.join("link"));
        fs::write(&real, "123456789\n".repeat(20)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(EventsFile::new(&link, 100).trim(), None);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "123456789\n".repeat(8));
    }

    #[test]
    fn trimming_in_place_gives_the_same_content() {
        let folder = Folder::new("events-in-place");
        let path = folder.join("events");
        fs::create_dir(folder.join(".events.new")).unwrap();
        let lines: String = (0..20_000).map(|n| format!("line {n:05}\n")).collect();
        fs::write(&path, &lines).unwrap();
        assert_eq!(EventsFile::new(&path, 200_000).trim(), None);
        let kept = fs::read_to_string(&path).unwrap();
        assert!(lines.ends_with(&kept) && kept.starts_with("line "), "{}", kept.len());
        assert!((159_000..=160_000).contains(&kept.len()), "{}", kept.len());
    }

    #[test]
    fn a_rotated_file_is_followed_by_a_new_one() {
        let folder = Folder::new("events-rotate");
        let (path, old) = (folder.join("events"), folder.join("events.1"));
        let mut events = EventsFile::new(&path, 0);
        events.append(&LOCAL, "one");
        fs::rename(&path, &old).unwrap();
        events.append(&LOCAL, "two");
        fs::remove_file(&path).unwrap();
        events.append(&LOCAL, "three");
        assert!(fs::read_to_string(&old).unwrap().ends_with("  one\n"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "2026-11-21 04:09:56 +0100  three\n");
    }

    #[test]
    fn a_full_disk_costs_one_line_and_its_end_is_noticed() {
        let folder = Folder::new("events-full");
        let path = folder.join("events");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let mut events = EventsFile::new(&path, 1024);
        let trouble = events.append(&LOCAL, "one").unwrap();
        assert!(trouble.ends_with(": No space left on device"), "{trouble}");
        assert_eq!(events.append(&LOCAL, "two"), None);
        assert_eq!(events.trim(), None);
        fs::remove_file(&path).unwrap();
        assert_eq!(events.append(&LOCAL, "three"), None);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        assert!(events.append(&LOCAL, "four").is_some(), "a second trouble is told again");
    }

    #[test]
    fn a_folder_that_is_missing_is_told_in_the_known_words() {
        let mut events = EventsFile::new(Path::new("/nonexistent/events"), 1024);
        assert_eq!(
            events.append(&LOCAL, "one").as_deref(),
            Some("Could not open events file /nonexistent/events: No such file or directory")
        );
        assert_eq!(events.append(&LOCAL, "two"), None);
        assert_eq!(events.trim(), None);
    }

    #[test]
    fn a_pipe_without_a_reader_is_not_waited_for() {
        let folder = Folder::new("events-fifo");
        let path = folder.join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(EventsFile::new(&path, 0).append(&LOCAL, "one").is_some());
        assert_eq!(tail(&path, 50).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn the_tail_is_the_last_lines_whole() {
        let folder = Folder::new("events-tail");
        let path = folder.join("events");
        fs::write(&path, "a\nb\nc").unwrap();
        assert_eq!(tail(&path, 50).unwrap(), ["a", "b", "c"]);
        assert_eq!(tail(&path, 2).unwrap(), ["b", "c"]);
        let long: String = (0..10_000).map(|n| format!("{n} \u{e9}\n")).collect();
        fs::write(&path, &long).unwrap();
        let lines = tail(&path, 50).unwrap();
        assert_eq!(lines.len(), 50);
        assert_eq!((lines[0].as_str(), lines[49].as_str()), ("9950 é", "9999 é"));
        fs::write(&path, format!("{}\nlast\n", "x".repeat(20_000))).unwrap();
        assert_eq!(tail(&path, 50).unwrap(), ["last"]);
        assert_eq!(tail(&folder.join("none"), 50).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
