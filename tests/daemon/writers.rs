//! What writes is a process of its own: one that hangs holds up neither the watch over the UPS, nor clients, nor the shutdown,
//! nor another that writes. A process that is held stands for one that waits for a disk which does not answer. Tests leave the system log of
//! this machine alone.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{
    self, Daemon, FILES, Held, Lines, OUTPUT, Scratch, Setup, TIMEOUT, is_slow, is_there, play, play_in,
    poll_until, send_signal,
};

/// An outage that ends in a shutdown, with all that is written on the way.
const OUTAGE: &str = "4 mains off\n";

fn setup() -> Setup {
    let setup =
        Setup::new("test").with("NOLOGON", "disable").with("TIMEOUT", "3").with("ONBATTERYDELAY", "1");
    setup.with("STATTIME", "1").with("LOGSTATS", "on")
}

fn with_status_file(setup: Setup, folder: &Scratch) -> Setup {
    setup.with("STATFILE", &folder.path().join("status").display().to_string())
}

/// All hooks of the outage run, up to `doshutdown`, in time; clients are answered meanwhile.
fn goes_down(daemon: &Daemon) {
    let mut slowest = Duration::ZERO;
    let down = poll_until(TIMEOUT, || {
        let asked = Instant::now();
        assert!(daemon.status().get("STATUS").is_some());
        slowest = slowest.max(asked.elapsed());
        daemon.events().contains(&"doshutdown".to_owned()).then_some(())
    });
    assert!(down.is_some(), "{}", daemon.describe());
    // A tenth of a second would be slow.
    assert!(!is_slow(slowest, Duration::from_secs(1)), "{slowest:?}");
    assert_eq!(daemon.events()[..2], ["powerout", "onbattery"], "{}", daemon.describe());
    let at = |event: &str| daemon.wait_for_hook(event, TIMEOUT).at;
    let took = at("doshutdown") - at("powerout");
    // TIMEOUT counts from the outage; a hook is held back by a second at most, the shutdown not at all.
    assert!(took < Duration::from_secs(13), "{took:?}: {}", daemon.describe());
}

fn is_logged(daemon: &Daemon, line: &str) -> bool {
    daemon.log().iter().any(|logged| logged == line)
}

#[test]
fn files_that_hang_hold_up_nothing_and_get_their_lines_later() {
    let folder = Scratch::new();
    let daemon = play(OUTAGE, with_status_file(setup().replaced("LOGSTATS", "off"), &folder));
    daemon.wait_for_logged(
        "mainsd 0.1.0 startup succeeded".replace("0.1.0", mainsd::program::VERSION).as_str(),
    );
    let writer = daemon.role(FILES, None);
    let Some(held) = Held::new(writer) else { return };
    goes_down(&daemon);
    // Who looks is told.
    daemon.wait_for_output("Power failure.", TIMEOUT);
    assert!(daemon.nis().events().unwrap().concat().contains("Power failure."));
    assert!(!is_logged(&daemon, "Power failure."), "{}", daemon.describe());
    daemon.wait_for_output("Writing of events, status and state file has hung for 10 s", TIMEOUT);
    drop(held);
    daemon.wait_for_logged("Power failure.");
    daemon.wait_for_output("Writing of events, status and state file goes on", TIMEOUT);
    assert!(daemon.terminate().status.success());
    assert!(!is_there(writer));
}

/// A daemon whose standard output and error go to `to`, which the shell opens.
fn printing_to(to: &Path, scratch: Scratch, setup: Setup) -> Daemon {
    let program = env!("CARGO_BIN_EXE_mainsd");
    let printing =
        scratch.script("printing", &format!("#!/bin/sh\nexec {program} \"$@\" >'{0}' 2>&1\n", to.display()));
    let mut setup = setup;
    setup.program = printing;
    play_in(OUTAGE, setup, scratch)
}

/// A pipe that takes no more.
fn full_pipe(scratch: &Scratch) -> (std::path::PathBuf, File) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = scratch.path().join("full");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let flags = rustix::fs::OFlags::NONBLOCK.bits().try_into().unwrap();
    let mut pipe = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&path).unwrap();
    while pipe.write(b"old\n").is_ok() {}
    (path, pipe)
}

/// What comes out of the pipe or terminal from now on.
fn lines_of(end: &File) -> Lines {
    rustix::io::ioctl_fionbio(end, false).unwrap();
    Lines::collect(end.try_clone().unwrap())
}

fn read_on(daemon: Daemon, end: &File) -> Lines {
    let lines = lines_of(end);
    let came = |part: &str| lines.wait(0, TIMEOUT, |text| text.contains(part));
    assert!(came("Power failure.").is_some(), "{}", lines.text());
    assert!(is_logged(&daemon, "Power failure."), "{}", daemon.describe());
    let output = daemon.role(OUTPUT, None);
    assert!(daemon.terminate().status.success());
    assert!(poll_until(TIMEOUT, || (!is_there(output)).then_some(())).is_some(), "it ends by itself");
    lines
}

#[test]
fn standard_error_that_nobody_reads_holds_up_nothing() {
    let scratch = Scratch::new();
    let (path, pipe) = full_pipe(&scratch);
    let daemon = printing_to(&path, scratch, setup());
    goes_down(&daemon);
    daemon.wait_for_logged("Power failure.");
    read_on(daemon, &pipe);
}

#[test]
fn debug_output_that_nobody_reads_holds_up_nothing_and_what_is_lost_is_counted() {
    let scratch = Scratch::new();
    let (path, pipe) = full_pipe(&scratch);
    let daemon = printing_to(&path, scratch, setup().arg("-d").arg("200"));
    goes_down(&daemon);
    daemon.wait_for_logged("Power failure.");
    // As many lines as are too many, whatever is said at this level.
    let mut asked = 0;
    poll_until(TIMEOUT, || {
        (0..100).for_each(|_| drop(daemon.status()));
        asked += 100;
        let text = daemon.nis().events().unwrap().concat();
        (asked >= 5000 && text.matches("STATFLAG").count() > 0).then_some(())
    });
    let lines = read_on(daemon, &pipe);
    let told =
        |text: &str| text.contains(" lines were lost before this one: standard error and debug output");
    assert!(lines.wait(0, TIMEOUT, told).is_some(), "{}", lines.text());
}

#[test]
fn a_terminal_that_was_stopped_holds_up_nothing() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&name)
        .map(|file| (rustix::termios::tcflow(file.as_fd(), rustix::termios::Action::OOff).unwrap(), file))
        .unwrap();
    let daemon = printing_to(Path::new(&name), Scratch::new(), setup());
    goes_down(&daemon);
    daemon.wait_for_logged("Power failure.");
    rustix::termios::tcflow(terminal.1.as_fd(), rustix::termios::Action::OOn).unwrap();
    read_on(daemon, &File::from(master));
}

#[test]
fn a_writer_that_is_killed_in_an_outage_is_started_again_and_nothing_is_lost() {
    let daemon = play(OUTAGE, setup().replaced("TIMEOUT", "0"));
    daemon.wait_for_hook("onbattery", TIMEOUT);
    for name in [FILES, OUTPUT] {
        let first = daemon.role(name, None);
        send_signal(first, "KILL");
        let killed = Instant::now();
        let second = daemon.role(name, Some(first));
        // Promised within two seconds; a machine with other things to do has ten times as long.
        assert!(killed.elapsed() < Duration::from_secs(20), "{:?}", killed.elapsed());
        assert_ne!(first, second);
        let what =
            if name == FILES { "events, status and state file" } else { "standard error and debug output" };
        let line = format!("The process for {what} has ended: another one is started");
        daemon.wait_for_log(&line, |log| log.contains(&line).then_some(()));
        daemon.wait_for_output(&line, TIMEOUT);
    }
    assert!(daemon.status().has("ONBATT"));
    assert_eq!(daemon.events(), ["powerout", "onbattery"]);
    let log = daemon.log();
    for line in ["Power failure.", "Running on UPS batteries."] {
        assert_eq!(log.iter().filter(|logged| *logged == line).count(), 1, "{log:?}");
    }
}

#[test]
fn what_a_killed_writer_had_not_done_is_done_by_the_next() {
    let daemon = play(OUTAGE, setup().replaced("TIMEOUT", "0").replaced("LOGSTATS", "off"));
    let first = daemon.role(FILES, None);
    let Some(held) = Held::new(first) else { return };
    daemon.wait_for_hook("onbattery", TIMEOUT);
    send_signal(first, "KILL");
    drop(held);
    daemon.wait_for_logged("Running on UPS batteries.");
    let log = daemon.log();
    let at = |line: &str| log.iter().position(|logged| logged == line).unwrap();
    assert!(at("Power failure.") < at("Running on UPS batteries."), "{log:?}");
    let state = poll_until(TIMEOUT, || {
        let text = std::fs::read_to_string(daemon.dir().join("state")).ok()?;
        text.contains("announced yes").then_some(text)
    });
    assert!(state.is_some(), "{}", daemon.describe());
}

#[test]
fn a_state_that_could_not_be_written_is_written_later_beside_a_status_file() {
    let scratch = Scratch::new();
    let path = scratch.dir("state");
    let status = scratch.path().join("status");
    let setup = setup().replaced("TIMEOUT", "0").replaced("LOGSTATS", "off");
    let daemon = play_in(OUTAGE, setup.with("STATFILE", &status.display().to_string()), scratch);
    daemon.wait_for_logged("Running on UPS batteries.");
    // A later status is written after what was to be saved.
    let later = |text: &String| text.contains("TONBATT  : 3 Seconds");
    poll_until(TIMEOUT, || std::fs::read_to_string(&status).ok().filter(later)).unwrap();
    std::fs::remove_dir(&path).unwrap();
    let text = poll_until(TIMEOUT, || std::fs::read_to_string(&path).ok());
    assert!(text.is_some_and(|text| text.contains("announced yes")), "{}", daemon.describe());
}

#[test]
fn a_writer_that_is_stopped_is_followed_by_another_which_does_what_it_had_not_done() {
    for privsep in ["on", "off"] {
        let daemon = play(OUTAGE, setup().replaced("TIMEOUT", "0").with("PRIVSEP", privsep));
        let first = daemon.role(FILES, None);
        let stopped = Instant::now();
        support::stop(first);
        daemon.role(FILES, Some(first));
        let took = stopped.elapsed();
        assert!(!is_slow(took, Duration::from_secs(2)), "{took:?}; {}", daemon.describe());
        daemon.wait_for_logged("Running on UPS batteries.");
        let times = daemon.log().iter().filter(|logged| *logged == "Power failure.").count();
        assert_eq!(times, 1, "{}", daemon.describe());
    }
}

#[test]
fn writers_end_when_the_daemon_was_killed_and_the_outage_goes_on_with_the_next() {
    let scratch = Scratch::new();
    let daemon = play_in(OUTAGE, setup().replaced("TIMEOUT", "0"), scratch);
    daemon.wait_for_hook("onbattery", TIMEOUT);
    daemon.wait_for_logged("Running on UPS batteries.");
    let roles = [FILES, OUTPUT].map(|name| daemon.role(name, None));
    daemon.signal("KILL");
    let (_, scratch) = daemon.wait_for_exit_keeping();
    // Started at once, while they end: the state is not taken for one that is in use.
    let daemon = play_in("0 mains off\n", setup().replaced("TIMEOUT", "0"), scratch);
    daemon.wait_for_status(|status| status.has("ONBATT"), TIMEOUT);
    let log = daemon.log();
    assert!(!log.iter().any(|line| line.contains("is ignored")), "{log:?}");
    for pid in roles {
        assert!(poll_until(TIMEOUT, || (!is_there(pid)).then_some(())).is_some(), "{pid}");
    }
    daemon.wait_for_status(|status| status.is("NUMXFERS", "1"), TIMEOUT);
}

#[test]
fn signals_that_end_the_daemon_do_not_end_a_writer() {
    let daemon = play("", setup());
    for name in [FILES, OUTPUT] {
        let pid = daemon.role(name, None);
        for signal in ["TERM", "INT", "HUP", "PIPE"] {
            send_signal(pid, signal);
        }
        assert_eq!(daemon.role(name, None), pid);
    }
    let log = daemon.terminate_keeping();
    assert!(support::logged(log.1.path()).iter().any(|line| line.ends_with("shutdown succeeded")));
}

#[test]
fn a_writer_holds_its_socket_and_what_it_writes_to_and_nothing_else() {
    let daemon = play("", setup());
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let held = |name: &str| {
        let fds = std::fs::read_dir(format!("/proc/{}/fd", daemon.role(name, None))).unwrap().flatten();
        let links = fds.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        let mut kinds: Vec<String> = links
            .map(|link| match link.display().to_string() {
                link if link.starts_with("socket:") => "socket".to_owned(),
                link if link.starts_with("pipe:") => "pipe".to_owned(),
                link => link.replace(&daemon.dir().display().to_string(), ""),
            })
            .collect();
        kinds.sort();
        kinds
    };
    daemon.wait_for_log("a line", |log| (!log.is_empty()).then_some(()));
    let state = ["/dev/null", "/dev/null", "/dev/null", "/events", "/state", "socket"];
    // While it starts, or gives memory back, it has another one for a moment.
    poll_until(TIMEOUT, || (held(FILES) == state).then_some(()));
    assert_eq!(held(FILES), state);
    assert_eq!(held(OUTPUT), ["/dev/null", "pipe", "pipe", "socket"]);
}

#[test]
fn a_hook_finds_the_line_of_its_event_in_the_events_file() {
    let scratch = Scratch::new();
    let (events, found) = (scratch.path().join("events"), scratch.path().join("found"));
    let hook = format!(
        "case $1 in powerout) tail -n 1 '{0}' >> '{1}';; onbattery) tail -n 1 '{0}' >> '{1}';; esac",
        events.display(),
        found.display()
    );
    let daemon = play_in(OUTAGE, setup().replaced("LOGSTATS", "off").hook(&hook), scratch);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    let text = std::fs::read_to_string(&found).unwrap();
    let lines: Vec<&str> = text.lines().map(|line| line.get(27..).unwrap_or(line)).collect();
    assert_eq!(lines, ["Power failure.", "Running on UPS batteries."]);
}

#[test]
fn a_new_events_file_is_written_by_a_new_writer_and_told_to_clients() {
    let daemon = play("6 mains off\n", setup().replaced("TIMEOUT", "0").replaced("LOGSTATS", "off"));
    let first = daemon.role(FILES, None);
    let other = daemon.dir().join("other");
    std::fs::write(&other, "2026-11-21 04:09:56 +0100  from another life\n").unwrap();
    let file = daemon.dir().join("mainsd.conf");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace(
        &format!("EVENTSFILE {}/events", daemon.dir().display()),
        &format!("EVENTSFILE {}", other.display()),
    );
    std::fs::write(&file, text).unwrap();
    daemon.signal("HUP");
    daemon.role(FILES, Some(first));
    let told = poll_until(TIMEOUT, || {
        let told = daemon.nis().events().ok()?.concat();
        told.contains("from another life").then_some(told)
    });
    assert!(told.is_some_and(|told| !told.contains("startup succeeded")), "{}", daemon.describe());
    daemon.wait_for_hook("powerout", TIMEOUT);
    let text = std::fs::read_to_string(&other).unwrap();
    assert!(text.contains("mainsd.conf: applied\n") && text.ends_with("Power failure.\n"), "{text}");
    assert!(!is_logged(&daemon, "Power failure."));
    assert!(poll_until(TIMEOUT, || (!is_there(first)).then_some(())).is_some(), "it ends by itself");
}

#[test]
fn in_the_background_no_writer_holds_the_terminal_of_who_started_it() {
    holds_no_terminal_in_the_background(&[]);
}

#[test]
fn in_the_background_who_writes_a_trace_file_holds_no_terminal() {
    holds_no_terminal_in_the_background(&["-T"]);
}

fn holds_no_terminal_in_the_background(options: &[&str]) {
    let scratch = Scratch::new();
    let config = support::write_config(&setup(), &scratch, support::free_port());
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_mainsd"))
        .args(["apcupsd", "-f"])
        .arg(&config)
        .arg("-P")
        .arg(scratch.path().join("pid"))
        .args(options)
        .current_dir(scratch.path())
        .env("MAINSD_DRY_RUN", "1")
        .env("MAINSD_RUN_DIR", scratch.path().join("run"))
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    // Ends when nobody has the pipe any more.
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    let pid = std::fs::read_to_string(scratch.path().join("pid")).unwrap();
    let pid: u32 = pid.trim().parse().unwrap();
    send_signal(pid, "TERM");
    assert!(poll_until(TIMEOUT, || (!is_there(pid)).then_some(())).is_some());
}

/// The hook of an event finds the line that says why, also while slaves are waited for before the shutdown.
#[test]
fn a_hook_finds_the_reason_of_its_event_in_the_events_file() {
    let hook = r#"
dir=$(dirname "$0")/..
case $1 in
timeout) grep -q "Shutdown because TIMEOUT is over" "$dir/events" && echo "found-timeout" > "$dir/hooks" ;;
doshutdown) grep -q "Initiating system shutdown!" "$dir/events" && echo "found-doshutdown" > "$dir/hooks" ;;
commfailure) grep -q "No answer from the UPS: " "$dir/events" && echo "found-commfailure" > "$dir/hooks" ;;
esac"#;
    let setup = Setup::new("test").hook(hook).with("TIMEOUT", "1").with("SLAVEWAIT", "3");
    let daemon = play("2 mains off\n8 silent\n", setup);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    // A slave that stays, so that the shutdown waits for it.
    let mut slave = daemon.nis();
    slave.request(b"watch").expect("sent");
    for found in ["found-timeout", "found-doshutdown", "found-commfailure"] {
        daemon.wait_for_hook(found, TIMEOUT);
    }
}
