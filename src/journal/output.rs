//! Standard error and debug output, as a writer has them.

use std::fs::File;
use std::io::{self, Write};

use crate::sys::clock;

/// Where debug output goes.
#[derive(Debug)]
pub enum DebugTarget {
    /// Standard output (`-d`).
    Stdout,
    /// A file (`-T`).
    File(File),
}

impl DebugTarget {
    /// The same for another process. `None`: no descriptor is left.
    #[must_use]
    pub fn duplicate(&self) -> Option<Self> {
        match self {
            Self::Stdout => Some(Self::Stdout),
            Self::File(file) => file.try_clone().ok().map(Self::File),
        }
    }

    /// Writes a line. One that cannot be written is lost.
    pub fn write(&mut self, text: &str) {
        let line = format!("{text}\n");
        let _ = match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush())
            }
            Self::File(file) => file.write_all(line.as_bytes()),
        };
    }
}

/// Prints lines, and waits for whoever reads them.
#[derive(Debug)]
pub struct Output {
    /// Lines of the log go to standard error; see [`super::stderr_wanted`].
    pub stderr: bool,
    /// Where lines of debug output go; `None`: there are none.
    pub debug: Option<DebugTarget>,
}

impl Output {
    /// Whether anything is to be printed.
    #[must_use]
    pub const fn is_wanted(&self) -> bool {
        self.stderr || self.debug.is_some()
    }

    /// Whether standard output or error is written to, and not only a file.
    pub(super) const fn uses_streams(&self) -> bool {
        self.stderr || matches!(self.debug, Some(DebugTarget::Stdout))
    }

    /// Prints a line of the log that was said at this moment (seconds since 1970).
    pub fn write(&self, unix: i64, text: &str) {
        if self.stderr {
            let line = format!("{}  {text}\n", clock::local_of(unix));
            let _ = io::stderr().lock().write_all(line.as_bytes());
        }
    }
}
