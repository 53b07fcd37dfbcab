//! A UPS of `tests/devices` as a USB device of this (virtual) machine, driven by lines on standard input.
//!
//! ```text
//! usbip-ups FILE.toml [SERIAL]
//!   mains on|off            mains returns or fails, with the interrupt reports of a real unit
//!   low on|off              battery low
//!   charge PERCENT          runtime SECONDS          line VOLTS          load PERCENT
//!   usage 008500d0 VALUE    every field with this usage, raw
//!   set ID HEX              bytes of a feature report, after its id
//!   send HEX                interrupt data as it is
//!   stall ID|all|none       hang on|off       short N|off       long N       corrupt N
//!   unplug, plug            log (every SET_REPORT so far), place, sleep SECONDS, quit
//! ```
//!
//! ```text
//! usbip-ups ftdi            a serial adapter with modem lines instead, and at it a UPS with cable 940-0119A
//!   mains on|off, low on|off    lines HEX (as an FT232B reports them)    outputs    unplug, plug, quit
//! ```
//!
//! Needs root and `modprobe vhci-hcd`, for the adapter `modprobe ftdi_sio` too.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, reason = "a test program reports by panicking")]

#[path = "../support/usbip/mod.rs"]
mod usbip;

use std::io::BufRead;
use std::path::Path;

use usbip::descriptor::Kind;
use usbip::ftdi::input;
use usbip::model::{hex, usage};
use usbip::{Adapter, Model, Unit};

fn main() {
    let mut args = std::env::args().skip(1);
    let file = args.next().expect("usage: usbip-ups FILE.toml [SERIAL]");
    if file == "ftdi" {
        return adapter();
    }
    let serial = args.next().unwrap_or_else(|| "SIM000000001".to_owned());
    let mut unit = Unit::new(Model::load(Path::new(&file), &serial));
    unit.plug();
    println!("plugged at {}", unit.place());
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        if words == ["quit"] {
            break;
        }
        match obey(&mut unit, &words) {
            Some(()) => println!("ok {line}"),
            None => println!("cannot: {line}"),
        }
    }
}

fn adapter() {
    let mut adapter = Adapter::default();
    println!("plugged as {}", adapter.plug().display());
    let mut lines = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["quit"] => break,
            ["mains", word] => lines = if word == "off" { lines | input::CTS } else { lines & !input::CTS },
            ["low", word] => lines = if word == "on" { lines | input::CD } else { lines & !input::CD },
            ["lines", word] => lines = u8::from_str_radix(word, 16).unwrap_or(lines),
            ["outputs"] => println!("{:?}, {} looks", adapter.outputs(), adapter.looks()),
            ["unplug"] => adapter.unplug(),
            ["plug"] => println!("plugged as {}", adapter.plug().display()),
            _ => {
                println!("cannot: {line}");
                continue;
            }
        }
        adapter.set(lines);
        println!("ok {line}");
    }
}

fn obey(unit: &mut Unit, words: &[&str]) -> Option<()> {
    let on = |word: &str| match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    };
    let id = |word: &str| u8::from_str_radix(word, 16).ok();
    match *words {
        [] => {}
        ["mains", word] => unit.mains(on(word)?),
        ["low", word] => unit.battery_low(on(word)?),
        ["charge", value] => physical(unit, usage::REMAINING_CAPACITY, value)?,
        ["runtime", value] => physical(unit, usage::RUN_TIME_TO_EMPTY, value)?,
        ["load", value] => physical(unit, usage::PERCENT_LOAD, value)?,
        ["line", value] => {
            let volts = value.parse().ok()?;
            unit.change(|model| model.set_line_voltage(volts));
        }
        ["usage", code, value] => {
            let (code, value) = (u32::from_str_radix(code, 16).ok()?, value.parse().ok()?);
            unit.change(|model| model.set_raw(code, value));
        }
        ["set", number, bytes] => {
            let number = id(number)?;
            let mut report = vec![number];
            report.extend(hex(bytes));
            unit.change_silently(|model| model.reports.insert((Kind::Feature, number), report));
        }
        ["send", bytes] => unit.send(&hex(bytes)),
        ["stall", "all"] => unit.faults(|faults| faults.stall_all = true),
        ["stall", "none"] => unit.faults(|faults| {
            faults.stall_all = false;
            faults.stall.clear();
        }),
        ["stall", number] => {
            let number = id(number)?;
            unit.faults(|faults| {
                faults.stall.insert(number);
            });
        }
        ["hang", word] => {
            let hang = on(word)?;
            unit.faults(|faults| faults.hang = hang);
        }
        ["short", "off"] => unit.faults(|faults| faults.short = None),
        ["short", count] => {
            let count = count.parse().ok()?;
            unit.faults(|faults| faults.short = Some(count));
        }
        ["long", count] => {
            let count = count.parse().ok()?;
            unit.faults(|faults| faults.long = count);
        }
        ["corrupt", count] => {
            let count = count.parse().ok()?;
            unit.faults(|faults| faults.corrupt_descriptors = count);
        }
        ["unplug"] => unit.unplug(),
        ["plug"] => unit.plug(),
        ["place"] => println!("{} held by {:?}", unit.place(), unit.kernel_driver()),
        ["log"] => unit.written_since(0).iter().for_each(|(id, bytes)| println!("set {id:02x} {bytes:02x?}")),
        ["sleep", seconds] => std::thread::sleep(std::time::Duration::from_secs_f64(seconds.parse().ok()?)),
        _ => return None,
    }
    Some(())
}

fn physical(unit: &Unit, usage: u32, value: &str) -> Option<()> {
    let value = value.parse().ok()?;
    unit.change(|model| model.set_physical(usage, value));
    Some(())
}
