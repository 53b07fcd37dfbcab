//! The lock file of a port (config §5), known to apcupsd and to other programs that use serial ports.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::sys::fs::{EBUSY, EEXIST, O_NOFOLLOW, O_NONBLOCK, try_lock};
use crate::sys::{process, reason};

/// What apcupsd says after any trouble with the lock; users search for it.
pub const LOCK_FATAL: &str = "Unable to create UPS lock file.\n  If apcupsd or apctest is already running,\n  \
                              please stop it and run this program again.";

/// Programs that hold such a lock for as long as they run.
const UPS_PROGRAMS: [&str; 3] = ["apcupsd", "mainsd", "apctest"];

/// The lock file of a device: `<dir>/LCK..<text after the last slash of DEVICE>` (config §3).
#[must_use]
pub fn lock_path(dir: &Path, device: &str) -> PathBuf {
    let name = device.rsplit('/').next().unwrap_or(device);
    dir.join(format!("LCK..{name}"))
}

/// Why the lock cannot be had; the words are apcupsd's.
#[derive(Debug)]
pub enum LockError {
    /// The file cannot be made, opened or written.
    Io(PathBuf, io::Error),
    /// This process holds it. 0: it holds the file's lock, but has not written its id.
    Held(i32),
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => {
                write!(f, "Cannot create {} serial port lock file: ERR={}", path.display(), reason(error))
            }
            Self::Held(pid) => {
                write!(f, "Valid lock file for pid={pid}, but not ours pid={}", std::process::id())
            }
        }
    }
}

/// A lock that we hold. [`LockFile::release`] gives it back.
///
/// The pid in the file is for others. Between instances of this program the file's record lock counts, which the kernel
/// takes back however the holder ends.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    file: File,
}

impl LockFile {
    /// Takes the lock. A file with an empty, broken or stale content is taken over; a live process counts as its holder only
    /// if it is a UPS program or has `device` open, for process ids are used again (power-events §10 item 16).
    ///
    /// # Errors
    ///
    /// [`LockError`]; its text and [`LOCK_FATAL`] are for the log.
    pub fn acquire(path: &Path, device: &str) -> Result<Self, LockError> {
        let trouble = |error| LockError::Io(path.to_owned(), error);
        for _ in 0..ATTEMPTS {
            let mut file = open(path).map_err(trouble)?;
            if let Err(error) = try_lock(&file) {
                return Err(match error.kind() {
                    io::ErrorKind::WouldBlock => LockError::Held(read_pid(&mut file).unwrap_or(0)),
                    _ => trouble(error),
                });
            }
            // Whoever held it before us may have removed the file after we opened it.
            if !still_named(&file, path) {
                continue;
            }
            if let Some(pid) = read_pid(&mut file)
                && is_held(pid, device)
            {
                return Err(LockError::Held(pid));
            }
            write_pid(&mut file).map_err(trouble)?;
            return Ok(Self { path: path.to_owned(), file });
        }
        Err(trouble(io::Error::from_raw_os_error(EBUSY)))
    }

    /// Gives the lock back and removes the file, if it is still ours.
    pub fn release(mut self) {
        let own = i32::try_from(std::process::id()).ok();
        if still_named(&self.file, &self.path) && read_pid(&mut self.file) == own {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// How often the file may vanish while it is opened.
const ATTEMPTS: usize = 5;

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o644);
    let file = options.custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::from_raw_os_error(EEXIST)) }
}

fn still_named(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

fn read_pid(file: &mut File) -> Option<i32> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(64).read_to_end(&mut bytes).ok()?;
    parse_lock(&bytes)
}

/// The pid in a lock file: digits, perhaps after blanks, up to NULs, blanks or newlines. `None`: empty or broken. Never
/// panics.
#[must_use]
pub fn parse_lock(bytes: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(bytes).ok()?;
    let digits = text.trim_end_matches('\0').trim();
    digits.parse().ok().filter(|pid| *pid > 0)
}

fn is_held(pid: i32, device: &str) -> bool {
    let us = [i32::try_from(std::process::id()).unwrap_or(0), parent()];
    if us.contains(&pid) || !process::runs(pid) {
        return false;
    }
    let has_device = device.starts_with('/') && process::has_open(pid, Path::new(device)) == Some(true);
    has_device || is_ups_program(pid)
}

/// Whether this process is one that keeps such a lock for as long as it runs, and watches a UPS itself.
#[must_use]
pub fn is_ups_program(pid: i32) -> bool {
    let names = [process::program(pid), process::command(pid)];
    names.iter().flatten().any(|name| UPS_PROGRAMS.contains(&name.as_str()))
}

/// The process that waits for us to be ready in the background: of the same name, but no holder.
fn parent() -> i32 {
    i32::try_from(std::os::unix::process::parent_id()).unwrap_or(0)
}

/// Ten digits and a NUL (config §5).
fn write_pid(file: &mut File) -> io::Result<()> {
    let content = format!("{:010}\0", std::process::id());
    file.seek(SeekFrom::Start(0))?;
    file.write_all(content.as_bytes())?;
    file.set_len(content.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::Folder;
    use std::io::BufRead;
    use std::os::unix::fs::FileExt;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    /// A process that runs until it is dropped.
    struct Sleeper(Child);

    impl Sleeper {
        fn start(program: &Path, stdin: Stdio) -> Self {
            // Multi-call binaries go by this name, whatever the file is called.
            Self(Command::new(program).arg0("sleep").arg("1000").stdin(stdin).spawn().unwrap())
        }

        fn pid(&self) -> u32 {
            self.0.id()
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn sleep_program() -> PathBuf {
        ["/bin/sleep", "/usr/bin/sleep"].map(PathBuf::from).into_iter().find(|path| path.exists()).unwrap()
    }

    /// A copy of `sleep` under another name.
    fn named(folder: &Folder, name: &str) -> PathBuf {
        let path = folder.join(name);
        // By another process: a descriptor of ours, open for writing, would be in the children of tests that run beside this
        // one, and the copy could not be executed ("text file busy").
        assert!(Command::new("cp").arg(sleep_program()).arg(&path).status().unwrap().success());
        path
    }

    fn ours() -> String {
        format!("{:010}\0", std::process::id())
    }

    #[test]
    fn whatever_is_no_live_holder_is_taken_over() {
        let folder = Folder::new("lock-stale");
        let path = folder.join("LCK..ttyS0");
        let other = Sleeper::start(&sleep_program(), Stdio::null());
        let table = [
            ("absent", None),
            ("empty", Some(String::new())),
            ("not a number", Some("garbage\n".to_owned())),
            ("binary", Some("\u{1}\0\0\0".to_owned())),
            ("zero", Some("0000000000\0".to_owned())),
            ("negative", Some("-000000001\0".to_owned())),
            ("no such process", Some(format!("{:010}\0", i32::MAX))),
            ("beyond any process", Some("99999999999999999999".to_owned())),
            ("ours from before a reboot", Some(ours())),
            ("our parent's", Some(format!("{:010}\0", std::os::unix::process::parent_id()))),
            ("used again by another program", Some(format!("{:010}\0", other.pid()))),
            ("the same, as others write it", Some(format!("      {}\n", other.pid()))),
            ("a long one", Some("1".repeat(10_000))),
        ];
        for (what, content) in table {
            if let Some(content) = content {
                fs::write(&path, content).unwrap();
            }
            let lock =
                LockFile::acquire(&path, "/dev/ttyS0").unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(fs::read_to_string(&path).unwrap(), ours(), "{what}");
            lock.release();
            assert!(!path.exists(), "{what}");
        }
    }

    #[test]
    fn a_live_ups_program_holds_it() {
        let folder = Folder::new("lock-held");
        let path = folder.join("LCK..");
        for name in UPS_PROGRAMS {
            let holder = Sleeper::start(&named(&folder, name), Stdio::null());
            let content = format!("{:010}\0", holder.pid());
            fs::write(&path, &content).unwrap();
            let error = LockFile::acquire(&path, "").unwrap_err().to_string();
            let expected =
                format!("Valid lock file for pid={}, but not ours pid={}", holder.pid(), std::process::id());
            assert_eq!(error, expected);
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            drop(holder);
            LockFile::acquire(&path, "").unwrap().release();
        }
    }

    #[test]
    fn another_program_holds_it_only_with_the_device_open() {
        let folder = Folder::new("lock-device");
        let (path, device) = (folder.join("LCK..device"), folder.join("device"));
        fs::write(&device, "").unwrap();
        let holder = Sleeper::start(&sleep_program(), Stdio::from(File::open(&device).unwrap()));
        fs::write(&path, format!("{:010}\0", holder.pid())).unwrap();
        let device = device.to_str().unwrap();
        assert!(matches!(LockFile::acquire(&path, device), Err(LockError::Held(_))));
        LockFile::acquire(&path, "/nonexistent").unwrap().release();
    }

    /// The first instance is this test again, in a process of its own, told by an environment variable what to hold.
    #[test]
    fn two_instances_never_both_hold_it() {
        const PATH: &str = "MAINSD_TEST_HOLDS_LOCK";
        if let Some(path) = std::env::var_os(PATH) {
            let lock = LockFile::acquire(Path::new(&path), "").unwrap();
            // Without a pid that names a UPS program, only the lock of the file can keep others out.
            lock.file.write_all_at(b"garbage", 0).unwrap();
            println!("held");
            io::stdin().read_to_end(&mut Vec::new()).unwrap();
            return;
        }
        let folder = Folder::new("lock-twice");
        let path = folder.join("LCK..");
        let mut first = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal::lock::tests::two_instances_never_both_hold_it", "--nocapture"])
            .env(PATH, &path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = io::BufReader::new(first.stdout.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap().contains("held")));
        assert!(matches!(LockFile::acquire(&path, ""), Err(LockError::Held(0))));
        drop(first.stdin.take());
        assert!(first.wait().unwrap().success());
        LockFile::acquire(&path, "").unwrap().release();
    }

    #[test]
    fn a_lock_that_was_taken_from_us_is_not_removed() {
        let folder = Folder::new("lock-stolen");
        let path = folder.join("LCK..");
        let lock = LockFile::acquire(&path, "").unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, ours()).unwrap();
        lock.release();
        assert!(path.exists());
    }

    #[test]
    fn a_folder_that_is_missing_is_told_in_the_known_words() {
        let error = LockFile::acquire(Path::new("/nonexistent/LCK.."), "").unwrap_err().to_string();
        let expected =
            "Cannot create /nonexistent/LCK.. serial port lock file: ERR=No such file or directory";
        assert_eq!(error, expected);
        assert!(matches!(LockFile::acquire(Path::new("/dev"), ""), Err(LockError::Io(..))));
    }

    #[test]
    fn the_name_is_made_of_the_end_of_the_device() {
        let dir = Path::new("/var/lock");
        assert_eq!(lock_path(dir, "/dev/ttyS0"), Path::new("/var/lock/LCK..ttyS0"));
        assert_eq!(lock_path(dir, ""), Path::new("/var/lock/LCK.."));
        assert_eq!(lock_path(dir, "4B1234P12345"), Path::new("/var/lock/LCK..4B1234P12345"));
    }
}
