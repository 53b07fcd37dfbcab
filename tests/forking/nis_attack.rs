//! The daemon under attack on port 3551: a well-behaved client is answered, hooks run on time, memory stays, and nothing
//! spins. The limits are ten times what is promised (50 ms, 2 MiB, 5 %), but for memory and processor time, which a slow
//! machine does not change.

use std::net::{SocketAddr, TcpStream};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::attack::{ATTACKS, Attack, Stop};
use crate::support::runner::{Group, Needs, Role, tests};
use crate::support::{self, Daemon, Nis, Setup, Status, TIMEOUT, play, poll_until};

pub const TESTS: Group = Group {
    apart: Some(4),
    needs: Needs::Machine("a limit of at least 4096 open files", can_open_4096_files),
    tests: tests![
        idle_and_silent_attackers_disturb_neither_clients_nor_hooks,
        attackers_that_send_disturb_neither_clients_nor_hooks,
        a_thousand_idle_clients_cost_no_processor_time,
        attackers_of_a_daemon_with_64_files_disturb_neither_clients_nor_hooks,
    ],
    ..Group::new(module_path!())
};

pub const ROLE: Role = ("attack", |args| {
    match args[0].as_str() {
        "idle-and-silent" => under_attack(&ATTACKS[..4]),
        "sending" => under_attack(&ATTACKS[4..]),
        "idle" => beside_idle_clients(),
        "with-few-files" => with_few_files(),
        other => panic!("no such scenario: {other}"),
    }
    ExitCode::SUCCESS
});

fn can_open_4096_files() -> bool {
    Command::new("sh").args(["-c", "ulimit -n 4096"]).stderr(Stdio::null()).status().unwrap().success()
}

fn idle_and_silent_attackers_disturb_neither_clients_nor_hooks() {
    attacked_by("idle-and-silent");
}

fn attackers_that_send_disturb_neither_clients_nor_hooks() {
    attacked_by("sending");
}

fn a_thousand_idle_clients_cost_no_processor_time() {
    attacked_by("idle");
}

fn attackers_of_a_daemon_with_64_files_disturb_neither_clients_nor_hooks() {
    attacked_by("with-few-files");
}

/// ANNOY: time from one hook to the next. It is the one that comes as often as it is wanted; of power failures every two
/// seconds not each is announced.
const PERIOD: Duration = Duration::from_secs(1);
/// An outage that lasts.
const OUTAGE: &str = "2 mains off\n";

/// How much later than it should the next hook is run, by the time of the one before it.
fn lag(daemon: &Daemon) -> Duration {
    let (at, before) = daemon.wait_for_hook_from(daemon.hooks().count(), "annoyme", TIMEOUT);
    let (_, hook) = daemon.wait_for_hook_from(at + 1, "annoyme", TIMEOUT);
    hook.at.saturating_duration_since(before.at + PERIOD)
}

fn setup() -> Setup {
    let setup = Setup::new("test").with("BATTERYLEVEL", "-1").with("MINUTES", "-1");
    setup.with("NOLOGON", "always").with("ANNOY", "1").with("ANNOYDELAY", "0")
}

/// A figure of the daemon's memory in KiB.
fn anonymous(daemon: &Daemon) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", daemon.main_pid())).unwrap();
    let line = text.lines().find(|line| line.starts_with("Anonymous:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time that the daemon has used so far.
fn processor(daemon: &Daemon) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", daemon.main_pid())).unwrap();
    let fields = text.rsplit(')').next().unwrap().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// What a well-behaved client does: it asks on a new connection, some on the same one again.
fn ask(address: SocketAddr, twice: bool) -> std::io::Result<Status> {
    let mut client = Nis::connect(address, TIMEOUT)?;
    if twice {
        client.status()?;
    }
    client.status()
}

/// How long a well-behaved client waits: for most of its answers, and for the last. With fewer places than attackers, a client that this
/// machine holds up loses its place before it has asked; `again`: then it asks anew, and all that counts as its waiting.
fn waits(daemon: &Daemon, again: bool) -> (Duration, Duration) {
    let address = SocketAddr::from(([127, 0, 0, 1], daemon.port()));
    let mut times: Vec<Duration> = (0..31)
        .map(|n| {
            let asked = Instant::now();
            let status = loop {
                match ask(address, n % 2 == 1) {
                    Err(_) if again && asked.elapsed() < TIMEOUT => {}
                    status => break status.unwrap(),
                }
            };
            assert!(status.get("STATUS").is_some());
            asked.elapsed()
        })
        .collect();
    times.sort();
    (times[times.len() / 2], times[times.len() - 1])
}

fn attack_with(daemon: &Daemon, attack: &Attack, again: bool) {
    let address = SocketAddr::from(([127, 0, 0, 1], daemon.port()));
    let (ready, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    let before = anonymous(daemon);
    std::thread::scope(|scope| {
        let stopped = Stop(&stop);
        scope.spawn(|| attack.rage(address, &ready, &stop));
        let all = poll_until(TIMEOUT, || ready.load(Ordering::Relaxed).then_some(()));
        let (median, worst) = waits(daemon, again);
        let lag = lag(daemon);
        let memory = anonymous(daemon).saturating_sub(before);
        drop(stopped);
        let name = attack.name;
        println!("{name}: median {median:?}, worst {worst:?}, + {memory} KiB, hook {lag:?} late");
        assert!(all.is_some(), "{name}: connections are not accepted");
        assert!(median < Duration::from_millis(500), "{name}: {median:?} for an answer");
        assert!(worst < Duration::from_secs(10), "{name}: {worst:?} for an answer");
        assert!(memory < 2048, "{name}: + {memory} KiB");
        assert!(lag < Duration::from_secs(5), "{name}: a hook {lag:?} late");
    });
}

/// A daemon that accepts all attackers, in an outage.
fn attacked() -> Daemon {
    let daemon = play(OUTAGE, setup().with("NISMAXCLIENTS", "2500"));
    daemon.wait_for_hook("powerout", TIMEOUT);
    daemon
}

/// These attacks, one after the other.
fn under_attack(attacks: &[Attack]) {
    let daemon = attacked();
    for attack in attacks {
        attack_with(&daemon, attack, false);
    }
    assert!(daemon.terminate().status.success());
}

fn beside_idle_clients() {
    let daemon = attacked();
    let address = SocketAddr::from(([127, 0, 0, 1], daemon.port()));
    let idle: Vec<TcpStream> = (0..1000).map(|_| TcpStream::connect(address).unwrap()).collect();
    waits(&daemon, false);
    let (used, from) = (processor(&daemon), Instant::now());
    // Nothing to wait for: what is looked at is that nothing happens.
    std::thread::sleep(Duration::from_secs(4));
    let (used, span) = (processor(&daemon) - used, from.elapsed());
    println!("1,000 idle: {used:?} of processor time in {span:?}");
    assert!(used < span / 20, "{used:?} of processor time in {span:?} with 1,000 idle connections");
    drop(idle);
    assert!(daemon.terminate().status.success());
}

/// With 64 files and 300 connections, hooks still find what they need, and clients an answer.
fn with_few_files() {
    let scratch = support::Scratch::new();
    let program = Setup::new("").program;
    let mut few = setup().with("NISMAXCLIENTS", "2500");
    few.program =
        scratch.script("few", &format!("#!/bin/sh\nulimit -n 64\nexec '{}' \"$@\"\n", program.display()));
    let daemon = play(OUTAGE, few);
    daemon.wait_for_output("the limit of 64 open files leaves 32", TIMEOUT);
    for name in ["2,000 connections opened", "500 that write a byte a second", "100 half-closed"] {
        let attack = ATTACKS.iter().find(|attack| attack.name == name).unwrap();
        attack_with(&daemon, &Attack { connections: attack.connections.min(300), ..*attack }, true);
    }
    assert!(daemon.terminate().status.success());
}

/// Plays a scenario of this file in a process that has room for the sockets.
fn attacked_by(name: &str) {
    // Thousands of sockets need a higher limit than most logins have; only a shell can raise it for us.
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 4096 && exec \"$@\"", "sh"]).arg(std::env::current_exe().unwrap());
    let status = shell.args(["--role", ROLE.0, name]).status().unwrap();
    assert!(status.success(), "{status}");
}
