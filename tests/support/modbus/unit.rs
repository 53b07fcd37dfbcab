//! A UPS with a map of registers, as far as Modbus goes: frames in, frames out (docs/reference/modbus.md).
//!
//! Pure, and without anything of the program's own, so that both are not wrong in the same way.
#![allow(dead_code, reason = "a file for several programs of tests")]

use std::collections::BTreeMap;

/// Values of several registers, which cannot be read or written in part: address and count.
const BLOCKS: [(u16, u16); 18] = [
    (0, 2),
    (3, 2),
    (6, 2),
    (9, 2),
    (12, 2),
    (15, 2),
    (20, 2),
    (128, 2),
    (145, 2),
    (516, 8),
    (532, 16),
    (548, 16),
    (564, 8),
    (596, 8),
    (612, 8),
    (620, 8),
    (628, 8),
    (2050, 4),
];

/// The UPS.
#[derive(Clone, Debug)]
pub struct Unit {
    /// What is not in here is undefined.
    pub registers: BTreeMap<u16, u16>,
    /// A request for one of these is refused.
    pub refused: Vec<u16>,
    /// What was asked for: function, address, and count or value.
    pub asked: Vec<(u8, u16, u16)>,
    /// It acknowledges orders and does not do them.
    pub idle: bool,
    /// What has come over USB of a request that is not whole yet.
    pub begun: Vec<u8>,
    /// So often its self test is asked after before it has passed; 0: none runs.
    pub testing: usize,
    /// It says nothing to a request for one of these.
    pub silent: Vec<u16>,
}

impl Unit {
    /// A Smart-UPS 750 on mains, all well.
    pub fn new() -> Self {
        let mut unit = Self {
            registers: BTreeMap::new(),
            refused: Vec::new(),
            asked: Vec::new(),
            idle: false,
            begun: Vec::new(),
            testing: 0,
            silent: Vec::new(),
        };
        unit.set32(0, 1 << 1);
        for (address, value) in [
            (2, 8),
            (18, 0),
            (22, 0),
            (23, 0),
            (24, 0),
            (19, 0),
            (130, 100 << 9),
            (131, 27 << 5),
            (135, 31 << 7),
            (136, 20 << 8),
            (138, 18 << 8),
            (140, 3 << 4),
            (142, 230 << 6),
            (144, 50 << 7),
            (150, 1),
            (151, 231 << 6),
            (155, 0xffff),
            (588, 750),
            (589, 500),
            // The main outlet group and two others.
            (590, 0b111),
            (591, 8_766),
            (592, 1 << 5),
            (595, 9_000),
            (1026, 253),
            (1027, 207),
            (1029, 20),
            (1030, 5),
        ] {
            unit.registers.insert(address, value);
        }
        unit.set32(20, 0);
        unit.set32(128, 3_600 + 59);
        unit.text(516, 8, "UPS 09.3");
        unit.text(532, 16, "Smart-UPS 750");
        unit.text(564, 8, "AS1234567890");
        unit.text(596, 8, "rack");
        unit.set32(6, 1);
        unit.set32(9, 1);
        unit.text(612, 8, "disks");
        unit.text(2048, 2, "0001");
        unit.text(2050, 4, "12345678");
        unit
    }

    /// A value of two registers, high word first.
    pub fn set32(&mut self, address: u16, value: u32) {
        self.registers.insert(address, u16::try_from(value >> 16).unwrap());
        self.registers.insert(address + 1, u16::try_from(value & 0xffff).unwrap());
    }

    /// A text, filled up with blanks.
    pub fn text(&mut self, address: u16, count: u16, text: &str) {
        let bytes: Vec<u8> =
            text.bytes().chain(std::iter::repeat(b' ')).take(usize::from(count) * 2).collect();
        for (offset, pair) in (0..).zip(bytes.chunks(2)) {
            self.registers.insert(address + offset, u16::from(pair[0]) << 8 | u16::from(pair[1]));
        }
    }

    /// Mains is there, or the load runs from the battery.
    pub fn mains(&mut self, on: bool) {
        // Input bad, and will go off.
        self.set32(0, if on { 1 << 1 } else { 1 << 2 | 1 << 6 });
        self.registers.insert(2, if on { 8 } else { 2 });
        self.registers.insert(150, if on { 1 } else { 1 << 2 });
        self.registers.insert(151, if on { 231 << 6 } else { 0 });
    }

    /// Charge in per cent, runtime in seconds, and whether it says that the battery is low.
    pub fn battery(&mut self, charge: u16, runtime: u32, low: bool) {
        self.registers.insert(130, charge << 9);
        self.set32(128, runtime);
        self.registers.insert(18, u16::from(low) << 1);
    }

    /// What it answers to a request without its frame.
    pub fn answer(&mut self, content: &[u8]) -> Vec<u8> {
        let word = |at: usize| u16::from(content[at]) << 8 | u16::from(content[at + 1]);
        match content {
            [3, _, _, _, _] => {
                let (address, count) = (word(1), word(3));
                self.asked.push((3, address, count));
                let end = address + count;
                if (address..end).contains(&23) && self.testing > 0 {
                    self.testing -= 1;
                    if self.testing == 0 {
                        self.registers.insert(23, 1 << 2 | 1 << 6);
                    }
                }
                let is_cut = BLOCKS.iter().any(|(first, length)| {
                    let (first, last) = (*first, first + length);
                    first < end && address < last && (address > first || end < last)
                });
                if is_cut
                    || !(1..=125).contains(&count)
                    || self.refused.iter().any(|it| (address..end).contains(it))
                {
                    return vec![0x83, 2];
                }
                let words = (address..end).map(|it| self.registers.get(&it).copied().unwrap_or(0xffff));
                let data: Vec<u8> = words.flat_map(|word| [(word >> 8) as u8, (word & 0xff) as u8]).collect();
                [&[3, data.len() as u8], &data[..]].concat()
            }
            [16, _, _, 0, 1, 2, _, _] => {
                let (address, value) = (word(1), word(6));
                self.asked.push((16, address, value));
                let is_setting = matches!(address, 595 | 1026 | 1027 | 1029 | 1030);
                if !(1540..=1543).contains(&address) && !is_setting || self.refused.contains(&address) {
                    return vec![0x90, 2];
                }
                // What it does not permit it acknowledges and does not keep.
                if is_setting && !(self.idle || address == 1026 && value > 264) {
                    self.registers.insert(address, value);
                } else if !self.idle && !is_setting {
                    self.obey(address, value);
                }
                content[..5].to_vec()
            }
            [16, 6, 2, 0, 2, 4, a, b, c, d] => {
                let value = u32::from_be_bytes([*a, *b, *c, *d]);
                self.asked.push((16, 1538, u16::from(*c) << 8 | u16::from(*d)));
                let one = |mask: u32| (value & mask).count_ones() == 1;
                // One command, one group and one source.
                if !(one(0x1f) && one(0x8_0f00) && one(0x7_f000)) || self.refused.contains(&1538) {
                    return vec![0x90, 3];
                }
                if !self.idle {
                    self.switch(value);
                }
                content[..5].to_vec()
            }
            [16, _, _, 0, count, _, data @ ..] if usize::from(*count) * 2 == data.len() => {
                let address = word(1);
                self.asked.push((16, address, u16::from(*count)));
                if (address, *count) != (596, 8) || self.refused.contains(&address) {
                    return vec![0x90, 2];
                }
                for (offset, pair) in (0..).zip(data.chunks(2)) {
                    self.registers.insert(address + offset, u16::from(pair[0]) << 8 | u16::from(pair[1]));
                }
                content[..5].to_vec()
            }
            _ => vec![content.first().copied().unwrap_or(0) | 0x80, 1],
        }
    }

    fn is_silent(&self, content: &[u8]) -> bool {
        let [3, a, b, c, d] = content else { return false };
        let (address, count) = (u16::from(*a) << 8 | u16::from(*b), u16::from(*c) << 8 | u16::from(*d));
        self.silent.iter().any(|it| (address..address + count).contains(it))
    }

    fn switch(&mut self, value: u32) {
        let groups = [(9, 6), (10, 9), (11, 12), (19, 15)];
        let status = [(1, 1), (2, 1 << 1), (4, 1 << 1 | 1 << 2)];
        for (_, address) in groups.into_iter().filter(|(bit, _)| value & 1 << bit != 0) {
            for (_, status) in status.into_iter().filter(|(bit, _)| value & 1 << bit != 0) {
                self.set32(address, status);
            }
        }
    }

    fn obey(&mut self, address: u16, value: u16) {
        match (address, value) {
            (1540, 1) => {
                self.registers.insert(155, 20);
                let status = self.registers[&1];
                self.registers.insert(1, status | 1 << 9);
            }
            (1540, 2) => self.set32(0, 1 << 4),
            (1541, 1) => {
                self.registers.insert(23, 1 << 1 | 1 << 6);
                self.testing = 3;
            }
            (1541, 2) => _ = self.registers.insert(23, 1 << 5 | 1 << 6),
            (1542, 1) => _ = self.registers.insert(24, 1 << 4 | 1 << 14),
            (1543, 4) => _ = self.registers.insert(26, 1 << 2),
            (1542, 2) => _ = self.registers.insert(24, 1 << 5),
            _ => {}
        }
    }

    /// What it answers on a serial line; `None`: that was no request to it.
    pub fn rtu(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let (content, sum) = frame.split_at_checked(frame.len().checked_sub(2)?)?;
        if content.first() != Some(&1) || crc(content) != [sum[0], sum[1]] {
            return None;
        }
        if self.is_silent(&content[1..]) {
            return None;
        }
        let mut answer = vec![1];
        answer.extend(self.answer(&content[1..]));
        let sum = crc(&answer);
        answer.extend(sum);
        Some(answer)
    }

    /// What it answers over TCP to a whole frame.
    pub fn tcp(&mut self, frame: &[u8]) -> Vec<u8> {
        let answer = self.answer(&frame[7..]);
        let length = answer.len() as u16 + 1;
        [&frame[..4], &length.to_be_bytes(), &frame[6..7], &answer].concat()
    }

    /// What it answers over USB to a report without its id: reports of 63 bytes without theirs. None while the request is not whole.
    pub fn usb(&mut self, report: &[u8]) -> Vec<Vec<u8>> {
        self.begun.extend_from_slice(report);
        let length = match self.begun[..] {
            [1, 3, ..] => 6,
            [1, 16, _, _, _, _, count, ..] => 7 + usize::from(count),
            _ => {
                self.begun.clear();
                return Vec::new();
            }
        };
        if self.begun.len() < length {
            return Vec::new();
        }
        let frame = std::mem::take(&mut self.begun);
        let answer = [&[1], &self.answer(&frame[1..length])[..]].concat();
        answer.chunks(63).map(|part| [part, &vec![0; 63 - part.len()]].concat()).collect()
    }
}

/// The checksum by the textbook's shift register, one bit at a time.
fn crc(bytes: &[u8]) -> [u8; 2] {
    let mut register = 0xffff_u32;
    for byte in bytes {
        register ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = register & 1;
            register >>= 1;
            if carry == 1 {
                register ^= 0b1010_0000_0000_0001;
            }
        }
    }
    [(register & 0xff) as u8, (register >> 8) as u8]
}
