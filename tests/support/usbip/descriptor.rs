//! A report descriptor reader of the simulator's own: the device must not be checked by the code it tests.
//!
//! Rules from usb-hid §4: bit positions continue when a report id is selected again; a field without a usage is
//! padding; the last usage repeats.

/// Which of the three reports of one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Interrupt data.
    Input = 1,
    /// Not used by any device here.
    Output = 2,
    /// GET_REPORT and SET_REPORT.
    Feature = 3,
}

/// One value in a report.
#[derive(Clone, Debug)]
pub struct Field {
    /// Report kind.
    pub kind: Kind,
    /// Report id.
    pub id: u8,
    /// First bit after the id byte.
    pub offset: usize,
    /// Bits.
    pub size: usize,
    /// Page in the upper half.
    pub usage: u32,
    /// Usages of the collections around it, outermost first.
    pub path: Vec<u32>,
    /// Unit code.
    pub unit: u32,
    /// Unit exponent, signed.
    pub exponent: i32,
    /// Logical minimum and maximum, physical minimum and maximum.
    pub range: [i64; 4],
}

#[derive(Clone, Default)]
struct Globals {
    page: u32,
    range: [i64; 4],
    unit: u32,
    exponent: i32,
    size: usize,
    count: usize,
    id: u8,
}

/// All fields, in descriptor order.
pub fn fields(bytes: &[u8]) -> Vec<Field> {
    let mut found = Vec::new();
    let mut globals = Globals::default();
    let mut stack = Vec::new();
    let mut usages: Vec<u32> = Vec::new();
    let mut first = 0;
    let mut path: Vec<u32> = Vec::new();
    let mut position = std::collections::HashMap::<(Kind, u8), usize>::new();
    let mut rest = bytes;
    while let Some((&prefix, after)) = rest.split_first() {
        let length = [0, 1, 2, 4][usize::from(prefix & 3)];
        let Some((data, after)) = after.split_at_checked(length) else { break };
        rest = after;
        let unsigned = data.iter().rev().fold(0u32, |value, &byte| value << 8 | u32::from(byte));
        let signed = match length {
            1 => i64::from(unsigned as u8 as i8),
            2 => i64::from(unsigned as u16 as i16),
            _ => i64::from(unsigned as i32),
        };
        let full = if length == 4 { unsigned } else { globals.page << 16 | unsigned };
        match prefix & 0xfc {
            0x04 => globals.page = unsigned,
            0x14 => globals.range[0] = signed,
            0x24 => globals.range[1] = signed,
            0x34 => globals.range[2] = signed,
            0x44 => globals.range[3] = signed,
            0x54 => globals.exponent = if unsigned < 16 { (unsigned as i32 ^ 8) - 8 } else { signed as i32 },
            0x64 => globals.unit = unsigned,
            0x74 => globals.size = unsigned as usize,
            0x84 => globals.id = unsigned as u8,
            0x94 => globals.count = unsigned as usize,
            0xa4 => stack.push(globals.clone()),
            0xb4 => globals = stack.pop().unwrap_or_default(),
            0x08 => usages.push(full),
            0x18 => first = full,
            0x28 => usages.extend(first..=full.min(first + 255)),
            0xa0 => {
                path.push(usages.first().copied().unwrap_or(0));
                usages.clear();
            }
            0xc0 => {
                path.pop();
                usages.clear();
            }
            main @ (0x80 | 0x90 | 0xb0) => {
                let kind = match main {
                    0x80 => Kind::Input,
                    0x90 => Kind::Output,
                    _ => Kind::Feature,
                };
                let next = position.entry((kind, globals.id)).or_default();
                for index in 0..globals.count {
                    if let Some(&usage) = usages.get(index).or(usages.last()) {
                        found.push(Field {
                            kind,
                            id: globals.id,
                            offset: *next,
                            size: globals.size,
                            usage,
                            path: path.clone(),
                            unit: globals.unit,
                            exponent: globals.exponent,
                            range: globals.range,
                        });
                    }
                    *next += globals.size;
                }
                usages.clear();
            }
            _ => {}
        }
    }
    // Reports that hold padding only, or padding at their end, still have that length on the wire.
    for ((kind, id), bits) in position {
        found.push(Field {
            kind,
            id,
            offset: bits,
            size: 0,
            usage: 0,
            path: Vec::new(),
            unit: 0,
            exponent: 0,
            range: [0; 4],
        });
    }
    found
}

impl Field {
    /// Reads the field from a report (id byte first). Missing bytes read as zero.
    pub fn get(&self, report: &[u8]) -> i64 {
        let mut value = 0i64;
        for bit in 0..self.size.min(63) {
            let at = self.offset + bit;
            if report.get(1 + at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1) {
                value |= 1 << bit;
            }
        }
        if self.range[0] < 0 && self.size > 0 && self.size < 63 && value >> (self.size - 1) & 1 == 1 {
            value -= 1 << self.size;
        }
        value
    }

    /// Writes the field into a report (id byte first).
    pub fn set(&self, report: &mut [u8], value: i64) {
        for bit in 0..self.size {
            let at = self.offset + bit;
            if let Some(byte) = report.get_mut(1 + at / 8) {
                let mask = 1 << (at % 8);
                *byte = if bit < 64 && value >> bit & 1 == 1 { *byte | mask } else { *byte & !mask };
            }
        }
    }

    /// Power of ten between the raw number and volts, watts, seconds …: the exponent without the unit's own
    /// (usb-hid §5).
    fn exponent(&self) -> i32 {
        let bias = if matches!(self.unit, 0x00f0_d121 | 0x0000_d121) { 7 } else { 0 };
        self.exponent - bias
    }

    /// The physical value of a raw number, by unit, exponent and physical range (usb-hid §5).
    pub fn physical(&self, raw: i64) -> f64 {
        let [lmin, lmax, pmin, pmax] = self.range.map(|bound| bound as f64);
        if pmax > pmin && lmax > lmin {
            return (raw as f64 - lmin) * (pmax - pmin) / (lmax - lmin) + pmin;
        }
        raw as f64 * 10f64.powi(self.exponent())
    }

    /// The raw number for a physical value. A capacity in ampere-seconds is a percentage all the same
    /// (usb-hid §8).
    pub fn raw(&self, physical: f64) -> i64 {
        let [lmin, lmax, pmin, pmax] = self.range.map(|bound| bound as f64);
        if pmax > pmin && lmax > lmin {
            return ((physical - pmin) * (lmax - lmin) / (pmax - pmin) + lmin).round() as i64;
        }
        if self.unit == 0x0010_1001 {
            return physical.round() as i64;
        }
        (physical * 10f64.powi(-self.exponent())).round() as i64
    }
}
