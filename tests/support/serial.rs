//! A daemon at a serial UPS: what happens to the UPS happens when the test says so.

use std::path::{Path, PathBuf};

use super::smart::{Generation, Smart, Unit};
use super::{Daemon, Scratch, Setup, TIMEOUT};

/// The daemon, the UPS that it watches, and the port between them.
#[derive(Debug)]
pub struct Serial {
    pub daemon: Daemon,
    pub ups: Smart,
    pub port: PathBuf,
    pub ports: Scratch,
}

impl Serial {
    /// The configuration of a daemon at this port.
    pub fn setup(port: &Path) -> Setup {
        Setup::new("apcsmart").with("DEVICE", &port.display().to_string())
    }

    /// Starts both; waits for nothing.
    pub fn start(generation: Generation, change: impl FnOnce(Setup) -> Setup) -> Self {
        let ports = Scratch::new();
        let port = ports.path().join("ttyS0");
        let ups = Smart::start(generation, &port, false);
        let daemon = Daemon::start(&change(Self::setup(&port)));
        Self { daemon, ups, port, ports }
    }

    /// Starts both, and waits until the UPS is on line.
    pub fn on_line(change: impl FnOnce(Setup) -> Setup) -> Self {
        let serial = Self::start(Generation::Third, change);
        serial.daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
        serial
    }

    /// The UPS, to be changed or looked at.
    pub fn unit(&self) -> std::sync::MutexGuard<'_, Unit> {
        self.ups.unit()
    }
}
