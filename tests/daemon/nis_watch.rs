//! Clients that watch, and a master that waits for them, on the real program.

use std::time::{Duration, Instant};

use crate::support::{Daemon, Nis, Serial, Setup, Status, TIMEOUT, play, poll_until};

fn limits(setup: Setup) -> Setup {
    setup.with("NOLOGON", "disable").with("BATTERYLEVEL", "5").with("MINUTES", "3")
}

/// A daemon on line that shuts down a second after an outage has begun, and then waits so long for its slaves.
fn master(slave_wait: &str) -> Serial {
    Serial::on_line(|setup| limits(setup).with("TIMEOUT", "1").with("SLAVEWAIT", slave_wait))
}

fn watch(daemon: &Daemon) -> Nis {
    let mut client = daemon.nis();
    client.request(b"watch").unwrap();
    client
}

/// The first answer that `wanted` accepts, of those that come by themselves.
fn told(client: &mut Nis, wanted: impl Fn(&Status) -> bool) -> (Instant, Status) {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let records = client.response().unwrap();
        let records = records.iter().map(|record| String::from_utf8_lossy(record).into_owned()).collect();
        let status = Status { records };
        assert!(status.get("END APC").is_some(), "not a complete answer: {}", status.text());
        if wanted(&status) {
            return (Instant::now(), status);
        }
        assert!(Instant::now() < deadline, "not told; the last was\n{}", status.text());
    }
}

fn shuts_down(status: &Status) -> bool {
    status.is("STATUS", "SHUTTING DOWN")
}

/// A master that has decided its shutdown and waits for this client, for ten minutes if need be.
fn waiting() -> (Serial, Nis) {
    let serial = master("600");
    let mut client = watch(&serial.daemon);
    // It is connected when it has been told something.
    told(&mut client, |_| true);
    serial.unit().fail_mains();
    told(&mut client, shuts_down);
    serial
        .daemon
        .wait_for_output("Waiting for slaves before the shutdown, 600 s at most: 127.0.0.1", TIMEOUT);
    assert!(!serial.daemon.events().contains(&"doshutdown".to_owned()), "{}", serial.daemon.describe());
    (serial, client)
}

#[test]
fn changes_of_state_are_told_without_being_asked_for() {
    let serial = Serial::on_line(limits);
    let daemon = &serial.daemon;
    let mut client = watch(daemon);
    told(&mut client, |status| status.has("ONLINE"));
    serial.unit().fail_mains();
    let (on_battery, _) = told(&mut client, |status| status.has("ONBATT"));
    let hook = daemon.wait_for_hook("powerout", TIMEOUT).at;
    // By an answer in between, or only from time to time, it would be seconds.
    let later = on_battery.saturating_duration_since(hook);
    assert!(later < Duration::from_secs(3), "{later:?} after the hook");
    serial.unit().restore_mains();
    let (_, status) = told(&mut client, |status| status.has("ONLINE"));
    assert!(status.is("NUMXFERS", "1"), "{}", status.text());
    // Nothing changes from now on, and still something is heard; other requests have their answers.
    told(&mut client, |_| true);
    client.request(b"help").unwrap();
    assert_eq!(client.response().unwrap(), [b"Invalid command\n\0"]);
}

#[test]
fn the_shutdown_waits_until_the_watching_client_has_gone() {
    let (serial, mut client) = waiting();
    let daemon = &serial.daemon;
    daemon.wait_for_hook("timeout", TIMEOUT);
    // It goes on being told, and answering, while it is waited for.
    daemon.wait_for_status(shuts_down, TIMEOUT);
    assert!(told(&mut client, |_| true).1.has("SHUTTING"));
    assert!(!daemon.events().contains(&"doshutdown".to_owned()), "{}", daemon.describe());
    assert!(!daemon.dir().join("flags/powerfail").exists(), "{}", daemon.describe());
    drop(client);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    daemon.wait_for_file("flags/powerfail");
    daemon.wait_for_logged("Initiating system shutdown!");
    let log = daemon.log();
    let waited = log.iter().position(|line| line.ends_with("s for slaves: 127.0.0.1; all have gone."));
    let begun = log.iter().position(|line| line == "Initiating system shutdown!");
    assert!(waited.is_some() && waited < begun, "{log:?}");
}

#[test]
fn a_client_that_stays_delays_the_shutdown_by_slavewait_and_no_longer() {
    let serial = master("3");
    let daemon = &serial.daemon;
    let mut client = watch(daemon);
    told(&mut client, |_| true);
    serial.unit().fail_mains();
    let decided = daemon.wait_for_hook("timeout", TIMEOUT).at;
    let ordered = daemon.wait_for_hook("doshutdown", TIMEOUT).at;
    let waited = ordered - decided;
    assert!(waited > Duration::from_secs(2), "{waited:?}");
    daemon.wait_for_output("for slaves: 127.0.0.1; 1 not gone, and there is no more time.", TIMEOUT);
    told(&mut client, shuts_down);
}

#[test]
fn a_client_that_polls_from_this_machine_delays_nothing() {
    let setup = limits(Setup::new("test")).with("TIMEOUT", "1").with("SLAVEWAIT", "600");
    let daemon = play("3 mains off", setup);
    let mut kept = daemon.nis();
    for _ in 0..3 {
        kept.status().unwrap();
        daemon.status();
    }
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    assert!(!daemon.log().iter().any(|line| line.contains("slaves")), "{}", daemon.describe());
}

#[test]
fn a_low_battery_ends_the_waiting() {
    let (serial, _client) = waiting();
    let daemon = &serial.daemon;
    serial.unit().battery_low();
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    daemon.wait_for_output("1 not gone, and there is no more time.", TIMEOUT);
}

#[test]
fn a_master_that_is_stopped_while_it_waits_does_not_shut_down() {
    let (serial, _client) = waiting();
    let Serial { daemon, ups: _ups, .. } = serial;
    let hooks = daemon.hooks().clone();
    let state = || std::fs::read_to_string(daemon.dir().join("state")).unwrap_or_default();
    let saved = poll_until(TIMEOUT, || state().contains("\ndecided_at ").then_some(()));
    assert!(saved.is_some(), "{}", state());
    let end = daemon.terminate();
    assert!(end.output.contains("Stopped while waiting for slaves"), "{}", end.output);
    assert!(!hooks.text().contains("doshutdown"), "{}", hooks.text());
}
