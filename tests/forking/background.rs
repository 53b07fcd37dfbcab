//! Going to the background: what the caller sees and what the daemon gets; and children without a free descriptor. Each test
//! starts this program in a role.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};

use crate::support::runner::{self, Group, Role, tests};
use mainsd::sys::daemonize::{Side, daemonize};
use mainsd::sys::signals::{Signal, Signals};
use mainsd::sys::spawn::{End, Output as SpawnOutput, Spec, spawn};

pub const TESTS: Group = Group {
    tests: tests![
        the_caller_hears_of_success_while_the_daemon_goes_on,
        a_start_that_fails_gives_its_status_and_words_to_the_caller,
        a_start_that_ends_without_a_word_is_a_failure,
        output_is_kept_for_debugging,
        signals_that_the_caller_blocked_or_ignored_count,
        children_start_without_a_free_descriptor,
    ],
    ..Group::new(module_path!())
};

pub const ROLE: Role = ("background", |args| role(&args[0], Path::new(&args[1])));

/// What the program does after going to the background; `folder` is where it leaves word.
fn role(name: &str, folder: &Path) -> ExitCode {
    match name {
        "signals" => return wait_for_signal(),
        "no-descriptors" => return start_children_without_descriptors(),
        _ => {}
    }
    let readiness = match daemonize().unwrap() {
        Side::Caller(status) => return ExitCode::from(status),
        Side::Background(readiness) => readiness,
    };
    match name {
        "fails" => {
            eprintln!("no such device");
            ExitCode::from(3)
        }
        "gives-up" => ExitCode::SUCCESS,
        "is-killed" => {
            let pid = std::process::id().to_string();
            Command::new("kill").args(["-KILL", &pid]).status().unwrap();
            ExitCode::SUCCESS
        }
        "debug" => {
            readiness.ready(true);
            println!("still here");
            ExitCode::SUCCESS
        }
        "ready" => {
            readiness.ready(false);
            // The caller must be gone before this is written: it does not wait for our end.
            let go = folder.join("go");
            fs::File::open(&go).unwrap().read_to_end(&mut Vec::new()).unwrap();
            println!("to nowhere");
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let umask = status.lines().find(|line| line.starts_with("Umask")).unwrap();
            let stat = fs::read_to_string("/proc/self/stat").unwrap();
            let session = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(3).unwrap().to_owned();
            let access = |fd| {
                let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
                let flags = info.lines().find(|line| line.starts_with("flags")).unwrap().to_owned();
                let target = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
                format!("{} {}", target.display(), flags.chars().last().unwrap())
            };
            let word = format!(
                "{}\n{}\n{}\n{}\n{}\n{}\n",
                session == std::process::id().to_string(),
                std::env::current_dir().unwrap().display(),
                umask,
                access(0),
                access(1),
                access(2),
            );
            fs::write(folder.join("new"), word).unwrap();
            fs::rename(folder.join("new"), folder.join("word")).unwrap();
            fs::OpenOptions::new().write(true).open(folder.join("done")).unwrap().write_all(b"x").unwrap();
            ExitCode::SUCCESS
        }
        other => panic!("no such role: {other}"),
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("mainsd-background-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        for fifo in ["go", "done"] {
            assert!(Command::new("mkfifo").arg(path.join(fifo)).status().unwrap().success());
        }
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start(role: &str, folder: &Folder) -> Output {
    runner::role(ROLE.0).arg(role).arg(&folder.0).stdin(Stdio::null()).output().unwrap()
}

fn the_caller_hears_of_success_while_the_daemon_goes_on() {
    let folder = Folder::new();
    let caller = start("ready", &folder);
    assert!(caller.status.success() && caller.stdout.is_empty(), "{caller:?}");
    fs::OpenOptions::new().write(true).open(folder.0.join("go")).unwrap();
    fs::File::open(folder.0.join("done")).unwrap().read_to_end(&mut Vec::new()).unwrap();
    let word = fs::read_to_string(folder.0.join("word")).unwrap();
    // Flags end in 2: open for reading and writing, so that a hook's "echo" does not fail.
    let expected = ["true", "/", "Umask:\t0022", "/dev/null 2", "/dev/null 2", "/dev/null 2"];
    assert_eq!(word.lines().collect::<Vec<_>>(), expected);
}

fn a_start_that_fails_gives_its_status_and_words_to_the_caller() {
    let caller = start("fails", &Folder::new());
    assert_eq!(caller.status.code(), Some(3));
    assert_eq!(caller.stderr, b"no such device\n");
}

fn a_start_that_ends_without_a_word_is_a_failure() {
    for role in ["gives-up", "is-killed"] {
        assert_eq!(start(role, &Folder::new()).status.code(), Some(1), "{role}");
    }
}

fn output_is_kept_for_debugging() {
    let caller = start("debug", &Folder::new());
    assert!(caller.status.success());
    // Read to its end, which comes only when the daemon has closed it too.
    assert_eq!(caller.stdout, b"still here\n");
}

/// Started by a shell that ignores SIGHUP, as `nohup` does.
fn signals_that_the_caller_blocked_or_ignored_count() {
    for (name, number) in [("HUP", 0), ("TERM", 15), ("INT", 2)] {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "trap '' HUP TERM INT; exec \"$@\"", "sh"]).arg(std::env::current_exe().unwrap());
        shell
            .args(["--role", ROLE.0, "signals", "/"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut child = shell.spawn().unwrap();
        let mut byte = [0];
        child.stdout.take().unwrap().read_exact(&mut byte).unwrap();
        Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(number), "{name}");
    }
}

/// The system shutdown must not fail because clients or devices have taken every descriptor.
fn children_start_without_a_free_descriptor() {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "ulimit -n 32; exec \"$@\"", "sh"]).arg(std::env::current_exe().unwrap());
    let done = shell.args(["--role", ROLE.0, "no-descriptors", "/"]).stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

fn start_children_without_descriptors() -> ExitCode {
    let mut poll = mio::Poll::new().unwrap();
    let mut signals = Signals::new().unwrap();
    signals.register(poll.registry(), mio::Token(0)).unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = fs::File::open("/dev/null") {
        taken.push(file);
    }
    assert!(taken.len() < 32 && fs::File::open("/dev/null").is_err());
    // That a program cannot be executed is then told by its status only, which is failure enough.
    for (program, expected) in [("/bin/sh", End::Exited(7)), ("/nonexistent", End::Exited(127))] {
        let spec = Spec::new(Path::new(program), ["-c", "exit 7"], SpawnOutput::Inherit);
        let mut child = spawn(&spec).unwrap();
        let end = loop {
            if let Some(end) = child.try_wait() {
                break end;
            }
            let _ = poll.poll(&mut mio::Events::with_capacity(4), None);
            assert!(signals.pending().all(|signal| signal == Signal::Child));
        };
        assert_eq!(end, expected, "{program}");
    }
    ExitCode::SUCCESS
}

fn wait_for_signal() -> ExitCode {
    const TOKEN: mio::Token = mio::Token(7);
    let mut poll = mio::Poll::new().unwrap();
    let mut signals = Signals::new().unwrap();
    signals.register(poll.registry(), TOKEN).unwrap();
    std::io::stdout().write_all(b"r").unwrap();
    std::io::stdout().flush().unwrap();
    let mut events = mio::Events::with_capacity(4);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            result => result.unwrap(),
        }
        assert!(events.iter().all(|event| event.token() == TOKEN));
        match signals.pending().next() {
            Some(Signal::Reload) => return ExitCode::SUCCESS,
            Some(Signal::Terminate(number)) => return ExitCode::from(u8::try_from(number).unwrap()),
            Some(Signal::Child) | None => {}
        }
    }
}
