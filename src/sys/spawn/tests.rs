use crate::sys::scratch::Scratch;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::super::fork::is_open;
use super::*;

struct Folder(Scratch);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Scratch::new(&format!("spawn-{name}"));
        Self(path)
    }

    fn script(&self, text: &str, mode: u32) -> PathBuf {
        let path = self.0.join("script");
        write_script(&path, text, mode);
        path
    }
}

/// Writes a file in another process: a descriptor of ours, open for writing, would be in the children of tests that run
/// beside this one, and the file could not be executed ("text file busy").
pub(crate) fn write_script(path: &Path, text: &str, mode: u32) {
    let mut writer = Command::new("/bin/sh")
        .args(["-c", "cat > \"$1\" && chmod \"$2\" \"$1\"", "sh"])
        .arg(path)
        .arg(format!("{mode:o}"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());
}

#[expect(clippy::disallowed_methods, reason = "a test waits for a real process")]
fn wait(child: &mut Child) -> End {
    let begin = Instant::now();
    loop {
        if let Some(end) = child.try_wait() {
            return end;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "the child does not end");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn run(program: &Path, args: &[&str]) -> End {
    wait(&mut spawn(&Spec::new(program, args, Output::Null)).unwrap())
}

fn shell(text: &str) -> End {
    run(Path::new("/bin/sh"), &["-c", text])
}

#[test]
fn an_exit_status_and_a_signal_are_told_apart() {
    assert_eq!(shell("exit 0"), End::Exited(0));
    assert_eq!(shell("exit 99"), End::Exited(99));
    assert_eq!(shell("exit 127"), End::Exited(127));
    assert_eq!(shell("kill -9 $$"), End::Signaled(9));
}

#[test]
fn a_program_that_cannot_be_executed_says_why() {
    let folder = Folder::new("exec");
    assert_eq!(run(&folder.0.join("missing"), &[]), End::Failed(libc::ENOENT));
    assert_eq!(run(&folder.0, &[]), End::Failed(libc::EACCES));
    assert_eq!(run(&folder.script("#!/bin/sh\n", 0o644), &[]), End::Failed(libc::EACCES));
    assert_eq!(run(&folder.script("#!/no/such/shell\n", 0o755), &[]), End::Failed(libc::ENOENT));
    assert_eq!(run(&folder.script("", 0o755), &[]), End::Failed(libc::ENOEXEC));
}

#[test]
fn a_child_begins_in_a_clean_world() {
    let folder = Folder::new("world");
    let out = folder.0.join("out");
    let script = format!(
        "{{ umask; pwd; readlink /proc/self/fd/0; grep -E '^Sig(Blk|Ign):' /proc/self/status; ls /proc/self/fd; }} > {}",
        out.display()
    );
    assert_eq!(shell(&script), End::Exited(0));
    let text = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..3], ["0022", "/", "/dev/null"]);
    for line in &lines[3..5] {
        // Signals 1 to 31; 32 and 33 belong to the C library, which lets nobody touch them.
        let bits = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
        assert_eq!(bits & 0x7fff_ffff, 0, "{line}");
    }
    // 0 to 2, and the folder that `ls` itself reads.
    assert_eq!(lines[5..], ["0", "1", "2", "3"]);
}

#[test]
fn output_to_null_can_be_written_to() {
    assert_eq!(shell("echo out && echo err >&2"), End::Exited(0));
}

#[test]
fn arguments_arrive_whole_and_without_nul_bytes() {
    let test = "[ $# = 3 ] && [ \"$1\" = 'a b' ] && [ \"$2\" = '' ] && [ \"$3\" = xy ]";
    assert_eq!(run(Path::new("/bin/sh"), &["-c", test, "sh", "a b", "", "x\0y"]), End::Exited(0));
}

#[test]
fn the_whole_group_is_killed() {
    let folder = Folder::new("group");
    let out = folder.0.join("pid");
    // The grandchild ignores SIGTERM from its beginning; its parent tells its id and waits.
    let text = format!(
        "trap '' TERM; (while :; do sleep 10; done) & trap - TERM; echo $! > {0}.new; mv {0}.new {0}; wait",
        out.display()
    );
    let mut child = spawn(&Spec::new(Path::new("/bin/sh"), ["-c", &text], Output::Null)).unwrap();
    let grandchild = await_pid(&out);
    child.terminate_group();
    await_true(|| child.has_ended());
    assert!(crate::sys::process::runs(grandchild));
    child.kill_group();
    assert_eq!(wait(&mut child), End::Signaled(libc::SIGTERM));
    await_true(|| !crate::sys::process::runs(grandchild));
}

#[expect(clippy::disallowed_methods, reason = "a test waits for a real process")]
fn await_true(mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it never comes");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn await_pid(path: &Path) -> i32 {
    let mut pid = None;
    await_true(|| {
        pid = std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
        pid.is_some()
    });
    pid.unwrap()
}

#[test]
fn a_sync_child_ends_with_success() {
    assert_eq!(wait(&mut crate::sys::reboot::start_sync().unwrap()), End::Exited(0));
}

#[test]
fn an_ended_child_is_reported_until_it_is_dropped() {
    let mut child = spawn(&Spec::new(Path::new("/bin/sh"), ["-c", "exit 3"], Output::Null)).unwrap();
    assert_eq!(wait(&mut child), End::Exited(3));
    assert_eq!(child.try_wait(), Some(End::Exited(3)));
    assert!(child.has_ended());
}

#[test]
fn a_child_that_waits_before_its_program_runs_holds_nothing_of_ours() {
    let held: Vec<File> = (0..20).map(|_| File::open("/dev/null").unwrap()).collect();
    for keep in [-1, 3, held[7].as_raw_fd()] {
        let pid = fork(|| {
            close_from(3, keep);
            let others = (3..1024).filter(|fd| *fd != keep && is_open(*fd)).count();
            exit_now(i32::from(others > 0))
        })
        .unwrap();
        let mut child = Child { pid, failure: None, end: None };
        let end = loop {
            if let Some(end) = child.try_wait() {
                break end;
            }
            std::thread::yield_now();
        };
        assert_eq!(end, End::Exited(0), "{keep}");
    }
    drop(held);
}
