//! Several daemons on one machine: one configuration runs once, and what belongs to one UPS reaches no other's daemon.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::smart::{Generation, Smart};
use crate::support::{
    self, Daemon, Scratch, Setup, TIMEOUT, free_port, play_in, poll_until, state_files, wait_for_file,
    write_config,
};

/// A daemon whose state and locks are in this folder, in a file of the default name.
fn setup(run: &Path) -> Setup {
    let setup = Setup::new("test").with("NOLOGON", "disable").without("STATEFILE");
    setup.environment("MAINSD_RUN_DIR", &run.display().to_string())
}

fn play(script: &str, run: &Path) -> Daemon {
    play_in(script, setup(run), Scratch::new())
}

/// SIGKILL; its folder, for a daemon that is started again in it.
fn kill(daemon: Daemon) -> Scratch {
    daemon.signal("KILL");
    daemon.wait_for_exit_keeping().1
}

#[test]
fn two_configurations_without_statefile_share_nothing() {
    let run = Scratch::new();
    let run = run.path().join("mainsd");
    let left = play("1 mains off", &run);
    left.wait_for_hook("onbattery", TIMEOUT);
    let right = play("", &run);
    right.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    assert!(poll_until(TIMEOUT, || (state_files(&run).len() == 2).then_some(())).is_some());
    // The one whose UPS never left mains, killed and started again, knows nothing of the other's outage.
    let right = play_in("", setup(&run).with("TIMEOUT", "1"), kill(right));
    let status = right.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    assert!(status.is("NUMXFERS", "0") && status.get("XONBATT").is_none(), "{}", status.text());
    assert_eq!(right.events(), [""; 0], "{}", right.describe());
    // The other one goes on with its own.
    let left = play_in("0 mains off", setup(&run), kill(left));
    left.wait_for_output("already when this daemon started: that time counts", TIMEOUT);
    let status = left.wait_for_status(|status| status.has("ONBATT"), TIMEOUT);
    assert!(status.is("NUMXFERS", "1"), "{}", status.text());
    assert_eq!(left.events(), [""; 0], "nothing is announced twice: {}", left.describe());
    for state in state_files(&run) {
        assert_eq!(std::fs::metadata(&state).unwrap().mode() & 0o7777, 0o600, "{}", state.display());
    }
}

#[test]
fn an_exchanged_ups_starts_fresh_and_the_same_one_does_not() {
    let run = Scratch::new();
    let run = run.path().join("mainsd");
    let first = play("0 serial 7\n1 mains off", &run);
    first.wait_for_hook("onbattery", TIMEOUT);
    let state = poll_until(TIMEOUT, || state_files(&run).pop()).expect("a state file");
    wait_for_file(&state, |text| {
        text.contains("\ndriver test\n") && text.contains("/script\nserial SIM000000007\n")
    });
    // A minute in which the same UPS does not answer: the outage counts on.
    let same = play_in("0 serial 7\n0 mains off\n0 silent\n1 answer", setup(&run), kill(first));
    same.wait_for_output("already when this daemon started: that time counts", TIMEOUT);
    same.wait_for_status(|status| status.has("ONBATT") && status.is("NUMXFERS", "1"), TIMEOUT);
    // Another one, on mains: no event, no shutdown, its own counters.
    let other = play_in("0 serial 8", setup(&run).with("TIMEOUT", "1"), kill(same));
    other.wait_for_output("serial number SIM000000008 and not SIM000000007: it starts anew", TIMEOUT);
    let status = other.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    assert!(status.is("NUMXFERS", "0") && status.is("SERIALNO", "SIM000000008"), "{}", status.text());
    assert_eq!(other.events(), [""; 0], "{}", other.describe());
    wait_for_file(&state, |text| {
        text.contains("\nserial SIM000000008\n") && !text.contains("on_battery_since")
    });
}

#[test]
fn a_state_in_use_is_left_to_who_has_it() {
    let scratch = Scratch::new();
    let state = scratch.path().join("shared");
    let setup =
        || Setup::new("test").with("NOLOGON", "disable").with("STATEFILE", &state.display().to_string());
    let left = play_in("1 mains off", setup(), Scratch::new());
    left.wait_for_hook("onbattery", TIMEOUT);
    let right = play_in("", setup(), Scratch::new());
    let line = right.wait_for_output("State file", TIMEOUT);
    assert!(line.text.contains("is ignored: another process is using it"), "{}", line.text);
    let status = right.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    assert!(status.is("NUMXFERS", "0"), "{}", status.text());
    wait_for_file(&state, |text| text.contains("on_battery_since"));
    let told = right.output().since(0).iter().filter(|line| line.text.contains("tate file")).count();
    assert_eq!(told, 1, "{}", right.describe());
}

/// Runs `mainsd` once more with this configuration and this pid file; its exit status and what it said.
fn once_more(first: &Daemon, config: &Path, run: &Path, background: bool) -> (Option<i32>, String) {
    let mut command = Command::new(Setup::new("").program);
    if background {
        command.arg("apcupsd");
    }
    let done = command
        .arg("-f")
        .arg(config)
        .arg("-P")
        .arg(first.dir().join("pid"))
        .env("MAINSD_DRY_RUN", "1")
        .env("MAINSD_RUN_DIR", run)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn a_second_daemon_of_one_configuration_says_who_runs_and_ends() {
    let run = Scratch::new();
    let run = run.path().join("mainsd");
    let first = play("1 mains off", &run);
    first.wait_for_hook("onbattery", TIMEOUT);
    let config = first.dir().join("mainsd.conf");
    let link = first.dir().join("link.conf");
    symlink("mainsd.conf", &link).unwrap();
    // It is written once more when the hook has been started.
    let written = || {
        let state = std::fs::read_to_string(&state_files(&run)[0]).ok()?;
        state.contains("announced yes").then_some(state)
    };
    let state = poll_until(TIMEOUT, written).expect("no outage in the state file");
    for (file, background) in [(&config, false), (&link, false), (&config, true)] {
        let (code, said) = once_more(&first, file, &run, background);
        assert_eq!(code, Some(1), "{said}");
        let words =
            format!("mainsd (process {}) runs with {} already; this one ends", first.pid(), config.display());
        assert!(said.contains(&words), "{said}");
        // Nothing of the first one's has been taken over or removed.
        assert_eq!(std::fs::read_to_string(first.dir().join("pid")).unwrap(), format!("{}\n", first.pid()));
        assert_eq!(std::fs::read_to_string(&state_files(&run)[0]).unwrap(), state);
    }
    assert!(first.status().has("ONBATT"));
    // However it ended, the next one can start.
    let again = play_in("0 mains off", setup(&run), kill(first));
    again.wait_for_output("that time counts", TIMEOUT);
    let (end, scratch) = again.terminate_keeping();
    assert!(end.status.success() && !scratch.path().join("pid").exists(), "{end:?}");
    assert_eq!(std::fs::read_dir(run.join("lock")).unwrap().count(), 0);
}

#[test]
fn another_configuration_with_the_same_pid_file_guards_without_one() {
    let run = Scratch::new();
    let run = run.path().join("mainsd");
    let first = play("", &run);
    first.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let pid = first.dir().join("pid");
    let second = play_in("", setup(&run).arg("-P").arg(&pid.display().to_string()), Scratch::new());
    let words = format!("Pid file {} stays that of mainsd (process {})", pid.display(), first.pid());
    second.wait_for_output(&words, TIMEOUT);
    second.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    assert!(second.terminate().status.success());
    assert_eq!(std::fs::read_to_string(&pid).unwrap(), format!("{}\n", first.pid()));
    assert!(first.terminate().status.success());
    assert!(!pid.exists());
}

fn serial(port: &Path, run: &Path, lock: &Path) -> Setup {
    setup(run)
        .replaced("UPSTYPE", "apcsmart")
        .with("UPSCABLE", "smart")
        .with("DEVICE", &port.display().to_string())
        .with("LOCKFILE", &lock.display().to_string())
}

#[test]
fn two_configurations_never_hold_one_port_and_the_second_follows_when_the_first_ends() {
    let ports = Scratch::new();
    let run = ports.path().join("mainsd");
    let port = ports.path().join("ttyS0");
    let _ups = Smart::start(Generation::Third, &port, false);
    let alias = ports.path().join("by-path");
    symlink(&port, &alias).unwrap();
    // Lock files that do not meet, because of the names; then one that does.
    for second_name in [&alias, &port] {
        let locks = ports.path().join("locks");
        let _ = std::fs::create_dir(&locks);
        let first = Daemon::start(&serial(&port, &run, &locks));
        first.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
        let second = Daemon::start(&serial(second_name, &run, &locks));
        let line = second.wait_for_output("is held by another program", TIMEOUT);
        assert!(line.text.contains(&format!("mainsd (process {})", first.pid())), "{}", line.text);
        let status = second.wait_for_status(|status| status.is("STATUS", "COMMLOST"), TIMEOUT);
        assert!(status.get("BCHARGE").is_none(), "{}", status.text());
        assert!(first.status().is("STATUS", "ONLINE"));
        assert!(first.terminate().status.success());
        second.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
        assert!(second.terminate().status.success());
        assert_eq!(std::fs::read_dir(&locks).unwrap().count(), 0, "no lock file is left");
    }
}

#[test]
fn a_start_that_fails_leaves_neither_pid_file_nor_locks() {
    let ports = Scratch::new();
    let run = ports.path().join("run");
    let locks = ports.dir("locks");
    let scratch = Scratch::new();
    let config = write_config(&serial(&ports.path().join("none"), &run, &locks), &scratch, free_port());
    let mut failures = 0;
    // Fewer descriptors than it needs: it fails sooner or later, and at last not at all.
    for descriptors in 4..40 {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {descriptors}; exec \"$@\""), "sh"]);
        shell.arg(Setup::new("").program).arg("-f").arg(&config).arg("-P").arg(scratch.path().join("pid"));
        shell.env("MAINSD_DRY_RUN", "1").env("MAINSD_RUN_DIR", &run);
        let mut child =
            shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let output = support::Lines::collect(child.stderr.take().unwrap());
        let started = poll_until(TIMEOUT, || match child.try_wait().unwrap() {
            Some(status) => Some(Err(status)),
            None => output.text().contains("startup succeeded").then_some(Ok(())),
        });
        match started.expect("it starts or fails") {
            Ok(()) => {
                child.kill().unwrap();
                child.wait().unwrap();
                break;
            }
            Err(status) => assert!(!status.success(), "{}", output.text()),
        }
        failures += 1;
        let left = |folder: &Path| std::fs::read_dir(folder).map_or(0, Iterator::count);
        assert!(!scratch.path().join("pid").exists(), "{descriptors} descriptors: {}", output.text());
        assert_eq!(left(&locks), 0, "{descriptors} descriptors: {}", output.text());
        assert_eq!(left(&run.join("lock")), 0, "{descriptors} descriptors: {}", output.text());
    }
    assert!(failures >= 2, "{failures}");
}

#[test]
fn a_folder_that_is_of_no_use_costs_one_line_and_no_guard() {
    let scratch = Scratch::new();
    let run = scratch.dir("run");
    std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o777)).unwrap();
    let daemon = play("1 mains off", &run);
    let line = daemon.wait_for_output("others can write to it; without this folder", TIMEOUT);
    assert!(line.text.contains(&run.display().to_string()), "{}", line.text);
    daemon.wait_for_hook("onbattery", TIMEOUT);
    assert_eq!(std::fs::read_dir(&run).unwrap().count(), 0);
    assert!(daemon.terminate().status.success());
}
