//! A Smart-UPS on USB that speaks Modbus beside HID, under a real kernel: interrupt transfers both ways.

use std::time::Duration;

use super::{Lab, Scenario, ensure, ensure_quiet};
use crate::support::usbip::Unit;
use crate::support::{self, Daemon, run_program};

/// All of them.
pub const ALL: &[Scenario] = &[
    ("smart_ups_that_speaks_modbus_over_usb_tells_what_hid_lacks", beside),
    ("smart_ups_whose_modbus_falls_silent_in_an_outage_is_guarded_by_hid", falls_silent),
    ("smart_ups_as_it_is_delivered_is_asked_twice_by_modbus_and_guarded_by_hid", delivered),
    ("upstype_modbus_over_usb_switches_off_by_modbus", upstype_modbus),
    ("usbmodbus_off_sends_nothing", off),
];

const SMART: &str = "apc-smart-ups-3000-pid3";

/// A Smart-UPS with Modbus switched on, or not.
fn plug(lab: &Lab, on: bool) -> Unit {
    let mut unit = lab.boxed(SMART, &lab.serial);
    unit.switch_modbus(on);
    unit.plug();
    unit.place();
    unit
}

fn mains(unit: &Unit, on: bool) {
    unit.modbus(|unit| unit.mains(on));
    unit.mains(on);
}

/// Waits for an outage and its end, as HID tells them.
fn outage(unit: &Unit, daemon: &Daemon, change: impl Fn(&Unit, bool)) {
    let from = daemon.hooks().count();
    change(unit, false);
    daemon.wait_for_hook_from(from, "onbattery", support::TIMEOUT);
    daemon.wait_for_status(|status| status.has("ONBATT"), support::TIMEOUT);
    change(unit, true);
    daemon.wait_for_hook_from(from, "mainsback", support::TIMEOUT);
    let events = daemon.events().split_off(from);
    ensure(daemon, events == ["powerout", "onbattery", "offbattery", "mainsback"], &format!("{events:?}"));
}

fn beside(lab: &Lab) {
    let mut unit = plug(lab, true);
    let daemon = lab.online(&lab.setup());
    let adds = |status: &support::Status| {
        status.is("LINEV", "231.0 Volts")
            && status.is("OUTPUTV", "230.0 Volts")
            && status.is("ITEMP", "31.0 C")
            && status.is("NOMOUTV", "230 Volts")
    };
    let status = daemon.wait_for_status(adds, support::TIMEOUT);
    let stays = [("UPSNAME", "harness"), ("MODEL", "Smart-UPS_3000"), ("SERIALNO", lab.serial.as_str())];
    let wrong: Vec<_> = stays.iter().filter(|(key, value)| !status.is(key, value)).collect();
    ensure(&daemon, wrong.is_empty(), &format!("{wrong:?} in\n{}", status.text()));
    outage(&unit, &daemon, mains);
    daemon.wait_for_status(|status| status.is("LASTXFER", "Low line voltage"), support::TIMEOUT);
    unit.unplug();
    daemon.wait_for_status(|status| status.has("COMMLOST"), support::TIMEOUT);
    unit.plug();
    unit.place();
    daemon.wait_for_status(|status| !status.has("COMMLOST") && adds(status), support::TIMEOUT);
    ensure(&daemon, daemon.threads() == 1, "more than one thread");
    let end = daemon.terminate();
    assert!(end.status.success(), "{end:?}");
    assert!(unit.wait_for_kernel_driver(Some("usbhid")), "kernel driver not given back");
}

fn falls_silent(lab: &Lab) {
    let unit = plug(lab, true);
    let daemon = lab.online(&lab.setup_without_loss());
    daemon.wait_for_status(|status| status.is("LINEV", "231.0 Volts"), support::TIMEOUT);
    unit.switch_modbus(false);
    outage(&unit, &daemon, |unit, on| unit.mains(on));
    daemon.wait_for_output("no longer answers by Modbus", support::TIMEOUT);
    let status = daemon.wait_for_status(|status| status.get("LINEV").is_none(), support::TIMEOUT);
    ensure(&daemon, status.has("ONLINE") && !status.has("COMMLOST"), &status.text());
}

fn delivered(lab: &Lab) {
    let unit = plug(lab, false);
    let daemon = lab.online(&lab.setup_without_loss());
    daemon.wait_for_output("Advanced Menu, Configuration, Modbus", support::TIMEOUT);
    assert_eq!(unit.asked_by_modbus(), 2);
    outage(&unit, &daemon, |unit, on| unit.mains(on));
    ensure_quiet(&daemon, daemon.hooks().count(), Duration::from_secs(5));
    assert_eq!(unit.asked_by_modbus(), 2);
    // Switched on, and the configuration read again.
    unit.switch_modbus(true);
    daemon.signal("HUP");
    daemon.wait_for_status(|status| status.is("LINEV", "231.0 Volts"), support::TIMEOUT);
}

fn upstype_modbus(lab: &Lab) {
    let unit = plug(lab, true);
    unit.modbus(|unit| unit.battery(77, 1_234, false));
    let mut setup = lab.setup();
    "modbus".clone_into(&mut setup.ups_type);
    let daemon = lab.online(&setup);
    let status = daemon.wait_for_status(|status| status.is("BCHARGE", "77.0 Percent"), support::TIMEOUT);
    ensure(&daemon, status.is("DRIVER", "MODBUS UPS Driver"), &status.text());
    let (end, scratch) = daemon.terminate_keeping();
    assert!(end.status.success(), "{end:?}");
    mains(&unit, false);
    scratch.file("flags/powerfail", "");
    let config = scratch.path().join("mainsd.conf");
    let done = run_program(&lab.program, ["-f".as_ref(), config.as_os_str(), "--killpower".as_ref()]);
    assert!(done.status.success(), "{done:?}");
    let orders = unit.modbus(|unit| {
        unit.asked.iter().filter(|(function, ..)| *function == 16).copied().collect::<Vec<_>>()
    });
    assert_eq!(orders, [(16, 1540, 1)], "{done:?}");
    assert_eq!(unit.written_since(0), [], "by HID too");
}

fn off(lab: &Lab) {
    let unit = plug(lab, true);
    let daemon = lab.online(&lab.setup().with("USBMODBUS", "off"));
    outage(&unit, &daemon, mains);
    assert_eq!(unit.asked_by_modbus(), 0);
}
