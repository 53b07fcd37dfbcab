//! A card that sends by itself: every 25 seconds, and at once when something changes.

#[path = "../../tests/support/pcnet/mod.rs"]
#[allow(dead_code, clippy::format_push_string, reason = "a file for programs of tests")]
mod card;

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Asked, Log};
use card::Unit;

const ADDRESS: &str = "127.0.0.6";
/// Between two packets without a change (pcnet §2).
const INTERVAL: Duration = Duration::from_secs(25);

pub fn start(port: &str, log: Log) -> Box<dyn Fn(bool)> {
    let socket = UdpSocket::bind((ADDRESS, 0)).unwrap();
    let to = ("127.0.0.1", port.parse::<u16>().unwrap());
    let unit = Arc::new(Mutex::new(Unit::new(ADDRESS)));
    let send = move |unit: &mut Unit| {
        let (packet, begin) = (unit.packet(), Instant::now());
        // Nobody may listen yet.
        let _ = socket.send_to(&packet, to);
        log.lock().unwrap().push(Asked { is_poll: true, begin, end: Instant::now(), bytes: packet.len() });
    };
    let send = Arc::new(send);
    let (theirs, sends) = (Arc::clone(&unit), Arc::clone(&send));
    std::thread::spawn(move || {
        loop {
            sends(&mut theirs.lock().unwrap());
            std::thread::sleep(INTERVAL);
        }
    });
    Box::new(move |there| {
        let mut unit = unit.lock().unwrap();
        unit.mains(there);
        send(&mut unit);
    })
}
