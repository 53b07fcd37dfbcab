//! The lock file of a port (config §5), known to apcupsd and to other programs that use serial ports.
//!
//! It tells others that the port is in use, and says who uses it. It is not what keeps two programs apart: that is the lock of
//! the open port itself. So whatever is wrong with it, a stale one of another user, a link, a folder, is worked around or told,
//! and the UPS is watched all the same.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::sys::fs::{EBUSY, EISDIR, O_NOFOLLOW, O_NONBLOCK, lock_holder, try_lock};
use crate::sys::named_lock::still_named;
use crate::sys::{process, reason, trust};

/// What apcupsd says after any trouble with the lock; users search for it.
pub const LOCK_FATAL: &str = "Unable to create UPS lock file.\n  If apcupsd or apctest is already running,\n  \
                              please stop it and run this program again.";

/// Programs that hold such a lock for as long as they run.
const UPS_PROGRAMS: [&str; 3] = ["apcupsd", "mainsd", "apctest"];

/// Begins the names of the processes that write for a daemon, and hold nothing ([`super::Sink::process_name`]).
const WRITER: &str = "mainsd: ";

/// The lock file of a device: `<dir>/LCK..<text after the last slash of DEVICE>` (config §3).
#[must_use]
pub fn lock_path(dir: &Path, device: &str) -> PathBuf {
    let name = device.rsplit('/').next().unwrap_or(device);
    dir.join(format!("LCK..{name}"))
}

/// Why the lock cannot be had; the words are apcupsd's.
#[derive(Debug)]
pub enum LockError {
    /// The file cannot be made, opened or written. No reason not to use the port.
    Io(PathBuf, io::Error),
    /// This process runs and holds it.
    Held(i32),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => {
                write!(f, "Cannot create {} serial port lock file: ERR={}", path.display(), reason(error))
            }
            Self::Held(pid) => {
                write!(f, "Valid lock file for pid={pid}, but not ours pid={}", std::process::id())
            }
        }
    }
}

impl LockError {
    /// For the log, where the port is used all the same.
    #[must_use]
    pub fn and_goes_on(&self) -> String {
        format!("{self}; the port is used without it")
    }
}

/// A lock that we hold. Dropped, it is given back and the file removed, if it is still ours.
///
/// The pid in the file is for others. Between instances of this program the file's record lock counts, which the kernel
/// takes back however the holder ends.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    file: File,
    /// The process that the file names.
    owner: u32,
}

impl LockFile {
    /// Takes the lock. What has the name already is removed, unless a live process holds it: one that the file names, or that
    /// has it locked, and that is a UPS program or has `device` open, for process ids are used again (power-events §10
    /// item 16).
    ///
    /// # Errors
    ///
    /// [`LockError`].
    pub fn acquire(path: &Path, device: &str) -> Result<Self, LockError> {
        Self::acquire_for(std::process::id(), path, device)
    }

    /// Has a child of this process take it, which ends: the file names this process, and the record lock is nobody's.
    /// [`LockFile::give_back`] removes it.
    ///
    /// # Errors
    ///
    /// As [`LockFile::acquire`].
    pub fn leave_for(owner: u32, path: &Path, device: &str) -> Result<(), LockError> {
        // Dropped, it would be removed.
        Self::acquire_for(owner, path, device).map(std::mem::forget)
    }

    /// Removes the file of this name if it is what [`LockFile::leave_for`] left for this process.
    pub fn give_back(owner: u32, path: &Path) {
        if let Ok(file) = open(path) {
            drop(Self { path: path.to_owned(), file, owner });
        }
    }

    fn acquire_for(owner: u32, path: &Path, device: &str) -> Result<Self, LockError> {
        let trouble = |error| LockError::Io(path.to_owned(), error);
        for _ in 0..ATTEMPTS {
            let found = match fs::symlink_metadata(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => match Self::create(owner, path) {
                    Ok(Some(lock)) => return Ok(lock),
                    Ok(None) => continue,
                    Err(error) => return Err(trouble(error)),
                },
                found => found.map_err(trouble)?,
            };
            if found.is_dir() {
                return Err(trouble(io::Error::from_raw_os_error(EISDIR)));
            }
            let mut file = None;
            if found.is_file() {
                // Without O_CREAT: the kernel refuses that for a file of another user in a sticky folder, to root too.
                match open(path) {
                    Ok(mut open) => {
                        if let Some(pid) = holder(&mut open, device) {
                            return Err(LockError::Held(pid));
                        }
                        file = Some(open);
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(trouble(error)),
                }
            }
            // Somebody may have replaced it since.
            if file.is_none_or(|file| still_named(&file, path)) {
                match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(trouble(error)),
                    _ => {}
                }
            }
        }
        Err(trouble(io::Error::from_raw_os_error(EBUSY)))
    }

    /// Makes the file. `None`: somebody else was quicker.
    fn create(owner: u32, path: &Path) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        let created = options.read(true).write(true).create_new(true).mode(0o644).open(path);
        let mut file = match created {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            created => created?,
        };
        match try_lock(&file) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            // A file system without locks: the pid in the file has to do.
            _ => {}
        }
        if !still_named(&file, path) {
            return Ok(None);
        }
        if let Err(error) = write_pid(owner, &mut file) {
            let _ = fs::remove_file(path);
            return Err(error);
        }
        Ok(Some(Self { path: path.to_owned(), file, owner }))
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        let owner = i32::try_from(self.owner).ok();
        if still_named(&self.file, &self.path) && read_pid(&mut self.file) == owner {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// How often the file may vanish or appear while it is looked at.
const ATTEMPTS: usize = 10;

fn open(path: &Path) -> io::Result<File> {
    let flags = O_NOFOLLOW | O_NONBLOCK;
    let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
    match opened {
        // For its record lock it would have to be writable; the pid can be read all the same.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            OpenOptions::new().read(true).custom_flags(flags).open(path)
        }
        opened => opened,
    }
}

/// The live process that holds an open lock file. Its record lock is taken if it can be.
fn holder(file: &mut File, device: &str) -> Option<i32> {
    let locked = try_lock(file).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
    let locker = if locked { lock_holder(file) } else { None };
    // Everybody can lock a file that they can read, or have written their own.
    let ours = file.metadata().is_ok_and(|data| trust::trusted(data.uid()) && data.mode() & 0o022 == 0);
    if let Some((pid, true)) = locker {
        if ours {
            return Some(pid);
        }
    }
    let named = read_pid(file);
    [locker.map(|(pid, _)| pid), named].into_iter().flatten().find(|pid| is_held(*pid, device))
}

fn read_pid(file: &mut File) -> Option<i32> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(64).read_to_end(&mut bytes).ok()?;
    parse_lock(&bytes)
}

/// The pid in a lock file: digits, perhaps after blanks, up to NULs, blanks or newlines. `None`: empty or broken. Never
/// panics.
#[must_use]
pub fn parse_lock(bytes: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(bytes).ok()?;
    let digits = text.trim_end_matches('\0').trim();
    digits.parse().ok().filter(|pid| *pid > 0)
}

fn is_held(pid: i32, device: &str) -> bool {
    let us = [i32::try_from(std::process::id()).unwrap_or(0), parent()];
    if us.contains(&pid) || !process::runs(pid) {
        return false;
    }
    let has_device = device.starts_with('/') && process::has_open(pid, Path::new(device)) == Some(true);
    has_device || is_ups_program(pid)
}

/// Whether this process is one that keeps such a lock for as long as it runs, and watches a UPS itself. Only root's and our
/// own are: anybody can call a program so.
#[must_use]
pub fn is_ups_program(pid: i32) -> bool {
    if !process::user(pid).is_some_and(trust::trusted) {
        return false;
    }
    let names = [process::program(pid), process::command(pid)];
    if names.iter().flatten().any(|name| name.starts_with(WRITER)) {
        return false;
    }
    names.iter().flatten().any(|name| UPS_PROGRAMS.contains(&name.as_str()))
}

/// The process that waits for us to be ready in the background: of the same name, but no holder.
fn parent() -> i32 {
    i32::try_from(std::os::unix::process::parent_id()).unwrap_or(0)
}

/// Ten digits and a NUL (config §5).
fn write_pid(owner: u32, file: &mut File) -> io::Result<()> {
    let content = format!("{owner:010}\0");
    file.seek(SeekFrom::Start(0))?;
    file.write_all(content.as_bytes())?;
    file.set_len(content.len() as u64)
}

#[cfg(test)]
pub(super) mod tests;
