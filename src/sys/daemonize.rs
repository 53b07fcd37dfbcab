//! Going to the background, as `apcupsd` does without `-b`; but the caller hears how the start went.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, chdir, setsid, umask, waitpid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::fork::fork_here;

/// 022: new files are for their owner alone to write to.
const UMASK: Mode = Mode::WGRP.union(Mode::WOTH);

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
    caller: File,
}

/// Forks. The child leads a new session, works in `/` with umask at least 022 and keeps stdin, stdout and stderr until it is
/// ready; the caller waits for that.
///
/// # Errors
///
/// What `pipe` or `fork` says.
pub fn daemonize() -> io::Result<Side> {
    let (mut from_child, to_caller) = super::fs::pipe()?;
    if let Some(pid) = fork_here()? {
        drop(to_caller);
        // Unlike `read`, this goes on after a signal.
        let ready = from_child.read_exact(&mut [0]).is_ok();
        return Ok(Side::Caller(if ready { 0 } else { exit_status(pid) }));
    }
    // None of these can fail in a new child, and without them it guards all the same.
    let _ = setsid();
    let mask = umask(UMASK);
    umask(mask | UMASK);
    let _ = chdir(c"/");
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
    let _ = (dup2_stdin(with), dup2_stdout(with), dup2_stderr(with));
}

fn exit_status(child: Pid) -> u8 {
    loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Err(Errno::INTR) => {}
            Err(_) | Ok(None) => return 1,
            // The child ended before it was ready: even with status 0 that is no success.
            Ok(Some((_, status))) => {
                return status.exit_status().and_then(|code| u8::try_from(code).ok()).unwrap_or(1).max(1);
            }
        }
    }
}
