//! Each finding, made in a folder that stands for the machine.

mod cases;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::config::parse;
use crate::sys::access;
use cases::CASES;

/// What a daemon says whose UPS is in order.
const STATUS: [(&str, &str); 7] = [
    ("VERSION", "0.1.0 (21 November 2026) mainsd"),
    ("MODEL", "Smart-UPS 1500"),
    ("STATFLAG", "0x05000008"),
    ("OUTPUTV", "230.0 Volts"),
    ("SELFTEST", "OK"),
    ("LASTSTEST", "2026-11-25 10:00:00 +0100"),
    ("BATTDATE", "2025-03-01"),
];
/// 1 December 2026, noon.
const NOW: u64 = 1_796_126_400;
/// A report descriptor that begins a UPS (usb-hid §2).
const UPS: &[u8] = b"\x05\x84\x09\x04\xa1\x01\xc0";

/// A machine in which everything is as it should be, with a UPS on USB; removed at the end.
struct Machine {
    root: PathBuf,
    /// Lines of the configuration behind the usual ones.
    more: String,
    daemon: Daemon,
    runs: Option<bool>,
    now: SystemTime,
    /// A serial port for as long as the machine is there.
    port: Option<(std::os::fd::OwnedFd, PathBuf)>,
}

impl Machine {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("mainsd-doctor-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let machine = Self {
            root,
            more: String::new(),
            daemon: Daemon::of(&STATUS),
            runs: Some(true),
            now: UNIX_EPOCH + Duration::from_secs(NOW),
            port: None,
        };
        machine.usb("1-2", 4, UPS, "usbhid");
        machine.file("etc/passwd", "root:x:0:0::/:/bin/sh\nmainsd:x:101:102::/:/bin/false\n", 0o644);
        machine.file("proc/mounts", "/dev/sda1 / ext4 rw,relatime 0 0\ntmpfs /run tmpfs rw 0 0\n", 0o644);
        machine.file("usr/lib/udev/rules.d/60-mainsd.rules", "", 0o644);
        machine.file("run/systemd/system/x", "", 0o644);
        machine.file("usr/bin/systemctl", "", 0o755);
        machine.file("etc/systemd/system/multi-user.target.wants/mainsd.service", "", 0o644);
        machine.file("usr/lib/systemd/system-shutdown/mainsd", "#!/bin/sh\nmainsd --killpower\n", 0o755);
        machine.file("scripts/apccontrol", "#!/bin/sh\ntrue\n", 0o755);
        fs::create_dir_all(machine.root.join("flags")).unwrap();
        machine
    }

    fn path(&self, path: &str) -> String {
        self.root.join(path).display().to_string()
    }

    fn file(&self, path: &str, text: impl AsRef<[u8]>, mode: u32) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    fn remove(&self, path: &str) {
        let path = self.root.join(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }

    /// A USB device of APC; without a descriptor where that is empty, without a kernel driver likewise.
    fn usb(&self, location: &str, number: u16, descriptor: &[u8], driver: &str) {
        let device = format!("sys/bus/usb/devices/{location}");
        let values = [("busnum", "1"), ("idVendor", "051d"), ("idProduct", "0002"), ("serial", "AS1")];
        for (name, value) in values {
            self.file(&format!("{device}/{name}"), format!("{value}\n"), 0o644);
        }
        self.file(&format!("{device}/devnum"), format!("{number}\n"), 0o644);
        self.file(&format!("{device}:1.0/bInterfaceClass"), "03\n", 0o644);
        self.file(&format!("{device}:1.0/bInterfaceNumber"), "00\n", 0o644);
        if !descriptor.is_empty() {
            self.file(&format!("{device}:1.0/0003:051D:0002.0001/report_descriptor"), descriptor, 0o644);
        }
        if !driver.is_empty() {
            symlink(format!("../../drivers/{driver}"), self.root.join(format!("{device}:1.0/driver")))
                .unwrap();
        }
        self.file(&format!("dev/bus/usb/001/{number:03}"), "", 0o644);
    }

    /// A process that has a file open.
    fn process(&self, pid: i32, name: &str, open: &str) {
        self.file(&format!("proc/{pid}/comm"), format!("{name}\n"), 0o644);
        fs::create_dir_all(self.root.join(format!("proc/{pid}/fd"))).unwrap();
        symlink(self.root.join(open), self.root.join(format!("proc/{pid}/fd/7"))).unwrap();
    }

    /// A serial UPS instead.
    fn serial(&mut self) {
        let (master, path) = crate::sys::tty::pty().unwrap();
        self.more = format!("UPSTYPE apcsmart\nUPSCABLE smart\nDEVICE {}\n", path.display());
        self.port = Some((master, path));
    }

    fn status(&mut self, key: &str, value: &str) {
        let other = STATUS.iter().filter(|(name, _)| *name != key).copied();
        let status: Vec<_> = other.chain((!value.is_empty()).then_some((key, value))).collect();
        self.daemon = Daemon::of(&status);
    }

    fn findings(&self) -> Vec<Finding> {
        let config = format!(
            "UPSTYPE usb\nSCRIPTDIR ROOT/scripts\nPWRFAILDIR ROOT/flags\nNOLOGINDIR ROOT/flags\nNOLOGON disable\nLOCKFILE ROOT/flags\n\
             STATEFILE ROOT/flags/state\nEVENTSFILE ROOT/flags/events\nNISPORT 1\n{}\n",
            self.more
        );
        let parsed = parse(config.replace("ROOT", &self.path("")).as_bytes(), "t.conf");
        Look {
            root: &self.root,
            parsed: &parsed,
            now: self.now,
            daemon: self.daemon.clone(),
            runs: self.runs,
            findings: Findings::default(),
        }
        .all()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

#[test]
fn each_finding_is_found_where_it_is_made_and_nothing_else_changes_for_the_worse() {
    let healthy: Vec<What> = Machine::new("healthy").findings().iter().map(|it| it.what).collect();
    for (index, case) in CASES.iter().enumerate() {
        if case.needs_user && access::is_root() {
            continue;
        }
        let mut machine = Machine::new(&format!("case-{index}"));
        (case.make)(&mut machine);
        let found = machine.findings();
        let is_it = |it: &&Finding| it.what == case.what;
        let it = found.iter().find(is_it);
        let Some(it) = it else { panic!("{:?} is not found: {found:#?}", case.what) };
        assert!(it.words.contains(case.words), "{it:?}");
        assert!(case.what.severity() == Severity::Fine || !healthy.contains(&case.what), "{:?}", case.what);
    }
}

#[test]
fn each_finding_has_a_case() {
    for what in What::ALL {
        assert!(CASES.iter().any(|case| case.what == *what), "no test makes {what:?}");
    }
}

#[test]
fn a_machine_that_is_in_order_has_nothing_to_do() {
    let found = Machine::new("order").findings();
    assert!(found.iter().all(|it| it.what.severity() == Severity::Fine), "{found:#?}");
    let text = text(&found, false);
    assert!(!text.contains("do: ") && text.ends_with("faults: 0, warnings: 0, notes: 0\n"), "{text}");
    let areas: Vec<&str> = Area::ALL.iter().map(|(_, name)| *name).collect();
    let shown: Vec<&str> = text.lines().filter(|line| areas.contains(line)).collect();
    assert_eq!(shown, areas, "each area, in the order of the chain");
    assert_eq!(super::text(&found, true), "");
    assert_eq!(json(&found, true), "[]\n");
}

#[test]
fn what_is_not_fine_has_a_remedy_and_only_that() {
    for what in What::ALL {
        let (words, remedy) = what.texts();
        assert_eq!(remedy.is_empty(), what.severity() == Severity::Fine, "{what:?}");
        assert!(!words.is_empty(), "{what:?}");
    }
    for (index, case) in CASES.iter().enumerate() {
        let mut machine = Machine::new(&format!("remedy-{index}"));
        (case.make)(&mut machine);
        for Finding { what, words, remedy } in machine.findings() {
            assert!(!words.is_empty() && !words.contains(['{', '}']) && !words.ends_with(' '), "{words}");
            assert_eq!(remedy.is_empty(), what.severity() == Severity::Fine, "{words}: {remedy}");
        }
    }
}

#[test]
fn each_json_object_has_the_same_members() {
    let mut machine = Machine::new("json");
    machine.more = "UPSNAME a\"b\nTIMOUT 5".to_owned();
    let value: serde_json::Value = serde_json::from_str(&json(&machine.findings(), false)).unwrap();
    for finding in value.as_array().unwrap() {
        let members: Vec<&String> = finding.as_object().unwrap().keys().collect();
        assert_eq!(members.len(), 4, "{finding}");
        for name in ["area", "severity", "words", "remedy"] {
            assert!(finding[name].is_string(), "{finding}");
        }
    }
}

#[test]
fn the_day_of_this_version_is_that_of_its_text() {
    let day = crate::ups::calendar_date(machine::MADE / 86_400);
    let month = day.replace("2026-11-21", "21 November 2026");
    assert!(crate::program::VERSION.contains(&month), "{day}: {}", crate::program::VERSION);
}
