//! A UPS of `tests/devices` at the USB of a virtual machine, outside that machine, and the timeline of a power failure.
//!
//! ```text
//! redir-ups SOCKET FILE.toml
//!   mains on|off     low on|off     charge PERCENT     runtime SECONDS
//!   hurry            what is left of the delay before the power goes passes at once, if the machine is gone
//!   guest TEXT       a line of the machine's console; if TEXT is "@ups COMMAND", it is done
//!   note TEXT        a line of the timeline
//! ```
//!
//! QEMU connects to SOCKET with `-chardev socket,path=SOCKET,id=ups -device usb-redir,chardev=ups`, once for each boot. Each line of the
//! timeline, on standard output, has the seconds since the start, by the clock of this process alone; the UPS says what it is
//! told, and cuts and gives its power as it is told.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, reason = "a test program reports by panicking")]

#[path = "../support/usbip/mod.rs"]
mod usbip;

use std::io::BufRead;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use usbip::descriptor::{Field, Kind};
use usbip::model::usage;
use usbip::{Model, Unit, redir};

/// Settings of the delay after which the output goes off; APC's own, and that of a restart.
const OFF_DELAYS: [(u32, &str); 3] = [
    (usage::DELAY_BEFORE_SHUTDOWN, "DelayBeforeShutdown"),
    (0xff86_007d, "APCDelayBeforeShutdown"),
    (0x0084_0055, "DelayBeforeReboot"),
];

/// Others worth a name.
const NAMES: [(u32, &str); 5] = [
    (0x0084_0056, "DelayBeforeStartup"),
    (0xff86_007e, "APCDelayBeforeStartup"),
    (0x0085_0029, "RemainingCapacityLimit"),
    (0xff86_007c, "APCForceShutdown"),
    (0x0085_008c, "WarningCapacityLimit"),
];

#[derive(Debug, Default)]
struct Power {
    mains: bool,
    /// When the output goes off.
    off_at: Option<Instant>,
    output: bool,
    machine: bool,
}

struct Ups {
    unit: Mutex<Unit>,
    fields: Vec<Field>,
    start: Instant,
    power: Mutex<Power>,
    changed: Condvar,
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(socket), Some(file)) = (args.next(), args.next()) else {
        panic!("usage: redir-ups SOCKET FILE.toml");
    };
    let model = Model::load(Path::new(&file), "SIM000000001");
    let ups = Arc::new(Ups {
        fields: model.fields.clone(),
        unit: Mutex::new(Unit::new(model)),
        start: Instant::now(),
        power: Mutex::new(Power { mains: true, output: true, ..Power::default() }),
        changed: Condvar::new(),
    });
    let listener = UnixListener::bind(socket).expect("SOCKET must be a new path");
    for task in [watch_orders, keep_time] {
        let ups = Arc::clone(&ups);
        std::thread::spawn(move || task(&ups));
    }
    let plug = Arc::clone(&ups);
    std::thread::spawn(move || plug_in(&plug, &listener));
    for line in std::io::stdin().lock().split(b'\n') {
        let line = line.expect("standard input");
        ups.obey(String::from_utf8_lossy(&line).trim_end());
    }
}

/// One machine after the other.
fn plug_in(ups: &Ups, listener: &UnixListener) {
    for qemu in listener.incoming() {
        let qemu = qemu.expect("a connection");
        ups.power.lock().unwrap().machine = true;
        ups.say("host", "the machine is switched on, and the UPS is plugged in");
        // Another handle to the same device: this one waits for the machine's end.
        let unit = ups.unit.lock().unwrap().handle();
        if let Err(error) = redir::serve(&unit, qemu) {
            ups.say("host", &format!("the cable: {error}"));
        }
        let left = {
            let mut power = ups.power.lock().unwrap();
            power.machine = false;
            power.off_at.map(|at| at.saturating_duration_since(Instant::now()))
        };
        ups.say("host", "the machine is off");
        if let Some(left) = left {
            ups.say("host", &format!("off {:.1} s before its power goes", left.as_secs_f64()));
        }
    }
}

/// Tells each SET_REPORT, and begins the delay that it orders.
fn watch_orders(ups: &Ups) {
    let unit = ups.unit.lock().unwrap().handle();
    let mut from = 0;
    loop {
        let wanted = |seen: &usbip::Seen| seen.set_report().is_some();
        if unit.wait_for(from, Duration::from_secs(3600), wanted).is_none() {
            continue;
        }
        let seen = unit.seen_since(from);
        from += seen.len();
        for (id, bytes) in seen.iter().filter_map(usbip::Seen::set_report) {
            let fields = ups.fields.iter();
            for field in
                fields.filter(|field| field.kind == Kind::Feature && field.id == id && field.size > 0)
            {
                ups.told(field, field.get(bytes));
            }
        }
    }
}

/// Cuts the power when it is time.
fn keep_time(ups: &Ups) {
    let mut power = ups.power.lock().unwrap();
    loop {
        let now = Instant::now();
        power = match power.off_at {
            Some(at) if at <= now => {
                power.off_at = None;
                power.output = false;
                if power.machine {
                    ups.say("ups", "CUTS THE POWER OF A MACHINE THAT RUNS");
                } else {
                    ups.say("ups", "cuts its power");
                }
                ups.restart(&mut power);
                power
            }
            Some(at) => ups.changed.wait_timeout(power, at - now).unwrap().0,
            None => ups.changed.wait(power).unwrap(),
        };
    }
}

impl Ups {
    fn say(&self, who: &str, text: &str) {
        println!("{:8.3} {who:5} {text}", self.start.elapsed().as_secs_f64());
    }

    fn told(&self, field: &Field, value: i64) {
        let known = OFF_DELAYS.iter().chain(&NAMES).find(|(usage, _)| *usage == field.usage);
        let name = known.map_or_else(|| format!("usage {:08x}", field.usage), |(_, name)| (*name).to_owned());
        self.say("ups", &format!("is told {name} = {value}"));
        if !OFF_DELAYS.iter().any(|(usage, _)| *usage == field.usage) {
            return;
        }
        let mut power = self.power.lock().unwrap();
        power.off_at = u64::try_from(value).ok().map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let text = if power.off_at.is_some() { "its power goes" } else { "no power goes" };
        drop(power);
        self.say("ups", &format!("{text}, in {value} s"));
        self.changed.notify_all();
    }

    /// Gives power again, if mains is there.
    fn restart(&self, power: &mut Power) {
        if power.mains && !power.output {
            power.output = true;
            self.say("ups", "gives power again");
        }
    }

    fn obey(&self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" => {}
            "guest" => {
                self.say("guest", rest);
                if let Some((_, command)) = rest.split_once("@ups ") {
                    self.obey(command);
                }
            }
            "note" => self.say("host", rest),
            "mains" => {
                let on = rest == "on";
                self.say("ups", if on { "mains is back" } else { "mains fails" });
                self.unit.lock().unwrap().mains(on);
                let mut power = self.power.lock().unwrap();
                power.mains = on;
                self.restart(&mut power);
            }
            "low" => {
                self.say("ups", if rest == "on" { "its battery is low" } else { "its battery is well" });
                self.unit.lock().unwrap().battery_low(rest == "on");
            }
            "charge" | "runtime" => {
                let usage =
                    if word == "charge" { usage::REMAINING_CAPACITY } else { usage::RUN_TIME_TO_EMPTY };
                let value: f64 = rest.parse().expect("a number");
                self.say("ups", line);
                self.unit.lock().unwrap().change(|model| model.set_physical(usage, value));
            }
            "hurry" => {
                let mut power = self.power.lock().unwrap();
                if power.machine {
                    drop(power);
                    return self.say("host", "no hurry: the machine is still on");
                }
                if power.off_at.is_some() {
                    power.off_at = Some(Instant::now());
                    self.say("host", "the rest of the delay is left out");
                }
                drop(power);
                self.changed.notify_all();
            }
            _ => self.say("host", &format!("cannot: {line}")),
        }
    }
}
