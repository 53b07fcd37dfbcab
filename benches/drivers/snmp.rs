//! A card of APC.

#[path = "../../tests/support/snmp/ber.rs"]
mod ber;
#[path = "../../tests/support/snmp/unit.rs"]
mod unit;

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::{Asked, Log};
use unit::{POWERNET, Unit};

/// Only a poll asks for the charge: in percent, or in tenths.
const CHARGE: [[u32; 4]; 2] = [[1, 2, 2, 1], [1, 2, 3, 1]];

pub fn start(port: &str, log: Log) -> Box<dyn Fn(bool)> {
    let socket = UdpSocket::bind(("127.0.0.1", port.parse().unwrap())).unwrap();
    let unit = Arc::new(Mutex::new(Unit::powernet()));
    let theirs = Arc::clone(&unit);
    let charge = CHARGE.map(|tail| ber::oid(&[&POWERNET[..], &tail].concat()));
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            let begin = Instant::now();
            let asked = &buffer[..length];
            let Some(answer) = theirs.lock().unwrap().answer(asked) else { continue };
            let _ = socket.send_to(&answer, from);
            let is_poll = charge.iter().any(|name| asked.windows(name.len()).any(|at| at == name));
            log.lock().unwrap().push(Asked {
                is_poll,
                begin,
                end: Instant::now(),
                bytes: length + answer.len(),
            });
        }
    });
    Box::new(move |there| unit.lock().unwrap().mains(there))
}
