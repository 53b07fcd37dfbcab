//! What is done to the daemon, and when.

/// What is done.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// SIGKILL to the helper, and a restart so many seconds later.
    Kill(f64),
    /// SIGTERM, and a restart so many seconds later.
    Terminate(f64),
    /// SIGSTOP to helper and main process.
    Stop,
    /// SIGCONT to both.
    Continue,
    /// A burst of SIGHUP; before it the configuration is broken, or mended.
    Reload(bool),
    /// A limit, as prlimit(1) has it.
    Limit(&'static str),
    /// As many clients as there are, then no descriptor more.
    NoDescriptors,
    /// The wall clock, so many seconds from the true time.
    Clock(f64),
    /// The role of this name is sent this signal, which ends it.
    EndRole(&'static str, &'static str),
    /// The main process is stopped until the helper ends it.
    HangMain,
    /// The writer of this name is stopped.
    StopWriter(&'static str),
    /// All writers that were stopped go on.
    ContinueWriters,
}

/// When.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// In the story's seconds.
    At(f64),
    /// So many seconds after this line of the log, or the hook of this event, in the outage that decides. Without it, never.
    Said(&'static str, f64),
    /// So many seconds after the act before this one, and each role that was ended is back.
    After(f64),
    /// With the act before this one.
    AtOnce,
}
