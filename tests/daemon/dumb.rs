//! Simple signalling at a port without modem lines, and with cables of another kind.

use std::io::Write;
use std::os::unix::fs::symlink;

use crate::support::smart::pty;
use crate::support::{self, Daemon, Scratch, Setup, TIMEOUT};

fn setup(device: &std::path::Path) -> Setup {
    Setup::new("dumb").with("DEVICE", &device.display().to_string()).with("UPSCABLE", "940-0119A")
}

/// A pseudo-terminal has no modem lines; and it comes late.
#[test]
fn a_port_that_is_missing_or_has_no_modem_lines_is_said_and_waited_for() {
    let ports = Scratch::new();
    let device = ports.path().join("ttyS0");
    let daemon = Daemon::start(&setup(&device).arg("--kill-on-powerfail"));
    daemon.wait_for_output("Ignoring --kill-on-powerfail since it is unsafe", TIMEOUT);
    daemon.wait_for_output("ttyS0 does not exist; waiting for it", TIMEOUT);
    let (master, path) = pty::open();
    symlink(path, &device).unwrap();
    daemon.wait_for_output("ttyS0 has no modem lines", TIMEOUT);
    // Whatever it says in bytes is of no interest.
    std::fs::File::from(master).write_all(b"!$SM\r\n\0\xff").unwrap();
    std::fs::remove_file(&device).unwrap();
    // The other side is closed by now: gone, and missing again.
    let lines = daemon.output().wait(0, TIMEOUT, |text| text.contains("ttyS0 is gone"));
    assert!(lines.is_some(), "{}", daemon.describe());
    let lost = |status: &support::Status| status.has("COMMLOST") && status.is("STATFLAG", "0x05000100");
    let status = daemon.wait_for_status(lost, TIMEOUT);
    assert!(status.is("DRIVER", "DUMB UPS Driver") && status.is("CABLE", "APC Cable 940-0119A"));
    // On a very slow machine the first contact has been overdue by now.
    assert!(daemon.events().iter().all(|event| event == "commfailure"), "{}", daemon.describe());
    let end = daemon.terminate();
    assert!(end.status.success(), "{end:?}");
}

#[test]
fn a_cable_that_is_not_for_simple_signalling_ends_the_start_with_words() {
    for cable in ["smart", "usb", "940-0024C"] {
        let scratch = Scratch::new();
        let port = scratch.path().join("ttyS0");
        let config =
            support::write_config(&setup(&port).with("UPSCABLE", cable), &scratch, support::free_port());
        let done = support::run(["-b", "-f", &config.display().to_string()]);
        assert_eq!(done.status.code(), Some(78), "{done:?}");
        assert!(done.stderr.contains("UPSCABLE: UPSTYPE dumb cannot work"), "{done:?}");
    }
}
