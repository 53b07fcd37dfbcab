//! Going to the background, as `apcupsd` does without `-b`; but the caller hears how the start went.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;

/// Which side of the fork we are on.
#[derive(Debug)]
pub enum Side {
    /// The process that was called: end with this exit status. 0: the child guards. Else the status of the child,
    /// which has said why on the stderr that both share.
    Caller(u8),
    /// The process in the background.
    Background(Readiness),
}

/// To be kept until the start has succeeded. Dropped instead of used, it lets the caller end with our exit status.
#[derive(Debug)]
pub struct Readiness {
    caller: io::PipeWriter,
}

/// Forks. The child leads a new session, works in `/` with umask at least 022 and keeps stdin, stdout and stderr until it is
/// ready; the caller waits for that.
///
/// # Errors
///
/// What `pipe` or `fork` says.
pub fn daemonize() -> io::Result<Side> {
    let (mut from_child, to_caller) = io::pipe()?;
    // SAFETY: the program has one thread, so the child is as whole as its parent.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    if pid > 0 {
        drop(to_caller);
        // Unlike `read`, this goes on after a signal.
        let ready = from_child.read_exact(&mut [0]).is_ok();
        return Ok(Side::Caller(if ready { 0 } else { exit_status(pid) }));
    }
    // SAFETY: plain system calls with constants.
    unsafe {
        libc::setsid();
        let mask = libc::umask(0o022);
        libc::umask(mask | 0o022);
        libc::chdir(c"/".as_ptr());
    }
    Ok(Side::Background(Readiness { caller: to_caller }))
}

impl Readiness {
    /// The start has succeeded: lets the caller end with 0. Stdin, stdout and stderr become `/dev/null`, open for reading and
    /// writing (read-only, a hook's `echo` would fail), unless `keep_output` (`-d`).
    pub fn ready(mut self, keep_output: bool) {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null");
        if let (false, Ok(null)) = (keep_output, null) {
            replace_standard_streams(&null);
        }
        // A caller that was killed meanwhile hears nothing, which is no reason not to guard.
        let _ = self.caller.write_all(&[1]);
    }
}

fn replace_standard_streams(with: &File) {
    for stream in 0..=2 {
        // SAFETY: both descriptors are open or, for `stream`, may be closed, which `dup2` allows.
        unsafe { libc::dup2(with.as_raw_fd(), stream) };
    }
}

fn exit_status(pid: libc::pid_t) -> u8 {
    let mut status = 0;
    loop {
        // SAFETY: `pid` is our child; `status` outlives the call.
        let got = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        if got == pid && libc::WIFEXITED(status) {
            // The child ended before it was ready: even with status 0 that is no success.
            return u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(1).max(1);
        }
        if got >= 0 || io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            return 1;
        }
    }
}
