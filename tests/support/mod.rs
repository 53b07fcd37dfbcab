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
//! daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), support::PATIENCE);
//! daemon.wait_for_hook("powerout", support::PATIENCE);
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

mod asleep;
mod capture;
mod daemon;
mod fake_time;
mod lines;
mod nis;
mod relay;
mod scratch;
pub mod served;
pub mod siege;
mod simulated;

pub use asleep::Asleep;
pub use capture::Capture;
pub use daemon::{Daemon, End, Finished, Setup, logged, run, run_program, run_program_for, write_config};
pub use fake_time::FakeTime;
pub use lines::{Line, Lines};
pub use nis::{Nis, Status};
pub use relay::{Relay, Wire};
pub use scratch::Scratch;
pub use simulated::{play, play_in};

use std::time::Duration;

/// How long to wait for what normally takes milliseconds: far beyond a loaded machine's worst case, so that only a
/// defect exceeds it.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A port of the loopback interface that nobody listens on, and that nobody will be given by chance before a daemon
/// does: below those that the kernel gives away, each only once in this process.
pub fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(97);
    let is_free = |port: u16| {
        std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()
            && std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok()
    };
    (0..20_000)
        .map(|_| first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000)
        .filter_map(|n| u16::try_from(10_000 + n).ok())
        .find(|port| is_free(*port))
        .expect("a free port")
}

/// Waits for `look` to give something; `None` at the deadline. Only for what no event announces.
pub fn poll_until<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = std::time::Instant::now() + patience;
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

/// Runs scenarios that mostly wait all at once, each in a thread of its name, so that together they take no longer than
/// the longest; then fails with the names of those that panicked.
pub fn at_once<F: FnOnce() + Send + 'static>(scenarios: impl IntoIterator<Item = (&'static str, F)>) {
    let running: Vec<_> = scenarios
        .into_iter()
        .map(|(name, scenario)| {
            let thread = std::thread::Builder::new().name(name.to_owned());
            (name, thread.spawn(scenario).unwrap())
        })
        .collect();
    let failed: Vec<&str> =
        running.into_iter().filter_map(|(name, thread)| thread.join().is_err().then_some(name)).collect();
    assert!(failed.is_empty(), "see the panics above:\n{}", failed.join("\n"));
}

/// A test of these functions, run by [`at_once`].
#[macro_export]
macro_rules! at_once {
    ($test:ident: $($scenario:ident),+ $(,)?) => {
        #[test]
        fn $test() {
            $crate::support::at_once([$((stringify!($scenario), $scenario as fn())),+]);
        }
    };
}

/// True if this run must exercise what needs root, packages or a virtual machine. Otherwise says what is
/// skipped, and the test returns early.
pub fn in_ci(needs: &str) -> bool {
    let on = std::env::var_os("MAINSD_CI").is_some_and(|value| value == "1");
    if !on {
        println!("skipped: needs {needs}; set MAINSD_CI=1 to run it");
    }
    on
}
