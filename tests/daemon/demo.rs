//! `mainsd demo` without a terminal. On one: `tests/ci/demo.rs`.

use std::process::{Command, Stdio};

use crate::support::{self, Lines, Scratch, Setup, TIMEOUT, attempt};

/// The demonstration as a command, its temporary folder within `scratch`.
fn demo(scratch: &Scratch, args: &[&str]) -> Command {
    let mut command = Command::new(Setup::new("").program);
    command.arg("demo").args(args).stdin(Stdio::null());
    // An environment that would let the live view be drawn.
    command.env("TMPDIR", scratch.path()).env_remove("NO_COLOR").env("TERM", "xterm").env("LANG", "C.UTF-8");
    command
}

fn is_empty(scratch: &Scratch) -> bool {
    std::fs::read_dir(scratch.path()).unwrap().next().is_none()
}

#[test]
fn without_a_terminal_a_story_is_told_once_in_lines() {
    // Where the machine itself was held up for seconds, a story twelve times as fast is over before its last lines.
    let tell = || {
        let scratch = Scratch::new();
        let done = demo(&scratch, &["--speed", "12"]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        (scratch, String::from_utf8(done.stdout).unwrap())
    };
    let is_whole = |(_, text): &(Scratch, String)| text.contains("hook: apccontrol mainsback");
    let (scratch, text) = attempt(tell, is_whole);
    assert!(!text.contains('\x1b'), "{text}");
    let told = [
        "Time-lapse: the battery discharges and charges 60 times as fast as a real one",
        "Hooks are only printed: apccontrol EVENT UPSNAME CONNECTED POWERED",
        "Try in another terminal: ",
        "ON MAINS: line 2",
        "Power failure.",
        "hook: apccontrol powerout demo 1 0",
        "Running on UPS batteries.",
        "hook: apccontrol onbattery demo 1 0",
        "Mains returned. No longer on UPS batteries.",
        "Power is back. UPS running on mains.",
        "hook: apccontrol offbattery demo 1 0",
        "hook: apccontrol mainsback demo 1 0",
    ];
    let places: Vec<Option<usize>> = told.iter().map(|part| text.find(part)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{text}");
    assert!(is_empty(&scratch));
}

#[test]
fn in_the_low_battery_story_the_shutdown_is_decided_and_only_printed() {
    let scratch = Scratch::new();
    let done = demo(&scratch, &["--speed", "8", "--scenario", "low-battery"]).output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{text}");
    assert_eq!(text.matches("hook: apccontrol doshutdown demo 1 0").count(), 1, "{text}");
    assert!(text.contains("Shutdown because ") && !text.contains("SHUTDOWNCMD"), "{text}");
}

#[test]
fn a_client_sees_what_the_demonstration_shows() {
    let scratch = Scratch::new();
    let mut child = demo(&scratch, &["--scenario", "none"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = Lines::collect(child.stdout.take().unwrap());
    let (_, line) = lines.wait(0, TIMEOUT, |text| text.contains("mainsd status 127.0.0.1:")).unwrap();
    lines.wait(0, TIMEOUT, |text| text.contains("ON MAINS")).expect("the state comes");
    // As a person pastes it into a shell.
    let command = line.text.strip_prefix("Try in another terminal: ").unwrap();
    let command = command.strip_suffix("    Ctrl-C ends.").unwrap();
    let done = support::run_program("/bin/sh".as_ref(), ["-c", command]);
    assert!(
        done.stdout.contains("UPSNAME  : demo\n") && done.stdout.contains("STATUS   : ONLINE"),
        "{done:?}"
    );
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let status = support::poll_until(TIMEOUT, || child.try_wait().unwrap());
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    assert!(is_empty(&scratch));
}

#[test]
fn lines_that_nobody_can_have_end_it_with_a_word_and_a_reader_that_has_gone_without_one() {
    let scratch = Scratch::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let done = demo(&scratch, &["--plain"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(
        (done.status.code(), said.as_str()),
        (Some(1), "mainsd demo: cannot write: No space left on device\n")
    );
    let (reader, writer) = mainsd::sys::fs::pipe().unwrap();
    drop(reader);
    let done = demo(&scratch, &["--plain"]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((done.status.code(), done.stderr.len()), (Some(0), 0));
    assert!(is_empty(&scratch));
}

#[test]
fn a_mistake_is_told_and_the_help_names_the_stories() {
    let done = support::run(["demo", "--speed", "fast"]);
    assert!(!done.status.success());
    assert!(done.stderr.contains("--speed takes a number from 0.1 to 60, not 'fast'"), "{done:?}");
    let done = support::run(["demo", "--help"]);
    assert!(done.status.success() && done.stdout.contains("low-battery"), "{done:?}");
}
