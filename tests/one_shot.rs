//! `--killpower` and `--power-off` on a simulated UPS: what is said, and the exit status.

mod support;

use std::process::ExitStatus;

use support::{Scratch, Setup};

/// Runs the program with these arguments on a simulated UPS that this script happens to.
fn order(script: &str, flag: bool, option: &str) -> (ExitStatus, String) {
    let scratch = Scratch::new();
    let path = scratch.file("script", script);
    let setup = Setup::new("test").with("DEVICE", &path.display().to_string());
    let config = support::write_config(&setup, &scratch, support::free_port());
    if flag {
        scratch.file("flags/powerfail", "");
    }
    let done = support::run(["-f", &config.display().to_string(), option]);
    (done.status, done.stderr)
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
