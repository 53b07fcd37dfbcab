//! Files and folders on a file system that no longer answers: ext4 on a loop device, frozen (`FIFREEZE`), so that whatever writes to
//! it hangs beyond the reach of SIGKILL. An outage is seen, port 3551 answers, and the shutdown is carried out.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::client::{Client, judge};
use super::{Lab, Scenario, ensure, ensure_within};
use crate::support::smart::{Generation, Smart};
use crate::support::{self, Daemon, OtherProgram, Scratch, Serial, Setup, TIMEOUT};

/// All of them.
pub const ALL: &[Scenario] = &[
    ("frozen_folder_of_the_powerfail_flag_stops_nothing", |lab| {
        outage(lab, &[Frozen::Directive("PWRFAILDIR")])
    }),
    ("frozen_folder_of_nologin_stops_nothing", |lab| outage(lab, &[Frozen::Directive("NOLOGINDIR")])),
    ("frozen_folder_of_the_lock_file_stops_nothing", |lab| outage(lab, &[Frozen::Directive("LOCKFILE")])),
    ("frozen_configuration_stops_nothing", |lab| outage(lab, &[Frozen::Configuration])),
    ("hook_that_hangs_on_a_frozen_disk_gives_way", |lab| outage(lab, &[Frozen::Hook])),
    ("frozen_lock_file_of_another_program_is_waited_for_no_longer_than_5_s", lock_of_another),
    ("frozen_events_file_stops_nothing", |lab| outage(lab, &[Frozen::Directive("EVENTSFILE")])),
    ("frozen_status_file_stops_nothing", |lab| outage(lab, &[Frozen::Directive("STATFILE")])),
    ("frozen_state_file_stops_nothing", |lab| outage(lab, &[Frozen::Directive("STATEFILE")])),
    ("everything_on_a_frozen_disk_stops_nothing", |lab| outage(lab, ALL_OF_THEM)),
];

const ALL_OF_THEM: &[Frozen] = &[
    Frozen::Directive("PWRFAILDIR"),
    Frozen::Directive("NOLOGINDIR"),
    Frozen::Directive("LOCKFILE"),
    Frozen::Directive("EVENTSFILE"),
    Frozen::Directive("STATFILE"),
    Frozen::Directive("STATEFILE"),
    Frozen::Configuration,
    Frozen::Hook,
];

/// Directives that name a file.
const FILES: [&str; 3] = ["EVENTSFILE", "STATEFILE", "STATFILE"];

/// What is on the frozen file system.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Frozen {
    /// The folder, or the file, that this directive names.
    Directive(&'static str),
    /// The configuration; it is read again while it is frozen.
    Configuration,
    /// What the hook `doshutdown` writes to.
    Hook,
}

/// A file system of its own. Dropped, it thaws; it goes with the machine.
struct Disk {
    _image: Scratch,
    folder: PathBuf,
}

impl Disk {
    fn new() -> Self {
        let image = Scratch::new();
        let file = image.file("image", "");
        std::fs::File::options().write(true).open(&file).unwrap().set_len(16 << 20).unwrap();
        let folder = image.path().join("disk");
        std::fs::create_dir(&folder).unwrap();
        must(Command::new("mkfs.ext4").arg("-q").arg(&file));
        must(Command::new("mount").args(["-o", "loop"]).arg(&file).arg(&folder));
        Self { _image: image, folder }
    }

    /// It thaws after five minutes at the latest: what a failed test waits for is a daemon that hangs.
    fn freeze(&self) {
        must(Command::new("fsfreeze").arg("-f").arg(&self.folder));
        let later = format!("sleep 300; fsfreeze -u '{}'", self.folder.display());
        let mut later = Command::new("sh").args(["-c", &later]).spawn().unwrap();
        std::thread::spawn(move || later.wait());
    }

    fn thaw(&self) {
        let _ = Command::new("fsfreeze").arg("-u").arg(&self.folder).status();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.thaw();
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

/// Runs it, and fails if that does.
pub fn must(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn setup(setup: Setup, lab: &Lab, frozen: &[Frozen], folder: &Path) -> Setup {
    let mut setup = setup.with("TIMEOUT", "4").with("NOLOGON", "always").with("HOOKTIMEOUT", "5");
    // The status file is written while the outage lasts.
    setup = setup.with("STATTIME", "2");
    setup.program.clone_from(&lab.program);
    for what in frozen {
        match what {
            Frozen::Directive(keyword) if FILES.contains(keyword) => {
                setup = setup.with(keyword, &folder.join(keyword).display().to_string());
            }
            Frozen::Directive(keyword) => setup = setup.with(keyword, &folder.display().to_string()),
            Frozen::Hook => {
                let line = format!("[ \"$1\" != doshutdown ] || echo > {}/from-hook", folder.display());
                setup = setup.hook(&line);
            }
            Frozen::Configuration => {}
        }
    }
    setup
}

fn outage(lab: &Lab, frozen: &[Frozen]) {
    let disk = Disk::new();
    let serial = Serial::start(Generation::Third, |of_port| setup(of_port, lab, frozen, &disk.folder));
    let daemon = &serial.daemon;
    daemon
        .wait_for_status(|status| status.is("STATUS", "ONLINE") && status.get("BCHARGE").is_some(), TIMEOUT);
    if frozen.contains(&Frozen::Configuration) {
        let (config, moved) = (daemon.dir().join("mainsd.conf"), disk.folder.join("mainsd.conf"));
        std::fs::copy(&config, &moved).unwrap();
        std::fs::remove_file(&config).unwrap();
        symlink(&moved, &config).unwrap();
    }
    disk.freeze();
    let client = Client::start(daemon.port());
    through(&serial, frozen);
    judge(lab, client.stop());
    let Serial { daemon, ups: _ups, ports: _ports, .. } = serial;
    let (end, scratch) = daemon.terminate_keeping();
    assert!(end.status.success(), "{}", end.output);
    // Two flags, and the files that are removed: a second each.
    ensure_within(end.took, Duration::from_secs(5), "the end with a frozen file system");
    disk.thaw();
    if frozen.contains(&Frozen::Directive("PWRFAILDIR")) {
        let flag = disk.folder.join("powerfail");
        let made = support::poll_until(TIMEOUT, || flag.exists().then_some(()));
        assert!(made.is_some(), "the child that hung has not made the flag\n{}", end.output);
        let told = format!("Unable to create {}: ERR=no answer in 1 s; nothing waits for it", flag.display());
        assert!(end.output.contains(&told), "{}", end.output);
    }
    drop(scratch);
}

/// The lock file of a port is another program's; that ends, and its file cannot be removed.
fn lock_of_another(lab: &Lab) {
    let (disk, ports) = (Disk::new(), Scratch::new());
    let port = ports.path().join("ttyS0");
    let _ups = Smart::start(Generation::Third, &port, false);
    let other = OtherProgram::start_with_lock(&port, &disk.folder.join("LCK..ttyS0"));
    let daemon =
        Daemon::start(&setup(Serial::setup(&port), lab, &[Frozen::Directive("LOCKFILE")], &disk.folder));
    daemon.wait_for_output("is held by another program", TIMEOUT);
    disk.freeze();
    drop(other);
    daemon.wait_for_output("no answer in 5 s; the port is used without it", TIMEOUT);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let end = daemon.terminate();
    assert!(end.status.success(), "{}", end.output);
    ensure_within(end.took, Duration::from_secs(5), "the end with a frozen file system");
}

/// The outage and its end.
fn through(serial: &Serial, frozen: &[Frozen]) {
    let daemon = &serial.daemon;
    serial.unit().fail_mains();
    daemon.wait_for_hook("powerout", TIMEOUT);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    if frozen.contains(&Frozen::Hook) {
        daemon.wait_for_hook("SHUTDOWNCMD", TIMEOUT);
    }
    let status = daemon.wait_for_status(|status| status.is("STATUS", "SHUTTING DOWN"), TIMEOUT);
    ensure(daemon, status.get("BCHARGE").is_some(), "no values");
    if frozen.contains(&Frozen::Configuration) {
        daemon.signal("HUP");
        daemon.wait_for_output("mainsd.conf: applied", TIMEOUT);
    }
    serial.unit().restore_mains();
    daemon.wait_for_hook("mainsback", TIMEOUT);
}
