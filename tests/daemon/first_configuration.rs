//! `packaging/first-configuration` on a machine where something is in the way, or apcupsd has left already.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Scratch;

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)
}

/// A root folder with what a package brings.
fn machine() -> Scratch {
    let scratch = Scratch::new();
    let at = |path: &str| scratch.path().join(path);
    for folder in ["usr/lib/mainsd", "usr/share/mainsd", "etc/apcupsd"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    fs::copy(packaging("copy-apcupsd"), at("usr/lib/mainsd/copy-apcupsd")).unwrap();
    fs::copy(packaging("mainsd.conf"), at("usr/share/mainsd/mainsd.conf")).unwrap();
    scratch
}

/// What it says; the configuration.
fn run(machine: &Scratch) -> (String, String) {
    let done = Command::new(packaging("first-configuration")).arg(machine.path()).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let said = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
    (said, fs::read_to_string(machine.path().join("etc/mainsd/mainsd.conf")).unwrap_or_default())
}

#[test]
fn a_configuration_that_another_package_manager_has_put_aside_is_told() {
    for end in ["rpmsave", "pacsave", "apk-old"] {
        let machine = machine();
        machine.file(&format!("etc/apcupsd/apcupsd.conf.{end}"), "UPSTYPE apcsmart\nDEVICE /dev/ttyS0\n");
        let (said, config) = run(&machine);
        assert!(config.contains("\nUPSTYPE usb\n"), "{config}");
        let path = machine.path().join(format!("etc/apcupsd/apcupsd.conf.{end}"));
        let line = format!("mainsd: what {} says does not count", path.display());
        assert!(said.lines().any(|told| told.starts_with(&line)), "{said}");
    }
    assert_eq!(run(&machine()).0, "");
}

#[test]
fn without_a_place_for_the_report_there_is_a_configuration_all_the_same() {
    let machine = machine();
    machine.file("var", "no folder\n");
    let (said, config) = run(&machine);
    assert!(config.contains("\nUPSTYPE usb\n"), "{said}");
    // Nor is that of apcupsd hidden by a new one when it could not be copied.
    fs::remove_dir_all(machine.path().join("etc/mainsd")).unwrap();
    machine.file("etc/apcupsd/apcupsd.conf", "UPSTYPE usb\n");
    let (said, config) = run(&machine);
    assert!(config.is_empty() && said.contains("was not copied"), "{said}");
}
