//! Main processes that are killed while they watch a UPS at a port, a master, or slaves: the next one goes on, and nobody hears of it.
//! At real ports: `tests/ci/guest/roles.rs`.

use std::time::{Duration, Instant};

use crate::support::{
    self, Daemon, Scratch, Serial, Setup, Status, TIMEOUT, is_slow, play, send_signal, stop,
};

/// How soon the UPS is watched again.
const WATCHED_WITHIN: Duration = Duration::from_secs(2);
/// So long nothing is told after that.
const QUIET: Duration = Duration::from_secs(4);
/// The directive of how long a loss may last before it is told; ten times what this one takes.
const LOSS: (&str, &str) = ("COMMLOSTDELAY", "20");
/// What an outage tells, once, whoever dies in it.
const OUTAGE: [&str; 4] = ["powerout", "onbattery", "offbattery", "mainsback"];

/// Kills the main process; the next one shows this soon, and no hook is run.
fn kill_main(daemon: &Daemon, shows: impl Fn(&Status) -> bool) {
    let hooks = daemon.hooks().count();
    let killed = Instant::now();
    daemon.end_main("KILL");
    daemon.wait_for_status(shows, TIMEOUT);
    let took = killed.elapsed();
    assert!(!is_slow(took, WATCHED_WITHIN), "watched again after {took:?}; {}", daemon.describe());
    let noise = daemon.hooks().wait(hooks, QUIET, |_| true);
    assert!(noise.is_none(), "{noise:?}; {}", daemon.describe());
}

fn quiet(setup: Setup) -> Setup {
    setup.with("NOLOGON", "disable").with(LOSS.0, LOSS.1)
}

fn shows(word: &'static str) -> impl Fn(&Status) -> bool {
    move |status| status.has(word) && !status.has("COMMLOST")
}

#[test]
fn at_a_serial_port_the_next_main_process_asks_at_once_and_the_lock_file_stays_the_daemons() {
    let locks = Scratch::new();
    let folder = locks.path().display().to_string();
    let serial = Serial::on_line(|setup| quiet(setup).with("LOCKFILE", &folder));
    let daemon = &serial.daemon;
    let lock = locks.path().join("LCK..ttyS0");
    let is_daemons = || std::fs::read_to_string(&lock).unwrap() == format!("{:010}\0", daemon.pid());
    assert!(is_daemons());
    kill_main(daemon, shows("ONLINE"));
    assert!(is_daemons());
    serial.unit().fail_mains();
    daemon.wait_for_hook("onbattery", TIMEOUT);
    kill_main(daemon, shows("ONBATT"));
    serial.unit().restore_mains();
    daemon.wait_for_hook("mainsback", TIMEOUT);
    assert_eq!(daemon.events(), OUTAGE, "{}", daemon.describe());
    assert!(serial.daemon.terminate().status.success());
    assert!(!lock.exists());
}

/// The process that keeps the lock and the settings of a serial port.
const KEEPER: &str = "mainsd: port";

#[test]
fn a_process_that_keeps_a_serial_port_and_is_killed_is_followed_by_another_and_the_ups_is_watched_again() {
    let serial = Serial::on_line(quiet);
    let daemon = &serial.daemon;
    for (mains, volts) in [(true, "221.0"), (false, "0.0")] {
        if !mains {
            serial.unit().fail_mains();
            daemon.wait_for_hook("onbattery", TIMEOUT);
        }
        let hooks = daemon.hooks().count();
        let keeper = daemon.role(KEEPER, None);
        // Only who asks anew can know, and the first poll of the next one must find it.
        serial.unit().set(b'L', volts);
        let killed = Instant::now();
        send_signal(keeper, "KILL");
        daemon.role(KEEPER, Some(keeper));
        let line = format!("{volts} Volts");
        daemon.wait_for_status(|status| status.is("LINEV", &line) && !status.has("COMMLOST"), TIMEOUT);
        let took = killed.elapsed();
        assert!(!is_slow(took, WATCHED_WITHIN), "watched again after {took:?}; {}", daemon.describe());
        let noise = daemon.hooks().wait(hooks, QUIET, |_| true);
        assert!(noise.is_none(), "{noise:?}; {}", daemon.describe());
    }
    // One that is stopped holds nothing up.
    stop(daemon.role(KEEPER, None));
    serial.unit().restore_mains();
    daemon.wait_for_hook("mainsback", TIMEOUT);
    assert_eq!(daemon.events(), OUTAGE, "{}", daemon.describe());
    send_signal(daemon.role(KEEPER, None), "CONT");
    assert!(serial.daemon.terminate().status.success());
}

/// With NETTIMEOUT, the loss of a master on battery is a reason to shut down.
fn slave_of(master: &Daemon) -> Setup {
    let device = format!("127.0.0.1:{}", master.port());
    let setup = Setup::new("net").with("UPSCABLE", "ether").with("DEVICE", &device);
    quiet(setup).with("NETTIMEOUT", "10")
}

#[test]
fn a_slave_and_its_master_go_on_when_a_main_process_of_either_is_killed() {
    let setup = quiet(Setup::new("test")).with("UPSNAME", "rack1");
    let master = play("", setup);
    let slave = Daemon::start(&slave_of(&master));
    slave.wait_for_status(shows("ONLINE"), TIMEOUT);
    kill_main(&slave, shows("ONLINE"));
    std::fs::write(master.dir().join("script"), "1 mains off\n").unwrap();
    master.end_main("KILL");
    slave.wait_for_hook("onbattery", TIMEOUT);
    kill_main(&slave, shows("ONBATT"));
    // The master is back long before NETTIMEOUT is over.
    std::fs::write(master.dir().join("script"), "0 mains off\n6 mains on\n").unwrap();
    master.end_main("KILL");
    for daemon in [&master, &slave] {
        daemon.wait_for_hook("mainsback", TIMEOUT);
        assert_eq!(daemon.events(), OUTAGE, "{}", daemon.describe());
    }
    support::poll_until(TIMEOUT, || shows("ONLINE")(&slave.status()).then_some(())).expect("it is on mains");
}
