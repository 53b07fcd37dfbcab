//! A terminal that a program is shown on, and a person at it.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::smart::pty;
use super::{TIMEOUT, poll_until};

/// A pseudo-terminal; what is shown on it is collected until it is dropped.
pub struct Terminal {
    keys: File,
    path: PathBuf,
    shown: Arc<Mutex<Vec<u8>>>,
    /// Held open, or the end of a program would be the end of the terminal.
    other_side: File,
}

impl Terminal {
    pub fn open() -> Self {
        let (master, path) = pty::open();
        let other_side = File::options().read(true).write(true).open(&path).unwrap();
        let mut screen = File::from(master);
        let keys = screen.try_clone().unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let alive = Arc::downgrade(&shown);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Some(shown) = alive.upgrade() {
                match screen.read(&mut chunk) {
                    Ok(count) => shown.lock().unwrap().extend_from_slice(&chunk[..count]),
                    Err(_) => std::thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        Self { keys, path, shown, other_side }
    }

    /// For one of the standard files of a program.
    pub fn stdio(&self) -> Stdio {
        File::options().read(true).write(true).open(&self.path).unwrap().into()
    }

    pub fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    /// All that has been shown.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Waits until this is shown behind the first `from` bytes; where it ends.
    pub fn wait(&self, from: usize, part: &str) -> usize {
        let look = || {
            let text = self.text();
            text.get(from..).and_then(|text| text.find(part)).map(|at| from + at + part.len())
        };
        poll_until(TIMEOUT, look).unwrap_or_else(|| panic!("{part} is not shown: {}", self.text()))
    }

    /// Whether what is typed is echoed and comes line by line.
    pub fn is_ordinary(&self) -> bool {
        use rustix::termios::{LocalModes, tcgetattr};
        tcgetattr(&self.other_side).unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }
}
