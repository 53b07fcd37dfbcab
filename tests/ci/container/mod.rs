//! In a container: as its first process, which has processes to look after that it has not started, and as the only file of its image.
//!
//! `MAINSD_CROSS` names a folder with finished builds of `packaging/cross`, as for `static_builds`.

pub mod image;

use std::process::Command;

use crate::support::runner::{Group, Needs, tests};
use crate::support::{
    Daemon, Scratch, Setup, TIMEOUT, free_port, is_there, play, poll_until, run_program, send_signal,
    write_config,
};

/// Process ids of its own, of which it has the first, and the `/proc` of those. With `unshare` all of them end.
const ALONE: [&str; 4] = ["unshare", "-Urpf", "--mount-proc", "--kill-child"];

pub const TESTS: Group = Group {
    needs: Needs::Machine("unshare (util-linux), and a kernel that gives name spaces", has_name_spaces),
    tests: tests![
        the_first_process_takes_the_status_of_a_process_that_it_has_not_started,
        the_first_process_passes_signals_on_and_ends_with_the_status_of_the_daemon,
        the_first_process_does_not_go_to_the_background,
        check_says_that_a_shutdown_in_a_container_is_not_that_of_the_machine,
    ],
    ..Group::new(module_path!())
};

pub fn has_name_spaces() -> bool {
    Command::new(ALONE[0]).args(&ALONE[1..]).arg("true").output().is_ok_and(|done| done.status.success())
}

fn setup() -> Setup {
    let mut setup = Setup::new("test").with("NOLOGON", "disable").with("ONBATTERYDELAY", "1");
    setup.by = ALONE.map(str::to_owned).to_vec();
    setup
}

/// The processes that this one has started, or that fell to it, by their number and name; those that have ended too.
fn children(pid: u32) -> Vec<(u32, String)> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let of = |child: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
        let (name, rest) = stat.split_once(" (")?.1.rsplit_once(") ")?;
        (rest.split(' ').nth(1)?.parse() == Ok(pid)).then(|| (child, name.to_owned()))
    };
    pids.filter_map(of).collect()
}

/// The first process of the daemon's name space.
fn first_process(daemon: &Daemon) -> u32 {
    poll_until(TIMEOUT, || Some(children(daemon.pid()).first()?.0)).expect("unshare has started nothing")
}

/// A hook leaves a process behind, which ends when the hook has long ended.
fn the_first_process_takes_the_status_of_a_process_that_it_has_not_started() {
    let scratch = Scratch::new();
    let go = scratch.path().join("go").display().to_string();
    let left = format!("[ \"$1\" != powerout ] || (until [ -e {go} ]; do sleep 0.1; done) &");
    let daemon = play("1 mains off", setup().hook(&left));
    daemon.wait_for_hook("onbattery", TIMEOUT);
    let first = first_process(&daemon);
    let strangers =
        || children(first).into_iter().filter(|(_, name)| !name.starts_with("mainsd")).collect::<Vec<_>>();
    let there = poll_until(TIMEOUT, || (!strangers().is_empty()).then_some(()));
    assert!(
        there.is_some(),
        "what the hook has left behind is not the first process's: {:?}",
        children(first)
    );
    scratch.file("go", "");
    let gone = poll_until(TIMEOUT, || strangers().is_empty().then_some(()));
    assert!(gone.is_some(), "its status was never taken: {:?}", children(first));
    daemon.wait_for_status(|status| status.has("ONBATT"), TIMEOUT);
    drop(daemon);
    let ended = poll_until(TIMEOUT, || (!is_there(first)).then_some(()));
    assert!(ended.is_some(), "process {first} outlives the test");
}

fn the_first_process_passes_signals_on_and_ends_with_the_status_of_the_daemon() {
    let daemon = play("1 mains off", setup());
    daemon.wait_for_hook("onbattery", TIMEOUT);
    let first = first_process(&daemon);
    send_signal(first, "HUP");
    daemon.wait_for_log("the reload", |log| log.iter().any(|line| line.ends_with(": applied")).then_some(()));
    send_signal(first, "TERM");
    let (end, scratch) = daemon.wait_for_exit_keeping();
    assert_eq!(end.status.code(), Some(0), "{end:?}");
    assert!(end.output.contains("mainsd exiting, signal 15"), "{end:?}");
    assert!(!scratch.path().join("pid").exists(), "it ends in order, and removes its files");
    // One that cannot start says so by its status.
    let config = write_config(&Setup::new("test").with("TIMEOUT", "soon"), &Scratch::new(), free_port());
    let args = [&ALONE[1..], &[env!("CARGO_BIN_EXE_mainsd"), "-f", config.to_str().unwrap()]].concat();
    assert_eq!(run_program(ALONE[0].as_ref(), args).status.code(), Some(2), "its folder is gone");
}

/// A program. Dropped, it is ended.
struct Program(std::process::Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Its end is the end of all.
fn the_first_process_does_not_go_to_the_background() {
    let scratch = Scratch::new();
    let config = write_config(
        &Setup::new("test").with("DEVICE", scratch.file("ups", "").to_str().unwrap()),
        &scratch,
        free_port(),
    );
    let run = scratch.path().join("run");
    let child = Command::new(ALONE[0])
        .args(&ALONE[1..])
        .args([env!("CARGO_BIN_EXE_mainsd"), "apcupsd", "-f"])
        .arg(&config)
        .arg("-P")
        .arg(scratch.path().join("pid"))
        .env("MAINSD_DRY_RUN", "1")
        .env("MAINSD_RUN_DIR", run)
        .spawn();
    let mut child = Program(child.unwrap());
    let serves = || std::fs::read_to_string(scratch.path().join("events")).ok().filter(|it| !it.is_empty());
    assert!(poll_until(TIMEOUT, serves).is_some(), "it has not started");
    assert!(child.0.try_wait().unwrap().is_none(), "it has gone to the background, and all has ended");
    let first = children(child.0.id())[0].0;
    send_signal(first, "TERM");
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
}

fn check_says_that_a_shutdown_in_a_container_is_not_that_of_the_machine() {
    let scratch = Scratch::new();
    let config = write_config(&Setup::new("test"), &scratch, free_port());
    let args = [&ALONE[1..], &[env!("CARGO_BIN_EXE_mainsd")]].concat();
    let said =
        run_program(ALONE[0].as_ref(), args.into_iter().chain(["check", "-f", config.to_str().unwrap()]));
    assert!(said.stdout.contains("this is a container ("), "{said:?}");
    assert!(said.stdout.contains("CONTAINERS in mainsd(8)"), "{said:?}");
}
