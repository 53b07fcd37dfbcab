//! A folder for tests of this room.

use crate::sys::scratch::Scratch;
use std::path::PathBuf;

/// A folder of its own, gone when dropped.
pub(super) struct Folder(pub Scratch);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = Scratch::new(&format!("journal-{name}"));
        Self(path)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}
