//! Clients that watch, and a master that waits for them, on the real program with a simulated UPS.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a scenario fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "what is measured is real time")]

mod support;

use std::time::{Duration, Instant};

use support::{Daemon, Nis, PATIENCE, Setup, Status, play};

at_once! {
    clients_watch_and_a_master_waits_for_them:
    changes_of_state_are_told_without_being_asked_for,
    the_shutdown_waits_until_the_watching_client_has_gone,
    a_client_that_stays_delays_the_shutdown_by_slavewait_and_no_longer,
    a_client_that_polls_from_this_machine_delays_nothing,
    a_low_battery_ends_the_waiting,
    a_master_that_is_stopped_while_it_waits_does_not_shut_down,
}

fn setup() -> Setup {
    Setup::new("test").with("NOLOGON", "disable").with("BATTERYLEVEL", "5").with("MINUTES", "3")
}

fn watch(daemon: &Daemon) -> Nis {
    let mut client = daemon.nis();
    client.request(b"watch").unwrap();
    client
}

/// The first answer that `wanted` accepts, of those that come by themselves.
fn told(client: &mut Nis, wanted: impl Fn(&Status) -> bool) -> (Instant, Status) {
    let deadline = Instant::now() + PATIENCE;
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

fn changes_of_state_are_told_without_being_asked_for() {
    let daemon = play("4 mains off\n8 mains on", setup());
    let mut client = watch(&daemon);
    told(&mut client, |status| status.has("ONLINE"));
    let (on_battery, _) = told(&mut client, |status| status.has("ONBATT"));
    let hook = daemon.wait_for_hook("powerout", PATIENCE).at;
    // By an answer in between, or only from time to time, it would be seconds.
    let later = on_battery.saturating_duration_since(hook);
    assert!(later < Duration::from_secs(3), "{later:?} after the hook");
    let (_, status) = told(&mut client, |status| status.has("ONLINE"));
    assert!(status.is("NUMXFERS", "1"), "{}", status.text());
    // Nothing changes from now on, and still something is heard; other requests have their answers.
    told(&mut client, |_| true);
    client.request(b"help").unwrap();
    assert_eq!(client.response().unwrap(), [b"Invalid command\n\0"]);
}

fn the_shutdown_waits_until_the_watching_client_has_gone() {
    let daemon = play("1 mains off", setup().with("TIMEOUT", "1").with("SLAVEWAIT", "600"));
    let mut client = watch(&daemon);
    told(&mut client, shuts_down);
    daemon.wait_for_hook("timeout", PATIENCE);
    daemon.wait_for_output("Waiting for slaves before the shutdown, 600 s at most: 127.0.0.1", PATIENCE);
    // It goes on being told, and answering, while it is waited for.
    assert!(shuts_down(&daemon.status()));
    assert!(told(&mut client, |_| true).1.has("SHUTTING"));
    assert!(!daemon.events().contains(&"doshutdown".to_owned()), "{}", daemon.describe());
    assert!(!daemon.dir().join("flags/powerfail").exists(), "{}", daemon.describe());
    drop(client);
    daemon.wait_for_hook("doshutdown", PATIENCE);
    assert!(daemon.dir().join("flags/powerfail").exists(), "{}", daemon.describe());
    let log = daemon.log();
    let waited = log.iter().position(|line| line.ends_with("s for slaves: 127.0.0.1; all have gone."));
    let begun = log.iter().position(|line| line == "Initiating system shutdown!");
    assert!(waited.is_some() && waited < begun, "{log:?}");
}

fn a_client_that_stays_delays_the_shutdown_by_slavewait_and_no_longer() {
    let daemon = play("1 mains off", setup().with("TIMEOUT", "1").with("SLAVEWAIT", "3"));
    let mut client = watch(&daemon);
    let decided = daemon.wait_for_hook("timeout", PATIENCE).at;
    let ordered = daemon.wait_for_hook("doshutdown", PATIENCE).at;
    let waited = ordered - decided;
    assert!(waited > Duration::from_secs(2), "{waited:?}");
    daemon.wait_for_output("for slaves: 127.0.0.1; 1 not gone, and there is no more time.", PATIENCE);
    told(&mut client, shuts_down);
}

fn a_client_that_polls_from_this_machine_delays_nothing() {
    let daemon = play("3 mains off", setup().with("TIMEOUT", "1").with("SLAVEWAIT", "600"));
    let mut kept = daemon.nis();
    for _ in 0..3 {
        kept.status().unwrap();
        daemon.status();
    }
    daemon.wait_for_hook("doshutdown", PATIENCE);
    assert!(!daemon.log().iter().any(|line| line.contains("slaves")), "{}", daemon.describe());
}

fn a_low_battery_ends_the_waiting() {
    let daemon = play(
        "0 lowbatt off\n1 mains off\n9 lowbatt on",
        setup().with("TIMEOUT", "1").with("SLAVEWAIT", "600"),
    );
    let mut client = watch(&daemon);
    told(&mut client, shuts_down);
    daemon.wait_for_hook("doshutdown", PATIENCE);
    daemon.wait_for_output("1 not gone, and there is no more time.", PATIENCE);
}

fn a_master_that_is_stopped_while_it_waits_does_not_shut_down() {
    let daemon = play("1 mains off", setup().with("TIMEOUT", "1").with("SLAVEWAIT", "600"));
    let mut client = watch(&daemon);
    told(&mut client, shuts_down);
    daemon.wait_for_output("Waiting for slaves", PATIENCE);
    let hooks = daemon.hooks().clone();
    let state = std::fs::read_to_string(daemon.dir().join("state")).unwrap();
    assert!(state.contains("\ndecided_at "), "{state}");
    let end = daemon.terminate();
    assert!(end.output.contains("Stopped while waiting for slaves"), "{}", end.output);
    assert!(!hooks.text().contains("doshutdown"), "{}", hooks.text());
}
