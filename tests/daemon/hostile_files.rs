//! What other users, and accidents, can put where the daemon has its files: nothing of it is followed, waited for, or a reason
//! not to guard.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::support::smart::{Generation, Smart};
use crate::support::{self, Daemon, FakeTime, OtherProgram, Scratch, Setup, TIMEOUT, play};

fn setup() -> Setup {
    Setup::new("test").with("NOLOGON", "disable")
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn links_of_the_administrator_go_on_working() {
    let (folder, real) = (Scratch::new(), Scratch::new());
    let mut setup = setup().with("STATTIME", "1").with("EVENTSFILEMAX", "1");
    for keyword in ["EVENTSFILE", "STATFILE", "STATEFILE"] {
        let link = folder.path().join(keyword);
        symlink(real.path().join(keyword), &link).unwrap();
        setup = setup.with(keyword, &link.display().to_string());
    }
    let daemon = play("1 mains off", setup);
    daemon.wait_for_hook("onbattery", TIMEOUT);
    let read = |name: &str| fs::read_to_string(real.path().join(name)).unwrap_or_default();
    assert!(support::poll_until(TIMEOUT, || read("STATFILE").contains("ONBATT").then_some(())).is_some());
    assert!(read("EVENTSFILE").contains("Power failure."), "{}", daemon.describe());
    support::wait_for_file(&real.path().join("STATEFILE"), |text| text.contains("on_battery_since"));
    assert!(daemon.nis().events().unwrap().concat().contains("Power failure."));
    for keyword in ["EVENTSFILE", "STATFILE", "STATEFILE"] {
        assert!(fs::symlink_metadata(folder.path().join(keyword)).unwrap().is_symlink(), "{keyword}");
    }
}

#[test]
fn pipes_in_place_of_its_files_hold_nothing_up() {
    let folder = Scratch::new();
    let path = |name: &str| folder.path().join(name);
    for name in ["events", "status", "state", "pid", "powerfail", "nologin"] {
        fifo(&path(name));
    }
    let given = |name: &str| path(name).display().to_string();
    let setup = setup().replaced("NOLOGON", "always").with("TIMEOUT", "1").with("STATTIME", "1");
    let setup = setup.with("EVENTSFILE", &given("events")).with("STATFILE", &given("status"));
    let setup =
        setup.with("STATEFILE", &given("state")).with("PWRFAILDIR", &folder.path().display().to_string());
    let setup = setup.with("NOLOGINDIR", &folder.path().display().to_string()).arg("-P").arg(&given("pid"));
    let daemon = play("1 mains off\n4 mains on", setup);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    daemon.wait_for_hook("offbattery", TIMEOUT);
    assert!(daemon.status().get("STATUS").is_some());
    // From memory: whatever has the file's name, what was said since the start is told.
    assert!(daemon.nis().events().unwrap().concat().contains("Power failure."));
    let end = daemon.terminate();
    assert!(end.status.success(), "{end:?}");
}

#[test]
fn whatever_has_the_lock_files_name_the_ups_is_watched() {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let _ups = Smart::start(Generation::Third, &port, false);
    let locks = ports.dir("locks");
    let lock = locks.join("LCK..ttyS0");
    let target = ports.file("target", "of somebody else");
    let nobody = format!("{:010}\0", i32::MAX);
    let odd: [(&str, &dyn Fn()); 5] = [
        ("a dangling link", &|| symlink("/nonexistent/x", &lock).unwrap()),
        ("a link", &|| symlink(&target, &lock).unwrap()),
        ("a fifo", &|| fifo(&lock)),
        ("a stale lock", &|| fs::write(&lock, &nobody).unwrap()),
        ("a folder", &|| fs::create_dir(&lock).unwrap()),
    ];
    for (what, make) in odd {
        make();
        let setup =
            Setup::new("apcsmart").with("UPSCABLE", "smart").with("DEVICE", &port.display().to_string());
        let daemon = Daemon::start(&setup.with("LOCKFILE", &locks.display().to_string()));
        let online = support::poll_until(TIMEOUT, || {
            support::Nis::connect(("127.0.0.1", daemon.port()), TIMEOUT)
                .ok()?
                .status()
                .ok()
                .filter(|status| status.is("STATUS", "ONLINE"))
        });
        assert!(online.is_some(), "{what}: {}", daemon.describe());
        if what == "a folder" {
            daemon.wait_for_output("ERR=Is a directory; the port is used without it", TIMEOUT);
        } else {
            let content = fs::read_to_string(&lock).unwrap();
            assert_eq!(content, format!("{:010}\0", daemon.pid()), "{what}");
        }
        assert!(daemon.terminate().status.success());
        assert_eq!(lock.exists(), what == "a folder", "{what}");
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), "of somebody else");
}

#[test]
fn a_folder_of_locks_that_is_missing_or_not_ours_keeps_nobody_from_guarding() {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let _ups = Smart::start(Generation::Third, &port, false);
    for locks in ["/nonexistent/locks", "/proc"] {
        let setup =
            Setup::new("apcsmart").with("UPSCABLE", "smart").with("DEVICE", &port.display().to_string());
        let daemon = Daemon::start(&setup.with("LOCKFILE", locks));
        daemon.wait_for_output("LCK..ttyS0 serial port lock file: ERR=", TIMEOUT);
        daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
        assert!(daemon.terminate().status.success());
    }
}

#[test]
fn a_program_that_has_the_port_open_without_a_lock_is_named() {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let _ups = Smart::start(Generation::Third, &port, false);
    let other = OtherProgram::start(&port);
    let setup = Setup::new("apcsmart").with("UPSCABLE", "smart").with("DEVICE", &port.display().to_string());
    let daemon = Daemon::start(&setup);
    let line = daemon.wait_for_output("is open in another program too: ", TIMEOUT);
    assert!(line.text.contains(&format!("(process {})", other.id())), "{}", line.text);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
}

/// The configuration is a pipe: the start waits for it, so that signals come in its middle.
#[test]
fn signals_during_the_start_end_nothing() {
    let pipes = Scratch::new();
    let pipe = pipes.path().join("mainsd.conf");
    fifo(&pipe);
    let daemon = play("", setup().arg("-f").arg(&pipe.display().to_string()));
    let config = fs::read(daemon.dir().join("mainsd.conf")).unwrap();
    let mut options = fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::custom_flags(options.write(true), libc::O_NONBLOCK);
    let mut reads = 0;
    let applied = support::poll_until(TIMEOUT, || {
        // There is nobody to write to until the daemon has opened the other end.
        if let Ok(mut writer) = options.open(&pipe) {
            reads += 1;
            for signal in ["HUP", "XFSZ", "HUP"].iter().filter(|_| reads == 1) {
                daemon.signal(signal);
            }
            writer.write_all(&config).unwrap();
        }
        daemon.output().text().contains("mainsd.conf: applied").then_some(())
    });
    // It has started, and the signal that came before was not lost: the file was read again.
    assert!(applied.is_some() && reads >= 2, "{reads} reads; {}", daemon.describe());
    assert!(daemon.status().is("STATUS", "ONLINE"));
    assert!(daemon.terminate().status.success());
}

#[test]
fn on_battery_too_the_events_file_has_a_bound() {
    // The status in the log every second: 45 lines.
    let setup = setup().with("STATTIME", "1").with("LOGSTATS", "on").with("EVENTSFILEMAX", "10");
    let mut daemon = FakeTime::start(&setup, "0 lapse 0\n1 mains off", 0.0, |_| ());
    let events = daemon.dir().join("events");
    let mut longest = 0;
    for second in 1..200 {
        daemon.run_to(f64::from(second));
        longest = longest.max(fs::metadata(&events).unwrap().len());
    }
    assert!(longest > 20 * 1024, "a flood: {longest}");
    assert!(longest <= (10 + 64) * 1024, "{longest}");
    let text = fs::read_to_string(&events).unwrap();
    assert!(text.lines().all(|line| line.starts_with("20")), "whole lines");
    assert!(text.contains("ONBATT"), "the newest: {text}");
}
