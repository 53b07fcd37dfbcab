//! Locks of ports in a folder of their own, against processes that hold them.

use super::*;
use crate::journal::tests::Folder;
use std::io::BufRead;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// A process that runs until it is dropped.
pub(in crate::journal) struct Sleeper(Child);

impl Sleeper {
    pub fn start(program: &Path, stdin: Stdio) -> Self {
        // Multi-call binaries go by this name, whatever the file is called.
        Self(Command::new(program).arg0("sleep").arg("1000").stdin(stdin).spawn().unwrap())
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(in crate::journal) fn sleep_program() -> PathBuf {
    ["/bin/sleep", "/usr/bin/sleep"].map(PathBuf::from).into_iter().find(|path| path.exists()).unwrap()
}

/// A copy of `sleep` under another name.
pub(in crate::journal) fn named(folder: &Folder, name: &str) -> PathBuf {
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
        let lock = LockFile::acquire(&path, "/dev/ttyS0").unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(fs::read_to_string(&path).unwrap(), ours(), "{what}");
        drop(lock);
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
        LockFile::acquire(&path, "").unwrap();
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
    LockFile::acquire(&path, "/nonexistent").unwrap();
}

#[test]
fn a_writer_of_a_ups_program_holds_nothing() {
    let folder = Folder::new("lock-writer");
    let path = folder.join("LCK..");
    let program = folder.join("mainsd");
    assert!(Command::new("cp").arg("/bin/sh").arg(&program).status().unwrap().success());
    let mut writer = Command::new(&program)
        .args(["-c", "printf 'mainsd: writer' > /proc/self/comm; echo named; read _"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = io::BufReader::new(writer.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "named");
    // Its id was once that of a daemon.
    fs::write(&path, format!("{:010}\0", writer.id())).unwrap();
    let lock = LockFile::acquire(&path, "");
    drop(writer.stdin.take());
    writer.wait().unwrap();
    lock.unwrap();
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
    let holder = LockFile::acquire(&path, "").unwrap_err();
    assert!(matches!(holder, LockError::Held(pid) if u32::try_from(pid) == Ok(first.id())), "{holder}");
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    LockFile::acquire(&path, "").unwrap();
}

#[test]
fn a_lock_that_a_child_has_taken_is_removed_by_another_and_only_if_it_is_ours() {
    let folder = Folder::new("lock-left");
    let path = folder.join("LCK..");
    let (owner, other) = (std::process::id(), Sleeper::start(&named(&folder, "mainsd"), Stdio::null()));
    LockFile::leave_for(owner, &path, "").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), ours());
    LockFile::give_back(other.pid(), &path);
    assert!(path.exists());
    LockFile::give_back(owner, &path);
    assert!(!path.exists());
    LockFile::give_back(owner, &path);
    LockFile::leave_for(other.pid(), &path, "").unwrap();
    assert!(matches!(LockFile::leave_for(owner, &path, ""), Err(LockError::Held(_))));
}

#[test]
fn a_lock_that_was_taken_from_us_is_not_removed() {
    let folder = Folder::new("lock-stolen");
    let path = folder.join("LCK..");
    let lock = LockFile::acquire(&path, "").unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, ours()).unwrap();
    drop(lock);
    assert!(path.exists());
}

#[test]
fn what_is_no_lock_file_is_removed_and_nothing_waits_or_is_followed() {
    let folder = Folder::new("lock-odd");
    let (path, target) = (folder.join("LCK..ttyS0"), folder.join("target"));
    fs::write(&target, "of somebody else").unwrap();
    let link = |to: &Path| std::os::unix::fs::symlink(to, &path).unwrap();
    let odd: [(&str, &dyn Fn()); 4] = [
        ("a dangling link", &|| link(Path::new("/nonexistent/x"))),
        ("a link", &|| link(&target)),
        ("a link to a folder", &|| link(&folder.0)),
        ("a fifo", &|| assert!(Command::new("mkfifo").arg(&path).status().unwrap().success())),
    ];
    for (what, make) in odd {
        make();
        let lock = LockFile::acquire(&path, "").unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(fs::symlink_metadata(&path).unwrap().is_file(), "{what}");
        assert_eq!(fs::read_to_string(&path).unwrap(), ours(), "{what}");
        drop(lock);
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), "of somebody else");
    // Nobody's folder is removed.
    fs::create_dir(&path).unwrap();
    let error = LockFile::acquire(&path, "").unwrap_err();
    assert_eq!(
        error.and_goes_on(),
        format!(
            "Cannot create {} serial port lock file: ERR=Is a directory; the port is used without it",
            path.display()
        )
    );
    assert!(path.is_dir());
}

#[test]
fn a_stale_lock_of_another_user_in_a_shared_folder_is_removed() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let folder = Folder::new("lock-foreign");
    let path = folder.join("LCK..ttyS0");
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(&path, format!("{:10}\n", i32::MAX)).unwrap();
    if !crate::sys::access::is_root() {
        return;
    }
    chown(&path, Some(65534), Some(65534)).unwrap();
    let lock = LockFile::acquire(&path, "/dev/ttyS0").unwrap();
    let data = fs::metadata(&path).unwrap();
    assert_eq!((data.uid(), data.mode() & 0o7777), (0, 0o644));
    drop(lock);
    assert!(!path.exists());
}

#[test]
fn nobody_keeps_the_guard_away_by_what_they_call_a_program_or_lock() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("lock-mock");
    let path = folder.join("LCK..ttyS0");
    // A lock that needs no right to write.
    fs::write(&path, "").unwrap();
    let mut reader = Command::new("python3");
    reader.args(["-c", "import fcntl, sys, time\nf = open(sys.argv[1])\nfcntl.lockf(f, fcntl.LOCK_SH)\nprint(1, flush=True)\ntime.sleep(1000)"]);
    if let Ok(mut child) = reader.arg(&path).stdout(Stdio::piped()).spawn() {
        let mut line = String::new();
        io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        drop(LockFile::acquire(&path, "").unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    if !crate::sys::access::is_root() {
        return;
    }
    // A process of another user under the name of a UPS program.
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).unwrap();
    let program = named(&folder, "apcupsd");
    let mut mock = Command::new(&program).arg0("sleep").arg("1000").uid(65534).gid(65534).spawn().unwrap();
    fs::write(&path, format!("{:010}\0", mock.id())).unwrap();
    drop(LockFile::acquire(&path, "").unwrap());
    assert!(!is_ups_program(i32::try_from(mock.id()).unwrap()));
    mock.kill().unwrap();
    mock.wait().unwrap();
}

#[test]
fn a_folder_that_is_missing_is_told_in_the_known_words() {
    let error = LockFile::acquire(Path::new("/nonexistent/LCK.."), "").unwrap_err().to_string();
    let expected = "Cannot create /nonexistent/LCK.. serial port lock file: ERR=No such file or directory";
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
