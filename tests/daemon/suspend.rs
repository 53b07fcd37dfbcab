//! A machine that is suspended and resumed, as far as a daemon can tell: the boot-time clock has run on.
//!
//! That the resume itself wakes the loop shows in the virtual machine (`tests/ci/vm.rs`).

use std::time::Duration;

use crate::support::{Asleep, Daemon, Scratch, Setup, TIMEOUT, play_in};

/// Plays the script to a daemon on a machine that can sleep.
fn play(script: &str, setup: Setup) -> (Daemon, Asleep) {
    let scratch = Scratch::new();
    let library = Asleep::library(scratch.path());
    let (asleep, setup) = Asleep::awake(&library, &scratch, setup.with("NOLOGON", "disable"));
    (play_in(script, setup, scratch), asleep)
}

/// One process: the clock of the test is a file, which a process without rights cannot open.
fn setup() -> Setup {
    Setup::new("test").with("PRIVSEP", "off")
}

#[test]
fn a_resume_looks_at_the_ups_long_before_the_next_poll() {
    // Mains fails while the machine sleeps, and this UPS does not say so by itself.
    let (daemon, asleep) = play("0 alerts off\n4 mains off", setup().with("POLLTIME", "600"));
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let hook = daemon.hooks().wait(0, Duration::from_secs(5), |_| true);
    assert!(hook.is_none(), "it has looked by itself: {}", daemon.describe());
    asleep.slept(7200);
    // A client is as good a reason to wake as any.
    daemon.status();
    daemon.wait_for_hook("powerout", TIMEOUT);
    daemon.wait_for_output("The machine slept for ", TIMEOUT);
}

#[test]
fn sleep_on_battery_moves_no_timer_and_mains_that_is_back_is_seen_first() {
    let setup = setup().with("TIMEOUT", "600").with("POLLTIME", "600");
    let (daemon, asleep) = play("0 lapse 0\n2 mains off\n6 alerts off\n7 mains on", setup);
    daemon.wait_for_hook("onbattery", TIMEOUT);
    asleep.slept(5 * 3600);
    daemon.status();
    daemon.wait_for_output("The machine slept for ", TIMEOUT);
    daemon.wait_for_hook("mainsback", TIMEOUT);
    assert!(!daemon.events().contains(&"timeout".to_owned()), "{}", daemon.describe());
    let status = daemon.status();
    let seconds =
        status.get("CUMONBATT").and_then(|value| value.strip_suffix(" Seconds")?.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| seconds < 120), "{}", status.text());
}
