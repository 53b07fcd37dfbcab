//! A role: a process forked from this one, with one task and one socket to who started it.
//!
//! The socket keeps the borders of messages (`SOCK_SEQPACKET`). A role ends when it says that nobody is at the other end, so
//! none is left over however the main process ends.

mod stopped;

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, kill_process, set_parent_process_death_signal, setsid, waitpid,
};
use rustix::thread::set_name;

use super::fork::{Mask, close_from, close_range, exit_now, fork, null_streams, reset_signals, set_mask};
use super::passing::{self, socket_pair};
use super::spawn;
use super::wait::poll;
use stopped::Stopped;

/// What a role has of the standard streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// `/dev/null` for all three: no pipe or terminal is held open by it.
    Null,
    /// Standard output and error as this process has them.
    Output,
    /// All three as this process has them.
    All,
}

/// What a role is made with.
#[derive(Debug)]
pub struct Kind<'a> {
    /// Its name; 15 bytes at most are shown.
    pub name: &'static CStr,
    /// The descriptors that it keeps, beside the standard streams and its socket.
    pub kept: &'a [RawFd],
    /// What it has of the standard streams.
    pub streams: Streams,
    /// It has a loop, with handlers of its own for signals, and is killed when the thread ends that has started it. Else it ignores
    /// what ends the daemon, and finishes what it was sent.
    pub has_loop: bool,
}

/// The process of a role. Dropped, it is left alone.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    end: Option<spawn::End>,
    is_stopped: bool,
    stopped: Stopped,
}

/// A role, as who speaks to it sees it. Dropped, it is told by the end of the socket; nothing waits for it.
#[derive(Debug)]
pub struct Role {
    /// `None`: it is another process's child.
    process: Option<Process>,
    socket: OwnedFd,
}

impl Role {
    /// Forks. The child keeps its end of the socket and what its kind says, has the default actions of signals but ignores what
    /// ends the daemon (SIGHUP, SIGINT, SIGTERM) and what a write can bring about (SIGPIPE, SIGXFSZ), runs `task`, and ends
    /// without running anything of this process's.
    ///
    /// `before` runs first in the child, while it still has all descriptors: for what must be dropped before they are closed.
    ///
    /// To be called while the process has one thread: the child goes on in this program.
    ///
    /// # Errors
    /// No process or descriptor left.
    pub fn start(kind: &Kind<'_>, before: impl FnOnce(), task: impl FnOnce(Socket)) -> io::Result<Self> {
        let (ours, theirs) = socket_pair()?;
        let process = Process::start(kind, theirs, before, task)?;
        Ok(Self { process: Some(process), socket: ours })
    }

    /// A role that is this process's child, with the other end of this socket.
    #[must_use]
    pub const fn of_child(process: Process, socket: OwnedFd) -> Self {
        Self { process: Some(process), socket }
    }

    /// A role that another process has started, with the other end of this socket.
    #[must_use]
    pub const fn of_another(socket: OwnedFd) -> Self {
        Self { process: None, socket }
    }

    /// Its process id, if it is a child of this process.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Its process, if it is a child of this one.
    #[must_use]
    pub fn into_process(self) -> Option<Process> {
        self.process
    }

    /// Sends one message without waiting.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if the socket is full; another if it is gone.
    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        rustix::io::retry_on_intr(|| send(&self.socket, message, flags))?;
        Ok(())
    }

    /// Receives one message without waiting: its length in `buffer`, cut to that; 0: the role has ended.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        receive(&self.socket, buffer, RecvFlags::DONTWAIT)
    }

    /// As [`Role::send`], and a descriptor with it.
    ///
    /// # Errors
    /// As [`Role::send`].
    pub fn send_with(&self, message: &[u8], pass: BorrowedFd<'_>) -> io::Result<()> {
        passing::send_now(self.socket.as_fd(), message, Some(pass))
    }

    /// Nothing more will be sent: the role finishes what it was sent and ends.
    pub fn close(&self) {
        let _ = shutdown(&self.socket, Shutdown::Write);
    }

    /// Whether it has ended. Takes its status.
    pub fn has_ended(&mut self) -> bool {
        match &mut self.process {
            Some(process) => process.end().is_some(),
            // It says so by the end of the socket, whatever waits in that.
            None => {
                let mut polled = [PollFd::new(&self.socket, PollFlags::empty())];
                matches!(poll(&mut polled, Duration::ZERO), Ok(1))
            }
        }
    }

    /// See [`Process::is_stopped_for_long`]; of a role that another process has started nothing is known.
    pub fn is_stopped_for_long(&mut self, now: Instant) -> bool {
        self.process.as_mut().is_some_and(|process| process.is_stopped_for_long(now))
    }

    /// See [`Process::poll_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.process.as_ref().and_then(Process::poll_timeout)
    }

    /// SIGKILL, unless its status has been taken.
    pub fn kill(&self) {
        if let Some(process) = &self.process {
            process.kill();
        }
    }
}

impl Process {
    /// As [`Role::start`], with the end of a socket that the role gets.
    ///
    /// # Errors
    /// No process left.
    pub fn start(
        kind: &Kind<'_>,
        theirs: OwnedFd,
        before: impl FnOnce(),
        task: impl FnOnce(Socket),
    ) -> io::Result<Self> {
        let parent = getpid();
        let pid = fork(|| {
            let _end = End;
            before();
            become_role(kind, theirs.as_raw_fd());
            // Its parent may have ended before that was asked for.
            if !kind.has_loop
                || set_parent_process_death_signal(Some(Signal::KILL)).is_err()
                || getppid() == Some(parent)
            {
                task(Socket(theirs));
            }
            exit_now(0)
        })?;
        Ok(Self { pid, end: None, is_stopped: false, stopped: Stopped::default() })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// How it has ended; `None`: it has not. Takes its status.
    pub fn end(&mut self) -> Option<spawn::End> {
        let changes = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
        while self.end.is_none() {
            match waitpid(Some(self.pid), changes) {
                Ok(None) | Err(Errno::INTR) => break,
                Ok(Some((_, status))) if status.stopped() => self.is_stopped = true,
                Ok(Some((_, status))) if status.continued() => self.is_stopped = false,
                Ok(Some((_, status))) => {
                    self.end = Some(match status.terminating_signal() {
                        Some(signal) => spawn::End::Signaled(signal),
                        None => spawn::End::Exited(status.exit_status().unwrap_or(0)),
                    });
                }
                Err(_) => self.end = Some(spawn::End::Unknown),
            }
        }
        self.end
    }

    /// Whether somebody has stopped it (SIGSTOP), and not continued it for a second. To be called after [`Process::end`] when a child
    /// may have changed, and at [`Process::poll_timeout`]; only then the kernel is asked again.
    pub fn is_stopped_for_long(&mut self, now: Instant) -> bool {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.end();
        }
        let is_stopped = self.end.is_none() && self.is_stopped;
        self.stopped.update(is_stopped, now)
    }

    /// When to call [`Process::is_stopped_for_long`] again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.stopped.poll_timeout()
    }

    /// SIGKILL, unless its status has been taken.
    pub fn kill(&self) {
        if self.end.is_none() {
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

impl AsRawFd for Role {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for Role {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Waits until one of them has something to be received, so long at most.
pub fn wait_for_any<'a>(roles: impl Iterator<Item = &'a Role>, at_most: Duration) {
    let mut waited: Vec<PollFd<'_>> = roles.map(|role| PollFd::new(role, PollFlags::IN)).collect();
    // A signal ends the wait early, which the caller's clock sees.
    let _ = poll(&mut waited, at_most);
}

/// The socket, as the role sees it. Its calls wait.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Socket {
    /// The next message; see [`Role::receive`]. 0: nobody is at the other end, and nothing is left.
    ///
    /// # Errors
    /// What the system says; there will be no more messages.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        receive(&self.0, buffer, RecvFlags::empty())
    }

    /// Waits for a message, or the end; false: there was none for so long.
    #[must_use]
    pub fn wait(&self, at_most: Duration) -> bool {
        let mut waited = [PollFd::new(&self.0, PollFlags::IN)];
        !matches!(poll(&mut waited, at_most), Ok(0))
    }

    /// The next message if there is one already; see [`Socket::receive`].
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if there is none; what the system says.
    pub fn receive_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        receive(&self.0, buffer, RecvFlags::DONTWAIT)
    }

    /// Sends one message without waiting.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if the socket is full; another if nobody is at the other end.
    pub fn send_now(&self, message: &[u8]) -> io::Result<()> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        rustix::io::retry_on_intr(|| send(&self.0, message, flags))?;
        Ok(())
    }

    /// As [`Socket::receive_now`], and the descriptor that came with it.
    ///
    /// # Errors
    /// As [`Socket::receive_now`].
    pub fn receive_with(&self, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
        passing::receive_now(self.0.as_fd(), buffer)
    }

    /// Sends one message and a descriptor.
    ///
    /// # Errors
    /// Nobody is at the other end.
    pub fn pass(&self, message: &[u8], pass: BorrowedFd<'_>) -> io::Result<()> {
        Ok(passing::send(self.0.as_fd(), message, Some(pass), SendFlags::empty())?)
    }

    /// Sends one message. That nobody takes it is told by [`Socket::receive`].
    pub fn send(&self, message: &[u8]) {
        let _ = rustix::io::retry_on_intr(|| send(&self.0, message, SendFlags::NOSIGNAL));
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

fn receive(socket: &OwnedFd, buffer: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
    loop {
        match recv(socket, &mut *buffer, flags) {
            Ok((length, _)) => return Ok(length),
            // The other end was closed with something unread in it (unix(7)): what was sent before that is still here.
            Err(Errno::INTR | Errno::CONNRESET) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The end of a child's task, also by unwinding: nothing of its parent's is run or flushed in it.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        exit_now(0)
    }
}

/// Makes a child of `fork` a role.
fn become_role(kind: &Kind<'_>, socket: RawFd) {
    let kept = || kind.kept.iter().copied().chain([socket]);
    let mut first = 3;
    for _ in kept() {
        let Some(next) = kept().filter(|fd| *fd >= first).min() else { break };
        if let Some(last) = next.checked_sub(1).and_then(|last| last.try_into().ok()) {
            close_range(first, last);
        }
        first = next.saturating_add(1);
    }
    close_from(first, -1);
    if kind.streams != Streams::All {
        null_streams(kind.streams == Streams::Null);
    }
    if kind.has_loop {
        // The terminal of who has started the daemon is not its controlling terminal: it cannot type into it (TIOCSTI,
        // ioctl_tty(2)).
        let _ = setsid();
    } else {
        reset_signals(&[libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGPIPE, libc::SIGXFSZ]);
    }
    set_mask(Mask::None);
    let _ = set_name(kind.name);
}
