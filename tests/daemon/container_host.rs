//! `packaging/container/host/mainsd-container-shutdown`: which flags of a container shut its host down.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Scratch, TIMEOUT, poll_until};

/// What it has called for a flag with this text, in a folder of this kind of file system.
fn called(text: &str, kind: &str) -> String {
    let scratch = Scratch::new();
    let flag = scratch.file("powerfail", text);
    let log = scratch.file("log", "");
    let bin = scratch.dir("bin");
    for name in ["systemctl", "shutdown", "poweroff", "sleep"] {
        // Only what is slept after ends it.
        let end = if name == "sleep" { format!("rm -f '{}'", flag.display()) } else { String::new() };
        let lines = format!("#!/bin/sh\necho {name} \"$@\" >>'{}'\n{end}\n", log.display());
        scratch.script(&format!("bin/{name}"), &lines);
    }
    scratch.script("bin/stat", &format!("#!/bin/sh\necho {kind}\n"));
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/container/host/mainsd-container-shutdown");
    let mut child = Command::new(script)
        .arg(&flag)
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("BOOT_ID", scratch.file("boot", "11111111-2222\n"))
        .env("PAUSE", "0.1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    poll_until(TIMEOUT, || child.try_wait().unwrap()).expect("it ends when the flag is gone");
    fs::read_to_string(log).unwrap()
}

#[test]
fn a_flag_in_memory_is_of_this_boot_whatever_boot_the_container_believes_in() {
    let shut_down = "systemctl -i poweroff\nsleep 0.1\n";
    // LXC and systemd-nspawn give each container a boot id of its own.
    for (text, kind, expected) in [
        ("11111111-2222\n", "ext2/ext3", shut_down),
        ("11111111-2222\n", "tmpfs", shut_down),
        ("99999999-2222\n", "tmpfs", shut_down),
        ("\n", "tmpfs", shut_down),
        ("99999999-2222\n", "ext2/ext3", "sleep 0.1\n"),
        ("\n", "ext2/ext3", "sleep 0.1\n"),
    ] {
        assert_eq!(called(text, kind), expected, "{text:?} {kind}");
    }
}
