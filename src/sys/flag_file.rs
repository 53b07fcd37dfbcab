//! A file whose being there says something, made or removed by a short-lived child: its folder may be on a disk that no
//! longer answers, and then only the child waits.
//!
//! The child makes plain system calls on what was prepared before it began.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, fchmod, ftruncate, open, unlink};
use rustix::io::{Errno, read, write};

use super::spawn::{Child, end_child, spawn_calls};
use super::trust::trusted;

/// Mode of a flag, whatever the umask.
const MODE: Mode = Mode::from_raw_mode(0o644);

/// Longest content that a flag is compared with, in bytes.
const CONTENT_MAX: usize = 128;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Make the file; one that is there already does its work, whoever made it.
    Create(Vec<u8>),
    /// Make the file, or write this into the one that is there; without the content it counts all the same.
    Renew(Vec<u8>),
    /// Remove whatever has the name.
    Remove,
    /// Remove the file if it holds this and nothing else, 128 bytes at most.
    RemoveIf(Vec<u8>),
}

/// Starts a child that does it. It ends with [`super::spawn::End::Failed`] if the file system refuses.
///
/// Links are not followed, and nothing is waited for that only has the name of the flag; only a plain file of root or of ours,
/// without another name, is written to or looked into: whoever can write to the folder may have put something else there.
///
/// # Errors
///
/// What `fork` says; `InvalidInput` for a path with a zero byte.
pub fn start(path: &Path, change: &Change) -> io::Result<Child> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    spawn_calls(|failure| {
        let done = carry_out(&path, change);
        end_child(failure, done.err().map(Errno::raw_os_error))
    })
}

fn carry_out(path: &CStr, change: &Change) -> rustix::io::Result<()> {
    match change {
        Change::Create(content) => match create(path, content) {
            Err(Errno::EXIST) => Ok(()),
            created => created,
        },
        Change::Renew(content) => match create(path, &[]) {
            Ok(()) | Err(Errno::EXIST) => {
                let _ = write_over(path, content);
                Ok(())
            }
            refused => refused,
        },
        Change::Remove => remove(path),
        Change::RemoveIf(content) if holds(path, content) => remove(path),
        Change::RemoveIf(_) => Ok(()),
    }
}

fn create(path: &CStr, content: &[u8]) -> rustix::io::Result<()> {
    let file = open(path, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC, MODE)?;
    fchmod(&file, MODE)?;
    let written = write_all(&file, content);
    if written.is_err() {
        // Half a flag would not be known as ours again.
        let _ = unlink(path);
    }
    written
}

fn write_over(path: &CStr, content: &[u8]) -> rustix::io::Result<()> {
    let file = open_ours(path, OFlags::WRONLY)?;
    ftruncate(&file, 0)?;
    write_all(&file, content)
}

fn holds(path: &CStr, content: &[u8]) -> bool {
    // One byte more, so that a longer one is seen to be longer.
    let mut found = [0; CONTENT_MAX + 1];
    let Ok(file) = open_ours(path, OFlags::RDONLY) else { return false };
    let mut length = 0;
    while let Some(rest) = found.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match read(&file, rest) {
            Ok(0) => break,
            Ok(got) => length += got,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    found.get(..length) == Some(content)
}

fn open_ours(path: &CStr, access: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    // Not by rustix: for 32 bits that looks the call up by `dlsym`, of which musl's on MIPS ends a program that is not
    // position-independent (rustix 1.1).
    let data = file.metadata().map_err(|_| Errno::ACCESS)?;
    let ours = data.is_file() && trusted(data.uid()) && data.nlink() == 1;
    if ours { Ok(file.into()) } else { Err(Errno::ACCESS) }
}

fn write_all(file: &OwnedFd, mut content: &[u8]) -> rustix::io::Result<()> {
    while !content.is_empty() {
        match write(file, content) {
            Ok(taken) => content = content.get(taken..).unwrap_or(&[]),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn remove(path: &CStr) -> rustix::io::Result<()> {
    match unlink(path) {
        Err(Errno::NOENT) => Ok(()),
        done => done,
    }
}
