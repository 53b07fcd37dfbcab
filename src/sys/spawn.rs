//! Starts child processes and learns of their end, without ever waiting.
//!
//! `std::process::Command` waits until the child has reached `exec`; with hooks on a disk that no longer
//! answers that is forever, and the loop must go on. Here `spawn` returns after `fork`; that `exec` failed, and why,
//! is read from a pipe once the child has ended.
//!
//! Children that run code of this program instead of another one start here too: [`super::flag_file`], [`super::in_child`],
//! [`super::reboot`].
#![allow(unsafe_code)]

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group, setpgid, waitid, waitpid,
};

use super::clock;

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

/// Uninhabited: the child never returns, its code ends in `exec` or `_exit`.
pub(super) enum Never {}

/// Starts a program in a process group of its own: default signals and none blocked, umask 022, working directory
/// `/`, stdin `/dev/null`, no other descriptors than 0 to 2 (power-events §10 item 10).
///
/// # Errors
///
/// What `fork` says; that the program cannot be executed is told by [`End::NotExecuted`].
pub fn spawn(spec: &Spec) -> io::Result<Child> {
    let mut argv: Vec<*const libc::c_char> = spec.argv.iter().map(|arg| arg.as_ptr()).collect();
    argv.push(ptr::null());
    // Without descriptors for the pipe the child is started all the same: 127 says nearly as much.
    let pipe = failure_pipe().ok();
    let exec_error_fd = pipe.as_ref().map_or(-1, |(_, write)| write.as_raw_fd());
    let pid = fork_with_signals_blocked(|| {
        // SAFETY: we are the child of a `fork`; `argv` ends with a null pointer and its strings are alive.
        unsafe { exec_child(&argv, spec.output, exec_error_fd) }
    })?;
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
    let pid = fork_with_signals_blocked(|| {
        let _ = setpgid(None, None);
        work()
    })?;
    let _ = setpgid(Some(pid), Some(pid));
    Ok(Child { pid, failure: None, end: None })
}

/// As [`spawn_own`], for code that only makes async-signal-safe calls; `work` is given a descriptor (-1: none could be had) for
/// [`end_child`], and has no other.
///
/// # Errors
///
/// What `fork` says.
pub(super) fn spawn_calls(work: impl FnOnce(libc::c_int) -> Never) -> io::Result<Child> {
    let pipe = failure_pipe().ok();
    let failure_fd = pipe.as_ref().map_or(-1, |(_, write)| write.as_raw_fd());
    let child = spawn_own(|| {
        close_from(0, failure_fd);
        work(failure_fd)
    })?;
    Ok(Child { failure: pipe.map(|(read, _)| File::from(read)), ..child })
}

/// Ends this process: nothing of it is run or flushed. Async-signal-safe.
pub(super) fn exit_now(status: libc::c_int) -> ! {
    // SAFETY: a plain number.
    unsafe { libc::_exit(status) }
}

/// Ends a child of [`spawn_calls`]: with 0, or so that its parent has this `errno`. Async-signal-safe.
pub(super) fn end_child(failure_fd: libc::c_int, errno: Option<libc::c_int>) -> Never {
    // SAFETY: async-signal-safe calls; the `errno` outlives the call. A child without the descriptor (-1) has the status alone.
    unsafe {
        let Some(errno) = errno else { libc::_exit(0) };
        libc::write(failure_fd, (&raw const errno).cast(), size_of_val(&errno));
        libc::_exit(127)
    }
}

/// Closes every descriptor from `first` on but `keep` (-1: none), in the child of a `fork`. Async-signal-safe.
pub(super) fn close_from(first: libc::c_int, keep: libc::c_int) {
    match libc::c_uint::try_from(keep) {
        Ok(kept) if keep >= first => {
            if let Some(before) = kept.checked_sub(1) {
                close_range(first, before);
            }
            close_range(keep.saturating_add(1), libc::c_uint::MAX);
        }
        _ => close_range(first, libc::c_uint::MAX),
    }
}

/// Closes every descriptor of these, in the child of a `fork`. Async-signal-safe.
pub(super) fn close_range(first: libc::c_int, last: libc::c_uint) {
    let Ok(first) = libc::c_uint::try_from(first) else { return };
    if first > last {
        return;
    }
    // SAFETY: plain numbers; the caller is a child that uses none of these descriptors.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
        return;
    }
    // Before Linux 5.9. Descriptors are given out from below, and the daemon keeps few.
    for fd in first..=last.min(4095) {
        // SAFETY: as above.
        unsafe { libc::close(libc::c_int::try_from(fd).unwrap_or(-1)) };
    }
}

fn failure_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?)
}

/// Forks; the child runs `child` with all signals still blocked, so that no handler of ours runs in it.
#[allow(
    unreachable_code,
    reason = "Rust 1.85 takes what stands behind the child's branch for the child's too"
)]
fn fork_with_signals_blocked(child: impl FnOnce() -> Never) -> io::Result<Pid> {
    let before = set_mask(None);
    // SAFETY: the child calls nothing but async-signal-safe functions and allocates nothing until it ends or executes
    // a program, so threads of the parent (there are some in tests) do not matter.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        child();
    }
    let error = io::Error::last_os_error();
    set_mask(Some(before));
    if pid < 0 { Err(error) } else { Pid::from_raw(pid).ok_or(error) }
}

/// Blocks these signals, or all, and no others; gives back those that were blocked before.
pub(super) fn set_mask(signals: Option<libc::sigset_t>) -> libc::sigset_t {
    // SAFETY: zero bits are a valid `sigset_t`, which the calls then fill; all sets outlive the calls.
    unsafe {
        let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        let wanted = signals.unwrap_or(all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const wanted, &raw mut before);
        before
    }
}

/// # Safety
///
/// Only in the child of a `fork`. `argv` ends with a null pointer, and its strings are alive.
unsafe fn exec_child(argv: &[*const libc::c_char], output: Output, exec_error_fd: libc::c_int) -> Never {
    // SAFETY: async-signal-safe system calls with constants, and pointers that the caller vouches for.
    unsafe {
        libc::setpgid(0, 0);
        for signal in 1..=libc::SIGRTMAX() {
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::umask(0o022);
        libc::chdir(c"/".as_ptr());
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        if null >= 0 {
            libc::dup2(null, 0);
            if output == Output::Null {
                libc::dup2(null, 1);
                libc::dup2(null, 2);
            }
            if null > 2 {
                libc::close(null);
            }
        }
        // Now, and not by `exec`, which may wait for a disk for ever: ports and locks of ours would stay held by a child that
        // outlives us.
        close_from(3, exec_error_fd);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        if let Some(program) = argv.first() {
            libc::execv(*program, argv.as_ptr());
        }
    }
    end_child(exec_error_fd, Some(io::Error::last_os_error().raw_os_error().unwrap_or(0)))
}

#[cfg(test)]
pub(crate) mod tests;
