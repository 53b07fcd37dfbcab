//! Steps of the wall clock in an outage.

use std::time::Duration;

use crate::support::runner::{Group, Needs, tests};
use crate::support::wall_clock::{self, WallClock};
use crate::support::{Scratch, Setup, TIMEOUT, play_in};

pub const TESTS: Group = Group {
    needs: Needs::Machine("libfaketime (Debian: faketime)", || wall_clock::library().is_some()),
    tests: tests![
        steps_of_the_wall_clock_forward_move_no_timer,
        steps_of_the_wall_clock_backward_move_no_timer,
    ],
    ..Group::new(module_path!())
};

/// As recorded, where a step forward shut the machine down at once, and one backward suspended every limit.
fn outage_over_steps(steps: [f64; 2]) {
    let scratch = Scratch::new();
    let clock = WallClock::right(scratch.path());
    // One process: the library reads the time from a file, which a process without rights cannot open.
    let setup = Setup::new("test").with("PRIVSEP", "off").with("NOLOGON", "disable").with("TIMEOUT", "4");
    let setup = clock.environment().iter().fold(setup, |setup, (name, value)| setup.environment(name, value));
    let daemon = play_in("0 lapse 0\n2 mains off", setup, scratch);
    let powerout = daemon.wait_for_hook("powerout", TIMEOUT);
    clock.set(steps[0]);
    daemon.wait_for_hook("onbattery", TIMEOUT);
    clock.set(steps[1]);
    let timeout = daemon.wait_for_hook("timeout", TIMEOUT);
    // ONBATTERYDELAY 1, TIMEOUT 4; the moments are those at which this test read the hooks.
    let took = timeout.at.duration_since(powerout.at);
    assert!(took > Duration::from_secs(2), "{took:?}; {}", daemon.describe());
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    let status = daemon.wait_for_status(|status| status.is("STATUS", "SHUTTING DOWN"), TIMEOUT);
    let seconds = status.get("TONBATT").and_then(|value| value.strip_suffix(" Seconds")?.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| (4..120).contains(&seconds)), "{}", status.text());
    // The wall clock did step: what is only shown follows it.
    daemon.wait_for_logged("Initiating system shutdown!");
    let log = std::fs::read_to_string(daemon.dir().join("events")).unwrap();
    let hour = |text: &str| log.lines().find(|line| line.ends_with(text)).map(|line| line[11..13].to_owned());
    assert_ne!(hour("Power failure."), hour("Initiating system shutdown!"), "{log}");
}

fn steps_of_the_wall_clock_forward_move_no_timer() {
    outage_over_steps([5.0 * 3600.0, 17.0 * 3600.0]);
}

fn steps_of_the_wall_clock_backward_move_no_timer() {
    outage_over_steps([-5.0 * 3600.0, -17.0 * 3600.0]);
}
