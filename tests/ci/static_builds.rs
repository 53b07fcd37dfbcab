//! `packaging/cross`: one static file for each of its targets, in which every size, offset and number that crosses to C is right;
//! and the one for 32 bits guards a machine with a USB UPS, in the virtual machine of `tests/vm`, now and in 2040.
//!
//! Needs Debian, the network, and about five minutes. `MAINSD_CROSS` names a folder with finished builds (`target/cross`), which is
//! used as it is; default: built anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::vm;
use crate::support::Scratch;
use crate::support::c_compiler::{self, Ours};
use crate::support::runner::{Group, Needs, prepared, tests};

pub const TESTS: Group = Group {
    needs: Needs::Ci("Debian's rustc-web, cargo-web and rust-web-src, PyPI, and minutes of time"),
    prepare: Some(prepare),
    tests: tests![
        the_64_bit_build_is_one_static_file_that_agrees_with_c,
        the_32_bit_build_is_one_static_file_that_agrees_with_c,
        the_32_bit_build_guards_a_machine_with_a_usb_ups,
        the_32_bit_build_guards_a_machine_whose_clock_is_in_2040,
        an_unknown_target_is_answered_with_those_there_are,
    ],
    ..Group::new(module_path!())
};

const TARGET_32: &str = "i686-unknown-linux-musl";
const TARGET_64: &str = "x86_64-unknown-linux-musl";
/// What runs in the virtual machine, with the clock as it is and with the clock in 2040.
const SCENARIOS: [&str; 3] = [
    "dates_are_those_of_the_clock",
    "back_ups_es_850g2_lives_its_life",
    "no_refused_system_call_is_made_from_inside_the_main_process",
];

/// Builds what these tests look at, and boots the machine if one of them looks at its console. Returns the folder of the builds.
fn prepare(names: &[&str]) -> String {
    let folder = match std::env::var_os("MAINSD_CROSS") {
        Some(done) => PathBuf::from(done),
        None => {
            let targets = [("32_bit", TARGET_32), ("64_bit", TARGET_64)];
            let wanted = targets.iter().filter(|(bits, _)| names.iter().any(|name| name.contains(bits)));
            wanted.for_each(|(_, target)| build(target));
            vm::target().join("cross")
        }
    };
    if names.iter().any(|name| name.contains("guards")) {
        let program = folder.join(TARGET_32).join("release/mainsd");
        let scenarios = vm::guest(&program, &SCENARIOS);
        let lines =
            format!("echo '@# now'\n{scenarios}echo '@# 2040'\ndate -s '2040-06-15 12:00:00'\n{scenarios}");
        fs::write(console(), vm::run(&lines)).unwrap();
    }
    folder.display().to_string()
}

/// Where the machine's console is kept.
fn console() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("static-builds-console")
}

/// What [`prepare`] has built for a target.
fn built(target: &str) -> PathBuf {
    Path::new(&prepared()).join(target).join("release")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `packaging/cross` with these arguments, in the environment of a user: none of Cargo's own.
fn cross(args: &[&str]) -> Command {
    let mut command = Command::new(root().join("packaging/cross"));
    command.current_dir(root()).args(args).env_clear();
    let kept =
        ["PATH", "HOME", "CARGO_HOME", "CARGO_TARGET_DIR", "PIP_INDEX_URL", "PIP_CERT", "SSL_CERT_FILE"];
    command.envs(kept.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command
}

/// Builds for a target; what the build says on its way is checked too.
fn build(target: &str) {
    let output = cross(&[target, "--bin", "crossings", "--features", "crossings"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "packaging/cross {target}: {}\n{said}", output.status);
    assert!(!said.to_lowercase().contains("warning"), "packaging/cross {target} warns:\n{said}");
    let answer = String::from_utf8(output.stdout).unwrap();
    let (program, size) = answer.trim_end().rsplit_once(": ").unwrap();
    assert_eq!(size, format!("{} bytes", Path::new(program).metadata().unwrap().len()));
    println!("{answer}");
}

fn is_one_small_static_file(folder: &Path, class: u8) {
    let program = folder.join("mainsd");
    let bytes = fs::read(&program).unwrap();
    // The ELF header: 1 for 32 bits, 2 for 64.
    assert_eq!(bytes[..5], [0x7f, b'E', b'L', b'F', class]);
    // The path that every dynamic program for musl names, the name of every unwind table, and how the unwinder's messages begin.
    for part in ["/lib/ld-musl", ".gcc_except_table", "libunwind: "] {
        assert!(
            !bytes.windows(part.len()).any(|at| at == part.as_bytes()),
            "{part} in {}",
            program.display()
        );
    }
    assert!(bytes.len() < 1280 * 1024, "{} bytes", bytes.len());
    let version = Command::new(&program).arg("--version").output().unwrap();
    assert!(version.status.success() && version.stdout.starts_with(b"mainsd "), "{version:?}");
}

fn agrees_with_c(folder: &Path, target: &str) {
    let printed = Command::new(folder.join("crossings")).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let ours: Vec<Ours> = printed
        .lines()
        .map(|line| {
            let [_, headers, rest] = line.splitn(3, '|').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let (c, value) = rest.rsplit_once('|').unwrap();
            Ours { headers: headers.to_owned(), c: c.to_owned(), value: value.parse().unwrap() }
        })
        .collect();
    let output = cross(&[target, "cc"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let compiler = String::from_utf8(output.stdout).unwrap();
    let scratch = Scratch::new();
    c_compiler::agrees_with_c(&ours, &compiler.split_whitespace().collect::<Vec<_>>(), scratch.path());
}

fn the_64_bit_build_is_one_static_file_that_agrees_with_c() {
    is_one_small_static_file(&built(TARGET_64), 2);
    agrees_with_c(&built(TARGET_64), TARGET_64);
}

fn the_32_bit_build_is_one_static_file_that_agrees_with_c() {
    is_one_small_static_file(&built(TARGET_32), 1);
    agrees_with_c(&built(TARGET_32), TARGET_32);
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
