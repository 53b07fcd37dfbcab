//! The simulated UPS as a device of a QEMU, outside the machine: what stops in the machine does not take it away.
//!
//! QEMU's device `usb-redir` speaks the USB redirection protocol (version 0.7) over a socket; here its packets become the requests that
//! [`Unit`] knows, and back. Numbers are little-endian. Ids have 64 bits but in the greeting, where nobody knows yet whether both sides want
//! that; QEMU's xHCI demands it.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use super::unit::Unit;
use super::wire::{self, HEAD};

/// Packet types.
mod kind {
    pub const HELLO: u32 = 0;
    pub const DEVICE_CONNECT: u32 = 1;
    pub const INTERFACE_INFO: u32 = 4;
    pub const EP_INFO: u32 = 5;
    pub const SET_CONFIGURATION: u32 = 6;
    pub const GET_CONFIGURATION: u32 = 7;
    pub const CONFIGURATION_STATUS: u32 = 8;
    pub const SET_ALT_SETTING: u32 = 9;
    pub const GET_ALT_SETTING: u32 = 10;
    pub const ALT_SETTING_STATUS: u32 = 11;
    pub const START_INTERRUPT: u32 = 15;
    pub const STOP_INTERRUPT: u32 = 16;
    pub const INTERRUPT_STATUS: u32 = 17;
    pub const CANCEL: u32 = 21;
    pub const CONTROL: u32 = 100;
    pub const INTERRUPT: u32 = 103;
}

/// How a transfer ended.
mod status {
    pub const SUCCESS: u8 = 0;
    pub const CANCELLED: u8 = 1;
    pub const IO_ERROR: u8 = 3;
    pub const STALL: u8 = 4;
}

/// Capabilities: the connection tells the device's release, the endpoints their packet sizes, and ids have 64 bits; lengths of bulk
/// packets have 32 bits, which no UPS sends.
const CAPABILITIES: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6;
const INTERRUPT_IN: u8 = 0x81;
const LONGEST_REPORT: usize = 64;

#[derive(Debug)]
enum Pending {
    Control {
        id: u64,
        head: [u8; 10],
    },
    Interrupt,
    /// Its answer may be on its way all the same.
    Cancelled {
        inward: bool,
    },
}

#[derive(Debug)]
struct Cable {
    qemu: UnixStream,
    unit: UnixStream,
    pending: HashMap<u32, Pending>,
    next_seq: u32,
    next_id: u64,
    /// QEMU wants interrupt reports.
    receiving: bool,
}

/// Serves one connection of QEMU, until it ends: the machine is gone.
pub fn serve(unit: &Unit, qemu: UnixStream) -> io::Result<()> {
    let device = unit.connect();
    let cable = Arc::new(Mutex::new(Cable {
        qemu: qemu.try_clone()?,
        unit: device.try_clone()?,
        pending: HashMap::new(),
        next_seq: 1,
        next_id: 0,
        receiving: false,
    }));
    let answers = Arc::clone(&cable);
    let reader = device.try_clone()?;
    let thread = std::thread::spawn(move || pass_answers(&answers, reader));
    let ended = talk(unit, &cable, qemu);
    let _ = device.shutdown(Shutdown::Both);
    let _ = thread.join();
    ended
}

fn talk(unit: &Unit, cable: &Mutex<Cable>, mut qemu: UnixStream) -> io::Result<()> {
    {
        let mut cable = cable.lock().unwrap();
        let mut hello = b"mainsd simulated UPS".to_vec();
        hello.resize(64, 0);
        hello.extend(CAPABILITIES.to_le_bytes());
        let head = [kind::HELLO, hello.len() as u32, 0].map(u32::to_le_bytes).concat();
        cable.qemu.write_all(&[head, hello].concat())?;
    }
    let mut greeted = false;
    loop {
        let mut head = [0; 16];
        let longer = usize::from(greeted) * 4;
        match qemu.read_exact(&mut head[..12 + longer]) {
            Ok(()) => greeted = true,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (kind, length) = (word(0), word(4));
        let id = u64::from(word(12)) << 32 | u64::from(word(8));
        let mut body = vec![0; length as usize];
        qemu.read_exact(&mut body)?;
        let mut cable = cable.lock().unwrap();
        match kind {
            kind::HELLO => cable.introduce(unit)?,
            kind::SET_CONFIGURATION | kind::GET_CONFIGURATION => {
                cable.tell(kind::CONFIGURATION_STATUS, id, &[status::SUCCESS, 1])?;
            }
            kind::SET_ALT_SETTING | kind::GET_ALT_SETTING => {
                cable.tell(kind::ALT_SETTING_STATUS, id, &[status::SUCCESS, body[0], 0])?;
            }
            kind::START_INTERRUPT => {
                cable.receiving = true;
                cable.tell(kind::INTERRUPT_STATUS, id, &[status::SUCCESS, body[0]])?;
                cable.want_report()?;
            }
            kind::STOP_INTERRUPT => {
                cable.receiving = false;
                cable.tell(kind::INTERRUPT_STATUS, id, &[status::SUCCESS, body[0]])?;
            }
            kind::CONTROL => cable.control(id, &body)?,
            kind::CANCEL => cable.cancel(id)?,
            // Resets, and what QEMU says of filters: no answer is due.
            _ => {}
        }
    }
}

impl Cable {
    fn tell(&mut self, kind: u32, id: u64, body: &[u8]) -> io::Result<()> {
        let head = [kind, body.len() as u32].map(u32::to_le_bytes).concat();
        self.qemu.write_all(&[&head, &id.to_le_bytes()[..], body].concat())
    }

    /// What is plugged in: interfaces and endpoints first.
    fn introduce(&mut self, unit: &Unit) -> io::Result<()> {
        let about = unit.about();
        // One byte for each of 32 interfaces, or of 16 endpoints out and 16 in.
        let mut tables = [[0u8; 32]; 4];
        let [numbers, classes, subclasses, protocols] = &mut tables;
        let [mut types, mut intervals, mut interfaces] = [[255u8; 32], [0; 32], [0; 32]];
        let mut sizes = [0u16; 32];
        types[0] = 0;
        types[16] = 0;
        let (mut count, mut rest) = (0, &about.configuration[..]);
        while let Some(&length) =
            rest.first().filter(|&&length| length >= 2 && usize::from(length) <= rest.len())
        {
            let (part, after) = rest.split_at(usize::from(length));
            rest = after;
            match part[1] {
                4 => {
                    numbers[count] = part[2];
                    [classes[count], subclasses[count], protocols[count]] = [part[5], part[6], part[7]];
                    count += 1;
                }
                5 => {
                    let at = usize::from((part[2] & 0x80) >> 3 | part[2] & 0x0f);
                    types[at] = part[3] & 3;
                    sizes[at] = u16::from_le_bytes([part[4], part[5]]);
                    intervals[at] = part[6];
                    interfaces[at] = numbers[count - 1];
                }
                _ => {}
            }
        }
        let body = [&(count as u32).to_le_bytes()[..], &tables.concat()].concat();
        self.tell(kind::INTERFACE_INFO, 0, &body)?;
        let sizes = sizes.map(u16::to_le_bytes).concat();
        self.tell(kind::EP_INFO, 0, &[&types[..], &intervals, &interfaces, &sizes].concat())?;
        let mut body = vec![u8::from(about.fast), 0, 0, 0];
        for number in [about.vendor, about.product, about.release] {
            body.extend(number.to_le_bytes());
        }
        self.tell(kind::DEVICE_CONNECT, 0, &body)
    }

    fn control(&mut self, id: u64, body: &[u8]) -> io::Result<()> {
        let Some((head, data)) = body.split_first_chunk::<10>() else {
            return Err(io::Error::other("a control packet without its head"));
        };
        let [_, request, request_type, _, v0, v1, i0, i1, l0, l1] = *head;
        let setup = [request_type, request, v0, v1, i0, i1, l0, l1];
        let length = usize::from(u16::from_le_bytes([l0, l1]));
        let seq = self.sequence(Pending::Control { id, head: *head });
        let inward = request_type & 0x80 != 0;
        self.unit.write_all(&[&wire::submit(seq, inward, 0, length, setup)[..], data].concat())
    }

    fn want_report(&mut self) -> io::Result<()> {
        if self.pending.values().any(|pending| matches!(pending, Pending::Interrupt)) {
            return Ok(());
        }
        let seq = self.sequence(Pending::Interrupt);
        let endpoint = u32::from(INTERRUPT_IN & 0x0f);
        self.unit.write_all(&wire::submit(seq, true, endpoint, LONGEST_REPORT, [0; 8]))
    }

    fn sequence(&mut self, pending: Pending) -> u32 {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.pending.insert(seq, pending);
        seq
    }

    fn cancel(&mut self, id: u64) -> io::Result<()> {
        let is_it = |pending: &Pending| matches!(pending, Pending::Control { id: known, .. } if *known == id);
        let Some(victim) = self.pending.iter().find(|(_, pending)| is_it(pending)).map(|(seq, _)| *seq)
        else {
            return Ok(());
        };
        let Some(Pending::Control { mut head, .. }) = self.pending.remove(&victim) else { return Ok(()) };
        self.pending.insert(victim, Pending::Cancelled { inward: head[2] & 0x80 != 0 });
        let seq = self.next_seq;
        self.next_seq += 1;
        self.unit.write_all(&wire::unlink(seq, victim))?;
        head[3] = status::CANCELLED;
        self.tell(kind::CONTROL, id, &head)
    }

    /// The UPS has answered.
    fn answered(&mut self, seq: u32, failure: i32, data: &[u8], count: usize) -> io::Result<()> {
        let status = match failure {
            0 => status::SUCCESS,
            -32 => status::STALL,
            _ => status::IO_ERROR,
        };
        match self.pending.remove(&seq) {
            Some(Pending::Control { id, mut head }) => {
                head[3] = status;
                head[8..].copy_from_slice(&(count as u16).to_le_bytes());
                self.tell(kind::CONTROL, id, &[&head, data].concat())
            }
            Some(Pending::Interrupt) if self.receiving => {
                let [low, high] = (data.len() as u16).to_le_bytes();
                let id = self.next_id;
                self.next_id += 1;
                let body = [&[INTERRUPT_IN, status, low, high], data].concat();
                self.tell(kind::INTERRUPT, id, &body)?;
                self.want_report()
            }
            // Cancelled, or QEMU does not ask any more.
            _ => Ok(()),
        }
    }
}

fn pass_answers(cable: &Mutex<Cable>, mut device: UnixStream) {
    let mut head = [0; HEAD];
    while device.read_exact(&mut head).is_ok() {
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        // Answers to transfers only; 4 is that to an unlink.
        if word(0) != 3 {
            continue;
        }
        let (seq, failure, count) = (word(4), word(20) as i32, word(24) as usize);
        let inward = match cable.lock().unwrap().pending.get(&seq) {
            Some(Pending::Control { head, .. }) => head[2] & 0x80 != 0,
            Some(Pending::Cancelled { inward }) => *inward,
            _ => true,
        };
        let mut data = vec![0; if inward { count } else { 0 }];
        if device.read_exact(&mut data).is_err()
            || cable.lock().unwrap().answered(seq, failure, &data, count).is_err()
        {
            break;
        }
    }
}
