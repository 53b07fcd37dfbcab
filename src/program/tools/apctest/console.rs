//! What is typed and shown, and the record of both.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::program::out;
use crate::sys::terminal::read_within;
use crate::sys::{clock, reason, signals, trust};

/// The record, in the working directory.
const RECORD: &str = "apctest.output";
/// A signal that ends the program is seen so soon.
const TICK: Duration = Duration::from_millis(250);
/// Most that is typed ahead, in bytes.
const MAX_TYPED: usize = 4096;

/// What was typed within a time.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// A line, without the blanks around it.
    Line(String),
    /// Nothing.
    Nothing,
    /// Nothing, and nothing will be.
    End,
}

/// Where a person sits.
pub struct Console {
    record: Option<File>,
    ended: Arc<AtomicBool>,
    typed: Vec<u8>,
    is_over: bool,
}

impl Console {
    /// Opens the record; one that cannot be written is told, and there is none.
    pub fn new() -> io::Result<Self> {
        let ended = signals::end_flag()?;
        let mut console = Self { record: None, ended, typed: Vec::new(), is_over: false };
        let opened = match fs::symlink_metadata(RECORD) {
            Ok(data) if !data.is_file() => Err("it is no ordinary file".to_owned()),
            _ => trust::open_to_append(Path::new(RECORD), 0o600).map_err(|error| reason(&error)),
        };
        match opened {
            Ok(file) => console.record = Some(file),
            Err(why) => console.say(&format!("no record is kept: {RECORD}: {why}")),
        }
        Ok(console)
    }

    /// Shows a line.
    pub fn say(&mut self, text: &str) {
        self.show(&format!("{text}\n"));
    }

    /// Shows a line with the time before it.
    pub fn say_now(&mut self, text: &str) {
        self.say(&format!("{} {text}", clock::local(clock::now())));
    }

    /// Shows bytes of text.
    pub fn show(&mut self, text: &str) {
        self.note(text);
        // What nobody sees nobody answers.
        self.is_over |= out::write(text.as_bytes()).is_err();
    }

    fn note(&mut self, text: &str) {
        if let Some(record) = &mut self.record {
            let _ = record.write_all(text.as_bytes());
        }
    }

    /// Asks for a line; `None`: there will be none.
    pub fn ask(&mut self, question: &str) -> Option<String> {
        self.show(&format!("{question}: "));
        loop {
            match self.line(Duration::from_secs(3600)) {
                Typed::Line(text) => return Some(text),
                Typed::Nothing => {}
                Typed::End => return None,
            }
        }
    }

    /// A line that is typed within this time.
    pub fn line(&mut self, wait: Duration) -> Typed {
        let until = Instant::now() + wait;
        loop {
            let end = self.typed.iter().position(|byte| *byte == b'\n');
            // What is typed before the end of input is a line, too.
            let end = end.or_else(|| (self.is_over && !self.typed.is_empty()).then(|| self.typed.len() - 1));
            if let Some(end) = end {
                let line: Vec<u8> = self.typed.drain(..=end).collect();
                let text = String::from_utf8_lossy(&line).trim().to_owned();
                let typed = format!("{text}\n");
                // Only a terminal shows by itself what is typed.
                if io::stdin().is_terminal() {
                    self.note(&typed)
                } else {
                    self.show(&typed)
                }
                return Typed::Line(text);
            }
            if self.is_ended() {
                return Typed::End;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Typed::Nothing;
            }
            self.read(left.min(TICK));
        }
    }

    /// What is typed within this time, as it comes; `None`: there will be nothing.
    #[cfg(feature = "dumb")]
    pub fn keys(&mut self, wait: Duration) -> Option<Vec<u8>> {
        if self.typed.is_empty() {
            self.read(wait);
        }
        let keys = std::mem::take(&mut self.typed);
        (!keys.is_empty() || !self.is_ended()).then_some(keys)
    }

    fn is_ended(&self) -> bool {
        self.is_over || self.ended.load(Ordering::Relaxed)
    }

    fn read(&mut self, wait: Duration) {
        let mut chunk = [0; 256];
        match read_within(io::stdin().as_fd(), &mut chunk, wait) {
            Ok(Some(count)) => {
                self.is_over |= count == 0 || self.typed.len() > MAX_TYPED;
                self.typed.extend(chunk.iter().take(count));
            }
            Ok(None) => {}
            Err(error) => self.is_over |= error.kind() != ErrorKind::Interrupted,
        }
    }
}
