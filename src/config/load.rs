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
    Ok(parse(&read(path)?, &path.to_string_lossy()))
}

/// Reads a file; [`parse`] makes a configuration of it.
///
/// # Errors
/// As [`load`].
pub fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let wrong = |source| LoadError { path: path.to_owned(), source };
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut text));
    read.map_err(wrong)?;
    if text.len() as u64 > LONGEST {
        return Err(wrong(io::Error::other("longer than 16 MiB, so it is something else")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is removed at the end.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("mainsd-load-{name}-{}", std::process::id())))
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_file_is_read_and_named_in_its_diagnostics() {
        let file = Temporary::new("good");
        std::fs::write(&file.0, "UPSTYPE usb\nTIMEOUT x\n").unwrap();
        let parsed = load(&file.0).unwrap();
        let error = parsed.of(crate::config::Severity::Error).next().unwrap().to_string();
        assert!(error.starts_with(&format!("{}:2: TIMEOUT: ", file.0.display())), "{error}");
    }

    #[test]
    fn what_cannot_be_read_is_told_in_the_words_of_apcupsd() {
        let error = load(Path::new("/nonexistent/x.conf")).unwrap_err().to_string();
        assert_eq!(
            error,
            "Error opening configuration file (/nonexistent/x.conf): No such file or directory"
        );
        let error = load(Path::new("/")).unwrap_err().to_string();
        assert_eq!(error, "Error opening configuration file (/): Is a directory");
    }

    #[test]
    fn a_file_without_end_is_given_up() {
        let error = load(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(error.contains("longer than 16 MiB"), "{error}");
        let file = Temporary::new("long");
        File::create(&file.0).unwrap().set_len(LONGEST).unwrap();
        assert!(load(&file.0).is_ok(), "the longest that is read");
    }
}
