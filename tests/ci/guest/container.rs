//! A USB UPS in a container: process ids of its own, and the few capabilities that `packaging/container` gives.

use super::{Lab, Scenario, ensure};
use crate::support::{self, Daemon};

/// All of them.
pub const ALL: &[Scenario] =
    &[("container_with_few_rights_guards_with_a_usb_ups_that_is_plugged_in_again", run)];

/// What the README of `packaging/container` gives, which `container::image` reads there.
const BOUNDS: &str = "--bounding-set=-all,+setuid,+setgid,+sys_chroot,+kill";

fn run(lab: &Lab) {
    let mut unit = lab.plug("apc-back-ups-es-850g2");
    let mut setup = lab.setup();
    let by = ["unshare", "-pf", "--kill-child", "--mount-proc", "setpriv", BOUNDS, "--inh-caps=-all"];
    setup.by = by.map(str::to_owned).to_vec();
    let daemon = lab.online(&setup);
    outage(&unit, &daemon, 0);
    // What it was given has another number now.
    unit.unplug();
    daemon.wait_for_hook_from(4, "commfailure", support::TIMEOUT);
    unit.plug();
    daemon.wait_for_hook_from(5, "commok", support::TIMEOUT);
    outage(&unit, &daemon, 6);
    let said = daemon.output().text();
    ensure(&daemon, !said.contains("Not all rights are given up"), "rights are kept");
}

fn outage(unit: &support::usbip::Unit, daemon: &Daemon, from: usize) {
    unit.mains(false);
    daemon.wait_for_hook_from(from, "onbattery", support::TIMEOUT);
    unit.mains(true);
    daemon.wait_for_hook_from(from, "mainsback", support::TIMEOUT);
}
