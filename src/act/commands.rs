//! The ways to shut down when the hook cannot.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::sys::container::{Container, container};
use crate::sys::spawn::{Output, Spec};

/// What is done when the `doshutdown` hook fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fallback {
    /// [SHUTDOWNCMD] A shell command; `None`: not configured.
    pub shutdown_cmd: Option<String>,
    /// The commands of this machine.
    pub built_in: BuiltIn,
    /// What comes last of all.
    pub last_resort: LastResort,
}

/// The commands that shut a system down, those that it has, and what comes after them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuiltIn {
    commands: Vec<(PathBuf, &'static [&'static str])>,
    last_resort: LastResort,
}

/// What is done when no command shuts the system down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastResort {
    /// Only a log line. For tests, and wherever the machine is not ours to switch off.
    #[default]
    LogOnly,
    /// Write the disks, as far as they answer, and switch off.
    PowerOff,
    /// In a container `reboot(2)` would end that, and the machine would run on with nobody to guard it: only the host can do it, which
    /// may see the flag `powerfail`.
    LeftToHost,
}

impl BuiltIn {
    /// Those of this machine. Looks at its disks, so it is called when a daemon starts, and not when a shutdown needs them.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self::of(Path::new("/"))
    }

    /// Those of the machine whose root folder this is.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        let dirs = ["usr/sbin", "usr/bin", "sbin", "bin", "usr/local/sbin", "run/current-system/sw/bin"];
        match container(root) {
            Some(container) if !container.has_init => Self::in_container(&container),
            _ => Self::find(&dirs.map(|dir| root.join(dir)), &root.join("run/systemd/system")),
        }
    }

    /// None: no init is there to hear of them.
    pub(super) fn in_container(container: &Container) -> Self {
        let last_resort =
            if container.sees_the_machine { LastResort::PowerOff } else { LastResort::LeftToHost };
        Self { commands: Vec::new(), last_resort }
    }

    /// Those in these folders. `systemd_mark` exists if the system was booted with systemd (`sd_booted(3)`): only then can
    /// `systemctl` shut it down.
    pub(super) fn find(dirs: &[PathBuf], systemd_mark: &Path) -> Self {
        let runs = |path: &PathBuf| {
            path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
        };
        let fits = |name: &str| name != "systemctl" || systemd_mark.exists();
        let found = COMMANDS.into_iter().filter(|(name, _)| fits(name)).filter_map(|(name, args)| {
            let path = dirs.iter().map(|dir| dir.join(name)).find(runs)?;
            Some((path, args))
        });
        Self { commands: found.collect(), last_resort: LastResort::PowerOff }
    }
}

impl Fallback {
    /// The real thing. [`Fallback::default`] has no commands, and only logs: what can switch a machine off must be asked for
    /// by name, and tests never do.
    #[must_use]
    pub fn system(shutdown_cmd: Option<String>, built_in: BuiltIn) -> Self {
        Self { shutdown_cmd, last_resort: built_in.last_resort, built_in }
    }

    /// What would be tried in turn before the kernel switches off, in words: for `mainsd check` and the log at start.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let commands = self.commands(Output::Null).into_iter().map(|(_, what)| what);
        let host = "the host, which alone can do it: this is a container".to_owned();
        commands.chain((self.last_resort == LastResort::LeftToHost).then_some(host)).collect()
    }

    /// The commands in the order in which they are tried.
    pub(super) fn commands(&self, output: Output) -> Vec<(Spec, String)> {
        let own = self.shutdown_cmd.as_deref().filter(|text| !text.trim().is_empty());
        let own =
            own.map(|command| (Spec::new(Path::new("/bin/sh"), ["-c", command], output), command.to_owned()));
        let built_in = self.built_in.commands.iter().map(|(path, args)| {
            let words = std::iter::once(path.to_string_lossy().into_owned());
            let words: Vec<_> = words.chain(args.iter().map(|arg| (*arg).to_owned())).collect();
            (Spec::new(path, *args, output), words.join(" "))
        });
        own.into_iter().chain(built_in).collect()
    }
}

/// The commands that shut a Linux system down. `-i`: an inhibitor lock of some desktop must not outlive the battery
/// (`systemctl(1)`). Busybox has no `shutdown`, and its `halt` need not know `-p`; a halted machine is as safe as one
/// that is off.
const COMMANDS: [(&str, &[&str]); 5] = [
    ("systemctl", &["-i", "poweroff"]),
    ("shutdown", &["-h", "now"]),
    ("poweroff", &[]),
    ("halt", &["-p"]),
    ("halt", &[]),
];
