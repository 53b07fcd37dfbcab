//! Lines that another process writes, each with the moment it came, and a way to wait for one.

use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// When it was read.
    pub at: Instant,
    /// Without its newline; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// All lines that have come so far; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    shared: Arc<(Mutex<Vec<Line>>, Condvar)>,
    ended: Arc<AtomicBool>,
}

impl Lines {
    /// Collects what `source` gives until it ends.
    pub fn collect(source: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let writer = lines.clone();
        std::thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut bytes = Vec::new();
            while source.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
                writer.push(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned());
                bytes.clear();
            }
            writer.ended.store(true, Ordering::Release);
        });
        lines
    }

    /// Adds a line.
    pub fn push(&self, text: String) {
        let (lines, changed) = &*self.shared;
        lines.lock().unwrap().push(Line { at: Instant::now(), text });
        changed.notify_all();
    }

    /// Waits until the source has ended; whoever inherited it may hold it open beyond `timeout`.
    pub fn wait_for_end(&self, timeout: Duration) {
        super::poll_until(timeout, || self.ended.load(Ordering::Acquire).then_some(()));
    }

    /// Whether the source has ended: nobody holds it open any more.
    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// How many lines there are: the place to wait from.
    pub fn count(&self) -> usize {
        self.shared.0.lock().unwrap().len()
    }

    /// A copy of all lines from number `from` on.
    pub fn since(&self, from: usize) -> Vec<Line> {
        self.shared.0.lock().unwrap().iter().skip(from).cloned().collect()
    }

    /// The first line from number `from` on that `wanted` accepts, with its number; `None` after `timeout`.
    pub fn wait(
        &self,
        from: usize,
        timeout: Duration,
        mut wanted: impl FnMut(&str) -> bool,
    ) -> Option<(usize, Line)> {
        let deadline = Instant::now() + timeout;
        let (lines, changed) = &*self.shared;
        let mut guard = lines.lock().unwrap();
        let mut next = from;
        loop {
            while let Some(line) = guard.get(next) {
                if wanted(&line.text) {
                    return Some((next, line.clone()));
                }
                next += 1;
            }
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            guard = changed.wait_timeout(guard, left).unwrap().0;
        }
    }

    /// Waits until there are `count` lines; false after `timeout`.
    pub fn wait_for_count(&self, count: usize, timeout: Duration) -> bool {
        count == 0 || self.wait(count - 1, timeout, |_| true).is_some()
    }

    /// All lines as one text, for a failure message.
    pub fn text(&self) -> String {
        self.since(0).iter().map(|line| format!("  {}\n", line.text)).collect()
    }
}
