//! `apctest`: what is typed into its menus, at a daemon and without one, and what comes of it.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::faults::guard::is_root;
use crate::support::modbus::Modbus;
use crate::support::smart::{Generation, Smart};
use crate::support::terminal::Terminal;
use crate::support::{
    Daemon, Scratch, Serial, Setup, TIMEOUT, free_port, poll_until, send_signal, write_config,
};

/// `apctest` by its name in a folder of its own, with the configuration in `folder`.
fn program(folder: &Path, place: &Path) -> Command {
    let link = place.join("apctest");
    if !link.exists() {
        symlink(Setup::new("").program, &link).unwrap();
    }
    let mut command = Command::new(link);
    command.arg("-f").arg(folder.join("mainsd.conf")).current_dir(place);
    command.env("MAINSD_RUN_DIR", folder.join("run"));
    command
}

/// What is shown when this is typed, each on a line; its input ends then.
fn typed(folder: &Path, place: &Path, lines: &[&str]) -> String {
    let mut command = program(folder, place);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert_eq!(done.status.code(), Some(0), "{text}");
    text
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no '{part}' in\n{text}");
    }
}

/// A UPS with Smart signalling and a configuration for it; nobody has opened it.
fn alone(change: impl FnOnce(Setup) -> Setup) -> (Scratch, Smart) {
    let scratch = Scratch::new();
    let port = scratch.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &port, false);
    write_config(&change(Serial::setup(&port)), &scratch, free_port());
    (scratch, ups)
}

/// What is typed at a smart UPS: everything asked for, the date and name set, and values that are refused.
const AT_A_SMART_UPS: [&str; 16] =
    ["1", "5", "2", "12/31/26", "3", "cellar", "10", "280", "2", "1/1/26", "4", "", "99", "q", "8", "q"];

fn was_set(text: &str, ups: &Smart) {
    has(
        text,
        &[
            "transfer high: 253  (may be: 253 257 261 265)",
            "manufacture date: 10/23/96",
            "line: on mains\ncharge: 100.0\nruntime: 60.0\n",
            "12/31/26 instead of 11/29/02",
            "cellar instead of UPS_IDEN",
            "allows only 253 257 261 265",
            "'1/1/26' is not taken",
            "left as it is",
            "no such number",
            "self-test result: ",
        ],
    );
    let unit = ups.unit();
    assert_eq!((&*unit.answers[&b'x'], &*unit.answers[&b'c']), (&b"12/31/26"[..], &b"cellar  "[..]));
    assert_eq!((&*unit.answers[&b'u'], &*unit.answers[&b's']), (&b"253"[..], &b"H"[..]));
}

#[test]
fn a_smart_ups_without_a_daemon_is_opened_for_each_entry() {
    let (scratch, ups) = alone(|setup| setup);
    let text = typed(scratch.path(), scratch.path(), &AT_A_SMART_UPS);
    has(&text, &["cable smart; no daemon runs"]);
    was_set(&text, &ups);
    // Each answer as it comes, one that is none too.
    has(&text, &["\nY  SM\n", "\nQ  08\n", "\nf  100.0\n", "\nu  253\n", "\n^A  Smart-UPS 1000\n"]);
}

/// A daemon that can be asked.
fn guarded(place: &Scratch) -> Serial {
    let serial = Serial::on_line(|setup| setup.with("NOLOGON", "disable").with("HITRANSFER", "261"));
    // The socket is there soon after the port.
    let guards = || typed(serial.daemon.dir(), place.path(), &[]).contains("a daemon guards").then_some(());
    assert!(poll_until(TIMEOUT, guards).is_some(), "{}", serial.daemon.describe());
    serial
}

#[test]
fn a_daemon_is_asked_and_keeps_its_port() {
    let place = Scratch::new();
    let serial = guarded(&place);
    let folder = serial.daemon.dir();
    let text = typed(folder, place.path(), &AT_A_SMART_UPS);
    was_set(&text, &serial.ups);
    assert!(!text.contains("Y  SM"), "the port is the daemon's: {text}");
    serial.daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
}

#[test]
fn a_daemon_is_asked_and_goes_on_guarding() {
    let place = Scratch::new();
    let serial = guarded(&place);
    let folder = serial.daemon.dir();
    // What the configuration says goes by orders, and the port stays with the daemon.
    let text = typed(folder, place.path(), &["5", "14", "yes", "q", "6", "q"]);
    has(&text, &["transfer high: 261\n261 instead of 253", " runs and "]);
    let text = typed(folder, place.path(), &["10", "yes", "10", "no", "q"]);
    has(
        &text,
        &[
            "not while mainsd guards: stop it first, then 'mainsd ctl kill-power --yes' does it",
            "nothing was done",
        ],
    );
    serial.daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    assert!(serial.unit().killed.is_none());
}

#[test]
fn a_calibration_needs_a_full_battery_and_is_stopped_by_enter() {
    let (scratch, ups) = alone(|setup| setup);
    ups.unit().answers.insert(b'f', b"080.0".to_vec());
    let refused = "refused: the battery is charged to 80.0 %; a calibration needs 100 %";
    has(&typed(scratch.path(), scratch.path(), &["2", "yes", "n", "q"]), &[refused]);
    assert!(!ups.unit().has_been_sent(b'D'));
    ups.unit().answers.insert(b'f', b"100.0".to_vec());
    let text = typed(scratch.path(), scratch.path(), &["2", "yes", "n", "", "q"]);
    has(&text, &["calibration started", "calibration stopped"]);
}

#[test]
fn the_menu_of_modbus_shows_and_sets_what_the_ups_has_a_register_for() {
    let scratch = Scratch::new();
    let port = scratch.path().join("ttyS0");
    let ups = Modbus::serial(&port);
    let setup = Setup::new("modbus").with("UPSCABLE", "smart").with("DEVICE", &port.display().to_string());
    write_config(&setup, &scratch, free_port());
    let mut lines = vec!["5", "6", "3", "9", "0", "14", "cellar", "4", "12/01/2026", "17", ""];
    // Nothing is switched unless it is confirmed, and there must be such a group.
    lines.extend(["19", "2", "off", "no", "19", "", "off", "yes", "19", "2", "off", "yes", "q"]);
    let text = typed(scratch.path(), scratch.path(), &lines);
    has(
        &text,
        &[
            "manufacture date: 2024-01-01",
            "the alarm is muted",
            "transfer high: 253",
            "left as it is",
            "written, and reads back the same",
            "delay wake: 5\n",
            "outlet 1: on, disks\noutlet 2: on",
            "nothing was done",
            "usage: 'outlet off' needs the number of an outlet group, and --yes",
            if is_root() { "the outlet group is off" } else { "only root may order this" },
        ],
    );
    assert_eq!(ups.written(1538).len(), usize::from(is_root()), "{text}");
    assert_eq!((ups.written(1543), ups.written(595).len()), (vec![4], 1), "{text}");
}

#[test]
fn a_calibration_that_is_over_is_told_with_its_time() {
    let scratch = Scratch::new();
    // Each order opens another one, so that it is over with the first look.
    write_config(&Setup::new("test"), &scratch, free_port());
    let mut child = program(scratch.path(), scratch.path());
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let shown = crate::support::Lines::collect(child.stdout.take().unwrap());
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(b"5\n10\nyes\nn\n").unwrap();
    let ended = shown.wait(0, TIMEOUT, |line| line.starts_with("no calibration runs any more, after "));
    assert!(ended.is_some(), "{}", shown.text());
    drop(keys);
    assert!(child.wait().unwrap().success());
    has(&shown.text(), &["manufacture date: 2026-01-05"]);
}

#[test]
fn what_is_typed_by_hand_goes_to_the_ups() {
    let (scratch, _ups) = alone(|setup| setup);
    let mut child = program(scratch.path(), scratch.path());
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let shown = crate::support::Lines::collect(child.stdout.take().unwrap());
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(b"6\n").unwrap();
    shown.wait(0, TIMEOUT, |line| line.contains("ESC ends it")).expect("it begins");
    keys.write_all(b"Y").unwrap();
    shown.wait(0, TIMEOUT, |line| line == "SM").unwrap_or_else(|| panic!("{}", shown.text()));
    keys.write_all(b"\x1b").unwrap();
    shown.wait(0, TIMEOUT, |line| line.contains("result of the last self test")).expect("the menu");
    drop(keys);
    let status = poll_until(TIMEOUT, || child.try_wait().unwrap());
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

#[test]
fn all_that_is_shown_and_typed_is_in_a_record_and_a_link_in_its_place_is_left_alone() {
    let scratch = Scratch::new();
    write_config(&Setup::new("test"), &scratch, free_port());
    let record = scratch.path().join("apctest.output");
    let shown = typed(scratch.path(), scratch.path(), &["13", "6", "3", "q"]);
    has(&shown, &["1 off, 2 on, 3 mute", "nothing is heard", "charge: 100.0"]);
    assert_eq!(std::fs::read_to_string(&record).unwrap(), shown);
    assert_eq!(std::fs::metadata(&record).unwrap().mode() & 0o777, 0o600);
    typed(scratch.path(), scratch.path(), &["q"]);
    assert!(std::fs::read_to_string(&record).unwrap().len() > shown.len(), "it is appended");
    let other = scratch.file("other", "mine");
    std::fs::remove_file(&record).unwrap();
    symlink(&other, &record).unwrap();
    has(
        &typed(scratch.path(), scratch.path(), &["3"]),
        &["no record is kept: apctest.output", "self-test result"],
    );
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
}

#[test]
fn the_end_of_input_ends_each_question() {
    let scratch = Scratch::new();
    write_config(&Setup::new("test"), &scratch, free_port());
    for lines in [&[][..], &["4"], &["6"], &["10"], &["10", "yes"], &["1"], &["7"]] {
        typed(scratch.path(), scratch.path(), lines);
    }
}

#[test]
fn a_signal_ends_it_at_a_terminal() {
    let scratch = Scratch::new();
    write_config(&Setup::new("test"), &scratch, free_port());
    for key in [&b"\x04"[..], b"q\n", b""] {
        let mut terminal = Terminal::open();
        let mut command = program(scratch.path(), scratch.path());
        let mut child = command.stdin(terminal.stdio()).stdout(terminal.stdio()).spawn().unwrap();
        terminal.wait(0, "number, or q: ");
        // An order that has opened the UPS leaves signals as they were.
        terminal.press(b"3\n");
        let seen = terminal.wait(0, "self-test result");
        terminal.wait(seen, "number, or q: ");
        if key.is_empty() {
            send_signal(child.id(), "INT");
        } else {
            terminal.press(key);
        }
        let status = poll_until(TIMEOUT, || child.try_wait().unwrap());
        assert!(status.is_some_and(|status| status.success()), "{status:?}");
    }
}

#[test]
fn simple_signalling_says_what_keeps_it_from_the_lines() {
    let scratch = Scratch::new();
    let port = scratch.path().join("ttyS0");
    let _ups = Smart::start(Generation::Third, &port, false);
    let setup = Setup::new("dumb").with("UPSCABLE", "940-0020B").with("DEVICE", &port.display().to_string());
    write_config(&setup, &scratch, free_port());
    let text = typed(scratch.path(), scratch.path(), &["1", "", "4", "8", "6", "yes", "q"]);
    // A pseudo-terminal has none.
    has(
        &text,
        &[
            "DUMB UPS Driver",
            "the port has no modem lines",
            "first 'no mains'",
            "first 'normal' and 'no mains'",
            "lines before: the port has no modem lines",
            if is_root() { "nothing was sent to the UPS" } else { "only root may order this" },
            "lines after: the port has no modem lines",
        ],
    );
}

#[test]
fn a_mistake_and_a_slave_are_told() {
    let scratch = Scratch::new();
    let ran = |args: &[&str]| {
        let done = Command::new(Setup::new("").program).arg("apctest").args(args).output().unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    assert_eq!(ran(&["-k"]), (Some(1), "apctest: no such option '-k' (apctest --help)\n".to_owned()));
    let config = write_config(&Setup::new("net").with("DEVICE", "127.0.0.1:1"), &scratch, free_port());
    let (status, words) = ran(&["-f", config.to_str().unwrap()]);
    assert!(status == Some(1) && words.contains("is tested there"), "{words}");
}

#[test]
fn a_test_ups_is_calibrated_by_its_daemon_and_watched() {
    let daemon = Daemon::start(&Setup::new("test").with("NOLOGON", "disable"));
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let place = Scratch::new();
    let guards = || typed(daemon.dir(), place.path(), &[]).contains("a daemon guards").then_some(());
    assert!(poll_until(TIMEOUT, guards).is_some(), "{}", daemon.describe());
    // It runs on when the input ends.
    has(&typed(daemon.dir(), place.path(), &["10", "yes", "n"]), &["calibration started", "Enter stops"]);
    has(&typed(daemon.dir(), place.path(), &["2"]), &["refused: not now: a self test or calibration runs"]);
    has(&typed(daemon.dir(), place.path(), &["13"]), &["test: runs"]);
}
