//! A UPS that a driver is measured at, driven by lines on standard input.
//!
//! ```text
//! driver-ups modbus LINK         a newer Smart-UPS at 9600 bit/s; a symbolic link to its pseudo-terminal is made there
//! driver-ups snmp PORT           a card of APC at this port of 127.0.0.1
//! driver-ups pcnet PORT          a card at 127.0.0.6 that sends to this port of 127.0.0.1
//!   poll                         waits for a whole poll: "poll", its requests, its bytes both ways, and milliseconds
//!   off                          mains fails: "off", and when, in nanoseconds
//!   on                           mains returns
//!   quit
//! ```
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, reason = "a test program reports by panicking")]

mod modbus;
mod pcnet;
mod snmp;

use std::io::BufRead;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Requests with a longer pause between them are not of one poll.
const PAUSE: Duration = Duration::from_millis(500);
/// Longer is not waited.
const TIMEOUT: Duration = Duration::from_secs(150);

/// A request, or what was sent without one.
struct Asked {
    /// Only a poll has it: the charge is in it.
    is_poll: bool,
    begin: Instant,
    /// When the answer was over.
    end: Instant,
    /// Of both.
    bytes: usize,
}

type Log = Arc<Mutex<Vec<Asked>>>;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [kind, place] = &args[..] else { panic!("usage: driver-ups modbus|snmp|pcnet PLACE") };
    let log = Log::default();
    let mains: Box<dyn Fn(bool)> = match kind.as_str() {
        "modbus" => modbus::start(place, Arc::clone(&log)),
        "snmp" => snmp::start(place, Arc::clone(&log)),
        "pcnet" => pcnet::start(place, Arc::clone(&log)),
        _ => panic!("no such driver: {kind}"),
    };
    for line in std::io::stdin().lock().lines() {
        match line.unwrap().as_str() {
            "poll" => println!("poll {}", poll(&log)),
            "off" => {
                let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
                mains(false);
                println!("off {at}");
            }
            "on" => mains(true),
            _ => break,
        }
    }
}

/// Waits for a poll from its beginning on; its requests, bytes and milliseconds.
fn poll(log: &Mutex<Vec<Asked>>) -> String {
    let from = log.lock().unwrap().len();
    let until = Instant::now() + TIMEOUT;
    while Instant::now() < until {
        sleep(Duration::from_millis(50));
        let log = log.lock().unwrap();
        let new = &log[from..];
        let Some(middle) = new.iter().position(|asked| asked.is_poll) else { continue };
        if new.last().is_some_and(|last| last.end.elapsed() < PAUSE) {
            continue;
        }
        let is_pause = |two: &[Asked]| two[1].begin - two[0].end >= PAUSE;
        let first = new[..=middle].windows(2).rposition(is_pause).map_or(0, |at| at + 1);
        let last = new[middle..].windows(2).position(is_pause).map_or(new.len() - 1, |at| middle + at);
        let poll = &new[first..=last];
        let bytes: usize = poll.iter().map(|asked| asked.bytes).sum();
        return format!("{} {bytes} {}", poll.len(), (poll[poll.len() - 1].end - poll[0].begin).as_millis());
    }
    panic!("no poll");
}
