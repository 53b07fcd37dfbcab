//! A daemon that is stopped and continued (SIGSTOP, Ctrl-Z, a debugger, a paused virtual machine), or gets many signals: what has
//! come meanwhile counts before what is due.

use std::time::Duration;

use crate::support::pair::Pair;
use crate::support::smart::Unit;
use crate::support::{Serial, TIMEOUT, Wire, poll_until};

/// Longer than any wait for an answer.
const STOPPED: Duration = Duration::from_secs(14);

/// How often the UPS was asked whether it is there.
fn knocks(unit: &Unit) -> usize {
    unit.received.iter().filter(|(byte, _)| *byte == b'Y').count()
}

#[test]
fn a_serial_ups_that_answered_a_daemon_that_was_stopped_is_neither_knocked_at_nor_lost() {
    let serial = Serial::on_line(|setup| setup.with("POLLTIME", "1").with("COMMLOSTDELAY", "20"));
    // The answer waits until the daemon is stopped.
    let asked = serial.unit().received.len();
    serial.unit().held = true;
    poll_until(TIMEOUT, || (serial.unit().received.len() > asked).then_some(())).expect("it does not ask");
    serial.daemon.stop();
    let before = knocks(&serial.unit());
    serial.unit().held = false;
    std::thread::sleep(STOPPED);
    let asked = serial.unit().received.len();
    serial.daemon.go_on();
    poll_until(TIMEOUT, || (serial.unit().received.len() > asked + 20).then_some(()))
        .expect("it asks no more");
    let received: Vec<char> = serial.unit().received.iter().map(|(byte, _)| char::from(*byte)).collect();
    let knocked = knocks(&serial.unit());
    assert_eq!(knocked, before, "{} {received:?} from {asked}", serial.daemon.describe());
    assert_eq!(serial.daemon.events(), Vec::<String>::new());
}

#[test]
fn mains_that_came_back_while_the_daemon_was_stopped_is_seen_before_the_time_on_battery_is_judged() {
    let serial = Serial::on_line(|setup| setup.with("TIMEOUT", "8").with("ONBATTERYDELAY", "1"));
    serial.unit().fail_mains();
    serial.daemon.wait_for_hook("onbattery", TIMEOUT);
    serial.daemon.stop();
    serial.unit().restore_mains();
    std::thread::sleep(STOPPED);
    serial.daemon.go_on();
    serial.daemon.wait_for_hook("mainsback", TIMEOUT);
    assert_eq!(serial.daemon.events(), ["powerout", "onbattery", "offbattery", "mainsback"]);
}

#[test]
fn an_outage_that_lasts_ends_in_a_shutdown_after_a_stop_too() {
    let serial = Serial::on_line(|setup| setup.with("TIMEOUT", "8").with("ONBATTERYDELAY", "1"));
    serial.unit().fail_mains();
    serial.daemon.wait_for_hook("onbattery", TIMEOUT);
    serial.daemon.stop();
    std::thread::sleep(STOPPED);
    serial.daemon.go_on();
    serial.daemon.wait_for_hook("doshutdown", TIMEOUT);
}

#[test]
fn a_slave_that_was_stopped_keeps_the_connection_on_which_its_master_has_spoken() {
    let pair = Pair::new(Wire::default(), |setup| setup, |setup| setup.with("POLLTIME", "600"));
    assert_eq!(pair.relay.connections(), 1);
    pair.slave.stop();
    std::thread::sleep(STOPPED);
    pair.slave.go_on();
    // And it is told of what comes.
    pair.ups(Unit::fail_mains);
    pair.slave.wait_for_hook("powerout", TIMEOUT);
    assert_eq!(pair.relay.connections(), 1, "{}", pair.slave.describe());
    assert_eq!(pair.slave.events()[0], "powerout");
}

#[test]
fn many_signals_move_no_deadline_and_lose_no_answer() {
    let delay = Duration::from_secs(3);
    let serial = Serial::on_line(|setup| {
        setup.with("POLLTIME", "1").with("ONBATTERYDELAY", "3").with("COMMLOSTDELAY", "20")
    });
    let before = knocks(&serial.unit());
    serial.unit().fail_mains();
    let powerout = serial.daemon.wait_for_hook("powerout", TIMEOUT);
    // Children end, a terminal changes its size, somebody stops and continues it.
    let onbattery = poll_until(TIMEOUT, || {
        for signal in ["CHLD", "WINCH", "URG", "STOP", "CONT"] {
            serial.daemon.signal(signal);
        }
        serial.daemon.hooks().wait(0, Duration::from_millis(1), |line| line.starts_with("onbattery"))
    })
    .expect("no onbattery");
    let passed = onbattery.1.at - powerout.at;
    assert!(passed >= delay - Duration::from_millis(300), "{passed:?}");
    let knocked = knocks(&serial.unit());
    assert_eq!(knocked, before, "{}", serial.daemon.describe());
    assert_eq!(serial.daemon.events(), ["powerout", "onbattery"]);
}
