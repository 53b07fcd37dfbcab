//! `packaging/install`: what it writes into a root folder of a test, and what is left when it has removed that.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::Scratch;

const INITS: [&str; 5] = ["systemd", "openrc", "sysvinit", "busybox", "none"];

/// A folder that stands for `/`.
pub(super) struct Root(pub(super) Scratch);

impl Root {
    pub(super) fn new() -> Self {
        Self(Scratch::new())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn file(&self, name: &str, text: &str) -> &Self {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
        self
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(super) fn run(&self, prefix: &str, args: &[&str]) -> Output {
        self.run_with(&small_program(), prefix, args)
    }

    fn run_with(&self, program: &Path, prefix: &str, args: &[&str]) -> Output {
        self.command(program, prefix, args).output().unwrap()
    }

    fn command(&self, program: &Path, prefix: &str, args: &[&str]) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/install"));
        command.args(args);
        command.env("DESTDIR", self.0.path()).env("PREFIX", prefix).env("MAINSD", program);
        command
    }

    /// With a program of the system replaced by these lines of shell.
    pub(super) fn run_without(&self, name: &str, lines: &str, prefix: &str, args: &[&str]) -> Output {
        let stand_ins = Scratch::new();
        stand_ins.script(name, &format!("#!/bin/sh\n{lines}\n"));
        let path = format!("{}:{}", stand_ins.path().display(), std::env::var("PATH").unwrap());
        self.command(&small_program(), prefix, args).env("PATH", path).output().unwrap()
    }

    /// Runs it, and gives its lines with the root folder left out.
    pub(super) fn said(&self, prefix: &str, args: &[&str]) -> Vec<String> {
        let done = self.run(prefix, args);
        assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
        let root = self.0.path().display().to_string();
        String::from_utf8(done.stdout).unwrap().replace(&root, "").lines().map(str::to_owned).collect()
    }

    /// Everything in it but folders.
    pub(super) fn files(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        self.walk(self.0.path(), &mut found);
        found
    }

    fn walk(&self, folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if fs::symlink_metadata(&path).unwrap().is_dir() {
                self.walk(&path, found);
            } else {
                found.insert(format!("/{}", path.strip_prefix(self.0.path()).unwrap().display()));
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        fs::read_dir(self.0.path()).unwrap().next().is_none()
    }
}

/// Stands for the program: copies of that take long.
fn small_program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("Makefile")
}

/// The files that it says it has written.
fn written(said: &[String]) -> BTreeSet<String> {
    let lines = said.iter().filter_map(|line| line.strip_prefix("mainsd: wrote "));
    lines.map(|line| line.split(" -> ").next().unwrap().to_owned()).collect()
}

#[test]
fn every_file_that_it_writes_is_told_and_removed_again() {
    for (init, prefix) in INITS.into_iter().zip(["/usr", "/opt/ups"].into_iter().cycle()) {
        let root = Root::new();
        let said = root.said(prefix, &["--init", init]);
        let list = format!("{prefix}/lib/mainsd/installed");
        let mut told = written(&said);
        told.insert(list.clone());
        assert_eq!(told, root.files(), "{init}");
        assert!(said.iter().any(|line| line.contains(&format!("listed in {list}"))), "{said:#?}");
        let again = root.said(prefix, &["--init", init]);
        assert_eq!(root.files(), told, "{init}, again: {again:#?}");
        let removed = root.said(prefix, &["--uninstall"]);
        let left: Vec<_> = root.files().into_iter().collect();
        assert_eq!(left, ["/etc/mainsd/mainsd.conf"], "{init}: {removed:#?}");
        assert!(
            removed.contains(&"mainsd: left: /etc/mainsd (--purge removes it)".to_owned()),
            "{removed:#?}"
        );
        let root = Root::new();
        root.said(prefix, &["--init", init]);
        root.said(prefix, &["--uninstall", "--purge"]);
        assert!(root.is_empty(), "{init}: {:?}", fs::read_dir(root.0.path()).unwrap().collect::<Vec<_>>());
    }
}

#[test]
fn what_it_installs_runs_and_every_link_and_path_leads_to_a_file() {
    for init in INITS {
        let root = Root::new();
        fs::create_dir_all(root.path("etc/udev")).unwrap();
        fs::create_dir_all(root.path("etc/logrotate.d")).unwrap();
        root.file("etc/init.d/mount-ro", "").file("etc/init.d/halt", "/etc/init.d/ups-monitor poweroff\n");
        let done = root.run_with(Path::new(env!("CARGO_BIN_EXE_mainsd")), "/opt/ups", &["--init", init]);
        assert!(done.status.success(), "{done:?}");
        let program = root.path("opt/ups/sbin/mainsd");
        let version = Command::new(&program).arg("version").output().unwrap();
        assert!(version.status.success(), "{version:?}");
        let check = Command::new(&program)
            .args(["check", "-f"])
            .arg(root.path("etc/mainsd/mainsd.conf"))
            .output()
            .unwrap();
        assert!(check.status.success(), "{check:?}");
        let check = String::from_utf8(check.stdout).unwrap();
        for value in ["SCRIPTDIR /etc/mainsd", "PWRFAILDIR /etc/mainsd", "EVENTSFILE /var/log/mainsd.events"]
        {
            let [name, path] = value.split(' ').collect::<Vec<_>>().try_into().unwrap();
            assert!(check.lines().any(|line| line.contains(name) && line.contains(path)), "{value}: {check}");
        }
        for name in root.files() {
            let path = root.path(&name[1..]);
            if name.ends_with("/apccontrol") || name.ends_with("/killpower") {
                // Both are run by something that may have no PATH to the program.
                let is_link = fs::symlink_metadata(&path).unwrap().is_symlink();
                assert!(
                    is_link || root.read(&name[1..]).contains("-/opt/ups/sbin:/usr/local/sbin:"),
                    "{init}: {name}"
                );
            }
            if let Ok(target) = fs::read_link(&path) {
                let leads = match target.strip_prefix("/") {
                    Ok(target) => root.path(&target.display().to_string()),
                    Err(_) => path.parent().unwrap().join(target),
                };
                assert!(leads.is_file(), "{init}: {name} leads to {}", leads.display());
                continue;
            }
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let is_script = text.starts_with("#!");
            let runs = fs::metadata(&path).unwrap().permissions().mode() & 0o111 != 0;
            let is_example = name.contains("/examples/");
            assert!(is_example || !is_script || runs, "{init}: {name} cannot be run");
            // Man pages and comments may speak of the usual places.
            if name.contains("/man/") || name.contains("/share/") {
                continue;
            }
            for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
                assert!(
                    !line.contains("/usr/sbin/mainsd") && !line.contains("/usr/lib/mainsd/"),
                    "{init}: {name}: {line}"
                );
            }
        }
    }
}

#[test]
fn each_init_gets_what_starts_it_and_what_tells_the_ups_at_the_end() {
    let wanted: [(&str, &[&str]); 4] = [
        (
            "systemd",
            &[
                "/etc/systemd/system/mainsd.service",
                "/etc/systemd/system/mainsd@.service",
                "/etc/sysusers.d/mainsd.conf",
                "/usr/lib/systemd/system-shutdown/mainsd",
            ],
        ),
        (
            "openrc",
            &[
                "/etc/init.d/mainsd",
                "/etc/init.d/mainsd.killpower",
                "/etc/runlevels/shutdown/mainsd.killpower",
            ],
        ),
        ("sysvinit", &["/etc/init.d/mainsd", "/etc/init.d/ups-monitor", "/usr/local/lib/mainsd/ups-monitor"]),
        ("busybox", &["/usr/local/lib/mainsd/killpower-busybox"]),
    ];
    for (init, files) in wanted {
        let root = Root::new();
        root.file("etc/init.d/mount-ro", "").file("etc/init.d/halt", "/etc/init.d/ups-monitor poweroff\n");
        let said = root.said("/usr/local", &["--init", init]);
        let there = root.files();
        for file in files.iter().copied().chain(["/usr/local/lib/mainsd/killpower"]) {
            assert!(there.contains(file), "{init}: no {file}: {said:#?}");
        }
        for file in wanted.iter().flat_map(|(_, files)| *files).filter(|file| !files.contains(file)) {
            assert!(!there.contains(*file), "{init}: {file}: {said:#?}");
        }
    }
}

#[test]
fn without_a_last_step_of_its_own_the_system_gets_no_dead_one_and_the_user_hears_of_it() {
    for init in ["openrc", "sysvinit"] {
        let root = Root::new();
        let said = root.said("/usr/local", &["--init", init]);
        assert!(
            !root.path("etc/runlevels/shutdown").exists() && !root.path("etc/init.d/ups-monitor").exists()
        );
        let last = "/usr/local/lib/mainsd/killpower poweroff";
        assert!(
            said.iter().any(|line| line.starts_with("    ") && line.ends_with(last)),
            "{init}: {said:#?}"
        );
    }
}

#[test]
fn what_starts_services_is_found_by_the_files_of_the_root_folder() {
    // What /sbin/init leads to, and a file with its text.
    let shapes = [
        ("systemd", Some("../lib/systemd/systemd"), "etc/inittab", ""),
        ("busybox", Some("../bin/busybox"), "etc/fstab", ""),
        ("busybox", None, "etc/inittab", "# x\n::respawn:/sbin/getty\n"),
        // Alpine: busybox is the first process, and OpenRC starts the services.
        ("openrc", Some("/bin/busybox"), "sbin/openrc-run", ""),
        ("sysvinit", None, "etc/rc0.d/README", ""),
        ("none", None, "etc/inittab", "id:2:initdefault:\n"),
        ("none", None, "etc/fstab", ""),
    ];
    for (name, init, file, text) in shapes {
        let root = Root::new();
        root.file("sbin/x", "").file(file, text);
        if let Some(target) = init {
            symlink(target, root.path("sbin/init")).unwrap();
        }
        assert_eq!(root.said("/usr/local", &[])[0], format!("mainsd: starts services there: {name}"));
    }
}

#[test]
fn where_a_package_owns_mainsd_nothing_is_done() {
    let status =
        "Package: x\nStatus: install ok installed\n\nPackage: mainsd\nStatus: install ok installed\n";
    let records = [
        ("var/lib/dpkg/status", status),
        ("lib/apk/db/installed", "P:busybox\n\nP:mainsd\nV:0.1\n"),
        ("usr/lib/opkg/info/mainsd.list", ""),
        ("var/lib/pacman/local/mainsd-0.1.0-1/desc", ""),
        ("sbin/procd", ""),
    ];
    for (record, text) in records {
        let root = Root::new();
        root.file(record, text);
        let done = root.run("/usr/local", &[]);
        assert_eq!(done.status.code(), Some(1), "{record}: {done:?}");
        assert_eq!(root.files().len(), 1, "{record}: {:?}", root.files());
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(said.starts_with("mainsd: ") && said.ends_with("; nothing was done\n"), "{said}");
    }
    // Removed, with its configuration left; another package; apcupsd's.
    let others = [
        "Package: mainsd\nStatus: deinstall ok config-files\n",
        "Package: mainsd-tools\nStatus: install ok installed\n",
        "Package: apcupsd\nStatus: install ok installed\n",
    ];
    for text in others {
        let root = Root::new();
        root.file("var/lib/dpkg/status", text);
        root.said("/usr/local", &[]);
    }
}

#[test]
fn configurations_hooks_and_files_of_others_stay_as_they_are() {
    let root = Root::new();
    root.file("etc/mainsd/mainsd.conf", "UPSTYPE usb\nTIMEOUT 66\n")
        .file("etc/mainsd/apccontrol", "#!/bin/sh\n");
    root.file("usr/sbin/apcupsd", "another one\n").file("etc/init.d/ups-monitor", "of NUT\n");
    root.file("etc/init.d/halt", "/etc/init.d/ups-monitor poweroff\n");
    let theirs = root.files();
    let said = root.said("/usr", &["--init", "sysvinit"]);
    for (file, text) in [("usr/sbin/apcupsd", "another one\n"), ("etc/init.d/ups-monitor", "of NUT\n")] {
        assert_eq!(root.read(file), text);
        assert!(
            said.iter().any(|line| line.starts_with(&format!("mainsd: left as it is: /{file}"))),
            "{said:#?}"
        );
    }
    root.said("/usr", &["--init", "sysvinit"]);
    root.said("/usr", &["--uninstall"]);
    assert_eq!(root.files(), theirs);
    assert_eq!(root.read("etc/mainsd/mainsd.conf"), "UPSTYPE usb\nTIMEOUT 66\n");
    assert_eq!(root.read("etc/mainsd/apccontrol"), "#!/bin/sh\n");
}

#[test]
fn a_configuration_of_apcupsd_is_what_is_read_and_how_to_copy_it_is_told() {
    let root = Root::new();
    root.file("etc/apcupsd/apcupsd.conf", "UPSTYPE usb\n");
    let said = root.said("/usr/local", &[]);
    assert!(!root.path("etc/mainsd").exists(), "a configuration here would hide that one");
    let how = "until /usr/local/lib/mainsd/copy-apcupsd is run there";
    assert!(said.iter().any(|line| line.ends_with(how)), "{said:#?}");
}

#[test]
fn what_an_earlier_version_has_installed_and_this_one_has_not_is_removed() {
    let root = Root::new();
    root.said("/usr/local", &["--init", "openrc"]);
    let said = root.said("/usr/local", &["--init", "busybox"]);
    assert!(!root.path("etc/init.d").exists(), "{said:#?}");
    assert!(said.contains(&"mainsd: removed /etc/init.d/mainsd".to_owned()), "{said:#?}");
    root.said("/usr/local", &["--uninstall", "--purge"]);
    assert!(root.is_empty());
}

#[test]
fn the_lines_of_inittab_come_before_what_unmounts_and_go_without_a_trace() {
    let before = "::sysinit:/etc/init.d/rcS\n# umount later\n::shutdown:/etc/init.d/rcK\n::shutdown:/bin/umount -a -r\n";
    let root = Root::new();
    root.file("etc/inittab", before);
    for _ in 0..2 {
        root.said("/usr/local", &["--inittab"]);
        let text = root.read("etc/inittab");
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                "::sysinit:/etc/init.d/rcS",
                "::shutdown:/etc/init.d/rcK",
                "::shutdown:/usr/local/lib/mainsd/killpower-busybox",
                "::shutdown:/bin/umount -a -r",
                "::respawn:/usr/local/sbin/mainsd",
            ]
        );
    }
    // Not asked for again, and so not taken away.
    root.said("/usr/local", &["--uninstall"]);
    assert_eq!(root.read("etc/inittab"), before);
    let said = root.said("/usr/local", &[]);
    assert_eq!(root.read("etc/inittab"), before);
    assert!(said.iter().any(|line| line.ends_with("::respawn:/usr/local/sbin/mainsd")), "{said:#?}");
}

#[test]
fn a_mistake_in_the_command_line_writes_nothing() {
    let root = Root::new();
    let mistakes: [&[&str]; 4] = [&["--purge"], &["--init", "launchd"], &["--inttab"], &["--uninstall"]];
    for args in mistakes {
        let done = root.run("/usr/local", args);
        assert!(!done.status.success() && !done.stderr.is_empty(), "{args:?}: {done:?}");
        assert!(root.is_empty(), "{args:?}");
    }
    assert!(!root.run("usr/local", &[]).status.success());
    assert!(root.is_empty());
}
