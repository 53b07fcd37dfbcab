//! The flag files `powerfail` and `nologin` (config §8).

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::sys::fs::{O_NOFOLLOW, O_NONBLOCK};
use crate::sys::{clock, reason, trust};

/// Content of the file `nologin` that mainsd writes (config §8).
pub const NOLOGIN_TEXT: &str = "POWER FAILURE\n";

const MODE: u32 = 0o644;

/// Where the flags are. Errors are log lines.
#[derive(Debug)]
pub(super) struct Flags {
    powerfail: PathBuf,
    nologin: PathBuf,
}

impl Flags {
    pub fn new(powerfail_dir: &Path, nologin_dir: &Path) -> Self {
        Self { powerfail: powerfail_dir.join("powerfail"), nologin: nologin_dir.join("nologin") }
    }

    pub fn create_powerfail(&mut self) -> Result<(), String> {
        let created = create(&self.powerfail, "").or_else(exists_already);
        if created.is_ok() {
            // So that another boot's halt knows that it is not meant. Without it, on a full disk, the flag counts all the same.
            let file = open_ours(OpenOptions::new().write(true), &self.powerfail);
            let _ = file.and_then(|mut file| {
                file.set_len(0)?;
                writeln!(file, "{}", clock::boot_id().unwrap_or_default())
            });
        }
        created.map_err(|error| unable("create", &self.powerfail, &error))
    }

    pub fn remove_powerfail(&mut self) -> Result<(), String> {
        remove(&self.powerfail)
    }

    /// A `nologin` that exists does its work, whoever made it.
    pub fn create_nologin(&mut self) -> Result<(), String> {
        create(&self.nologin, NOLOGIN_TEXT)
            .or_else(exists_already)
            .map_err(|error| unable("create", &self.nologin, &error))
    }

    /// Ours is known by its content, so that an instance started after a crash removes it too.
    pub fn remove_nologin(&mut self) -> Result<(), String> {
        let mut content = Vec::new();
        let file = open_ours(OpenOptions::new().read(true), &self.nologin);
        // One byte more than ours, so that a longer one is seen to be longer.
        let read = file.and_then(|file| file.take(NOLOGIN_TEXT.len() as u64 + 1).read_to_end(&mut content));
        if read.is_ok() && content == NOLOGIN_TEXT.as_bytes() {
            return remove(&self.nologin);
        }
        Ok(())
    }
}

/// Opens a flag that is a plain file of root or of ours, without another name: whoever can write to the folder may have put
/// something else there. Never waits, whatever it is.
fn open_ours(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = options.custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path)?;
    let data = file.metadata()?;
    let ours = data.is_file() && trust::trusted(data.uid()) && data.nlink() == 1;
    if ours { Ok(file) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// Makes a new file, whatever the umask. Does not follow a link.
fn create(path: &Path, content: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    file.set_permissions(Permissions::from_mode(MODE))?;
    let written = file.write_all(content.as_bytes());
    if written.is_err() {
        // Half a `nologin` would not be known as ours again.
        let _ = fs::remove_file(path);
    }
    written
}

fn exists_already(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
}

fn remove(path: &Path) -> Result<(), String> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unable("remove", path, &error)),
        _ => Ok(()),
    }
}

fn unable(to: &str, path: &Path, error: &io::Error) -> String {
    format!("Unable to {to} {}: ERR={}", path.display(), reason(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mainsd-flags-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn flags_have_the_content_and_mode_that_others_look_for() {
        let folder = Folder::new("content");
        let mut flags = Flags::new(&folder.0, &folder.0);
        flags.create_powerfail().unwrap();
        flags.create_nologin().unwrap();
        let boot = clock::boot_id().unwrap_or_default() + "\n";
        for (name, content) in [("powerfail", boot.as_str()), ("nologin", "POWER FAILURE\n")] {
            let path = folder.0.join(name);
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o644);
        }
        flags.create_powerfail().unwrap();
        flags.create_nologin().unwrap();
        flags.remove_powerfail().unwrap();
        flags.remove_nologin().unwrap();
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
        flags.remove_powerfail().unwrap();
        flags.remove_nologin().unwrap();
    }

    #[test]
    fn a_powerfail_flag_of_an_earlier_boot_becomes_one_of_this() {
        let folder = Folder::new("boots");
        let flag = folder.0.join("powerfail");
        fs::write(&flag, "00000000-0000-0000-0000-000000000000 and more than the name of a boot\n").unwrap();
        Flags::new(&folder.0, &folder.0).create_powerfail().unwrap();
        assert_eq!(fs::read_to_string(&flag).unwrap().trim_end(), clock::boot_id().unwrap_or_default());
        // Never through a link.
        let other = folder.0.join("other");
        fs::write(&other, "of somebody else").unwrap();
        fs::remove_file(&flag).unwrap();
        std::os::unix::fs::symlink(&other, &flag).unwrap();
        Flags::new(&folder.0, &folder.0).create_powerfail().unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "of somebody else");
    }

    #[test]
    fn nothing_that_has_a_flags_name_is_waited_for_or_written_to() {
        for name in ["powerfail", "nologin"] {
            let folder = Folder::new(name);
            let other = folder.0.join("other");
            let mut flags = Flags::new(&folder.0, &folder.0);
            let path = folder.0.join(name);
            assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
            flags.create_powerfail().unwrap();
            flags.create_nologin().unwrap();
            flags.remove_nologin().unwrap();
            assert!(path.exists(), "{name}");
            fs::remove_file(&path).unwrap();
            fs::write(&other, "of somebody else").unwrap();
            fs::hard_link(&other, &path).unwrap();
            flags.create_powerfail().unwrap();
            flags.create_nologin().unwrap();
            assert_eq!(fs::read_to_string(&other).unwrap(), "of somebody else", "{name}");
            flags.remove_nologin().unwrap();
            assert!(path.exists(), "{name}");
        }
    }

    #[test]
    fn a_nologin_of_the_administrator_survives() {
        let folder = Folder::new("admin");
        let nologin = folder.0.join("nologin");
        for content in ["", "Maintenance until 18:00\n", "POWER FAILURE", "POWER FAILURE\nand more\n"] {
            fs::write(&nologin, content).unwrap();
            let mut flags = Flags::new(&folder.0, &folder.0);
            flags.create_nologin().unwrap();
            flags.remove_nologin().unwrap();
            assert_eq!(fs::read_to_string(&nologin).unwrap(), content);
        }
    }

    #[test]
    fn a_nologin_left_by_an_instance_before_us_is_removed() {
        let folder = Folder::new("before");
        fs::write(folder.0.join("nologin"), NOLOGIN_TEXT).unwrap();
        Flags::new(&folder.0, &folder.0).remove_nologin().unwrap();
        assert!(!folder.0.join("nologin").exists());
    }

    #[test]
    fn a_folder_that_is_missing_is_told_in_the_known_words() {
        let missing = Path::new("/nonexistent");
        let mut flags = Flags::new(missing, missing);
        assert_eq!(
            flags.create_powerfail().unwrap_err(),
            "Unable to create /nonexistent/powerfail: ERR=No such file or directory"
        );
        assert_eq!(
            flags.create_nologin().unwrap_err(),
            "Unable to create /nonexistent/nologin: ERR=No such file or directory"
        );
        flags.remove_nologin().unwrap();
    }
}
