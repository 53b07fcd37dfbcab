//! Whether this program runs in a container, by what the programs that make them leave there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The name space of process ids that the machine's first process is in: `PROC_PID_INIT_INO` of the kernel's proc_ns.h.
pub(super) const FIRST_PROCESSES: &str = "pid:[4026531836]";

/// What a first process is called that brings its system down when it is asked to.
const INITS: [&str; 6] = ["systemd", "init", "openrc-init", "procd", "runit", "s6-svscan"];

/// A container, as seen from within.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Of which program, or how else it is known.
    pub kind: String,
    /// It has an init of its own, as a machine has: that can be told to shut it down. In others a command such as busybox's `poweroff`
    /// only signals a process that is no init, and calls that a success. Where it cannot be told, commands are worth a try.
    pub has_init: bool,
    /// Its processes are in the same name space as the machine's own: `reboot(2)` is then a call for the machine.
    pub sees_the_machine: bool,
}

/// The container whose root folder this is; `None`: none that can be seen.
#[must_use]
pub fn container(root: &Path) -> Option<Container> {
    let space = fs::read_link(root.join("proc/self/ns/pid")).ok();
    let is_of_its_own = space.as_deref().is_some_and(|space| space != Path::new(FIRST_PROCESSES));
    let is_root_of_first = is_root_of_first(root);
    if !is_of_its_own && is_root_of_first == Some(true) {
        // What a system's image was made with may have left its mark in that.
        return None;
    }
    let kind = kind(root)
        .or_else(|| is_of_its_own.then(|| "it does not see the processes of the machine".to_owned()))?;
    let first = fs::read_to_string(root.join("proc/1/comm")).unwrap_or_default();
    Some(Container {
        kind,
        has_init: (is_of_its_own || is_root_of_first.is_none()) && INITS.contains(&first.trim_end()),
        sees_the_machine: space.is_some() && !is_of_its_own,
    })
}

/// Whether the first process has this root folder too; `None`: it may not be asked, or is not there.
fn is_root_of_first(root: &Path) -> Option<bool> {
    let theirs = fs::metadata(root.join("proc/1/root")).ok()?;
    let ours = fs::metadata(root).ok()?;
    Some((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()))
}

fn kind(root: &Path) -> Option<String> {
    let exists = |path: &str| root.join(path).exists();
    if exists("run/.containerenv") {
        return Some("podman".to_owned());
    }
    if exists(".dockerenv") || exists("run/.dockerenv") {
        return Some("docker".to_owned());
    }
    // systemd writes down what it runs in (os-release(5), CONTAINER_INTERFACE); others tell their first process.
    let told = fs::read_to_string(root.join("run/systemd/container")).unwrap_or_default();
    let environment = fs::read(root.join("proc/1/environ")).unwrap_or_default();
    let variable = environment.split(|byte| *byte == 0).find_map(|line| line.strip_prefix(b"container="));
    let told = [told, String::from_utf8_lossy(variable.unwrap_or_default()).into_owned()];
    if let Some(word) = told.iter().find_map(|text| text.split_whitespace().next()) {
        return Some(word.chars().filter(char::is_ascii_graphic).take(32).collect());
    }
    let groups = fs::read_to_string(root.join("proc/1/cgroup")).unwrap_or_default();
    let marks = [("/docker", "docker"), ("/kubepods", "kubernetes"), ("/lxc", "lxc"), ("libpod", "podman")];
    marks.iter().find(|(mark, _)| groups.contains(mark)).map(|(_, kind)| (*kind).to_owned())
}
