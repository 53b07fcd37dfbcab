//! The events file (config §8).

use std::fs::{self, File, Metadata};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::replace::{self, Durable, Owner};
use crate::sys::clock::Local;
use crate::sys::fs::ENOSPC;
use crate::sys::{reason, trust};

/// The file is never longer than twice what it may be, or so much longer if that is more, in bytes: room for a long outage.
const ROOM: u64 = 64 * 1024;
/// The most that is copied to make room for a record, in bytes: a hook waits for it.
const COPY_MAX: u64 = 4 * 1024 * 1024;
/// A file that cannot be trimmed may be so much longer than one that can, in bytes.
const UNTRIMMED_MORE: u64 = 1024 * 1024;

/// The events file: records are appended; one that was renamed or removed is made anew.
///
/// Its length is bounded at every moment: [`EventsFile::append`] trims it itself when it is twice as long as it may be, and 64
/// KiB longer. That does not wait for the disk, which may be gone in an outage; [`EventsFile::trim`] does, and comes earlier
/// on mains.
#[derive(Debug)]
pub struct EventsFile {
    path: PathBuf,
    max_bytes: u64,
    open: Option<Open>,
    failing: bool,
    /// It could not be trimmed when it was so long, and whether that was told.
    untrimmed: Option<u64>,
    told_untrimmed: bool,
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
        Self {
            path: path.to_owned(),
            max_bytes,
            open: None,
            failing: false,
            untrimmed: None,
            told_untrimmed: false,
        }
    }

    /// Appends `2026-11-21 04:09:56 +0100  text`. A line about the trouble if there is any, but only the first time until
    /// it is over.
    pub fn append(&mut self, local: &Local, text: &str) -> Option<String> {
        let record = super::event_record(local, text);
        let result = self.write(record.as_bytes());
        let first = !std::mem::replace(&mut self.failing, result.is_err());
        match result {
            Err(error) if first => {
                Some(format!("Could not open events file {}: {}", self.path.display(), reason(&error)))
            }
            _ => None,
        }
    }

    /// Closes the file until the next record.
    pub(super) fn close_opened(&mut self) {
        self.open = None;
    }

    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        let length = self.opened()?.file.metadata().map(|data| plain_length(&data))?;
        self.make_room(length.saturating_add(record.len() as u64))?;
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

    /// Trims the file if it would get too long.
    fn make_room(&mut self, length: u64) -> io::Result<()> {
        let most = self.max_bytes.saturating_add(self.max_bytes.max(ROOM));
        if self.max_bytes == 0 || length <= most {
            return Ok(());
        }
        let is_quick = self.max_bytes <= COPY_MAX;
        if is_quick && self.is_worth_a_try(length) {
            self.untrimmed = self.keep_end(Durable::No).is_err().then_some(length);
        }
        let excess = if is_quick { UNTRIMMED_MORE } else { 0 };
        if (is_quick && self.untrimmed.is_none()) || length <= most.saturating_add(excess) {
            return Ok(());
        }
        let words =
            "it is far longer than EVENTSFILEMAX; until it is trimmed, events are in the system log only";
        Err(io::Error::other(words))
    }

    /// The file that now has the name, open.
    fn opened(&mut self) -> io::Result<&Open> {
        // A look that needs no descriptor: there may be none left, and what is written now has to be read later.
        let there = fs::metadata(&self.path).ok().map(|data| (data.dev(), data.ino()));
        // One that was renamed is closed first: its descriptor may be the only free one.
        let open = match self.open.take().filter(|open| there == Some(open.id)) {
            Some(open) => open,
            None => {
                let file = trust::open_to_append(&self.path, 0o644)?;
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
        let length = plain_length(&trust::metadata(&self.path).ok()?);
        let hopeless = self.told_untrimmed && !self.is_worth_a_try(length);
        if self.max_bytes == 0 || length <= self.max_bytes || hopeless {
            return None;
        }
        match self.keep_end(Durable::Yes) {
            Ok(()) => {
                self.untrimmed = None;
                self.told_untrimmed = false;
                None
            }
            Err(error) => {
                self.untrimmed = Some(length);
                let first = !std::mem::replace(&mut self.told_untrimmed, true);
                let words = || format!("Cannot trim events file {}: {}", self.path.display(), reason(&error));
                first.then(words)
            }
        }
    }

    /// Whether trimming may succeed: it has not failed yet, or the file has grown since.
    fn is_worth_a_try(&self, length: u64) -> bool {
        self.untrimmed.is_none_or(|failed| length > failed.saturating_add(self.max_bytes / 5))
    }

    fn keep_end(&mut self, durable: Durable) -> io::Result<()> {
        let mut file = trust::open_to_read(&self.path)?;
        let length = plain_length(&file.metadata()?);
        let start = start_of_line(&file, length.saturating_sub(self.max_bytes / 5 * 4))?;
        file.seek(SeekFrom::Start(start))?;
        replace::with(&self.path, |new| replace::copy(&mut file, new), durable, Owner::Kept).map(drop)
    }
}

/// The end of an events file, for who asks for events: whole lines, of at most this many bytes.
///
/// # Errors
/// What the system says; a file of another user in a folder that everybody can write to, through which everybody could read
/// whatever this daemon can; no plain file.
pub fn end_of_events(path: &Path, bytes: usize) -> io::Result<Vec<u8>> {
    let file = trust::open_to_read(path)?;
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let start = match data.len().saturating_sub(bytes as u64) {
        0 => 0,
        start => start_of_line(&file, start)?,
    };
    let mut end = vec![0; bytes];
    let mut length = 0;
    while let Some(rest) = end.get_mut(length..).filter(|rest| !rest.is_empty()) {
        let got = file.read_at(rest, start + length as u64)?;
        if got == 0 {
            break;
        }
        length += got;
    }
    end.truncate(length);
    end.shrink_to_fit();
    Ok(end)
}

/// The length of a plain file; 0 of a pipe or a device, which has none.
fn plain_length(data: &Metadata) -> u64 {
    if data.is_file() { data.len() } else { 0 }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::Folder;
    use std::fs;
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

    /// The observed case: tests/captures/events-eventsfile-trim.txt.
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

    /// Lines of a daemon that logs without end, on battery: nobody calls `trim`.
    fn flood(events: &mut EventsFile, path: &Path, lines: usize) -> (u64, Vec<String>) {
        let mut longest = 0;
        let mut troubles = Vec::new();
        for number in 0..lines {
            troubles.extend(
                events.append(
                    &LOCAL,
                    &format!("line {number:06} of a flood, with some words to make it longer"),
                ),
            );
            longest = longest.max(path.metadata().unwrap().len());
        }
        (longest, troubles)
    }

    #[test]
    fn the_file_is_bounded_whatever_is_logged_and_keeps_the_newest_lines() {
        let folder = Folder::new("events-flood");
        for kibibytes in [1, 10, 100] {
            let path = folder.join(&format!("events-{kibibytes}"));
            let max = kibibytes * 1024;
            let mut events = EventsFile::new(&path, max);
            let (longest, troubles) = flood(&mut events, &path, 5000);
            assert_eq!(troubles, [""; 0]);
            assert!(longest > max && longest <= max + max.max(64 * 1024), "{longest}");
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.lines().all(|line| line.starts_with("2026-11-21 ")), "whole lines");
            assert!(text.ends_with("  line 004999 of a flood, with some words to make it longer\n"));
        }
        let path = folder.join("unlimited");
        let (longest, _) = flood(&mut EventsFile::new(&path, 0), &path, 5000);
        assert!(longest > 300_000, "0 is no limit");
    }

    #[test]
    fn a_file_that_cannot_be_trimmed_is_bounded_too_and_says_so_once() {
        let folder = Folder::new("events-untrimmed");
        let path = folder.join("events");
        let mut events = EventsFile::new(&path, 1024);
        events.append(&LOCAL, "one");
        // Trimming opens the file anew, which what is another user's in a shared folder refuses; appending goes on.
        fs::hard_link(&path, folder.join("second")).unwrap();
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o1777)).unwrap();
        let (longest, troubles) = flood(&mut events, &path, 15_000);
        assert!(longest > 1024 * 1024 && longest <= (1 + 64 + 1024) * 1024, "{longest}");
        let words =
            "it is far longer than EVENTSFILEMAX; until it is trimmed, events are in the system log only";
        assert_eq!(troubles, [format!("Could not open events file {}: {words}", path.display())]);
        assert!(events.trim().unwrap().starts_with("Cannot trim events file "));
        assert_eq!(events.trim(), None);
        fs::remove_file(folder.join("second")).unwrap();
        // It can be trimmed again: everything as before.
        fs::write(&path, "short\n").unwrap();
        assert_eq!(flood(&mut events, &path, 2000).1, [""; 0]);
    }

    #[test]
    fn a_very_long_file_is_not_copied_while_the_loop_waits() {
        let folder = Folder::new("events-long");
        let path = folder.join("events");
        let max = 8 * 1024 * 1024;
        File::create(&path).unwrap().set_len(2 * max - 10).unwrap();
        let mut events = EventsFile::new(&path, max);
        assert!(events.append(&LOCAL, "does not fit").unwrap().contains("in the system log only"));
        assert_eq!(path.metadata().unwrap().len(), 2 * max - 10);
        assert_eq!(events.trim(), None);
        assert_eq!(events.append(&LOCAL, "fits"), None);
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
    }
}
