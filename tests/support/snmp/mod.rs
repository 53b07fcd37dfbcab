//! An agent of SNMP at a UDP port of this machine.

mod account;
mod ber;
mod unit;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

pub use account::Account;
pub use ber::{element, integer, oid};
pub use unit::{Unit, gauge, int, text, ticks};

/// The card. Dropped, it is gone.
#[derive(Debug)]
pub struct Card {
    unit: Arc<Mutex<Unit>>,
    stop: Arc<AtomicBool>,
    /// It takes what is asked, and says nothing.
    silent: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Card {
    /// A card with this UPS, at this address and port; port 0: one that is free.
    pub fn start(unit: Unit, address: impl Into<IpAddr>, port: u16) -> Self {
        Self::start_with(unit, None, address, port)
    }

    /// A card on 127.0.0.1 that speaks v3 alone, to this account.
    pub fn with_account(unit: Unit, account: Account) -> Self {
        Self::start_with(unit, Some(account), std::net::Ipv4Addr::LOCALHOST, 0)
    }

    fn start_with(unit: Unit, account: Option<Account>, address: impl Into<IpAddr>, port: u16) -> Self {
        let socket = UdpSocket::bind((address.into(), port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let address = socket.local_addr().unwrap();
        let unit = Arc::new(Mutex::new(unit));
        let (stop, silent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (theirs, stopped, quiet) = (Arc::clone(&unit), Arc::clone(&stop), Arc::clone(&silent));
        let serve = move || {
            let mut buffer = [0; 8192];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                let mut unit = theirs.lock().unwrap();
                let answer = match &account {
                    Some(account) => account.answer(&mut unit, &buffer[..length]),
                    None => unit.answer(&buffer[..length]),
                };
                drop(unit);
                if let Some(answer) = answer.filter(|_| !quiet.load(Ordering::Relaxed)) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        };
        Self { unit, stop, silent, thread: Some(std::thread::spawn(serve)), address }
    }

    /// A card on 127.0.0.1.
    pub fn local(unit: Unit) -> Self {
        Self::start(unit, std::net::Ipv4Addr::LOCALHOST, 0)
    }

    /// The UPS itself, to be changed or looked at.
    pub fn unit(&self) -> MutexGuard<'_, Unit> {
        self.unit.lock().unwrap()
    }

    /// It answers no more, or again.
    pub fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    /// The numbers that the object with this tail was set to.
    pub fn written(&self, tail: &[u32]) -> Vec<i64> {
        let unit = self.unit();
        let name = [&unit.name(tail)[..], &[0]].concat();
        unit.written.iter().filter(|(object, _)| *object == name).map(|(_, number)| *number).collect()
    }

    /// What was set in a column: row and number.
    pub fn rows_written(&self, tail: &[u32]) -> Vec<(u32, i64)> {
        let unit = self.unit();
        let name = unit.name(tail);
        let row = |object: &[u32]| object.strip_prefix(&name[..]).map(|row| row[0]);
        unit.written.iter().filter_map(|(object, number)| Some((row(object)?, *number))).collect()
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
