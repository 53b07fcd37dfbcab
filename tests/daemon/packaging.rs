//! The systemd unit: what it promises.

use std::path::Path;

use crate::support::{self, Scratch};

fn unit() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd/mainsd.service");
    std::fs::read_to_string(path).unwrap()
}

/// The values of a setting, in their order.
fn values(unit: &str, name: &str) -> Vec<String> {
    let lines = unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    lines.map(str::to_owned).collect()
}

fn packaged(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_template_differs_from_the_unit_in_its_files_only() {
    let lines = |text: String| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let template = packaged("systemd/mainsd@.service")
        .replace(" -f /etc/mainsd/%i.conf", "")
        .replace(" -P /run/mainsd-%i.pid", "")
        .replace(", configuration %i", "");
    assert_eq!(lines(template), lines(unit()));
}

#[test]
fn the_completions_know_every_option_and_command_that_the_help_names() {
    let helps = [
        &["--help"][..],
        &["check", "--help"],
        &["status", "--help"],
        &["demo", "--help"],
        &["drill", "--help"],
        &["apctest", "--help"],
        &["doctor", "--help"],
        &["probe", "--help"],
        &["apcupsd", "--help"],
    ];
    for shell in ["bash", "zsh"] {
        let completion = packaged(&format!("completion/mainsd.{shell}"));
        let knows = |word: &str| {
            completion.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).any(|known| known == word)
        };
        for help in helps {
            let text = support::run(help.iter().copied()).stdout;
            let options = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
            for option in options.filter(|word| word.starts_with("--") && word.len() > 2) {
                assert!(knows(option), "{shell}: {option} of {help:?}");
            }
        }
        for command in [
            "status",
            "events",
            "clients",
            "ctl",
            "apctest",
            "check",
            "demo",
            "doctor",
            "drill",
            "probe",
            "help",
            "version",
            "apcaccess",
            "apcupsd",
        ] {
            assert!(knows(command), "{shell}: {command}");
        }
    }
}

#[test]
fn the_package_has_the_version_of_the_program() {
    let changelog = packaged("debian/changelog");
    let version = changelog.lines().next().unwrap().split(['(', ')']).nth(1).unwrap().to_owned();
    assert_eq!(version.split('-').next(), Some(env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_mistake_that_stays_is_the_only_exit_that_is_not_tried_again() {
    let unit = unit();
    assert_eq!(values(&unit, "Restart"), ["always"]);
    assert_eq!(values(&unit, "StartLimitIntervalSec"), ["0"]);
    let scratch = Scratch::new();
    let config = scratch.file("mainsd.conf", "UPSTYPE usb\nTIMEOUT soon\n");
    let exit_of =
        |file: &str| support::run(["-P", "/nonexistent/pid", "-f", file]).status.code().unwrap().to_string();
    assert_eq!(values(&unit, "RestartPreventExitStatus"), [exit_of(config.to_str().unwrap())]);
    assert_ne!(exit_of("/nonexistent/mainsd.conf"), exit_of(config.to_str().unwrap()));
}

#[test]
fn a_reload_checks_first_with_a_command_that_there_is() {
    let [check, signal] = values(&unit(), "ExecReload").try_into().unwrap();
    // A small Debian has no /bin/kill.
    assert_eq!(signal, "/bin/sh -c 'kill -HUP $MAINPID'");
    let args: Vec<&str> = check.strip_prefix("/usr/sbin/mainsd ").unwrap().split(' ').collect();
    let scratch = Scratch::new();
    for (text, status) in [("UPSTYPE usb\n", 0), ("UPSTYPE pcnet\nDEVICE card\n", 1)] {
        let config = scratch.file("mainsd.conf", text);
        let done = support::run(args.iter().copied().chain(["-f", config.to_str().unwrap()]));
        assert_eq!(done.status.code(), Some(status), "{done:?}");
    }
}

#[test]
fn the_watchdog_leaves_a_minute_or_more_and_nothing_needs_a_mount_name_space() {
    let unit = unit();
    let watchdog: u32 = values(&unit, "WatchdogSec")[0].parse().unwrap();
    assert!(watchdog >= 60);
    // systemd.exec(5): each of these sets one up.
    let needing = [
        "Protect",
        "Private",
        "ReadOnlyPaths",
        "ReadWritePaths",
        "InaccessiblePaths",
        "TemporaryFileSystem",
        "BindPaths",
        "BindReadOnlyPaths",
        "RootDirectory",
        "RootImage",
        "MountFlags",
        "MountAPIVFS",
        "DynamicUser",
        "ExecPaths",
        "NoExecPaths",
        // These would keep hooks from mailing, from running containers, or from what they are there for.
        "NoNewPrivileges",
        "RestrictNamespaces",
        "CapabilityBoundingSet",
        "User",
        "DevicePolicy",
        "DeviceAllow",
    ];
    for line in unit.lines().filter(|line| !line.starts_with('#')) {
        let setting = line.split('=').next().unwrap_or_default();
        assert!(!needing.iter().any(|name| setting.starts_with(name)), "{line}");
    }
}
