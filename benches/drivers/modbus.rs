//! A newer Smart-UPS that speaks Modbus at 9600 bit/s behind a pseudo-terminal.

#[path = "../../tests/support/smart/pty.rs"]
mod pty;
#[path = "../../tests/support/modbus/unit.rs"]
#[allow(clippy::cast_possible_truncation, reason = "bytes are made")]
mod unit;

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Asked, Log};
use unit::Unit;

/// One byte at 9600 bit/s with start and stop bit.
const BYTE: Duration = Duration::from_micros(1042);
/// Only a poll asks for the charge.
const CHARGE: u16 = 130;

pub fn start(link: &str, log: Log) -> Box<dyn Fn(bool)> {
    let (master, slave) = pty::open();
    let _ = std::fs::remove_file(link);
    std::os::unix::fs::symlink(slave, link).unwrap();
    let unit = Arc::new(Mutex::new(Unit::new()));
    let theirs = Arc::clone(&unit);
    std::thread::spawn(move || serve(master.into(), &theirs, &log));
    Box::new(move |there| unit.lock().unwrap().mains(there))
}

fn serve(mut line: std::fs::File, unit: &Mutex<Unit>, log: &Log) {
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
        let is_poll = (word(2)..word(2) + word(4)).contains(&CHARGE);
        frame.clear();
        sleep(BYTE * u32::try_from(bytes).unwrap());
        line.write_all(&answer).unwrap();
        log.lock().unwrap().push(Asked { is_poll, begin, end: Instant::now(), bytes });
    }
}
