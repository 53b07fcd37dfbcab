//! What can be learned about other processes.

use std::ffi::OsString;
use std::fs::{self, ReadDir};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::ups::clean;

/// The host's name as the kernel has it; empty if it is none or no text.
#[must_use]
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The id of this process.
#[must_use]
pub fn own() -> i32 {
    i32::try_from(std::process::id()).unwrap_or_default()
}

/// The id of the process that has started this one, or has taken it over.
#[must_use]
pub fn parent() -> i32 {
    rustix::process::getppid().map_or(0, rustix::process::Pid::as_raw_pid)
}

/// Whether a process with this id runs; one that has ended and waits for its parent does not.
#[must_use]
pub fn runs(pid: i32) -> bool {
    // The state follows the command name, which may hold anything but is the last thing in parentheses (proc(5)).
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
    exists(pid) && !state.is_some_and(|state| state.starts_with(['Z', 'X']))
}

fn exists(pid: i32) -> bool {
    // Zero and below are groups of processes.
    let Some(pid) = Some(pid).filter(|pid| *pid > 0).and_then(Pid::from_raw) else { return false };
    matches!(test_kill_process(pid), Ok(()) | Err(Errno::PERM))
}

/// The effective user of a process. `None` if it is gone or hidden.
#[must_use]
pub fn user(pid: i32) -> Option<u32> {
    // The folder, unlike what is in it, belongs to the process's user also if nobody may look into that (proc(5)).
    fs::metadata(format!("/proc/{pid}")).ok().map(|data| data.uid())
}

/// The base name of the program that a process runs, from its executable or else its command name (15 bytes at most).
/// `None` if it is gone or hidden.
#[must_use]
pub fn program(pid: i32) -> Option<String> {
    let exe = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let from_exe = exe.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    // The kernel marks a binary that was replaced by an upgrade while it ran.
    let from_exe = from_exe.map(|name| name.strip_suffix(" (deleted)").map(str::to_owned).unwrap_or(name));
    from_exe.map(|name| clean(&name)).or_else(|| command(pid))
}

/// The command name of a process: what it was started as, 15 bytes at most. `None` if it is gone or hidden.
#[must_use]
pub fn command(pid: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| clean(name.trim_end()))
}

/// A process for a message: `minicom (process 1234)`.
#[must_use]
pub fn describe(pid: i32) -> String {
    let pid = daemon_of(pid);
    match program(pid) {
        // Whoever named it may have written line breaks into its name.
        Some(program) => format!("{} (process {pid})", program.replace(char::is_control, "?")),
        None => format!("process {pid}"),
    }
}

/// The process that started this one, if that is a role of a daemon of ours (`mainsd: main`): it is the one to be told to end.
fn daemon_of(pid: i32) -> i32 {
    let parent = fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|stat| {
        // The name is in brackets, and may hold any (proc(5)).
        let (begin, rest) = stat.rsplit_once(')')?;
        let is_role = begin.split_once('(')?.1.starts_with("mainsd: ");
        rest.split_ascii_whitespace().nth(1).filter(|_| is_role)?.parse().ok()
    });
    // A role whose daemon has ended is a child of the first process.
    parent.filter(|parent| *parent > 1).unwrap_or(pid)
}

/// A look at all processes for those that have a device open, in steps that take less than a millisecond each: a machine may
/// have tens of thousands of descriptors.
#[derive(Debug)]
pub struct UserSearch {
    device: u64,
    name: OsString,
    processes: ReadDir,
    /// The process that is being looked at.
    current: Option<(i32, ReadDir)>,
    left: usize,
    /// What processes of this daemon have open does not count.
    daemon: Option<i32>,
}

/// Descriptors and processes that one step looks at.
const STEP: usize = 200;
/// After so many the search is given up.
const SEARCH_MAX: usize = 1_000_000;

impl UserSearch {
    /// Begins a search for users of the device at `path`, other than this process. `None`: there is no such device, or no
    /// `/proc`.
    #[must_use]
    pub fn new(path: &Path) -> Option<Self> {
        let path = path.canonicalize().ok()?;
        let device = fs::metadata(&path).ok().filter(|data| data.file_type().is_char_device())?.rdev();
        let processes = fs::read_dir("/proc").ok()?;
        Some(Self {
            device,
            name: path.file_name()?.to_owned(),
            processes,
            current: None,
            left: SEARCH_MAX,
            daemon: None,
        })
    }

    /// Leaves out a daemon with all its roles.
    #[must_use]
    pub const fn without_daemon(mut self, pid: Option<i32>) -> Self {
        self.daemon = pid;
        self
    }

    /// Goes on. `None`: call again. `Some(None)`: no process that can be seen has it open.
    #[allow(clippy::option_option, reason = "not yet, nobody, and somebody are three things")]
    pub fn step(&mut self) -> Option<Option<i32>> {
        for _ in 0..STEP {
            let Some(left) = self.left.checked_sub(1) else { return Some(None) };
            self.left = left;
            let Some((pid, descriptors)) = &mut self.current else {
                let Some(entry) = self.processes.next() else { return Some(None) };
                let pid = entry.ok().and_then(|entry| entry.file_name().to_str()?.parse().ok());
                let other = pid.filter(|pid: &i32| u32::try_from(*pid) != Ok(std::process::id()));
                self.current =
                    other.and_then(|pid| Some((pid, fs::read_dir(format!("/proc/{pid}/fd")).ok()?)));
                continue;
            };
            let pid = *pid;
            match descriptors.next() {
                None => self.current = None,
                Some(Ok(entry)) if self.is_it(&entry.path()) => {
                    if self.daemon.is_some_and(|daemon| daemon_of(pid) == daemon) {
                        self.current = None;
                        continue;
                    }
                    return Some(Some(pid));
                }
                Some(_) => {}
            }
        }
        None
    }

    /// Whether an entry of `/proc/PID/fd` leads to the device. What is not called like it or lies outside of `/dev` is not
    /// looked at: on a server that does not answer that would take long.
    fn is_it(&self, entry: &Path) -> bool {
        let called_so = |target: &Path| target.starts_with("/dev/") || target.file_name() == Some(&self.name);
        fs::read_link(entry).is_ok_and(|target| called_so(&target))
            && fs::metadata(entry)
                .is_ok_and(|data| data.file_type().is_char_device() && data.rdev() == self.device)
    }
}

/// Who has a device open, as far as can be seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Users {
    /// Process id and command name of each.
    pub seen: Vec<(i32, String)>,
    /// No process hides what it has open.
    pub all_seen: bool,
}

/// Who has the file or device at `path` open, this process and what is beyond [`SEARCH_MAX`] left out; `proc`: the folder `/proc`. May
/// take a second on a large machine.
#[must_use]
pub fn users(proc: &Path, path: &Path) -> Users {
    let mut users = Users { seen: Vec::new(), all_seen: true };
    let Ok(wanted) = path.canonicalize() else { return users };
    let of_device = |data: fs::Metadata| data.file_type().is_char_device().then(|| data.rdev());
    let device = fs::metadata(&wanted).ok().and_then(of_device);
    let mut left = SEARCH_MAX;
    for entry in fs::read_dir(proc).into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(entry.path().join("fd")) else {
            users.all_seen &= !entry.path().exists();
            continue;
        };
        left = left.saturating_sub(1);
        let has_it = descriptors.flatten().take(left).any(|entry| {
            fs::read_link(entry.path()).is_ok_and(|target| {
                target == wanted
                    || (device.is_some()
                        && target.starts_with("/dev/")
                        && fs::metadata(entry.path()).ok().and_then(of_device) == device)
            })
        });
        if has_it && pid != own() {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            users.seen.push((pid, clean(name.trim_end())));
        }
    }
    users
}

/// Descriptors of one process that are looked at.
const MOST_OPEN: usize = 10_000;

/// Whether a process has the file at `path` open. `None` if that cannot be seen (not our process, no `/proc`).
#[must_use]
pub fn has_open(pid: i32, path: &Path) -> Option<bool> {
    let wanted = path.canonicalize().ok()?;
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten().take(MOST_OPEN) {
        if fs::read_link(entry.path()).is_ok_and(|target| target == wanted) {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt;

    use super::*;

    fn own_pid() -> i32 {
        i32::try_from(std::process::id()).unwrap()
    }

    #[test]
    fn this_process_exists_and_has_a_name() {
        assert!(runs(own_pid()));
        let exe = std::env::current_exe().unwrap();
        assert_eq!(program(own_pid()).as_deref(), exe.file_name().and_then(|name| name.to_str()));
        assert!(exe.to_string_lossy().contains(&command(own_pid()).unwrap()));
    }

    #[test]
    fn ids_that_no_process_has_do_not_exist() {
        for pid in [0, -1, i32::MIN, i32::MAX] {
            assert!(!runs(pid), "{pid}");
        }
        assert_eq!(program(i32::MAX), None);
        assert_eq!(has_open(i32::MAX, Path::new("/dev/null")), None);
    }

    #[test]
    fn an_open_file_is_seen_until_it_is_closed() {
        let path = std::env::temp_dir().join(format!("mainsd-open-{}", std::process::id()));
        let file = fs::File::create(&path).unwrap();
        assert_eq!(has_open(own_pid(), &path), Some(true));
        drop(file);
        assert_eq!(has_open(own_pid(), &path), Some(false));
        fs::remove_file(&path).unwrap();
    }

    fn user_of(path: &Path) -> Option<i32> {
        let mut search = UserSearch::new(path).unwrap();
        loop {
            if let Some(found) = search.step() {
                return found;
            }
        }
    }

    #[test]
    fn another_process_that_has_a_device_open_is_found_under_each_of_its_names() {
        let (_master, path) = crate::sys::tty::pty().unwrap();
        let open = || fs::OpenOptions::new().read(true).custom_flags(libc::O_NOCTTY).open(&path).unwrap();
        let ours = open();
        // A child that another test has just forked has it open too, for a moment.
        let is_free = || (0..1000).any(|_| user_of(&path).is_none());
        assert!(is_free(), "we are not another");
        let mut child = std::process::Command::new("sleep").arg("1000").stdin(ours).spawn().unwrap();
        let link = std::env::temp_dir().join(format!("mainsd-user-{}", std::process::id()));
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let other = i32::try_from(child.id()).unwrap();
        let is_found = (0..1000).any(|_| user_of(&link) == Some(other));
        fs::remove_file(&link).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_found);
        assert!(is_free());
    }

    #[test]
    fn what_is_no_device_has_no_users() {
        for path in ["/nonexistent", "/etc/passwd", "/"] {
            assert!(UserSearch::new(Path::new(path)).is_none(), "{path}");
        }
    }
}
