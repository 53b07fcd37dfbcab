//! `mainsd status` and a hostile server: what reaches a terminal, and for how long the client waits.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::answering::{HOSTILE, ended, framed, server};
use crate::support::runner::{Group, Needs, tests};
use crate::support::{Scratch, run_program_for};

pub const TERMINAL: Group = Group {
    needs: Needs::Machine("script(1) of util-linux", has_script),
    tests: tests![a_hostile_answer_is_clean_on_a_terminal],
    ..Group::new(module_path!())
};

pub const TIME: Group = Group {
    needs: Needs::Ci("a minute of time"),
    tests: tests![a_server_that_drips_is_given_up_after_a_minute],
    ..Group::new(module_path!())
};

pub fn has_script() -> bool {
    Command::new("script").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn a_hostile_answer_is_clean_on_a_terminal() {
    let at = server(framed(&[HOSTILE, "MODEL    : B\u{fc}ro\n".as_bytes()])).to_string();
    for program in ["status", "apcaccess status"] {
        let words: Vec<&str> = program.split(' ').chain([at.as_str()]).collect();
        let shown = on_a_terminal(&words);
        assert!(!shown.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r')), "{shown:?}");
        // The terminal itself makes a return of each newline.
        assert_eq!(shown, "UPSNAME  : ?]0;owned??[2J?31m??x\r\nMODEL    : B\u{fc}ro\r\n", "{program}");
    }
    // So are JSON, and words of the server on standard error.
    let shown = on_a_terminal(&["status", "--json", &at]);
    assert!(!shown.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r')), "{shown:?}");
    let at = server(framed(&[b"\x1b[2Jno\n\0"])).to_string();
    assert_eq!(on_a_terminal(&["events", &at]), format!("mainsd events: {at}: ?[2Jno\r\n"));
}

/// What a terminal gets of the program. script(1) is the terminal.
fn on_a_terminal(words: &[&str]) -> String {
    let scratch = Scratch::new();
    let line = format!("exec '{}' {}", env!("CARGO_BIN_EXE_mainsd"), words.join(" "));
    let typescript = scratch.path().join("typescript");
    let mut script = Command::new("script");
    script.args(["-qec", &line]).arg(&typescript).stdin(Stdio::null()).stdout(Stdio::null());
    script.status().unwrap();
    let text = String::from_utf8_lossy(&std::fs::read(typescript).unwrap()).into_owned();
    // script(1) puts a line of its own before and after it.
    let (_, text) = text.split_once('\n').unwrap();
    let text = text.rsplit_once("\nScript done").map_or(text, |(text, _)| text);
    text.trim_end_matches('\n').to_owned() + "\n"
}

fn a_server_that_drips_is_given_up_after_a_minute() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let at = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        while stream.write_all(b"\x01").is_ok() {
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_mainsd"));
    let done = run_program_for(program, ["status", &at], Duration::from_secs(600));
    let line = format!("mainsd status: {at} takes the connection and gives no whole answer; given up\n");
    assert_eq!(ended(&done), (1, "", line.as_str()));
}
