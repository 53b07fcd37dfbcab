//! Which system calls the daemon's loops make, over whole outages: those of the main process compared with `system_calls.txt`, those of
//! the helper with `system_calls_helper.txt`. None that a file system can hold up. What children do is theirs. Each call that is no row
//! of the list is named by the failure, as the row that it would be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::support::runner::{Group, Needs, tests};
use crate::support::smart::{Generation, Smart};
use crate::support::snmp::{Card, Unit};
use crate::support::{self, Daemon, OtherProgram, Scratch, Serial, Setup, TIMEOUT, free_port};

pub const TESTS: Group = Group {
    needs: Needs::Ci("strace that may trace (Debian: strace)"),
    tests: tests![
        lines_of_a_trace_are_understood,
        each_call_of_the_loop_is_in_the_list_at_a_simulated_ups,
        each_call_of_the_loop_is_in_the_list_at_a_serial_ups,
        each_call_of_the_loop_is_in_the_list_of_a_slave,
        each_call_of_the_loop_is_in_the_list_at_a_card,
        each_call_of_the_helper_and_of_the_next_main_process_is_in_the_list,
    ],
    ..Group::new(module_path!())
};

/// The calls of a role that are made after the start, each with its places.
#[derive(Clone, Copy)]
struct List {
    name: &'static str,
    text: &'static str,
}

const MAIN_LIST: List = List { name: "system_calls.txt", text: include_str!("system_calls.txt") };
const HELPER_LIST: List =
    List { name: "system_calls_helper.txt", text: include_str!("system_calls_helper.txt") };

/// Calls whose text arguments are names of files.
const BY_NAME: [&str; 32] = [
    "access",
    "bind",
    "chdir",
    "chmod",
    "chown",
    "chroot",
    "connect",
    "execve",
    "faccessat",
    "faccessat2",
    "fchmodat",
    "link",
    "linkat",
    "lstat",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "readlink",
    "readlinkat",
    "rename",
    "renameat",
    "renameat2",
    "stat",
    "statfs",
    "statx",
    "unlink",
    "unlinkat",
];

/// With the program's own process id, so that signals reach it.
const STRACE: [&str; 5] = ["strace", "-D", "-ff", "-y", "-o"];

fn traced(setup: &Setup, trace: &Path) -> Setup {
    let mut setup = setup.clone();
    setup.by = STRACE.map(str::to_owned).into_iter().chain([trace.display().to_string()]).collect();
    setup
}

/// What a process did, once it has ended.
fn all_calls(trace: &Path, pid: u32) -> Vec<String> {
    let path = PathBuf::from(format!("{}.{pid}", trace.display()));
    let ended = || std::fs::read_to_string(&path).ok().filter(|text| text.contains("+++ exited with 0"));
    let text = support::poll_until(TIMEOUT, ended).expect("the trace of the process has an end");
    text.lines().filter(|line| !line.starts_with(['-', '+'])).map(str::to_owned).collect()
}

/// The same from its first wait on.
fn calls(trace: &Path, pid: u32) -> Vec<String> {
    let started = all_calls(trace, pid).into_iter();
    started.skip_while(|line| !line.starts_with("epoll_wait(") && !line.starts_with("epoll_pwait(")).collect()
}

/// The name of a call, and the files that it is about.
fn understand(line: &str, folders: &[&Path]) -> (String, Vec<String>) {
    let (name, rest) = line.split_once('(').unwrap_or((line, ""));
    let mut places = Vec::new();
    // The first argument, if it is a descriptor of a file: `7</path>`.
    let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    if digits.len() < rest.len() {
        if let Some(path) = digits.strip_prefix("</") {
            places.push(place(&format!("/{}", path.split('>').next().unwrap_or(path)), folders));
        }
    }
    if BY_NAME.contains(&name) && !rest.contains("sa_family=AF_INET") {
        // What a link leads to is an answer.
        let names = if name.starts_with("readlink") { 1 } else { 2 };
        let texts = rest.split('"').skip(1).step_by(2).take(names);
        places.extend(texts.filter(|text| !text.is_empty()).map(|text| place(text, folders)));
    }
    if places.is_empty() {
        places.push("-".to_owned());
    }
    (name.to_owned(), places)
}

/// What a path is to the configuration.
fn place(path: &str, folders: &[&Path]) -> String {
    for kernel in ["/proc", "/sys", "/dev"] {
        if path.starts_with(&format!("{kernel}/")) {
            return kernel.to_owned();
        }
    }
    if folders.iter().any(|folder| folder.starts_with(path)) {
        return "FOLDER".to_owned();
    }
    let Some(name) = folders.iter().find_map(|folder| Path::new(path).strip_prefix(folder).ok()?.to_str())
    else {
        return path.to_owned();
    };
    match name.split('/').next().unwrap_or_default() {
        "events" => "EVENTSFILE",
        "state" | ".state.new" => "STATEFILE",
        "status" | ".status.new" => "STATFILE",
        "run" => "RUN",
        "ttyS0" => "DEVICE",
        _ => name,
    }
    .to_owned()
}

fn listed(list: List) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut rows: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for line in list.text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '['])) {
        let (name, places) = line.split_once(": ").unwrap_or_else(|| panic!("no row: {line}"));
        rows.entry(name).or_default().extend(places.split(' '));
    }
    rows
}

fn compare(list: List, lines: &[String], folders: &[&Path]) {
    let listed = listed(list);
    let mut strangers = BTreeMap::new();
    for line in lines {
        let (name, places) = understand(line, folders);
        let known = listed.get(name.as_str());
        for place in places.iter().filter(|place| !known.is_some_and(|known| known.contains(place.as_str())))
        {
            strangers.entry(format!("{name}: {place}")).or_insert(line);
        }
    }
    assert!(lines.len() > 50, "hardly a trace: {lines:?}");
    assert!(strangers.is_empty(), "calls of the loop that {} does not have: {strangers:#?}", list.name);
}

/// Ends the daemon; what its helper and its main process did are in their lists.
fn end_and_compare(daemon: Daemon, trace: &Path, folders: &[&Path]) {
    let (helper, main) = (daemon.pid(), daemon.main_pid());
    let (end, _scratch) = daemon.terminate_keeping();
    assert!(end.status.success());
    compare(HELPER_LIST, &calls(trace, helper), folders);
    compare(MAIN_LIST, &calls(trace, main), folders);
}

fn lines_of_a_trace_are_understood() {
    let of = |line| understand(line, &[Path::new("/tmp/x")]);
    let places = |places: &[&str]| places.iter().map(|place| (*place).to_owned()).collect::<Vec<_>>();
    let table: [(&str, &str, &[&str]); 7] = [
        ("epoll_wait(4<anon_inode:[eventpoll]>, [], 128, 1) = 0", "epoll_wait", &["-"]),
        ("write(2<pipe:[123]>, \"/etc \\\"x\", 5) = 5", "write", &["-"]),
        ("write(7</tmp/x/.state.new>, \"a\", 1) = 1", "write", &["STATEFILE"]),
        ("openat(AT_FDCWD</tmp/x>, \"/tmp/x/events\", O_RDONLY) = 3", "openat", &["EVENTSFILE"]),
        ("rename(\"/tmp/x/.status.new\", \"/etc/x\") = 0", "rename", &["STATFILE", "/etc/x"]),
        ("readlink(\"/proc/1/fd/1\", \"/tmp/x\", 256) = 6", "readlink", &["/proc"]),
        ("statx(11</proc/1/maps>, \"\", AT_EMPTY_PATH) = 0", "statx", &["/proc"]),
    ];
    for (line, name, expected) in table {
        assert_eq!(of(line), (name.to_owned(), places(expected)), "{line}");
    }
}

/// Outage, limit, shutdown, mains, two reloads, clients, the end.
fn each_call_of_the_loop_is_in_the_list_at_a_simulated_ups() {
    let (scratch, traces) = (Scratch::new(), Scratch::new());
    let script = scratch.file("script", "2 mains off\n15 mains on\n");
    let status = scratch.path().join("status").display().to_string();
    let setup = Setup::new("test").with("DEVICE", &script.display().to_string()).with("TIMEOUT", "4");
    let setup = setup.with("NOLOGON", "always").with("STATTIME", "1").with("STATFILE", &status);
    let trace = traces.path().join("trace");
    let daemon = Daemon::start_in(&traced(&setup, &trace), scratch, free_port());
    let folder = daemon.dir().to_owned();
    daemon.wait_for_hook("powerout", TIMEOUT);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    daemon.signal("HUP");
    daemon.wait_for_output("mainsd.conf: applied", TIMEOUT);
    assert!(!daemon.status().text().is_empty());
    daemon.nis().events().expect("events");
    let config = folder.join("mainsd.conf");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}TIMEOUT soon\n")).unwrap();
    daemon.signal("HUP");
    daemon.wait_for_output("the old configuration stays", TIMEOUT);
    daemon.wait_for_hook("mainsback", TIMEOUT);
    end_and_compare(daemon, &trace, &[&folder]);
}

/// A lock file that is waited for, an outage, a port that goes and comes back, the end.
fn each_call_of_the_loop_is_in_the_list_at_a_serial_ups() {
    let (ports, traces) = (Scratch::new(), Scratch::new());
    let port = ports.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &port, false);
    let locks = ports.dir("lock");
    let other = OtherProgram::start_with_lock(&port, &locks.join("LCK..ttyS0"));
    let locks = locks.display().to_string();
    let trace = traces.path().join("trace");
    let setup = traced(&Serial::setup(&port).with("LOCKFILE", &locks).with("TIMEOUT", "2"), &trace);
    let daemon = Daemon::start(&setup);
    let folder = daemon.dir().to_owned();
    daemon.wait_for_output("is held by another program", TIMEOUT);
    drop(other);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    ups.unit().fail_mains();
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    ups.unit().restore_mains();
    daemon.wait_for_hook("mainsback", TIMEOUT);
    drop(ups);
    daemon.wait_for_hook("commfailure", TIMEOUT);
    let _ups = Smart::start(Generation::Third, &port, false);
    daemon.wait_for_hook("commok", TIMEOUT);
    end_and_compare(daemon, &trace, &[&folder, ports.path()]);
}

/// A master by its name, its outage and its end.
fn each_call_of_the_loop_is_in_the_list_of_a_slave() {
    let traces = Scratch::new();
    let trace = traces.path().join("trace");
    let master = support::play("3 mains off", Setup::new("test").with("TIMEOUT", "4"));
    let device = format!("localhost:{}", master.port());
    let setup = Setup::new("net").with("UPSCABLE", "ether").with("DEVICE", &device);
    let daemon = Daemon::start(&traced(&setup, &trace));
    let folder = daemon.dir().to_owned();
    daemon.wait_for_hook("powerout", TIMEOUT);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    drop(master);
    daemon.wait_for_hook("commfailure", TIMEOUT);
    end_and_compare(daemon, &trace, &[&folder]);
}

/// A card by its name, which is lost and found; an outage, kill power, the end.
fn each_call_of_the_loop_is_in_the_list_at_a_card() {
    let traces = Scratch::new();
    let trace = traces.path().join("trace");
    let card = Card::local(Unit::powernet());
    let device = format!("localhost:{}:NOTRAP", card.address.port());
    let setup = Setup::new("snmp").with("UPSCABLE", "ether").with("DEVICE", &device);
    let daemon = Daemon::start(&traced(&setup.with("TIMEOUT", "4").with("KILLDELAY", "1"), &trace));
    let folder = daemon.dir().to_owned();
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    card.set_silent(true);
    daemon.wait_for_hook("commfailure", TIMEOUT);
    card.set_silent(false);
    daemon.wait_for_hook("commok", TIMEOUT);
    card.unit().mains(false);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    let killed = support::poll_until(TIMEOUT, || card.written(&[1, 6, 1, 1]).first().copied());
    assert_eq!(killed, Some(2), "{}", daemon.describe());
    drop(card);
    daemon.wait_for_hook("commfailure", TIMEOUT);
    end_and_compare(daemon, &trace, &[&folder]);
}

/// Main processes that are killed before, in and after an outage, and one that hangs. When the next one begins, a disk may hang: what it
/// does before its loop counts too.
fn each_call_of_the_helper_and_of_the_next_main_process_is_in_the_list() {
    let (scratch, traces) = (Scratch::new(), Scratch::new());
    let trace = traces.path().join("trace");
    let script = scratch.file("script", "");
    let setup = Setup::new("test").with("DEVICE", &script.display().to_string()).with("TIMEOUT", "10");
    let daemon = Daemon::start_in(&traced(&setup, &trace), scratch, free_port());
    let folder = daemon.dir().to_owned();
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    std::fs::write(&script, "1 mains off\n").unwrap();
    daemon.end_main("KILL");
    daemon.wait_for_hook("onbattery", TIMEOUT);
    std::fs::write(&script, "0 mains off\n").unwrap();
    daemon.end_main("STOP");
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    std::fs::write(&script, "0 mains off\n8 mains on\n").unwrap();
    daemon.end_main("ABRT");
    daemon.wait_for_hook("mainsback", TIMEOUT);
    let (helper, main) = (daemon.pid(), daemon.main_pid());
    let (end, _scratch) = daemon.terminate_keeping();
    assert!(end.status.success());
    compare(HELPER_LIST, &calls(&trace, helper), &[&folder]);
    compare(MAIN_LIST, &all_calls(&trace, main), &[&folder]);
}
