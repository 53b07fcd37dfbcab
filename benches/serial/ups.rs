//! A Smart-UPS of the third generation at 2400 bit/s behind a pseudo-terminal, driven by lines on standard input.
//!
//! ```text
//! serial-ups LINK          a symbolic link to the terminal is made there
//!   idle                   waits until a whole poll is over: "idle", and how long that poll took, in milliseconds
//!   off                    mains fails: when the alert was on the line, and when the status byte that confirms it, in nanoseconds
//!   on                     mains returns
//!   quit
//! ```
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, reason = "a test program reports by panicking")]

#[path = "../../tests/support/smart/mod.rs"]
mod smart;

use std::io::BufRead;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use smart::{Generation, Smart};

/// Fewer queries without a pause are no poll.
const POLL: usize = 15;
/// After so long a pause a poll is over.
const PAUSE: Duration = Duration::from_secs(2);
/// Longer is not waited.
const TIMEOUT: Duration = Duration::from_secs(150);

fn main() {
    let link = PathBuf::from(std::env::args().nth(1).expect("usage: serial-ups LINK"));
    let ups = Smart::start(Generation::Third, &link, true);
    for line in std::io::stdin().lock().lines() {
        match line.unwrap().as_str() {
            "idle" => println!("idle {:.0}", poll(&ups).as_secs_f64() * 1000.0),
            "off" => {
                let from = ups.unit().written.len();
                ups.unit().fail_mains();
                println!("off {} {}", written(&ups, from, b"!"), written(&ups, from, b"10\r\n"));
            }
            "on" => ups.unit().restore_mains(),
            _ => break,
        }
    }
}

/// Waits for a poll from its beginning on; how long it took, from the first query to the end of the last answer.
fn poll(ups: &Smart) -> Duration {
    let from = ups.unit().received.len();
    let until = Instant::now() + TIMEOUT;
    while Instant::now() < until {
        sleep(Duration::from_millis(50));
        let unit = ups.unit();
        let heard = &unit.received[from..];
        let (Some((_, last)), true) = (heard.last(), heard.len() >= POLL) else { continue };
        if last.elapsed() < PAUSE {
            continue;
        }
        // What belongs together, from behind.
        let first = heard.windows(2).rposition(|two| two[1].1 - two[0].1 >= PAUSE).map_or(0, |at| at + 1);
        if heard.len() - first >= POLL {
            let end = unit.written.last().expect("an answer").1;
            return end - heard[first].1;
        }
    }
    panic!("no poll");
}

/// When these bytes were sent, after the first `from` messages.
fn written(ups: &Smart, from: usize, bytes: &[u8]) -> u128 {
    let until = Instant::now() + TIMEOUT;
    while Instant::now() < until {
        if let Some((_, at)) = ups.unit().written[from..].iter().find(|(sent, _)| sent.ends_with(bytes)) {
            return (SystemTime::now() - at.elapsed()).duration_since(UNIX_EPOCH).unwrap().as_nanos();
        }
        sleep(Duration::from_millis(1));
    }
    panic!("not sent: {bytes:?}");
}
