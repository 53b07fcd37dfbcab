//! One field of a report: its place, and its value.

use std::fmt;

use super::usage::Usage;

/// Kind of a report; the number is that of `GET_REPORT` (usb-hid §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ReportKind {
    /// Sent by the device by itself.
    Input = 1,
    /// Sent to the device.
    Output = 2,
    /// Read and written on request.
    Feature = 3,
}

/// A field that has a usage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// Kind of its report.
    pub kind: ReportKind,
    /// Id of its report; 0 if the device uses no ids, and then its reports have no id byte.
    pub report_id: u8,
    /// First bit, counted from the first bit after the id byte.
    pub bit_offset: u32,
    /// Bits of one element, at least 1.
    pub bit_size: u32,
    /// Elements, at least 1; everything here concerns the first one.
    pub count: u32,
    /// Its usage.
    pub usage: Usage,
    /// Number of the innermost collection around it.
    pub collection: Option<u16>,
    /// Data of its main item: bit 0 constant, bit 1 variable, bit 7 volatile.
    pub flags: u16,
    /// Logical minimum; a negative one makes the field signed.
    pub logical_min: i64,
    /// Logical maximum; read as unsigned if it would lie below the minimum. Often wrong.
    pub logical_max: i64,
    /// Physical minimum.
    pub physical_min: i64,
    /// Physical maximum; both 0 mean the logical range.
    pub physical_max: i64,
    /// Unit code.
    pub unit: u32,
    /// Unit exponent, the bias of the unit not removed.
    pub exponent: i8,
}

/// Why a value could not be put into a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackError {
    /// The report ends before the field does.
    ReportTooShort,
    /// The field has too few bits for the value.
    DoesNotFit,
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReportTooShort => "the report is too short for the field",
            Self::DoesNotFit => "the value does not fit into the field",
        })
    }
}

impl std::error::Error for PackError {}

impl Field {
    /// Volt, as a unit code.
    pub const UNIT_VOLT: u32 = 0x00f0_d121;
    /// Watt and volt-ampere.
    pub const UNIT_WATT: u32 = 0x0000_d121;
    /// Second.
    pub const UNIT_SECOND: u32 = 0x0000_1001;
    /// Hertz.
    pub const UNIT_HERTZ: u32 = 0x0000_f001;
    /// Ampere.
    pub const UNIT_AMPERE: u32 = 0x0010_0001;
    /// Kelvin.
    pub const UNIT_KELVIN: u32 = 0x0001_0001;
    /// Ampere-second: a charge.
    pub const UNIT_AMPERE_SECOND: u32 = 0x0010_1001;

    /// The number in the report's bits, with its sign, unscaled.
    ///
    /// `report` begins with the id byte, if the report has an id. Bits that did not arrive are zero (usb-hid §4); `None` if
    /// not one bit of the field arrived, if the report has another id, or if the number does not fit.
    #[must_use]
    pub fn raw(&self, report: &[u8]) -> Option<i64> {
        let data = self.data(report)?;
        let size = self.bit_size;
        if size == 0 || size > 64 || self.bit_offset as usize / 8 >= data.len() {
            return None;
        }
        let first = self.bit_offset as usize / 8;
        let shift = self.bit_offset % 8;
        // 64 bits at any shift span at most nine bytes.
        let mut bits = 0_u128;
        for (index, byte) in data.iter().skip(first).take(9).enumerate() {
            bits |= u128::from(*byte) << (8 * index);
        }
        let value = (bits >> shift) as u64 & (u64::MAX >> (64 - size));
        if self.logical_min < 0 {
            let unused = 64 - size;
            Some(((value << unused) as i64) >> unused)
        } else {
            i64::try_from(value).ok()
        }
    }

    /// The value in the base unit: volts, watts, seconds, kelvin, hertz, or the bare number.
    #[must_use]
    pub fn physical(&self, report: &[u8]) -> Option<f64> {
        self.raw(report).map(|raw| self.scale(raw))
    }

    /// Raw number to value: physical range, then exponent (usb-hid §5).
    #[must_use]
    pub fn scale(&self, raw: i64) -> f64 {
        let value = match self.physical_slope() {
            Some((logical, physical)) => {
                (raw as f64 - self.logical_min as f64) * physical / logical + self.physical_min as f64
            }
            None => raw as f64,
        };
        shift_decimal(value, self.decimal_exponent())
    }

    /// Value to raw number, rounded to the nearest: the inverse of [`Self::scale`].
    #[must_use]
    pub fn unscale(&self, value: f64) -> i64 {
        let value = shift_decimal(value, -self.decimal_exponent());
        let raw = match self.physical_slope() {
            Some((logical, physical)) => {
                (value - self.physical_min as f64) * logical / physical + self.logical_min as f64
            }
            None => value,
        };
        raw.round() as i64
    }

    /// Puts a raw number into a report, and leaves all other bits alone.
    ///
    /// # Errors
    ///
    /// If the report ends before the field, or the number needs more bits than the field has. The logical range is not
    /// consulted: it is wrong on too many devices.
    pub fn put(&self, report: &mut [u8], raw: i64) -> Result<(), PackError> {
        let size = self.bit_size;
        let (low, high) = match size {
            1..=64 if self.logical_min < 0 => (-(1_i128 << (size - 1)), (1_i128 << (size - 1)) - 1),
            1..=64 => (0, (1_i128 << size) - 1),
            _ => return Err(PackError::DoesNotFit),
        };
        if !(low..=high).contains(&i128::from(raw)) {
            return Err(PackError::DoesNotFit);
        }
        let start = self.bit_offset as usize + if self.report_id == 0 { 0 } else { 8 };
        if (start + size as usize).div_ceil(8) > report.len() {
            return Err(PackError::ReportTooShort);
        }
        for bit in 0..size as usize {
            let position = start + bit;
            if let Some(byte) = report.get_mut(position / 8) {
                let mask = 1 << (position % 8);
                if raw >> bit & 1 == 1 { *byte |= mask } else { *byte &= !mask }
            }
        }
        Ok(())
    }

    /// What follows the id byte, if the id is this field's.
    fn data<'a>(&self, report: &'a [u8]) -> Option<&'a [u8]> {
        if self.report_id == 0 {
            return Some(report);
        }
        let (id, data) = report.split_first()?;
        (*id == self.report_id).then_some(data)
    }

    /// Width of the logical and of the physical range, if the field maps one to the other.
    fn physical_slope(&self) -> Option<(f64, f64)> {
        let (logical, physical) =
            (self.logical_max - self.logical_min, self.physical_max - self.physical_min);
        (logical > 0 && physical > 0).then_some((logical as f64, physical as f64))
    }

    /// Power of ten between the number and the base unit. Centimetre and gram are the base of the unit code, so that 1 V is
    /// 10^7 of it; likewise 1 W (usb-hid §5).
    fn decimal_exponent(&self) -> i32 {
        let bias = if matches!(self.unit, Self::UNIT_VOLT | Self::UNIT_WATT) { 7 } else { 0 };
        i32::from(self.exponent) - bias
    }
}

/// `value · 10^exponent`, by a division for negative exponents: 10^-1 is no binary number, 10 is.
fn shift_decimal(value: f64, exponent: i32) -> f64 {
    if exponent < 0 { value / 10_f64.powi(-exponent) } else { value * 10_f64.powi(exponent) }
}
