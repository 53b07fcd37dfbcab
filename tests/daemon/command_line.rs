//! Every program's command line: what a mistake says, and standard output or standard error that take nothing.

use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

use crate::support::{self, Scratch, Setup, write_config};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainsd"));
    command.stdin(Stdio::null());
    command
}

/// A stream whose reader has gone.
fn closed() -> Stdio {
    let (reader, writer) = mainsd::sys::fs::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A stream to a full disk.
fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Command lines that print something and succeed.
const PRINTING: [&[&str]; 17] = [
    &["--version"],
    &["--help"],
    &["version"],
    &["help"],
    &["help", "check"],
    &["help", "TIMEOUT"],
    &["apcupsd", "--version"],
    &["apcupsd", "--help"],
    &["check", "--help"],
    &["check", "--explain", "TIMEOUT"],
    &["check", "-f", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/configs/debian.conf")],
    &["status", "--help"],
    &["status", "--version"],
    &["apcaccess", "--help"],
    &["apcaccess", "--version"],
    &["demo", "--help"],
    &["probe", "--help"],
];

#[test]
fn a_reader_that_has_gone_is_no_failure_of_any_program() {
    for args in PRINTING {
        let done = program().args(args).stdout(closed()).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((done.status.code(), text(&done.stderr).as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn a_full_disk_at_standard_output_is_an_error_of_every_program() {
    for args in PRINTING {
        let done = program().args(args).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let said = text(&done.stderr);
        assert_eq!((done.status.code(), said.lines().count()), (Some(1), 1), "{args:?}: {said}");
        assert!(said.ends_with(": cannot write: No space left on device\n"), "{args:?}: {said}");
    }
}

/// Command lines that print a complaint.
const COMPLAINING: [(&[&str], i32); 9] = [
    (&["stauts"], 1),
    (&["--bogus"], 1),
    (&["-f", "/nonexistent"], 2),
    (&["apcupsd", "-f", "/nonexistent"], 2),
    (&["check", "-f", "/nonexistent"], 2),
    (&["check", "--explain", "TIMOUT"], 1),
    (&["apcaccess", "-f", "/nonexistent"], 2),
    (&["status", "-h", "127.0.0.1:1"], 1),
    (&["demo", "--speed", "fast"], 1),
];

#[test]
fn a_standard_error_that_takes_nothing_changes_no_exit_status() {
    for (args, status) in COMPLAINING {
        for stream in [closed(), full()] {
            let done = program().args(args).stdout(Stdio::null()).stderr(stream).output().unwrap();
            assert_eq!(done.status.code(), Some(status), "{args:?}");
        }
    }
}

/// The last step of a shutdown has a console, a pipe of the service manager, or nothing to talk to.
#[test]
fn the_ups_is_told_to_cut_its_power_whether_or_not_anybody_hears_it() {
    for stream in [closed(), full()] {
        let scratch = Scratch::new();
        let config = write_config(&Setup::new("test"), &scratch, support::free_port());
        scratch.file("flags/powerfail", "");
        let done = kill_power(&config, stream);
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        let log = support::logged(scratch.path());
        assert!(log.is_empty(), "the events file is left alone: {log:?}");
    }
}

fn kill_power(config: &std::path::Path, stderr: Stdio) -> Output {
    program().args(["--killpower", "-f"]).arg(config).stdout(Stdio::null()).stderr(stderr).output().unwrap()
}

/// Status, standard output and standard error of a program that ends by itself.
fn said(args: &[&str]) -> (i32, String, String) {
    let done = program().args(args).output().unwrap();
    (done.status.code().unwrap(), text(&done.stdout), text(&done.stderr))
}

#[test]
fn a_mistake_is_one_line_with_the_nearest_word() {
    let table: [(&[&str], &str); 16] = [
        (&["stauts"], "mainsd: no such command 'stauts'; the nearest is 'status' ('mainsd help' lists them)"),
        (&["frobnicate"], "mainsd: no such command 'frobnicate' ('mainsd help' lists them)"),
        (&["STATUS"], "mainsd: no such command 'STATUS'; the nearest is 'status' ('mainsd help' lists them)"),
        (&[""], "mainsd: no such command '' ('mainsd help' lists them)"),
        (&["--versoin"], "mainsd: no such option '--versoin'; the nearest is '--version' (mainsd --help)"),
        (&["-b", "word"], "mainsd: one word too many: 'word' (mainsd --help)"),
        (&["-f"], "mainsd: -f needs a value (mainsd --help)"),
        (
            &["check", "--explian", "X"],
            "mainsd check: no such option '--explian'; the nearest is '--explain' (mainsd check --help)",
        ),
        (
            &["check", "--explain", "TIMOUT"],
            "mainsd check: no such directive 'TIMOUT'; the nearest is TIMEOUT",
        ),
        (
            &["check", "--explain", "X"],
            "mainsd check: no such directive 'X'; mainsd.conf(5) has the list of all",
        ),
        (
            &["demo", "--sped", "2"],
            "mainsd demo: no such option '--sped'; the nearest is '--speed' (mainsd demo --help)",
        ),
        (
            &["status", "--jsno"],
            "mainsd status: no such option '--jsno'; the nearest is '--json' (mainsd status --help)",
        ),
        (&["events", "one", "two"], "mainsd events: one word too many: 'two' (mainsd events --help)"),
        (
            &["help", "tiemout"],
            "mainsd help: no such command or directive 'tiemout'; the nearest is 'TIMEOUT'",
        ),
        (&["help", "chekc"], "mainsd help: no such command or directive 'chekc'; the nearest is 'check'"),
        (&["version", "now"], "mainsd version: one word too many: 'now'"),
    ];
    for (args, line) in table {
        assert_eq!(said(args), (1, String::new(), format!("{line}\n")), "{args:?}");
    }
    let (status, out, line) = said(&["demo", "--scenario", "outtage"]);
    assert_eq!((status, out.as_str(), line.lines().count()), (1, "", 1), "{line}");
    assert!(line.starts_with("mainsd demo: no such scenario 'outtage'; the nearest is 'outage'"), "{line}");
}

#[test]
fn each_help_text_speaks_of_what_the_user_has_typed() {
    let table: [(&[&str], &str); 9] = [
        (&["--help"], "usage: mainsd [options]"),
        (&["check", "--help"], "usage: mainsd check "),
        (&["status", "--help"], "usage: mainsd status "),
        (&["events", "--help"], "usage: mainsd events "),
        (&["clients", "--help"], "usage: mainsd clients "),
        (&["status", "clients", "--help"], "usage: mainsd clients "),
        (&["demo", "--help"], "usage: mainsd demo "),
        (&["apcaccess", "--help"], "Usage: mainsd apcaccess "),
        (&["apcupsd", "--help"], "usage: mainsd apcupsd "),
    ];
    for (args, start) in table {
        let (status, out, err) = said(args);
        assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
        assert!(out.starts_with(start), "{args:?}: {out}");
        // The same by the word.
        let about = args.first().filter(|word| !word.starts_with('-'));
        if let (Some(word), [_, "--help"]) = (about, args) {
            assert_eq!(said(&["help", word]), (0, out, String::new()));
        }
    }
    for (name, start) in [("apcaccess", "Usage: apcaccess "), ("apcupsd", "usage: apcupsd ")] {
        let scratch = Scratch::new();
        let link = scratch.path().join(name);
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_mainsd"), &link).unwrap();
        let done = support::run_program(&link, ["--help"]);
        assert!(done.status.success() && done.stdout.starts_with(start), "{done:?}");
    }
}

#[test]
fn help_tells_about_every_command_and_every_directive_and_version_is_a_word_too() {
    let (_, all, _) = said(&["help"]);
    assert_eq!(said(&["--help"]).1, all);
    for word in ["status", "events", "clients", "check", "demo", "help", "version", "apcaccess", "apcupsd"] {
        assert!(all.contains(word), "{word} is not in\n{all}");
        let (status, about, _) = said(&["help", word]);
        assert!(status == 0 && about.to_lowercase().starts_with("usage: mainsd "), "{word}: {about}");
    }
    assert!(all.lines().all(|line| line.len() < 130), "{all}");
    for directive in mainsd::config::directives::all() {
        let (status, about, _) = said(&["help", &directive.name.to_ascii_lowercase()]);
        assert_eq!((status, about.lines().next()), (0, Some(directive.name)));
        assert_eq!(said(&["check", "--explain", directive.name]).1, about);
    }
    let retired = said(&["help", "netaccess"]).1;
    assert!(
        retired.starts_with("NETACCESS is a directive of apcupsd of long ago. It is ignored: "),
        "{retired}"
    );
    assert_eq!(said(&["version"]), said(&["--version"]));
}
