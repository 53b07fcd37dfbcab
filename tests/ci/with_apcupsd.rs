//! A slave of ours under a real apcupsd, and a real apcupsd under a master of ours, through the phases of an outage. In CI:
//! needs Debian's package apcupsd.

use std::time::Duration;

use crate::support::pair::{Pair, slave_of};
use crate::support::runner::{Group, Needs, tests};
use crate::support::smart::{Generation, Smart, Unit};
use crate::support::{self, Daemon, Scratch, Setup, free_port, poll_until};

/// apcupsd takes its time: 60 s for what it does in 25.
const TIMEOUT: Duration = Duration::from_secs(60);
const MASTER_LOST: &str = "Shutdown because loss of comm with NIS master while on batteries.";
const MASTER_GOES: &str = "Shutdown because NIS master is shutting down.";

pub const TESTS: Group = Group {
    apart: Some(13),
    needs: Needs::Ci("Debian's package apcupsd"),
    tests: tests![
        our_slave_sees_the_outage_of_an_apcupsd,
        our_slave_goes_down_with_an_apcupsd,
        our_slave_goes_down_when_an_apcupsd_is_lost,
        our_slave_stays_up_when_an_apcupsd_is_lost_on_mains,
        an_apcupsd_sees_our_outage,
        an_apcupsd_goes_down_with_us,
        an_apcupsd_goes_down_when_we_are_lost,
    ],
    ..Group::new(module_path!())
};

/// An apcupsd at a serial UPS as the master of our slave.
struct Under {
    ups: Smart,
    setup: Setup,
    port: u16,
    master: Option<Daemon>,
    slave: Daemon,
    ports: Scratch,
}

fn under_apcupsd(timeout: &str) -> Under {
    let ports = Scratch::new();
    let device = ports.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &device, false);
    let setup =
        Setup::apcupsd("apcsmart").with("UPSCABLE", "smart").with("DEVICE", &device.display().to_string());
    let setup = setup.with("UPSNAME", "simups").with("BATTERYLEVEL", "-1").with("MINUTES", "-1");
    let setup = setup.with("TIMEOUT", timeout).with("NOLOGON", "disable");
    let port = free_port();
    let master = Daemon::start_in(&setup, Scratch::new(), port);
    master.wait_for_status(|status| status.has("ONLINE"), TIMEOUT);
    let slave = Daemon::start(&slave_of(&format!("127.0.0.1:{port}")));
    let under = Under { ups, setup, port, master: Some(master), slave, ports };
    under.slave.wait_for_status(|status| status.is("STATUS", "ONLINE SLAVE"), TIMEOUT);
    under.slave.wait_for_output("does not know `watch`: it is polled", TIMEOUT);
    under
}

/// What a slave has done about power. On a busy machine apcupsd mistakes one answer of its UPS for another, or misses one,
/// and tells its slaves of a battery to be replaced or of a loss.
fn events(slave: &Daemon) -> Vec<String> {
    let mut events = slave.events();
    events.retain(|event| event != "changeme" && !event.starts_with("comm"));
    events
}

fn our_slave_sees_the_outage_of_an_apcupsd() {
    let under = under_apcupsd("0");
    // apcupsd learns them one by one, and is on line before it has the last; then comes the slave's next poll.
    for key in ["UPSNAME", "MODEL", "SERIALNO", "BATTDATE", "NOMBATTV", "LOTRANS", "HITRANS", "FIRMWARE"] {
        let value = |daemon: &Daemon| daemon.status().get(key).map(str::to_owned);
        let same = poll_until(TIMEOUT, || {
            let master = value(under.master.as_ref().unwrap());
            (master.is_some() && value(&under.slave) == master).then_some(())
        });
        assert!(same.is_some(), "{key}: {}", under.slave.status().text());
    }
    under.ups.unit().fail_mains();
    under.slave.wait_for_hook("onbattery", TIMEOUT);
    under.ups.unit().restore_mains();
    under.slave.wait_for_hook("mainsback", TIMEOUT);
    assert_eq!(events(&under.slave), ["powerout", "onbattery", "offbattery", "mainsback"]);
    assert_eq!(under.slave.wait_for_hook("powerout", TIMEOUT).text, "powerout simups 0 1");
}

fn our_slave_goes_down_with_an_apcupsd() {
    let under = under_apcupsd("12");
    under.ups.unit().fail_mains();
    under.slave.wait_for_hook("doshutdown", TIMEOUT);
    // Twice a second it says so; that is one order.
    let more = under.slave.hooks().wait(under.slave.hooks().count(), Duration::from_secs(4), |_| true);
    assert!(more.is_none(), "{}", under.slave.describe());
    assert_eq!(events(&under.slave), ["powerout", "onbattery", "remotedown", "doshutdown"]);
    for line in [MASTER_GOES, "Remote shutdown requested.", "Initiating system shutdown!"] {
        assert_eq!(under.slave.wait_for_logged(line), 1, "{line}: {}", under.slave.describe());
    }
}

fn our_slave_goes_down_when_an_apcupsd_is_lost() {
    let mut under = under_apcupsd("0");
    under.ups.unit().fail_mains();
    under.slave.wait_for_hook("onbattery", TIMEOUT);
    let before = under.slave.hooks().count();
    under.master = None;
    under.slave.wait_for_hook("doshutdown", TIMEOUT);
    under.slave.wait_for_hook_from(before, "commfailure", TIMEOUT);
    assert_eq!(events(&under.slave), ["powerout", "onbattery", "remotedown", "doshutdown"]);
    assert_eq!(under.slave.wait_for_logged(MASTER_LOST), 1, "{}", under.slave.describe());
}

fn our_slave_stays_up_when_an_apcupsd_is_lost_on_mains() {
    let Under { ups, setup, port, master, slave, ports } = under_apcupsd("0");
    let before = slave.hooks().count();
    drop((master, ups));
    slave.wait_for_hook_from(before, "commfailure", TIMEOUT);
    // Longer than NETTIMEOUT and five checks.
    let down = slave.hooks().wait(0, Duration::from_secs(12), |text| text.starts_with("remotedown"));
    assert!(down.is_none(), "{}", slave.describe());
    let before = slave.hooks().count();
    let _ups = Smart::start(Generation::Third, &ports.path().join("ttyS0"), false);
    let _master = Daemon::start_in(&setup, Scratch::new(), port);
    slave.wait_for_hook_from(before, "commok", TIMEOUT);
    slave.wait_for_status(|status| status.is("STATUS", "ONLINE SLAVE"), TIMEOUT);
    assert_eq!(events(&slave), [""; 0]);
}

/// A master of ours with an apcupsd as one more slave.
fn over_apcupsd(timeout: &str) -> (Pair, Daemon) {
    let pair = Pair::new(support::Wire::default(), |setup| setup.with("TIMEOUT", timeout), |setup| setup);
    let port = pair.master.as_ref().unwrap().port();
    let setup = Setup::apcupsd("net").with("UPSCABLE", "ether").with("DEVICE", &format!("127.0.0.1:{port}"));
    let setup = setup.with("BATTERYLEVEL", "-1").with("MINUTES", "-1").with("NOLOGON", "disable");
    let slave = Daemon::start(&setup);
    slave.wait_for_status(|status| status.is("STATUS", "ONLINE SLAVE"), TIMEOUT);
    (pair, slave)
}

/// Waits for these hooks of an apcupsd, which come in any order, and makes sure that there are no others about power.
fn runs(slave: &Daemon, hooks: &[&str]) {
    for hook in hooks {
        slave.wait_for_hook(hook, TIMEOUT);
    }
    let mut events = events(slave);
    events.sort();
    assert_eq!(events, hooks, "{}", slave.describe());
}

fn an_apcupsd_sees_our_outage() {
    let (pair, slave) = over_apcupsd("0");
    pair.ups(Unit::fail_mains);
    slave.wait_for_hook("onbattery", TIMEOUT);
    pair.ups(Unit::restore_mains);
    runs(&slave, &["mainsback", "offbattery", "onbattery", "powerout"]);
    slave.wait_for_status(|status| status.is("STATUS", "ONLINE SLAVE"), TIMEOUT);
}

fn an_apcupsd_goes_down_with_us() {
    let (pair, slave) = over_apcupsd("12");
    pair.ups(Unit::fail_mains);
    runs(&slave, &["doshutdown", "onbattery", "powerout", "remotedown"]);
    slave.wait_for_logged(MASTER_GOES);
    pair.slave.wait_for_hook("doshutdown", TIMEOUT);
}

fn an_apcupsd_goes_down_when_we_are_lost() {
    let (mut pair, slave) = over_apcupsd("0");
    pair.ups(Unit::fail_mains);
    slave.wait_for_hook("onbattery", TIMEOUT);
    pair.kill_master();
    runs(&slave, &["doshutdown", "onbattery", "powerout", "remotedown"]);
    slave.wait_for_hook("commfailure", TIMEOUT);
    assert_eq!(slave.wait_for_logged(MASTER_LOST), 1, "{}", slave.describe());
}
