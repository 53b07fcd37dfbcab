//! Gives up the rights of this process, one kind after the other (docs/reference/privsep.md §5).
#![allow(unsafe_code)]

use std::io;
use std::path::Path;

use rustix::process::{Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

use super::access::is_root;
use super::call_filter;

/// A user, as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// What a process without rights has of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files<'a> {
    /// Nothing: this folder, with nothing in it, becomes its root.
    None(Option<&'a Path>),
    /// What everybody has.
    AsOthers,
}

impl Default for User {
    /// Nobody.
    fn default() -> Self {
        NOBODY
    }
}

/// Names in the order in which they are looked for; the second is shared with other programs.
const USERS: [&str; 2] = ["mainsd", "nobody"];
/// As the kernel calls users that it cannot name (`overflowuid`).
const NOBODY: User = User { uid: 65534, gid: 65534 };

/// The user that a process without rights runs as, and whether that is its own: `mainsd`, else `nobody`.
///
/// Read from the text of `/etc/passwd`: what else a system may ask for users can wait for a network.
#[must_use]
pub fn find_user(passwd: &str) -> (User, bool) {
    let find = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map(str::parse);
        Some(User { uid: numbers.next()?.ok()?, gid: numbers.next()?.ok()? }).filter(|user| user.uid != 0)
    };
    let [own, shared] = USERS;
    match find(own) {
        Some(user) => (user, true),
        None => (find(shared).unwrap_or(NOBODY), false),
    }
}

/// Gives up everything that this process can do without. A line for each kind that it keeps, in words: guarding goes on. `parent`: the
/// process with whose end this one ends.
pub fn give_up(user: User, files: Files<'_>, parent: i32) -> Vec<String> {
    let mut kept = Vec::new();
    let mut note = |what: &str, done: io::Result<()>| {
        if let Err(error) = done {
            kept.push(format!("{what}: {}", super::reason(&error)));
        }
    };
    if is_root() {
        match files {
            Files::None(Some(empty)) => note("it sees the file system", enter(empty)),
            Files::None(None) => note("it sees the file system", Err(io::ErrorKind::NotFound.into())),
            Files::AsOthers => {}
        }
        note("it stays root", try_become_user(user));
    }
    // A change of the user takes it away (prctl(2)).
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    if getppid().is_none_or(|now| now.as_raw_pid() != parent) {
        // SAFETY: ends this process: who has started it is gone.
        unsafe { libc::_exit(0) }
    }
    note("programs it starts can have more rights", set_no_new_privs(true).map_err(Into::into));
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    note("it can leave a core file", setrlimit(Resource::Core, none).map_err(Into::into));
    let opens = files == Files::AsOthers;
    note("no system call is refused", call_filter::install(opens));
    kept
}

/// Keeps only what it takes to write files of any owner, or nothing of root's rights; nobody that this process starts has more.
/// Without it goes on as it is.
pub fn keep_for_files(writes_files: bool) {
    let files = CapabilitySet::DAC_OVERRIDE | CapabilitySet::CHOWN | CapabilitySet::FOWNER;
    let kept = if writes_files { files } else { CapabilitySet::empty() };
    if is_root() {
        let inheritable = CapabilitySet::empty();
        let _ = set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable });
    }
    let _ = set_no_new_privs(true);
}

fn enter(empty: &Path) -> io::Result<()> {
    rustix::process::chroot(empty)?;
    Ok(rustix::process::chdir(c"/")?)
}

/// Becomes this user, if this process is root: for what may wait, and needs no rights. Without it goes on as it is.
pub fn become_user(user: User) {
    if is_root() {
        let _ = try_become_user(user);
    }
}

fn try_become_user(user: User) -> io::Result<()> {
    let check = |result: libc::c_int| if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    // SAFETY: calls on plain numbers and an empty list, in a process with one thread; capabilities go with the last user id that
    // is root's.
    unsafe {
        check(libc::setgroups(0, std::ptr::null()))?;
        check(libc::setresgid(user.gid, user.gid, user.gid))?;
        check(libc::setresuid(user.uid, user.uid, user.uid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_user_is_taken_else_nobody_and_never_root() {
        let nobody = "root:x:0:0:root:/root:/bin/sh\nnobody:x:99:98::/:/bin/false\n";
        assert_eq!(find_user(nobody), (User { uid: 99, gid: 98 }, false));
        let own = format!("{nobody}mainsd:x:101:102:UPS:/:/bin/false\n");
        assert_eq!(find_user(&own), (User { uid: 101, gid: 102 }, true));
        for broken in ["", "mainsd", "mainsd:x:0:0:::\n", "mainsd:x:many:1:::\n", "nobody:x::1:::\n"] {
            assert_eq!(find_user(broken), (NOBODY, false), "{broken}");
        }
    }
}
