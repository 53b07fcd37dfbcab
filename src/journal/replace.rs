//! Puts new content under a name, all or nothing.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::sys::fs::EISDIR;
use crate::sys::trust;

/// Whether the content must be on the disk before the name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durable {
    /// A power cut leaves the old content or the new. Waits for the disk.
    Yes,
    /// Only for what a restart of the machine makes void.
    No,
}

/// Whose the new file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Owner and permissions of the file that it replaces; without one, ours and readable to all.
    Kept,
    /// Ours alone, and a plain file.
    Ours,
}

/// Writes a new file beside `path` and renames it; what comes back is that file, open. A link at `path` is followed if it is
/// root's or ours. Where the folder takes no new file, the name cannot be replaced (a single file mounted into a container), or the
/// new file cannot be given to the owner of the old one (who writes may have lost that right), the content is written in place.
pub(super) fn with(
    path: &Path,
    mut write: impl FnMut(&mut File) -> io::Result<()>,
    durable: Durable,
    owner: Owner,
) -> io::Result<File> {
    let path = trust::resolve(path)?;
    let old = trust::metadata(&path).ok();
    match &old {
        Some(data) if data.is_dir() => return Err(io::Error::from_raw_os_error(EISDIR)),
        Some(data) if !data.is_file() && owner == Owner::Ours => {
            return Err(io::Error::other("it is no plain file"));
        }
        Some(data) if !data.is_file() => {
            let mut file = trust::open_to_write(&path, MODE)?;
            write(&mut file)?;
            return Ok(file);
        }
        _ => {}
    }
    let kept = old.filter(|data| owner == Owner::Kept && is_kept(data, &path));
    let beside = beside(&path);
    let _ = fs::remove_file(&beside);
    // Readable too: the way in place copies from it.
    let mut options = OpenOptions::new();
    let created = options.read(true).write(true).create_new(true).mode(0o600).open(&beside);
    let mut new = match created {
        Ok(new) => new,
        Err(_) => return in_place(&path, write, owner),
    };
    if kept.as_ref().is_some_and(|old| give(&new, old).is_err()) {
        let _ = fs::remove_file(&beside);
        return in_place(&path, write, owner);
    }
    let result = fill(&mut new, kept.as_ref(), &mut write, durable, owner);
    let result = result.and_then(|()| match fs::rename(&beside, &path) {
        Ok(()) => Ok(None),
        Err(_) => {
            new.seek(SeekFrom::Start(0))?;
            in_place(&path, |file| copy(&mut new, file), owner).map(Some)
        }
    });
    if !matches!(result, Ok(None)) {
        let _ = fs::remove_file(&beside);
    }
    result.map(|in_place| in_place.unwrap_or(new))
}

/// Permissions of a new file.
const MODE: u32 = 0o644;

/// Whether a file's owner and permissions pass to the one that replaces it. In a folder that everybody can write to, anybody
/// may have made it.
fn is_kept(old: &fs::Metadata, path: &Path) -> bool {
    trust::trusted(old.uid()) || !trust::is_shared(trust::folder_of(path))
}

/// Gives it the owner and group of the one that it replaces.
fn give(new: &File, old: &fs::Metadata) -> io::Result<()> {
    let ours = new.metadata()?;
    if (old.uid(), old.gid()) == (ours.uid(), ours.gid()) {
        return Ok(());
    }
    fchown(new, Some(old.uid()), Some(old.gid()))
}

fn fill(
    new: &mut File,
    kept: Option<&fs::Metadata>,
    write: &mut impl FnMut(&mut File) -> io::Result<()>,
    durable: Durable,
    owner: Owner,
) -> io::Result<()> {
    write(new)?;
    if owner == Owner::Kept {
        // Without the bits that would make a program of it.
        let mode = kept.map_or(MODE, |data| data.permissions().mode() & 0o777);
        new.set_permissions(Permissions::from_mode(mode))?;
    }
    if durable == Durable::Yes { new.sync_all() } else { Ok(()) }
}

/// Overwrites, then cuts: the end of the old content is there until the new one is complete.
fn in_place(
    path: &Path,
    mut write: impl FnMut(&mut File) -> io::Result<()>,
    owner: Owner,
) -> io::Result<File> {
    let mode = if owner == Owner::Ours { 0o600 } else { MODE };
    let mut file = trust::open_to_write(path, mode)?;
    write(&mut file)?;
    let end = file.stream_position()?;
    file.set_len(end)?;
    Ok(file)
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
        with(path, |file| file.write_all(text.as_bytes()), Durable::No, Owner::Kept).map(drop)
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
        assert!(with(&path, half, Durable::Yes, Owner::Kept).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }
}
