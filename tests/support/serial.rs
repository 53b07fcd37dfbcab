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

/// Another program that has this serial port open, without lock and exclusive mode. Dropped, it is ended, also by a test that fails.
pub struct OtherProgram(Child);

impl OtherProgram {
    /// Opens the port.
    pub fn start(port: &Path) -> Self {
        let open = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NOCTTY).open(port).unwrap();
        Self(Command::new("sleep").arg("1000").stdin(open).spawn().unwrap())
    }

    /// Opens the port and is named in this lock file, as minicom does it.
    pub fn start_with_lock(port: &Path, lock: &Path) -> Self {
        let other = Self::start(port);
        std::fs::write(lock, format!("{:10}\n", other.id())).unwrap();
        other
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for OtherProgram {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
