//! `mainsd status` where there is no answer, or a hostile one: what is said, and what reaches a terminal.

use std::process::{Command, Stdio};

use crate::support::answering::{HOSTILE, ended, framed, server};
use crate::support::{self, run};

#[test]
fn each_failure_is_told_in_words_that_say_what_to_look_at() {
    let closed = format!("127.0.0.1:{}", support::free_port());
    let silent = server(Vec::new()).to_string();
    let alien = server(b"HTTP/1.0 400 Bad Request\r\n".to_vec()).to_string();
    let half = server(framed(&[b"APC      : 001\n"])[..8].to_vec()).to_string();
    let no_events = server(framed(&[b"Not available\n\0"])).to_string();
    let table: [(&[&str], String); 9] = [
        (
            &["status", "host.invalid"],
            "mainsd status: no such host: host.invalid; is the name spelt right, and known here?".to_owned(),
        ),
        (
            &["status", "127.0.0.1:x"],
            "mainsd status: no such port: 127.0.0.1:x; a port is a number from 1 to 65535".to_owned(),
        ),
        (
            &["status", "127.0.0.1:65536"],
            "mainsd status: no such port: 127.0.0.1:65536; a port is a number from 1 to 65535".to_owned(),
        ),
        (
            &["events", &closed],
            format!(
                "mainsd events: nothing listens at {closed}: no daemon runs on this machine, or with NETSERVER off or another NISPORT"
            ),
        ),
        (
            &["clients", &silent],
            format!(
                "mainsd clients: {silent} closes the connection without an answer: does NISALLOW there leave this machine out?"
            ),
        ),
        (
            &["status", &alien],
            format!("mainsd status: {alien} does not speak the protocol: does another program listen there?"),
        ),
        (&["status", &half], format!("mainsd status: {half}: the answer ends in the middle")),
        (&["events", &no_events], format!("mainsd events: {no_events}: Not available")),
        (
            &["clients", &no_events],
            format!(
                "mainsd clients: {no_events}: only mainsd lists its clients, and only to its own machine"
            ),
        ),
    ];
    for (args, line) in table {
        let done = run(args);
        assert_eq!(ended(&done), (1, "", format!("{line}\n").as_str()), "{args:?}");
    }
    let done = run(["status", "-f", "/nonexistent"]);
    let line = "mainsd status: Error opening configuration file (/nonexistent): No such file or directory\n";
    assert_eq!(ended(&done), (2, "", line));
}

#[test]
fn a_key_that_is_not_there_is_told_with_the_nearest_and_apcaccess_says_nothing() {
    let at = server(framed(&[b"STATUS   : ONLINE \n", b"BCHARGE  : 100.0 Percent\n"])).to_string();
    let table = [
        ("STATSU", "mainsd status: no such key: STATSU; the nearest is STATUS\n"),
        ("bcharge", "mainsd status: no such key: bcharge; the nearest is BCHARGE\n"),
        (
            "AMBTEMP",
            "mainsd status: no such key: AMBTEMP; the UPS may not tell it ('mainsd status' shows all that it tells)\n",
        ),
    ];
    for (key, line) in table {
        assert_eq!(ended(&run(["status", "-p", key, &at])), (2, "", line), "{key}");
        assert_eq!(ended(&run(["status", "--json", "-p", key, &at])), (2, "", line), "{key}");
        assert_eq!(ended(&run(["apcaccess", "-p", key, "status", &at])), (2, "", ""), "{key}");
    }
    assert_eq!(ended(&run(["status", "-p", "STATUS", &at])), (0, "ONLINE \n", ""));
}

#[test]
fn a_hostile_answer_is_whole_in_a_pipe() {
    let at = server(framed(&[HOSTILE])).to_string();
    for program in ["status", "apcaccess status"] {
        let words: Vec<&str> = program.split(' ').chain([at.as_str()]).collect();
        let done =
            Command::new(env!("CARGO_BIN_EXE_mainsd")).args(&words).stdin(Stdio::null()).output().unwrap();
        assert!(done.stdout.starts_with(HOSTILE), "{done:?}");
    }
}
