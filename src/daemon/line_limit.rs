//! How often the same line is logged that somebody outside can cause.
//!
//! Two lines are the same if they differ in numbers only. The first of them are logged at once; after that one each half
//! minute, which says how many it stands for. Lines of all kinds together have a bound as well. What the user must read
//! whole does not come here: events have their own limit, and a decided shutdown, a start and a new configuration none.

use std::hash::{DefaultHasher, Hasher};
use std::time::{Duration, Instant};

use crate::ups::{Priority, RateLimit};

/// So many of the same lines at once, and one more each half minute.
const SAME: RateLimit = RateLimit::new(20, Duration::from_secs(30));
/// So many lines of all kinds at once, and one more each 2 s.
const ALL: RateLimit = RateLimit::new(300, Duration::from_secs(2));
/// Kinds of lines that are told apart at a time; when there are more, the one that has been quiet longest is forgotten.
const KINDS_MAX: usize = 32;

/// One kind of line.
#[derive(Clone, Debug)]
struct Kind {
    key: u64,
    rate_limit: RateLimit,
    seen: Instant,
    /// The last one that was left out, and how many were.
    left_out: Option<(Priority, String, u64)>,
}

/// Lets lines through, or counts them.
#[derive(Clone, Debug)]
pub struct LineLimit {
    kinds: Vec<Kind>,
    all: RateLimit,
}

impl Default for LineLimit {
    fn default() -> Self {
        Self { kinds: Vec::new(), all: ALL }
    }
}

impl LineLimit {
    /// A line: what to log of it now, if anything.
    pub fn offer(&mut self, priority: Priority, text: &str, now: Instant) -> Option<String> {
        self.offer_kind(text, priority, text, now)
    }

    /// The same for a line that is counted with all of this kind, whatever it says.
    pub fn offer_kind(&mut self, kind: &str, priority: Priority, text: &str, now: Instant) -> Option<String> {
        let key = key(kind);
        let index = self.kinds.iter().position(|kind| kind.key == key);
        let index = index.unwrap_or_else(|| self.place(key, now));
        let kind = self.kinds.get_mut(index)?;
        kind.seen = now;
        if kind.rate_limit.take(now) && self.all.take(now) {
            let before = kind.left_out.take().map_or(0, |(_, _, count)| count);
            return Some(counted(text, before));
        }
        let count = kind.left_out.take().map_or(0, |(_, _, count)| count);
        kind.left_out = Some((priority, text.to_owned(), count.saturating_add(1)));
        None
    }

    /// The next line that was left out and is due: the last of its kind, with their number.
    pub fn poll_line(&mut self, now: Instant) -> Option<(Priority, String)> {
        for kind in &mut self.kinds {
            if kind.left_out.is_none() || kind.rate_limit.next_at().is_some_and(|at| at > now) {
                continue;
            }
            if !self.all.take(now) {
                return None;
            }
            kind.rate_limit.take(now);
            let (priority, text, count) = kind.left_out.take()?;
            return Some((priority, counted(&text, count - 1)));
        }
        None
    }

    /// When [`LineLimit::poll_line`] has something; perhaps in the past.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waiting = self.kinds.iter().filter(|kind| kind.left_out.is_some());
        let due = waiting.map(|kind| kind.rate_limit.next_at().unwrap_or(kind.seen)).min()?;
        Some(self.all.next_at().map_or(due, |at| at.max(due)))
    }

    /// A place for a new kind.
    fn place(&mut self, key: u64, now: Instant) -> usize {
        let fresh = Kind { key, rate_limit: SAME, seen: now, left_out: None };
        if self.kinds.len() < KINDS_MAX {
            self.kinds.push(fresh);
            return self.kinds.len() - 1;
        }
        // One that has a word left to say is forgotten last.
        let kinds = self.kinds.iter().enumerate();
        let oldest =
            kinds.min_by_key(|(_, kind)| (kind.left_out.is_some(), kind.seen)).map_or(0, |(index, _)| index);
        if let Some(place) = self.kinds.get_mut(oldest) {
            *place = fresh;
        }
        oldest
    }
}

/// What is the same in lines that differ in numbers only.
fn key(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    for byte in text.bytes().filter(|byte| !byte.is_ascii_digit()) {
        hasher.write_u8(byte);
    }
    hasher.finish()
}

fn counted(text: &str, more: u64) -> String {
    if more == 0 {
        text.to_owned()
    } else {
        format!("{text} ({more} more like this since the last such line)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        #[allow(clippy::disallowed_methods, reason = "any moment will do; there is no other way to have one")]
        Instant::now()
    }

    const SECOND: Duration = Duration::from_secs(1);

    /// What is logged of a line each 100 ms for so long; the text by its number.
    fn logged(limit: &mut LineLimit, start: Instant, seconds: u32, text: fn(u32) -> String) -> Vec<String> {
        let mut out = Vec::new();
        for n in 0..seconds * 10 {
            let now = start + SECOND / 10 * n;
            while let Some((_, line)) = limit.poll_line(now) {
                out.push(line);
            }
            out.extend(limit.offer(Priority::Warning, &text(n), now));
        }
        out
    }

    #[test]
    fn the_same_line_comes_twenty_times_and_then_with_a_count() {
        let start = start();
        let mut limit = LineLimit::default();
        let out = logged(&mut limit, start, 61, |n| format!("hook {n} took too long"));
        assert_eq!(out.len(), 22, "{out:?}");
        assert_eq!(out[19], "hook 19 took too long");
        assert_eq!(out[20], "hook 299 took too long (279 more like this since the last such line)");
        // The last of them is told too, once.
        let end = start + SECOND * 61;
        let due = limit.poll_timeout().unwrap();
        assert!(due > end && due <= end + SECOND * 30);
        assert_eq!(limit.poll_line(end), None);
        let (_, last) = limit.poll_line(due).unwrap();
        assert!(last.starts_with("hook 609 took too long ("), "{last}");
        assert_eq!((limit.poll_line(due), limit.poll_timeout()), (None, None));
    }

    #[test]
    fn other_lines_are_not_held_up_and_all_together_have_a_bound() {
        let start = start();
        let mut limit = LineLimit::default();
        logged(&mut limit, start, 60, |_| "noise".to_owned());
        assert!(limit.offer(Priority::Notice, "something else", start + SECOND * 60).is_some());
        // A thousand kinds: letters, for numbers do not tell lines apart.
        let word = |n: u32| {
            (0..3).map(|place| char::from(b'a' + (n / 26u32.pow(place) % 26) as u8)).collect::<String>()
        };
        let mut out = 0;
        for n in 0..10_000 {
            out += usize::from(
                limit.offer(Priority::Notice, &word(n), start + SECOND * 60 + SECOND / 1000 * n).is_some(),
            );
        }
        assert!((200..=310).contains(&out), "{out} in 10 s");
        assert!(limit.kinds.len() <= KINDS_MAX);
        let mut now = start + SECOND * 70;
        let mut late = 0;
        while let Some(at) = limit.poll_timeout() {
            assert!(at <= now.max(at) + SECOND * 31);
            now = now.max(at);
            late += usize::from(limit.poll_line(now).is_some());
            assert!(late <= KINDS_MAX);
        }
        assert!(late > 0, "the last ones are told");
    }
}
