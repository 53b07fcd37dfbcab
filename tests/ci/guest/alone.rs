//! Scenarios with DEVICE left blank: each has the bus for itself.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::{Lab, Scenario, ensure, ensure_quiet};
use crate::support::usbip::model::hex;
use crate::support::{self, Daemon, Scratch, Setup};

/// All of them.
pub const ALL: &[Scenario] = &[
    ("ups_plugged_in_after_start_is_found", found_later),
    ("damaged_report_descriptor_is_read_again", damaged_descriptor),
    ("garbled_report_descriptor_of_a_known_vendor_is_read_from_the_device", garbled_descriptor),
    ("device_that_turns_out_to_be_no_ups_is_given_back_and_left_alone", no_ups),
    ("two_daemons_never_open_the_same_unit", two_daemons),
    ("stale_lock_of_another_user_is_removed_past_the_kernels_protection", foreign_lock),
    ("kernel_driver_comes_back_after_exit", kernel_driver),
];

const CYBERPOWER: &str = "cyberpower-vp1600elcd";

fn found_later(lab: &Lab) {
    let mut unit = lab.boxed("apc-back-ups-es-850g2", &lab.serial);
    let daemon = Daemon::start(&lab.setup_any());
    let status = daemon.wait_for_status(|status| status.has("COMMLOST"), support::TIMEOUT);
    ensure(&daemon, status.is("STATFLAG", "0x05000100"), &status.text());
    unit.plug();
    let status = daemon.wait_for_status(|status| status.has("ONLINE"), support::TIMEOUT);
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
    daemon.wait_for_status(|status| status.is("LINEV", "228.0 Volts"), support::TIMEOUT);
}

/// Only its vendor id says that this may be a UPS: the kernel has kept a descriptor without the page of power.
fn garbled_descriptor(lab: &Lab) {
    let mut unit = lab.boxed(CYBERPOWER, &lab.serial);
    unit.faults(|faults| faults.garbled_descriptors = 1);
    unit.plug();
    unit.place();
    let daemon = lab.online(&lab.setup_any());
    let status = daemon.status();
    ensure(&daemon, status.is("MODEL", "VP1600ELCD") && status.is("LINEV", "234.0 Volts"), &status.text());
    unit.mains(false);
    daemon.wait_for_hook("powerout", support::TIMEOUT);
}

/// The same vendor, the same damage in the kernel, but what the device itself sends is the descriptor of a serial bridge.
fn no_ups(lab: &Lab) {
    let bridge = hex("06 a0 ff 09 01 a1 01 09 03 15 00 26 ff 00 75 08 95 08 81 02 09 04 91 02 c0");
    let mut unit = lab.boxed(CYBERPOWER, &lab.serial);
    unit.change_silently(|model| model.descriptor = bridge);
    unit.faults(|faults| faults.garbled_descriptors = 1);
    unit.plug();
    unit.place();
    let daemon = Daemon::start(&lab.setup_any());
    daemon.wait_for_output("is no UPS by its report descriptor: left alone", support::TIMEOUT);
    assert!(unit.wait_for_kernel_driver(Some("usbhid")), "not given back: {:?}", unit.kernel_driver());
    // The kernel's driver still reads its descriptor when it is there already.
    let quiet = support::poll_until(support::TIMEOUT, || {
        let from = unit.seen_count();
        std::thread::sleep(Duration::from_secs(1));
        unit.seen_since(from).is_empty().then_some(())
    });
    ensure(&daemon, quiet.is_some(), "it is asked again and again");
    // Nothing is asked of it any more, however often the bus is looked at.
    let from = unit.seen_count();
    std::thread::sleep(Duration::from_secs(15));
    let seen = unit.seen_since(from);
    ensure(&daemon, seen.is_empty(), &format!("{seen:?}"));
    // A UPS that comes later is found.
    let ups = lab.plug("apc-back-ups-es-850g2");
    daemon.wait_for_status(|status| status.has("ONLINE"), support::TIMEOUT);
    drop(ups);
}

/// A configuration as many have it: nothing says where states and locks are.
fn setup_by_default(lab: &Lab) -> Setup {
    lab.setup_any().without("STATEFILE").environment("MAINSD_RUN_DIR", "")
}

fn two_daemons(lab: &Lab) {
    let first = lab.plug("apc-back-ups-es-850g2");
    let one = lab.online(&setup_by_default(lab));
    let mut second = lab.boxed("apc-back-ups-es-850g2", "SECOND000001");
    let two = Daemon::start(&setup_by_default(lab));
    // The second daemon sees only a unit that is held: it must wait, say by whom, and leave the first alone.
    two.wait_for_status(|status| status.has("COMMLOST"), support::TIMEOUT);
    let config = one.dir().join("mainsd.conf");
    let holder = format!(
        "is held by another program, mainsd (process {}), configuration {}: left alone",
        one.pid(),
        config.display()
    );
    two.wait_for_output(&holder, support::TIMEOUT);
    ensure_quiet(&one, 0, Duration::from_secs(2));
    second.plug();
    let status = two.wait_for_status(|status| status.has("ONLINE"), support::TIMEOUT);
    ensure(&two, status.is("SERIALNO", "SECOND000001"), &status.text());
    let status = one.status();
    ensure(&one, status.is("SERIALNO", &lab.serial) && status.has("ONLINE"), &status.text());
    ensure(&one, one.hooks().count() == 0, "the first daemon was disturbed");
    let names = |folder: &str| std::fs::read_dir(folder).map_or(0, Iterator::count);
    let (states, locks) = (names("/run/mainsd/state"), names("/run/mainsd/lock"));
    ensure(
        &two,
        // Of two configurations, devices and control sockets.
        states >= 2 && locks == 6,
        &format!("{states} states, {locks} locks"),
    );
    // An outage of one is not the other's, now and after a restart.
    second.mains(false);
    two.wait_for_hook("onbattery", support::TIMEOUT);
    ensure_quiet(&one, 0, Duration::from_secs(2));
    one.signal("KILL");
    let (_, scratch) = one.wait_for_exit_keeping();
    let one = Daemon::start_in(&setup_by_default(lab), scratch, support::free_port());
    let status = one.wait_for_status(|status| status.has("ONLINE"), support::TIMEOUT);
    ensure(&one, status.is("SERIALNO", &lab.serial) && status.is("NUMXFERS", "0"), &status.text());
    ensure(&one, one.hooks().count() == 0, "it took over what is not its own");
    drop(first);
}

/// `fs.protected_regular` forbids to root, too, to open a file of another user for writing in a sticky folder if that might
/// make it.
fn foreign_lock(lab: &Lab) {
    let _unit = lab.plug("apc-back-ups-es-850g2");
    std::fs::write("/proc/sys/fs/protected_regular", "2").unwrap();
    let scratch = Scratch::new();
    let locks = scratch.dir("locks");
    std::fs::set_permissions(&locks, std::fs::Permissions::from_mode(0o1777)).unwrap();
    let lock = scratch.file(&format!("locks/LCK..{}", lab.serial), format!("{:10}\n", i32::MAX));
    std::os::unix::fs::chown(&lock, Some(1000), Some(1000)).unwrap();
    let daemon = lab.online(&lab.setup().with("LOCKFILE", &locks.display().to_string()));
    let content = std::fs::read_to_string(&lock).unwrap();
    ensure(&daemon, content == format!("{:010}\0", daemon.pid()), &content);
    assert!(daemon.terminate().status.success());
    assert!(!lock.exists());
    std::fs::write("/proc/sys/fs/protected_regular", "0").unwrap();
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
