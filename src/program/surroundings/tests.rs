//! Each fault alone, in a folder of its own.

use crate::sys::scratch::Scratch;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::config::parse;

/// A folder in which everything is as it should be, removed at the end.
struct Home(Scratch);

impl Home {
    fn new(name: &str) -> Self {
        let dir = Scratch::new(&format!("surroundings-{name}"));
        for folder in ["scripts", "flags"] {
            fs::create_dir_all(dir.join(folder)).unwrap();
        }
        let home = Self(dir);
        home.hook("#!/bin/sh\n", 0o755);
        home
    }

    fn hook(&self, text: &str, mode: u32) {
        let path = self.0.join("scripts/apccontrol");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The warnings with `more` lines in the file, the folder's name left out.
    fn warnings(&self, more: &str) -> Vec<String> {
        let dir = self.0.display();
        let text = format!(
            "UPSTYPE usb\nSCRIPTDIR {dir}/scripts\nPWRFAILDIR {dir}/flags\nNOLOGINDIR {dir}/flags\n\
             LOCKFILE {dir}/flags\n\
             STATEFILE {dir}/state\nEVENTSFILE {dir}/events\n{}\n",
            more.replace("DIR/", &format!("{dir}/"))
        );
        let parsed = parse(text.as_bytes(), "t.conf");
        assert!(!parsed.has_errors(), "{:?}", parsed.diagnostics);
        examine_with(&parsed, &["poweroff".to_owned()], &self.0)
            .iter()
            .map(|d| d.to_string().replace(&dir.to_string(), "DIR"))
            .collect()
    }
}

fn one(warnings: Vec<String>, start: &str) {
    assert!(warnings.len() == 1 && warnings[0].starts_with(start), "{warnings:#?}");
}

#[test]
fn a_machine_that_is_ready_gives_no_warning() {
    let home = Home::new("ready");
    assert_eq!(home.warnings("SHUTDOWNCMD /bin/sh -c true\nNISIP 127.0.0.1 0.0.0.0"), [""; 0]);
}

#[test]
fn a_missing_hook_is_told_with_its_effect() {
    let home = Home::new("missing");
    fs::remove_file(home.0.join("scripts/apccontrol")).unwrap();
    one(
        home.warnings(""),
        "t.conf:2: SCRIPTDIR: DIR/scripts/apccontrol does not exist: no hook runs, and a shutdown",
    );
}

#[test]
fn a_hook_that_cannot_be_run_is_told_with_the_command_that_mends_it() {
    let home = Home::new("mode");
    home.hook("#!/bin/sh\n", 0o644);
    let warnings = home.warnings("");
    assert!(warnings[0].ends_with("; chmod 755 DIR/scripts/apccontrol"), "{warnings:?}");
    one(warnings, "t.conf:2: SCRIPTDIR: DIR/scripts/apccontrol cannot be run");
}

#[test]
fn a_hook_without_its_interpreter_is_told() {
    let home = Home::new("interpreter");
    home.hook("#! /nonexistent/perl -w\n", 0o755);
    one(
        home.warnings(""),
        "t.conf:2: SCRIPTDIR: DIR/scripts/apccontrol wants the interpreter /nonexistent/perl",
    );
}

#[test]
fn a_hook_that_anybody_can_change_is_told() {
    let home = Home::new("anybody");
    home.hook("#!/bin/sh\n", 0o777);
    one(home.warnings(""), "t.conf:2: SCRIPTDIR: any user can write to");
}

#[test]
fn missing_folders_are_told() {
    let home = Home::new("folders");
    one(
        home.warnings("PWRFAILDIR DIR/none"),
        "t.conf:8: PWRFAILDIR: the folder DIR/none does not exist: the flag",
    );
    one(
        home.warnings("EVENTSFILE DIR/none/events"),
        "t.conf:8: EVENTSFILE: the folder DIR/none does not exist: events",
    );
    one(
        home.warnings("STATTIME 9\nSTATFILE DIR/none/s"),
        "t.conf:9: STATFILE: the folder DIR/none does not exist",
    );
    assert_eq!(home.warnings("STATFILE DIR/none/s"), [""; 0], "not written, so not needed");
    one(home.warnings("NOLOGINDIR DIR/none"), "t.conf:8: NOLOGINDIR: ");
    assert_eq!(home.warnings("NOLOGINDIR DIR/none\nNOLOGON disable"), [""; 0], "not written, so not needed");
}

#[test]
fn a_missing_folder_for_the_lock_is_told_where_there_is_one() {
    let home = Home::new("lock");
    one(home.warnings("LOCKFILE DIR/none"), "t.conf:8: LOCKFILE: the folder DIR/none does not exist");
    assert_eq!(
        home.warnings("LOCKFILE DIR/none\nUPSTYPE net\nDEVICE host"),
        [""; 0],
        "not written, so not needed"
    );
}

#[test]
fn a_folder_in_the_place_of_a_file_is_told() {
    let home = Home::new("file");
    one(home.warnings("EVENTSFILE DIR/flags"), "t.conf:8: EVENTSFILE: DIR/flags is a folder");
}

#[test]
fn a_folder_that_may_not_be_written_is_told_to_those_who_may_not() {
    let home = Home::new("unwritable");
    let flags = home.0.join("flags");
    fs::set_permissions(&flags, fs::Permissions::from_mode(0o555)).unwrap();
    let warnings = home.warnings("NOLOGON disable\nLOCKFILE DIR/scripts");
    fs::set_permissions(&flags, fs::Permissions::from_mode(0o755)).unwrap();
    if access::is_root() {
        assert_eq!(warnings, [""; 0], "root may write everywhere");
    } else {
        one(warnings, "t.conf:3: PWRFAILDIR: cannot write in DIR/flags: Permission denied: the flag");
    }
}

#[test]
fn a_shutdown_command_that_does_not_exist_is_told() {
    let home = Home::new("command");
    one(
        home.warnings("SHUTDOWNCMD /nonexistent/off now"),
        "t.conf:8: SHUTDOWNCMD: /nonexistent/off cannot be run",
    );
    assert_eq!(home.warnings("SHUTDOWNCMD sync; poweroff"), [""; 0], "for the shell to find");
}

#[test]
fn an_address_of_another_machine_is_told() {
    let home = Home::new("address");
    one(home.warnings("NISIP 192.0.2.1"), "t.conf:8: NISIP: 192.0.2.1 is no address of this machine now");
    assert_eq!(home.warnings("NISIP 192.0.2.1\nNETSERVER off"), [""; 0]);
}

#[test]
fn a_serial_port_that_is_not_there_is_told() {
    let home = Home::new("serial");
    let warnings = home.warnings("UPSTYPE apcsmart\nDEVICE /dev/nonexistent0\nLOCKFILE DIR/flags");
    one(warnings, "t.conf:9: DEVICE: /dev/nonexistent0 does not exist now");
}

#[test]
fn a_machine_without_a_command_that_shuts_down_is_told() {
    let home = Home::new("ways");
    assert_eq!(home.warnings(""), [""; 0]);
    let parsed = parse(b"UPSTYPE usb", "t.conf");
    let found = examine(&parsed, &[]);
    assert!(
        found.iter().any(|d| d.keyword == "SHUTDOWNCMD" && d.text.starts_with("no systemctl, ")),
        "{found:?}"
    );
}

/// Who has no hook on purpose, in a container, is not sent to a directive that is not there.
#[test]
fn what_comes_first_without_a_hook_is_told() {
    let home = Home::new("first");
    fs::remove_file(home.0.join("scripts/apccontrol")).unwrap();
    let straight = |to: &str| {
        format!(
            "t.conf:2: SCRIPTDIR: DIR/scripts/apccontrol does not exist: no hook runs, and a shutdown goes straight to {to};"
        )
    };
    one(home.warnings(""), &straight("poweroff"));
    let of = |config: &str, commands: &[&str]| {
        let parsed = parse(format!("UPSTYPE test\nSCRIPTDIR /nonexistent\n{config}").as_bytes(), "t.conf");
        let commands: Vec<String> = commands.iter().map(|command| (*command).to_owned()).collect();
        let found: Vec<String> = examine(&parsed, &commands).iter().map(ToString::to_string).collect();
        let told = found
            .iter()
            .find_map(|line| line.split_once("a shutdown goes straight to ")?.1.split(';').next());
        told.unwrap_or_default().to_owned()
    };
    assert_eq!(of("SHUTDOWNCMD /bin/true", &["/bin/true", "poweroff"]), "SHUTDOWNCMD");
    assert_eq!(of("", &[]), "the kernel");
    let host = "the host, which alone can do it: this is a container";
    assert_eq!(of("", &[host]), host);
}

#[test]
fn rules_of_tcp_wrappers_are_said_as_nisallow_unless_that_is_set() {
    let home = Home::new("wrappers");
    fs::write(home.0.join("hosts.deny"), "ALL: ALL\n").unwrap();
    fs::write(home.0.join("hosts.allow"), "# ours\napcupsd: 192.168.1. LOCAL\n").unwrap();
    let text = "t.conf: NISALLOW: not set, and mainsd does not read the TCP wrappers' rules for apcupsd in \
                /etc/hosts.allow:2, /etc/hosts.deny:1; as far as can be said here: NISALLOW 192.168.1.0/24; cannot be said \
                by addresses and networks: LOCAL";
    assert_eq!(home.warnings(""), [text]);
    assert_eq!(home.warnings("NISALLOW 192.168.1.0/24"), [""; 0]);
    assert_eq!(home.warnings("NETSERVER off"), [""; 0]);
}

#[test]
fn rights_that_cannot_be_given_up_are_told() {
    let told = |passwd: &str, can_filter: bool| {
        let parsed = parse(b"UPSTYPE usb", "t.conf");
        let mut found = Found { parsed: &parsed, warnings: Vec::new() };
        found.privileges_of_root(passwd, can_filter);
        found.warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(told("mainsd:x:101:102::/:/bin/false\n", true), [""; 0]);
    one(told("nobody:x:99:99::/:/bin/false\n", true), "t.conf: PRIVSEP: there is no user mainsd");
    one(told("mainsd:x:101:102::/:/bin/false\n", false), "t.conf: PRIVSEP: this kernel refuses a process no");
}

#[test]
fn a_file_of_secrets_that_others_can_read_is_told_and_one_of_root_alone_is_not() {
    let home = Home::new("secrets");
    let path = home.0.join("secrets");
    fs::write(&path, "auth s3cr3t-one\n").unwrap();
    let told = |mode: u32, kind: &str| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let lines = format!("UPSTYPE {kind}\nDEVICE card\nSNMPSECRETS DIR/secrets");
        let warnings = home.warnings(&lines).into_iter();
        warnings.filter(|line| line.contains("SNMPSECRETS")).collect::<Vec<_>>()
    };
    for mode in [0o644, 0o604, 0o602] {
        let warnings = told(mode, "snmp");
        assert!(!warnings.concat().contains("s3cr3t"));
        one(
            warnings,
            "t.conf:10: SNMPSECRETS: others than root can read DIR/secrets, so its pass phrases are no secrets; chmod 600",
        );
    }
    assert_eq!(told(0o600, "snmp"), [""; 0]);
    assert_eq!(told(0o644, "usb"), [""; 0]);
}
