//! `mainsd --dry-run`: everything is decided and nothing done, also beside a daemon that guards.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::smart::{Generation, Smart};
use crate::support::{
    self, Daemon, Lines, Nis, Scratch, Setup, TIMEOUT, free_port_for_dry_run, play_in, wait_for_file,
    write_config,
};

/// A dry run, in a temporary folder of its own. Dropped, it is killed.
struct DryRun {
    child: Child,
    log: Lines,
    temporary: Scratch,
}

impl DryRun {
    fn start(config: &Path, args: &[&str]) -> Self {
        let temporary = Scratch::new();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mainsd"));
        command.args(["--dry-run", "-f"]).arg(config).args(args).env("TMPDIR", temporary.path());
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Lines::collect(child.stderr.take().unwrap());
        Self { child, log, temporary }
    }

    fn wait_for(&self, part: &str) -> String {
        let found = self.log.wait(0, TIMEOUT, |text| text.contains(part));
        found.unwrap_or_else(|| panic!("no line with {part:?}:\n{}", self.log.text())).1.text
    }

    fn terminate(mut self) -> (std::process::ExitStatus, String, Scratch) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        let status = support::poll_until(TIMEOUT, || self.child.try_wait().unwrap()).expect("it ends");
        self.log.wait_for_end(TIMEOUT);
        (status, self.log.text(), std::mem::replace(&mut self.temporary, Scratch::new()))
    }
}

impl Drop for DryRun {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every file below a folder, with its length and time of change.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let data = path.symlink_metadata().unwrap();
            found.push(format!("{} {} {:?}", path.display(), data.len(), data.modified().unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn an_outage_to_its_end_is_decided_and_only_logged() {
    let scratch = Scratch::new();
    let script = scratch.file("script", "0 lapse 0\n2 mains off\n4 charge 3\n");
    let setup = Setup::new("test").with("DEVICE", script.to_str().unwrap()).with("NOLOGON", "always");
    let setup = setup.with("KILLDELAY", "1").with("STATTIME", "1");
    let port = free_port_for_dry_run();
    let config = write_config(&setup, &scratch, port);
    let status_file = scratch.file("status", "of the daemon that guards");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}STATFILE {}\n", status_file.display())).unwrap();
    let before = files(scratch.path());
    // Whoever opens it for reading would get what a hook says.
    let fifo = std::fs::OpenOptions::new().read(true).write(true).open(scratch.path().join("hooks")).unwrap();
    let hooks = Lines::collect(fifo);

    let dry = DryRun::start(&config, &[]);
    let announced = dry.wait_for("Dry run: this machine is NOT guarded.");
    let address = announced.rsplit_once("mainsd status ").unwrap().1.trim().to_owned();
    assert!(address.starts_with("127.0.0.1:") && address != format!("127.0.0.1:{port}"), "{announced}");
    let apccontrol = scratch.path().join("scripts/apccontrol").display().to_string();
    dry.wait_for(&format!("Dry run: not run: {apccontrol} powerout harness 1 0"));
    dry.wait_for(&format!(
        "Dry run: this machine would be shut down now, by {apccontrol} doshutdown harness 1 0: "
    ));
    dry.wait_for("Dry run: the UPS does not get the order: cut the power until mains is back");
    let mut client = Nis::connect(&address, TIMEOUT).unwrap();
    let status = client.status().unwrap();
    assert!(status.has("SHUTTING") && status.is("UPSNAME", "harness"), "{}", status.text());
    let events = client.events().unwrap().concat();
    assert!(events.contains("Initiating system shutdown!"), "{events}");

    let (status, log, temporary) = dry.terminate();
    assert!(status.success(), "{log}");
    assert_eq!(hooks.text(), "", "no hook and no SHUTDOWNCMD has run");
    assert_eq!(files(scratch.path()), before, "nothing of the daemon that guards is touched");
    assert_eq!(files(temporary.path()), [""; 0], "and nothing is left behind");
}

/// A daemon that has written its files, at a port that leaves one for a dry run.
fn guard(setup: Setup) -> Daemon {
    let scratch = Scratch::new();
    let script = scratch.file("script", "");
    let setup = setup.with("DEVICE", &script.display().to_string());
    let daemon = Daemon::start_in(&setup, scratch, free_port_for_dry_run());
    daemon.wait_for_output("NIS server startup succeeded", TIMEOUT);
    daemon
}

#[test]
fn beside_a_daemon_that_guards_it_disturbs_nothing() {
    let daemon = guard(Setup::new("test").with("TIMEOUT", "300"));
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let config = daemon.dir().join("mainsd.conf");
    // Its writer is another process.
    wait_for_file(&daemon.dir().join("state"), |text| text.contains("\nserial ") && text.ends_with("end\n"));
    let before = files(daemon.dir());
    let dry = DryRun::start(&config, &[]);
    dry.wait_for("UPS found: ");
    // A new file is applied to its own place too.
    assert!(Command::new("kill").args(["-HUP", &dry.child.id().to_string()]).status().unwrap().success());
    dry.wait_for("mainsd.conf: applied");
    let (status, log, _) = dry.terminate();
    assert!(status.success(), "{log}");
    assert!(!log.contains("cannot bind"), "{log}");
    assert_eq!(files(daemon.dir()), before);
    assert!(daemon.status().is("STATUS", "ONLINE"));
    daemon.terminate();
}

/// Without a port in DEVICE, NISPORT is the master's port too (config §3, DEVICE forms); that of the dry run is not.
#[test]
fn a_slave_asks_its_master_at_the_port_of_the_file() {
    let master = guard(Setup::new("test").with("UPSNAME", "master"));
    master.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let scratch = Scratch::new();
    let config = write_config(&Setup::new("net").with("DEVICE", "127.0.0.1"), &scratch, master.port());
    let dry = DryRun::start(&config, &[]);
    dry.wait_for("UPS found: ");
    let (status, log, _) = dry.terminate();
    assert!(status.success(), "{log}");
}

#[test]
fn the_variable_of_old_is_obeyed_with_a_warning_that_names_the_option() {
    // The harness sets it for every daemon: hooks run, and nothing built in shuts anything down.
    let daemon = play_in("1 mains off", Setup::new("test"), Scratch::new());
    let words = "Dry run (MAINSD_DRY_RUN): hooks and SHUTDOWNCMD are run, and this machine is NOT shut down by anything built in. \
                 'mainsd --dry-run' runs nothing";
    daemon.wait_for_output(words, TIMEOUT);
    daemon.wait_for_hook("powerout", TIMEOUT);
}

#[test]
fn it_stays_in_the_foreground_under_every_name_and_does_not_go_with_orders_to_the_ups() {
    let scratch = Scratch::new();
    let config = write_config(&Setup::new("test"), &scratch, free_port_for_dry_run());
    let link = scratch.path().join("apcupsd");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_mainsd"), &link).unwrap();
    let mut command = Command::new(&link);
    command.args(["--dry-run", "-f"]).arg(&config).env("TMPDIR", scratch.path());
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let log = Lines::collect(child.stderr.take().unwrap());
    let found = log.wait(0, TIMEOUT, |text| text.contains("UPS found: "));
    let _ = child.kill();
    let _ = child.wait();
    assert!(found.is_some(), "{}", log.text());
    let done = support::run(["--killpower", "--dry-run"]);
    assert_eq!((done.status.code(), done.stderr.lines().count()), (Some(1), 1), "{done:?}");
}

#[test]
fn a_port_has_faults_when_asked_for_and_the_ups_is_found_all_the_same() {
    let scratch = Scratch::new();
    let port = scratch.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &port, false);
    let setup = Setup::new("apcsmart").with("DEVICE", &port.display().to_string()).with("POLLTIME", "1");
    let config = write_config(&setup, &scratch, free_port_for_dry_run());
    let dry = DryRun::start(&config, &["--faults", "5"]);
    dry.wait_for("What the UPS says is spoilt on purpose (--faults 5)");
    dry.wait_for("UPS found: ");
    let (status, log, _) = dry.terminate();
    assert!(status.success() && !log.contains("Power failure."), "{log}");
    drop(ups);
}
