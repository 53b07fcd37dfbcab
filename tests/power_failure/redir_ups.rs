//! A UPS of `tests/devices` at the USB of a virtual machine, outside that machine.
//!
//! ```text
//! redir-ups SOCKET FILE.toml [NAME]
//! ```
//!
//! QEMU connects to SOCKET with `-chardev socket,path=SOCKET,id=ups -device usb-redir,chardev=ups`, once for each boot. NAME is "ups" if it
//! is not given; the serial number is SIMNAME. It says what it is told, and cuts and gives its power accordingly: standard input
//! and output are those of `timeline.rs`.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, reason = "a test program reports by panicking")]

mod timeline;
#[path = "../support/usbip/mod.rs"]
mod usbip;

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use timeline::{Timeline, Ups};
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
const NAMES: [(u32, &str); 2] = [(0x0084_0056, "DelayBeforeStartup"), (0xff86_007e, "APCDelayBeforeStartup")];

impl Ups for Unit {
    fn mains(&self, on: bool) {
        Unit::mains(self, on);
    }

    fn battery_low(&self, low: bool) {
        Unit::battery_low(self, low);
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(socket), Some(file)) = (args.next(), args.next()) else {
        panic!("usage: redir-ups SOCKET FILE.toml [NAME]");
    };
    let name = args.next().unwrap_or_else(|| "ups".to_owned());
    let model = Model::load(Path::new(&file), &format!("SIM{name}"));
    let fields = model.fields.clone();
    let unit = Unit::new(model);
    let timeline = Timeline::new(&name);
    let listener = UnixListener::bind(socket).expect("SOCKET must be a new path");
    let (orders, of_orders) = (unit.handle(), std::sync::Arc::clone(&timeline));
    std::thread::spawn(move || watch_orders(&of_orders, &orders, &fields));
    let (plug, of_plug) = (unit.handle(), std::sync::Arc::clone(&timeline));
    std::thread::spawn(move || plug_in(&of_plug, &plug, &listener));
    timeline.obey_lines(&unit);
}

/// One machine after the other: the connection lives as long as it does.
fn plug_in(timeline: &Timeline, unit: &Unit, listener: &UnixListener) {
    for qemu in listener.incoming() {
        let qemu = qemu.expect("a connection");
        timeline.machine(true);
        if let Err(error) = redir::serve(unit, qemu) {
            timeline.say_ups(&format!("the cable: {error}"));
        }
        timeline.machine(false);
    }
}

/// Tells each SET_REPORT, and begins the delay that it orders.
fn watch_orders(timeline: &Timeline, unit: &Unit, fields: &[Field]) {
    let mut from = 0;
    loop {
        if unit.wait_for(from, Duration::from_secs(3600), |seen| seen.set_report().is_some()).is_none() {
            continue;
        }
        let seen = unit.seen_since(from);
        from += seen.len();
        for (id, bytes) in seen.iter().filter_map(usbip::Seen::set_report) {
            let written = |field: &&Field| field.kind == Kind::Feature && field.id == id && field.size > 0;
            for field in fields.iter().filter(written) {
                told(timeline, field, field.get(bytes));
            }
        }
    }
}

fn told(timeline: &Timeline, field: &Field, value: i64) {
    let known = OFF_DELAYS.iter().chain(&NAMES).find(|(usage, _)| *usage == field.usage);
    let name = known.map_or_else(|| format!("usage {:08x}", field.usage), |(_, name)| (*name).to_owned());
    timeline.say_ups(&format!("is told {name} = {value}"));
    if OFF_DELAYS.iter().any(|(usage, _)| *usage == field.usage) {
        timeline.order(value);
    }
}
