//! The systemd unit, read by systemd.

use std::path::Path;
use std::process::Command;

use crate::support::Scratch;
use crate::support::runner::{Group, Needs, tests};

pub const TESTS: Group = Group {
    needs: Needs::Ci("systemd-analyze of Debian's package systemd"),
    tests: tests![systemd_understands_the_unit, systemd_understands_what_a_host_of_containers_has],
    ..Group::new(module_path!())
};

fn systemd_understands_the_unit() {
    let scratch = Scratch::new();
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd/mainsd.service");
    // Its programs need to be there.
    let text = std::fs::read_to_string(unit).unwrap();
    let text = text.replace("/usr/sbin/mainsd", env!("CARGO_BIN_EXE_mainsd"));
    let path = scratch.file("mainsd.service", text);
    let done = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("mainsd")).collect();
    assert!(done.status.success() && ours.is_empty(), "{done:?}");
}

fn systemd_understands_what_a_host_of_containers_has() {
    let scratch = Scratch::new();
    let host = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/container/host");
    let copied = ["mainsd-container.path", "mainsd-container.service"].map(|name| {
        let text = std::fs::read_to_string(host.join(name)).unwrap();
        let program = host.join("mainsd-container-shutdown").display().to_string();
        scratch.file(name, text.replace("/usr/local/sbin/mainsd-container-shutdown", &program))
    });
    let done = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(copied).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("mainsd")).collect();
    assert!(done.status.success() && ours.is_empty(), "{done:?}");
}
