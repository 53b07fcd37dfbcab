//! Standard output and standard error of every program. No failure of either is a panic, and nothing that a server, a
//! device or a file has said is a command to the terminal that shows it.

use std::borrow::Cow;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use crate::sys::fs::writable_now;
use crate::sys::reason;

/// Writes all of `bytes` to standard output and gives the exit status: `status`, or 1 if they cannot be written. A reader
/// that has left early (`mainsd check | head`) is no failure.
pub fn print(program: &str, bytes: &[u8], status: ExitCode) -> ExitCode {
    let mut out = Out::new(program);
    out.write(bytes);
    out.end(status)
}

/// Standard output of a program that goes on when it cannot be written.
#[derive(Debug)]
pub struct Out<'a> {
    program: &'a str,
    failure: Option<io::Error>,
}

impl<'a> Out<'a> {
    /// `program` is what its complaint begins with.
    #[must_use]
    pub const fn new(program: &'a str) -> Self {
        Self { program, failure: None }
    }

    /// Writes a line.
    pub fn line(&mut self, text: &str) {
        self.text(&format!("{text}\n"));
    }

    /// Writes lines.
    pub fn text(&mut self, text: &str) {
        self.write(text.as_bytes());
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Err(error) = write(bytes) {
            self.failure.get_or_insert(error);
        }
    }

    /// The exit status: `status`, or 1 after a complaint if something could not be written.
    #[must_use]
    pub fn end(self, status: ExitCode) -> ExitCode {
        match self.failure {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => cannot_write(self.program, &error),
            _ => status,
        }
    }
}

/// Writes bytes to standard output.
///
/// # Errors
/// What the system says.
pub fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let bytes = if stdout.is_terminal() { harmless(bytes) } else { Cow::Borrowed(bytes) };
    stdout.write_all(&bytes).and_then(|()| stdout.flush())
}

/// Says that standard output takes nothing; the exit status for it.
pub fn cannot_write(program: &str, error: &io::Error) -> ExitCode {
    complain(&format!("{program}: cannot write: {}", reason(error)));
    ExitCode::FAILURE
}

/// Says what has failed and gives the exit status.
pub fn fail(program: &str, words: &str, status: u8) -> ExitCode {
    complain(&format!("{program}: {words}"));
    ExitCode::from(status)
}

/// Writes a line to standard error if that takes it at once: neither a full disk nor a pipe that nobody reads may keep a
/// program from its work, which may be to switch the UPS off.
pub fn complain(text: &str) {
    let stderr = io::stderr();
    if !writable_now(&stderr) {
        return;
    }
    let line = format!("{text}\n");
    let bytes = if stderr.is_terminal() { harmless(line.as_bytes()) } else { Cow::Borrowed(line.as_bytes()) };
    let _ = stderr.lock().write_all(&bytes);
}

/// The bytes as a terminal may have them: each control character but newline and tab, each one that turns the direction
/// of writing, and each byte that is no UTF-8 becomes a question mark.
fn harmless(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t')) {
        return Cow::Borrowed(bytes);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.extend(chunk.valid().chars().map(|c| if is_command(c) { '?' } else { c }));
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    Cow::Owned(text.into_bytes())
}

/// What a terminal acts upon: C0 and C1 controls, and the marks of Unicode UAX #9 by which a text can hide in another.
fn is_command(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_upon_becomes_a_question_mark_and_text_stays() {
        let table: [(&[u8], &str); 8] = [
            (b"STATUS   : ONLINE \n", "STATUS   : ONLINE \n"),
            (b"a\x1b]0;title\x07b\n", "a?]0;title?b\n"),
            (b"a\rb\tc\x08d\x7fe\x00\n", "a?b\tc?d?e?\n"),
            ("B\u{fc}ro \u{20ac}\n".as_bytes(), "B\u{fc}ro \u{20ac}\n"),
            ("a\u{9b}31mb\n".as_bytes(), "a?31mb\n"),
            (b"a\x9b31mb\n", "a?31mb\n"),
            ("a\u{202e}b\u{2066}c\n".as_bytes(), "a?b?c\n"),
            (b"cut \xe2\x82", "cut ??"),
        ];
        for (bytes, shown) in table {
            assert_eq!(String::from_utf8_lossy(&harmless(bytes)), shown, "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_become_text_without_a_command(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let shown = harmless(&bytes);
            let text = std::str::from_utf8(&shown).unwrap();
            assert!(!text.chars().any(is_command));
            assert_eq!(bytes.iter().filter(|b| **b == b'\n').count(), text.matches('\n').count());
        }
    }
}
