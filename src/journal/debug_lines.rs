//! Debug output on its way to who prints it: said anywhere, kept in a bounded queue, printed by a writer.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ups::one_line;

/// Most bytes that wait.
const MAX_WAITING: usize = 64 * 1024;

/// The lines that wait.
#[derive(Debug)]
struct Waiting {
    lines: VecDeque<String>,
    bytes: usize,
    lost: u64,
}

static WAITING: Mutex<Waiting> = Mutex::new(Waiting { lines: VecDeque::new(), bytes: 0, lost: 0 });

fn waiting() -> MutexGuard<'static, Waiting> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes lines of debug output: each write is one. Never waits and never fails.
#[derive(Debug)]
pub struct DebugLines;

impl Write for DebugLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let line = one_line(text.trim_end_matches('\n')).into_owned();
        let mut waiting = waiting();
        if waiting.bytes + line.len() > MAX_WAITING {
            waiting.lost += 1;
        } else {
            waiting.bytes += line.len();
            waiting.lines.push_back(line);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The next line.
#[must_use]
pub fn next_debug_line() -> Option<String> {
    let mut waiting = waiting();
    if let Some(line) = waiting.lines.pop_front() {
        waiting.bytes -= line.len();
        return Some(line);
    }
    waiting.lines.shrink_to_fit();
    let lost = std::mem::take(&mut waiting.lost);
    (lost > 0).then(|| format!("{lost} lines of debug output were lost before this one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_as_they_went_in_and_what_is_too_much_is_counted() {
        write!(DebugLines, "one").unwrap();
        DebugLines.write_all(b"two\n").unwrap();
        assert_eq!(next_debug_line().as_deref(), Some("one"));
        assert_eq!(next_debug_line().as_deref(), Some("two"));
        assert_eq!(next_debug_line(), None);
        let line = "x".repeat(1024);
        for _ in 0..70 {
            DebugLines.write_all(line.as_bytes()).unwrap();
        }
        for _ in 0..64 {
            assert_eq!(next_debug_line().as_deref(), Some(&*line));
        }
        assert_eq!(next_debug_line().as_deref(), Some("6 lines of debug output were lost before this one"));
        assert_eq!(next_debug_line(), None);
    }
}
