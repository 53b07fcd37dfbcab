//! `packaging/cross`: what it builds for i686 is one static file, in which every size, offset and number that crosses to C is right; and
//! it guards a machine with a USB UPS, in the virtual machine of `tests/vm`, now and in 2040. For the other targets see `targets`.
//!
//! Needs Debian, the network, and about five minutes. `MAINSD_CROSS` names a folder with finished builds (`target/cross`), which is
//! used as it is; default: built where it is not up to date.

use std::fs;
use std::path::{Path, PathBuf};

use super::targets::checks;
use super::targets::table::{Build, I686, builds, cross};
use super::vm;
use crate::support::runner::{Group, Needs, tests};

pub const TESTS: Group = Group {
    long: true,
    needs: Needs::Ci("Debian's rustc-web, cargo-web and rust-web-src, PyPI, and minutes of time"),
    build: Some(build),
    prepare: Some(prepare),
    tests: tests![
        the_32_bit_build_is_one_static_file_that_agrees_with_c,
        the_32_bit_build_guards_a_machine_with_a_usb_ups,
        the_32_bit_build_guards_a_machine_whose_clock_is_in_2040,
        an_unknown_target_is_answered_with_those_there_are,
    ],
    ..Group::new(module_path!())
};

/// What runs in the virtual machine, with the clock as it is and with the clock in 2040.
const SCENARIOS: [&str; 3] = [
    "dates_are_those_of_the_clock",
    "back_ups_es_850g2_lives_its_life",
    "no_refused_system_call_is_made_from_inside_the_main_process",
];

/// What these tests look at.
fn build(names: &[&str]) {
    if names.iter().any(|name| name.contains("32_bit")) {
        build_with_crossings();
    }
}

/// The whole program for i686, unless there are finished builds, and what prints the crossings to C: the same for all who need the former,
/// or each would compile it anew.
pub fn build_with_crossings() {
    let (done, _) = builds();
    if !done {
        I686.build(Build::Whole, &["--bin", "crossings", "--features", "crossings"]);
    }
}

/// Boots the machine if one of these tests looks at its console.
fn prepare(names: &[&str]) -> String {
    if names.iter().any(|name| name.contains("guards")) {
        let program = I686.built(&builds().1, Build::Whole, "mainsd");
        let scenarios = vm::guest(&program, &SCENARIOS);
        let lines =
            format!("echo '@# now'\n{scenarios}echo '@# 2040'\ndate -s '2040-06-15 12:00:00'\n{scenarios}");
        fs::write(console(), vm::run(&lines)).unwrap();
    }
    String::new()
}

/// Where the machine's console is kept.
fn console() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("static-builds-console")
}

fn the_32_bit_build_is_one_static_file_that_agrees_with_c() {
    let built = |name| I686.built(&builds().1, Build::Whole, name);
    checks::is_one_static_file(&built("mainsd"), I686.elf);
    checks::agrees_with_c_as_printed(&I686, &built("crossings"));
}

fn the_32_bit_build_guards_a_machine_with_a_usb_ups() {
    succeeded("now");
}

fn the_32_bit_build_guards_a_machine_whose_clock_is_in_2040() {
    succeeded("2040");
}

fn an_unknown_target_is_answered_with_those_there_are() {
    let output = cross(&["mips64-unknown-none"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no such target: mips64-unknown-none"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("i686-unknown-linux-musl\n"));
}

/// Fails unless every scenario of this part of the virtual machine's run went well.
fn succeeded(part: &str) {
    let console = fs::read_to_string(console()).unwrap();
    let mark = format!("@# {part}\n");
    let (_, after) =
        console.split_once(&mark).unwrap_or_else(|| panic!("no {part}; the console said\n{console}"));
    let lines = after.split("@# ").next().unwrap_or_default();
    for scenario in SCENARIOS {
        assert!(lines.contains(&format!("@@ {scenario} ok\n")), "{part}: {scenario}:\n{lines}");
    }
}
