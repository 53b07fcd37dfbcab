//! What can be learned about other processes.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::path::Path;

/// The host's name as the kernel has it; empty if it is none or no text.
#[must_use]
pub fn hostname() -> String {
    let mut buffer = [0_u8; 256];
    // SAFETY: the kernel writes at most the length given into a buffer that outlives the call.
    let failed = unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len()) } != 0;
    let name = buffer.split(|byte| *byte == 0).next().unwrap_or_default();
    if failed { String::new() } else { String::from_utf8_lossy(name).into_owned() }
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
    if pid <= 0 {
        return false;
    }
    // SAFETY: signal 0 is never delivered; the call only checks.
    let got = unsafe { libc::kill(pid, 0) };
    got == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// The base name of the program that a process runs, from its executable or else its command name (15 bytes at most).
/// `None` if it is gone or hidden.
#[must_use]
pub fn program(pid: i32) -> Option<String> {
    let exe = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let from_exe = exe.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    // The kernel marks a binary that was replaced by an upgrade while it ran.
    let from_exe = from_exe.map(|name| name.strip_suffix(" (deleted)").map(str::to_owned).unwrap_or(name));
    from_exe.or_else(|| command(pid))
}

/// The command name of a process: what it was started as, 15 bytes at most. `None` if it is gone or hidden.
#[must_use]
pub fn command(pid: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim_end().to_owned())
}

/// Whether a process has the file at `path` open. `None` if that cannot be seen (not our process, no `/proc`).
#[must_use]
pub fn has_open(pid: i32, path: &Path) -> Option<bool> {
    let wanted = path.canonicalize().ok()?;
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten() {
        if fs::read_link(entry.path()).is_ok_and(|target| target == wanted) {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
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
}
