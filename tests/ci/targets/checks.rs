//! What is tried with each target.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::ON_DEMAND;
use super::table::{Build, MOST_COMPRESSED, Target, builds, root};
use crate::support::c_compiler::{self, Ours};
use crate::support::runner::is_set;
use crate::support::{self, Daemon, Scratch, Setup, TIMEOUT, play};

/// Files of `tests/pure` that are tried: in an emulator the others take many minutes. The codecs have their tests in the library.
pub const PURE: [&str; 7] = [
    "hid_corpus::",
    "nis_report::",
    "power_properties::",
    "recorded::",
    "runtime_units::",
    "usb_status::",
    "usb_values::",
];

/// What an emulator lacks (qemu-user 7.2): pseudo-terminals that can be set, filters of system calls, `SO_ERROR` with the number of the system
/// that it emulates, the program's own name in `/proc`, and starting a program of its own.
const NOT_EMULATED: [&str; 15] = [
    "an_answer_that_waits_is_heard_before_its_deadline_is_judged",
    "journal::lock::tests::two_instances_never_both_hold_it",
    "port::serial::tests::a_missing_port_is_told_once",
    "port::serial::tests::a_port_that_is_locked_says_by_whom",
    "port::serial::tests::a_program_that_has_the_port_open",
    "port::serial::tests::bytes_pass",
    "port::serial::tests::two_configurations_never_have_one_port",
    "program::tools::doctor::tests::a_machine_that_is_in_order_has_nothing_to_do",
    "program::tools::doctor::tests::each_finding_is_found_where_it_is_made",
    "where_nobody_listens_the_reason_is_that_of_the_system",
    "a_node_that_is_no_usb_device_is_an_error_in_words",
    "this_process_exists_and_has_a_name",
    "the_program_is_resident_to_its_last_page",
    "what_can_be_given_up_is_also_where_something_else_cannot",
    "sys::tty::tests::",
];

/// What is left out in an emulator without `MAINSD_TARGETS=1`: hours of fake time, thousands of packets.
const LONG: [&str; 7] = [
    "link::modbus::tests::believed::",
    "link::modbus::tests::card::",
    "link::net::tests::hostile::",
    "link::snmp::tests::account::",
    "power::tests::walk::",
    "recorded::changeme",
    "server::nis::poller_table::tests::however_many_addresses_ask",
];

/// How much of what is random: without that variable, and with it.
const RANDOM: [[&str; 2]; 2] =
    [["MAINSD_POWER_STEPS=10000", "PROPTEST_CASES=16"], ["MAINSD_POWER_STEPS=20000", "PROPTEST_CASES=256"]];

/// The most that a program of tests may take.
const TESTS_TIMEOUT: Duration = Duration::from_secs(1800);

/// Builds these, unless there are finished builds.
pub fn build(target: &Target, wanted: &[Build]) {
    let (done, _) = builds();
    wanted.iter().filter(|_| !done).for_each(|build| target.build(*build, &[]));
}

fn built(target: &Target, build: Build, name: &str) -> PathBuf {
    target.built(&builds().1, build, name)
}

/// One static file for the target, of no more bytes than it may have, and of as many as docs/measurements.md says.
pub fn each_build_is_one_small_static_file(target: &Target) {
    let listed = listed(target);
    let mut sizes = Vec::new();
    for (build, most) in [Build::Whole, Build::Router].into_iter().zip(target.most) {
        let program = built(target, build, "mainsd");
        is_one_static_file(&program, target.elf);
        let version = target.command(&program).arg("--version").output().unwrap();
        assert!(version.status.success() && version.stdout.starts_with(b"mainsd "), "{version:?}");
        let (bytes, compressed) = (fs::read(&program).unwrap().len(), compressed(&program));
        println!("{} {build:?}: {bytes} bytes, {compressed} compressed", target.name);
        assert!(bytes <= most, "{} {build:?}: {bytes} bytes of {most}", target.name);
        let few = build == Build::Whole || compressed <= MOST_COMPRESSED;
        assert!(few, "{} {build:?}: {compressed} bytes of {MOST_COMPRESSED} compressed", target.name);
        sizes.extend([bytes, compressed]);
    }
    let near = |(is, listed): (&usize, &usize)| is.abs_diff(*listed) * 50 <= *is;
    let same = sizes.len() == listed.len() && sizes.iter().zip(&listed).all(near);
    assert!(
        same,
        "docs/measurements.md has {listed:?} for {}, within 2 % of which it is to be {sizes:?}",
        target.name
    );
}

/// Fails unless this is a program of this class and byte order that needs no other file, without unwind tables and an unwinder.
pub fn is_one_static_file(program: &Path, elf: [u8; 2]) {
    let bytes = fs::read(program).unwrap();
    assert_eq!(bytes[..6], [0x7f, b'E', b'L', b'F', elf[0], elf[1]]);
    // The path that every dynamic program for musl names, the names of unwind tables, and how the unwinder's messages begin.
    for part in ["/lib/ld-musl", ".gcc_except_table", ".ARM.extab", "libunwind: "] {
        let has = bytes.windows(part.len()).any(|at| at == part.as_bytes());
        assert!(!has, "{part} in {}", program.display());
    }
}

/// Its bytes as the file system of a router keeps them.
fn compressed(program: &Path) -> usize {
    let output = Command::new("xz").args(["-9e", "-c"]).arg(program).output().unwrap();
    assert!(output.status.success(), "xz: {}", output.status);
    output.stdout.len()
}

/// The numbers of this target's row in docs/measurements.md.
fn listed(target: &Target) -> Vec<usize> {
    let document = fs::read_to_string(root().join("docs/measurements.md")).unwrap();
    let begin = format!("| `{}` |", target.name);
    let row = document.lines().find_map(|line| line.strip_prefix(&begin)).unwrap_or_default();
    row.split('|').filter_map(|cell| cell.trim().replace(',', "").parse().ok()).collect()
}

/// Every value that crosses to C is what the target's C compiler makes of the target's headers.
pub fn agrees_with_c(target: &Target) {
    agrees_with_c_as_printed(target, &built(target, Build::Tests, "crossings"));
}

/// The same, by the program `crossings` at this place.
pub fn agrees_with_c_as_printed(target: &Target, crossings: &Path) {
    let printed = target.command(crossings).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let ours: Vec<Ours> = printed
        .lines()
        .map(|line| {
            let [_, headers, rest] = line.splitn(3, '|').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let (c, value) = rest.rsplit_once('|').unwrap();
            Ours { headers: headers.to_owned(), c: c.to_owned(), value: value.parse().unwrap() }
        })
        .collect();
    let scratch = Scratch::new();
    let compiler = target.c_compiler();
    let compiler: Vec<&str> = compiler.split_whitespace().collect();
    c_compiler::agrees_with_c(&ours, &compiler, scratch.path());
}

/// A program of tests passes those that these words select; all if there are none.
pub fn passes(target: &Target, name: &str, only: &[&str]) {
    let program = built(target, Build::Tests, name);
    // A child of a process with several threads hangs in an emulator.
    let program = program.to_str().unwrap();
    let whole = is_set(ON_DEMAND);
    let random = &RANDOM[usize::from(whole)][..];
    let words: Vec<&str> = [&["env"], random, target.emulator, &[program, "--test-threads", "1"]].concat();
    let emulated = if target.emulator.is_empty() { &[][..] } else { &NOT_EMULATED };
    let long = if whole { &[][..] } else { &LONG };
    let skipped = emulated.iter().chain(long).flat_map(|test| ["--skip", test]);
    let args: Vec<&str> = words[1..].iter().chain(only).copied().chain(skipped).collect();
    let done = support::run_program_for(Path::new(words[0]), &args, TESTS_TIMEOUT);
    println!("{}{}", done.stdout, done.stderr);
    assert!(done.status.success(), "{}", done.status);
    let passed = |line: &str| line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse().ok();
    let passed: usize = done.stdout.lines().find_map(passed).unwrap_or(0);
    assert!(passed > 60, "only {passed} tests");
}

/// A daemon of the target.
fn of(target: &Target, mut setup: Setup) -> Setup {
    setup.by = target.emulator.iter().map(|word| (*word).to_owned()).collect();
    setup.program = built(target, Build::Tests, "mainsd");
    setup.with("BATTERYLEVEL", "-1").with("MINUTES", "-1")
}

/// Two machines are guarded, and the second is asked by a client.
pub fn a_master_its_slave_and_a_client_go_through_an_outage(target: &Target) {
    let setup = of(target, Setup::new("test").with("UPSNAME", "rack1").with("TIMEOUT", "20"));
    let master = play("5 mains off", setup);
    master.wait_for_status(|status| status.has("ONLINE") || status.has("ONBATT"), TIMEOUT);
    let device = format!("127.0.0.1:{}", master.port());
    let setup = Setup::new("net").with("UPSCABLE", "ether").with("DEVICE", &device).with("UPSNAME", "");
    let slave = Daemon::start(&of(target, setup));
    slave.wait_for_hook("onbattery", TIMEOUT);
    let client = |words: &[&str]| {
        let mut command = target.command(&built(target, Build::Tests, "mainsd"));
        let done = command.arg("status").args(words).env("TZ", "UTC").output().unwrap();
        assert!(done.status.success(), "{words:?}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    let at = format!("127.0.0.1:{}", slave.port());
    let text = client(&[&at]);
    for line in ["UPSNAME  : rack1", "STATUS   : ONBATT SLAVE", "DRIVER   : NETWORK UPS Driver"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let json: serde_json::Value = serde_json::from_str(&client(&["--json", &at])).unwrap();
    assert_eq!(json["UPSNAME"], "rack1", "{json}");
    for daemon in [&slave, &master] {
        daemon.wait_for_hook("doshutdown", TIMEOUT);
        daemon.wait_for_logged("Initiating system shutdown!");
    }
    assert_eq!(slave.events(), ["powerout", "onbattery", "remotedown", "doshutdown"]);
    assert_eq!(master.events(), ["powerout", "onbattery", "timeout", "doshutdown"]);
    assert!(slave.terminate().status.success());
    assert!(master.terminate().status.success());
}
