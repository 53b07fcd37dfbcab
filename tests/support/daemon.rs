//! The real program as a child process, with hooks that only log.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::{
    Line, Lines, MAIN, Nis, Scratch, Status, TIMEOUT, free_port, poll_until, role_of, send_signal, stop,
};

/// How to start a daemon.
#[derive(Clone, Debug)]
pub struct Setup {
    /// UPSTYPE.
    pub ups_type: String,
    /// More directives, one a line; they take the place of the harness's own.
    pub directives: String,
    /// Shell text that the hook runs after it has logged; `$1` is the event.
    pub hook: String,
    /// More arguments.
    pub args: Vec<String>,
    /// Its environment, beside the harness's own.
    pub environment: Vec<(String, String)>,
    /// The program; the one that Cargo built for the tests by default.
    pub program: PathBuf,
    /// What the program is started by, with its arguments: such as `ip netns exec NAME`. It must become the program.
    pub by: Vec<String>,
    /// Leave out what apcupsd does not know.
    pub apcupsd: bool,
    /// The harness's own directives that are left out.
    pub left_out: Vec<String>,
}

impl Setup {
    /// A configuration for this UPSTYPE: delays short, network server on a free port of 127.0.0.1.
    pub fn new(ups_type: &str) -> Self {
        Self {
            ups_type: ups_type.to_owned(),
            directives: String::new(),
            hook: String::new(),
            args: Vec::new(),
            environment: Vec::new(),
            program: option_env!("CARGO_BIN_EXE_mainsd").map(PathBuf::from).unwrap_or_default(),
            by: Vec::new(),
            apcupsd: false,
            left_out: Vec::new(),
        }
    }

    /// The same for Debian's apcupsd, which only CI has.
    pub fn apcupsd(ups_type: &str) -> Self {
        let program =
            ["/usr/sbin/apcupsd", "/sbin/apcupsd"].map(PathBuf::from).into_iter().find(|path| path.exists());
        let program = program.expect("Debian's package apcupsd is missing");
        let setup = Self { program, apcupsd: true, ..Self::new(ups_type) };
        setup.with("UPSCLASS", "standalone").with("UPSMODE", "disable")
    }

    /// In this network namespace.
    #[must_use]
    pub fn within(mut self, namespace: &str) -> Self {
        self.by = ["ip", "netns", "exec", namespace].map(str::to_owned).to_vec();
        self
    }

    /// Adds a directive.
    #[must_use]
    pub fn with(mut self, keyword: &str, value: &str) -> Self {
        self.directives.push_str(&format!("{keyword} {value}\n"));
        self
    }

    /// Adds a directive in place of one that was added before.
    #[must_use]
    pub fn replaced(mut self, keyword: &str, value: &str) -> Self {
        let other = |line: &&str| line.split(' ').next() != Some(keyword);
        self.directives = self.directives.lines().filter(other).map(|line| format!("{line}\n")).collect();
        self.with(keyword, value)
    }

    /// Leaves out a directive of the harness's own.
    #[must_use]
    pub fn without(mut self, keyword: &str) -> Self {
        self.left_out.push(keyword.to_owned());
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Adds to its environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What the hook does after it has logged.
    #[must_use]
    pub fn hook(mut self, shell: &str) -> Self {
        shell.clone_into(&mut self.hook);
        self
    }
}

/// A running daemon. Dropped, it is killed.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    scratch: Scratch,
    port: u16,
    hooks: Lines,
    output: Lines,
}

/// How a daemon ended.
#[derive(Debug)]
pub struct End {
    /// Its exit status.
    pub status: ExitStatus,
    /// From the signal to its exit.
    pub took: Duration,
    /// Everything it wrote to stdout and stderr.
    pub output: String,
}

/// What a program that runs once left behind.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Daemon {
    /// Writes the configuration and starts the program in the foreground. Does not wait for anything.
    pub fn start(setup: &Setup) -> Self {
        Self::start_in(setup, Scratch::new(), free_port())
    }

    /// Starts it in a folder that exists, on this port.
    pub fn start_in(setup: &Setup, scratch: Scratch, port: u16) -> Self {
        let config = write_config(setup, &scratch, port);
        // Its own: who reads that of a daemon before it, in the same folder, would take lines away.
        let path = scratch.path().join("hooks");
        std::fs::remove_file(&path).unwrap();
        make_fifo(&path);
        // Held open for reading and writing, so that it never reports an end between two hooks.
        let fifo = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let hooks = Lines::collect(fifo);
        let program = setup.program.display().to_string();
        let words: Vec<&String> = setup.by.iter().chain([&program]).collect();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .args(["-b", "-f"])
            .arg(&config)
            .arg("-P")
            .arg(scratch.path().join("pid"))
            .args(&setup.args)
            .env("TZ", "UTC")
            // Nothing built in may shut this machine down, whatever a defect makes of the hooks and SHUTDOWNCMD.
            .env("MAINSD_DRY_RUN", "1")
            // Not /run/mainsd, which is a real daemon's.
            .env("MAINSD_RUN_DIR", scratch.path().join("run"))
            .envs(setup.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", setup.program.display()));
        let output = Lines::default();
        relay(child.stdout.take().unwrap(), &output);
        relay(child.stderr.take().unwrap(), &output);
        Self { child, scratch, port, hooks, output }
    }

    /// The folder with everything: `mainsd.conf`, `events`, `pid`, `flags/powerfail`, `flags/nologin`, `state`.
    pub fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// Its NIS port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to stdout and stderr.
    pub fn output(&self) -> &Lines {
        &self.output
    }

    /// The lines of its events file without their date and time.
    pub fn log(&self) -> Vec<String> {
        logged(self.dir())
    }

    /// Waits until the lines of its events file are such that `wanted` gives something. A line may come there later than what it tells
    /// of: a hook runs, a client is answered, and the disk is slow.
    pub fn wait_for_log<T>(&self, what: &str, mut wanted: impl FnMut(&[String]) -> Option<T>) -> T {
        poll_until(TIMEOUT, || wanted(&self.log()))
            .unwrap_or_else(|| panic!("not in the events file: {what}; {}", self.describe()))
    }

    /// Waits until this line is in its events file; how often it is there then.
    pub fn wait_for_logged(&self, line: &str) -> usize {
        self.wait_for_log(line, |log| {
            let count = log.iter().filter(|logged| *logged == line).count();
            (count > 0).then_some(count)
        })
    }

    /// Waits for a file in its folder; what is in it.
    pub fn wait_for_file(&self, name: &str) -> String {
        let path = self.dir().join(name);
        poll_until(TIMEOUT, || std::fs::read_to_string(&path).ok())
            .unwrap_or_else(|| panic!("no {name} comes; {}", self.describe()))
    }

    /// What the hooks have logged: `EVENT UPSNAME CONNECTED POWERED`, and `SHUTDOWNCMD` when that ran.
    pub fn hooks(&self) -> &Lines {
        &self.hooks
    }

    /// The events that hooks were run for, in order.
    pub fn events(&self) -> Vec<String> {
        let first = |line: &Line| line.text.split(' ').next().unwrap_or_default().to_owned();
        self.hooks.since(0).iter().map(first).collect()
    }

    /// Waits for the hook of an event.
    pub fn wait_for_hook(&self, event: &str, timeout: Duration) -> Line {
        self.wait_for_hook_from(0, event, timeout).1
    }

    /// Waits for the hook of an event from line number `from` on; gives its number too.
    pub fn wait_for_hook_from(&self, from: usize, event: &str, timeout: Duration) -> (usize, Line) {
        let wanted = |text: &str| text.split(' ').next() == Some(event);
        self.hooks.wait(from, timeout, wanted).unwrap_or_else(|| {
            panic!("no {event} hook within {timeout:?}; {}", self.describe());
        })
    }

    /// Waits for a line on stdout or stderr that contains `part`.
    pub fn wait_for_output(&self, part: &str, timeout: Duration) -> Line {
        let found = self.output.wait(0, timeout, |text| text.contains(part));
        found.unwrap_or_else(|| panic!("no line with {part:?} within {timeout:?}; {}", self.describe())).1
    }

    /// A client on a new connection, as soon as the daemon listens.
    pub fn nis(&self) -> Nis {
        poll_until(TIMEOUT, || Nis::connect(("127.0.0.1", self.port), TIMEOUT).ok())
            .unwrap_or_else(|| panic!("nobody listens on port {}; {}", self.port, self.describe()))
    }

    /// One status answer.
    pub fn status(&self) -> Status {
        self.nis().status().unwrap_or_else(|error| panic!("no status: {error}; {}", self.describe()))
    }

    /// Waits for a status that `wanted` accepts.
    pub fn wait_for_status(&self, mut wanted: impl FnMut(&Status) -> bool, timeout: Duration) -> Status {
        let mut last = Status::default();
        let found = poll_until(timeout, || {
            last = self.status();
            wanted(&last).then(|| last.clone())
        });
        found.unwrap_or_else(|| {
            panic!(
                "the status did not come within {timeout:?}; the last was\n{}{}",
                last.text(),
                self.describe()
            )
        })
    }

    /// How many threads it has (Linux).
    pub fn threads(&self) -> usize {
        let of = |pid: u32| std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
        of(self.pid()).max(of(self.main_pid()))
    }

    /// The process that has the loop, as soon as there is one.
    pub fn main_pid(&self) -> u32 {
        self.role(MAIN, None)
    }

    /// The process of one of its roles, by the name that `ps` shows, as soon as there is one that is not `other`.
    pub fn role(&self, name: &str, other: Option<u32>) -> u32 {
        poll_until(TIMEOUT, || role_of(self.pid(), name).filter(|pid| Some(*pid) != other))
            .unwrap_or_else(|| panic!("no process {name:?}; {}", self.describe()))
    }

    /// Ends its main process with this signal, or has it hang; the next one.
    pub fn end_main(&self, signal: &str) -> u32 {
        let main = self.main_pid();
        send_signal(main, signal);
        self.role(MAIN, Some(main))
    }

    /// Sends it a signal by name: `HUP`, `TERM` …
    pub fn signal(&self, name: &str) {
        send_signal(self.pid(), name);
    }

    /// Stops it with SIGSTOP, helper and main process, and waits until the kernel has.
    pub fn stop(&self) {
        let main = self.main_pid();
        stop(self.pid());
        stop(main);
    }

    /// Lets it go on after [`Daemon::stop`].
    pub fn go_on(&self) {
        // The helper last: it would find the other one silent.
        send_signal(self.main_pid(), "CONT");
        send_signal(self.pid(), "CONT");
    }

    /// Ends it with SIGTERM; panics if it is not gone after [`TIMEOUT`].
    pub fn terminate(mut self) -> End {
        let sent = Instant::now();
        self.signal("TERM");
        self.end_after(sent)
    }

    /// Waits for it to end by itself.
    pub fn wait_for_exit(mut self) -> End {
        self.end_after(Instant::now())
    }

    /// Waits for it to end by itself, and gives the folder back.
    pub fn wait_for_exit_keeping(mut self) -> (End, Scratch) {
        let end = self.end_after(Instant::now());
        let scratch = std::mem::replace(&mut self.scratch, Scratch::new());
        (end, scratch)
    }

    /// Waits for its end and gives the folder back, so that another daemon can be started in it.
    pub fn terminate_keeping(mut self) -> (End, Scratch) {
        let sent = Instant::now();
        self.signal("TERM");
        let end = self.end_after(sent);
        let scratch = std::mem::replace(&mut self.scratch, Scratch::new());
        (end, scratch)
    }

    fn end_after(&mut self, sent: Instant) -> End {
        // Watched by a poll of 1 ms: std has no wait with a deadline.
        let deadline = sent + TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let took = sent.elapsed();
                // What it wrote last is still on its way through the pipe; a hook that hangs holds the pipe open.
                self.output.wait_for_end(Duration::from_secs(2));
                return End { status, took, output: self.output.text() };
            }
            assert!(Instant::now() < deadline, "still running after {TIMEOUT:?}; {}", self.describe());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Hooks, output and events file so far, for a failure message.
    pub fn describe(&self) -> String {
        let events = std::fs::read_to_string(self.dir().join("events")).unwrap_or_default();
        format!("hooks:\n{}output:\n{}events file:\n{events}", self.hooks.text(), self.output.text())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of the events file in this folder, without `2026-11-21 04:09:56 +0100` and two spaces before each.
pub fn logged(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join("events")).unwrap_or_default();
    text.lines().map(|line| line.get(27..).unwrap_or(line).to_owned()).collect()
}

/// Runs the tests' program once with these arguments; panics if it takes longer than [`TIMEOUT`].
pub fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Finished {
    run_program(&Setup::new("").program, args)
}

/// Runs a program once; panics if it takes longer than [`TIMEOUT`].
pub fn run_program<S: AsRef<OsStr>>(program: &Path, args: impl IntoIterator<Item = S>) -> Finished {
    run_program_for(program, args, TIMEOUT)
}

/// Runs a program once; panics if it takes longer than this.
pub fn run_program_for<S: AsRef<OsStr>>(
    program: &Path,
    args: impl IntoIterator<Item = S>,
    timeout: Duration,
) -> Finished {
    let mut child = Command::new(program)
        .args(args)
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
    let read = |mut source: Box<dyn std::io::Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = source.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = read(Box::new(child.stdout.take().unwrap()));
    let stderr = read(Box::new(child.stderr.take().unwrap()));
    let status = poll_until(timeout, || child.try_wait().unwrap());
    let Some(status) = status else {
        let _ = child.kill();
        panic!("{} still runs after {timeout:?}", program.display());
    };
    Finished { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// Has a thread collect the lines of this source.
pub fn relay(source: impl std::io::Read + Send + 'static, into: &Lines) {
    use std::io::BufRead;
    let into = into.clone();
    std::thread::spawn(move || {
        for line in std::io::BufReader::new(source).split(b'\n') {
            let Ok(line) = line else { break };
            into.push(String::from_utf8_lossy(&line).into_owned());
        }
    });
}

fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(made.success(), "mkfifo {}: {made}", path.display());
}

/// Writes `mainsd.conf`, the hook and the fall-back shutdown command; returns the path of the first.
pub fn write_config(setup: &Setup, scratch: &Scratch, port: u16) -> PathBuf {
    let dir = scratch.path();
    let hooks = dir.join("hooks");
    if !hooks.exists() {
        make_fifo(&hooks);
        for name in ["scripts", "flags", "lock"] {
            scratch.dir(name);
        }
    }
    let log = |what: &str| format!("#!/bin/sh\necho \"{what}\" > '{}'\n", hooks.display());
    scratch.script("scripts/apccontrol", &format!("{}{}\n", log("$*"), setup.hook));
    let shutdown = scratch.script("shutdown", &log("SHUTDOWNCMD"));
    let text = format!(
        "## apcupsd.conf v1.1 ##\n\
         UPSNAME harness\nUPSCABLE usb\nUPSTYPE {ups_type}\n{device}\
         POLLTIME 1\nONBATTERYDELAY 1\nCOMMLOSTDELAY 2\n\
         LOCKFILE {dir}/lock\nSCRIPTDIR {dir}/scripts\nPWRFAILDIR {dir}/flags\nNOLOGINDIR {dir}/flags\n\
         EVENTSFILE {dir}/events\nSTATEFILE {dir}/state\nSTATTIME 0\n\
         NETSERVER on\nNISIP 127.0.0.1\nNISPORT {port}\n\
         SHUTDOWNCMD {shutdown}\n",
        ups_type = setup.ups_type,
        device = if setup.directives.contains("DEVICE ") { "" } else { "DEVICE\n" },
        dir = dir.display(),
        shutdown = shutdown.display(),
    );
    let keyword = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let given: Vec<String> = setup.directives.lines().map(keyword).collect();
    let ours = ["COMMLOSTDELAY", "STATEFILE", "SHUTDOWNCMD"];
    let unknown = |line: &str| {
        (setup.apcupsd && ours.contains(&keyword(line).as_str())) || setup.left_out.contains(&keyword(line))
    };
    let kept = text.lines().filter(|line| !given.contains(&keyword(line)) && !unknown(line));
    let text: String = kept.chain(setup.directives.lines()).map(|line| format!("{line}\n")).collect();
    scratch.file("mainsd.conf", text)
}
