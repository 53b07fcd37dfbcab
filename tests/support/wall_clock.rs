//! A wall clock that a test sets, for one program only: with libfaketime, which leaves the other clocks alone.

use std::path::{Path, PathBuf};

/// libfaketime, where it is installed (Debian: faketime).
pub fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|path| path.exists())
}

/// The clock.
#[derive(Debug)]
pub struct WallClock {
    file: PathBuf,
}

impl WallClock {
    /// One that goes right; what it shows is kept in this folder.
    pub fn right(dir: &Path) -> Self {
        let clock = Self::of(dir);
        clock.set(0.0);
        clock
    }

    /// The one of this folder.
    pub fn of(dir: &Path) -> Self {
        Self { file: dir.join("clock") }
    }

    /// What makes a program go by it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let library = library().expect("libfaketime is missing (Debian: faketime)");
        vec![
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    /// Sets it, in seconds from the true time.
    pub fn set(&self, seconds: f64) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}")).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }
}
