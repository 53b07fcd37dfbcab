//! `apcaccess`: arguments, exit status, stdout and stderr, against real sockets. Beside Debian's own: `tests/ci/access.rs`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use crate::support::access::{self as client, access, code, recorded, text, v4};
use crate::support::{self, run, run_program};

/// A server that takes one request, sends these bytes and closes.
fn once(bytes: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 8]).unwrap();
        stream.write_all(&bytes).unwrap();
    });
    address
}

#[test]
fn each_form_of_the_command_line_prints_what_apcaccess_prints() {
    client::prints(&[&access]);
}

#[test]
fn what_3_14_14_refuses_is_refused_with_its_words_and_status() {
    client::refuses(&[&access]);
    for (args, words) in [
        (["-x"], "apcaccess: invalid option -- 'x'\nUsage: "),
        (["-p"], "apcaccess: option requires an argument -- 'p'\nUsage: "),
    ] {
        let ran = access(&args);
        assert_eq!((code(&ran), ran.stdout.as_str()), (1, ""), "{args:?}");
        assert!(ran.stderr.starts_with(words), "{}", ran.stderr);
    }
}

#[test]
fn answers_that_are_none_are_told_apart() {
    let failed = |address: SocketAddr, words: &str| {
        format!("Error reading status from apcupsd @ {address}: {words}\n")
    };
    let too_long = [&[1, 2][..], &[b'x'; 258]].concat();
    let mut half = recorded("status-commlost-at-start.bin");
    half.truncate(70);
    let first: String =
        text("status-commlost-at-start.bin").lines().take(2).map(|l| format!("{l}\n")).collect();

    let at = once(Vec::new());
    let ran = access(&["-h", &at.to_string()]);
    assert_eq!((code(&ran), ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""), "closed at once");
    let at = once(too_long);
    let ran = access(&["-h", &at.to_string()]);
    assert_eq!((code(&ran), ran.stdout, ran.stderr), (1, String::new(), failed(at, "Invalid argument")));
    let at = once(half);
    let ran = access(&["-h", &at.to_string()]);
    assert_eq!((code(&ran), ran.stdout, ran.stderr), (1, first, failed(at, "the answer ends in the middle")));
    let at = once(recorded("invalid-command.bin"));
    let ran = access(&["-h", &at.to_string()]);
    assert_eq!((code(&ran), ran.stdout.as_str()), (0, "Invalid command\n\0"));
}

#[test]
fn a_silent_server_is_given_up_after_fifteen_seconds() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let ran = access(&["-h", &at]);
    let words = format!("Error reading status from apcupsd @ {at}: Connection timed out\n");
    assert_eq!((code(&ran), ran.stderr), (1, words));
}

#[test]
fn events_are_printed_and_their_absence_is_an_error() {
    let fixture = v4();
    let at = fixture.server.address().to_string();
    let ran = access(&["events", &at]);
    assert_eq!((code(&ran), ran.stdout, ran.stderr.as_str()), (0, text("events.bin"), ""));
    let ran = run(["events", at.as_str()]);
    assert_eq!((code(&ran), ran.stdout), (0, text("events.bin")));
    std::fs::remove_file(fixture.scratch.path().join("events")).unwrap();
    let ran = access(&["events", &at]);
    let words = format!("Error reading events from apcupsd @ {at}: Not available\n");
    assert_eq!((code(&ran), ran.stdout.as_str(), ran.stderr), (1, "", words));
}

#[test]
fn clients_are_listed_to_this_machine_and_their_absence_is_an_error() {
    let fixture = v4();
    let at = fixture.server.address().to_string();
    let ran = access(&["clients", &at]);
    assert_eq!((code(&ran), ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""), "who asks is not listed");
    let mut watching = support::Nis::connect(fixture.server.address(), support::TIMEOUT).unwrap();
    watching.ask(b"watch").unwrap();
    for args in [&["apcaccess", "clients", &at][..], &["clients", &at], &["status", "clients", &at]] {
        let ran = run(args);
        assert_eq!((code(&ran), ran.stderr.as_str()), (0, ""), "{args:?}");
        assert!(ran.stdout.starts_with("watch    2026-11-21 04:"), "{}", ran.stdout);
        assert!(ran.stdout.ends_with(" +0100  127.0.0.1\n"), "{}", ran.stdout);
    }
    let ran = access(&["--json", "clients", &at]);
    let value: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&value[0]["how"], &value[0]["address"]), (&"watch".into(), &"127.0.0.1".into()));
    // What apcupsd says, and mainsd to another machine.
    let at = once(recorded("invalid-command.bin"));
    let ran = access(&["clients", &at.to_string()]);
    let words = "only mainsd lists its clients, and only to its own machine";
    let words = format!("Error reading clients from apcupsd @ {at}: {words}\n");
    assert_eq!((code(&ran), ran.stdout.as_str(), ran.stderr), (1, "", words));
}

#[test]
fn json_has_numbers_null_and_the_order_of_the_status() {
    let fixture = v4();
    let at = fixture.server.address().to_string();
    let ran = access(&["--json", "-h", &at]);
    assert_eq!(code(&ran), 0, "{}", ran.stderr);
    let value: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(value["LINEV"], 229.7);
    assert_eq!(value["NUMXFERS"], 0);
    assert_eq!(value["STATUS"], "ONLINE");
    assert_eq!(value["XOFFBATT"], serde_json::Value::Null);
    assert_eq!(value["STATFLAG"], "0x05000008");
    assert_eq!(value["END APC"], "2026-11-21 04:09:56 +0100");
    assert_eq!(value.as_object().unwrap().len(), 55);
    assert!(ran.stdout.starts_with("{\n  \"APC\": \"001,054,1196\",\n  \"DATE\""), "{}", ran.stdout);

    let ran = access(&["--json", "-p", "BCHARGE", "-h", &at]);
    assert_eq!((code(&ran), ran.stdout.as_str()), (0, "100.0\n"));
    let ran = access(&["--json", "-p", "NOSUCHKEY", "-h", &at]);
    assert_eq!((code(&ran), ran.stdout.as_str()), (2, ""));
    let ran = access(&["--json", "events", &at]);
    let value: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(value[3]["message"], "Power failure.");
    assert_eq!(value[3]["time"], "2026-11-21 04:10:48 +0100");
}

#[test]
fn a_wrong_file_matters_only_where_it_is_needed() {
    let fixture = v4();
    let at = fixture.server.address();
    let port = at.port();
    let wrong =
        fixture.scratch.file("conf", format!("## apcupsd.conf v1.1 ##\nNISPORT {port}\nNISIP 300.1.2.3\n"));
    let wrong = wrong.to_str().unwrap();
    let ran = access(&["-f", wrong, "-h", &at.to_string(), "-p", "STATUS"]);
    assert_eq!((code(&ran), ran.stdout.as_str(), ran.stderr.as_str()), (0, "ONLINE \n", ""));
    let ran = access(&["-f", wrong]);
    assert_eq!((code(&ran), ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains(":3: NISIP: "), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("Terminating due to configuration file errors.\n"), "{}", ran.stderr);
    let elsewhere =
        fixture.scratch.file("other", format!("NISIP 127.0.0.1\nNISPORT {port}\nTIMEOUT 0x5\nWHAT 1\n"));
    let ran = access(&["-f", elsewhere.to_str().unwrap(), "-p", "STATUS"]);
    assert_eq!((code(&ran), ran.stdout.as_str(), ran.stderr.as_str()), (0, "ONLINE \n", ""));
}

#[test]
fn the_name_apcaccess_makes_the_binary_the_client() {
    let fixture = v4();
    let link = fixture.scratch.path().join("apcaccess");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_mainsd"), &link).unwrap();
    let ran = run_program(&link, ["-h", &fixture.server.address().to_string(), "-p", "UPSNAME"]);
    assert_eq!((code(&ran), ran.stdout.as_str()), (0, "rack1\n"));
}

#[test]
fn help_and_version_succeed_on_stdout() {
    let ran = access(&["--help"]);
    assert_eq!((code(&ran), ran.stderr.as_str()), (0, ""));
    for word in ["apcaccess [-f ", "--json", "'events'", "[::1]:3551"] {
        assert!(ran.stdout.contains(word), "{word} not in {}", ran.stdout);
    }
    let ran = access(&["--version"]);
    assert_eq!(code(&ran), 0);
    assert!(ran.stdout.starts_with("apcaccess "), "{}", ran.stdout);
}
