//! A USB serial adapter (FTDI FT232B) whose modem lines a test moves: the kernel's own driver makes a `/dev/ttyUSB` of it.
//!
//! Requests as Linux's `ftdi_sio` sends them: 0x40 01 sets DTR (bit 0) and RTS (bit 1) under the mask in the upper byte, 0x40 04
//! carries the break in bit 14, 0xc0 05 asks for the lines that come in.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::unit::poll;
use super::vhci::{self, Port};
use super::wire::{self, HEAD, Request, Submit};

/// Lines that come in, as the chip reports them.
pub mod input {
    /// Clear to send.
    pub const CTS: u8 = 0x10;
    /// Data set ready.
    pub const DSR: u8 = 0x20;
    /// Ring.
    pub const RING: u8 = 0x40;
    /// Carrier detect.
    pub const CD: u8 = 0x80;
}

/// Lines that go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Data terminal ready.
    pub dtr: bool,
    /// Request to send.
    pub rts: bool,
    /// The sending line is held in the break condition.
    pub txd: bool,
}

#[derive(Debug, Default)]
struct State {
    inputs: u8,
    /// What the next looks see instead.
    next: Vec<u8>,
    outputs: Outputs,
    /// Every change of the outputs.
    history: Vec<(Instant, Outputs)>,
    /// How often the lines have been asked for.
    looks: usize,
    /// Transfers that wait for data which never comes.
    waiting: Vec<u32>,
    generation: u32,
}

/// Tries to plug it in.
const TRIES: usize = 2;

type Shared = Arc<(Mutex<State>, Condvar)>;

/// The serial port that the kernel has made of it.
fn tty_of(port: &Port) -> Option<PathBuf> {
    let names = port.interface().and_then(|path| std::fs::read_dir(path).ok())?;
    let mut names = names.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let tty = names.find(|name| name.starts_with("ttyUSB"))?;
    // The file appears a moment after the folder.
    Some(PathBuf::from("/dev").join(tty)).filter(|path| path.exists())
}

/// The end of what the kernel has logged.
fn kernel_log() -> String {
    let log = std::process::Command::new("/bin/busybox").arg("dmesg").output();
    let log = log.map(|done| String::from_utf8_lossy(&done.stdout).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// An adapter that can be plugged in. Dropped, it is unplugged.
#[derive(Debug, Default)]
pub struct Adapter {
    shared: Shared,
    port: Option<Port>,
}

impl Adapter {
    /// Plugs it in and waits for its `/dev/ttyUSB`, whose path comes back. A busy kernel may give a device up before it has got to
    /// know it; it is then plugged in again, as a person would.
    pub fn plug(&mut self) -> PathBuf {
        for _ in 0..TRIES {
            let port = self.insert();
            let tty = poll(|| tty_of(&port));
            self.port = Some(port);
            if let Some(tty) = tty {
                return tty;
            }
        }
        panic!("the kernel made no serial port of it: is ftdi_sio there? Its log:\n{}", kernel_log());
    }

    fn insert(&mut self) -> Port {
        self.unplug();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let generation = {
            let mut state = self.shared.0.lock().unwrap();
            state.waiting.clear();
            state.generation += 1;
            state.generation
        };
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || serve(&shared, ours, generation));
        vhci::attach(&theirs, 2).unwrap_or_else(|error| panic!("cannot plug in: {error}"))
    }

    /// Unplugs it.
    pub fn unplug(&mut self) {
        if let Some(port) = self.port.take() {
            port.detach();
        }
    }

    /// How the lines that come in are from now on.
    pub fn set(&self, inputs: u8) {
        let mut state = self.shared.0.lock().unwrap();
        state.inputs = inputs;
        state.next.clear();
    }

    /// The next looks see these, one each; after them all is as it was. Returns when they have been seen; false if nobody looks.
    pub fn show(&self, next: &[u8], timeout: Duration) -> bool {
        let mut state = self.shared.0.lock().unwrap();
        state.next = next.iter().rev().copied().collect();
        let (state, _) =
            self.shared.1.wait_timeout_while(state, timeout, |state| !state.next.is_empty()).unwrap();
        state.next.is_empty()
    }

    /// How often the lines have been asked for.
    pub fn looks(&self) -> usize {
        self.shared.0.lock().unwrap().looks
    }

    /// The lines that go out.
    pub fn outputs(&self) -> Outputs {
        self.shared.0.lock().unwrap().outputs
    }

    /// Waits until the lines that go out are so; false if that does not happen.
    pub fn wait_for(&self, wanted: Outputs, timeout: Duration) -> bool {
        let state = self.shared.0.lock().unwrap();
        let differs = |state: &mut State| state.outputs != wanted;
        self.shared.1.wait_timeout_while(state, timeout, differs).unwrap().0.outputs == wanted
    }

    /// How many changes of the outputs there were.
    pub fn changes(&self) -> usize {
        self.shared.0.lock().unwrap().history.len()
    }

    /// How long each stretch lasted during which `so` was true of the outputs, from change number `from` on; one that lasts
    /// counts until now.
    pub fn stretches(&self, from: usize, so: impl Fn(Outputs) -> bool) -> Vec<Duration> {
        let history = self.shared.0.lock().unwrap().history.clone();
        let mut found = Vec::new();
        let mut since = None;
        for (at, outputs) in history.into_iter().skip(from) {
            match (since, so(outputs)) {
                (None, true) => since = Some(at),
                (Some(began), false) => {
                    found.push(at - began);
                    since = None;
                }
                _ => {}
            }
        }
        found.extend(since.map(|began| began.elapsed()));
        found
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        self.unplug();
    }
}

fn serve(shared: &Shared, mut socket: UnixStream, generation: u32) {
    use std::io::Write;
    let mut head = [0; HEAD];
    while socket.read_exact(&mut head).is_ok() {
        let Some(request) = Request::parse(&head) else { break };
        if let Request::Submit(submit) = &request {
            if !submit.inward && socket.read_exact(&mut vec![0; submit.length]).is_err() {
                break;
            }
        }
        let mut state = shared.0.lock().unwrap();
        if state.generation != generation {
            break;
        }
        let answer = match request {
            Request::Unlink { seq, victim } => {
                let known = state.waiting.iter().position(|waiting| *waiting == victim);
                Some(wire::unlinked(seq, known.map(|at| state.waiting.remove(at)).is_some()))
            }
            Request::Submit(submit) if submit.endpoint == 0 => Some(match control(&mut state, &submit) {
                Some(bytes) => wire::done(&submit, &bytes),
                None => wire::failed(&submit, -32),
            }),
            Request::Submit(submit) if submit.inward => {
                state.waiting.push(submit.seq);
                None
            }
            Request::Submit(submit) => Some(wire::done(&submit, &[])),
        };
        drop(state);
        shared.1.notify_all();
        if answer.is_some_and(|bytes| socket.write_all(&bytes).is_err()) {
            break;
        }
    }
}

/// The answer of endpoint 0; `None`: stall.
fn control(state: &mut State, submit: &Submit) -> Option<Vec<u8>> {
    let [kind, request, low, high, ..] = submit.setup;
    match (kind, request) {
        (0x80, 0x06) => descriptor(high, low),
        (0x80..=0x82, 0x00) => Some(vec![0, 0]),
        (0x80, 0x08) => Some(vec![1]),
        (0x81, 0x0a) => Some(vec![0]),
        (0x00..=0x02, 0x01 | 0x03 | 0x09 | 0x0b) => Some(Vec::new()),
        (0x40, 0x01 | 0x04) => {
            let mut outputs = state.outputs;
            if request == 0x04 {
                outputs.txd = high & 0x40 != 0;
            } else {
                if high & 1 != 0 {
                    outputs.dtr = low & 1 != 0;
                }
                if high & 2 != 0 {
                    outputs.rts = low & 2 != 0;
                }
            }
            if outputs != state.outputs {
                state.outputs = outputs;
                state.history.push((Instant::now(), outputs));
            }
            Some(Vec::new())
        }
        (0x40, _) => Some(Vec::new()),
        (0xc0, 0x05) => {
            state.looks += 1;
            let inputs = state.next.pop().unwrap_or(state.inputs);
            // The low bits say that there is a chip; the second byte is the state of the line: sender empty.
            Some(vec![inputs | 0x01, 0x60])
        }
        (0xc0, 0x0a) => Some(vec![16]),
        (0xc0, _) => Some(vec![0; submit.length]),
        _ => None,
    }
}

fn descriptor(kind: u8, index: u8) -> Option<Vec<u8>> {
    match kind {
        1 => Some(vec![18, 1, 0x10, 0x01, 0, 0, 0, 8, 0x03, 0x04, 0x01, 0x60, 0x00, 0x04, 1, 2, 0, 1]),
        2 => {
            let mut bytes = vec![9, 2, 32, 0, 1, 1, 0, 0xa0, 45];
            bytes.extend([9, 4, 0, 0, 2, 0xff, 0xff, 0xff, 2]);
            bytes.extend([7, 5, 0x81, 2, 64, 0, 0]);
            bytes.extend([7, 5, 0x02, 2, 64, 0, 0]);
            Some(bytes)
        }
        3 => {
            let units: Vec<u8> = match index {
                0 => vec![0x09, 0x04],
                _ => "Simulated".encode_utf16().flat_map(u16::to_le_bytes).collect(),
            };
            let mut bytes = vec![u8::try_from(units.len() + 2).ok()?, 3];
            bytes.extend(units);
            Some(bytes)
        }
        _ => None,
    }
}
