//! A wire between a slave and its master that can be made worse: it hides that the master knows `watch`, or holds bytes
//! back.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What apcupsd says to what it does not know.
const INVALID: &[u8] = b"\x00\x11Invalid command\n\0\x00\x00";
const WATCH: &[u8] = b"\0\x05watch";

/// What the wire does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wire {
    /// `watch` is refused as apcupsd does, and never reaches the master.
    pub refuses_watch: bool,
    /// Nothing comes from the master, while connections are still made.
    pub stalled: bool,
    /// Each piece from the master comes so much later.
    pub delay: Duration,
}

/// A relay that runs. Dropped, it accepts no more.
#[derive(Debug)]
pub struct Relay {
    wire: Arc<(Mutex<Wire>, Condvar)>,
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

impl Relay {
    /// A relay on loopback to this master, there or not.
    pub fn start(master: SocketAddr, wire: Wire) -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap(), master, wire)
    }

    /// A relay that listens here.
    pub fn listen(listener: TcpListener, master: SocketAddr, wire: Wire) -> Self {
        let address = listener.local_addr().unwrap();
        let wire = Arc::new((Mutex::new(wire), Condvar::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, stopped) = (Arc::clone(&wire), Arc::clone(&stop));
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let open = Arc::new(AtomicUsize::new(0));
        let gauge = Arc::clone(&open);
        std::thread::spawn(move || {
            for slave in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let (Ok(slave), wire) = (slave, Arc::clone(&theirs)) else { continue };
                // Without its master the slave finds a connection that closes at once.
                if let Ok(master) = TcpStream::connect_timeout(&master, Duration::from_secs(5)) {
                    counter.fetch_add(1, Ordering::Relaxed);
                    join(slave, master, &wire, &gauge);
                }
            }
        });
        Self { wire, address, stop, connections, open }
    }

    /// How many connections the master has had through it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many it has now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Where it listens, as DEVICE.
    pub fn device(&self) -> String {
        self.address.to_string()
    }

    /// Changes the wire, for connections that are there too.
    pub fn set(&self, change: impl FnOnce(&mut Wire)) {
        change(&mut self.wire.0.lock().unwrap());
        self.wire.1.notify_all();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.set(|wire| wire.stalled = false);
        let _ = TcpStream::connect(self.address);
    }
}

fn join(slave: TcpStream, master: TcpStream, wire: &Arc<(Mutex<Wire>, Condvar)>, open: &Arc<AtomicUsize>) {
    open.fetch_add(1, Ordering::Relaxed);
    let open = Arc::clone(open);
    let (up, down) = (Arc::clone(wire), Arc::clone(wire));
    let mut to_slave = slave.try_clone().unwrap();
    let (mut from_slave, mut to_master) = (slave, master.try_clone().unwrap());
    let mut from_master = master;
    std::thread::spawn(move || {
        let mut refuser = from_slave.try_clone().unwrap();
        pass(&mut from_slave, &mut to_master, |bytes| {
            let refused = bytes == WATCH && up.0.lock().unwrap().refuses_watch;
            !(refused && refuser.write_all(INVALID).is_ok())
        });
    });
    std::thread::spawn(move || {
        pass(&mut from_master, &mut to_slave, |_| {
            let held = down.1.wait_while(down.0.lock().unwrap(), |wire| wire.stalled).unwrap();
            let delay = held.delay;
            drop(held);
            std::thread::sleep(delay);
            true
        });
        open.fetch_sub(1, Ordering::Relaxed);
    });
}

/// Passes on what `wanted` lets through, until either side ends; then ends both.
fn pass(from: &mut TcpStream, to: &mut TcpStream, mut wanted: impl FnMut(&[u8]) -> bool) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if wanted(&bytes[..length]) && to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
