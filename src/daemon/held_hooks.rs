//! Hooks that wait until the events file has the lines before them: a hook that reads it finds the line of its event.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::act::HookArgs;
use crate::ups::Event;

/// How long a hook waits at most.
const HOLD_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Held {
    /// The line that it waits for.
    line: u64,
    until: Instant,
    event: Event,
    args: HookArgs,
}

/// The hooks, in order.
#[derive(Debug, Default)]
pub struct HeldHooks {
    held: VecDeque<Held>,
}

impl HeldHooks {
    /// Holds a hook until this line is in the events file.
    pub fn hold(&mut self, event: Event, args: HookArgs, line: u64, now: Instant) {
        self.held.push_back(Held { line, until: now + HOLD_TIMEOUT, event, args });
    }

    /// The next hook to be run; `is_past`: whether a line is in the file, or not worth waiting for.
    pub fn poll(&mut self, now: Instant, is_past: impl Fn(u64) -> bool) -> Option<(Event, HookArgs)> {
        let first = self.held.front()?;
        if first.until <= now || is_past(first.line) { self.release() } else { None }
    }

    /// The next hook, whatever it waits for.
    pub fn release(&mut self) -> Option<(Event, HookArgs)> {
        let Held { event, args, .. } = self.held.pop_front()?;
        Some((event, args))
    }

    /// When the next one is run at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.held.front().map(|first| first.until)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "any moment will do")]
mod tests {
    use super::*;

    fn args() -> HookArgs {
        HookArgs { ups_name: "ups".to_owned(), connected: true, powered: true }
    }

    #[test]
    fn a_hook_waits_for_its_line_and_for_a_second_at_most_and_none_overtakes_another() {
        let now = Instant::now();
        let mut hooks = HeldHooks::default();
        hooks.hold(Event::PowerOut, args(), 3, now);
        hooks.hold(Event::OnBattery, args(), 2, now + HOLD_TIMEOUT / 2);
        let poll = |hooks: &mut HeldHooks, after: Duration, done: u64| {
            hooks.poll(now + after, |line| line <= done).map(|(event, _)| event)
        };
        let ms = Duration::from_millis;
        assert_eq!(poll(&mut hooks, ms(999), 2), None, "the second would overtake the first");
        assert_eq!(hooks.poll_timeout(), Some(now + HOLD_TIMEOUT));
        assert_eq!(poll(&mut hooks, ms(999), 3), Some(Event::PowerOut));
        assert_eq!(poll(&mut hooks, ms(999), 3), Some(Event::OnBattery));
        assert_eq!(hooks.poll_timeout(), None);
        hooks.hold(Event::PowerOut, args(), 3, now);
        assert_eq!(poll(&mut hooks, ms(1000), 0), Some(Event::PowerOut));
        hooks.hold(Event::PowerOut, args(), 3, now);
        assert_eq!(hooks.release().map(|(event, _)| event), Some(Event::PowerOut));
    }
}
