//! A master and clients on another machine, in network namespaces: who counts as a slave and when it has gone. In CI: needs
//! root and iproute2.

use std::time::Duration;

use crate::support::cable::{Cable, MASTER, within};
use crate::support::runner::{Group, Needs, tests};
use crate::support::{Daemon, Nis, Scratch, Setup, TIMEOUT, poll_until};

pub const TESTS: Group = Group {
    apart: Some(13),
    needs: Needs::Ci("root and network namespaces (iproute2)"),
    tests: tests![
        a_slave_that_polls_is_waited_for_until_it_stops,
        a_slave_whose_machine_died_is_found,
        other_machines_are_not_told_of_clients,
    ],
    ..Group::new(module_path!())
};

/// A master with a simulated UPS on one of two machines.
fn master(script: &str, more: &[(&str, &str)]) -> (Cable, Daemon) {
    let cable = Cable::new();
    let scratch = Scratch::new();
    let device = scratch.file("script", script).display().to_string();
    let mut setup = Setup::new("test").with("DEVICE", &device).with("NISIP", "0.0.0.0");
    for (keyword, value) in more {
        setup = setup.with(keyword, value);
    }
    let daemon = Daemon::start_in(&setup.within(&cable.master), scratch, 3551);
    within(&cable.master, || daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT));
    (cable, daemon)
}

fn connect() -> Nis {
    Nis::connect((MASTER, 3551), TIMEOUT).unwrap()
}

/// What the master says to its own machine of who is connected.
fn clients(cable: &Cable) -> String {
    within(&cable.master, || {
        let records = Nis::connect(("127.0.0.1", 3551), TIMEOUT).unwrap().ask(b"clients").unwrap();
        records.iter().map(|record| String::from_utf8_lossy(record).into_owned()).collect()
    })
}

fn a_slave_that_polls_is_waited_for_until_it_stops() {
    let (cable, daemon) = master("8 mains off", &[("TIMEOUT", "1"), ("SLAVEWAIT", "600")]);
    within(&cable.slaves, || {
        let down = poll_until(TIMEOUT, || {
            // A new connection each time, as apcupsd's slaves do.
            connect().status().unwrap().is("STATUS", "SHUTTING DOWN").then_some(())
        });
        assert!(down.is_some(), "{}", daemon.describe());
        assert!(clients(&cable).contains("polling "), "{}", clients(&cable));
        daemon.wait_for_output("Waiting for slaves before the shutdown, 600 s at most: 10.99.0.2", TIMEOUT);
        // While it polls, nothing happens: its time between two questions is far below a second.
        for _ in 0..100 {
            assert!(connect().status().is_ok());
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    daemon.wait_for_output("s for slaves: 10.99.0.2; all have gone.", TIMEOUT);
}

fn a_slave_whose_machine_died_is_found() {
    let (cable, daemon) = master("", &[]);
    let mut watching = within(&cable.slaves, connect);
    watching.ask(b"watch").unwrap();
    assert!(clients(&cable).starts_with("watch "), "{}", daemon.describe());
    cable.lose();
    // The next word to it, 10 s at most, and 15 s for it to be taken.
    let found = poll_until(TIMEOUT, || (!clients(&cable).contains("watch ")).then_some(()));
    assert!(found.is_some(), "{}", clients(&cable));
}

fn other_machines_are_not_told_of_clients() {
    let (cable, _daemon) = master("", &[]);
    let answer = within(&cable.slaves, || connect().ask(b"clients").unwrap());
    assert_eq!(answer, [b"Invalid command\n\0"]);
}
