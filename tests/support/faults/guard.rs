//! A daemon that things are done to, and its restarts.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::super::{Lines, MAIN, Scratch, Setup, free_port, role_of, write_config};

/// How long what takes milliseconds may take.
pub const AT_ONCE: Duration = Duration::from_secs(60);

/// Who the daemon runs as when the tests run as root: `nobody`. Limits and modes do not hold for root.
pub const NOBODY: u32 = 65534;

/// Whether the tests run as root.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|data| data.uid() == 0)
}

/// A program, run as the daemon's user.
pub fn as_nobody(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Runs a command and panics if it fails.
pub fn must(command: &mut Command) {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(done.status.success(), "{command:?}: {} {}", done.status, String::from_utf8_lossy(&done.stderr));
}

/// The program where the daemon's user can run it.
pub fn program() -> &'static Path {
    static COPY: OnceLock<(PathBuf, Option<Scratch>)> = OnceLock::new();
    let (path, _) = COPY.get_or_init(|| {
        let built = Setup::new("").program;
        if as_nobody(&built).arg("--version").output().is_ok_and(|done| done.status.success()) {
            return (built, None);
        }
        let scratch = Scratch::new();
        let copy = scratch.path().join("mainsd");
        must(Command::new("cp").arg(&built).arg(&copy));
        must(Command::new("chmod").arg("755").arg(&copy).arg(scratch.path()));
        (copy, Some(scratch))
    });
    path
}

/// How the daemon's processes are started.
#[derive(Debug, Default)]
pub struct Way {
    /// Its stderr is a socket that is full and that nobody reads.
    pub log_stuck: bool,
    /// Environment.
    pub environment: Vec<(&'static str, String)>,
}

/// A daemon and those before it.
#[derive(Debug)]
pub struct Guard {
    /// Its folder.
    pub scratch: Scratch,
    /// The config file.
    pub config: PathBuf,
    /// What the hooks wrote.
    pub hooks: Lines,
    /// What each process wrote.
    pub outputs: Vec<Lines>,
    /// Its port.
    pub port: u16,
    way: Way,
    child: Child,
    stuck: Vec<UnixStream>,
}

impl Guard {
    /// Writes the configuration and starts it. `arrange` changes the folder before.
    pub fn start(setup: &Setup, scratch: Scratch, way: Way, arrange: impl FnOnce(&Path)) -> Self {
        let port = free_port();
        let config = write_config(setup, &scratch, port);
        if is_root() {
            must(Command::new("chown").args(["-R", "65534:65534"]).arg(scratch.path()));
        }
        arrange(scratch.path());
        let fifo =
            std::fs::OpenOptions::new().read(true).write(true).open(scratch.path().join("hooks")).unwrap();
        let hooks = Lines::collect(fifo);
        let (child, output, stuck) = spawn(&config, &scratch, &way);
        Self {
            scratch,
            config,
            hooks,
            outputs: vec![output],
            port,
            way,
            child,
            stuck: stuck.into_iter().collect(),
        }
    }

    /// Starts it again in the same folder.
    pub fn restart(&mut self) {
        let (child, output, stuck) = spawn(&self.config, &self.scratch, &self.way);
        self.child = child;
        self.outputs.push(output);
        self.stuck.extend(stuck);
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// The process of one of its roles, if there is one just now.
    pub fn role(&self, name: &str) -> Option<u32> {
        role_of(self.pid(), name)
    }

    /// Its processes: the helper, and the main process if there is one just now.
    fn pids(&self) -> Vec<String> {
        let main = self.role(MAIN);
        [Some(self.pid()), main].into_iter().flatten().map(|pid| pid.to_string()).collect()
    }

    /// Sends its processes a signal by name. One that has ended meanwhile gets none.
    pub fn signal(&self, name: &str) {
        let _ = Command::new("kill").arg(format!("-{name}")).args(self.pids()).output();
    }

    /// Sends its helper a signal by name.
    pub fn signal_helper(&self, name: &str) {
        let _ = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).output();
    }

    /// SIGKILL, and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sets a limit of it: an argument of prlimit(1).
    pub fn limit(&self, argument: &str) {
        for pid in self.pids() {
            let _ = as_nobody("prlimit").args(["--pid", &pid, argument]).output();
        }
    }

    /// The highest descriptor that it has open.
    pub fn highest_descriptor(&self) -> u32 {
        let paths = self.pids().into_iter().map(|pid| format!("/proc/{pid}/fd"));
        let list = as_nobody("ls").args(paths).output().unwrap();
        let numbers = String::from_utf8_lossy(&list.stdout);
        numbers.split_whitespace().filter_map(|number| number.parse().ok()).max().unwrap_or(16)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.kill();
        let disk = self.dir().join("disk");
        if disk.exists() {
            let _ = Command::new("umount").arg("-l").arg(disk).output();
        }
        let _ = Command::new("chmod").args(["-R", "u+rwX"]).arg(self.dir()).output();
    }
}

fn spawn(config: &Path, scratch: &Scratch, way: &Way) -> (Child, Lines, Option<UnixStream>) {
    let mut command = as_nobody(program());
    command
        .args(["-b", "-f"])
        .arg(config)
        .arg("-P")
        .arg(scratch.path().join("pid"))
        .env("TZ", "UTC")
        // Nothing built in may shut this machine down, whatever a defect makes of the hooks and SHUTDOWNCMD.
        .env("MAINSD_DRY_RUN", "1")
        // Not /run/mainsd, which is a real daemon's.
        .env("MAINSD_RUN_DIR", scratch.path().join("run"))
        .envs(way.environment.iter().map(|(name, value)| (*name, value.as_str())))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if way.log_stuck {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        while (&theirs).write(&[b'.'; 4096]).is_ok() {}
        theirs.set_nonblocking(false).unwrap();
        let child = command.stderr(OwnedFd::from(theirs)).spawn().unwrap();
        return (child, Lines::default(), Some(ours));
    }
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let output = Lines::collect(child.stderr.take().unwrap());
    (child, output, None)
}
