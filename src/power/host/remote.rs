//! Whether the shutdown is ordered from outside: a master says that it shuts down, or that it does not.

use std::time::{Duration, Instant};

/// A master that says the opposite of what is believed is asked again after this, and believed if that says the same.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(250);
/// Answers closer together than this are one word: the master may be about to say the other thing.
const SAME_WORD_WINDOW: Duration = Duration::from_millis(200);
/// Without any answer it is believed after this: a master that goes down may have no time to say it twice.
const SILENCE_CONFIRMS_AFTER: Duration = Duration::from_secs(2);

/// The order, and what waits for a second word.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RemoteOrder {
    stands: bool,
    /// The opposite has been said, at this moment for the first time.
    said: Option<Instant>,
    /// When to ask about that; `None`: it has been asked.
    ask_at: Option<Instant>,
}

impl RemoteOrder {
    /// The order is given.
    pub(super) const fn stands(&self) -> bool {
        self.stands
    }

    /// The order is given, or is not. True if that is believed from now on and was not before; it takes a second word of the
    /// same unless `at_once`.
    pub(super) fn note(&mut self, says: bool, at_once: bool, now: Instant) -> bool {
        if says == self.stands {
            (self.said, self.ask_at) = (None, None);
            return false;
        }
        let again = self.said.is_some_and(|said| now.saturating_duration_since(said) >= SAME_WORD_WINDOW);
        if at_once || again {
            self.turn();
            return true;
        }
        if self.said.is_none() {
            (self.said, self.ask_at) = (Some(now), now.checked_add(ASK_AGAIN_AFTER));
        }
        false
    }

    /// The opposite of what is believed has been said, and nothing after it until [`Self::last_at`]: what is believed from now
    /// on.
    pub(super) const fn turn(&mut self) -> bool {
        *self = Self { stands: !self.stands, said: None, ask_at: None };
        self.stands
    }

    /// When one word alone is believed.
    pub(super) fn last_at(&self) -> Option<Instant> {
        self.said?.checked_add(SILENCE_CONFIRMS_AFTER)
    }

    /// When to ask again.
    pub(super) const fn ask_at(&self) -> Option<Instant> {
        self.ask_at
    }

    /// It is asked.
    pub(super) const fn asked(&mut self) {
        self.ask_at = None;
    }
}
