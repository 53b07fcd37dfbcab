//! A master's side of the conversation with a slave: any bytes, cut anywhere, with connections that fail between them.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mainsd::link::LinkEvent;
use mainsd::link::net::{NetLink, Transmit, targets};
use mainsd::ups::StatusFlags;

fuzz_target!(|bytes: &[u8]| {
    let mut now = Instant::now();
    let mut link = NetLink::new(targets("a b:1", 3551), Duration::from_secs(5), now);
    // Bytes of 0xf0 and above are what happens to the connection; the others are what comes over it.
    for piece in bytes.chunk_by(|a, b| *a < 0xf0 && *b < 0xf0) {
        match piece {
            [0xf0..=0xf5] => link.handle_connected(now),
            [0xf6..=0xf9] => link.handle_closed(now, "reset"),
            [0xfa..=0xff] => now += Duration::from_secs(1),
            _ => link.handle_bytes(now, piece),
        }
        link.handle_timeout(now);
        while let Some(transmit) = link.poll_transmit() {
            match transmit {
                Transmit::Connect(target) => assert!(target < 2),
                Transmit::Send(request) => assert_eq!(request, b"\0\x06status"),
                Transmit::Close => {}
            }
        }
        while let Some(event) = link.poll_event() {
            if let LinkEvent::Reading(reading) = event {
                assert!(StatusFlags::FROM_UPS.contains(reading.status));
            }
        }
    }
});
