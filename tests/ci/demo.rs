//! `mainsd demo` on a terminal.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use super::client_words::has_script;
use crate::support::runner::{Group, Needs, tests};
use crate::support::{Lines, Scratch, Setup, TIMEOUT, poll_until};

pub const TESTS: Group = Group {
    needs: Needs::Machine("script(1) of util-linux", has_script),
    tests: tests![
        on_a_terminal_it_draws_and_gives_the_terminal_back_on_ctrl_c,
        on_a_terminal_the_decision_stays_in_sight_and_q_ends,
    ],
    ..Group::new(module_path!())
};

/// `mainsd demo` with these arguments on a terminal of 80 columns and 24 rows. script(1) is the terminal.
fn on_a_terminal(scratch: &Scratch, arguments: &str) -> (Child, Lines) {
    let program = Setup::new("").program;
    let line = format!("stty rows 24 cols 80; exec '{}' demo {arguments}", program.display());
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]);
    script.env("TMPDIR", scratch.path()).env_remove("NO_COLOR").env("TERM", "xterm").env("LANG", "C.UTF-8");
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let shown = Lines::collect(child.stdout.take().unwrap());
    (child, shown)
}

/// Presses the key; the demonstration ends, and leaves the terminal and its folder as they were.
fn ends_on(key: u8, mut child: Child, shown: &Lines, scratch: &Scratch) {
    // The line discipline makes SIGINT of Ctrl-C.
    child.stdin.as_mut().unwrap().write_all(&[key]).unwrap();
    shown.wait(0, TIMEOUT, |text| text.contains("mainsd demo ended")).expect("it says that it ended");
    let status = poll_until(TIMEOUT, || child.try_wait().unwrap());
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    let text = shown.text();
    assert!(text.contains("\x1b[?1049h") && text.contains("\x1b[?25h\x1b[?1049l"), "{text}");
    assert!(std::fs::read_dir(scratch.path()).unwrap().next().is_none());
}

fn on_a_terminal_it_draws_and_gives_the_terminal_back_on_ctrl_c() {
    let scratch = Scratch::new();
    let (child, shown) = on_a_terminal(&scratch, "--speed 20");
    shown.wait(0, TIMEOUT, |text| text.contains("ON BATTERY")).expect("the outage shows");
    shown.wait(0, TIMEOUT, |text| text.contains("Power failure.")).expect("its event shows");
    ends_on(3, child, &shown, &scratch);
}

fn on_a_terminal_the_decision_stays_in_sight_and_q_ends() {
    let scratch = Scratch::new();
    let (child, shown) = on_a_terminal(&scratch, "--speed 20 --scenario low-battery");
    let (decided, _) = shown.wait(0, TIMEOUT, |text| text.contains("Shutdown because ")).expect("it decides");
    // Mains has come back, other events have come: each frame still has it.
    let (later, _) =
        shown.wait(decided, TIMEOUT, |text| text.contains("Power is back.")).expect("mains is back");
    shown.wait(later, TIMEOUT, |text| text.contains("Shutdown because ")).expect("it is still there");
    ends_on(b'q', child, &shown, &scratch);
}
