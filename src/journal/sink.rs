//! A place to write to that can hang, each the business of a process of its own.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, RawFd};

use super::files::Files;
use super::output::{DebugTarget, Output};
use super::state::BootClock;
use super::system_log::SystemLog;
use crate::sys::role::Streams;
use crate::wire::role::{FromWriter, ToWriter};

/// What one writer writes to. What it does may wait; so it is done in a role, or in the loop if there can be none.
#[derive(Debug)]
pub enum Sink {
    /// The system log.
    SystemLog(SystemLog),
    /// Standard error and debug output.
    Output(Output),
    /// Events file, status file, state file.
    Files(Box<Files>),
}

impl Sink {
    /// The name of its process, as `ps` shows it.
    #[must_use]
    pub const fn process_name(&self) -> &'static CStr {
        match self {
            Self::SystemLog(_) => c"mainsd: syslog",
            Self::Output(_) => c"mainsd: output",
            Self::Files(_) => c"mainsd: writer",
        }
    }

    /// Its number: 0 files, 1 system log, 2 standard error and debug output.
    #[must_use]
    pub const fn number(&self) -> u8 {
        match self {
            Self::Files(_) => 0,
            Self::SystemLog(_) => 1,
            Self::Output(_) => 2,
        }
    }

    /// What it writes, for a sentence.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SystemLog(_) => "the system log",
            Self::Output(_) => "standard error and debug output",
            Self::Files(_) => "events, status and state file",
        }
    }

    /// What its process needs of the standard streams.
    #[must_use]
    pub fn streams(&self) -> Streams {
        match self {
            Self::Output(output) if output.uses_streams() => Streams::Output,
            Self::SystemLog(_) | Self::Output(_) | Self::Files(_) => Streams::Null,
        }
    }

    /// The descriptor that its process needs, beside the standard streams.
    #[must_use]
    pub fn kept(&self) -> Option<RawFd> {
        match self {
            Self::Output(Output { debug: Some(DebugTarget::File(file)), .. }) => Some(file.as_raw_fd()),
            Self::SystemLog(_) | Self::Output(_) => None,
            Self::Files(files) => files.kept(),
        }
    }

    /// A process has it now: nothing of it stays open here, for to close a file can wait for its disk.
    pub fn hand_over(&mut self) {
        if let Self::Files(files) = self {
            if let Some(state) = files.state() {
                state.hand_over_lock();
            }
        }
    }

    /// Closes what the next message opens again: a process that is to be started would find the numbers of closed descriptors.
    pub fn close_opened(&mut self) {
        match self {
            Self::Files(files) => files.close_opened(),
            Self::SystemLog(log) => log.close_opened(),
            Self::Output(_) => {}
        }
    }

    /// Does what comes before the first message.
    pub fn begin(&mut self) {
        if let Self::Files(files) = self {
            files.begin();
        }
    }

    /// Writes what could not be written; true: nor can it be now.
    pub fn try_again(&mut self, clock: BootClock) -> bool {
        match self {
            Self::Files(files) => files.state().is_some_and(|state| state.try_again(clock)),
            Self::SystemLog(_) | Self::Output(_) => false,
        }
    }

    /// Does what a message says; `tell` takes what there is to say.
    pub fn handle(&mut self, message: &ToWriter<'_>, clock: BootClock, tell: &mut dyn FnMut(FromWriter<'_>)) {
        match (self, message) {
            (Self::Files(files), message) => files.handle(message, clock, tell),
            (Self::SystemLog(log), ToWriter::Line { priority, unix, text }) => {
                log.write(*priority, *unix, text)
            }
            (Self::Output(output), ToWriter::Line { unix, text, .. }) => output.write(*unix, text),
            (Self::Output(Output { debug: Some(target), .. }), ToWriter::Debug(text)) => target.write(text),
            _ => {}
        }
    }
}
