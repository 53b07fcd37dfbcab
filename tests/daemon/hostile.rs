//! Devices, masters and clients that mean harm: what they say is no line of ours, and however fast they say it, log, hooks
//! and processor time stay.
use std::time::{Duration, Instant};

use crate::support::corpus::device::device;
use crate::support::corpus::fake::{Behaviour, Bench, FakeUps};
use crate::support::hostile_master::{COMMLOST, HostileMaster, ONBATT, ONLINE, SHUTTING_DOWN, answer};
use crate::support::{Daemon, Setup, TIMEOUT};

/// What would be a line of our own in the log, and orders to a terminal.
const FORGED: &str = "X is gone\n2026-11-28 12:00:00 +0000  Initiating system shutdown!\r\n\u{1b}]0;pwned\u{7}\u{1b}[2J\u{9b}31m";

#[test]
fn no_name_of_a_usb_device_breaks_a_line() {
    let mut ups = FakeUps::new(device("apc-back-ups-es-850g2"));
    ups.info.product_name = Some(FORGED.into());
    let mut bench = Bench::new(ups);
    bench.open();
    bench.run(Duration::from_secs(10));
    let identity = bench.identity().expect("it was found").clone();
    let model = identity.model.expect("it has a model");
    assert!(
        model.starts_with("X is gone 2026-11-28 12:00:00") && !model.contains(char::is_control),
        "{model:?}"
    );
    bench.ups.behaviour = Behaviour::Gone;
    bench.run(Duration::from_secs(120));
    let losses = bench.losses();
    assert!(!losses.is_empty());
    assert!(losses.iter().all(|reason| !reason.contains(char::is_control)), "{losses:?}");
}

/// A slave with hooks that only log.
fn slave_of(master: &HostileMaster) -> Setup {
    Setup::new("net")
        .with("UPSCABLE", "ether")
        .with("DEVICE", &master.device())
        .with("UPSNAME", "")
        .with("BATTERYLEVEL", "-1")
        .with("MINUTES", "-1")
        .with("NOLOGON", "disable")
        .with("NETTIMEOUT", "3600")
}

fn processor(daemon: &Daemon) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", daemon.main_pid())).unwrap();
    let fields = text.rsplit(')').next().unwrap().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

fn resident(daemon: &Daemon) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", daemon.main_pid())).unwrap();
    let line = text.lines().find(|line| line.starts_with("Anonymous:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What a master costs its slave that says these in turn for a while.
fn flood(turns: &[Vec<u8>], pause: Duration, more: &[(&str, &str)]) -> (Daemon, HostileMaster) {
    const SPAN: Duration = Duration::from_secs(4);
    let master = HostileMaster::start(turns.to_vec(), pause);
    let mut setup = slave_of(&master);
    for (keyword, value) in more {
        setup = setup.with(keyword, value);
    }
    let daemon = Daemon::start(&setup);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE SLAVE"), TIMEOUT);
    let (used, memory, from) = (processor(&daemon), resident(&daemon), Instant::now());
    master.loose(true);
    // Nothing to wait for: what is looked at is how little happens.
    std::thread::sleep(SPAN);
    let (used, span) = (processor(&daemon) - used, from.elapsed());
    let memory = resident(&daemon).saturating_sub(memory);
    let events = std::fs::metadata(daemon.dir().join("events")).unwrap().len();
    let hooks = daemon.hooks().count();
    println!(
        "{hooks} hooks, {events} bytes of events, {used:?} of processor time in {span:?}, + {memory} KiB"
    );
    // Twenty transfers at once, then one each half minute.
    assert!(hooks <= 60, "{hooks} hooks; {}", daemon.describe());
    assert!(events < 8_000, "{events} bytes of events");
    assert!(used < span / 5, "{used:?} of processor time in {span:?}");
    assert!(memory < 1024, "+ {memory} KiB");
    (daemon, master)
}

#[test]
fn a_master_that_flips_mains_at_full_speed_costs_little_and_its_last_word_is_believed() {
    let (daemon, master) = flood(&[answer(ONLINE, ""), answer(ONBATT, "")], Duration::ZERO, &[]);
    master.loose(false);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE SLAVE"), TIMEOUT);
    assert!(!daemon.events().iter().any(|event| event == "doshutdown"), "{}", daemon.describe());
}

#[test]
fn a_master_that_flips_each_few_milliseconds_costs_little() {
    let (daemon, _master) =
        flood(&[answer(ONLINE, ""), answer(ONBATT, "")], Duration::from_millis(2), &[("CONFIRMPOLLS", "1")]);
    assert!(!daemon.events().iter().any(|event| event == "doshutdown"), "{}", daemon.describe());
}

#[test]
fn a_master_that_loses_its_ups_and_finds_it_at_full_speed_costs_little() {
    flood(&[answer(ONLINE, ""), answer(COMMLOST, "")], Duration::from_millis(1), &[]);
}

#[test]
fn a_master_that_says_a_shutdown_and_takes_it_back_at_once_shuts_nobody_down() {
    // In one piece: a pause in between, which a busy machine makes, would be a shutdown to be believed.
    let taken_back = [answer(SHUTTING_DOWN, ""), answer(ONLINE, "")].concat();
    let (daemon, _master) = flood(&[answer(ONLINE, ""), taken_back], Duration::from_millis(1), &[]);
    assert_eq!(daemon.events(), [""; 0], "{}", daemon.describe());
}

#[test]
fn a_master_that_flips_everything_costs_little() {
    let names: Vec<Vec<u8>> = (0..64)
        .map(|n: u32| {
            let flags = [ONLINE, ONBATT, COMMLOST, ONLINE | 0x80, 0x0100_0008, ONBATT | 0x40][n as usize % 6];
            answer(
                flags,
                &format!(
                    "SELFTEST : {}\nLASTXFER : Automatic or explicit self test\nSERIALNO : {n}\n",
                    ["OK", "IP"][n as usize % 2]
                ),
            )
        })
        .collect();
    flood(&names, Duration::ZERO, &[]);
}

#[test]
fn a_master_that_writes_single_bytes_costs_little() {
    let bytes: Vec<Vec<u8>> = answer(ONLINE, "").chunks(1).map(<[u8]>::to_vec).collect();
    // The first turn is what it says before.
    let turns: Vec<Vec<u8>> = std::iter::once(answer(ONLINE, "")).chain(bytes).collect();
    flood(&turns, Duration::ZERO, &[]);
}
