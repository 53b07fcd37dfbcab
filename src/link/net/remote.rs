//! Whether a master is shutting down, as it says.

use std::time::{Duration, Instant};

/// A shutdown that a master announces, or takes back, is asked about again after this, and believed if that says the same.
const SAID_AGAIN: Duration = Duration::from_millis(250);
/// Answers closer together than this are one word: the master may be about to say the other thing.
const APART: Duration = Duration::from_millis(200);
/// Without any answer it is believed after this: a master that goes down may have no time to say it twice.
const SAID_LAST: Duration = Duration::from_secs(2);

/// What is believed of the master's shutdown: what it says twice, or says and then falls silent.
#[derive(Debug, Default)]
pub(super) struct RemoteShutdown {
    believed: bool,
    /// The master has said the opposite, at this moment for the first time.
    said: Option<Instant>,
    /// When it is asked about that again; `None`: it has been.
    ask_at: Option<Instant>,
}

impl RemoteShutdown {
    /// The master says that it shuts down, or does not say it. What is believed from now on, if that has changed.
    pub(super) fn note(&mut self, says: bool, now: Instant) -> Option<bool> {
        if says == self.believed {
            (self.said, self.ask_at) = (None, None);
            return None;
        }
        match self.said {
            Some(said) if now.saturating_duration_since(said) >= APART => return Some(self.turn()),
            Some(_) => {}
            None => (self.said, self.ask_at) = (Some(now), Some(now + SAID_AGAIN)),
        }
        None
    }

    /// Since it was asked last, it has said both.
    pub(super) const fn note_contradiction(&mut self) {
        self.said = None;
    }

    /// What is believed from now on, if that has changed because nothing more was said.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<bool> {
        self.until().is_some_and(|at| at <= now).then(|| self.turn())
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub(super) fn until(&self) -> Option<Instant> {
        self.said.map(|said| said + SAID_LAST)
    }

    /// When the master is to be asked again.
    pub(super) const fn ask_at(&self) -> Option<Instant> {
        self.ask_at
    }

    /// It is asked.
    pub(super) const fn asked(&mut self) {
        self.ask_at = None;
    }

    const fn turn(&mut self) -> bool {
        *self = Self { believed: !self.believed, said: None, ask_at: None };
        self.believed
    }
}
