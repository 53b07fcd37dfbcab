//! Sockets of this machine, by the name of a file, and who is at the other end (privsep §8).
#![allow(unsafe_code)]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, lchown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::umask;
use socket2::{Domain, SockAddr, Socket, Type};

/// Connections that the kernel keeps until we accept them.
const BACKLOG: i32 = 64;
/// Most groups of a peer that are looked at; the kernel allows 65536, and nobody has so many.
const MAX_GROUPS: usize = 256;

/// A listening socket with its file. Dropped, it leaves the file.
#[derive(Debug)]
pub struct LocalListener {
    socket: OwnedFd,
    path: PathBuf,
    /// Device and inode: whether the file is still ours.
    id: (u64, u64),
}

/// Why there is no listener.
#[derive(Debug)]
pub enum Refused {
    /// Somebody listens there.
    InUse,
    /// There is a file of this name that is no socket.
    NoSocket,
    /// What the system says.
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl LocalListener {
    /// Listens at this path, without waiting in `accept`; the file has mode 0660 and this group. A socket file that nobody listens at
    /// is replaced.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn new(path: &Path, group: Option<u32>) -> Result<Self, Refused> {
        let address = SockAddr::unix(path)?;
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
            Ok(data) if !data.file_type().is_socket() => return Err(Refused::NoSocket),
            Ok(_) => {
                // One whose queue is full says EAGAIN.
                match stream()?.connect(&address) {
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                        std::fs::remove_file(path)?
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Ok(()) => return Err(Refused::InUse),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(Refused::InUse),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let socket = stream()?;
        let before = umask(Mode::XUSR | Mode::XGRP | Mode::RWXO);
        let bound = socket.bind(&address);
        umask(before);
        bound?;
        // Nobody can connect before it listens.
        let made = match group {
            Some(group) => lchown(path, None, Some(group)),
            None => Ok(()),
        };
        let made = made.and_then(|()| path.symlink_metadata()).and_then(|data| {
            socket.listen(BACKLOG)?;
            Ok((data.dev(), data.ino()))
        });
        match made {
            Ok(id) => Ok(Self { socket: socket.into(), path: path.to_owned(), id }),
            Err(error) => {
                let _ = std::fs::remove_file(path);
                Err(error.into())
            }
        }
    }

    /// The same socket for another owner.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        self.socket.try_clone()
    }

    /// Its number.
    #[must_use]
    pub fn fd(&self) -> i32 {
        self.socket.as_raw_fd()
    }

    /// Removes the file, if it is still this one's.
    pub fn remove_file(&self) {
        if self.path.symlink_metadata().is_ok_and(|data| (data.dev(), data.ino()) == self.id) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Connects to a socket; reads and writes that take longer than `answers` fail.
///
/// # Errors
/// What the system says; [`io::ErrorKind::WouldBlock`]: nobody has accepted for `wait`.
pub fn connect(path: &Path, wait: Duration, answers: Duration) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_write_timeout(Some(wait))?;
    socket.set_read_timeout(Some(answers))?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(OwnedFd::from(socket).into())
}

fn stream() -> io::Result<Socket> {
    Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)
}

/// A process at the other end, as it was when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its process id; 0: not one of this name space.
    pub pid: i32,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group, or one of its others, is the group that was asked about.
    pub is_member: bool,
}

/// Who is at the other end of this connection; `group`: whether it is in this one. Kernels before 4.13 tell its effective group only.
///
/// # Errors
/// The connection is none of this machine's.
pub fn peer(connection: &impl AsFd, group: Option<u32>) -> io::Result<Peer> {
    let mut told = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or_default();
    let fd = connection.as_fd().as_raw_fd();
    // Not by rustix, for which a process is never 0, as one of another namespace is here.
    // SAFETY: the kernel writes at most `length` bytes, the size of the structure, of which any bytes are a value; the borrow keeps the
    // descriptor open.
    let got = unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut told).cast(), &raw mut length)
    };
    if got != 0 {
        return Err(io::Error::last_os_error());
    }
    let is_member = group.is_some_and(|group| told.gid == group || other_groups(connection).contains(&group));
    Ok(Peer { pid: told.pid, uid: told.uid, is_member })
}

/// The supplementary groups of a peer; none where the kernel does not tell.
fn other_groups(connection: &impl AsFd) -> Vec<u32> {
    let mut groups: [u32; MAX_GROUPS] = [0; MAX_GROUPS];
    let mut length = libc::socklen_t::try_from(size_of::<[u32; MAX_GROUPS]>()).unwrap_or_default();
    let fd = connection.as_fd().as_raw_fd();
    // SAFETY: the kernel writes at most `length` bytes, the size of the array, of which any bytes are values; the borrow keeps the
    // descriptor open.
    let got = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let count = if got == 0 { length as usize / size_of::<u32>() } else { 0 };
    groups.get(..count).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags};

    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::sys::access;

    /// A path that is free, and removed at the end.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mainsd-local-{name}-{}", std::process::id()));
            let _ = std::fs::remove_file(&path);
            Self(path)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_file_that_is_left_over_is_replaced_and_one_that_is_used_is_not() {
        let place = Place::new("left");
        let first = LocalListener::new(&place.0, None).unwrap();
        assert_eq!(place.0.metadata().unwrap().permissions().mode() & 0o7777, 0o660);
        assert!(matches!(LocalListener::new(&place.0, None), Err(Refused::InUse)));
        // A child of another test has it too, until it is the program that it is to be: then who has connected is told.
        let client = UnixStream::connect(&place.0).unwrap();
        drop(first);
        let mut one = [PollFd::new(&client, PollFlags::IN)];
        assert!(matches!(crate::sys::wait::poll(&mut one, std::time::Duration::from_secs(60)), Ok(1)));
        let second = LocalListener::new(&place.0, None).unwrap();
        // Its queue is full: that is no file left over.
        let clients: Vec<_> = std::iter::from_fn(|| {
            Some(stream().unwrap()).filter(|one| one.connect(&SockAddr::unix(&place.0).unwrap()).is_ok())
        })
        .collect();
        assert!(clients.len() >= 64);
        assert!(matches!(LocalListener::new(&place.0, None), Err(Refused::InUse)));
        second.remove_file();
        assert!(!place.0.exists());
        std::fs::write(&place.0, "").unwrap();
        assert!(matches!(LocalListener::new(&place.0, None), Err(Refused::NoSocket)));
        second.remove_file();
        assert!(place.0.exists(), "another's");
    }

    #[test]
    fn the_other_end_is_known_with_its_groups() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let group = rustix::process::getegid().as_raw();
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(
            peer(&ours, Some(group)).unwrap(),
            Peer { pid: own, uid: access::user(), is_member: true }
        );
        assert!(!peer(&ours, Some(u32::MAX - 7)).unwrap().is_member);
        assert!(!peer(&ours, None).unwrap().is_member);
        for other in rustix::process::getgroups().unwrap() {
            assert!(peer(&ours, Some(other.as_raw())).unwrap().is_member);
        }
    }

    #[test]
    fn a_path_longer_than_an_address_is_an_error() {
        let path = PathBuf::from(format!("/tmp/{}", "x".repeat(120)));
        assert!(matches!(LocalListener::new(&path, None), Err(Refused::Io(_))));
    }
}
