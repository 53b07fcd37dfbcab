//! `apcaccess` and the server that it asks, for tests of ours alone and beside Debian's.

use std::net::{IpAddr, Ipv4Addr};

use super::served::{Plan, Running, Served};
use super::{Finished, Scratch, free_port, run};

pub fn recorded(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/nis/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

/// The payloads of a recorded answer.
pub fn text(name: &str) -> String {
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

/// A server with the recorded answers; its events file is in the folder.
pub struct Fixture {
    pub server: Running,
    pub scratch: Scratch,
}

pub fn fixture(addresses: &[IpAddr]) -> Fixture {
    let scratch = Scratch::new();
    let events = scratch.file("events", text("events.bin"));
    let status = recorded("status-apcsmart-online.bin");
    let plan = Plan { addresses: addresses.to_vec(), ..Plan::default() };
    Fixture { server: Running::start(plan, Served { status, events: Some(events) }), scratch }
}

pub fn v4() -> Fixture {
    fixture(&[Ipv4Addr::LOCALHOST.into()])
}

/// Ours.
pub fn access(args: &[&str]) -> Finished {
    run(std::iter::once(&"apcaccess").chain(args))
}

pub fn code(finished: &Finished) -> i32 {
    finished.status.code().unwrap()
}

/// Runs a client with these arguments.
pub type Client<'a> = &'a dyn Fn(&[&str]) -> Finished;

/// Each form of the command line prints what 3.14.14 prints.
pub fn prints(clients: &[Client]) {
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
    for (args, status, stdout) in table {
        for client in clients {
            let ran = client(args);
            assert_eq!(
                (code(&ran), ran.stdout.as_str(), ran.stderr.as_str()),
                (*status, *stdout, ""),
                "{args:?}"
            );
        }
    }
}

/// What 3.14.14 refuses is refused with its words and status.
pub fn refuses(clients: &[Client]) {
    let closed = free_port();
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
    for (args, status, stderr) in table {
        for client in clients {
            let ran = client(args);
            assert_eq!((code(&ran), ran.stdout.as_str()), (*status, ""), "{args:?}");
            assert!(ran.stderr.starts_with(stderr), "{args:?}: {}", ran.stderr);
            if stderr.starts_with("Unknown") {
                assert!(ran.stderr[stderr.len()..].starts_with(usage), "{args:?}: {}", ran.stderr);
            }
        }
    }
}
