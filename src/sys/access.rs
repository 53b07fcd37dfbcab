//! Whether this process may write somewhere, asked without writing.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD};

/// Whether the effective user may write to a file, or create and remove files in a folder: `faccessat(2)`, which also knows
/// of read-only file systems.
///
/// # Errors
/// What a write would fail with: no such file, permission denied, read-only file system.
pub fn writable(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    Ok(rustix::fs::accessat(CWD, &path, Access::WRITE_OK, AtFlags::EACCESS)?)
}

/// The effective user.
#[must_use]
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether the effective user is root, as the daemon is in most places.
#[must_use]
pub fn is_root() -> bool {
    user() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_ours_is_writable_and_a_missing_one_is_not() {
        assert!(writable(&std::env::temp_dir()).is_ok());
        let missing = writable(Path::new("/nonexistent/folder")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        assert_eq!(writable(Path::new("/tmp\0")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn what_only_root_may_write_is_not_writable_for_others() {
        assert_eq!(writable(Path::new("/etc/passwd")).is_ok(), is_root());
    }
}
