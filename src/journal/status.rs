//! The status file (STATTIME, STATFILE; config §3).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::replace::{self, Durable, Owner};
use crate::sys::reason;

/// The status file: the text of a NIS `status` answer, complete at every moment.
#[derive(Debug)]
pub struct StatusFile {
    path: PathBuf,
    failing: bool,
}

impl StatusFile {
    /// Nothing is written before [`StatusFile::write`].
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), failing: false }
    }

    /// Puts this text in place of the last one. A line about the trouble if there is any, but only the first time until it is
    /// over.
    pub fn write(&mut self, text: &str) -> Option<String> {
        let write = |file: &mut File| file.write_all(text.as_bytes());
        let result = replace::with(&self.path, write, Durable::No, Owner::Kept);
        let first = !std::mem::replace(&mut self.failing, result.is_err());
        match result {
            Err(error) if first => {
                Some(format!("Cannot write status file {}: {}", self.path.display(), reason(&error)))
            }
            _ => None,
        }
    }

    /// Removes the file: with STATTIME 0 none may be left from an earlier configuration (config §3). Anything but a plain
    /// file stays.
    ///
    /// # Errors
    ///
    /// What the system says, except that there is none.
    pub fn remove(path: &Path) -> io::Result<()> {
        match fs::symlink_metadata(path) {
            Ok(data) if data.is_file() => fs::remove_file(path),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::Folder;

    #[test]
    fn a_shorter_status_leaves_no_tail_of_the_longer_one() {
        let folder = Folder::new("status");
        let path = folder.join("status");
        let mut status = StatusFile::new(&path);
        assert_eq!(status.write("APC      : 001,050,1123\nSTATUS   : SHUTTING DOWN\n"), None);
        assert_eq!(status.write("APC      : 001,002,0040\n"), None);
        assert_eq!(fs::read_to_string(&path).unwrap(), "APC      : 001,002,0040\n");
        StatusFile::remove(&path).unwrap();
        assert!(!path.exists());
        StatusFile::remove(&path).unwrap();
    }

    #[test]
    fn a_full_disk_costs_one_line() {
        let mut status = StatusFile::new(Path::new("/dev/full"));
        assert!(status.write("text").is_some());
        assert_eq!(status.write("text"), None);
        StatusFile::remove(Path::new("/dev/full")).unwrap();
        assert!(Path::new("/dev/full").exists());
    }
}
