//! A daemon at a serial UPS: what happens to the UPS happens when the test says so.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

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

/// Another program that has this serial port open and names itself in this lock file, as minicom does; it has neither lock nor
/// exclusive mode. Not ended by itself.
pub fn other_program(port: &Path, lock: &Path) -> Child {
    let open = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NOCTTY).open(port).unwrap();
    let other = Command::new("sleep").arg("1000").stdin(open).spawn().unwrap();
    std::fs::write(lock, format!("{:10}\n", other.id())).unwrap();
    other
}
