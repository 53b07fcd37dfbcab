//! Opening files by names that another user may have prepared: links of others are not followed.
//!
//! A daemon of root that writes to `/tmp/ups.status` must not write to whatever a user has linked there. The kernel sees to
//! that in part (proc_sys_fs(5): `protected_symlinks`, `protected_regular`, `protected_fifos`), where it is switched on. Here
//! the same holds always, and also for what the kernel does not see: a name that is looked up before it is used.
//!
//! Followed are links of root and of this process's user, wherever they are. In a folder that everybody can write to, an
//! existing file must belong to root or to this user as well, and have no second name.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use super::access;
use super::fs::{ELOOP, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, link_target, open_name};

/// Links in a row that are followed.
const MAX_LINKS: usize = 8;
/// How often a name may vanish while it is opened.
const ATTEMPTS: usize = 5;

/// Whether files and links of this user may be relied on: root's, and our own.
#[must_use]
pub fn trusted(uid: u32) -> bool {
    uid == 0 || uid == access::user()
}

/// Whether everybody can make files in this folder. One that cannot be looked at counts as shared.
#[must_use]
pub fn is_shared(folder: &Path) -> bool {
    fs::metadata(folder).map_or(true, |data| data.mode() & 0o002 != 0)
}

/// The folder that a path's last name is in.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Whether a name is one of the kernel's own, like `/proc/self/fd/1`, which `/dev/stdout` leads to: a link that only the kernel
/// can follow, and only the kernel can have made.
fn is_kernels(path: &Path) -> bool {
    path.starts_with("/proc") && !path.components().any(|part| part == Component::ParentDir)
}

/// The name that `path` stands for: symbolic links at its end are followed if they are [`trusted`]. What comes back is no
/// link at this moment, except one of the kernel's own.
///
/// # Errors
///
/// A link of another user; too many links; whatever the system says, except that there is no such file.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..=MAX_LINKS {
        // Held open, so that it is the same link whose owner is looked at and whose target is read.
        let name = match open_name(&path) {
            Ok(name) => name,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        };
        let data = name.metadata()?;
        if !data.is_symlink() || is_kernels(&path) {
            return Ok(path);
        }
        if !trusted(data.uid()) {
            return Err(io::Error::other(format!(
                "it is a link that belongs to another user (uid {}), and is not followed",
                data.uid()
            )));
        }
        path = folder_of(&path).join(link_target(&name)?);
    }
    Err(io::Error::from_raw_os_error(ELOOP))
}

/// What there is under a name, as [`resolve`] follows it.
///
/// # Errors
///
/// As [`resolve`]; that there is none.
pub fn metadata(path: &Path) -> io::Result<Metadata> {
    let path = resolve(path)?;
    if is_kernels(&path) { fs::metadata(path) } else { fs::symlink_metadata(path) }
}

/// Opens an existing file for reading; does not wait for a writer.
///
/// # Errors
///
/// As [`resolve`]; a file of another user in a folder that everybody can write to.
pub fn open_to_read(path: &Path) -> io::Result<File> {
    open(path, OpenOptions::new().read(true), None)
}

/// Opens a file for writing at its end; one that does not exist is made with these permissions. Does not wait for a reader.
///
/// # Errors
///
/// As [`open_to_read`].
pub fn open_to_append(path: &Path, mode: u32) -> io::Result<File> {
    open(path, OpenOptions::new().append(true), Some(mode))
}

/// Opens a file for writing from its beginning, its content still there; one that does not exist is made with these
/// permissions. Does not wait for a reader.
///
/// # Errors
///
/// As [`open_to_read`].
pub fn open_to_write(path: &Path, mode: u32) -> io::Result<File> {
    open(path, OpenOptions::new().write(true), Some(mode))
}

fn open(path: &Path, options: &mut OpenOptions, create: Option<u32>) -> io::Result<File> {
    let path = resolve(path)?;
    let follow = if is_kernels(&path) { 0 } else { O_NOFOLLOW };
    options.custom_flags(follow | O_NONBLOCK | O_NOCTTY);
    for _ in 0..ATTEMPTS {
        // Without O_CREAT, which the kernel refuses for a file of another user in a sticky folder, whoever we are.
        match (options.open(&path), create) {
            (Ok(file), _) => {
                check(&file.metadata()?, &path)?;
                return Ok(file);
            }
            (Err(error), Some(mode)) if error.kind() == io::ErrorKind::NotFound => {
                match options.clone().create_new(true).mode(mode).open(&path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    made => return made,
                }
            }
            (Err(error), _) => return Err(error),
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Whether a file that was there before may be used.
fn check(data: &Metadata, path: &Path) -> io::Result<()> {
    if !is_shared(folder_of(path)) {
        return Ok(());
    }
    if !trusted(data.uid()) {
        return Err(io::Error::other(format!(
            "it belongs to another user (uid {}), in a folder that everybody can write to",
            data.uid()
        )));
    }
    if data.is_file() && data.nlink() > 1 {
        return Err(io::Error::other(
            "it is one of several names of a file, in a folder that everybody can write to",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;
    use std::io::{Read, Write};
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};

    /// Some other user.
    const OTHER: u32 = 65534;

    /// A folder like `/tmp`, in the temporary folder.
    struct Shared(Scratch);

    impl Shared {
        fn new(name: &str) -> Self {
            let path = Scratch::new(&format!("trust-{name}"));
            fs::set_permissions(&path, fs::Permissions::from_mode(0o1777)).unwrap();
            Self(path)
        }

        fn join(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        /// A link or file in it becomes another user's; false: only root can do that.
        fn give_away(&self, name: &str) -> bool {
            access::is_root() && lchown(self.join(name), Some(OTHER), Some(OTHER)).is_ok()
        }
    }

    fn reason(result: io::Result<File>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_link_of_another_user_is_not_followed_for_reading_or_writing() {
        let folder = Shared::new("foreign");
        let (secret, link) = (folder.join("secret"), folder.join("link"));
        fs::write(&secret, "secret").unwrap();
        for target in ["secret", "dangling"] {
            symlink(target, &link).unwrap();
            if !folder.give_away("link") {
                return;
            }
            let words = "it is a link that belongs to another user (uid 65534), and is not followed";
            assert_eq!(reason(open_to_read(&link)), words);
            assert_eq!(reason(open_to_append(&link, 0o644)), words);
            assert_eq!(reason(open_to_write(&link, 0o644)), words);
            fs::remove_file(&link).unwrap();
        }
        assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
        assert!(!folder.join("dangling").exists());
        // Neither where a link of ours leads to it.
        symlink("secret", folder.join("theirs")).unwrap();
        symlink("theirs", &link).unwrap();
        assert!(folder.give_away("theirs"));
        assert!(resolve(&link).is_err());
    }

    #[test]
    fn links_of_our_own_are_followed_to_files_that_are_there_and_that_are_not() {
        let folder = Shared::new("own");
        fs::create_dir(folder.join("logs")).unwrap();
        symlink("logs/one", folder.join("relative")).unwrap();
        symlink(folder.join("relative"), folder.join("twice")).unwrap();
        open_to_append(&folder.join("twice"), 0o600).unwrap().write_all(b"a").unwrap();
        open_to_append(&folder.join("relative"), 0o600).unwrap().write_all(b"b").unwrap();
        let mut text = String::new();
        open_to_read(&folder.join("twice")).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "ab");
        assert_eq!(fs::metadata(folder.join("logs/one")).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(resolve(&folder.join("twice")).unwrap(), folder.join("logs/one"));
        symlink("round", folder.join("round")).unwrap();
        assert_eq!(resolve(&folder.join("round")).unwrap_err().raw_os_error(), Some(ELOOP));
        assert_eq!(resolve(Path::new("/nonexistent/x")).unwrap(), Path::new("/nonexistent/x"));
    }

    #[test]
    fn a_file_that_another_user_put_into_a_shared_folder_is_not_used() {
        let folder = Shared::new("put");
        let path = folder.join("file");
        fs::write(&path, "").unwrap();
        assert!(open_to_append(&path, 0o644).is_ok());
        if folder.give_away("file") {
            let words = "it belongs to another user (uid 65534), in a folder that everybody can write to";
            assert_eq!(reason(open_to_append(&path, 0o644)), words);
            assert_eq!(reason(open_to_read(&path)), words);
            // In a folder of ours the administrator has given it away.
            fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).unwrap();
            assert!(open_to_append(&path, 0o644).is_ok());
            fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o1777)).unwrap();
            fs::remove_file(&path).unwrap();
            fs::write(&path, "").unwrap();
        }
        // As a hard link to whatever the daemon may write.
        fs::hard_link(&path, folder.join("second")).unwrap();
        assert!(reason(open_to_write(&path, 0o644)).starts_with("it is one of several names of a file"));
    }

    #[test]
    fn standard_output_can_be_a_file_of_the_daemon() {
        use std::os::fd::AsRawFd;
        let (mut reader, writer) = super::super::fs::pipe().unwrap();
        let name = PathBuf::from(format!("/proc/self/fd/{}", writer.as_raw_fd()));
        let folder = Shared::new("stdout");
        let link = folder.join("stdout");
        symlink(&name, &link).unwrap();
        for path in [&name, &link] {
            open_to_append(path, 0o644).unwrap().write_all(b"x").unwrap();
            open_to_write(path, 0o644).unwrap().write_all(b"y").unwrap();
            assert!(!metadata(path).unwrap().is_symlink());
        }
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "xyxy");
        // What only looks like it is a name like any other.
        assert!(!is_kernels(Path::new("/proc/../tmp/x")) && !is_kernels(Path::new("/process")));
    }

    #[test]
    fn a_pipe_is_not_waited_for_and_devices_can_be_written_to() {
        let folder = Shared::new("pipe");
        let path = folder.join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(open_to_read(&path).is_ok());
        assert!(open_to_append(&path, 0o644).is_err(), "nobody reads it");
        open_to_append(Path::new("/dev/null"), 0o644).unwrap().write_all(b"x").unwrap();
    }
}
