//! What the process of a writer does: it takes messages, writes, and tells how far it is.

#![allow(
    clippy::disallowed_methods,
    reason = "a process of its own, outside of the loop: the state file's moments are counted by its clock"
)]

use std::time::{Duration, Instant};

use crate::journal::{BootClock, Sink};
use crate::sys::clock;
use crate::sys::memory::{drop_clean_pages, mappings};
use crate::sys::role::Socket;
use crate::wire::role::{FromWriter, MAX_PACKET, ToWriter};

/// At the latest after so many messages it tells how far it is; else when nothing more is there.
const MESSAGES_PER_ACKNOWLEDGEMENT: usize = 16;
/// When it has had nothing to do for so long, it gives back the memory that it needs for nothing else.
const IDLE_BEFORE_RELEASE: Duration = Duration::from_secs(10);
/// What could not be written is written so much later, also if other things are written meanwhile.
const RETRY_INTERVAL: Duration = IDLE_BEFORE_RELEASE;

/// Writes until nobody is at the other end of the socket.
pub fn run(sink: &mut Sink, socket: &Socket) {
    // What is said here has nobody to print it.
    log::set_max_level(log::LevelFilter::Off);
    sink.begin();
    let mut buffer = [0; MAX_PACKET + 1];
    let mut untold = 0;
    let mut newest = 0;
    let mut tried_at = Instant::now();
    loop {
        let received = match socket.receive_now(&mut buffer) {
            Err(_) | Ok(0) => {
                if std::mem::take(&mut untold) > 0 {
                    socket.send(&FromWriter::Acknowledged(newest).encode());
                }
                if tried_at.elapsed() >= RETRY_INTERVAL {
                    tried_at = Instant::now();
                    sink.try_again(boot_clock());
                }
                while !socket.wait(IDLE_BEFORE_RELEASE) {
                    drop_clean_pages(mappings());
                    tried_at = Instant::now();
                    if !sink.try_again(boot_clock()) {
                        break;
                    }
                }
                socket.receive(&mut buffer)
            }
            received => received,
        };
        let Ok(length @ 1..) = received else { return };
        // What is no message was not sent by this program.
        let message = buffer.get(..length).and_then(ToWriter::decode);
        let Some((number, message)) = message else { continue };
        // Hooks wait for lines; what is not one may take longer.
        if untold > 0 && !matches!(message, ToWriter::Line { .. } | ToWriter::Debug(_)) {
            untold = 0;
            socket.send(&FromWriter::Acknowledged(newest).encode());
        }
        sink.handle(&message, boot_clock(), &mut |told| socket.send(&told.encode()));
        newest = number;
        untold += 1;
        if untold == MESSAGES_PER_ACKNOWLEDGEMENT {
            untold = 0;
            socket.send(&FromWriter::Acknowledged(newest).encode());
        }
    }
}

/// Now, on both clocks.
pub fn boot_clock() -> BootClock {
    BootClock { now: Instant::now(), uptime: clock::since_boot() }
}
