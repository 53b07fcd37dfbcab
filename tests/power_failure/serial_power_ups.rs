//! A Smart-UPS of the third generation at the serial port of a virtual machine, outside that machine.
//!
//! ```text
//! serial-power-ups LINK      a symbolic link to a pseudo-terminal is made there, for QEMU's `-serial LINK`
//! ```
//!
//! It says how it is told to switch off (soft shutdown, hibernation), and cuts and gives its power accordingly, 20 seconds later, as the
//! unit that it plays is set to: standard input and output are those of `timeline.rs`.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, reason = "a test program reports by panicking")]

#[path = "../support/smart/mod.rs"]
mod smart;
mod timeline;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smart::{Generation, Smart};
use timeline::{Timeline, Ups};

/// The shutdown delay (`p`) of that unit.
const DELAY: i64 = 20;

struct Unit(Arc<Mutex<Smart>>);

impl Ups for Unit {
    fn mains(&self, on: bool) {
        let smart = self.0.lock().unwrap();
        let mut unit = smart.unit();
        if on { unit.restore_mains() } else { unit.fail_mains() }
    }

    fn battery_low(&self, low: bool) {
        if low {
            self.0.lock().unwrap().unit().battery_low();
        }
    }
}

fn main() {
    let link = std::env::args().nth(1).expect("usage: serial-power-ups LINK");
    let smart = Arc::new(Mutex::new(Smart::start(Generation::Third, Path::new(&link), true)));
    let timeline = Timeline::new("ups");
    let (watched, of_watch) = (Arc::clone(&smart), Arc::clone(&timeline));
    std::thread::spawn(move || watch_orders(&of_watch, &watched));
    timeline.obey_lines(&Unit(smart));
}

fn watch_orders(timeline: &Timeline, smart: &Mutex<Smart>) {
    loop {
        // The UPS has no event for it.
        std::thread::sleep(Duration::from_millis(50));
        let killed = smart.lock().unwrap().unit().killed.take();
        if let Some(how) = killed {
            timeline.say_ups(&format!("is told {how}"));
            timeline.order(DELAY);
        }
    }
}
