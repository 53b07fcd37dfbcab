//! File operations that `std` lacks.
#![allow(unsafe_code)]

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::wait::poll;

/// The system's numbers for `OpenOptions::custom_flags` and `io::Error::from_raw_os_error`.
pub use libc::{EBUSY, EFBIG, EISDIR, ELOOP, ENOSPC, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK};

/// A pipe, its end for reading first. A program that is run inherits neither end.
///
/// # Errors
///
/// What the system says, most likely that there are too many open files.
pub fn pipe() -> io::Result<(File, File)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((File::from(read), File::from(write)))
}

/// Takes the record lock (`fcntl`) of a whole file, open for writing, without waiting. It belongs to this process: a child
/// does not inherit it (as it would a `flock`, and one that hangs before `exec` would keep it), and it is released when the
/// process ends or closes any descriptor of the file.
///
/// # Errors
///
/// [`io::ErrorKind::WouldBlock`] if another process holds it; whatever else the system says.
pub fn try_lock(file: &File) -> io::Result<()> {
    match rustix::fs::fcntl_lock(file, FlockOperation::NonBlockingLockExclusive) {
        // POSIX allows this too for a lock that is held.
        Err(Errno::ACCESS) => Err(io::ErrorKind::WouldBlock.into()),
        other => Ok(other?),
    }
}

/// The process that holds the record lock which [`try_lock`] could not take (0: one of another process id namespace), and
/// whether it is a lock that only who may write can have. `None` if nobody does any more, or that cannot be told.
#[must_use]
pub fn lock_holder(file: &File) -> Option<(i32, bool)> {
    // Not rustix: its process ids have no room for the -1 of a lock of an open file (`F_OFD_SETLK`).
    // SAFETY: zero bits are a valid `flock`: the whole file, from its beginning. The kernel writes one through the pointer;
    // `file` keeps the descriptor open.
    #[allow(clippy::cast_possible_truncation, reason = "the constants' type differs between libraries")]
    let (got, lock) = unsafe {
        let mut lock: libc::flock = std::mem::zeroed();
        lock.l_type = libc::F_WRLCK as libc::c_short;
        lock.l_whence = libc::SEEK_SET as libc::c_short;
        (libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut lock), lock)
    };
    let is = |kind: libc::c_int| libc::c_int::from(lock.l_type) == kind;
    (got == 0 && !is(libc::F_UNLCK)).then_some((lock.l_pid.max(0), is(libc::F_WRLCK)))
}

/// Takes the lock (`flock`) of an open file, folder or device without waiting. It belongs to the open file, so a child that
/// inherits the descriptor holds it too; it ends with [`flock_release`], or when the last of these descriptors is closed.
///
/// # Errors
///
/// [`io::ErrorKind::WouldBlock`] if somebody else holds it; whatever else the system says.
pub fn flock(file: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)?)
}

/// Gives up the lock of [`flock`], also for children that have inherited the descriptor.
pub fn flock_release(file: impl AsFd) {
    let _ = rustix::fs::flock(file, FlockOperation::Unlock);
}

/// Opens what has this name, be it a link, to look at only: what it leads to, a device or a pipe is not opened (`O_PATH`).
///
/// The standard library cannot: on musl it takes this flag out of `custom_flags`, as one of reading and writing.
///
/// # Errors
///
/// What the system says.
pub fn open_name(path: &Path) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?;
    Ok(File::from(opened))
}

/// The target of a symbolic link that [`open_name`] has opened.
///
/// # Errors
///
/// What the system says, or that the target is longer than a path can be.
pub fn link_target(link: &File) -> io::Result<PathBuf> {
    let mut buffer = [0_u8; libc::PATH_MAX as usize];
    // An empty name means the descriptor itself.
    let got = rustix::fs::readlinkat_raw(link, c"", &mut buffer)?;
    match buffer.get(..got) {
        Some(target) if got < buffer.len() => Ok(PathBuf::from(OsStr::from_bytes(target))),
        _ => Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG)),
    }
}

/// Whether a write of up to `PIPE_BUF` (4096) bytes would be taken at once: a terminal stopped with Ctrl-S or a pipe that
/// nobody empties would hold the loop.
#[must_use]
pub fn writable_now(fd: impl AsFd) -> bool {
    ready_now(fd, PollFlags::OUT)
}

/// Whether nobody can read any more what is written.
#[must_use]
pub fn is_unread(fd: impl AsFd) -> bool {
    ready_now(fd, PollFlags::ERR)
}

/// Whether there is something to read.
pub(super) fn readable_now(fd: impl AsFd) -> bool {
    ready_now(fd, PollFlags::IN)
}

fn ready_now(fd: impl AsFd, wanted: PollFlags) -> bool {
    let mut one = [PollFd::new(&fd, wanted)];
    let ready = poll(&mut one, Duration::ZERO);
    matches!(ready, Ok(1)) && one.iter().any(|one| one.revents().contains(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_full_pipe_is_not_writable_and_an_emptied_one_is() {
        let (mut reader, mut writer) = pipe().unwrap();
        let mut written = 0;
        while writable_now(&writer) {
            written += writer.write(&[0; 4096]).unwrap();
        }
        assert!(written >= 4096);
        let mut buffer = vec![0; written];
        io::Read::read_exact(&mut reader, &mut buffer).unwrap();
        assert!(writable_now(&writer) && !is_unread(&writer));
        drop(reader);
        // A child of another test has it too, until it is the program that it is to be.
        let mut one = [PollFd::new(&writer, PollFlags::empty())];
        assert!(matches!(poll(&mut one, Duration::from_secs(60)), Ok(1)));
        assert!(is_unread(&writer));
    }
}
