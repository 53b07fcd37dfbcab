//! Processes of a daemon, by their names, and signals to them.

use std::process::Command;

use super::{TIMEOUT, poll_until};

/// State letter and parent of a process, from `/proc/PID/stat` (proc(5)); `None`: it is gone.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Whether a process runs, or is stopped: it has not ended.
pub fn is_there(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

/// The name of the process that has the loop.
pub const MAIN: &str = "mainsd: main";
/// The name of the process that writes the files.
pub const FILES: &str = "mainsd: writer";
/// The name of the process that writes to standard error.
pub const OUTPUT: &str = "mainsd: output";

/// The process of a daemon with this name: a child of the helper, or of its main process.
pub fn role_of(helper: u32, name: &str) -> Option<u32> {
    child_of(helper, name).or_else(|| child_of(child_of(helper, MAIN)?, name))
}

/// The child of a process with this name.
fn child_of(parent: u32, name: &str) -> Option<u32> {
    let named = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    let is_child =
        |pid: &u32| stat(*pid).is_some_and(|(state, its)| its == parent && !matches!(state, 'Z' | 'X'));
    children(parent).into_iter().filter(named).find(is_child)
}

/// The processes that a process may have started: all, where the kernel has no list of its children (`CONFIG_PROC_CHILDREN`).
fn children(parent: u32) -> Vec<u32> {
    if let Ok(list) = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")) {
        return list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    }
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Sends a process a signal by name.
pub fn send_signal(pid: u32, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap();
    assert!(status.success(), "kill -{name} {pid}: {status}");
}

/// Stops a process with SIGSTOP, and waits until the kernel has.
pub fn stop(pid: u32) {
    send_signal(pid, "STOP");
    let stopped = || stat(pid).filter(|(state, _)| *state == 'T');
    poll_until(TIMEOUT, stopped).expect("it does not stop");
}
