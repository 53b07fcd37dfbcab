//! A newer Smart-UPS that speaks Modbus at 9600 bit/s behind a pseudo-terminal, driven by lines on standard input.
//!
//! ```text
//! modbus-ups LINK          a symbolic link to the terminal is made there
//!   poll                   waits for a whole poll: "poll", its requests, its bytes both ways, and milliseconds
//!   off                    mains fails: "off", and when, in nanoseconds
//!   on                     mains returns
//!   quit
//! ```
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, reason = "a test program reports by panicking")]

#[path = "../../tests/support/smart/pty.rs"]
mod pty;
#[path = "../../tests/support/modbus/unit.rs"]
#[allow(clippy::cast_possible_truncation, reason = "bytes are made")]
mod unit;

use std::io::{BufRead, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use unit::Unit;

/// One byte at 9600 bit/s with start and stop bit.
const BYTE: Duration = Duration::from_micros(1042);
/// Requests with a longer pause between them are not of one poll.
const PAUSE: Duration = Duration::from_millis(500);
/// Only a poll asks for the charge.
const CHARGE: u16 = 130;
/// Longer is not waited.
const TIMEOUT: Duration = Duration::from_secs(150);

/// A request: its registers, when it began and when its answer was over, and the bytes of both.
struct Asked {
    first: u16,
    count: u16,
    begin: Instant,
    end: Instant,
    bytes: usize,
}

fn main() {
    let link = PathBuf::from(std::env::args().nth(1).expect("usage: modbus-ups LINK"));
    let (master, slave) = pty::open();
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(slave, &link).unwrap();
    let unit = Arc::new(Mutex::new(Unit::new()));
    let log = Arc::new(Mutex::new(Vec::new()));
    let (theirs, asked) = (Arc::clone(&unit), Arc::clone(&log));
    std::thread::spawn(move || serve(master.into(), &theirs, &asked));
    for line in std::io::stdin().lock().lines() {
        match line.unwrap().as_str() {
            "poll" => println!("poll {}", poll(&log)),
            "off" => {
                let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
                unit.lock().unwrap().mains(false);
                println!("off {at}");
            }
            "on" => unit.lock().unwrap().mains(true),
            _ => break,
        }
    }
}

fn serve(mut line: std::fs::File, unit: &Mutex<Unit>, log: &Mutex<Vec<Asked>>) {
    let (mut buffer, mut frame) = ([0; 256], Vec::new());
    loop {
        let Ok(length) = line.read(&mut buffer) else {
            sleep(Duration::from_millis(1));
            continue;
        };
        let begin = Instant::now();
        frame.extend_from_slice(&buffer[..length]);
        let Some(answer) = unit.lock().unwrap().rtu(&frame) else { continue };
        let bytes = frame.len() + answer.len();
        let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
        let (first, count) = (word(2), word(4));
        frame.clear();
        sleep(BYTE * u32::try_from(bytes).unwrap());
        line.write_all(&answer).unwrap();
        log.lock().unwrap().push(Asked { first, count, begin, end: Instant::now(), bytes });
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
        let of_poll = |asked: &Asked| (asked.first..asked.first + asked.count).contains(&CHARGE);
        let Some(middle) = new.iter().position(of_poll) else { continue };
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
