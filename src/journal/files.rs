//! Events file, status file and state file, as a writer has them.

use std::os::fd::RawFd;
use std::path::PathBuf;

use super::events::{EventsFile, end_of_events};
use super::state::{BootClock, StateFile};
use super::status::StatusFile;
use crate::sys::clock;
use crate::ups::{MAX_LINE, Priority};
use crate::wire::nis::MAX_EVENTS_FILE_END;
use crate::wire::role::{FromWriter, ToWriter};

/// Longest status text that is put together, in bytes; one has some 2 KiB.
const MAX_STATUS: usize = 64 * 1024;

/// Settings of the files. Directive names in brackets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesSettings {
    /// [EVENTSFILE]
    pub events: Option<PathBuf>,
    /// [EVENTSFILEMAX] KiB; 0: never trimmed.
    pub events_max: u64,
    /// [STATFILE]
    pub status: Option<PathBuf>,
    /// [STATTIME] is not 0: the status file is written, else one that is left is removed.
    pub has_status: bool,
}

/// The files.
#[derive(Debug)]
pub struct Files {
    settings: FilesSettings,
    events: Option<EventsFile>,
    status: Option<StatusFile>,
    state: Option<StateFile>,
    status_text: String,
}

impl Files {
    /// Touches nothing.
    #[must_use]
    pub fn new(settings: FilesSettings, state: Option<StateFile>) -> Self {
        let max = settings.events_max.saturating_mul(1024);
        let events = settings.events.as_deref().map(|path| EventsFile::new(path, max));
        let status = settings.status.as_deref().filter(|_| settings.has_status).map(StatusFile::new);
        Self { settings, events, status, state, status_text: String::new() }
    }

    /// Takes new settings; the state file stays.
    pub fn reconfigure(&mut self, settings: FilesSettings) {
        *self = Self::new(settings, self.state.take());
    }

    /// The state file.
    pub const fn state(&mut self) -> Option<&mut StateFile> {
        self.state.as_mut()
    }

    /// The state file alone.
    #[must_use]
    pub fn into_state(self) -> Option<StateFile> {
        self.state
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &FilesSettings {
        &self.settings
    }

    /// The descriptor that holds the lock of the state file.
    pub(super) fn kept(&self) -> Option<RawFd> {
        self.state.as_ref().and_then(StateFile::lock)
    }

    /// Closes the events file until the next line.
    pub(super) fn close_opened(&mut self) {
        if let Some(events) = &mut self.events {
            events.close_opened();
        }
    }

    /// Without STATTIME a status file left from before would look like news (config §3).
    pub(super) fn begin(&mut self) {
        if let Some(state) = &mut self.state {
            state.lock_again();
        }
        if let (Some(path), false) = (&self.settings.status, self.settings.has_status) {
            let _ = StatusFile::remove(path);
        }
    }

    /// Does what a message says; `tell` takes what there is to say.
    pub(super) fn handle(
        &mut self,
        message: &ToWriter<'_>,
        clock: BootClock,
        tell: &mut dyn FnMut(FromWriter<'_>),
    ) {
        match *message {
            ToWriter::Line { priority: Priority::Info, .. } | ToWriter::Debug(_) => {}
            ToWriter::Line { unix, text, .. } => {
                let local = clock::local_of(unix);
                let trouble = self.events.as_mut().and_then(|events| events.append(&local, text));
                say(trouble, true, tell);
            }
            ToWriter::Status { last, text } => {
                if self.status_text.len() <= MAX_STATUS {
                    self.status_text.push_str(text);
                }
                if last {
                    let text = std::mem::take(&mut self.status_text);
                    say(self.status.as_mut().and_then(|file| file.write(&text)), false, tell);
                }
            }
            ToWriter::Saved(ref saved) => {
                say(self.state.as_mut().and_then(|file| file.put(saved, clock)), false, tell);
            }
            ToWriter::Trim => say(self.events.as_mut().and_then(EventsFile::trim), true, tell),
            ToWriter::TellEvents => self.tell_events(tell),
        }
    }

    fn tell_events(&self, tell: &mut dyn FnMut(FromWriter<'_>)) {
        let path = self.settings.events.as_deref();
        let end = path.and_then(|path| end_of_events(path, MAX_EVENTS_FILE_END).ok());
        let found = end.is_some();
        let end = end.unwrap_or_default();
        let pieces = end.chunks(MAX_LINE).count().max(1);
        // An empty file is one empty piece.
        let chunks = end.chunks(MAX_LINE).chain(end.is_empty().then_some(&[][..]));
        for (number, bytes) in chunks.enumerate() {
            tell(FromWriter::Events { first: number == 0, last: number + 1 == pieces, found, bytes });
        }
    }
}

fn say(trouble: Option<String>, events: bool, tell: &mut dyn FnMut(FromWriter<'_>)) {
    if let Some(text) = trouble {
        tell(FromWriter::Trouble { events, text: &crate::ups::one_line(&text) });
    }
}
