//! `--killpower` and `--power-off` on a simulated UPS: what is said, and the exit status.

use std::process::ExitStatus;

use crate::support::{self, Scratch, Setup};

/// Runs the program with this option on a simulated UPS that this script happens to.
fn order(script: &str, flag: bool, option: &str) -> (ExitStatus, String) {
    order_with(script, flag.then_some(""), option, "")
}

/// The same with this in the flag, and with `MAINSD_RESTARTS`.
fn order_with(script: &str, flag: Option<&str>, option: &str, restarts: &str) -> (ExitStatus, String) {
    let scratch = Scratch::new();
    let path = scratch.file("script", script);
    let setup = Setup::new("test").with("DEVICE", &path.display().to_string());
    let config = support::write_config(&setup, &scratch, support::free_port());
    if let Some(content) = flag {
        scratch.file("flags/powerfail", content);
    }
    let program = scratch.script(
        "restarting",
        &format!(
            "#!/bin/sh\nMAINSD_RESTARTS={restarts} exec '{}' \"$@\"\n",
            Setup::new("").program.display()
        ),
    );
    let done = support::run_program(&program, ["-f", &config.display().to_string(), option]);
    (done.status, done.stderr)
}

const SENT: &str = "the load is switched off in 20 seconds, and on again when mains returns";
const KILL: &str = "--killpower";

#[test]
fn with_mains_back_the_power_is_interrupted_all_the_same_or_the_machine_would_stay_off() {
    let (status, said) = order("", true, KILL);
    assert!(status.success() && said.contains("Mains is back: ") && said.contains(SENT), "{said}");
    let (status, said) = order("0 mains off", true, KILL);
    assert!(status.success() && !said.contains("Mains is back") && said.contains(SENT), "{said}");
    // One reading of mains is none.
    let (status, said) = order("0 status 0x08\n0.5 status auto\n0 mains off", true, KILL);
    assert!(status.success() && !said.contains("Mains is back") && said.contains(SENT), "{said}");
}

#[test]
fn with_mains_back_a_machine_that_restarts_by_itself_keeps_its_power() {
    let (status, said) = order_with("", Some(""), KILL, "1");
    assert!(status.success() && said.contains("the UPS is left alone") && !said.contains(SENT), "{said}");
    let (status, said) = order_with("0 mains off", Some(""), KILL, "1");
    assert!(status.success() && said.contains(SENT), "{said}");
}

#[test]
fn a_flag_from_before_this_boot_kills_no_power() {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let (status, said) = order_with("0 mains off", Some(&boot), KILL, "");
    assert!(status.success() && said.contains(SENT), "{said}");
    let (status, said) = order_with("0 mains off", Some("made by hand\n"), KILL, "");
    assert!(status.success() && said.contains(SENT), "{said}");
    let (status, said) = order_with("0 mains off", Some("6f0d4d5c-7a52-4f43-9ac5-0b8f0e4c9a11\n"), KILL, "");
    if boot.is_empty() {
        // A kernel without a boot id: nothing tells this boot from another.
        assert!(status.success() && said.contains(SENT), "{said}");
        return;
    }
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("before this boot") && !said.contains(SENT), "{said}");
}

#[test]
fn the_flag_of_a_real_shutdown_kills_power() {
    let daemon = support::play("1 mains off", Setup::new("test").with("TIMEOUT", "1"));
    daemon.wait_for_hook("doshutdown", support::TIMEOUT);
    let flag = daemon.wait_for_file("flags/powerfail");
    let (status, said) = order_with("0 mains off", Some(&flag), KILL, "");
    assert!(status.success() && said.contains(SENT), "{said}");
}

#[test]
fn power_is_killed_only_with_the_powerfail_flag() {
    let (status, said) = order("0 mains off", false, "--killpower");
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("powerfail"), "{said}");
    let (status, said) = order("0 mains off", true, "--killpower");
    assert!(status.success(), "{said}");
    assert!(
        said.contains("Attempting to kill the UPS power!") && said.contains("switched off in 20"),
        "{said}"
    );
}

#[test]
fn power_off_needs_no_flag_and_says_that_the_load_stays_off() {
    let (status, said) = order("", false, "--power-off");
    assert!(status.success() && said.contains("stays off"), "{said}");
}

#[test]
fn a_ups_that_refuses_or_that_comes_late_shows_in_words_and_status() {
    let (status, said) = order("0 mains off\n0 refuse on", true, "--killpower");
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("refuses"), "{said}");
    let (status, said) = order("0 mains off\n0 unplug\n2 plug", true, "--killpower");
    assert!(status.success(), "{said}");
}

#[test]
fn a_slave_refuses_both_without_asking_its_master() {
    for option in ["--killpower", "--power-off"] {
        let master = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        master.set_nonblocking(true).unwrap();
        let scratch = Scratch::new();
        let setup = Setup::new("net").with("DEVICE", &master.local_addr().unwrap().to_string());
        let config = support::write_config(&setup, &scratch, support::free_port());
        scratch.file("flags/powerfail", "");
        let done = support::run(["-f", &config.display().to_string(), option]);
        assert_eq!(done.status.code(), Some(1), "{option}: {}", done.stderr);
        assert!(done.stderr.contains("a slave never switches off its master's UPS"), "{}", done.stderr);
        assert!(master.accept().is_err(), "{option}: the master was asked");
    }
}

/// Late in a shutdown the file systems are read-only: that is no reason for alarm.
#[test]
fn an_order_to_the_ups_says_nothing_of_what_only_a_daemon_writes() {
    let scratch = Scratch::new();
    let script = scratch.file("script", "0 mains off");
    let setup = Setup::new("test").with("DEVICE", &script.display().to_string());
    let config = support::write_config(&setup, &scratch, support::free_port());
    let text = std::fs::read_to_string(&config).unwrap();
    let places =
        ["EVENTSFILE", "STATEFILE", "NOLOGINDIR"].map(|name| format!("{name} /nonexistent/{name}\n"));
    let config = scratch
        .file("other.conf", text + &places.concat() + "NOLOGON always\nTIMEOUT 0 # twice\nTIMEOUT 5\n");
    scratch.file("flags/powerfail", "");
    for option in [KILL, "--power-off"] {
        let done = support::run(["-f", &config.display().to_string(), option]);
        assert!(done.status.success() && !done.stderr.contains("nonexistent"), "{}", done.stderr);
        // What is wrong in the file is told.
        assert!(done.stderr.contains("TIMEOUT: set before"), "{}", done.stderr);
    }
}
