//! The first process of a container.
//!
//! The kernel makes every process whose parent has ended a child of the first one, and keeps its entry until that has taken its
//! status. The daemon takes the status of its own children only, each by its number. So where it would be the first process itself, it
//! runs as a child of one that does nothing else: that takes the status of all, and passes signals on.

use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};

use super::fork::{Mask, fork_here, reset_signal, set_mask, wait_for_signal};

/// What ends the daemon or has it read its configuration again.
const PASSED_ON: [(libc::c_int, Signal); 3] =
    [(libc::SIGHUP, Signal::HUP), (libc::SIGINT, Signal::INT), (libc::SIGTERM, Signal::TERM)];

/// What the first process waits for: those, and that a child has ended.
const WAITED_FOR: [libc::c_int; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGCHLD];

/// Whether this is the first process of its name space.
#[must_use]
pub fn is_first() -> bool {
    std::process::id() == 1
}

/// Forks. The child goes on, with `None`; the parent comes back when the child has ended, with the exit status that says how, and
/// is to end with that: all other processes of the container end then.
///
/// To be called while the process has one thread: the child goes on in this program.
///
/// # Errors
/// No process can be made.
pub fn run_child() -> io::Result<Option<u8>> {
    // Blocked, they reach a first process too, to which the kernel gives no other signal that it has no handler for
    // (`pid_namespaces(7)`).
    let before = set_mask(Mask::And(&WAITED_FOR));
    // Ignored, as whoever has started this may have left it, no status would wait for us.
    reset_signal(libc::SIGCHLD);
    let child = match fork_here() {
        Ok(Some(child)) => child,
        other => {
            set_mask(Mask::As(before));
            return other.map(|_| None);
        }
    };
    loop {
        let signal = wait_for_signal(&WAITED_FOR);
        if let Some((_, signal)) = PASSED_ON.iter().find(|(number, _)| *number == signal) {
            let _ = kill_process(child, *signal);
        }
        if let Some(status) = take_statuses(child) {
            return Ok(Some(exit_status(status)));
        }
    }
}

/// Takes the status of every child that has ended, whoever has started it; that of `child` if it is among them.
fn take_statuses(child: Pid) -> Option<WaitStatus> {
    let mut found = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == child => found = Some(status),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return found,
        }
    }
}

/// As a shell has it: 128 and the signal.
fn exit_status(status: WaitStatus) -> u8 {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
