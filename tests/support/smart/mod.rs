//! A UPS with Smart signalling (UPS-Link) behind a pseudo-terminal, written from the protocol's description alone
//! (apcsmart): four generations, at 2400 bit/s or as fast as the machine.
#![allow(dead_code, reason = "each test uses a part")]

pub mod pty;
mod unit;

pub use unit::{Generation, Unit};

use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A UPS that runs. Dropped, it is unplugged.
#[derive(Debug)]
pub struct Smart {
    unit: Arc<Mutex<Unit>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
    link: PathBuf,
}

impl Smart {
    /// A UPS at `link`, a symbolic link to the pseudo-terminal. `paced`: at 2400 bit/s.
    pub fn start(generation: Generation, link: &Path, paced: bool) -> Self {
        let (master, slave) = pty::open();
        let _ = std::fs::remove_file(link);
        std::os::unix::fs::symlink(slave, link).unwrap();
        let unit = Arc::new(Mutex::new(Unit::new(generation)));
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, stopped) = (Arc::clone(&unit), Arc::clone(&stop));
        let thread = std::thread::spawn(move || serve(std::fs::File::from(master), &theirs, &stopped, paced));
        Self { unit, stop, thread: Some(thread), link: link.to_owned() }
    }

    /// The UPS itself, to be changed or looked at.
    pub fn unit(&self) -> MutexGuard<'_, Unit> {
        self.unit.lock().unwrap()
    }
}

impl Drop for Smart {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.link);
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Until there may be something to do: a query, where the other side is open, or what a test has the unit say.
fn wait(master: &std::fs::File, is_open: bool) {
    let longest = Duration::from_millis(5);
    if is_open {
        let timeout = Timespec::try_from(longest).unwrap();
        let _ = poll(&mut [PollFd::new(master, PollFlags::IN)], Some(&timeout));
    } else {
        std::thread::sleep(longest);
    }
}

/// One character at 2400 bit/s with start and stop bit.
const CHARACTER: Duration = Duration::from_micros(4167);

fn serve(mut master: std::fs::File, unit: &Mutex<Unit>, stop: &AtomicBool, paced: bool) {
    let mut buffer = [0; 64];
    while !stop.load(Ordering::Relaxed) {
        let out = match master.read(&mut buffer) {
            Ok(length) => {
                let mut unit = unit.lock().unwrap();
                for byte in &buffer[..length] {
                    unit.receive(*byte, Instant::now());
                }
                unit.take_out()
            }
            // Nothing now, or nobody has the other side open.
            Err(error) if error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(5) => {
                let out = unit.lock().unwrap().take_out();
                if out.is_empty() {
                    wait(&master, error.kind() == ErrorKind::WouldBlock);
                }
                out
            }
            Err(error) => panic!("pseudo-terminal: {error}"),
        };
        if paced && !out.is_empty() {
            // The query's own character, then each of the answer's.
            std::thread::sleep(CHARACTER);
            for byte in &out {
                std::thread::sleep(CHARACTER);
                let _ = master.write_all(&[*byte]);
            }
        } else if !out.is_empty() {
            let _ = master.write_all(&out);
        }
        if !out.is_empty() {
            unit.lock().unwrap().written.push((out, Instant::now()));
        }
    }
}
