//! The ways to shut down when the hook cannot.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::sys::spawn::{Output, Spec};

/// What is done when the `doshutdown` hook fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fallback {
    /// [SHUTDOWNCMD] A shell command; `None`: not configured.
    pub shutdown_cmd: Option<String>,
    /// Folders in which `systemctl`, `shutdown`, `poweroff` and `halt` are looked for.
    pub command_dirs: Vec<PathBuf>,
    /// Exists if the system was booted with systemd (`sd_booted(3)`): only then can `systemctl` shut it down.
    pub systemd_mark: PathBuf,
    /// What comes last of all.
    pub last_resort: LastResort,
}

/// What is done when no command shuts the system down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastResort {
    /// Only a log line. For tests, and wherever the machine is not ours to switch off.
    #[default]
    LogOnly,
    /// Write the disks and switch off.
    PowerOff,
}

impl Fallback {
    /// The real thing. [`Fallback::default`] has no folders, hence no commands, and only logs: what can switch a
    /// machine off must be asked for by name, and tests never do.
    #[must_use]
    pub fn system(shutdown_cmd: Option<String>) -> Self {
        let dirs =
            ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/run/current-system/sw/bin"];
        Self {
            shutdown_cmd,
            command_dirs: dirs.map(PathBuf::from).to_vec(),
            systemd_mark: PathBuf::from("/run/systemd/system"),
            last_resort: LastResort::PowerOff,
        }
    }

    /// What would be run in turn, in words: for `mainsd check` and the log at start.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        self.commands(Output::Null).into_iter().map(|(_, what)| what).collect()
    }

    /// The commands in the order in which they are tried. Looked up anew each time, for packages come and go.
    pub(super) fn commands(&self, output: Output) -> Vec<(Spec, String)> {
        let mut found = Vec::new();
        if let Some(command) = self.shutdown_cmd.as_deref().filter(|text| !text.trim().is_empty()) {
            found.push((Spec::new(Path::new("/bin/sh"), ["-c", command], output), command.to_owned()));
        }
        for (name, args) in BUILT_IN {
            if name == "systemctl" && !self.systemd_mark.exists() {
                continue;
            }
            if let Some(path) = self.find(name) {
                let what = std::iter::once(path.to_string_lossy().as_ref())
                    .chain(args.iter().copied())
                    .collect::<Vec<_>>()
                    .join(" ");
                found.push((Spec::new(&path, args, output), what));
            }
        }
        found
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        let runs = |path: &PathBuf| {
            path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
        };
        self.command_dirs.iter().map(|dir| dir.join(name)).find(runs)
    }
}

/// The commands that shut a Linux system down. `-i`: an inhibitor lock of some desktop must not outlive the battery
/// (`systemctl(1)`). Busybox has no `shutdown`, and its `halt` need not know `-p`; a halted machine is as safe as one
/// that is off.
const BUILT_IN: [(&str, &[&str]); 5] = [
    ("systemctl", &["-i", "poweroff"]),
    ("shutdown", &["-h", "now"]),
    ("poweroff", &[]),
    ("halt", &["-p"]),
    ("halt", &[]),
];
