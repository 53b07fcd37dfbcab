//! Puts new content under a name, all or nothing.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::sys::fs::O_NONBLOCK;

/// Whether the content must be on the disk before the name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durable {
    /// A power cut leaves the old content or the new. Waits for the disk.
    Yes,
    /// Only for what a restart of the machine makes void.
    No,
}

/// Writes a new file beside `path` and renames it. An existing file's owner and mode are kept, a link is followed. Where the
/// folder takes no new file or the name cannot be replaced (a single file mounted into a container), the content is written
/// in place.
pub(super) fn with(
    path: &Path,
    mut write: impl FnMut(&mut File) -> io::Result<()>,
    durable: Durable,
) -> io::Result<()> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let old = fs::metadata(&path).ok();
    if old.as_ref().is_some_and(|data| !data.is_file()) {
        let mut file = OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(&path)?;
        return write(&mut file);
    }
    let beside = beside(&path);
    let _ = fs::remove_file(&beside);
    // Readable too: the way in place copies from it.
    let mut options = OpenOptions::new();
    let created = options.read(true).write(true).create_new(true).mode(0o600).open(&beside);
    let mut new = match created {
        Ok(new) => new,
        Err(_) => return in_place(&path, write),
    };
    let result = fill(&mut new, old.as_ref(), &mut write, durable).and_then(|()| {
        fs::rename(&beside, &path).or_else(|_| {
            new.seek(SeekFrom::Start(0))?;
            in_place(&path, |file| copy(&mut new, file))
        })
    });
    let _ = fs::remove_file(&beside);
    result
}

fn fill(
    new: &mut File,
    old: Option<&fs::Metadata>,
    write: &mut impl FnMut(&mut File) -> io::Result<()>,
    durable: Durable,
) -> io::Result<()> {
    write(new)?;
    if let Some(old) = old {
        let ours = new.metadata()?;
        if (old.uid(), old.gid()) != (ours.uid(), ours.gid()) {
            fchown(&*new, Some(old.uid()), Some(old.gid()))?;
        }
    }
    let mode = old.map_or(0o644, |data| data.permissions().mode() & 0o7777);
    new.set_permissions(Permissions::from_mode(mode))?;
    if durable == Durable::Yes { new.sync_all() } else { Ok(()) }
}

/// Overwrites, then cuts: the end of the old content is there until the new one is complete.
fn in_place(path: &Path, mut write: impl FnMut(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(path)?;
    write(&mut file)?;
    let end = file.stream_position()?;
    file.set_len(end)
}

/// Copies the rest of `from`. Unlike [`io::copy`] it is sure to be right for two places of the same file, if `to` is the
/// earlier one: the kernel's short cuts are not.
pub(super) fn copy(from: &mut File, to: &mut File) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let got = from.read(&mut buffer)?;
        if got == 0 {
            return Ok(());
        }
        to.write_all(buffer.get(..got).unwrap_or_default())?;
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::Folder;

    fn write(path: &Path, text: &str) -> io::Result<()> {
        with(path, |file| file.write_all(text.as_bytes()), Durable::No)
    }

    #[test]
    fn new_content_has_no_tail_of_the_old_and_keeps_its_mode() {
        let folder = Folder::new("replace");
        let path = folder.join("file");
        write(&path, "a long content").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o644);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        write(&path, "short").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "short");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }

    #[test]
    fn where_no_file_can_be_made_beside_it_the_content_is_written_in_place() {
        let folder = Folder::new("replace-in-place");
        let path = folder.join("file");
        fs::create_dir(folder.join(".file.new")).unwrap();
        fs::write(&path, "a long content").unwrap();
        let before = path.metadata().unwrap().ino();
        write(&path, "short").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "short");
        assert_eq!(path.metadata().unwrap().ino(), before);
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_content() {
        let folder = Folder::new("replace-fails");
        let path = folder.join("file");
        fs::write(&path, "old").unwrap();
        let half = |file: &mut File| {
            file.write_all(b"ha")?;
            Err(io::Error::from_raw_os_error(crate::sys::fs::ENOSPC))
        };
        assert!(with(&path, half, Durable::Yes).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }
}
