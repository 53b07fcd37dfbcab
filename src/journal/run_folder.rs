//! The folder for what lives as long as the machine runs: states, and locks that keep two daemons apart.
//!
//! ```text
//! /run/mainsd/        0755   root's
//!     control         0660   the control socket; of a further configuration: control-NAME
//!     state/          0700   a file for each configuration without STATEFILE
//!     lock/           0700   conf-… one for each configuration that runs, usb-… and tty-… for each UPS that is held
//! /run/mainsd.state          the first version's one state, taken over once
//! ```

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sys::named_lock::{Holder, NamedLock, Refused};
use crate::sys::{access, reason};

/// Longest name of a configuration in the folder, in bytes: file systems take 255, and locks have something before it.
const NAME_MAX: usize = 200;
/// Of a longer one, so many bytes of its end are in the name, before a number that stands for the whole.
const NAME_END: usize = 190;
/// How often, and how far apart, a lock is looked at that somebody has: a daemon that has been told to end takes a moment, and
/// so does one that writes who it is.
pub(super) const LOOKS: u32 = 50;
pub(super) const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// The folder, made and found to be ours alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder at `path`, and those in it, where they are missing.
    ///
    /// # Errors
    ///
    /// Why it is of no use, in words: it cannot be made, belongs to another user, others can write to it.
    pub fn prepare(path: &Path) -> Result<Self, String> {
        make(path, 0o755)?;
        let folder = Self { path: path.to_owned() };
        make(&folder.states(), 0o700)?;
        make(&folder.locks(), 0o700)?;
        Ok(folder)
    }

    /// Where the locks of devices are.
    #[must_use]
    pub fn locks(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// The folder of states, for [`state_in`].
    #[must_use]
    pub fn states(&self) -> PathBuf {
        self.path.join("state")
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder with nothing in it, for a process that is to see no other; only root can have one enter it.
    #[must_use]
    pub fn empty(&self) -> Option<PathBuf> {
        let path = self.path.join("empty");
        (access::is_root() && make(&path, 0o555).is_ok()).then_some(path)
    }

    /// The one state file that the first version had for all configurations.
    #[must_use]
    pub fn old_state(&self) -> PathBuf {
        self.path.with_extension("state")
    }

    /// Takes the lock of a configuration, which is named by its canonical path. `Ok(None)`: it cannot be had, and nobody who
    /// runs has it.
    ///
    /// # Errors
    ///
    /// The process that runs with this configuration.
    #[allow(clippy::disallowed_methods, reason = "before the loop begins, and for a second at most")]
    pub fn lock_config(&self, config: &Path) -> Result<Option<NamedLock>, i32> {
        let path = self.locks().join(format!("conf-{}", name_of(config)));
        let note = config.to_string_lossy().replace(char::is_control, "?");
        let mut running = None;
        for _ in 0..LOOKS {
            match NamedLock::take(&path, &note) {
                Ok(lock) => return Ok(Some(lock)),
                Err(Refused::Io(error)) => {
                    log::debug!("{}: {error}", path.display());
                    return Ok(None);
                }
                // A child of a daemon that is gone has the file still open.
                Err(Refused::Held(holder @ Holder { pid: Some(_), .. })) if !holder.runs() => {
                    return Ok(None);
                }
                Err(Refused::Held(holder)) => {
                    running = holder.pid;
                    std::thread::sleep(BETWEEN_LOOKS);
                }
            }
        }
        running.map_or(Ok(None), Err)
    }
}

/// The state file of a configuration in this folder. It is named by the configuration's canonical path.
#[must_use]
pub fn state_in(folder: &Path, config: &Path) -> PathBuf {
    folder.join(name_of(config))
}

/// Makes a folder of ours with these permissions.
fn make(path: &Path, mode: u32) -> Result<(), String> {
    let trouble = |what: String| format!("{}: {what}", path.display());
    let made = DirBuilder::new().mode(mode).create(path);
    if let Err(error) = &made {
        if error.kind() != io::ErrorKind::AlreadyExists {
            return Err(trouble(reason(error)));
        }
    }
    let data = fs::symlink_metadata(path).map_err(|error| trouble(reason(&error)))?;
    if !data.is_dir() {
        return Err(trouble("it is no folder".to_owned()));
    }
    if data.uid() != access::user() {
        return Err(trouble(format!("it belongs to another user (uid {})", data.uid())));
    }
    if data.mode() & 0o022 != 0 {
        return Err(trouble("others can write to it".to_owned()));
    }
    // The umask may have taken rights away. A folder that was there may show less than ours, but not more.
    if (made.is_ok() && data.mode() & 0o777 != mode) || data.mode() & 0o777 & !mode != 0 {
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| trouble(reason(&error)))?;
    }
    Ok(())
}

/// A file name that stands for one path and no other: `/etc/apcupsd/apcupsd.conf` is `etc-apcupsd-apcupsd.conf`. What is not
/// a letter, digit, dot or underscore is `%XX`, and a long path is its end with a number that stands for the whole.
#[must_use]
pub fn name_of(config: &Path) -> String {
    let bytes = config.as_os_str().as_bytes();
    let mut name = String::new();
    for byte in bytes.strip_prefix(b"/").unwrap_or(bytes) {
        match byte {
            b'/' => name.push('-'),
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') => {
                name.push(char::from(*byte))
            }
            byte => {
                let _ = write!(name, "%{byte:02X}");
            }
        }
    }
    if name.len() <= NAME_MAX {
        return name;
    }
    let end = name.get(name.len() - NAME_END..).unwrap_or(&name);
    format!("{end}-{:016x}", fnv(bytes))
}

/// FNV-1a, 64 bits: the same on every machine.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::Folder;
    use crate::sys::fs::{flock, flock_release};

    #[test]
    fn each_configuration_has_a_name_of_its_own() {
        let name = |path: &str| name_of(Path::new(path));
        assert_eq!(name("/etc/apcupsd/apcupsd.conf"), "etc-apcupsd-apcupsd.conf");
        let long = format!("/etc/{}", "x/".repeat(500));
        let paths = [
            "/etc/a/b",
            "/etc/a-b",
            "/etc/a%2Db",
            "/etc/a b",
            "/etc/a\nb",
            "/etc/\u{e9}",
            "etc/a/b/",
            "/etc",
            "/",
        ];
        let others = [format!("{long}a"), format!("{long}b"), format!("/other{long}a")];
        let all: Vec<String> =
            paths.map(name).into_iter().chain(others.iter().map(|path| name(path))).collect();
        let mut different = all.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), all.len(), "{all:?}");
        for name in &all {
            assert!(
                name.len() + "conf-".len() <= 255 && !name.contains('/') && !name.contains('\n'),
                "{name}"
            );
        }
    }

    #[test]
    fn the_folders_are_made_ours_alone() {
        let parent = Folder::new("run");
        let path = parent.join("mainsd");
        let folder = RunFolder::prepare(&path).unwrap();
        for (folder, mode) in [(path.clone(), 0o755), (folder.states(), 0o700), (folder.locks(), 0o700)] {
            assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7777, mode, "{}", folder.display());
        }
        // A second time, and after whatever has happened to them.
        fs::set_permissions(folder.states(), Permissions::from_mode(0o755)).unwrap();
        assert_eq!(RunFolder::prepare(&path), Ok(folder.clone()));
        assert_eq!(fs::metadata(folder.states()).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(state_in(&folder.states(), Path::new("/etc/x.conf")), path.join("state/etc-x.conf"));
        assert_eq!(folder.old_state(), parent.join("mainsd.state"));
    }

    #[test]
    fn a_folder_that_others_could_have_prepared_is_not_used() {
        let parent = Folder::new("run-others");
        let path = parent.join("mainsd");
        let refusal = || RunFolder::prepare(&path).unwrap_err();
        assert!(
            RunFolder::prepare(&parent.join("a/b")).unwrap_err().ends_with("a/b: No such file or directory")
        );
        fs::write(&path, "").unwrap();
        assert!(refusal().ends_with("mainsd: it is no folder"));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/tmp", &path).unwrap();
        assert!(refusal().ends_with("mainsd: it is no folder"));
        fs::remove_file(&path).unwrap();
        for mode in [0o777, 0o775, 0o1777] {
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(refusal().ends_with("mainsd: others can write to it"), "{mode:o}");
            fs::remove_dir(&path).unwrap();
        }
        assert!(RunFolder::prepare(Path::new("/proc")).is_err());
    }

    #[test]
    fn a_configuration_is_run_once_and_the_second_learns_by_whom() {
        let parent = Folder::new("run-once");
        let folder = RunFolder::prepare(&parent.join("mainsd")).unwrap();
        let (left, right) = (Path::new("/etc/left.conf"), Path::new("/etc/right.conf"));
        let lock = folder.lock_config(left).unwrap();
        assert_eq!(folder.lock_config(left).unwrap_err(), i32::try_from(std::process::id()).unwrap());
        assert!(folder.lock_config(right).unwrap().is_some());
        drop(lock);
        assert!(folder.lock_config(left).unwrap().is_some());
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a daemon that ends while another starts")]
    fn a_daemon_that_is_about_to_end_is_waited_for() {
        let parent = Folder::new("run-ends");
        let folder = RunFolder::prepare(&parent.join("mainsd")).unwrap();
        let config = Path::new("/etc/left.conf");
        let lock = folder.lock_config(config).unwrap();
        let ends = std::thread::spawn(move || {
            std::thread::sleep(2 * BETWEEN_LOOKS);
            drop(lock);
        });
        assert!(folder.lock_config(config).unwrap().is_some());
        ends.join().unwrap();
    }

    #[test]
    fn a_lock_that_only_a_child_of_a_dead_daemon_has_does_not_keep_anybody_from_guarding() {
        let parent = Folder::new("run-child");
        let folder = RunFolder::prepare(&parent.join("mainsd")).unwrap();
        let path = folder.locks().join("conf-etc-left.conf");
        for note in [format!("{} /etc/left.conf\n", i32::MAX), String::new()] {
            fs::write(&path, note).unwrap();
            let child = fs::File::open(&path).unwrap();
            flock(&child).unwrap();
            assert!(folder.lock_config(Path::new("/etc/left.conf")).unwrap().is_none());
            // A child that another test has just forked has it too.
            flock_release(&child);
        }
    }
}
