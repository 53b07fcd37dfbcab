//! Signals as readiness in the loop.
#![allow(unsafe_code)]

use std::io;
use std::ptr;

use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGTERM or SIGINT, with its number: end.
    Terminate(i32),
    /// SIGCHLD: at least one child has ended.
    Child,
}

/// The signals that the daemon listens to.
pub struct Signals {
    inner: signal_hook_mio::v1_0::Signals,
}

impl std::fmt::Debug for Signals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signals")
    }
}

/// For the time before the loop: SIGHUP waits until [`Signals::new`] takes it, and a write beyond a file size limit
/// (SIGXFSZ) is an error. By default both would end the program. To be called first of all.
pub fn hold_hangup() {
    set_mask(libc::SIG_BLOCK, Some(SIGHUP));
}

/// Blocks the signal too (`SIG_BLOCK`) or none but it (`SIG_SETMASK`), and ignores SIGXFSZ: a write beyond a file size limit is an
/// error then, where its default would end the guard.
fn set_mask(how: libc::c_int, signal: Option<libc::c_int>) {
    // SAFETY: zero bits are a valid `sigset_t`, which is then emptied and outlives the calls; the others take plain numbers.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        if let Some(signal) = signal {
            libc::sigaddset(&raw mut set, signal);
        }
        libc::pthread_sigmask(how, &raw const set, ptr::null_mut());
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

impl Signals {
    /// Takes the signals over. Those that the starting process had blocked or ignored (`nohup`) count as well.
    ///
    /// # Errors
    ///
    /// What the system says; out of descriptors, most likely.
    pub fn new() -> io::Result<Self> {
        let inner = signal_hook_mio::v1_0::Signals::new([SIGHUP, SIGINT, SIGTERM, SIGCHLD])?;
        set_mask(libc::SIG_SETMASK, None);
        Ok(Self { inner })
    }

    /// Makes the loop wake for them.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.inner, token, Interest::READABLE)
    }

    /// The signals that came since the last call.
    pub fn pending(&mut self) -> impl Iterator<Item = Signal> + '_ {
        self.inner.pending().map(|number| match number {
            SIGHUP => Signal::Reload,
            SIGCHLD => Signal::Child,
            other => Signal::Terminate(other),
        })
    }
}
