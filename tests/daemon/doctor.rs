//! `mainsd doctor` as a program: with a daemon, without one, beside other programs. Each of its findings has a test of its own in
//! `src/program/tools/doctor/tests`.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::answering::{framed, server};
use crate::support::smart::{Generation, Smart};
use crate::support::{Daemon, OtherProgram, Scratch, Setup, TIMEOUT, run, write_config};

/// Exit status, standard output and standard error of a look at a machine whose root folder and configuration these are.
fn doctor(root: &Path, config: &Path, args: &[&str]) -> (i32, String, String) {
    let folder = config.parent().unwrap();
    let done = Command::new(Setup::new("").program)
        .args(["doctor", "-f"])
        .arg(config)
        .args(args)
        .env("MAINSD_ROOT", root)
        .env("MAINSD_RUN_DIR", folder.join("run"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

/// The findings as `area severity: words`, from JSON.
fn findings(root: &Path, config: &Path) -> Vec<String> {
    let (_, text, errors) = doctor(root, config, &["--json"]);
    assert_eq!(errors, "");
    let value: Value = serde_json::from_str(&text).unwrap();
    let of = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let line = |it: &Value| format!("{} {}: {}", of(it, "area"), of(it, "severity"), of(it, "words"));
    value.as_array().unwrap().iter().map(line).collect()
}

fn has(found: &[String], part: &str) -> bool {
    found.iter().any(|line| line.contains(part))
}

#[test]
fn a_daemon_that_runs_is_asked_and_one_that_has_ended_is_missed() {
    let root = Scratch::new();
    for folder in ["run/systemd/system", "etc/systemd/system/multi-user.target.wants", "usr/bin"] {
        std::fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    root.file("etc/systemd/system/multi-user.target.wants/mainsd.service", "");
    root.script("usr/bin/systemctl", "#!/bin/sh\n");
    let daemon = Daemon::start(&Setup::new("test").with("NOLOGON", "disable"));
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let config = daemon.dir().join("mainsd.conf");
    let found = findings(root.path(), &config);
    for part in [
        "device warning: UPSTYPE is a simulated UPS",
        "device fine: the daemon hears the UPS: ",
        "configuration fine: mainsd starts with ",
        "hooks fine: ",
        "shutdown fine: mainsd runs: ",
        "shutdown fine: it is started at boot: ",
        "port fine: mainsd answers at 127.0.0.1:",
        "battery fine: the battery dates from 2026-01-05",
        "machine fine: no other UPS program is started at boot",
    ] {
        assert!(has(&found, part), "{part}: {found:#?}");
    }
    let (status, text, _) = doctor(root.path(), &config, &["-q"]);
    assert_eq!(status, 1, "{text}");
    assert!(!text.contains("  fine ") && text.contains("\n           do: set UPSTYPE usb"), "{text}");
    let (_, scratch) = daemon.terminate_keeping();
    let (status, text, _) = doctor(root.path(), &scratch.path().join("mainsd.conf"), &[]);
    assert_eq!(status, 2, "{text}");
    let missed = "  FAULT    no mainsd runs: nobody shuts this machine down\n           do: systemctl enable --now mainsd\n";
    assert!(text.contains(missed) && text.contains("not known without an answer"), "{text}");
}

#[test]
fn a_daemon_without_a_port_is_found_by_its_control_socket() {
    let daemon = Daemon::start(&Setup::new("test").with("NETSERVER", "off"));
    daemon.wait_for_logged("mainsd 0.1.0 (21 November 2026) mainsd startup succeeded");
    let found = findings(Path::new("/nonexistent"), &daemon.dir().join("mainsd.conf"));
    assert!(has(&found, "shutdown fine: mainsd runs: by its control socket"), "{found:#?}");
    assert!(has(&found, "port note: NETSERVER is off"), "{found:#?}");
}

#[test]
fn a_serial_port_that_another_program_has_open_is_told_with_its_name() {
    let scratch = Scratch::new();
    let port = scratch.path().join("ttyS0");
    let _ups = Smart::start(Generation::Third, &port, false);
    let config = write_config(&Setup::new("apcsmart").with("DEVICE", port.to_str().unwrap()), &scratch, 1);
    let holder = OtherProgram::start(&port);
    let found = findings(Path::new("/"), &config);
    let words = format!("is held by sleep (process {})", holder.id());
    assert!(has(&found, &format!("device fault: {} {words}", port.display())), "{found:#?}");
}

#[test]
fn another_server_at_the_port_is_told_with_its_version_and_process() {
    let address = server(framed(&[b"VERSION  : 3.14.14 (31 May 2016) debian\n", b"STATFLAG : 0x05000008\n"]));
    let scratch = Scratch::new();
    let config = write_config(&Setup::new("usb"), &scratch, address.port());
    let found = findings(Path::new("/nonexistent"), &config);
    let words =
        format!("(process {}), version 3.14.14 (31 May 2016) debian, answers there", std::process::id());
    assert!(has(&found, "port fault: port ") && has(&found, &words), "{found:#?}");
}

#[test]
fn what_is_no_configuration_and_what_is_no_option_have_a_status_each() {
    let unreadable = run(["doctor", "-f", "/nonexistent/mainsd.conf"]);
    assert_eq!((unreadable.status.code(), unreadable.stderr.lines().count()), (Some(3), 1), "{unreadable:?}");
    let wrong = run(["doctor", "--jsno"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(
        wrong.stderr,
        "mainsd doctor: no such option '--jsno'; the nearest is '--json' (mainsd doctor --help)\n"
    );
    let help = run(["doctor", "--help"]);
    assert!(help.status.success() && help.stdout.starts_with("usage: mainsd doctor "), "{help:?}");
    assert_eq!(run(["help", "doctor"]).stdout, help.stdout);
}
