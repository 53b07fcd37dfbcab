//! A lock for each device, so that two configurations never hold one UPS.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sys::job::Starter;
use crate::sys::named_lock::{NamedLock, Refused};
use crate::sys::process;

/// How often, and how far apart, a lock is looked at that a process of the same daemon has.
const LOOKS: u32 = 200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Where the locks of devices are, what this process writes into them, and who opens devices.
#[derive(Clone, Debug, Default)]
pub struct DeviceLocks {
    folder: Option<PathBuf>,
    note: String,
    /// The process that locks are held for; `None`: this one.
    owner: Option<i32>,
    starter: Starter,
}

impl DeviceLocks {
    /// Locks in this folder. `None`: there are none, and only what the kernel refuses keeps two programs apart. `config`:
    /// the configuration of this process, for others to read.
    #[must_use]
    pub fn new(folder: Option<PathBuf>, config: &Path) -> Self {
        // A path of an administrator may have anything in it, a note is a line.
        let note = config.to_string_lossy().replace(char::is_control, "?");
        Self { folder, note, owner: None, starter: Starter::default() }
    }

    /// Devices are opened, and their locks taken, by another process.
    #[must_use]
    pub fn with_starter(mut self, starter: Starter) -> Self {
        self.starter = starter;
        self
    }

    /// Locks are taken for this process, by children of it.
    #[must_use]
    pub const fn for_process(mut self, owner: i32) -> Self {
        self.owner = Some(owner);
        self
    }

    /// The process that locks are held for.
    #[must_use]
    pub const fn owner(&self) -> Option<i32> {
        self.owner
    }

    /// Who opens devices.
    #[must_use]
    pub const fn starter(&self) -> &Starter {
        &self.starter
    }

    /// As [`DeviceLocks::take`], for all processes of a daemon together, whose first is `daemon`: what one of them has is no
    /// other one's to take. Waits for nobody.
    ///
    /// # Errors
    ///
    /// Which other daemon holds it, in words.
    #[cfg(feature = "card")]
    pub fn take_for_daemon(&self, daemon: i32, device: &str) -> Result<Option<NamedLock>, String> {
        let Some(folder) = &self.folder else { return Ok(None) };
        match NamedLock::take_for(daemon, &folder.join(device), &self.note) {
            Err(Refused::Held(holder)) if holder.pid == Some(daemon) => Ok(None),
            taken => in_words(taken, device),
        }
    }

    /// Takes the lock of the device of this name, which says the same of one device whatever it is called in a configuration:
    /// `usb-1-1.2`, `tty-4-64`. `Ok(None)`: there are no locks, or this one cannot be made.
    ///
    /// # Errors
    ///
    /// Who holds it, in words.
    pub fn take(&self, device: &str) -> Result<Option<NamedLock>, String> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let path = folder.join(device);
        let taken = match self.owner {
            Some(owner) => take_when_left(owner, &path, &self.note),
            None => NamedLock::take(&path, &self.note),
        };
        in_words(taken, device)
    }
}

/// What has come of a try for the lock of this device, with who holds it in words.
fn in_words(taken: Result<NamedLock, Refused>, device: &str) -> Result<Option<NamedLock>, String> {
    match taken {
        Ok(lock) => Ok(Some(lock)),
        Err(Refused::Held(holder)) => match holder.pid {
            Some(pid) if process::runs(pid) => {
                Err(format!("{}, configuration {}", process::describe(pid), holder.note))
            }
            // Written in a moment.
            None => Err("another mainsd".to_owned()),
            // A child of a daemon that is gone: it holds the lock's file and nothing else.
            Some(_) => Ok(None),
        },
        Err(Refused::Io(error)) => {
            log::debug!("no lock for {device}: {error}");
            Ok(None)
        }
    }
}

/// Takes a lock for a process. A child of the same, for a device that was just closed, keeps it a moment longer; this is another
/// child, which can wait.
#[allow(clippy::disallowed_methods, reason = "a child of its own, which has nothing else to do")]
fn take_when_left(owner: i32, path: &Path, note: &str) -> Result<NamedLock, Refused> {
    for _ in 0..LOOKS {
        match NamedLock::take_for(owner, path, note) {
            Err(Refused::Held(holder)) if holder.pid == Some(owner) => std::thread::sleep(BETWEEN_LOOKS),
            other => return other,
        }
    }
    NamedLock::take_for(owner, path, note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_one_configurations_at_a_time_and_the_other_learns_whose() {
        let folder = std::env::temp_dir().join(format!("mainsd-devices-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let left = DeviceLocks::new(Some(folder.clone()), Path::new("/etc/le\nft.conf"));
        let right = DeviceLocks::new(Some(folder.clone()), Path::new("/etc/right.conf"));
        let held = left.take("usb-1-1.2").unwrap();
        assert!(held.is_some());
        let words = right.take("usb-1-1.2").unwrap_err();
        let expected = format!("(process {}), configuration /etc/le?ft.conf", std::process::id());
        assert!(words.ends_with(&expected), "{words}");
        assert!(right.take("usb-1-1.3").unwrap().is_some());
        drop(held);
        assert!(right.take("usb-1-1.2").unwrap().is_some());
        // Without a folder that can be used nothing is locked, and nothing is refused.
        for folder in [None, Some("/nonexistent".into())] {
            let none = DeviceLocks::new(folder, Path::new("/etc/left.conf"));
            assert!(none.take("usb-1-1.2").unwrap().is_none());
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
