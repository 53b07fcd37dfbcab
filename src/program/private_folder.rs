//! A folder in the temporary folder that nobody else can enter, gone with its owner.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::out::complain;

/// The folder; dropped, it is removed with everything in it.
#[derive(Debug)]
pub struct PrivateFolder(PathBuf);

impl PrivateFolder {
    /// Makes it; `name` is the beginning of its name.
    ///
    /// # Errors
    /// Words for a person.
    pub fn new(name: &str) -> Result<Self, String> {
        let temporary = std::env::temp_dir();
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        // Others may have made a folder of this name to be in the way; it is not used, another name is.
        for number in 0..1000 {
            let folder = temporary.join(format!("{name}-{}-{number}", std::process::id()));
            match builder.create(&folder) {
                Ok(()) => return Ok(Self(folder)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(format!("cannot make a folder in {}: {error}", temporary.display()));
                }
            }
        }
        Err(format!("cannot make a folder in {}: every name is taken", temporary.display()))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            complain(&format!("mainsd: cannot remove {}: {error}", self.0.display()));
        }
    }
}
