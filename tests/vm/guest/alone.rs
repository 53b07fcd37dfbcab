//! Scenarios with DEVICE left blank: each has the bus for itself.

use std::time::Duration;

use super::support::{self, Daemon};
use super::{Lab, Scenario, ensure, ensure_quiet};

/// All of them.
pub const ALL: &[Scenario] = &[
    ("ups_plugged_in_after_start_is_found", found_later),
    ("damaged_report_descriptor_is_read_again", damaged_descriptor),
    ("two_daemons_never_open_the_same_unit", two_daemons),
    ("kernel_driver_comes_back_after_exit", kernel_driver),
];

fn found_later(lab: &Lab) {
    let mut unit = lab.boxed("apc-back-ups-es-850g2", &lab.serial);
    let daemon = Daemon::start(&lab.setup_any());
    let status = daemon.wait_for_status(|status| status.has("COMMLOST"), support::PATIENCE);
    ensure(&daemon, status.is("STATFLAG", "0x05000100"), &status.text());
    unit.plug();
    let status = daemon.wait_for_status(|status| status.has("ONLINE"), support::PATIENCE);
    ensure(&daemon, status.is("MODEL", "Back-UPS ES 850G2"), &status.text());
    // Whatever was announced while it was missing has been taken back, and nothing else happened.
    let events = daemon.events();
    ensure(&daemon, events.is_empty() || events == ["commfailure", "commok"], &format!("{events:?}"));
}

fn damaged_descriptor(lab: &Lab) {
    let mut unit = lab.boxed("apc-back-ups-es-850g2", &lab.serial);
    unit.faults(|faults| faults.corrupt_descriptors = 1);
    unit.plug();
    unit.place();
    let daemon = lab.online(&lab.setup_any());
    let status = daemon.status();
    ensure(&daemon, status.is("LINEV", "228.0 Volts"), &status.text());
}

fn two_daemons(lab: &Lab) {
    let first = lab.plug("apc-back-ups-es-850g2");
    let one = lab.online(&lab.setup_any());
    let mut second = lab.boxed("apc-back-ups-es-850g2", "SECOND000001");
    let two = Daemon::start(&lab.setup_any());
    // The second daemon sees only a unit that is held: it must wait, and leave the first alone.
    two.wait_for_status(|status| status.has("COMMLOST"), support::PATIENCE);
    ensure_quiet(&one, 0, Duration::from_secs(2));
    second.plug();
    let status = two.wait_for_status(|status| status.has("ONLINE"), support::PATIENCE);
    ensure(&two, status.is("SERIALNO", "SECOND000001"), &status.text());
    let status = one.status();
    ensure(&one, status.is("SERIALNO", &lab.serial) && status.has("ONLINE"), &status.text());
    ensure(&one, one.hooks().count() == 0, "the first daemon was disturbed");
    // An outage of one is not the other's.
    second.mains(false);
    two.wait_for_hook("powerout", support::PATIENCE);
    ensure_quiet(&one, 0, Duration::from_secs(2));
    drop(first);
}

fn kernel_driver(lab: &Lab) {
    let unit = lab.plug("apc-back-ups-bx1600mi");
    assert!(unit.wait_for_kernel_driver(Some("usbhid")), "the kernel has no driver for it");
    let daemon = lab.online(&lab.setup_any());
    let while_running = unit.kernel_driver();
    ensure(&daemon, while_running.as_deref() != Some("usbhid"), "the kernel still holds the interface");
    let end = daemon.terminate();
    assert!(end.status.success(), "{end:?}");
    assert!(unit.wait_for_kernel_driver(Some("usbhid")), "held by {:?} after exit", unit.kernel_driver());
}
