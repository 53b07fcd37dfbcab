//! Signals as readiness in the loop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

use super::fork::{Mask, ignore, set_mask};

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
    set_mask(Mask::And(&[SIGHUP]));
    ignore(libc::SIGXFSZ);
}

/// For a program without the loop: becomes true when SIGHUP, SIGINT or SIGTERM has come. Another one ends the program.
///
/// # Errors
///
/// What the system says.
pub fn end_flag() -> io::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))?;
        signal_hook::flag::register(signal, Arc::clone(&flag))?;
    }
    set_mask(Mask::None);
    Ok(flag)
}

impl Signals {
    /// Takes the signals over. Those that the starting process had blocked or ignored (`nohup`) count as well.
    ///
    /// # Errors
    ///
    /// What the system says; out of descriptors, most likely.
    pub fn new() -> io::Result<Self> {
        let inner = signal_hook_mio::v1_0::Signals::new([SIGHUP, SIGINT, SIGTERM, SIGCHLD])?;
        set_mask(Mask::None);
        ignore(libc::SIGXFSZ);
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
