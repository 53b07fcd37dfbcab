//! The last thing that happens in the machine: a shutdown for real. No init system runs there, so every polite way of
//! the shipped hooks and of the daemon fails, and the daemon must switch the machine off by itself.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::Lab;
use crate::support;

/// Its name in the results.
pub const NAME: &str = "machine_without_an_init_is_switched_off_all_the_same";

/// Does not come back if all is well.
pub fn run(lab: &Lab) {
    let unit = lab.plug("apc-back-ups-es-850g2");
    let scratch = support::Scratch::new();
    let hooks = lab.devices.join("../../packaging/hooks").canonicalize().unwrap();
    let setup = lab.setup().with("SCRIPTDIR", &hooks.display().to_string());
    let config = support::write_config(&setup, &scratch, support::free_port());
    let text = std::fs::read_to_string(&config).unwrap();
    let shutdown_is_default = |line: &&str| !line.starts_with("SHUTDOWNCMD");
    let text: String = text.lines().filter(shutdown_is_default).map(|line| format!("{line}\n")).collect();
    std::fs::write(&config, text).unwrap();
    println!("@@ {} begun", lab.scenario);
    let mut daemon =
        Command::new(&lab.program).args(["-b", "-f"]).arg(&config).stdin(Stdio::null()).spawn().unwrap();
    assert!(unit.wait_for_reads(40, support::TIMEOUT), "the daemon does not poll");
    unit.mains(false);
    unit.battery_low(true);
    let ended = support::poll_until(Duration::from_secs(120), || daemon.try_wait().unwrap());
    let events = std::fs::read_to_string(scratch.path().join("events")).unwrap_or_default();
    let _ = daemon.kill();
    let _ = daemon.wait();
    panic!("the machine still runs; the daemon: {ended:?}; events:\n{events}");
}
