//! What kind of machine it is, and what happens at the very end of its shutdown.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::Found;
use super::hooks::start_of;
use crate::config::{NoLogon, Parsed};
use crate::daemon::settings::role;
use crate::sys::container::{Container, container};

impl Found<'_> {
    /// NOLOGON `always`, which is also the default.
    pub(super) fn logins(&mut self) {
        if self.parsed.config.no_logon == NoLogon::Always {
            let text = "always, so nobody but root can log in from the first second of an outage, not even who comes to help; say \
                        NOLOGON disable";
            self.warn("NOLOGON", text.to_owned());
        }
    }

    /// The machine whose root folder this is.
    pub(super) fn machine(&mut self, root: &Path) {
        if let End::Container(text) | End::Untold(text) = End::of(self.parsed, root) {
            self.warn("", text);
        }
    }
}

/// The end of a shutdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It is that of a container, which has no last stage of its own: what a shutdown is there, in words.
    Container(String),
    /// The UPS is not to be told anything there.
    Needless,
    /// It is not told to cut its power: what comes of that, and what mends it.
    Untold(String),
    /// This hook tells it.
    Told {
        /// The hook.
        hook: PathBuf,
        /// It runs while file systems are still mounted: what mends that.
        too_early: Option<&'static str>,
    },
}

impl End {
    /// That of the machine whose root folder this is.
    #[must_use]
    pub fn of(parsed: &Parsed, root: &Path) -> Self {
        let config = &parsed.config;
        if let Some(container) = container(root) {
            return Self::Container(shutdown_in(&container, &config.powerfail_dir.join("powerfail")));
        }
        // With KILLDELAY the daemon does it.
        if !role(config).tells_at_the_end() || config.kill_delay != 0 {
            return Self::Needless;
        }
        let init = Init::of(root);
        match init.tells_the_ups(root) {
            Some(hook) => Self::Told { too_early: init.too_early(&hook), hook },
            None => Self::Untold(format!(
                "nothing was found that tells the UPS at the end of a shutdown to cut its power: its battery runs empty, and if \
                 mains comes back before that, this machine stays off; {}, or set KILLDELAY",
                init.remedy(root)
            )),
        }
    }
}

/// What a shutdown is in this container.
fn shutdown_in(container: &Container, flag: &Path) -> String {
    let (kind, flag) = (&container.kind, flag.display());
    if container.has_init {
        return format!(
            "this is a container ({kind}): a shutdown ends the container, not the machine; let the hook doshutdown or SHUTDOWNCMD \
             reach the host, or run mainsd there (CONTAINERS in mainsd(8))"
        );
    }
    format!(
        "this is a container ({kind}): the commands that shut a machine down do nothing here and are not tried; have the host watch \
         the file {flag} in a folder that it shares with the container, or let the hook doshutdown or SHUTDOWNCMD reach the host \
         (CONTAINERS in mainsd(8))"
    )
}

/// What brings the system up and down, and so runs the last of all hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// systemd.
    Systemd,
    /// OpenRC.
    OpenRc,
    /// OpenWrt's.
    Procd,
    /// sysvinit, busybox, Slackware or something else.
    Other,
}

/// Units of the administrator.
const SYSTEMD_UNITS: &str = "etc/systemd/system";
/// systemd runs every executable file in the first of these that it was built with; NixOS builds it with the last.
const SYSTEMD_FOLDERS: [&str; 3] =
    ["usr/lib/systemd/system-shutdown", "lib/systemd/system-shutdown", "etc/systemd/system-shutdown"];

impl Init {
    /// That of the machine whose root folder this is.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        let exists = |path: &str| root.join(path).exists();
        if exists("run/systemd/system") {
            Self::Systemd
        } else if exists("run/openrc") {
            Self::OpenRc
        } else if exists("sbin/procd") {
            Self::Procd
        } else {
            Self::Other
        }
    }

    /// The first of its hooks that names `killpower`, the event and the option that do it. How the hook goes about it is not
    /// looked at.
    fn tells_the_ups(self, root: &Path) -> Option<PathBuf> {
        let within = |folder: &str| entries(&root.join(folder));
        let runs = |path: &Path| {
            fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
        };
        let is_hook = |path: &PathBuf| runs(path) && contains(path, b"killpower");
        let names_it = |path: &PathBuf| path.is_file() && contains(path, b"killpower");
        let first = |folders: &[&str]| folders.iter().flat_map(|folder| within(folder)).find(is_hook);
        let single = |files: &[&str]| files.iter().map(|path| root.join(path)).find(is_hook);
        match self {
            // A unit that is wanted late in the shutdown does it too.
            Self::Systemd => {
                first(&SYSTEMD_FOLDERS).or_else(|| within(SYSTEMD_UNITS).into_iter().find(names_it))
            }
            // Debian's OpenRC comes with sysvinit's halt.
            Self::OpenRc => {
                first(&["etc/runlevels/shutdown"]).or_else(|| single(&["etc/init.d/ups-monitor"]))
            }
            Self::Procd => first(&["etc/rc.d"]),
            // sysvinit's halt runs the first; scripts of levels 0 and 6; what the inittab of busybox runs; Slackware.
            Self::Other => {
                single(&["etc/init.d/ups-monitor", "etc/init.d/rcK", "etc/rc.d/rc.0", "etc/rc.d/rc.6"])
                    .or_else(|| first(&["etc/rc0.d", "etc/rc6.d"]))
                    .or_else(|| Some(root.join("etc/inittab")).filter(names_it))
            }
        }
    }

    /// What mends it where the hook runs before the file systems are unmounted: the power may go at once (packaging §4, §5).
    fn too_early(self, hook: &Path) -> Option<&'static str> {
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let folder = hook.parent()?;
        match self {
            Self::Systemd if folder.ends_with(SYSTEMD_UNITS) && !contains(hook, b"umount.target") => {
                Some("give the unit the line 'After=umount.target'")
            }
            Self::OpenRc if folder.ends_with("shutdown") && !contains(hook, b"mount-ro") => {
                Some("give the service 'need mount-ro' in its function depend")
            }
            Self::Procd | Self::Other if ["rc.d", "rc0.d", "rc6.d"].iter().any(|it| folder.ends_with(it)) => {
                let beside = entries(folder);
                let mut unmounting =
                    beside.iter().filter_map(|path| name(path)).filter(|it| it.contains("umount"));
                let own = name(hook)?;
                // Scripts run in the order of their names.
                unmounting.any(|other| own < other).then_some("give it a higher number than what unmounts")
            }
            _ => None,
        }
    }

    fn remedy(self, root: &Path) -> &'static str {
        match self {
            Self::Systemd => {
                "install mainsd's packaging/systemd/mainsd.shutdown as /usr/lib/systemd/system-shutdown/mainsd, executable"
            }
            Self::OpenRc => {
                "add a service to the runlevel shutdown that runs 'mainsd --killpower' after mount-ro (packaging/openrc/mainsd.killpower)"
            }
            Self::Procd => "add a script to /etc/rc.d, behind K90umount, that runs 'mainsd --killpower'",
            Self::Other if is_nuts(&root.join("etc/init.d/ups-monitor")) => {
                "/etc/init.d/ups-monitor, which halt runs last, is that of NUT: add a line 'mainsd --killpower' to what it does for \
                 poweroff"
            }
            Self::Other => {
                "let the last step of the shutdown run 'mainsd --killpower' (/etc/init.d/ups-monitor, /etc/inittab or /etc/rc.d/rc.6)"
            }
        }
    }
}

/// Whether a script of the last stage is that of the package nut-client, which asks upsmon whether power is to be cut.
fn is_nuts(path: &Path) -> bool {
    contains(path, b"upsmon")
}

/// What is in a folder; nothing where it cannot be read.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn contains(path: &Path, word: &[u8]) -> bool {
    start_of(path).is_some_and(|text| text.windows(word.len()).any(|part| part == word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::sys::scratch::Scratch;

    /// A root folder with these files: path, content, mode.
    struct Root(Scratch);

    impl Root {
        fn new(name: &str) -> Self {
            let dir = Scratch::new(&format!("machine-{name}"));
            Self(dir)
        }

        fn file(&self, path: &str, text: &str, mode: u32) -> &Self {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            self
        }

        fn warnings(&self, config: &str) -> Vec<String> {
            let parsed = parse(config.as_bytes(), "t.conf");
            let mut found = Found { parsed: &parsed, warnings: Vec::new() };
            found.machine(&self.0);
            found.warnings.iter().map(ToString::to_string).collect()
        }
    }

    const HOOK: &str = "#!/bin/sh\n/etc/apcupsd/apccontrol killpower\n";

    #[test]
    fn a_machine_without_a_last_stage_is_told_how_to_get_one() {
        for (init, remedy) in [
            ("run/systemd/system/x", "/usr/lib/systemd/system-shutdown/mainsd"),
            ("run/openrc/x", "runlevel shutdown"),
            ("sbin/procd", "behind K90umount"),
            ("etc/inittab", "/etc/init.d/ups-monitor"),
        ] {
            let root = Root::new("none");
            root.file(init, "", 0o755);
            let found = root.warnings("UPSTYPE usb");
            let fits = found.len() == 1
                && found[0]
                    .starts_with("t.conf: nothing was found that tells the UPS at the end of a shutdown");
            assert!(fits && found[0].contains(remedy), "{found:?}");
        }
    }

    #[test]
    fn the_last_stage_of_each_init_is_recognised_and_only_if_it_would_run() {
        let table: [(&str, &str, u32, bool); 14] = [
            ("run/systemd/system/x", "usr/lib/systemd/system-shutdown/mainsd", 0o755, true),
            ("run/systemd/system/x", "lib/systemd/system-shutdown/apcupsd_shutdown", 0o755, true),
            ("run/systemd/system/x", "usr/lib/systemd/system-shutdown/mainsd", 0o644, false),
            ("run/systemd/system/x", "etc/systemd/system/apcupsd-killpower.service", 0o644, true),
            ("run/systemd/system/x", "etc/init.d/ups-monitor", 0o755, false),
            ("run/openrc/x", "etc/runlevels/shutdown/apcupsd.powerfail", 0o755, true),
            ("run/openrc/x", "etc/runlevels/default/apcupsd.powerfail", 0o755, false),
            ("run/openrc/x", "etc/init.d/ups-monitor", 0o755, true),
            ("sbin/procd", "etc/rc.d/K95mainsd", 0o755, true),
            ("sbin/init", "etc/init.d/ups-monitor", 0o755, true),
            ("sbin/init", "etc/rc.d/rc.6", 0o755, true),
            ("sbin/init", "etc/init.d/rcK", 0o755, true),
            ("sbin/init", "etc/inittab", 0o644, true),
            ("sbin/init", "etc/rc0.d/K99killpower", 0o755, true),
        ];
        for (init, path, mode, recognised) in table {
            let root = Root::new("init");
            root.file(init, "", 0o755).file(path, HOOK, mode);
            assert_eq!(root.warnings("UPSTYPE usb").is_empty(), recognised, "{init} {path} {mode:o}");
        }
        let root = Root::new("other");
        root.file("run/systemd/system/x", "", 0o644);
        root.file("usr/lib/systemd/system-shutdown/other", "#!/bin/sh\nsync\n", 0o755);
        assert_eq!(root.warnings("UPSTYPE usb").len(), 1, "a hook that does something else");
    }

    #[test]
    fn who_has_nut_beside_it_hears_what_to_add_to_nuts_script() {
        let root = Root::new("nut");
        root.file(
            "etc/init.d/ups-monitor",
            "#!/bin/sh\nupsmon=/sbin/upsmon\n$upsmon -K && poweroff\n",
            0o755,
        );
        let found = root.warnings("UPSTYPE usb");
        assert!(
            found.len() == 1 && found[0].contains("is that of NUT: add a line 'mainsd --killpower'"),
            "{found:?}"
        );
        root.file("etc/init.d/ups-monitor", "#!/bin/sh\nupsmon=/sbin/upsmon\nmainsd --killpower\n", 0o755);
        assert_eq!(root.warnings("UPSTYPE usb"), [""; 0]);
    }

    #[test]
    fn who_cuts_no_power_or_lets_the_daemon_do_it_needs_no_last_stage() {
        let root = Root::new("needless");
        for config in [
            "UPSTYPE net\nDEVICE host",
            "UPSTYPE test",
            "UPSTYPE usb\nKILLDELAY 120",
            "UPSTYPE usb\nUPSCLASS shareslave",
        ] {
            assert_eq!(root.warnings(config), [""; 0], "{config}");
        }
    }

    #[test]
    fn a_container_is_recognised_by_what_each_leaves_and_asked_for_no_last_stage() {
        let table = [
            (".dockerenv", "", "docker"),
            ("run/.dockerenv", "", "docker"),
            ("proc/1/environ", "PATH=/bin\0container=lxc\0", "lxc"),
            ("run/.containerenv", "engine=podman", "podman"),
            ("run/systemd/container", "systemd-nspawn\n", "systemd-nspawn"),
            ("proc/1/cgroup", "0::/docker/0123\n", "docker"),
            ("proc/1/cgroup", "4:pids:/kubepods/besteffort\n", "kubernetes"),
            ("proc/1/cgroup", "1:name=systemd:/lxc/101\n", "lxc"),
        ];
        for (path, text, kind) in table {
            let root = Root::new("container");
            root.file(path, text, 0o644);
            let found = root.warnings("UPSTYPE usb");
            let start = format!(
                "t.conf: this is a container ({kind}): the commands that shut a machine down do nothing"
            );
            assert!(found.len() == 1 && found[0].starts_with(&start), "{path}: {found:?}");
        }
        let root = Root::new("names");
        fs::create_dir_all(root.0.join("proc/self/ns")).unwrap();
        std::os::unix::fs::symlink("pid:[4026532999]", root.0.join("proc/self/ns/pid")).unwrap();
        assert!(root.warnings("UPSTYPE usb")[0].contains("does not see the processes"));
        root.file("proc/1/comm", "systemd\n", 0o644);
        let with_init = "(it does not see the processes of the machine): a shutdown ends the container";
        assert!(root.warnings("UPSTYPE usb")[0].contains(with_init));
        assert!(container(&root.0).is_some_and(|it| it.has_init && !it.sees_the_machine));
        let root = Root::new("host");
        fs::create_dir_all(root.0.join("proc/self/ns")).unwrap();
        std::os::unix::fs::symlink("pid:[4026531836]", root.0.join("proc/self/ns/pid")).unwrap();
        root.file("proc/1/cgroup", "0::/init.scope\n", 0o644);
        assert!(!root.warnings("UPSTYPE usb")[0].contains("container"));
        // Its image was made in a container.
        root.file(".dockerenv", "", 0o644).file("proc/1/comm", "systemd\n", 0o644);
        std::os::unix::fs::symlink(&root.0, root.0.join("proc/1/root")).unwrap();
        assert_eq!(container(&root.0), None);
        // `--pid=host`: the first process is the machine's, which has another root folder.
        fs::remove_file(root.0.join("proc/1/root")).unwrap();
        fs::create_dir(root.0.join("proc/1/root")).unwrap();
        assert!(container(&root.0).is_some_and(|it| !it.has_init && it.sees_the_machine));
        // What cannot be told without rights is no reason to leave a command out.
        fs::remove_dir(root.0.join("proc/1/root")).unwrap();
        assert!(container(&root.0).is_some_and(|it| it.has_init && it.sees_the_machine));
    }

    #[test]
    fn logins_that_are_refused_at_once_are_remarked_upon_also_where_nobody_has_said_so() {
        for (config, expected) in [
            ("UPSTYPE usb", "t.conf: NOLOGON: always, so nobody but root can log in"),
            ("UPSTYPE usb\nNOLOGON always", "t.conf:2: NOLOGON: always, so nobody but root can log in"),
        ] {
            let parsed = parse(config.as_bytes(), "t.conf");
            let mut found = Found { parsed: &parsed, warnings: Vec::new() };
            found.logins();
            let text: Vec<String> = found.warnings.iter().map(ToString::to_string).collect();
            assert!(text.len() == 1 && text[0].starts_with(expected), "{text:?}");
        }
        let parsed = parse(b"UPSTYPE usb\nNOLOGON percent", "t.conf");
        let mut found = Found { parsed: &parsed, warnings: Vec::new() };
        found.logins();
        assert!(found.warnings.is_empty());
    }
}
