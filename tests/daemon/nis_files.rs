//! A daemon that may open 64 files, and a network that wants them all: it serves, polls and runs its hooks.

use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use crate::support::{Daemon, Nis, Scratch, Setup, TIMEOUT};

#[test]
fn sixty_four_files_are_enough_for_an_outage_under_attack() {
    let scratch = Scratch::new();
    let script = scratch.file("script", "3 mains off\n6 mains on\n");
    let program = env!("CARGO_BIN_EXE_mainsd");
    let limited = scratch.script("mainsd", &format!("#!/bin/sh\nulimit -n 64\nexec {program} \"$@\"\n"));
    let mut setup = Setup::new("test")
        .with("DEVICE", script.to_str().unwrap())
        .with("POLLTIME", "1")
        .with("ONBATTERYDELAY", "0");
    setup.program = limited;
    let daemon = Daemon::start(&setup);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);

    // A hundred connections: some silent, some in the middle of a request, some that never read.
    let flood = b"\0\x06status".repeat(200);
    let attack = |n: usize| {
        let mut stream = TcpStream::connect(("127.0.0.1", daemon.port())).ok()?;
        stream.set_nonblocking(true).ok()?;
        let bytes: &[u8] = match n % 3 {
            0 => &[],
            1 => b"\0\x06stat",
            _ => &flood,
        };
        // As much as the kernel takes.
        let _ = stream.write(bytes).is_ok();
        Some(stream)
    };
    let mut attackers: Vec<Option<TcpStream>> = (0..100).map(attack).collect();
    let started = Instant::now();
    while daemon.events().len() < 4 {
        assert!(started.elapsed() < TIMEOUT, "hooks so far: {:?}", daemon.events());
        // The attackers come back as they are dropped.
        for (n, attacker) in attackers.iter_mut().enumerate() {
            *attacker = attack(n);
        }
        let status = Nis::connect(("127.0.0.1", daemon.port()), TIMEOUT).unwrap().status().unwrap();
        assert!(status.get("STATUS").is_some(), "{}", status.text());
    }
    assert_eq!(daemon.events(), ["powerout", "onbattery", "offbattery", "mainsback"]);
    let output = daemon.output().text();
    assert!(output.contains("32 clients, no more are allowed (NISMAXCLIENTS)"), "{output}");
}
