//! A master and its slave, both the real program, on loopback: `UPSTYPE net`.

use std::time::Duration;

use crate::support::{self, Daemon, Scratch, Serial, Setup, Status, TIMEOUT, free_port, play};

/// A master on a simulated UPS that does what `script` says; its own limits are off.
fn master(script: &str) -> Daemon {
    play(script, master_setup())
}

fn master_setup() -> Setup {
    no_limits(Setup::new("test"))
}

fn no_limits(setup: Setup) -> Setup {
    setup.with("UPSNAME", "rack1").with("BATTERYLEVEL", "-1").with("MINUTES", "-1")
}

/// A slave of the master at `device`, its own limits off.
fn slave(device: &str) -> Setup {
    Setup::new("net")
        .with("UPSCABLE", "ether")
        .with("DEVICE", device)
        .with("UPSNAME", "")
        .with("BATTERYLEVEL", "-1")
        .with("MINUTES", "-1")
        .with("NETTIMEOUT", "3")
}

fn slave_of(master: &Daemon) -> Setup {
    slave(&at(master.port()))
}

fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn online(daemon: &Daemon) -> Status {
    daemon.wait_for_status(|status| status.has("ONLINE") && status.has("SLAVE"), TIMEOUT)
}

fn lost(daemon: &Daemon) {
    daemon.wait_for_status(|status| status.has("COMMLOST"), TIMEOUT);
}

/// Ends a master as a crash does.
fn kill(master: &Daemon) {
    master.signal("KILL");
}

const MASTER_LOST: &str = "Shutdown because loss of comm with NIS master while on batteries.";
const MASTER_GOES: &str = "Shutdown because NIS master is shutting down.";

#[test]
fn an_outage_of_the_master_is_an_outage_of_its_slave_with_the_same_values() {
    let master = Serial::on_line(no_limits);
    let daemon = Daemon::start(&slave_of(&master.daemon));
    let status = online(&daemon);
    let address = at(master.daemon.port());
    assert!(status.is("DRIVER", "NETWORK UPS Driver") && status.is("CABLE", "Ethernet Link"));
    assert!(status.is("UPSNAME", "rack1") && status.is("MASTER", &address), "{}", status.text());
    assert!(status.get("MASTERUPD").is_some());
    // A master learns them one by one, and tells each.
    for key in ["MODEL", "SERIALNO", "NOMBATTV", "BATTDATE"] {
        let theirs = master.daemon.wait_for_status(|status| status.get(key).is_some(), TIMEOUT);
        daemon.wait_for_status(|status| status.get(key) == theirs.get(key), TIMEOUT);
    }
    master.unit().fail_mains();
    daemon.wait_for_hook("onbattery", TIMEOUT);
    master.unit().restore_mains();
    daemon.wait_for_hook("mainsback", TIMEOUT);
    assert_eq!(daemon.events(), ["powerout", "onbattery", "offbattery", "mainsback"]);
    // The third argument says that the UPS is not connected to this machine (nis §9.5).
    assert_eq!(daemon.wait_for_hook("powerout", TIMEOUT).text, "powerout rack1 0 1");
    assert_eq!(daemon.threads(), 1);
}

#[test]
fn a_master_killed_on_mains_is_a_loss_and_never_a_shutdown_and_comes_back() {
    let scratch = Scratch::new();
    let script = scratch.file("script", "");
    let port = free_port();
    let setup = master_setup().with("DEVICE", &script.display().to_string());
    let first = Daemon::start_in(&setup, Scratch::new(), port);
    let daemon = Daemon::start(&slave(&at(port)).with("NETTIMEOUT", "1"));
    online(&daemon);
    kill(&first);
    daemon.wait_for_hook("commfailure", TIMEOUT);
    lost(&daemon);
    // Five checks and NETTIMEOUT are over long before the master returns.
    let shutdown = daemon.hooks().wait(0, Duration::from_secs(8), |hook| hook.starts_with("remotedown"));
    assert!(shutdown.is_none(), "{}", daemon.describe());
    let _second = Daemon::start_in(&setup, Scratch::new(), port);
    daemon.wait_for_hook("commok", TIMEOUT);
    online(&daemon);
    assert_eq!(daemon.events(), ["commfailure", "commok"]);
    assert!(!daemon.log().contains(&MASTER_LOST.to_owned()), "{}", daemon.describe());
}

/// One line says why and with which values, another repeats it with what was run; the events file has both.
fn explained(daemon: &Daemon, begins: &str) {
    let found = support::poll_until(TIMEOUT, || {
        let log = daemon.log();
        let why = log.iter().find(|line| line.starts_with(begins))?;
        let whole = ["; charge ", "; runtime ", "; TIMEOUT "].iter().all(|part| why.contains(part));
        let done = format!("{}/scripts/apccontrol doshutdown. {why}", daemon.dir().display());
        (whole && log.iter().any(|line| line.ends_with(&done))).then_some(())
    });
    assert!(found.is_some(), "{begins}: {}", daemon.describe());
}

#[test]
fn a_master_killed_on_battery_shuts_the_slave_down_once_after_nettimeout() {
    let master = master("3 mains off");
    let daemon = Daemon::start(&slave_of(&master));
    daemon.wait_for_hook("onbattery", TIMEOUT);
    kill(&master);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    assert_eq!(daemon.events(), ["powerout", "onbattery", "commfailure", "remotedown", "doshutdown"]);
    for line in [MASTER_LOST, "Remote shutdown requested.", "Initiating system shutdown!"] {
        assert_eq!(daemon.wait_for_logged(line), 1, "{line}: {}", daemon.describe());
    }
    daemon.wait_for_status(
        |status| status.is("STATUS", "SHUTTING DOWN") && status.is("STATFLAG", "0x05860710"),
        TIMEOUT,
    );
    explained(
        &daemon,
        "Shutdown because the master was lost while on battery and NETTIMEOUT is over; on battery for ",
    );
    daemon.wait_for_file("flags/powerfail");
}

#[test]
fn a_master_that_is_back_before_nettimeout_shuts_nobody_down() {
    let scratch = Scratch::new();
    let script = scratch.file("script", "3 mains off");
    let port = free_port();
    let setup = master_setup().with("DEVICE", &script.display().to_string());
    let first = Daemon::start_in(&setup, Scratch::new(), port);
    let daemon = Daemon::start(&slave(&at(port)).with("NETTIMEOUT", "40"));
    daemon.wait_for_hook("onbattery", TIMEOUT);
    kill(&first);
    daemon.wait_for_hook("commfailure", TIMEOUT);
    // The new master is on mains.
    std::fs::write(script, "").unwrap();
    let _second = Daemon::start_in(&setup, Scratch::new(), port);
    daemon.wait_for_hook("commok", TIMEOUT);
    daemon.wait_for_hook("mainsback", TIMEOUT);
    assert_eq!(
        daemon.events(),
        ["powerout", "onbattery", "commfailure", "commok", "offbattery", "mainsback"]
    );
}

#[test]
fn a_master_that_shuts_down_takes_its_slave_with_it_once() {
    let master = Serial::on_line(|setup| no_limits(setup).with("TIMEOUT", "10"));
    let daemon = Daemon::start(&slave_of(&master.daemon));
    online(&daemon);
    master.unit().fail_mains();
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    let hooks = daemon.hooks().since(0).len();
    // Several answers more that say the same.
    assert!(daemon.hooks().wait(hooks, Duration::from_secs(4), |_| true).is_none(), "{}", daemon.describe());
    assert_eq!(daemon.events(), ["powerout", "onbattery", "remotedown", "doshutdown"]);
    for line in [MASTER_GOES, "Remote shutdown requested.", "Initiating system shutdown!"] {
        assert_eq!(daemon.wait_for_logged(line), 1, "{line}: {}", daemon.describe());
    }
    daemon.wait_for_status(|status| status.is("STATFLAG", "0x05860610"), TIMEOUT);
    explained(&daemon, "Shutdown because a master or management card orders it; on battery for ");
}

#[test]
fn a_slave_shuts_down_at_its_own_limit_before_its_master() {
    let master = master("3 mains off");
    let daemon = Daemon::start(&slave_of(&master).with("TIMEOUT", "3"));
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    assert_eq!(daemon.events(), ["powerout", "onbattery", "timeout", "doshutdown"]);
    master.wait_for_status(|status| status.has("ONBATT"), TIMEOUT);
}

#[test]
fn a_slave_started_before_its_master_learns_everything_when_the_master_comes() {
    let port = free_port();
    let daemon = Daemon::start(&slave(&at(port)));
    let line = daemon.wait_for_hook("commfailure", TIMEOUT);
    assert!(line.text.ends_with(" 1 1"), "before the first contact: {}", line.text);
    let status = daemon.wait_for_status(|status| status.is("STATFLAG", "0x05000100"), TIMEOUT);
    assert!(status.get("MASTER").is_none(), "{}", status.text());
    let scratch = Scratch::new();
    let _master = {
        let script = scratch.file("script", "");
        let setup = master_setup().with("DEVICE", &script.display().to_string());
        Daemon::start_in(&setup, Scratch::new(), port)
    };
    let status = online(&daemon);
    assert!(status.is("UPSNAME", "rack1") && status.get("BCHARGE").is_some(), "{}", status.text());
    daemon.wait_for_hook("commok", TIMEOUT);
}

#[test]
fn a_master_is_found_by_name_and_the_second_address_serves_where_the_first_does_not() {
    let master = master("");
    let device = format!("127.0.0.1:{}, localhost:{}", free_port(), master.port());
    let daemon = Daemon::start(&slave(&device));
    let status = online(&daemon);
    assert!(status.is("MASTER", &format!("localhost:{}", master.port())), "{}", status.text());
    assert_eq!(daemon.events(), [""; 0]);
}

#[test]
fn a_slave_has_its_own_name_if_one_is_configured() {
    let master = Serial::on_line(|setup| setup);
    let daemon = Daemon::start(&slave_of(&master.daemon).with("UPSNAME", "mine"));
    let status = online(&daemon);
    assert!(status.is("UPSNAME", "mine"), "{}", status.text());
    master.unit().fail_mains();
    assert_eq!(daemon.wait_for_hook("powerout", TIMEOUT).text, "powerout mine 0 1");
}
