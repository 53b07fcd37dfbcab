//! The configuration, read again by a child: the file may be on a disk that no longer answers.
//!
//! The child looks at everything on disks that a configuration names, the file itself, the script of a simulated UPS, folders and
//! hooks, and writes what it found; nothing that it says takes the place of the parser.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry};

use super::{obstacles, token};
use crate::config::{self, Parsed};
use crate::sys::spawn::Child;
use crate::sys::{in_child, reason};

/// How long the child may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Most that is taken of it, in bytes: the longest file that is read, and what there is to say about it.
const ANSWER_BYTES_MAX: usize = 20 << 20;

/// Most children that hang before no further one is made.
const MOST_LEFT_BEHIND: usize = 4;

/// What is said of a configuration that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    /// It cannot be read; why.
    Unreadable = b'e' as isize,
    /// Something that keeps it from being used.
    Obstacle = b'o' as isize,
    /// Something about the machine that is not as the configuration needs it.
    Warning = b'w' as isize,
    /// The file, and the end of it.
    Text = b't' as isize,
}

/// A configuration that was read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub text: Vec<u8>,
    /// Lines about what keeps it from being used; empty: nothing does.
    pub obstacles: Vec<String>,
    /// Lines about what is missing on the machine.
    pub warnings: Vec<String>,
}

/// Reads a configuration again, one child at a time.
#[derive(Debug)]
pub struct Reread {
    path: PathBuf,
    /// Looks at the world that a configuration names.
    surroundings: fn(&Parsed) -> Vec<String>,
    running: Option<Running>,
    /// It was asked for once more meanwhile: the file may be another by now.
    again: bool,
    left_behind: Vec<Child>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    answer: File,
    taken: Vec<u8>,
    until: Instant,
}

impl Reread {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(path: PathBuf, surroundings: fn(&Parsed) -> Vec<String>) -> Self {
        Self { path, surroundings, running: None, again: false, left_behind: Vec::new() }
    }

    /// Begins, or remembers to begin again after the child that runs. What comes of it is told by [`Reread::poll`].
    ///
    /// # Errors
    /// Why no child can be made, in words.
    pub fn start(&mut self, registry: &Registry, now: Instant) -> Result<(), String> {
        if self.running.is_some() {
            self.again = true;
            return Ok(());
        }
        self.left_behind.retain_mut(|child| child.try_wait().is_none());
        if self.left_behind.len() >= MOST_LEFT_BEHIND {
            return Err(self.trouble("those who read it before still wait for its disk"));
        }
        let begin = || {
            let (child, answer) = in_child::start(|out| {
                // Nobody reads what cannot be written.
                let _ = look(&self.path, self.surroundings, out);
            })?;
            let fd = answer.as_raw_fd();
            registry.register(&mut SourceFd(&fd), token::REREAD, Interest::READABLE)?;
            Ok(Running { child, answer, taken: Vec::new(), until: now + READ_TIMEOUT })
        };
        let begun: io::Result<Running> = begin();
        self.running = Some(begun.map_err(|error| self.trouble(&reason(&error)))?);
        Ok(())
    }

    /// What was found, once the child has told all of it, and its own words for [`Found::parse`]; or why nothing was found, in
    /// words. Call at each turn of the loop.
    pub fn poll(&mut self, registry: &Registry, now: Instant) -> Option<Result<(Found, Vec<u8>), String>> {
        self.left_behind.retain_mut(|child| child.try_wait().is_none());
        let running = self.running.as_mut()?;
        let result = match running.take() {
            Ok(true) => {
                let taken = std::mem::take(&mut running.taken);
                let found = Found::parse(&taken).unwrap_or_else(|| Err(self.trouble("its reader was ended")));
                found.map(|found| (found, taken))
            }
            Ok(false) if now < running.until => return None,
            Ok(false) => Err(self.trouble(&format!("no answer in {} s", READ_TIMEOUT.as_secs()))),
            Err(error) => Err(self.trouble(&reason(&error))),
        };
        if let Some(running) = self.running.take() {
            let _ = registry.deregister(&mut SourceFd(&running.answer.as_raw_fd()));
            running.child.kill_group();
            self.left_behind.push(running.child);
        }
        Some(result)
    }

    /// Whether it was asked for again while the child ran; told once.
    pub fn take_again(&mut self) -> bool {
        self.running.is_none() && std::mem::take(&mut self.again)
    }

    /// When the child has had its time.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.running.as_ref().map(|running| running.until)
    }

    /// In the words of [`config::LoadError`].
    fn trouble(&self, why: &str) -> String {
        config::LoadError { path: self.path.clone(), source: io::Error::other(why.to_owned()) }.to_string()
    }
}

impl Running {
    /// Takes what there is; true: that was the end.
    fn take(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        loop {
            match self.answer.read(&mut buffer) {
                Ok(0) => return Ok(true),
                Ok(got) => self.taken.extend_from_slice(buffer.get(..got).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.taken.len() > ANSWER_BYTES_MAX {
                return Err(io::Error::other("there is no end of it"));
            }
        }
    }
}

/// What the child does.
fn look(path: &Path, surroundings: fn(&Parsed) -> Vec<String>, out: &mut impl Write) -> io::Result<()> {
    let text = match config::read(path) {
        Ok(text) => text,
        Err(error) => return put(out, Tag::Unreadable, error.to_string().as_bytes()),
    };
    let parsed = config::parse(&text, &path.to_string_lossy());
    let obstacles = obstacles(&parsed);
    for obstacle in &obstacles {
        put(out, Tag::Obstacle, obstacle.diagnostic.to_string().as_bytes())?;
    }
    if obstacles.is_empty() {
        for warning in surroundings(&parsed) {
            put(out, Tag::Warning, warning.as_bytes())?;
        }
    }
    put(out, Tag::Text, &text)
}

/// A tag, four bytes of length, little endian, and what it is about.
fn put(out: &mut impl Write, tag: Tag, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.write_all(&[tag as u8])?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(bytes)
}

impl Found {
    /// What a child has told, or why it has found nothing; `None`: not all of it. Never panics.
    pub fn parse(mut told: &[u8]) -> Option<Result<Self, String>> {
        let (mut obstacles, mut warnings) = (Vec::new(), Vec::new());
        loop {
            let (tag, rest) = told.split_first()?;
            let (length, rest) = rest.split_first_chunk()?;
            let (bytes, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
            let words = || String::from_utf8_lossy(bytes).into_owned();
            match *tag {
                tag if tag == Tag::Unreadable as u8 => return Some(Err(words())),
                tag if tag == Tag::Obstacle as u8 => obstacles.push(words()),
                tag if tag == Tag::Warning as u8 => warnings.push(words()),
                tag if tag == Tag::Text as u8 => {
                    return Some(Ok(Self { text: bytes.to_vec(), obstacles, warnings }));
                }
                _ => return None,
            }
            told = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, name: &str) -> Vec<u8> {
        let path = std::env::temp_dir().join(format!("mainsd-reread-{name}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let mut out = Vec::new();
        look(&path, |_| vec!["a warning".to_owned()], &mut out).unwrap();
        std::fs::remove_file(&path).unwrap();
        out
    }

    #[test]
    fn what_the_child_tells_is_understood_and_nothing_less_than_all_of_it() {
        let good = told("UPSTYPE test\n", "good");
        let found = Found::parse(&good).unwrap().unwrap();
        assert_eq!((found.text.as_slice(), found.obstacles.len()), (&b"UPSTYPE test\n"[..], 0));
        assert_eq!(found.warnings, ["a warning"]);
        let bad = told("UPSTYPE test\nTIMEOUT soon\n", "bad");
        let found = Found::parse(&bad).unwrap().unwrap();
        assert_eq!((found.obstacles.len(), found.warnings.len()), (1, 0));
        for told in [&good, &bad] {
            for end in 0..told.len() {
                assert!(Found::parse(&told[..end]).is_none(), "{end}");
            }
        }
        let mut out = Vec::new();
        look(Path::new("/nonexistent/x.conf"), |_| Vec::new(), &mut out).unwrap();
        let words = "Error opening configuration file (/nonexistent/x.conf): No such file or directory";
        assert_eq!(Found::parse(&out).unwrap().unwrap_err(), words);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_understood_or_not(bytes in proptest::collection::vec(0_u8.., 0..64)) {
            let _ = Found::parse(&bytes);
        }
    }
}
