//! The helper, and main processes that end, hang, or are somebody else's: the guard goes on.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use crate::support::{
    self, Daemon, Held, MAIN, Scratch, Setup, TIMEOUT, is_slow, is_there, logged, play, play_in, poll_until,
    role_of, send_signal, stop,
};

fn setup() -> Setup {
    Setup::new("test").with("NOLOGON", "disable").with("TIMEOUT", "0").with("ONBATTERYDELAY", "1")
}

/// The UPS of the next main process is on battery from its start on.
fn stays_on_battery(daemon: &Daemon) {
    std::fs::write(daemon.dir().join("script"), "0 mains off\n").unwrap();
}

/// Ends the main process with this signal; the next one.
fn next_main(daemon: &Daemon, signal: &str) -> u32 {
    let first = daemon.main_pid();
    send_signal(first, signal);
    daemon.role(MAIN, Some(first))
}

#[test]
fn a_main_process_that_is_killed_on_mains_is_followed_by_another_and_the_daemon_goes_on() {
    let daemon = play("", setup());
    let before = daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let first = daemon.main_pid();
    next_main(&daemon, "KILL");
    daemon.wait_for_logged(&format!("The main process ({first}) was ended by signal 9"));
    daemon.wait_for_logged("Another main process watches the UPS");
    let after = daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    assert_eq!(after.get("STARTTIME"), before.get("STARTTIME"), "the daemon was not started again");
    let starts = daemon.log().iter().filter(|line| line.ends_with("startup succeeded")).count();
    assert_eq!(starts, 1, "{}", daemon.describe());
    // What was logged before is told to clients still.
    let events = poll_until(TIMEOUT, || {
        let events = daemon.nis().events().unwrap().concat();
        (events.contains("startup succeeded") && events.contains("Another main process")).then_some(events)
    });
    assert!(events.is_some(), "{}", daemon.describe());
    let end = daemon.terminate();
    assert!(end.status.success() && end.output.contains("mainsd shutdown succeeded"), "{}", end.output);
}

#[test]
fn an_outage_counts_on_over_the_end_of_a_main_process_and_is_announced_once() {
    let daemon = play("1 mains off\n", setup().replaced("TIMEOUT", "8"));
    daemon.wait_for_hook("onbattery", TIMEOUT);
    let began = daemon.wait_for_hook("powerout", TIMEOUT).at;
    stays_on_battery(&daemon);
    for signal in ["KILL", "ABRT"] {
        next_main(&daemon, signal);
        daemon.wait_for_status(|status| status.has("ONBATT"), TIMEOUT);
    }
    let took = daemon.wait_for_hook("doshutdown", TIMEOUT).at - began;
    // Two starts would have put it off by more than this each.
    assert!(took > Duration::from_secs(6) && took < Duration::from_secs(30), "{took:?}");
    assert_eq!(daemon.events(), ["powerout", "onbattery", "timeout", "doshutdown"], "{}", daemon.describe());
    daemon.wait_for_status(|status| status.is("NUMXFERS", "1") && status.has("SHUTTING"), TIMEOUT);
}

#[test]
fn a_main_process_that_hangs_in_an_outage_is_killed_and_the_limit_is_kept() {
    let daemon = play("1 mains off\n", setup().replaced("TIMEOUT", "5"));
    daemon.wait_for_hook("onbattery", TIMEOUT);
    stays_on_battery(&daemon);
    let first = daemon.main_pid();
    let Some(held) = Held::new(first) else { return };
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    daemon.wait_for_logged(&format!("The main process ({first}) does not answer and was killed"));
    assert_eq!(daemon.events(), ["powerout", "onbattery", "timeout", "doshutdown"], "{}", daemon.describe());
    drop(held);
}

#[test]
fn a_main_process_that_is_stopped_is_followed_by_another_within_two_seconds() {
    let daemon = play("4 mains off\n", setup().replaced("TIMEOUT", "0"));
    let follows = || {
        let first = daemon.main_pid();
        let stopped = Instant::now();
        stop(first);
        daemon.role(MAIN, Some(first));
        let took = stopped.elapsed();
        assert!(!is_slow(took, Duration::from_secs(2)), "{took:?}; {}", daemon.describe());
        daemon.wait_for_logged(&format!("The main process ({first}) was stopped for 1 s and was killed"));
    };
    follows();
    daemon.wait_for_hook("onbattery", TIMEOUT);
    stays_on_battery(&daemon);
    follows();
    // One that is continued in time stays what it is.
    let third = daemon.main_pid();
    stop(third);
    send_signal(third, "CONT");
    assert!(daemon.nis().status().is_ok());
    assert_eq!(daemon.main_pid(), third, "{}", daemon.describe());
    assert_eq!(daemon.events(), ["powerout", "onbattery"], "{}", daemon.describe());
}

#[test]
fn a_shutdown_that_was_started_is_not_started_again_by_the_next_main_process() {
    let daemon = play("1 mains off\n", setup().replaced("TIMEOUT", "2"));
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    daemon.wait_for_log("it is started", |log| {
        log.iter().any(|line| line.starts_with("System shutdown started by ")).then_some(())
    });
    stays_on_battery(&daemon);
    next_main(&daemon, "KILL");
    // It decides by itself what the one before it has decided.
    let count = |log: &[String], text: &str| log.iter().filter(|line| line.starts_with(text)).count();
    daemon.wait_for_log("it is decided again", |log| {
        (count(log, "Initiating system shutdown!") == 2).then_some(())
    });
    daemon.signal("TERM");
    let (end, scratch) = daemon.wait_for_exit_keeping();
    assert!(end.status.success());
    assert_eq!(count(&logged(scratch.path()), "System shutdown started"), 1, "{}", end.output);
}

#[test]
fn a_shutdown_goes_on_without_a_main_process() {
    let hook = "if [ $1 = doshutdown ]; then while [ ! -e go ]; do sleep 0.05; done; fi";
    let scratch = Scratch::new();
    let go = scratch.path().join("go");
    let hook = hook.replace("go ]", &format!("{} ]", go.display()));
    let daemon = play_in("1 mains off\n", setup().replaced("TIMEOUT", "2").hook(&hook), scratch);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    stays_on_battery(&daemon);
    let next = next_main(&daemon, "KILL");
    daemon.wait_for_status(|status| status.has("ONBATT"), TIMEOUT);
    std::fs::write(go, "").unwrap();
    daemon.wait_for_log("it is started", |log| {
        log.iter().any(|line| line.starts_with("System shutdown started by ")).then_some(())
    });
    assert_eq!(daemon.main_pid(), next);
    let shutdowns = daemon.events().iter().filter(|event| *event == "doshutdown").count();
    assert_eq!(shutdowns, 1, "{}", daemon.describe());
}

#[test]
fn main_processes_that_end_again_and_again_go_on_without_a_port_until_a_reload() {
    let daemon = play("", setup());
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    for _ in 0..3 {
        next_main(&daemon, "KILL");
    }
    daemon.wait_for_logged(
        "Another main process watches the UPS, without the port for clients until the next reload",
    );
    daemon.signal("HUP");
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
}

#[test]
fn main_processes_that_end_without_a_port_too_go_on_without_the_filter_of_system_calls() {
    let daemon = play("", setup());
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    // 0: none; 2: a filter (proc(5)). A container can have one of its own.
    let filters = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"));
        line.map(|count| count.trim().parse::<u32>().unwrap())
    };
    let before = filters(std::process::id());
    assert_eq!(filters(daemon.main_pid()), before.map(|count| count + 1));
    for _ in 0..6 {
        next_main(&daemon, "KILL");
    }
    daemon.wait_for_logged(
        "Another main process watches the UPS, without the port for clients and without the filter of system calls until the \
         next reload",
    );
    let unfiltered = || (filters(daemon.main_pid()) == before).then_some(());
    assert!(support::poll_until(TIMEOUT, unfiltered).is_some());
    daemon.signal("HUP");
    next_main(&daemon, "KILL");
    let filtered = || (filters(daemon.main_pid()) == before.map(|count| count + 1)).then_some(());
    assert!(support::poll_until(TIMEOUT, filtered).is_some(), "{}", daemon.describe());
}

#[test]
fn a_helper_that_is_killed_takes_its_main_process_and_writers_with_it() {
    let daemon = play("", setup());
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let roles = [MAIN, "mainsd: writer", "mainsd: output"].map(|name| daemon.role(name, None));
    let killed = Instant::now();
    daemon.signal("KILL");
    let (_, _scratch) = daemon.wait_for_exit_keeping();
    for pid in roles {
        assert!(poll_until(TIMEOUT, || (!is_there(pid)).then_some(())).is_some(), "{pid}");
    }
    // A second is promised.
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
}

#[test]
fn signals_to_a_main_process_alone_end_nothing() {
    let daemon = play("1 mains off\n1.5 mains on", setup());
    let main = daemon.main_pid();
    for signal in ["TERM", "INT", "HUP", "PIPE"] {
        send_signal(main, signal);
    }
    daemon.wait_for_hook("mainsback", TIMEOUT);
    assert_eq!(daemon.main_pid(), main);
}

#[test]
fn a_daemon_that_is_ended_while_it_has_no_main_process_ends_in_order() {
    let daemon = play("0 mains off\n", setup().replaced("NOLOGON", "always").replaced("TIMEOUT", "0"));
    daemon.wait_for_hook("onbattery", TIMEOUT);
    let nologin = daemon.dir().join("flags/nologin");
    poll_until(TIMEOUT, || nologin.exists().then_some(())).expect("nobody may log in on battery");
    // Each waits longer for the next one than the one before.
    for _ in 0..4 {
        next_main(&daemon, "KILL");
    }
    let last = daemon.main_pid();
    send_signal(last, "KILL");
    poll_until(TIMEOUT, || (!is_there(last)).then_some(())).expect("it is gone");
    let (end, scratch) = daemon.terminate_keeping();
    let log = logged(scratch.path());
    assert!(end.status.success() && end.output.contains("mainsd exiting, signal 15"), "{}", end.output);
    assert!(log.iter().any(|line| line == "mainsd shutdown succeeded"), "{log:?}");
    assert!(!scratch.path().join("flags/nologin").exists(), "{log:?}");
}

#[test]
fn without_privsep_one_process_has_the_loop_and_carries_out() {
    let daemon = play("1 mains off\n", setup().with("PRIVSEP", "off").replaced("TIMEOUT", "2"));
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    daemon.wait_for_status(|status| status.has("SHUTTING"), TIMEOUT);
    assert_eq!(role_of(daemon.pid(), MAIN), None);
    daemon.role("mainsd: writer", None);
    daemon.signal("HUP");
    daemon.wait_for_log("it is applied", |log| {
        log.iter().any(|line| line.ends_with("mainsd.conf: applied")).then_some(())
    });
    let end = daemon.terminate();
    assert!(end.status.success() && end.output.contains("mainsd exiting, signal 15"), "{}", end.output);
}

#[test]
fn a_main_process_keeps_only_the_descriptors_that_it_needs() {
    let daemon = play("", setup());
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let fds = std::fs::read_dir(format!("/proc/{}/fd", daemon.main_pid())).unwrap().flatten();
    let links: Vec<String> = fds
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .map(|link| link.display().to_string())
        .filter(|link| link.starts_with('/') && link != "/dev/null")
        // What is mapped, which it looks at once, 10 s after its start.
        .filter(|link| !link.ends_with("/smaps"))
        .collect();
    assert_eq!(links, [""; 0], "no lock, no file");
}

#[test]
fn main_processes_that_end_all_the_time_miss_no_shutdown() {
    let daemon = play("1 mains off\n", setup().replaced("TIMEOUT", "8"));
    daemon.wait_for_hook("onbattery", TIMEOUT);
    let began = daemon.wait_for_hook("powerout", TIMEOUT).at;
    stays_on_battery(&daemon);
    // As a UPS would whose bytes end each of them.
    let down = poll_until(TIMEOUT, || {
        if let Some(pid) = role_of(daemon.pid(), MAIN) {
            // It may have ended by itself.
            let _ = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).output();
        }
        daemon.events().contains(&"doshutdown".to_owned()).then_some(())
    });
    assert!(down.is_some(), "{}", daemon.describe());
    let took = daemon.wait_for_hook("doshutdown", TIMEOUT).at - began;
    assert!(took > Duration::from_secs(6) && took < Duration::from_secs(40), "{took:?}");
    let shutdowns = daemon.events().iter().filter(|event| *event == "doshutdown").count();
    assert_eq!(shutdowns, 1, "{}", daemon.describe());
}

/// As root: another user, no capability, an empty root. As anybody: no new privileges, and refused system calls.
#[test]
fn a_main_process_has_no_rights() {
    let daemon = play("", setup());
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let main = daemon.main_pid();
    let status = std::fs::read_to_string(format!("/proc/{main}/status")).unwrap();
    let of = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(":\t"));
        line.unwrap_or_default().to_owned()
    };
    assert_eq!((of("NoNewPrivs"), of("Seccomp")), ("1".to_owned(), "2".to_owned()), "{status}");
    let kept: Vec<String> =
        daemon.log().into_iter().filter(|line| line.contains("rights are given up")).collect();
    assert_eq!(kept, Vec::<String>::new());
    let helper = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    assert!(
        helper.contains("Seccomp:\t0") && helper.contains("NoNewPrivs:\t0"),
        "hooks inherit it: {helper}"
    );
    if !helper.contains("Uid:\t0\t0\t0\t0") {
        return;
    }
    assert!(!of("Uid").split_whitespace().any(|uid| uid == "0"), "{status}");
    assert!(
        !of("Gid").split_whitespace().any(|gid| gid == "0") && of("Groups").trim().is_empty(),
        "{status}"
    );
    assert!(
        ["CapEff", "CapPrm", "CapAmb"].iter().all(|set| of(set).trim_matches('0').is_empty()),
        "{status}"
    );
    let root = std::fs::read_link(format!("/proc/{main}/root")).unwrap();
    assert_eq!(root, daemon.dir().join("run/empty").canonicalize().unwrap());
    assert_eq!(std::fs::read_dir(root).unwrap().count(), 0);
    // DAC_OVERRIDE.
    for (name, capabilities) in
        [("mainsd: writer", "0000000000000002"), ("mainsd: output", "0000000000000000")]
    {
        let status = format!("/proc/{}/status", daemon.role(name, None));
        // One that has just been started has the helper's.
        let given_up = poll_until(TIMEOUT, || {
            let said = std::fs::read_to_string(&status).unwrap();
            said.contains(&format!("CapEff:\t{capabilities}")).then_some(())
        });
        assert!(given_up.is_some(), "{name}: {}", std::fs::read_to_string(&status).unwrap());
    }
}

#[test]
fn a_main_process_has_no_terminal_of_its_own() {
    let daemon = play("", setup());
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let main = daemon.main_pid();
    let stat = std::fs::read_to_string(format!("/proc/{main}/stat")).unwrap();
    // After the name: state, parent, process group, session (proc(5)).
    let (_, rest) = stat.rsplit_once(')').unwrap();
    assert_eq!(rest.split_whitespace().nth(3), Some(&*main.to_string()), "it leads a session: {stat}");
}

#[test]
fn the_service_manager_hears_that_the_daemon_guards_once_for_a_start_and_for_a_reload() {
    let scratch = Scratch::new();
    let socket = UnixDatagram::bind(scratch.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let daemon =
        play("", setup().environment("NOTIFY_SOCKET", &scratch.path().join("notify").display().to_string()));
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    next_main(&daemon, "KILL");
    daemon.wait_for_logged("Another main process watches the UPS");
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    daemon.signal("HUP");
    daemon.wait_for_log("it is applied", |log| {
        log.iter().any(|line| line.ends_with("mainsd.conf: applied")).then_some(())
    });
    daemon.terminate();
    let mut heard = Vec::new();
    let mut buffer = [0; 200];
    while heard.last().is_none_or(|last| last != "STOPPING=1") {
        let length = socket.recv(&mut buffer).expect("a message of the daemon");
        let message = String::from_utf8_lossy(&buffer[..length]);
        heard.push(message.lines().next().unwrap_or_default().to_owned());
    }
    assert_eq!(heard, ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]);
}
