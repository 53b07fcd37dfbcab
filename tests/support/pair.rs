//! A master at a serial UPS and its slave at the other end of a wire, both the real program.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::PathBuf;

use super::smart::{Generation, Smart, Unit};
use super::{Daemon, Relay, Scratch, Setup, TIMEOUT, Wire, free_port};

/// The master, its UPS, its slave.
pub struct Pair {
    pub ups: Option<Smart>,
    device: PathBuf,
    setup: Setup,
    port: u16,
    /// `None` once killed.
    pub master: Option<Daemon>,
    pub slave: Daemon,
    pub relay: Relay,
    _ports: Scratch,
}

impl Pair {
    /// Both on line, with their own limits off; these change the configurations.
    pub fn new(wire: Wire, master: impl FnOnce(Setup) -> Setup, slave: impl FnOnce(Setup) -> Setup) -> Self {
        let ports = Scratch::new();
        let device = ports.path().join("ttyS0");
        let ups = Some(Smart::start(Generation::Third, &device, false));
        let setup = no_limits(Setup::new("apcsmart")).with("UPSCABLE", "smart").with("UPSNAME", "simups");
        let setup = master(setup.with("DEVICE", &device.display().to_string()));
        let port = free_port();
        let master = Daemon::start_in(&setup, Scratch::new(), port);
        master.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
        let master = Some(master);
        let relay = Relay::start(([127, 0, 0, 1], port).into(), wire);
        let slave = Daemon::start(&slave(slave_of(&relay.device())));
        let pair = Self { ups, device, setup, port, master, slave, relay, _ports: ports };
        pair.follows();
        pair
    }

    /// Waits until the slave is on line.
    pub fn follows(&self) {
        self.slave.wait_for_status(|status| status.is("STATUS", "ONLINE SLAVE"), TIMEOUT);
    }

    /// Changes the UPS.
    pub fn ups(&self, change: impl FnOnce(&mut Unit)) {
        change(&mut self.ups.as_ref().unwrap().unit());
    }

    /// Ends the master as a crash does.
    pub fn kill_master(&mut self) {
        self.master = None;
    }

    /// Starts it again, with its UPS on mains and plugged in anew: a pseudo-terminal stays reserved for a program that
    /// was killed; a real port does not.
    pub fn restart_master(&mut self) {
        self.ups = None;
        self.ups = Some(Smart::start(Generation::Third, &self.device, false));
        self.master = Some(Daemon::start_in(&self.setup, Scratch::new(), self.port));
    }
}

/// A slave of the master at `device` with its own limits off; NETTIMEOUT is that of apcupsd, after five checks.
pub fn slave_of(device: &str) -> Setup {
    let setup = no_limits(Setup::new("net")).with("UPSCABLE", "ether").with("DEVICE", device);
    setup.with("UPSNAME", "").with("NOLOGON", "disable").with("NETTIMEOUT", "4")
}

fn no_limits(setup: Setup) -> Setup {
    setup.with("BATTERYLEVEL", "-1").with("MINUTES", "-1")
}
