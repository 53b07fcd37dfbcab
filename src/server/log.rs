//! Lines for the log, so few that nobody can fill a disk from the network.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::ups::Priority;

/// Least time between two lines of one kind that clients can cause.
const REPEAT_INTERVAL: Duration = Duration::from_secs(60);
/// Lines kept until somebody takes them; more are dropped.
const PEERS_MAX: usize = 32;

/// What clients can cause to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A source outside NISALLOW.
    Refused,
    /// NISMAXCLIENTS reached.
    Full,
    /// No file descriptor left.
    NoFiles,
}

/// Lines that wait to be logged.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: VecDeque<(Priority, String)>,
    kinds: [Limit; 3],
}

#[derive(Debug, Default)]
struct Limit {
    said_at: Option<Instant>,
    unsaid: u64,
}

impl Log {
    /// Logs a line.
    pub fn say(&mut self, priority: Priority, line: String) {
        if self.lines.len() < PEERS_MAX {
            self.lines.push_back((priority, line));
        }
    }

    /// Logs a line that clients can cause at will: one a minute, with the number of those left out since.
    pub fn say_rarely(&mut self, kind: Kind, now: Instant, line: impl FnOnce() -> String) {
        let limit = match &mut self.kinds {
            [refused, full, files] => match kind {
                Kind::Refused => refused,
                Kind::Full => full,
                Kind::NoFiles => files,
            },
        };
        if limit.said_at.is_some_and(|at| now.saturating_duration_since(at) < REPEAT_INTERVAL) {
            limit.unsaid = limit.unsaid.saturating_add(1);
            return;
        }
        limit.said_at = Some(now);
        let unsaid = std::mem::take(&mut limit.unsaid);
        let mut line = line();
        if unsaid > 0 {
            line.push_str(&format!(" ({unsaid} more like this since the last such line)"));
        }
        self.say(Priority::Warning, line);
    }

    /// The next line.
    pub fn poll(&mut self) -> Option<(Priority, String)> {
        self.lines.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_makes_one_line_a_minute_that_counts_the_rest() {
        let mut log = Log::default();
        #[allow(clippy::disallowed_methods)]
        let start = Instant::now();
        for second in 0..61 {
            log.say_rarely(Kind::Refused, start + Duration::from_secs(second), || "refused".into());
        }
        log.say_rarely(Kind::Full, start, || "full".into());
        let lines: Vec<String> = std::iter::from_fn(|| log.poll()).map(|(_, line)| line).collect();
        assert_eq!(lines, ["refused", "refused (59 more like this since the last such line)", "full"]);
    }

    #[test]
    fn lines_that_nobody_takes_are_bounded() {
        let mut log = Log::default();
        for _ in 0..1000 {
            log.say(Priority::Info, "line".into());
        }
        assert_eq!(std::iter::from_fn(|| log.poll()).count(), PEERS_MAX);
    }
}
