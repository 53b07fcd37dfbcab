//! The pid file (config §8).

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The pid file of this process; [`PidFile::remove`] takes it away at a clean end.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes `<pid>\n`, in place of whatever was there.
    ///
    /// # Errors
    ///
    /// What the system says; no reason not to guard.
    pub fn write(path: &Path) -> io::Result<Self> {
        // A new file and not the old one written over: that might be a link to something else.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
        file.write_all(own().as_bytes())?;
        Ok(Self { path: path.to_owned() })
    }

    /// Removes the file if it still holds our pid: another instance may have written its own.
    pub fn remove(self) {
        if fs::read(&self.path).is_ok_and(|text| text == own().as_bytes()) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn own() -> String {
    format!("{}\n", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::Folder;

    #[test]
    fn it_holds_the_pid_and_goes_with_it() {
        let folder = Folder::new("pid");
        let path = folder.join("pid");
        fs::write(&path, "1234567890 stale").unwrap();
        let file = PidFile::write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        file.remove();
        assert!(!path.exists());
    }

    #[test]
    fn the_pid_file_of_another_instance_stays() {
        let folder = Folder::new("pid-other");
        let path = folder.join("pid");
        let file = PidFile::write(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        file.remove();
        assert!(path.exists());
    }
}
