//! Whole power failures, from the first hook to the machine that is guarded again: `packaging/power-failure` plays each in a virtual
//! machine whose UPS is outside of it, and says what is wrong. Here is what CI has time for; `packaging/power-failure all` plays the
//! rest.
//!
//! Needs root, Debian, and the network once; about five minutes. `POWER` names the folder of disks and timelines.

use std::path::Path;
use std::process::Command;

use super::{debian, vm};
use crate::support::runner::{Group, Needs, tests};

pub const TESTS: Group = Group {
    long: true,
    needs: Needs::Ci("root, Debian's debootstrap, debhelper and QEMU, and the network"),
    // A machine that has to wait for the processor is no slower to lose its power.
    apart: Some(2),
    prepare: Some(prepare),
    tests: tests![
        systemd_halts_tells_the_ups_last_and_is_guarded_again,
        busybox_init_halts_tells_the_ups_last_and_is_guarded_again,
        openrc_halts_tells_the_ups_last_and_is_guarded_again,
        a_hook_that_hangs_changes_nothing_but_the_time,
        a_full_disk_changes_nothing,
    ],
    ..Group::new(module_path!())
};

fn play(words: &[&str]) -> (bool, String) {
    let done = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/power-failure"))
        .args(words)
        .env("MAINSD_BUILT", vm::target().join("release/mainsd"))
        .env("CARGO_TARGET_DIR", vm::target())
        .output()
        .unwrap();
    let text = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Disks of machines with what is built now.
fn prepare(_: &[&str]) -> String {
    vm::set_up();
    debian::prepare_bookworm();
    let (well, text) = play(&["--disks"]);
    assert!(well, "packaging/power-failure --disks: {text}");
    String::new()
}

fn ends_well(init: &str, case: &str) {
    let (well, text) = play(&[init, case]);
    assert!(well && text.contains(&format!("ok {init} {case}")), "{text}");
}

fn systemd_halts_tells_the_ups_last_and_is_guarded_again() {
    ends_well("systemd", "plain");
}

fn busybox_init_halts_tells_the_ups_last_and_is_guarded_again() {
    ends_well("busybox", "plain");
}

fn openrc_halts_tells_the_ups_last_and_is_guarded_again() {
    ends_well("openrc", "plain");
}

fn a_hook_that_hangs_changes_nothing_but_the_time() {
    ends_well("systemd", "hook-hangs");
}

fn a_full_disk_changes_nothing() {
    ends_well("systemd", "disk-full");
}
