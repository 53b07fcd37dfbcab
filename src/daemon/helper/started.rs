//! Whether the shutdown that a main process asks for was started already, before it was there.

use std::time::{Duration, Instant};

/// The shutdown that was started last.
#[derive(Debug, Default)]
pub struct Started {
    /// By what, and when.
    last: Option<(String, Instant)>,
    /// It was decided before the main process that runs, which decides by itself and cannot know.
    is_former: bool,
}

impl Started {
    /// It was started by this.
    pub fn note(&mut self, what: &str, now: Instant) {
        self.last = Some((what.to_owned(), now));
    }

    /// Whether one was started since it was asked for last.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        self.last.is_some()
    }

    /// The next main process does not know that a shutdown was decided. It may still be under way, and be started before that
    /// one asks.
    pub const fn note_former(&mut self) {
        self.is_former = true;
    }

    /// Whether it was decided before the main process that runs.
    #[must_use]
    pub const fn is_former(&self) -> bool {
        self.is_former
    }

    /// What was decided is over: what will be asked for is a shutdown of its own.
    pub const fn note_undecided(&mut self) {
        self.is_former = false;
    }

    /// Whether what was decided before has been started, and has this long to happen.
    #[must_use]
    pub fn stands(&self, grace: Duration, now: Instant) -> bool {
        let happens = |(_, at): &(String, Instant)| now.saturating_duration_since(*at) < grace;
        self.is_former && self.last.as_ref().is_some_and(happens)
    }

    /// A main process asks for it. By what it was started, if it stands; else it is to be started.
    pub fn ask(&mut self, grace: Duration, now: Instant) -> Option<&str> {
        let stands = self.stands(grace, now);
        self.is_former = false;
        self.last.take_if(|_| !stands);
        self.last.as_ref().map(|(what, _)| what.as_str())
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "any moment will do")]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(300);

    #[test]
    fn what_was_decided_before_a_main_process_is_not_started_again_for_it_within_its_grace() {
        let now = Instant::now();
        let mut started = Started::default();
        assert_eq!(started.ask(GRACE, now), None);
        // The one before it ends while the hook runs, and the hook ends before this one asks.
        started.note_former();
        started.note("hook", now);
        assert!(started.stands(GRACE, now));
        assert_eq!(started.ask(GRACE, now + GRACE / 2), Some("hook"));
        assert_eq!(started.ask(GRACE, now + GRACE / 2), None, "it has waited for it, and asks again");
    }

    #[test]
    fn a_shutdown_that_had_its_time_or_is_for_another_outage_is_started_again() {
        let now = Instant::now();
        let mut started = Started::default();
        started.note("hook", now);
        assert!(!started.stands(GRACE, now), "it was called off");
        started.note_former();
        assert!(!started.stands(GRACE, now + GRACE));
        started.note_undecided();
        assert_eq!(started.ask(GRACE, now), None, "mains was back since");
        started.note("hook", now);
        started.note_former();
        assert_eq!(started.ask(GRACE, now + GRACE), None, "the grace ended before it asked");
    }
}
