//! `fork`, and what its child does before it is something else: signals, descriptors, standard streams, and its end.
//!
//! All of it but [`fork`] is async-signal-safe. Only `sys` forks: in a program with several threads, such as the tests, a child has to make
//! do with such calls.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_uint};
use std::io;
use std::marker::PhantomData;
use std::mem;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::ptr;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::Pid;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

/// Uninhabited: the child never returns, its code ends in `exec` or `_exit`.
pub(super) enum Never {}

/// Forks; `None` in the child.
///
/// # Errors
///
/// What `fork` says.
pub(super) fn fork_here() -> io::Result<Option<Pid>> {
    // SAFETY: the program has one thread, so the child is as whole as its parent; where it has more, the child makes async-signal-safe
    // calls until it ends or executes a program.
    let pid = unsafe { libc::fork() };
    if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(Pid::from_raw(pid)) }
}

/// Forks; the child runs `child` with all signals blocked, so that no handler of ours runs in it.
///
/// # Errors
///
/// What `fork` says.
#[allow(
    unreachable_code,
    reason = "Rust 1.85 takes what stands behind the child's branch for the child's too"
)]
pub(super) fn fork(child: impl FnOnce() -> Never) -> io::Result<Pid> {
    let before = set_mask(Mask::All);
    let forked = fork_here();
    if let Ok(None) = forked {
        child();
    }
    set_mask(Mask::As(before));
    forked?.ok_or_else(|| io::ErrorKind::Other.into())
}

/// Ends this process: nothing of it is run or flushed.
pub(super) fn exit_now(status: c_int) -> ! {
    // SAFETY: a plain number.
    unsafe { libc::_exit(status) }
}

/// Which signals are blocked.
pub(super) enum Mask<'a> {
    None,
    All,
    /// These too.
    And(&'a [c_int]),
    /// As they were.
    As(libc::sigset_t),
}

/// Blocks signals; gives back those that were blocked before.
pub(super) fn set_mask(mask: Mask<'_>) -> libc::sigset_t {
    let (how, wanted) = match mask {
        Mask::None => (libc::SIG_SETMASK, set_of([])),
        Mask::All => (libc::SIG_SETMASK, set_of(1..=libc::SIGRTMAX())),
        Mask::And(signals) => (libc::SIG_BLOCK, set_of(signals.iter().copied())),
        Mask::As(signals) => (libc::SIG_SETMASK, signals),
    };
    // SAFETY: zero bits are a valid `sigset_t`; both sets outlive the call.
    unsafe {
        let mut before: libc::sigset_t = mem::zeroed();
        libc::pthread_sigmask(how, &raw const wanted, &raw mut before);
        before
    }
}

/// Waits for one of these signals, which are blocked, and takes it.
pub(super) fn wait_for_signal(signals: &[c_int]) -> c_int {
    let (wanted, mut signal) = (set_of(signals.iter().copied()), 0);
    // SAFETY: both outlive the call. It fails only for a set that is none.
    unsafe { libc::sigwait(&raw const wanted, &raw mut signal) };
    signal
}

fn set_of(signals: impl IntoIterator<Item = c_int>) -> libc::sigset_t {
    // SAFETY: zero bits are a valid `sigset_t`, which is then emptied and outlives the calls. They refuse numbers that are the C
    // library's own.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    }
}

/// All signals do what they do by default, but these are ignored.
pub(super) fn reset_signals(ignored: &[c_int]) {
    (1..=libc::SIGRTMAX()).filter(|signal| !ignored.contains(signal)).for_each(reset_signal);
    ignored.iter().for_each(|signal| ignore(*signal));
}

/// Ignores a signal.
pub(super) fn ignore(signal: c_int) {
    set_action(signal, true);
}

/// A signal does what it does by default.
pub(super) fn reset_signal(signal: c_int) {
    set_action(signal, false);
}

fn set_action(signal: c_int, ignored: bool) {
    // SAFETY: plain numbers; an action that is none of our functions.
    unsafe { libc::signal(signal, if ignored { libc::SIG_IGN } else { libc::SIG_DFL }) };
}

/// Makes `/dev/null`, opened for reading and writing, standard input, and if `all`, output and error too.
pub(super) fn null_streams(all: bool) {
    let Ok(null) = open(c"/dev/null", OFlags::RDWR, Mode::empty()) else { return };
    let _ = dup2_stdin(&null);
    if all {
        let _ = (dup2_stdout(&null), dup2_stderr(&null));
    }
    if null.as_raw_fd() <= 2 {
        // It is one of them.
        let _ = null.into_raw_fd();
    }
}

/// Closes every descriptor from `first` on but `keep` (-1: none).
pub(super) fn close_from(first: c_int, keep: c_int) {
    match c_uint::try_from(keep) {
        Ok(kept) if keep >= first => {
            if let Some(before) = kept.checked_sub(1) {
                close_range(first, before);
            }
            close_range(keep.saturating_add(1), c_uint::MAX);
        }
        _ => close_range(first, c_uint::MAX),
    }
}

/// Closes every descriptor of these, of which a child uses none.
pub(super) fn close_range(first: c_int, last: c_uint) {
    let Ok(first) = c_uint::try_from(first) else { return };
    if first > last {
        return;
    }
    // SAFETY: plain numbers; nothing in the child has one of these descriptors.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, last, 0) != 0 {
            // Before Linux 5.9. Descriptors are given out from below, and the daemon keeps few.
            for fd in first..=last.min(4095) {
                libc::close(c_int::try_from(fd).unwrap_or(-1));
            }
        }
    }
}

/// Whether there is such a descriptor.
#[cfg(test)]
pub(super) fn is_open(fd: c_int) -> bool {
    // SAFETY: plain numbers.
    fd >= 0 && unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0
}

/// A program and its arguments as `exec` takes them: made before `fork`, since it allocates.
pub(super) struct Arguments<'a> {
    program: &'a CStr,
    pointers: Vec<*const c_char>,
    texts: PhantomData<&'a [CString]>,
}

impl<'a> Arguments<'a> {
    /// `None` without a program.
    pub(super) fn new(texts: &'a [CString]) -> Option<Self> {
        let pointers = texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        Some(Self { program: texts.first()?, pointers, texts: PhantomData })
    }

    /// Becomes this program. Returns only if that fails, with why.
    pub(super) fn exec(&self) -> c_int {
        // SAFETY: the texts outlive `self`, and their pointers end with a null pointer.
        unsafe { libc::execv(self.program.as_ptr(), self.pointers.as_ptr()) };
        io::Error::last_os_error().raw_os_error().unwrap_or(0)
    }
}
