//! A daemon on a simulated UPS.

use super::{Daemon, Scratch, Setup, free_port};

/// Starts the daemon on a simulated UPS to which `script` happens (mainsd-simulated(7)); times count from its start.
pub fn play(script: &str, setup: Setup) -> Daemon {
    play_in(script, setup, Scratch::new())
}

/// The same in a folder that exists: a second run after a first.
pub fn play_in(script: &str, setup: Setup, scratch: Scratch) -> Daemon {
    let path = scratch.file("script", script);
    Daemon::start_in(&setup.with("DEVICE", &path.display().to_string()), scratch, free_port())
}
