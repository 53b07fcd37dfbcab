//! A lock that has a name: a file that one process may hold at a time, and that says who holds it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::fs::{EBUSY, O_NOFOLLOW, O_NONBLOCK, flock, flock_release};
use super::process;

/// Longest text about the holder that is read, in bytes.
const NOTE_BYTES: u64 = 4096;
/// How often the file may vanish while it is opened.
const ATTEMPTS: usize = 5;

/// Why a lock cannot be had.
#[derive(Debug)]
pub enum Refused {
    /// Somebody has it.
    Held(Holder),
    /// The file cannot be made, opened or locked.
    Io(io::Error),
}

/// Who holds a lock, as the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Process id; `None`: the holder has not written it yet.
    pub pid: Option<i32>,
    /// What the holder says about itself.
    pub note: String,
}

impl Holder {
    /// Whether that process runs. If it does not, a child that it left behind still has the file open.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.pid.is_some_and(process::runs)
    }
}

/// A lock that we hold. Dropped, it is given back and its file removed.
///
/// The file must be in a folder that only this user can write to, and readable to nobody else: whoever can open it can lock it.
#[derive(Debug)]
pub struct NamedLock {
    path: PathBuf,
    file: File,
}

impl NamedLock {
    /// Takes the lock. `note` is for others who want it: one line.
    ///
    /// # Errors
    ///
    /// [`Refused`].
    pub fn take(path: &Path, note: &str) -> Result<Self, Refused> {
        Self::take_for(i32::try_from(std::process::id()).unwrap_or(0), path, note)
    }

    /// Takes the lock for another process, which is named in the file.
    ///
    /// # Errors
    ///
    /// [`Refused`].
    pub fn take_for(owner: i32, path: &Path, note: &str) -> Result<Self, Refused> {
        for _ in 0..ATTEMPTS {
            // Who is given the lock can write nothing into it.
            let flags =
                OFlags::RDONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let opened = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
            let mut file = File::from(opened.map_err(|error| Refused::Io(error.into()))?);
            match flock(&file) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Refused::Held(read_holder(&mut file)));
                }
                Err(error) => return Err(Refused::Io(error)),
            }
            // Whoever held it before us may have removed the file after we opened it.
            if !still_named(&file, path) {
                continue;
            }
            // Without a note the lock is as good.
            let _ = write_note(path, owner, note);
            return Ok(Self { path: path.to_owned(), file });
        }
        Err(Refused::Io(io::Error::from_raw_os_error(EBUSY)))
    }
}

impl PassedLock for Option<NamedLock> {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.as_ref().map(|lock| lock.file.as_fd())
    }
}

impl Drop for NamedLock {
    fn drop(&mut self) {
        if still_named(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
        flock_release(&self.file);
    }
}

/// A lock that another process can have too: it stays taken until both have closed its descriptor, or one gives it back.
pub trait PassedLock {
    /// What to pass; `None`: there is nothing that the other one needs.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;

    /// Leaves it to the other process: it is not given back when this one ends.
    fn leave(self)
    where
        Self: Sized,
    {
        std::mem::forget(self);
    }
}

/// Whether an open file is the one that has this name now.
#[must_use]
pub fn still_named(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

fn write_note(path: &Path, owner: i32, note: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path)?;
    let line = format!("{owner} {note}\n");
    file.write_all(line.as_bytes())?;
    file.set_len(line.len() as u64)
}

fn read_holder(file: &mut File) -> Holder {
    let mut bytes = Vec::new();
    // What cannot be read is not known.
    let _ = file.take(NOTE_BYTES).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    // Half a line is still being written.
    let line = text.split_once('\n').map_or("", |(line, _)| line);
    let (pid, note) = line.split_once(' ').unwrap_or((line, ""));
    Holder { pid: pid.parse().ok().filter(|pid| *pid > 0), note: note.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn path(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("mainsd-lock-{name}-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        path
    }

    fn refused(path: &Path) -> Holder {
        match NamedLock::take(path, "second") {
            Err(Refused::Held(holder)) => holder,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_holds_it_and_the_other_learns_who() {
        let path = path("held");
        let lock = NamedLock::take(&path, "/etc/left.conf").unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(refused(&path), Holder { pid: Some(own), note: "/etc/left.conf".to_owned() });
        assert!(refused(&path).runs());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        drop(lock);
        assert!(!path.exists());
        drop(NamedLock::take(&path, "").unwrap());
    }

    #[test]
    fn a_lock_whose_file_was_replaced_removes_nothing() {
        let path = path("replaced");
        let lock = NamedLock::take(&path, "").unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another's").unwrap();
        drop(lock);
        assert_eq!(fs::read_to_string(&path).unwrap(), "another's");
        // What a holder that was killed left behind is no lock.
        drop(NamedLock::take(&path, "").unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_file_is_an_error_and_nothing_waits() {
        let path = path("fifo");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        drop(NamedLock::take(&path, ""));
        let _ = fs::remove_file(&path);
        assert!(matches!(NamedLock::take(&std::env::temp_dir(), ""), Err(Refused::Io(_))));
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(matches!(NamedLock::take(&path, ""), Err(Refused::Io(_))));
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_child_that_outlives_its_parents_lock_does_not_keep_it() {
        let path = path("child");
        let lock = NamedLock::take(&path, "").unwrap();
        // The child's standard input is the lock's own open file.
        let inherited = Stdio::from(lock.file.try_clone().unwrap());
        let mut child = Command::new("sleep").arg("1000").stdin(inherited).spawn().unwrap();
        fs::hard_link(&path, path.with_extension("kept")).unwrap();
        drop(lock);
        fs::rename(path.with_extension("kept"), &path).unwrap();
        let again = NamedLock::take(&path, "");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(again.is_ok(), "{again:?}");
    }

    #[test]
    fn a_holder_that_has_not_said_who_it_is_is_unknown() {
        let path = path("silent");
        for (content, pid) in [("", None), ("12", None), ("0 \n", None), ("x y\n", None), ("17\n", Some(17))]
        {
            fs::write(&path, content).unwrap();
            let file = File::open(&path).unwrap();
            flock(&file).unwrap();
            assert_eq!(refused(&path).pid, pid, "{content:?}");
            // A child that another test has just forked has it too.
            flock_release(&file);
        }
        fs::remove_file(&path).unwrap();
    }
}
