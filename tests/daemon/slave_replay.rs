//! Recorded slaves of apcupsd 3.14.14, played again to the real program under a real master at a serial UPS, watching and
//! polling: the same log texts in the same order, hooks, flags and status. Delays are shortened, never the order.

use std::time::Duration;

use crate::support::pair::{Pair, slave_of};
use crate::support::smart::Unit;
use crate::support::{Capture, Daemon, TIMEOUT, Wire, free_port, poll_until};
use mainsd::ups::Event;

#[test]
fn a_watching_slave_whose_master_is_lost_on_battery() {
    lost_on_battery(Wire::default());
}

#[test]
fn a_polling_slave_whose_master_is_lost_on_battery() {
    lost_on_battery(POLLED);
}

#[test]
fn a_watching_slave_whose_master_is_lost_on_mains() {
    lost_on_mains(Wire::default());
}

#[test]
fn a_polling_slave_whose_master_is_lost_on_mains() {
    lost_on_mains(POLLED);
}

#[test]
fn a_watching_slave_whose_master_shuts_down() {
    shuts_down(Wire::default());
}

#[test]
fn a_polling_slave_whose_master_shuts_down() {
    shuts_down(POLLED);
}

const POLLED: Wire = Wire { refuses_watch: true, stalled: false, delay: Duration::ZERO };
const MASTER_GOES: &str = "Shutdown because NIS master is shutting down.";
const MASTER_LOST: &str = "Shutdown because loss of comm with NIS master while on batteries.";

/// The last value of this key that the recording shows.
fn recorded(name: &str, key: &str) -> String {
    let path = format!("{}/tests/captures/events-{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut values =
        text.lines().filter_map(|line| line.split(&format!("{key} : ")).nth(1)?.split(';').next());
    values.next_back().unwrap().to_owned()
}

/// What the slave has done against what was recorded, once it has run as many hooks.
fn compare(name: &str, slave: Daemon, connected: u8) {
    let mut capture = Capture::read(name);
    let mut said = false;
    // apcupsd repeats it twice a second.
    capture.log.retain(|text| text != MASTER_GOES || !std::mem::replace(&mut said, true));
    let ran = slave.hooks().wait_for_count(capture.hooks.len(), TIMEOUT);
    assert!(ran, "{name}: {:?} were recorded; {}", capture.hooks, slave.describe());
    for key in ["STATUS", "STATFLAG"] {
        let wanted = recorded(name, key);
        slave.wait_for_status(|status| status.is(key, &wanted), TIMEOUT);
    }
    let about_power =
        |text: &String| hook_of(text).is_some() || [MASTER_GOES, MASTER_LOST].contains(&text.as_str());
    let log = || slave.log().into_iter().filter(about_power).collect::<Vec<_>>();
    let complete = || Some(log()).filter(|log| *log == capture.log);
    let log = poll_until(TIMEOUT, complete).unwrap_or_else(log);
    let hooks: Vec<String> = slave.hooks().since(0).into_iter().map(|line| line.text).collect();
    let described = slave.describe();
    let (end, scratch) = slave.terminate_keeping();
    assert!(end.status.success(), "{name}: {end:?}");
    assert_eq!(log, capture.log, "{name}; {described}");
    let wanted: Vec<String> =
        log.iter().filter_map(hook_of).map(|event| format!("{event} simups {connected} 1")).collect();
    assert_eq!(hooks, wanted, "{name}; {described}");
    let mut events: Vec<String> = log.iter().filter_map(hook_of).map(str::to_owned).collect();
    events.sort();
    capture.hooks.sort();
    assert_eq!(events, capture.hooks, "{name}; {described}");
    assert_eq!(scratch.path().join("flags/powerfail").exists(), capture.powerfail, "{name}; {described}");
}

/// The hook that goes with a log line.
fn hook_of(text: &String) -> Option<&'static str> {
    Event::ALL.iter().find(|event| event.text() == text).map(|event| event.arg())
}

fn lost_on_battery(wire: Wire) {
    let mut pair = Pair::new(wire, |setup| setup, |setup| setup);
    pair.ups(Unit::fail_mains);
    pair.slave.wait_for_hook("onbattery", TIMEOUT);
    pair.kill_master();
    compare("slave-master-lost-on-battery", pair.slave, 0);
}

fn lost_on_mains(wire: Wire) {
    let mut pair = Pair::new(wire, |setup| setup, |setup| setup);
    pair.kill_master();
    pair.slave.wait_for_hook("commfailure", TIMEOUT);
    pair.slave.wait_for_status(
        |status| status.is("STATUS", "COMMLOST") && status.is("STATFLAG", "0x05000508"),
        TIMEOUT,
    );
    pair.restart_master();
    pair.slave.wait_for_hook("commok", TIMEOUT);
    compare("slave-master-lost-on-mains", pair.slave, 0);
}

fn shuts_down(wire: Wire) {
    // Long enough for the slave to have announced the outage, on a busy machine too.
    let pair = Pair::new(wire, |setup| setup.with("TIMEOUT", "12"), |setup| setup);
    pair.ups(Unit::fail_mains);
    compare("slave-master-shuts-down", pair.slave, 0);
}

#[test]
fn a_slave_that_never_had_a_master() {
    let setup = slave_of(&format!("127.0.0.1:{}", free_port())).with("UPSNAME", "simups");
    compare("slave-no-master", Daemon::start(&setup), 1);
}
