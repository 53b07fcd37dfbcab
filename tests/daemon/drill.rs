//! `mainsd drill`: a power failure by this machine's configuration; nothing is shut down, and a daemon that guards goes on.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{
    self, Daemon, Finished, Scratch, Setup, TIMEOUT, free_port, wait_for_file, write_config,
};

/// A configuration with scripts in SCRIPTDIR, and a file `ran` into which each of them writes its name and arguments.
struct Machine {
    scratch: Scratch,
    ran: PathBuf,
    config: PathBuf,
}

impl Machine {
    fn new(setup: &Setup) -> Self {
        let scratch = Scratch::new();
        let config = write_config(setup, &scratch, free_port());
        let ran = scratch.path().join("ran");
        let machine = Self { scratch, ran, config };
        // Whatever shuts down, or might.
        for name in ["scripts/apccontrol", "scripts/doshutdown", "scripts/killpower", "shutdown"] {
            machine.script(name, "");
        }
        machine
    }

    fn script(&self, name: &str, more: &str) {
        let text = format!(
            "#!/bin/sh\necho \"${{0##*/}} $* MAINSD_DRILL=$MAINSD_DRILL\" >> '{}'\n{more}\n",
            self.ran.display()
        );
        self.scratch.script(name, &text);
    }

    fn drill(&self, args: &[&str], typed: &str) -> Finished {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mainsd"));
        command.args(["drill", "-f"]).arg(&self.config).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may have ended without reading.
        let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
        let done = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Finished { status: done.status, stdout: text(done.stdout), stderr: text(done.stderr) }
    }

    fn ran(&self) -> String {
        std::fs::read_to_string(&self.ran).unwrap_or_default()
    }
}

/// Every file below a folder with what is in it, and when it was changed.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let data = path.symlink_metadata().unwrap();
        if data.is_dir() {
            found.extend(files(&path));
        } else if data.is_file() {
            found.push((path.clone(), std::fs::read(&path).unwrap(), data.modified().unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn the_timeline_has_the_seconds_of_the_configuration_and_takes_none_of_them() {
    let machine = Machine::new(&Setup::new("test").with("ONBATTERYDELAY", "6").with("TIMEOUT", "3600"));
    let before = files(machine.scratch.path());
    let done = machine.drill(&["--runtime", "120"], "");
    assert_eq!((done.status.code(), done.stderr.as_str()), (Some(0), ""), "{done:?}");
    let lines: Vec<String> =
        done.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "0:00 powerout Power failure.",
        "0:06 onbattery Running on UPS batteries.",
        "60:06 timeout Reached run time limit on batteries.",
        "60:06 Initiating system shutdown!",
        "61:36 the machine is off by now (--takes)",
        "Nothing would have gone wrong.",
    ] {
        assert!(lines.contains(&line.to_owned()), "no {line:?}:\n{}", done.stdout);
    }
    let folder = machine.scratch.path().display();
    let doshutdown = format!("60:06 doshutdown {folder}/scripts/apccontrol doshutdown: told, never run");
    assert!(lines.contains(&doshutdown), "{}", done.stdout);
    assert_eq!(files(machine.scratch.path()), before, "no file is written");
}

#[test]
fn what_shuts_down_or_cuts_the_power_is_never_run_with_any_option() {
    let setup = Setup::new("test").with("TIMEOUT", "60").with("KILLDELAY", "100").with("SHUTDOWNGRACE", "20");
    let machine = Machine::new(&setup.with("SLAVEWAIT", "5").with("NOLOGON", "always"));
    machine.script("scripts/onbattery", "");
    for (name, other) in [("timeout", "doshutdown"), ("failing", "killpower"), ("powerout", "apccontrol")] {
        std::os::unix::fs::symlink(other, machine.scratch.path().join("scripts").join(name)).unwrap();
    }
    let stories = ["outage", "short", "low-battery", "comm-loss", "remote", "self-test", "faults"];
    for story in stories {
        for more in [&[][..], &["--slave"], &["--takes", "300"], &["--runtime", "1"]] {
            for how in [&[][..], &["--run-hooks", "--yes"]] {
                let _ = std::fs::remove_file(&machine.ran);
                let args = [&["--story", story], more, how].concat();
                let done = machine.drill(&args, "");
                let on_battery = !how.is_empty() && !["self-test", "faults"].contains(&story);
                let expected = if on_battery { "onbattery harness 1 0 MAINSD_DRILL=1\n" } else { "" };
                assert_eq!(machine.ran(), expected, "{args:?}: {done:?}");
                assert!(done.status.code().is_some_and(|code| code < 2), "{done:?}");
            }
        }
    }
    let done = machine.drill(&["--run-hooks", "--yes"], "");
    for name in ["doshutdown", "killpower", "apccontrol"] {
        assert!(
            done.stdout.lines().any(|line| line.contains(name) && line.contains("never run")),
            "{done:?}"
        );
    }
    assert!(done.stdout.contains("timeout        never run: it is the same file as doshutdown"), "{done:?}");
}

#[test]
fn hooks_run_after_yes_and_not_after_no_or_the_end_of_input() {
    let machine = Machine::new(&Setup::new("test").with("TIMEOUT", "60"));
    machine.script("scripts/onbattery", "");
    for typed in ["no\n", "", "y\n", "yes, but\n", "\n"] {
        let done = machine.drill(&["--run-hooks"], typed);
        assert_eq!(done.status.code(), Some(2), "{typed:?}: {done:?}");
        assert_eq!(done.stderr, "mainsd drill: not confirmed: nothing was run\n");
        let (list, question) = done.stdout.split_once("\nHooks that do not know").unwrap();
        assert!(list.contains("onbattery      run with MAINSD_DRILL=1"), "{done:?}");
        assert!(question.starts_with(" the variable MAINSD_DRILL do their real work"), "{done:?}");
        assert_eq!(machine.ran(), "", "{typed:?}");
    }
    let done = machine.drill(&["--run-hooks"], "yes\n");
    assert_eq!((done.status.code(), machine.ran().lines().count()), (Some(0), 1), "{done:?}");
    let done = machine.drill(&["--yes"], "");
    assert_eq!((done.status.code(), machine.ran().lines().count()), (Some(2), 1), "{done:?}");
}

#[test]
fn a_hook_finds_what_apccontrol_would_give_it() {
    let machine = Machine::new(&Setup::new("test").with("TIMEOUT", "60"));
    machine.scratch.file("scripts/config", "SYSADMIN=admin@example.com\nMAINSD_DRILL=\n");
    machine.script("scripts/onbattery", "echo \"to $SYSADMIN by $APCUPSD_MAIL, drill $MAINSD_DRILL\"");
    let done = machine.drill(&["--run-hooks", "--yes"], "");
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(done.stdout.contains("to admin@example.com by mail, drill 1\n"), "{done:?}");
}

#[test]
fn hooks_that_fail_hang_or_cannot_be_run_are_what_would_go_wrong() {
    let machine = Machine::new(&Setup::new("test").with("TIMEOUT", "60").with("HOOKTIMEOUT", "1"));
    machine.script("scripts/powerout", "exit 99");
    machine.script("scripts/timeout", "exit 3");
    machine.script("scripts/onbattery", "trap '' TERM\nwhile :; do sleep 1; done");
    machine.scratch.file("scripts/offbattery", "#!/bin/sh\n");
    let done = machine.drill(&["--run-hooks", "--yes"], "");
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let (timeline, wrong) = done.stdout.split_once("\nWhat would have gone wrong:\n").unwrap();
    let folder = machine.scratch.path().join("scripts").display().to_string();
    let wrong = wrong.replace(&folder, "DIR");
    assert!(wrong.contains("0:01: DIR/onbattery took too long after "), "{wrong}");
    assert!(wrong.contains(" s (HOOKTIMEOUT 1 s)\n"), "{wrong}");
    assert!(wrong.contains("1:01: DIR/timeout exited with status 3 after "), "{wrong}");
    assert!(wrong.contains("DIR/offbattery cannot be run"), "{wrong}");
    assert!(!wrong.contains("powerout"), "{wrong}");
    assert!(timeline.contains("doshutdown     "), "{timeline}");
    // Those that apccontrol would run are run by nobody without it.
    std::fs::remove_file(machine.scratch.path().join("scripts/apccontrol")).unwrap();
    std::fs::remove_file(&machine.ran).unwrap();
    let done = machine.drill(&["--run-hooks", "--yes"], "");
    assert!(done.stdout.contains("apccontrol does not exist"), "{done:?}");
    assert_eq!((done.status.code(), machine.ran().as_str()), (Some(1), ""));
}

#[test]
fn a_daemon_with_the_same_configuration_goes_on_and_its_files_stay_as_they_are() {
    let scratch = Scratch::new();
    let script = scratch.file("script", "");
    let setup = Setup::new("test").with("TIMEOUT", "300").with("DEVICE", &script.display().to_string());
    let daemon = Daemon::start_in(&setup, scratch, free_port());
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    wait_for_file(&daemon.dir().join("state"), |text| text.contains("\nserial ") && text.ends_with("end\n"));
    let own = Scratch::new();
    let (runs, go_on) = (own.path().join("runs"), own.path().join("go-on"));
    let hook = format!(
        "#!/bin/sh\necho >> '{}'\nwhile [ ! -e '{}' ]; do sleep 0.05; done\n",
        runs.display(),
        go_on.display()
    );
    let path = own.script("onbattery", &hook);
    std::fs::rename(path, daemon.dir().join("scripts/onbattery"))
        .or_else(|_| {
            std::fs::copy(own.path().join("onbattery"), daemon.dir().join("scripts/onbattery")).map(drop)
        })
        .unwrap();
    let before = files(daemon.dir());

    let mut command = Command::new(env!("CARGO_BIN_EXE_mainsd"));
    command.args(["drill", "--run-hooks", "--yes", "-f"]).arg(daemon.dir().join("mainsd.conf"));
    let drill = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    support::poll_until(TIMEOUT, || runs.exists().then_some(())).expect("the hook of the drill runs");
    assert!(daemon.status().is("STATUS", "ONLINE"), "it answers in the middle of a drill");
    std::fs::write(&go_on, "").unwrap();
    let done = drill.wait_with_output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && said.contains("doshutdown     "), "{said}");

    assert_eq!(files(daemon.dir()), before, "state, lock, pid, events and flags are as they were");
    assert!(daemon.status().is("STATUS", "ONLINE"));
    assert_eq!(daemon.events(), [""; 0], "the daemon has run no hook");
    daemon.terminate();
}

#[test]
fn a_configuration_with_which_no_daemon_starts_is_status_3_and_a_mistake_2() {
    let scratch = Scratch::new();
    let config = scratch.file("mainsd.conf", "TIMEOUT 60\n");
    let of = |args: &[&str]| {
        let done = support::run([&["drill"], args].concat());
        (done.status.code(), done.stderr)
    };
    let (status, said) = of(&["-f", config.to_str().unwrap()]);
    assert!(status == Some(3) && said.contains("UPSTYPE: missing"), "{said}");
    let (status, said) = of(&["-f", "/nonexistent/mainsd.conf"]);
    assert!(status == Some(3) && said.contains("No such file or directory"), "{said}");
    let (status, said) = of(&["--story", "quake"]);
    assert!(status == Some(2) && said.contains("no such story 'quake'; there are outage, "), "{said}");
    let done = support::run(["drill", "--help"]);
    assert!(
        done.status.success() && done.stdout.contains("--run-hooks") && done.stdout.contains("comm-loss")
    );
    assert_eq!(support::run(["help", "drill"]).stdout, done.stdout);
}
