//! The part of the VM tests that runs inside the virtual machine: plugs simulated UPSes into its kernel, starts
//! the release binary, and prints one result a scenario on the serial console.
//!
//! Results are lines that start with `@`: `@= SCENARIO KEY VALUE` a measured number, `@| SCENARIO TEXT` words of a
//! failure, `@@ SCENARIO ok|FAIL` the end.

mod alone;
mod client;
mod container;
mod dates;
mod dumb;
mod expected;
mod faults;
mod frozen;
mod killpower;
mod modbus;
mod orders;
mod port;
mod power_off;
mod probe;
mod resume;
mod roles;
mod root_disk;
mod story;
mod usbfs;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use crate::support::usbip::{self, Model, Unit};
use crate::support::{self, Daemon, Setup};

/// How many scenarios run at a time: they mostly wait, and the controller has 8 ports.
const WORKERS: usize = 4;

/// What a scenario gets.
#[derive(Clone)]
struct Lab {
    program: PathBuf,
    devices: PathBuf,
    scenario: &'static str,
    serial: String,
}

type Scenario = (&'static str, fn(&Lab));

impl Lab {
    /// A UPS of this file, plugged in and taken by the kernel. Its serial number is this scenario's own.
    fn plug(&self, file: &str) -> Unit {
        let mut unit = self.boxed(file, &self.serial);
        unit.plug();
        unit.place();
        unit
    }

    /// A UPS that is not plugged in yet.
    fn boxed(&self, file: &str, serial: &str) -> Unit {
        Unit::new(Model::load(&self.devices.join(file).with_extension("toml"), serial))
    }

    /// A configuration for the USB driver that takes this scenario's UPS only.
    fn setup(&self) -> Setup {
        self.setup_any().with("DEVICE", &self.serial)
    }

    /// The same where no loss is expected: a busy machine may be silent for a while.
    fn setup_without_loss(&self) -> Setup {
        self.setup().with(LOSS.0, LOSS.1)
    }

    /// A configuration that takes any UPS.
    fn setup_any(&self) -> Setup {
        let mut setup = Setup::new("usb").with("NOLOGON", "disable").with("SHUTDOWNGRACE", "300");
        setup.program.clone_from(&self.program);
        setup
    }

    /// Starts the daemon for this scenario's UPS and waits until it is online.
    fn online(&self, setup: &Setup) -> Daemon {
        let daemon = Daemon::start(setup);
        daemon.wait_for_status(
            |status| status.has("ONLINE") && status.get("BCHARGE").is_some(),
            support::TIMEOUT,
        );
        daemon
    }

    /// Reports a measured number.
    fn measured(&self, key: &str, value: impl std::fmt::Display) {
        println!("@= {} {key} {value}", self.scenario);
    }
}

/// How long a busy machine may be silent where no loss is expected.
const LOSS: (&str, &str) = ("COMMLOSTDELAY", "20");

/// Fails with the daemon's hooks, output and events.
#[track_caller]
fn ensure(daemon: &Daemon, holds: bool, otherwise: &str) {
    assert!(holds, "{otherwise}; {}", daemon.describe());
}

/// Fails if something took longer than `limit` on a machine that is not overloaded, as an emulated one on a busy host is.
#[track_caller]
fn ensure_within(took: Duration, limit: Duration, what: &str) {
    assert!(!support::is_slow(took, limit), "{what} took {took:?}");
}

/// Fails if a hook runs within this time from hook number `from` on.
#[track_caller]
fn ensure_quiet(daemon: &Daemon, from: usize, time: Duration) {
    let noise = daemon.hooks().wait(from, time, |_| true);
    ensure(daemon, noise.is_none(), &format!("an event came where none was due: {noise:?}"));
}

thread_local! {
    /// Where the last panic of this thread happened.
    static PANICKED_AT: RefCell<String> = const { RefCell::new(String::new()) };
}

fn run(lab: &Lab, scenario: fn(&Lab)) {
    let result = catch_unwind(AssertUnwindSafe(|| scenario(lab)));
    let name = lab.scenario;
    match result {
        Ok(()) => println!("@@ {name} ok"),
        Err(cause) => {
            let words = cause.downcast_ref::<String>().map(String::as_str);
            let words = words.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("no words");
            let place = PANICKED_AT.take();
            println!("@| {name} at {place}:");
            let kernel = kernel_log();
            let all = words.lines().chain(["kernel:"]).chain(kernel.lines());
            let text: String = all.map(|line| format!("@| {name} {line}\n")).collect();
            println!("{text}@@ {name} FAIL");
        }
    }
}

/// The last lines of the kernel's log; at the end of them, where each process stands that waits for the kernel.
fn kernel_log() -> String {
    const LINES: usize = 150;
    let _ = std::fs::write("/proc/sysrq-trigger", "w"); // without it: the log alone
    let flags = libc::O_NONBLOCK;
    let opened = std::fs::OpenOptions::new().read(true).custom_flags(flags).open("/dev/kmsg");
    let Ok(mut log) = opened else { return String::new() };
    let mut lines = VecDeque::new();
    // Each read is a record: "PRIORITY,NUMBER,MICROSECONDS,FLAGS;TEXT". EPIPE: older ones are overwritten.
    let mut record = [0; 8192];
    loop {
        let text = match log.read(&mut record) {
            Ok(length) => String::from_utf8_lossy(&record[..length]).into_owned(),
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => continue,
            Err(_) => break,
        };
        let (head, text) = text.split_once(';').unwrap_or(("", &text));
        let time = head.split(',').nth(2).unwrap_or_default();
        lines.push_back(format!("{time} {}\n", text.lines().next().unwrap_or_default()));
        if lines.len() > LINES {
            lines.pop_front();
        }
    }
    lines.into_iter().collect()
}

/// In the machine: the program, the folder `tests/devices`, and the scenarios to play, or which part of all of them but [`root_disk::NAME`],
/// which has a machine of its own: `0/3` is the first of each three, `2/3` the last.
pub fn main(args: &[String]) -> ExitCode {
    let [program, devices, scenarios @ ..] = args else {
        panic!("usage: --role vm-guest MAINSD DEVICES N/OF|SCENARIO...");
    };
    assert!(usbip::vhci::present(), "no virtual host controller: modprobe vhci-hcd");
    let part = match scenarios {
        [part] => part.split_once('/').map(|(number, of)| [number, of].map(|n| n.parse::<usize>().unwrap())),
        _ => None,
    };
    let wanted = |(number, (name, _)): &(usize, &Scenario)| match part {
        Some([first, of]) => number % of == first,
        None => scenarios.iter().any(|scenario| scenario == name),
    };
    let lab = |name, number: usize| Lab {
        program: program.into(),
        devices: devices.into(),
        scenario: name,
        serial: format!("SIM{number:09}"),
    };
    std::panic::set_hook(Box::new(|panic| {
        PANICKED_AT.set(panic.location().map(ToString::to_string).unwrap_or_default());
    }));
    // The firmware leaves the console in the middle of a line.
    println!();
    // These take any UPS, so each has the bus for itself.
    for (number, (name, scenario)) in
        [alone::ALL, port::ALONE, probe::ALONE].concat().iter().enumerate().filter(wanted)
    {
        run(&lab(name, 100 + number), *scenario);
    }
    let together = [
        killpower::ALL,
        resume::ALL,
        dates::ALL,
        dumb::ALL,
        roles::ALL,
        port::ALL,
        container::ALL,
        story::ALL,
        faults::ALL,
        modbus::ALL,
        orders::ALL,
        frozen::ALL,
    ]
    .concat();
    let queue = Mutex::new(together.iter().enumerate().filter(wanted));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some((number, (name, scenario))) = next else { break };
                    run(&lab(name, 200 + number), *scenario);
                }
            });
        }
    });
    println!("@@ end ok");
    if wanted(&(0, &(power_off::NAME, power_off::run))) {
        run(&lab(power_off::NAME, 300), power_off::run);
    }
    if scenarios.iter().any(|scenario| scenario == root_disk::NAME) {
        run(&lab(root_disk::NAME, 301), root_disk::run);
    }
    ExitCode::SUCCESS
}
