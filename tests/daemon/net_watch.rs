//! A slave that watches its master: told at once, on one connection. POLLTIME is ten minutes: whatever the slave learns
//! within a test, it has been told.

use std::time::Duration;

use crate::support::pair::Pair;
use crate::support::smart::Unit;
use crate::support::{TIMEOUT, Wire, poll_until};

fn pair(wire: Wire) -> Pair {
    Pair::new(wire, |setup| setup, |setup| setup.with("POLLTIME", "600"))
}

#[test]
fn an_outage_is_seen_at_once_and_over_one_connection() {
    let pair = pair(Wire::default());
    pair.ups(Unit::fail_mains);
    let master = pair.master.as_ref().unwrap().wait_for_hook("powerout", TIMEOUT);
    let slave = pair.slave.wait_for_hook("powerout", TIMEOUT);
    println!(
        "from the master's powerout to the slave's: {:?}",
        slave.at.saturating_duration_since(master.at)
    );
    pair.slave.wait_for_hook("onbattery", TIMEOUT);
    pair.ups(Unit::restore_mains);
    pair.slave.wait_for_hook("mainsback", TIMEOUT);
    pair.follows();
    assert_eq!(pair.slave.events(), ["powerout", "onbattery", "offbattery", "mainsback"]);
    assert_eq!(pair.relay.connections(), 1);
}

#[test]
fn a_self_test_of_the_master_is_none_of_the_slaves_outages() {
    let pair = pair(Wire::default());
    pair.ups(|unit| {
        unit.set(b'G', "S");
        unit.set(b'Q', "10");
        unit.alert(b'!');
    });
    pair.slave.wait_for_hook("startselftest", TIMEOUT);
    pair.ups(|unit| {
        unit.set(b'X', "OK");
        unit.restore_mains();
    });
    pair.slave.wait_for_hook("endselftest", TIMEOUT);
    assert_eq!(pair.slave.events(), ["startselftest", "endselftest"]);
    pair.slave.wait_for_logged("UPS Self Test completed: Battery OK");
}

#[test]
fn a_master_that_is_restarted_is_no_loss_and_is_watched_again() {
    let mut pair = Pair::new(
        Wire::default(),
        |setup| setup,
        |setup| setup.with("POLLTIME", "600").with("COMMLOSTDELAY", "60"),
    );
    pair.kill_master();
    pair.slave.wait_for_status(|status| status.has("COMMLOST"), TIMEOUT);
    pair.restart_master();
    pair.follows();
    pair.ups(Unit::fail_mains);
    pair.slave.wait_for_hook("powerout", TIMEOUT);
    assert_eq!(pair.slave.events()[0], "powerout", "{}", pair.slave.describe());
}

#[test]
fn a_master_that_loses_its_ups_is_a_loss_and_its_return_is_seen() {
    let pair = pair(Wire::default());
    pair.ups(|unit| unit.silent = true);
    pair.slave.wait_for_hook("commfailure", TIMEOUT);
    let lost = |log: &[String]| log.iter().any(|line| line.ends_with("has lost its UPS")).then_some(());
    pair.slave.wait_for_log("has lost its UPS", lost);
    pair.ups(|unit| unit.silent = false);
    pair.slave.wait_for_hook("commok", TIMEOUT);
    pair.follows();
    assert_eq!(pair.slave.events(), ["commfailure", "commok"]);
    assert_eq!(pair.relay.connections(), 1);
}

/// A connection that closes is a machine that is down, for a master that waits.
#[test]
fn a_slave_stays_connected_until_it_ends_and_its_master_shuts_down_then() {
    let pair = Pair::new(
        Wire::default(),
        |setup| setup.with("TIMEOUT", "3").with("SLAVEWAIT", "600"),
        |setup| setup.with("POLLTIME", "600"),
    );
    pair.ups(Unit::fail_mains);
    let Pair { slave, master: Some(master), relay, ups: _ups, .. } = pair else { panic!("it has a master") };
    slave.wait_for_hook("doshutdown", TIMEOUT);
    // Several answers to what it asks on battery.
    assert!(slave.hooks().wait(4, Duration::from_secs(5), |_| true).is_none(), "{}", slave.describe());
    assert_eq!((relay.connections(), relay.open()), (1, 1));
    assert!(!master.events().contains(&"doshutdown".to_owned()), "it did not wait: {}", master.describe());
    let end = slave.terminate();
    assert!(end.status.success(), "{}", end.output);
    assert!(poll_until(TIMEOUT, || (relay.open() == 0).then_some(())).is_some(), "{}", end.output);
    master.wait_for_hook("doshutdown", TIMEOUT);
}

#[test]
fn a_slave_of_a_lost_master_shuts_down_at_its_own_limit_counted_down() {
    let mut pair = Pair::new(
        Wire::default(),
        |setup| setup,
        |setup| setup.with("BATTERYLEVEL", "99").with("NETTIMEOUT", "3600"),
    );
    // Three tenths of a per cent above the limit, and a hundred last an hour: 11 s.
    pair.ups(|unit| {
        unit.set(b'f', "099.3");
        unit.fail_mains();
    });
    pair.slave.wait_for_hook("onbattery", TIMEOUT);
    pair.slave.wait_for_status(|status| status.is("BCHARGE", "99.3 Percent"), TIMEOUT);
    pair.kill_master();
    pair.slave.wait_for_hook("doshutdown", Duration::from_secs(90));
    assert_eq!(pair.slave.events(), ["powerout", "onbattery", "commfailure", "loadlimit", "doshutdown"]);
}

/// The counter-test: without `watch` nothing would have been told.
#[test]
fn a_polled_master_hides_an_outage_for_polltime() {
    let pair = pair(Wire { refuses_watch: true, ..Wire::default() });
    let line = pair.slave.wait_for_output("does not know `watch`: it is polled", TIMEOUT);
    assert!(!pair.slave.log().iter().any(|logged| line.text.contains(logged.as_str())), "syslog only");
    pair.ups(Unit::fail_mains);
    pair.master.as_ref().unwrap().wait_for_hook("onbattery", TIMEOUT);
    assert_eq!(pair.slave.events(), [""; 0]);
    assert_eq!(pair.relay.connections(), 1);
}
