//! `mainsd demo`, as a person without a terminal, with one, and in a hurry.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes by the real clock")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by panicking")]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use support::{Lines, PATIENCE, Scratch, Setup};

/// The demonstration as a command, its temporary folder within `scratch`.
fn demo(scratch: &Scratch, args: &[&str]) -> Command {
    let mut command = Command::new(Setup::new("").program);
    command.arg("demo").args(args).stdin(Stdio::null());
    in_terminal(&mut command, scratch);
    command
}

/// An environment that would let the live view be drawn.
fn in_terminal(command: &mut Command, scratch: &Scratch) {
    command.env("TMPDIR", scratch.path()).env_remove("NO_COLOR").env("TERM", "xterm").env("LANG", "C.UTF-8");
}

fn is_empty(scratch: &Scratch) -> bool {
    std::fs::read_dir(scratch.path()).unwrap().next().is_none()
}

#[test]
fn without_a_terminal_a_story_is_told_once_in_lines() {
    let scratch = Scratch::new();
    let done = demo(&scratch, &["--speed", "12"]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(!text.contains('\x1b'), "{text}");
    let told = [
        "Try in another terminal: mainsd status 127.0.0.1:",
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
    let (_, line) = lines.wait(0, PATIENCE, |text| text.contains("mainsd status 127.0.0.1:")).unwrap();
    let address = line.text.split(' ').find(|word| word.starts_with("127.0.0.1:")).unwrap().to_owned();
    lines.wait(0, PATIENCE, |text| text.contains("ON MAINS")).expect("the state comes");
    let done = support::run(["status", &address]);
    assert!(
        done.stdout.contains("UPSNAME  : demo\n") && done.stdout.contains("STATUS   : ONLINE"),
        "{done:?}"
    );
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let status = support::poll_until(PATIENCE, || child.try_wait().unwrap());
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    assert!(is_empty(&scratch));
}

#[test]
fn on_a_terminal_it_draws_and_gives_the_terminal_back_on_ctrl_c() {
    // util-linux's script(1) is the terminal; the line discipline makes SIGINT of the byte.
    if Command::new("script").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        assert!(!support::in_ci("script(1) of util-linux"), "script(1) is missing");
        return;
    }
    let scratch = Scratch::new();
    let line = format!("stty rows 24 cols 80; exec '{}' demo --speed 20", Setup::new("").program.display());
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]);
    in_terminal(&mut script, &scratch);
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let shown = Lines::collect(child.stdout.take().unwrap());
    shown.wait(0, PATIENCE, |text| text.contains("ON BATTERY")).expect("the outage shows");
    shown.wait(0, PATIENCE, |text| text.contains("Power failure.")).expect("its event shows");
    child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    shown.wait(0, PATIENCE, |text| text.contains("mainsd demo ended")).expect("it says that it ended");
    let status = support::poll_until(PATIENCE, || child.try_wait().unwrap());
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    let text = shown.text();
    assert!(text.contains("\x1b[?1049h") && text.contains("\x1b[?25h\x1b[?1049l"), "{text}");
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
