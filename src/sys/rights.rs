//! Gives up the rights of this process, one kind after the other (docs/reference/privsep.md §5).

use std::io;
use std::path::Path;

use rustix::process::{
    Gid, Resource, Rlimit, Signal, Uid, getppid, set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use super::access::is_root;
use super::call_filter;
use super::fork::exit_now;

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

/// The number of a group in the text of `/etc/group`, by its name.
#[must_use]
pub fn find_group(groups: &str, name: &str) -> Option<u32> {
    let is_it = |line: &&str| !name.is_empty() && line.split(':').next() == Some(name);
    let line = groups.lines().find(is_it)?;
    line.split(':').nth(2)?.parse().ok()
}

/// Gives up everything that this process can do without. A line for each kind that it keeps, in words: guarding goes on. `filters`:
/// system calls are refused too. `parent`: the process with whose end this one ends.
pub fn give_up(user: User, files: Files<'_>, filters: bool, parent: i32) -> Vec<String> {
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
        let [groups, of_user] = try_become_user(user);
        note("it keeps root's groups", groups);
        note("it stays root", of_user);
    }
    note("it keeps capabilities", drop_capabilities());
    // A change of the user takes it away (prctl(2)).
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    if getppid().is_none_or(|now| now.as_raw_pid() != parent) {
        // Who has started it is gone.
        exit_now(0)
    }
    note("programs it starts can have more rights", set_no_new_privs(true).map_err(Into::into));
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    note("it can leave a core file", setrlimit(Resource::Core, none).map_err(Into::into));
    if filters {
        let opens = files == Files::AsOthers;
        note("no system call is refused", call_filter::install(opens));
    }
    kept
}

/// Keeps only what it takes to write files of any owner, or nothing of root's rights; nobody that this process starts has more.
/// Without it goes on as it is.
pub fn keep_for_files(writes_files: bool) {
    let kept = if writes_files { CapabilitySet::DAC_OVERRIDE } else { CapabilitySet::empty() };
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
    let _ = drop_capabilities();
}

/// Becomes the user as far as it goes: whether its groups, and itself.
fn try_become_user(user: User) -> [io::Result<()>; 2] {
    // Those of the process are those of its one thread.
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let groups = set_thread_groups(&[]);
    let group = set_thread_res_gid(gid, gid, gid);
    let of_group = groups.and(group).map_err(Into::into);
    [of_group, set_thread_res_uid(uid, uid, uid).map_err(Into::into)]
}

/// Drops all capabilities. They go with root's user id, but that may stay; and a service manager can give some to any user.
fn drop_capabilities() -> io::Result<()> {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    Ok(set_capabilities(None, sets)?)
}

#[cfg(test)]
mod tests {
    use rustix::thread::capabilities;

    use super::*;
    use crate::sys::role::{Kind, Role, Streams, wait_for_any};

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

    #[test]
    fn a_group_is_found_by_its_name() {
        let groups = "root:x:0:\nups:x:104:joe,ann\nbroken:x\n";
        assert_eq!(find_group(groups, "ups"), Some(104));
        assert_eq!(
            (find_group(groups, "joe"), find_group(groups, "broken"), find_group(groups, "")),
            (None, None, None)
        );
    }

    /// A child of `fork`, without these capabilities, does this; what it says.
    fn in_child(dropped: CapabilitySet, work: impl FnOnce() -> String) -> String {
        let kind = Kind { name: c"rights", kept: &[], streams: Streams::All, has_loop: false };
        let role = Role::start(
            &kind,
            || (),
            |socket| {
                let CapabilitySets { effective, permitted, inheritable } = capabilities(None).unwrap();
                let sets = [effective, permitted, inheritable].map(|set| set - dropped);
                let [effective, permitted, inheritable] = sets;
                set_capabilities(None, CapabilitySets { effective, permitted, inheritable }).unwrap();
                socket.send(work().as_bytes());
            },
        );
        let role = role.unwrap();
        wait_for_any([&role].into_iter(), std::time::Duration::from_secs(60));
        let mut said = [0; 1000];
        let length = role.receive(&mut said).unwrap();
        String::from_utf8_lossy(&said[..length]).into_owned()
    }

    #[test]
    fn what_can_be_given_up_is_also_where_something_else_cannot() {
        let parent = std::process::id() as i32;
        let give_up = move || {
            let kept = give_up(NOBODY, Files::None(Some(Path::new("/"))), true, parent);
            let left = capabilities(None).unwrap();
            format!("{kept:?} {} {:?}", rustix::process::getuid(), left.permitted | left.effective)
        };
        let none = CapabilitySet::empty();
        let without = |dropped| in_child(dropped, give_up);
        if !is_root() {
            assert!(without(none).ends_with(&format!("{} {none:?}", rustix::process::getuid())));
            return;
        }
        let uid = NOBODY.uid;
        assert_eq!(without(none), format!("[] {uid} {none:?}"));
        let groups = "it keeps root's groups: Operation not permitted";
        assert_eq!(without(CapabilitySet::SETGID), format!("[{groups:?}] {uid} {none:?}"));
        let user = "it stays root: Operation not permitted";
        assert_eq!(without(CapabilitySet::SETUID), format!("[{user:?}] 0 {none:?}"));
    }
}
