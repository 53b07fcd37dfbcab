//! Starts child processes and learns of their end, without ever waiting.
//!
//! `std::process::Command` waits until the child has reached `exec`; with hooks on a disk that no longer
//! answers that is forever, and the loop must go on. Here `spawn` returns after `fork`; that `exec` failed, and why,
//! is read from a pipe once the child has ended.
//!
//! Children that run code of this program instead of another one start here too: [`super::flag_file`], [`super::in_child`],
//! [`super::reboot`].

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, chdir, kill_process_group, setpgid, umask, waitid,
    waitpid,
};

use super::clock;
use super::fork::{
    Arguments, Mask, Never, close_from, exit_now, fork, null_streams, reset_signals, set_mask,
};

/// Where a child's stdout and stderr go. Its stdin is always `/dev/null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// The same as this process's.
    #[default]
    Inherit,
    /// `/dev/null`, opened for reading and writing.
    Null,
}

/// A program and its arguments, ready for `exec`: nothing is allocated after `fork`.
#[derive(Debug)]
pub struct Spec {
    argv: Vec<CString>,
    output: Output,
}

impl Spec {
    /// `program` is a path and is not looked up in `PATH`; it becomes the first of `argv`. NUL bytes, which no argument
    /// can hold, are left out.
    #[must_use]
    pub fn new<S: AsRef<OsStr>>(program: &Path, args: impl IntoIterator<Item = S>, output: Output) -> Self {
        let mut argv = vec![without_nul(program.as_os_str())];
        argv.extend(args.into_iter().map(|arg| without_nul(arg.as_ref())));
        Self { argv, output }
    }
}

fn without_nul(text: &OsStr) -> CString {
    let bytes: Vec<u8> = text.as_bytes().iter().copied().filter(|byte| *byte != 0).collect();
    CString::new(bytes).unwrap_or_default()
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with this status.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
    /// The program could not be executed, or the child could not do what else it was made for; the `errno`.
    Failed(i32),
    /// Somebody else took its status (SIGCHLD ignored by a parent that does not care): nothing is known.
    Unknown,
}

/// A child of this process, the leader of its own process group. Dropping it neither kills nor reaps it.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    failure: Option<File>,
    end: Option<End>,
}

impl Child {
    /// Its process id, which is also the id of its process group.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// How it ended; `None` while it runs. Takes the status of this child only, never of others.
    pub fn try_wait(&mut self) -> Option<End> {
        if self.end.is_some() {
            return self.end;
        }
        self.end = match waitpid(Some(self.pid), WaitOptions::NOHANG) {
            Ok(None) | Err(Errno::INTR) => None,
            Ok(Some((_, status))) => Some(match (status.terminating_signal(), self.exec_failure()) {
                (Some(signal), _) => End::Signaled(signal),
                (None, Some(errno)) => End::Failed(errno),
                (None, None) => End::Exited(status.exit_status().unwrap_or(0)),
            }),
            Err(_) => Some(End::Unknown),
        };
        if self.end.is_some() {
            self.failure = None;
        }
        self.end
    }

    /// How it ended, waited for so long at most. Only for who has nothing else to do, as at the end of the program.
    #[expect(clippy::disallowed_methods, reason = "the loop has ended, and waitpid(2) has no time limit")]
    pub fn wait(&mut self, limit: Duration) -> Option<End> {
        let until = clock::monotonic() + limit;
        loop {
            let end = self.try_wait();
            if end.is_some() || clock::monotonic() >= until {
                return end;
            }
            thread::sleep(NAP);
        }
    }

    /// Whether it has ended, without taking its status: until that is taken, its group's id is not used again.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        if self.end.is_some() {
            return true;
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(self.pid), options), Ok(None))
    }

    /// SIGTERM to its whole group. Nothing happens once its status has been taken, for its id may be another's then.
    pub fn terminate_group(&self) {
        self.signal_group(Signal::TERM);
    }

    /// SIGKILL to its whole group; see [`Child::terminate_group`].
    pub fn kill_group(&self) {
        self.signal_group(Signal::KILL);
    }

    fn signal_group(&self, signal: Signal) {
        if self.end.is_none() {
            // The group is ours: its leader is our child and not reaped.
            let _ = kill_process_group(self.pid, signal);
        }
    }

    fn exec_failure(&mut self) -> Option<i32> {
        let mut errno = [0; 4];
        let got = self.failure.as_mut()?.read(&mut errno).ok()?;
        (got == errno.len()).then(|| i32::from_ne_bytes(errno))
    }
}

/// Between two looks of [`Child::wait`].
const NAP: Duration = Duration::from_millis(1);

/// Starts a program in a process group of its own: default signals and none blocked, umask 022, working directory
/// `/`, stdin `/dev/null`, no other descriptors than 0 to 2 (power-events §10 item 10).
///
/// # Errors
///
/// What `fork` says; that the program cannot be executed is told by [`End::NotExecuted`].
pub fn spawn(spec: &Spec) -> io::Result<Child> {
    let arguments = Arguments::new(&spec.argv).ok_or(io::ErrorKind::InvalidInput)?;
    // Without descriptors for the pipe the child is started all the same: 127 says nearly as much.
    let pipe = failure_pipe().ok();
    let failure = pipe.as_ref().map(|(_, write)| write.as_fd());
    let pid = fork(|| execute(&arguments, spec.output, failure))?;
    // Both sides do it, so that the group exists whoever runs first.
    let _ = setpgid(Some(pid), Some(pid));
    Ok(Child { pid, failure: pipe.map(|(read, _)| File::from(read)), end: None })
}

/// Forks a child that runs this code instead of a program, with all signals blocked. It must do without whatever threads and
/// locks of this process have.
///
/// # Errors
///
/// What `fork` says.
pub(super) fn spawn_own(work: impl FnOnce() -> Never) -> io::Result<Child> {
    let pid = fork(|| {
        let _ = setpgid(None, None);
        work()
    })?;
    let _ = setpgid(Some(pid), Some(pid));
    Ok(Child { pid, failure: None, end: None })
}

/// As [`spawn_own`], for code that only makes async-signal-safe calls; `work` is given a descriptor (`None`: it could not be had) for
/// [`end_child`], and has no other.
///
/// # Errors
///
/// What `fork` says.
pub(super) fn spawn_calls(work: impl FnOnce(Option<BorrowedFd<'_>>) -> Never) -> io::Result<Child> {
    let pipe = failure_pipe().ok();
    let failure = pipe.as_ref().map(|(_, write)| write.as_fd());
    let child = spawn_own(|| {
        close_from(0, number(failure));
        work(failure)
    })?;
    Ok(Child { failure: pipe.map(|(read, _)| File::from(read)), ..child })
}

/// Ends a child of [`spawn_calls`]: with 0, or so that its parent has this `errno`. Async-signal-safe.
pub(super) fn end_child(failure: Option<BorrowedFd<'_>>, errno: Option<i32>) -> Never {
    let Some(errno) = errno else { exit_now(0) };
    // A child without the descriptor has the status alone.
    let _ = failure.map(|failure| rustix::io::write(failure, &errno.to_ne_bytes()));
    exit_now(127)
}

fn failure_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?)
}

/// As [`close_from`] takes it.
fn number(fd: Option<BorrowedFd<'_>>) -> RawFd {
    fd.map_or(-1, |fd| fd.as_raw_fd())
}

/// What a child does for [`spawn`]. Async-signal-safe.
fn execute(arguments: &Arguments<'_>, output: Output, failure: Option<BorrowedFd<'_>>) -> Never {
    let _ = setpgid(None, None);
    reset_signals(&[]);
    umask(Mode::WGRP | Mode::WOTH);
    let _ = chdir(c"/");
    null_streams(output == Output::Null);
    // Now, and not by `exec`, which may wait for a disk for ever: ports and locks of ours would stay held by a child that
    // outlives us.
    close_from(3, number(failure));
    set_mask(Mask::None);
    end_child(failure, Some(arguments.exec()))
}

#[cfg(test)]
pub(crate) mod tests;
