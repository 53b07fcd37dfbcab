//! `mainsd probe` at simulated UPSes: what it finds, what it sends, and what it leaves alone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::modbus::Modbus;
use crate::support::smart::{Generation, Smart};
use crate::support::snmp::{Card, Unit};
use crate::support::{self, Finished, OtherProgram, Scratch};

fn probe(args: &[&str]) -> Finished {
    let all = [&["probe"], args].concat();
    support::run_program_for(Path::new(env!("CARGO_BIN_EXE_mainsd")), all, Duration::from_secs(600))
}

/// A port whose name, and with it that of its lock file, no other test has.
fn port(ports: &Scratch) -> PathBuf {
    ports.path().join(ports.path().file_name().unwrap())
}

/// The option for a port.
fn serial(port: &Path) -> String {
    format!("--serial={}", port.display())
}

#[test]
fn a_smart_ups_at_a_serial_port_is_found_with_its_configuration() {
    let ports = Scratch::new();
    let port = port(&ports);
    let ups = Smart::start(Generation::Third, &port, false);
    let done = probe(&[&serial(&port)]);
    assert!(done.status.success(), "{done:?}");
    let configuration = format!("UPSCABLE smart\nUPSTYPE apcsmart\nDEVICE {}\n", port.display());
    assert!(done.stdout.ends_with(&configuration), "{}", done.stdout);
    assert!(done.stdout.contains("a UPS by UPSTYPE apcsmart: "), "{}", done.stdout);
    assert!(!ups.unit().written.is_empty());
}

#[test]
fn a_ups_that_speaks_modbus_is_found_after_it_was_asked_by_the_older_protocol() {
    let ports = Scratch::new();
    let port = port(&ports);
    let _ups = Modbus::serial(&port);
    let done = probe(&[&serial(&port)]);
    assert!(done.status.success(), "{done:?}");
    let configuration = format!("UPSCABLE smart\nUPSTYPE modbus\nDEVICE {}\n", port.display());
    assert!(done.stdout.ends_with(&configuration), "{}", done.stdout);
}

#[test]
fn a_port_that_another_program_has_is_named_with_that_program_and_nothing_is_sent() {
    let ports = Scratch::new();
    let port = port(&ports);
    let ups = Smart::start(Generation::Third, &port, false);
    let other = OtherProgram::start(&port);
    let done = probe(&[&serial(&port)]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let held = format!("held by sleep (process {}): not opened", other.id());
    assert!(done.stdout.contains(&held), "{}", done.stdout);
    assert!(ups.unit().written.is_empty(), "{:?}", ups.unit().written);
    assert!(!done.stdout.contains("UPSTYPE"), "{}", done.stdout);
}

#[test]
fn a_port_at_which_nothing_answers_is_told_with_what_cannot_be_known() {
    let ports = Scratch::new();
    let port = port(&ports);
    let (_master, slave) = support::smart::pty::open();
    std::os::unix::fs::symlink(slave, &port).unwrap();
    let done = probe(&[&serial(&port), &serial(&ports.path().join("missing"))]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stdout.contains("simple signalling (UPSTYPE dumb) cannot be told from nothing"), "{done:?}");
    assert!(done.stdout.contains("missing: no such device\n"), "{done:?}");
}

#[test]
fn a_card_is_found_by_snmp_and_two_of_them_get_a_configuration_each() {
    let cards = [Card::local(Unit::powernet()), Card::local(Unit::rfc1628())];
    let hosts = cards.each_ref().map(|card| format!("127.0.0.1:{}", card.address.port()));
    let done = probe(&["--snmp", &hosts[0], "--snmp", &hosts[1]]);
    assert!(done.status.success(), "{done:?}");
    assert!(done.stdout.contains("Smart-UPS 1500, serial number AS1933123456"), "{}", done.stdout);
    assert!(done.stdout.contains("a file for each UPS"), "{}", done.stdout);
    for host in hosts {
        let lines = format!("UPSCABLE ether\nUPSTYPE snmp\nDEVICE {host}\n");
        assert!(done.stdout.contains(&lines), "{}", done.stdout);
    }
}

#[test]
fn a_card_that_does_not_answer_is_no_ups() {
    // UDP port 9 of this machine: nobody has it.
    let done = probe(&["--snmp", "127.0.0.1:9"]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(done.stdout.contains("SNMP 127.0.0.1:9: "), "{}", done.stdout);
    assert!(
        done.stdout.contains("No UPS was found.") || done.stdout.contains("UPSTYPE usb"),
        "{}",
        done.stdout
    );
}

#[test]
fn mistakes_end_with_2_and_a_ups_that_is_not_there_leaves_no_file() {
    for args in
        [&["--serail"][..], &["more"], &["--record"], &["--seconds", "1"], &["--record", "x", "--serial"]]
    {
        let done = probe(args);
        assert_eq!(done.status.code(), Some(2), "{args:?}: {done:?}");
        assert!(done.stderr.starts_with("mainsd probe: "), "{done:?}");
    }
    let scratch = Scratch::new();
    let file = scratch.path().join("ups.toml");
    let done = probe(&["--record", &file.display().to_string(), "--device", "999-99"]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(!file.exists());
}
