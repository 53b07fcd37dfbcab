//! A UPS that speaks Modbus, at the end of a pseudo-terminal or of TCP.

mod unit;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use super::smart::pty;
pub use unit::Unit;

/// The UPS. Dropped, it is gone.
#[derive(Debug)]
pub struct Modbus {
    unit: Arc<Mutex<Unit>>,
    stop: Arc<AtomicBool>,
    /// It takes what is asked, and says nothing.
    silent: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Where the card listens.
    pub port: u16,
}

impl Modbus {
    /// A UPS at `link`, a symbolic link to the pseudo-terminal.
    pub fn serial(link: &Path) -> Self {
        let (master, slave) = pty::open();
        let _ = std::fs::remove_file(link);
        std::os::unix::fs::symlink(slave, link).unwrap();
        Self::start(0, move |unit, stop, silent| serve_line(std::fs::File::from(master), unit, stop, silent))
    }

    /// A card at this port of this machine; 0: one that is free.
    pub fn card(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        Self::start(port, move |unit, stop, silent| serve_card(&listener, unit, stop, silent))
    }

    fn start(port: u16, serve: impl FnOnce(&Mutex<Unit>, &AtomicBool, &AtomicBool) + Send + 'static) -> Self {
        let unit = Arc::new(Mutex::new(Unit::new()));
        let (stop, silent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (theirs, stopped, quiet) = (Arc::clone(&unit), Arc::clone(&stop), Arc::clone(&silent));
        let thread = Some(std::thread::spawn(move || serve(&theirs, &stopped, &quiet)));
        Self { unit, stop, silent, thread, port }
    }

    /// The UPS itself, to be changed or looked at.
    pub fn unit(&self) -> MutexGuard<'_, Unit> {
        self.unit.lock().unwrap()
    }

    /// It answers no more, or again.
    pub fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    /// The values that were written to this register.
    pub fn written(&self, register: u16) -> Vec<u16> {
        let unit = self.unit();
        let orders =
            unit.asked.iter().filter(|(function, address, _)| (*function, *address) == (16, register));
        orders.map(|(_, _, value)| *value).collect()
    }
}

impl Drop for Modbus {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A line between two serial ports, for a program that opens one itself. Dropped, it is cut.
#[derive(Debug)]
pub struct Line {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Joins two ports, each a symbolic link to a pseudo-terminal.
pub fn line(one: &Path, other: &Path) -> Line {
    let ends = [one, other].map(|link| {
        let (master, slave) = pty::open();
        std::os::unix::fs::symlink(slave, link).unwrap();
        std::fs::File::from(master)
    });
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = Some(std::thread::spawn(move || {
        let mut buffer = [0; 256];
        while !stopped.load(Ordering::Relaxed) {
            for (from, to) in [(&ends[0], &ends[1]), (&ends[1], &ends[0])] {
                let (mut from, mut to) = (from, to);
                if let Ok(length) = from.read(&mut buffer) {
                    let _ = to.write_all(&buffer[..length]);
                }
            }
            std::thread::sleep(NAP);
        }
    }));
    Line { stop, thread }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const NAP: Duration = Duration::from_millis(1);
const NAPS_AFTER_NOISE: u32 = 200;

fn serve_line(mut line: std::fs::File, unit: &Mutex<Unit>, stop: &AtomicBool, silent: &AtomicBool) {
    let mut buffer = [0; 256];
    let mut frame = Vec::new();
    let mut naps = 0;
    while !stop.load(Ordering::Relaxed) {
        match line.read(&mut buffer) {
            Ok(length) => {
                frame.extend_from_slice(&buffer[..length]);
                naps = 0;
            }
            // Nothing now, or nobody has the other side open. A frame ends with the silence behind it.
            Err(error) if error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(5) => {
                if let Some(answer) = unit.lock().unwrap().rtu(&frame) {
                    frame.clear();
                    if !silent.load(Ordering::Relaxed) {
                        let _ = line.write_all(&answer);
                    }
                }
                naps += 1;
                // What is no frame by then is none: another protocol was spoken.
                if naps > NAPS_AFTER_NOISE {
                    frame.clear();
                }
                std::thread::sleep(NAP);
            }
            Err(error) => panic!("pseudo-terminal: {error}"),
        }
        // What is longer is none.
        if frame.len() > 256 {
            frame.clear();
        }
    }
}

fn serve_card(listener: &TcpListener, unit: &Mutex<Unit>, stop: &AtomicBool, silent: &AtomicBool) {
    let mut clients: Vec<(TcpStream, Vec<u8>)> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        if let Ok((client, _)) = listener.accept() {
            client.set_nonblocking(true).unwrap();
            clients.push((client, Vec::new()));
        }
        clients.retain_mut(|(client, come)| {
            let mut buffer = [0; 512];
            match client.read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => come.extend_from_slice(&buffer[..length]),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
            while let Some(length) =
                come.get(4..6).map(|it| 6 + usize::from(it[0]) * 256 + usize::from(it[1]))
            {
                if come.len() < length {
                    break;
                }
                let frame: Vec<u8> = come.drain(..length).collect();
                let answer = unit.lock().unwrap().tcp(&frame);
                if !silent.load(Ordering::Relaxed) {
                    let _ = client.write_all(&answer);
                }
            }
            true
        });
        std::thread::sleep(NAP);
    }
}
