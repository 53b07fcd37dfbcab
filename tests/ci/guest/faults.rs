//! Devices and cables that misbehave.

use std::time::{Duration, Instant};

use super::{Lab, Scenario, ensure, ensure_quiet, ensure_within};
use crate::support::usbip::model::usage;
use crate::support::{self, Daemon};

/// All of them.
pub const ALL: &[Scenario] = &[
    ("stalls_are_a_loss_that_ends", stall),
    ("one_stalled_report_costs_only_its_fields", stall_one),
    ("silent_device_blocks_nobody", hang),
    ("silent_device_on_battery_does_not_stop_the_shutdown", hang_on_battery),
    ("garbage_interrupt_reports_on_mains_make_no_event", garbage),
    ("discharging_together_with_mains_is_no_outage", discharging_on_mains),
    ("runtime_without_a_unit_ends_no_outage", unit_unknown),
    ("garbage_on_battery_does_not_shut_down", garbage_on_battery),
    ("over_long_answers_are_read_right", long_answers),
    ("short_answers_make_no_event", short_answers),
    ("short_drop_of_the_cable_makes_no_event", short_drop),
    ("bus_port_path_chooses_between_equal_units", by_path),
    ("outage_that_only_a_poll_can_see_is_seen", silent_outage),
    ("interrupt_report_is_followed_long_before_the_next_poll", interrupt),
    ("unplugged_on_battery_still_shuts_down", unplugged_on_battery),
    ("daemon_that_was_stopped_hears_what_waits_before_it_judges", stopped),
];

const ES: &str = "apc-back-ups-es-850g2";
const BX: &str = "apc-back-ups-bx1600mi";

fn lost(daemon: &Daemon) {
    daemon.wait_for_status(|status| status.has("COMMLOST"), support::TIMEOUT);
    daemon.wait_for_hook("commfailure", support::TIMEOUT);
}

fn recovered(daemon: &Daemon) {
    daemon.wait_for_hook("commok", support::TIMEOUT);
    daemon.wait_for_status(|status| status.has("ONLINE") && !status.has("COMMLOST"), support::TIMEOUT);
    let events = daemon.events();
    ensure(daemon, events == ["commfailure", "commok"], &format!("{events:?}"));
}

fn stall(lab: &Lab) {
    let unit = lab.plug(ES);
    let daemon = lab.online(&lab.setup());
    unit.faults(|faults| faults.stall_all = true);
    lost(&daemon);
    unit.faults(|faults| faults.stall_all = false);
    recovered(&daemon);
}

fn stall_one(lab: &Lab) {
    let unit = lab.plug(ES);
    // 31: line voltage.
    unit.faults(|faults| {
        faults.stall.insert(0x31);
    });
    let daemon = lab.online(&lab.setup_without_loss());
    assert!(unit.wait_for_reads(20, support::TIMEOUT), "the daemon does not poll");
    ensure_quiet(&daemon, 0, Duration::from_secs(4));
    let right = |status: &support::Status| status.has("ONLINE") && status.is("LOADPCT", "34.0 Percent");
    daemon.wait_for_status(right, support::TIMEOUT);
}

fn hang(lab: &Lab) {
    let unit = lab.plug(ES);
    let daemon = lab.online(&lab.setup());
    unit.faults(|faults| faults.hang = true);
    let mut slowest = Duration::ZERO;
    let began = Instant::now();
    let mut nis = daemon.nis();
    while !daemon.events().contains(&"commfailure".to_owned()) {
        let asked = Instant::now();
        nis.status().unwrap();
        slowest = slowest.max(asked.elapsed());
        ensure(&daemon, began.elapsed() < support::TIMEOUT, "the loss was never declared");
        std::thread::sleep(Duration::from_millis(50));
    }
    lab.measured("slowest-status-ms", slowest.as_millis());
    ensure_within(slowest, Duration::from_secs(1), "a status answer");
    daemon.wait_for_status(|status| status.has("COMMLOST"), support::TIMEOUT);
    let end = daemon.terminate();
    lab.measured("sigterm-to-exit-ms", end.took.as_millis());
    assert!(end.status.success(), "{end:?}");
    ensure_within(end.took, Duration::from_secs(1), "SIGTERM to exit");
}

fn hang_on_battery(lab: &Lab) {
    let unit = lab.plug(ES);
    let daemon = lab.online(&lab.setup().with("TIMEOUT", "6"));
    unit.mains(false);
    daemon.wait_for_hook("onbattery", support::TIMEOUT);
    unit.faults(|faults| faults.hang = true);
    daemon.wait_for_hook("doshutdown", support::TIMEOUT);
    daemon.wait_for_logged("Reached run time limit on batteries.");
}

fn unplugged_on_battery(lab: &Lab) {
    let mut unit = lab.plug(ES);
    let daemon = lab.online(&lab.setup().with("TIMEOUT", "6"));
    unit.mains(false);
    daemon.wait_for_hook("onbattery", support::TIMEOUT);
    unit.unplug();
    daemon.wait_for_hook("doshutdown", support::TIMEOUT);
}

/// Longer than TIMEOUT, than any transfer may take, and than three intervals of polling.
const STOPPED: Duration = Duration::from_secs(14);

/// Mains comes back while the daemon is stopped: the report of it waits, TIMEOUT and the deadline of a transfer have passed.
fn stopped(lab: &Lab) {
    let unit = lab.plug(ES);
    let daemon = lab.online(&lab.setup_without_loss().with("TIMEOUT", "10").with("ONBATTERYDELAY", "1"));
    let place = unit.place();
    unit.mains(false);
    daemon.wait_for_hook("onbattery", support::TIMEOUT);
    daemon.stop();
    unit.mains(true);
    std::thread::sleep(STOPPED);
    daemon.go_on();
    daemon.wait_for_hook("mainsback", support::TIMEOUT);
    ensure_quiet(&daemon, 4, Duration::from_secs(4));
    let events = daemon.events();
    ensure(&daemon, events == ["powerout", "onbattery", "offbattery", "mainsback"], &format!("{events:?}"));
    assert_eq!(unit.place(), place, "the unit was reset");
}

fn garbage(lab: &Lab) {
    let unit = lab.plug(BX);
    let daemon = lab.online(&lab.setup_without_loss());
    // The first is logged from a real unit; the others claim an outage, low and missing battery, a wrong length, an
    // unknown id.
    let reports: [&[u8]; 6] = [
        &[0x16, 0x63, 0x82, 0x42, 0xfd],
        &[0x16, 0x02, 0x00, 0x00, 0x00],
        &[0x16, 0xff, 0xff, 0xff, 0xff],
        &[0x13, 0x00],
        &[0x14, 0x01, 0x01, 0x01],
        &[0x99, 0x01],
    ];
    for _ in 0..5 {
        for report in reports {
            unit.send(report);
            ensure_quiet(&daemon, 0, Duration::from_millis(150));
            let status = daemon.status();
            ensure(&daemon, status.is("STATUS", "ONLINE"), &status.text());
        }
    }
    ensure_quiet(&daemon, 0, Duration::from_secs(2));
    // And a real outage is still seen.
    unit.mains(false);
    daemon.wait_for_hook("powerout", support::TIMEOUT);
}

fn garbage_on_battery(lab: &Lab) {
    let unit = lab.plug(BX);
    let daemon = lab.online(&lab.setup_without_loss());
    unit.mains(false);
    daemon.wait_for_hook("onbattery", support::TIMEOUT);
    let from = daemon.hooks().count();
    for _ in 0..40 {
        unit.send(&[0x16, 0x63, 0x82, 0x42, 0xfd]);
        unit.send(&[0x14, 0x01]);
        ensure_quiet(&daemon, from, Duration::from_millis(200));
    }
}

/// 36, without a unit, are minutes: an outage of 20 s at MINUTES 5 is none that ends in a shutdown, whatever was known when
/// it began.
fn unit_unknown(lab: &Lab) {
    let unit = lab.plug("liebert-gxt5-10af-1000");
    unit.change_silently(|model| model.set_mains(false));
    let daemon = Daemon::start(&lab.setup_without_loss().with("MINUTES", "5").with("BATTERYLEVEL", "20"));
    daemon.wait_for_hook("onbattery", support::TIMEOUT);
    let from = daemon.hooks().count();
    ensure_quiet(&daemon, from, Duration::from_secs(20));
    let status = daemon.wait_for_status(|status| status.is("TIMELEFT", "36.0 Minutes"), support::TIMEOUT);
    ensure(&daemon, status.has("ONBATT") && !status.has("NOBATT"), &status.text());
    // The charge counts all the while.
    unit.change_silently(|model| model.set_raw(usage::REMAINING_CAPACITY, 15));
    daemon.wait_for_hook("doshutdown", support::TIMEOUT);
}

fn discharging_on_mains(lab: &Lab) {
    let unit = lab.plug(BX);
    let daemon = lab.online(&lab.setup_without_loss());
    unit.change(|model| model.set_raw(usage::DISCHARGING, 1));
    assert!(unit.wait_for_reads(20, support::TIMEOUT), "the daemon does not poll");
    ensure_quiet(&daemon, 0, Duration::from_secs(3));
    let status = daemon.status();
    ensure(&daemon, status.has("ONLINE") && !status.has("ONBATT"), &status.text());
}

fn long_answers(lab: &Lab) {
    let unit = lab.plug(ES);
    unit.faults(|faults| faults.long = 6);
    let daemon = lab.online(&lab.setup_without_loss());
    let right =
        |status: &support::Status| status.is("LINEV", "228.0 Volts") && status.is("TIMELEFT", "14.5 Minutes");
    let status = daemon.wait_for_status(right, support::TIMEOUT);
    ensure(&daemon, status.is("STATFLAG", "0x05000008"), &status.text());
    ensure_quiet(&daemon, 0, Duration::from_secs(2));
}

fn short_answers(lab: &Lab) {
    let unit = lab.plug(ES);
    let daemon = lab.online(&lab.setup());
    unit.faults(|faults| faults.short = Some(2));
    assert!(unit.wait_for_reads(30, support::TIMEOUT), "the daemon does not poll");
    ensure(&daemon, !daemon.events().contains(&"powerout".to_owned()), "an outage from short answers");
    unit.faults(|faults| faults.short = Some(1));
    assert!(unit.wait_for_reads(30, support::TIMEOUT), "the daemon does not poll");
    ensure(&daemon, !daemon.events().contains(&"powerout".to_owned()), "an outage from empty answers");
}

fn short_drop(lab: &Lab) {
    let mut unit = lab.plug(ES);
    let daemon = lab.online(&lab.setup_without_loss());
    for _ in 0..2 {
        unit.unplug();
        daemon.wait_for_status(|status| status.has("COMMLOST"), support::TIMEOUT);
        unit.plug();
        daemon.wait_for_status(|status| status.has("ONLINE") && !status.has("COMMLOST"), support::TIMEOUT);
    }
    ensure(&daemon, daemon.hooks().count() == 0, "an event for a short drop");
}

fn by_path(lab: &Lab) {
    // Without serial numbers only the port tells two units of a model apart.
    let (mut left, mut right) = (lab.boxed(ES, ""), lab.boxed(ES, ""));
    left.change_silently(|model| model.string_indexes[2] = 0);
    right.change_silently(|model| model.string_indexes[2] = 0);
    left.plug();
    let left_place = left.place();
    right.plug();
    let right_place = right.place();
    let one = lab.online(&lab.setup_any().with("DEVICE", &left_place));
    let two = lab.online(&lab.setup_any().with("DEVICE", &right_place));
    right.mains(false);
    two.wait_for_hook("powerout", support::TIMEOUT);
    ensure_quiet(&one, 0, Duration::from_secs(2));
    left.mains(false);
    one.wait_for_hook("powerout", support::TIMEOUT);
}

fn interrupt(lab: &Lab) {
    let unit = lab.plug(ES);
    let daemon = lab.online(&lab.setup().with("POLLTIME", "300"));
    unit.mains(false);
    daemon.wait_for_hook("powerout", support::TIMEOUT);
    unit.mains(true);
    daemon.wait_for_hook("mainsback", support::TIMEOUT);
}

fn silent_outage(lab: &Lab) {
    let unit = lab.plug(ES);
    let daemon = lab.online(&lab.setup());
    unit.change_silently(|model| model.set_mains(false));
    daemon.wait_for_hook("powerout", support::TIMEOUT);
    unit.change_silently(|model| model.set_mains(true));
    daemon.wait_for_hook("mainsback", support::TIMEOUT);
}
