//! What black-box tests of the real program share: scratch folders, a daemon with logging hooks, an awaitable
//! line log, and a client of port 3551. Simulated USB devices live in `usbip/`.
//!
//! Nothing here can shut a machine down: the hooks and the SHUTDOWNCMD of every configuration that
//! [`Daemon`] writes only log their arguments.
//!
//! ```no_run
//! mod support;
//! use support::{Daemon, Setup};
//!
//! let daemon = Daemon::start(&Setup::new("test"));
//! daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), support::TIMEOUT);
//! daemon.wait_for_hook("powerout", support::TIMEOUT);
//! let end = daemon.terminate();
//! assert!(end.status.success(), "{end:?}");
//! ```
#![allow(dead_code, unused_imports, reason = "each test file uses its own part of the harness")]
#![allow(clippy::disallowed_methods, reason = "tests drive real processes by the real clock")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test helper fails its test by panicking"
)]

pub mod access;
pub mod answering;
mod asleep;
pub mod attack;
pub mod both;
pub mod c_compiler;
pub mod cable;
mod capture;
pub mod control_session;
pub mod corpus;
mod daemon;
mod fake_time;
pub mod faults;
mod held;
pub mod hook_scripts;
pub mod hostile_master;
pub mod last_hook;
mod lines;
pub mod modbus;
pub mod net_session;
mod nis;
pub mod nis_session;
pub mod openwrt;
pub mod pair;
pub mod pcnet;
mod ports;
pub mod power_steps;
mod processes;
pub mod random;
mod relay;
pub mod runner;
mod scratch;
pub mod script_dir;
mod serial;
pub mod serial_ups;
pub mod served;
mod simulated;
pub mod smart;
pub mod snmp;
pub mod story;
pub mod terminal;
pub mod usbip;
pub mod wall_clock;

pub use asleep::Asleep;
pub use capture::Capture;
pub use daemon::{
    Daemon, End, Finished, Setup, logged, relay, run, run_program, run_program_for, write_config,
};
pub use fake_time::FakeTime;
pub use held::Held;
pub use lines::{Line, Lines};
pub use nis::{Nis, Status};
pub use ports::{free_port, free_port_for_dry_run};
pub use processes::{FILES, MAIN, OUTPUT, is_there, role_of, send_signal, stop};
pub use relay::{Relay, Wire};
pub use scratch::Scratch;
pub use serial::{OtherProgram, Serial};
pub use simulated::{play, play_in};

use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait for what normally takes milliseconds: far beyond a loaded machine's worst case, so that only a
/// defect exceeds it.
pub const TIMEOUT: Duration = Duration::from_secs(90);

/// The text of a file once it holds this: a writer of the daemon's has its own time.
pub fn wait_for_file(path: &std::path::Path, holds: impl Fn(&str) -> bool) -> String {
    let read = || std::fs::read_to_string(path).unwrap_or_default();
    let found = poll_until(TIMEOUT, || Some(read()).filter(|text| holds(text)));
    found.unwrap_or_else(|| panic!("{}: {}", path.display(), read()))
}

/// Waits for `look` to give something; `None` at the deadline. Only for what no event announces.
pub fn poll_until<T>(timeout: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = std::time::Instant::now() + timeout;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if std::time::Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The first of five attempts that is good, else the last. For what a busy machine spoils: a simulated UPS is slower there than a
/// real one may be.
pub fn attempt<T>(mut act: impl FnMut() -> T, is_good: impl Fn(&T) -> bool) -> T {
    let good = (0..4).map(|_| act()).find(is_good);
    good.unwrap_or_else(act)
}

/// Whether something took longer than `limit` on a machine that is not overloaded. A busy one can be ten times slower than
/// an idle one, so beyond the limit the start of a small program is the measure.
pub fn is_slow(took: Duration, limit: Duration) -> bool {
    if took < limit {
        return false;
    }
    // What held it up may be over by now: it is in the load of the last minute.
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let times = if load > 3.0 * f64::from(u32::try_from(processors).unwrap_or(1)) { 5 } else { 1 };
    let began = std::time::Instant::now();
    let _ = std::process::Command::new("true").status();
    took >= limit * times + began.elapsed() * 20
}

/// The state files in a folder of daemons' own files.
pub fn state_files(run: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(run.join("state")).unwrap().map(|entry| entry.unwrap());
    // One that is being written begins with a dot.
    let done = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    done.map(|entry| entry.path()).collect()
}

/// The manual pages.
pub fn manual_pages() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let mut pages: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    pages
}
