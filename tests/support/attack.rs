//! Clients of port 3551 that mean harm, or have lost their wits: what each does, again and again.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub const STATUS: &[u8] = b"\0\x06status";

/// One kind of attack.
#[derive(Clone, Copy)]
pub struct Attack {
    pub name: &'static str,
    /// Connections at a time.
    pub connections: usize,
    /// What each sends when it has connected.
    pub opening: &'static [u8],
    /// Between two rounds.
    pub pause: Duration,
    /// What each does in a round, without blocking; false: it lets go of the connection and opens another.
    pub round: fn(&mut TcpStream) -> bool,
}

/// Those that issue 5 names.
pub const ATTACKS: [Attack; 8] = [
    Attack {
        name: "2,000 connections opened",
        connections: 2000,
        opening: b"",
        pause: LULL,
        round: |_| true,
    },
    Attack {
        name: "500 that write a byte a second",
        connections: 500,
        // The head of a request of 256 bytes.
        opening: &[1, 0],
        pause: Duration::from_secs(1),
        round: |stream| stream.write(b"x").is_ok(),
    },
    Attack {
        name: "50 that ask without end and never read",
        connections: 50,
        opening: b"",
        pause: LULL,
        round: |stream| {
            while stream.write(&STATUS.repeat(512)).is_ok_and(|n| n > 0) {}
            true
        },
    },
    Attack {
        name: "500 that watch and never read",
        connections: 500,
        opening: b"\0\x05watch",
        pause: LULL,
        round: |_| true,
    },
    Attack {
        name: "50 with frames too long",
        connections: 50,
        opening: &[0xff; 64],
        pause: LULL,
        round: |_| false,
    },
    Attack {
        name: "50 with frames of length 0",
        connections: 50,
        opening: &[0; 64],
        pause: LULL,
        round: |_| false,
    },
    Attack {
        name: "10 that pipeline requests and read",
        connections: 10,
        opening: b"",
        pause: Duration::ZERO,
        round: |stream| {
            let _ = stream.write(&STATUS.repeat(64));
            let _ = stream.read(&mut [0; 1 << 16]);
            true
        },
    },
    Attack {
        name: "100 half-closed",
        connections: 100,
        opening: STATUS,
        pause: LULL,
        round: |stream| {
            let _ = stream.shutdown(Shutdown::Write);
            false
        },
    },
];

/// Enough to let others have the processor.
const LULL: Duration = Duration::from_millis(20);

/// Set when it is dropped, also by a panic: no thread of a test goes on after the test.
pub struct Stop<'a>(pub &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Attack {
    /// Attacks until `stop`; `ready` is set when all connections have been opened.
    pub fn rage(&self, address: SocketAddr, ready: &AtomicBool, stop: &AtomicBool) {
        let connect = || {
            let stream = TcpStream::connect_timeout(&address, super::TIMEOUT).ok()?;
            let _ = (&stream).write(self.opening);
            stream.set_nonblocking(true).ok()?;
            Some(stream)
        };
        let mut streams: Vec<Option<TcpStream>> = Vec::new();
        while streams.len() < self.connections && !stop.load(Ordering::Relaxed) {
            streams.push(connect());
        }
        ready.store(true, Ordering::Relaxed);
        while !stop.load(Ordering::Relaxed) {
            for place in &mut streams {
                if !place.as_mut().is_some_and(self.round) {
                    *place = connect();
                }
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
            std::thread::sleep(self.pause);
        }
    }
}
