//! The pid file (config §8).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::lock::{is_ups_program, parse_lock};
use crate::sys::fs::{O_NOFOLLOW, O_NONBLOCK};
use crate::sys::named_lock::still_named;
use crate::sys::{process, trust};

/// Why there is no pid file of ours.
#[derive(Debug)]
pub enum PidError {
    /// It is the pid file of this process, which runs and guards as we do.
    Other(i32),
    /// It cannot be written.
    Io(io::Error),
}

/// The pid file of this process. Dropped, it is removed, if it is still ours.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
    /// What it holds; a child of ours that removes it has another id.
    text: String,
}

impl PidFile {
    /// Writes `<pid>\n`, in place of what an instance before us left.
    ///
    /// # Errors
    ///
    /// [`PidError`]; no reason not to guard.
    pub fn write(path: &Path) -> Result<Self, PidError> {
        if let Some(pid) = running(path) {
            return Err(PidError::Other(pid));
        }
        Self::create(path).map_err(PidError::Io)
    }

    fn create(path: &Path) -> io::Result<Self> {
        // A new file and not the old one written over: that might be a link to something else.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
        let text = own();
        file.write_all(text.as_bytes())?;
        Ok(Self { path: path.to_owned(), file, text })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let ours = still_named(&self.file, &self.path)
            && read(&self.path).is_ok_and(|text| text == self.text.as_bytes());
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The other UPS program that runs and whose pid file this is. A file that another user could have written names nobody.
fn running(path: &Path) -> Option<i32> {
    let data = fs::symlink_metadata(path).ok().filter(|data| data.is_file() && trust::trusted(data.uid()))?;
    if data.mode() & 0o022 != 0 {
        return None;
    }
    let pid = parse_lock(&read(path).ok()?)?;
    // Process ids are used again; our parent waits for us to be ready, and guards nothing.
    let us = [std::process::id(), std::os::unix::process::parent_id()];
    let other = !us.iter().any(|us| i32::try_from(*us) == Ok(pid));
    (other && process::runs(pid) && is_ups_program(pid)).then_some(pid)
}

/// The beginning of a plain file.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path)?;
    let mut bytes = Vec::new();
    file.take(64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn own() -> String {
    format!("{}\n", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::lock::tests::{Sleeper, named, sleep_program};
    use crate::journal::tests::Folder;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Stdio;

    #[test]
    fn it_holds_the_pid_and_goes_with_it() {
        let folder = Folder::new("pid");
        let path = folder.join("pid");
        fs::write(&path, "1234567890 stale").unwrap();
        let file = PidFile::write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn the_pid_file_of_another_instance_stays() {
        let folder = Folder::new("pid-other");
        let path = folder.join("pid");
        let file = PidFile::write(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(file);
        assert!(path.exists());
        let file = PidFile::write(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, own()).unwrap();
        drop(file);
        assert!(path.exists(), "a file of another, with our number by chance");
    }

    #[test]
    fn a_ups_program_that_runs_keeps_its_pid_file() {
        let folder = Folder::new("pid-runs");
        let path = folder.join("pid");
        let other = Sleeper::start(&named(&folder, "mainsd"), Stdio::null());
        let content = format!("{}\n", other.pid());
        fs::write(&path, &content).unwrap();
        assert!(
            matches!(PidFile::write(&path), Err(PidError::Other(pid)) if u32::try_from(pid) == Ok(other.pid()))
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        // Who else could have written it has named it for a reason of theirs.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        drop(PidFile::write(&path).unwrap());
        fs::write(&path, &content).unwrap();
        drop(other);
        drop(PidFile::write(&path).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn whatever_else_has_the_name_is_replaced_or_told_and_nothing_waits() {
        let folder = Folder::new("pid-odd");
        let path = folder.join("pid");
        let other = Sleeper::start(&sleep_program(), Stdio::null());
        let link = |target: &Path| std::os::unix::fs::symlink(target, &path).unwrap();
        let kept = folder.join("kept");
        fs::write(&kept, format!("{}\n", other.pid())).unwrap();
        let odd: [(&str, &dyn Fn()); 5] = [
            ("a pid that another program has now", &|| {
                fs::write(&path, format!("{}\n", other.pid())).unwrap()
            }),
            ("a link", &|| link(&kept)),
            ("a dangling link", &|| link(Path::new("/nonexistent/x"))),
            ("a fifo", &|| {
                assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success())
            }),
            ("an empty file", &|| fs::write(&path, "").unwrap()),
        ];
        for (what, make) in odd {
            make();
            let file = PidFile::write(&path).unwrap_or_else(|error| panic!("{what}: {error:?}"));
            assert_eq!(fs::read_to_string(&path).unwrap(), own(), "{what}");
            assert!(fs::symlink_metadata(&path).unwrap().is_file(), "{what}");
            drop(file);
        }
        assert_eq!(fs::read_to_string(&kept).unwrap(), format!("{}\n", other.pid()));
        fs::create_dir(&path).unwrap();
        assert!(matches!(PidFile::write(&path), Err(PidError::Io(_))));
        assert!(path.is_dir());
    }
}
