//! `apcaccess`: arguments, exit status, stdout and stderr, against real sockets. With `MAINSD_CI=1`, Debian's own
//! `apcaccess` runs beside it, and both must print the same bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::disallowed_methods, reason = "tests drive real sockets by the real clock")]

mod support;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use support::served::{Plan, Running, Served};
use support::{Finished, Scratch, run, run_program};

fn recorded(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/nis/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

/// The payloads of a recorded answer.
fn text(name: &str) -> String {
    let bytes = recorded(name);
    let mut text = String::new();
    let mut at = 0;
    while bytes[at..] != [0, 0] {
        let length = usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        text.push_str(std::str::from_utf8(&bytes[at + 2..at + 2 + length]).unwrap());
        at += 2 + length;
    }
    text
}

struct Fixture {
    server: Running,
    scratch: Scratch,
}

fn fixture(addresses: &[IpAddr]) -> Fixture {
    let scratch = Scratch::new();
    let events = scratch.file("events", text("events.bin"));
    let status = recorded("status-apcsmart-online.bin");
    let plan = Plan { addresses: addresses.to_vec(), ..Plan::default() };
    Fixture { server: Running::start(plan, Served { status, events: Some(events) }), scratch }
}

fn v4() -> Fixture {
    fixture(&[Ipv4Addr::LOCALHOST.into()])
}

fn access(args: &[&str]) -> Finished {
    run(std::iter::once(&"apcaccess").chain(args))
}

fn code(finished: &Finished) -> i32 {
    finished.status.code().unwrap()
}

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
    let fixture = v4();
    let at = fixture.server.address().to_string();
    let port = fixture.server.address().port();
    let all = text("status-apcsmart-online.bin");
    let bare: String = all
        .lines()
        .map(|line| {
            let units = [" Minutes", " Seconds", " Percent", " Volts", " Watts", " Hz", " C"];
            let unit = units.iter().find(|unit| line.ends_with(*unit)).map_or("", |unit| unit);
            format!("{}\n", line.strip_suffix(unit).unwrap())
        })
        .collect();
    let conf =
        fixture.scratch.file("conf", format!("## apcupsd.conf v1.1 ##\nNISIP 127.0.0.1\nNISPORT {port}\n"));
    let conf = conf.to_str().unwrap();
    let everywhere =
        fixture.scratch.file("all", format!("## apcupsd.conf v1.1 ##\nNISIP 0.0.0.0\nNISPORT {port}\n"));
    let everywhere = everywhere.to_str().unwrap();
    let table: &[(&[&str], i32, &str)] = &[
        (&["-h", &at], 0, &all),
        (&["status", &at], 0, &all),
        (&["-h", "192.0.2.1:1", "status", &at], 0, &all),
        (&["status", &at, "ignored"], 0, &all),
        (&["-f", conf], 0, &all),
        (&["-f", everywhere], 0, &all),
        (&["-f", conf, "-h", "127.0.0.1"], 0, &all),
        (&["-u", "-h", &at], 0, &bare),
        (&["-p", "STATUS", "-h", &at], 0, "ONLINE \n"),
        (&["-p", "BCHARGE", "-u", "-h", &at], 0, "100.0\n"),
        (&["-up", "BCHARGE", "-h", &at], 0, "100.0\n"),
        (&["-p", "BCHARGE", "-h", &at], 0, "100.0 Percent\n"),
        (&["-p", "APC", "-h", &at], 0, "001,054,1196\n"),
        (&["-p", "END", "-h", &at], 0, "2026-11-21 04:09:56 +0100  \n"),
        (&["-p", "END APC", "-h", &at], 2, ""),
        (&["-p", "bcharge", "-h", &at], 2, ""),
        (&["-p", "NOSUCHKEY", "-h", &at], 2, ""),
        (&["-h", &at, "-p", "ALARMDEL", "-u"], 0, "5\n"),
    ];
    let debian = debian();
    for (args, status, stdout) in table {
        let mut programs = vec![access(args)];
        programs.extend(debian.as_deref().map(|program| run_program(program, *args)));
        for ran in programs {
            assert_eq!(
                (code(&ran), ran.stdout.as_str(), ran.stderr.as_str()),
                (*status, *stdout, ""),
                "{args:?}"
            );
        }
    }
}

/// Debian's apcaccess, in CI.
fn debian() -> Option<PathBuf> {
    if !support::in_ci("Debian's package apcupsd, for its apcaccess") {
        return None;
    }
    let found =
        ["/usr/sbin/apcaccess", "/sbin/apcaccess"].into_iter().map(Path::new).find(|path| path.exists());
    Some(found.expect("MAINSD_CI=1 needs Debian's package apcupsd: no /sbin/apcaccess").to_owned())
}

#[test]
fn what_3_14_14_refuses_is_refused_with_its_words_and_status() {
    let closed = support::free_port();
    let refused = format!("127.0.0.1:{closed}");
    let contact = format!("Error contacting apcupsd @ {refused}: Connection refused\n");
    let usage = "Usage: apcaccess [-f <config-file>] [-h <host>[:<port>]] [-p <parameter-name>] [-u] [<command>] \
                 [<host>[:<port>]]\n";
    let table: &[(&[&str], i32, &str)] = &[
        (&["-h", &refused], 1, &contact),
        (&["status", &refused], 1, &contact),
        (
            &["-h", "host.invalid"],
            1,
            "Error contacting apcupsd @ host.invalid:3551: No such device or address\n",
        ),
        (&["-h", "127.0.0.1:"], 1, "Error contacting apcupsd @ 127.0.0.1:0: Connection refused\n"),
        (&["-f", "/nonexistent"], 2, "Unable to open config file '/nonexistent'\n"),
        (&["foo"], 1, "Unknown command foo\n"),
        (&[""], 1, "Unknown command \n"),
        (&["STATUS"], 1, "Unknown command STATUS\n"),
    ];
    let debian = debian();
    for (args, status, stderr) in table {
        let mut programs = vec![access(args)];
        programs.extend(debian.as_deref().map(|program| run_program(program, *args)));
        for ran in programs {
            assert_eq!((code(&ran), ran.stdout.as_str()), (*status, ""), "{args:?}");
            assert!(ran.stderr.starts_with(stderr), "{args:?}: {}", ran.stderr);
            if stderr.starts_with("Unknown") {
                assert!(ran.stderr[stderr.len()..].starts_with(usage), "{args:?}: {}", ran.stderr);
            }
        }
    }
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
    let mut watching = support::Nis::connect(fixture.server.address(), support::PATIENCE).unwrap();
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
fn ipv6_addresses_are_asked_with_and_without_brackets() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        println!("skipped: needs IPv6 on the loopback interface");
        return;
    }
    let fixture = fixture(&[Ipv6Addr::LOCALHOST.into()]);
    let port = fixture.server.address().port();
    let bracketed = format!("[::1]:{port}");
    let ran = access(&["-p", "STATUS", "-h", &bracketed]);
    assert_eq!((code(&ran), ran.stdout.as_str(), ran.stderr.as_str()), (0, "ONLINE \n", ""));
    let conf = fixture.scratch.file("conf", format!("## apcupsd.conf v1.1 ##\nNISIP ::1\nNISPORT {port}\n"));
    for args in [vec![], vec!["-h", "::1"], vec!["-h", "[::1]"], vec!["-h", "localhost"]] {
        let mut line = vec!["-f", conf.to_str().unwrap(), "-p", "STATUS"];
        line.extend(&args);
        // `localhost` needs the resolver to know the IPv6 loopback.
        let knows =
            std::net::ToSocketAddrs::to_socket_addrs(&("localhost", port)).unwrap().any(|a| a.is_ipv6());
        if args == ["-h", "localhost"] && !knows {
            continue;
        }
        let ran = access(&line);
        assert_eq!((code(&ran), ran.stdout.as_str(), ran.stderr.as_str()), (0, "ONLINE \n", ""), "{line:?}");
    }
    let closed = support::free_port();
    let ran = access(&["-h", &format!("[::1]:{closed}")]);
    let words = format!("Error contacting apcupsd @ [::1]:{closed}: Connection refused\n");
    assert_eq!((code(&ran), ran.stderr), (1, words));
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
    for word in ["Usage: apcaccess", "--json", "'events'", "[::1]:3551"] {
        assert!(ran.stdout.contains(word), "{word} not in {}", ran.stdout);
    }
    let ran = access(&["--version"]);
    assert_eq!(code(&ran), 0);
    assert!(ran.stdout.starts_with("apcaccess "), "{}", ran.stdout);
}
