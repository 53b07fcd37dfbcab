//! A file from the disk.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::parse::{Parsed, parse};

/// Longest file that is read; a thousand times what apcupsd ships.
const LONGEST: u64 = 16 * 1024 * 1024;

/// Why a file could not be read. The daemon's exit status for it is 2.
#[derive(Debug)]
pub struct LoadError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, source } = self;
        write!(f, "Error opening configuration file ({}): {}", path.display(), without_number(source))
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// The words of an error without `(os error N)`, as `strerror` has them.
fn without_number(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text.get(..at).unwrap_or(&text).to_owned(),
        None => text,
    }
}

/// Reads and parses a file. Problems in it are in the result; only a file that cannot be read is an error.
///
/// # Errors
/// When it cannot be opened or read, or is longer than 16 MiB.
pub fn load(path: &Path) -> Result<Parsed, LoadError> {
    let wrong = |source| LoadError { path: path.to_owned(), source };
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut text));
    read.map_err(wrong)?;
    if text.len() as u64 > LONGEST {
        return Err(wrong(io::Error::other("longer than 16 MiB, so it is something else")));
    }
    Ok(parse(&text, &path.to_string_lossy()))
}
