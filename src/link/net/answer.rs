//! What a master's status answer says (nis §9.2, §9.3). Keys are taken exactly; a value that is there and empty is
//! empty, `N/A` is not there.

use std::ops::Range;
use std::time::Instant;

use crate::ups::{
    Access, DaemonDate, DaemonText, Evidence, Field, Form, Identity, Reading, SaidMut, StatusFlags, Text,
    Values, clean, key,
};
use crate::wire::decimal::decimal;
use crate::wire::nis::{Frame, parse_frame, split_record};

/// Longest record that is taken (nis §2: a slave of 3.14.14 takes 999).
const MAX_FRAME: usize = 999;
/// Longest answer. A master's own buffer holds 4096 bytes of records.
const MAX_ANSWER: usize = 16 * 1024;

/// Answers, as far as they have come. Of several that come at once the last alone counts: the others are history.
#[derive(Clone, Debug, Default)]
pub struct Incoming {
    bytes: Vec<u8>,
    /// The last complete answer, until more bytes come.
    latest: Option<Range<usize>>,
    /// Where the next answer begins.
    start: usize,
    /// How far its frames have been read.
    read: usize,
    /// Its record `END APC` has come.
    ended: bool,
    /// What STATFLAG has said in every answer, and in any, since [`Incoming::take_unsteady`].
    in_all: Option<u32>,
    in_any: u32,
    /// The same of the answer that is not complete.
    bits: Option<u32>,
}

impl Incoming {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.latest = None;
        self.start = 0;
        self.read = 0;
        self.ended = false;
        self.bits = None;
        self.take_unsteady();
    }

    /// Takes bytes; true when an end frame has come: there is a new answer.
    ///
    /// # Errors
    /// Why this is no answer; the connection is of no further use.
    pub fn take(&mut self, bytes: &[u8]) -> Result<bool, String> {
        if self.latest.take().is_some() {
            self.bytes.drain(..self.start.min(self.bytes.len()));
            self.read -= self.start;
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
        let trouble = loop {
            let rest = self.bytes.get(self.read..).unwrap_or_default();
            match parse_frame(rest, MAX_FRAME) {
                Ok(Some((Frame::End, size))) => {
                    self.count_bits();
                    self.latest = Some(self.start..self.read);
                    self.read += size;
                    self.start = self.read;
                    self.ended = false;
                }
                Ok(Some((Frame::Record(record), size))) => {
                    self.ended |= record.starts_with(key::END.as_bytes());
                    self.bits = flags_of(record).map(|flags| flags.bits()).or(self.bits);
                    self.read += size;
                }
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
            if self.read - self.start > MAX_ANSWER {
                break Some(format!("an answer of more than {MAX_ANSWER} bytes"));
            }
        };
        // What follows a complete answer is met again with the next bytes.
        match trouble {
            Some(trouble) if self.latest.is_none() => Err(trouble),
            _ => Ok(self.latest.is_some()),
        }
    }

    /// Whether a complete answer is there that no more bytes have followed.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.latest.is_some()
    }

    fn count_bits(&mut self) {
        if let Some(bits) = self.bits.take() {
            self.in_all = Some(self.in_all.map_or(bits, |all| all & bits));
            self.in_any |= bits;
        }
    }

    /// The flags that not every answer since the last call has said the same of, those that were left out among them.
    pub fn take_unsteady(&mut self) -> StatusFlags {
        // The last one of a connection has no end frame.
        if self.ended && self.latest.is_none() {
            self.count_bits();
        }
        let all = self.in_all.take().unwrap_or(0);
        StatusFlags::from_bits_retain(std::mem::take(&mut self.in_any) & !all)
    }

    /// Whether the last record of a status has come: a master may close instead of sending the end frame (nis §9.1).
    #[must_use]
    pub const fn has_last_record(&self) -> bool {
        self.ended
    }

    /// Every record's key and value, in order.
    fn records(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let answer = self.latest.clone().unwrap_or(self.start..self.read);
        let mut rest = self.bytes.get(answer).unwrap_or_default();
        std::iter::from_fn(move || match parse_frame(rest, MAX_FRAME) {
            Ok(Some((Frame::Record(record), size))) => {
                rest = rest.get(size..).unwrap_or_default();
                Some(record)
            }
            _ => None,
        })
        .flat_map(|frame| frame.split_inclusive(|byte| *byte == b'\n'))
        .filter_map(split_record)
    }

    /// What the answer says; `None` if it holds no STATFLAG, so that it is no status.
    #[must_use]
    pub fn status(&self) -> Option<MasterStatus> {
        let mut status = MasterStatus::default();
        let mut flags = None;
        for (key, value) in self.records() {
            match Field::of_key(key).map(|field| &field.form) {
                Some(Form::Hex8) => flags = flags.or_else(|| hexadecimal(value)),
                Some(form) if value.trim_ascii() != b"N/A" => status.note(form, value),
                _ => {}
            }
        }
        status.flags = flags?;
        Some(status)
    }
}

/// One answer of a master.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MasterStatus {
    /// STATFLAG, all bits.
    pub flags: StatusFlags,
    /// UPSMODE.
    pub mode: Option<String>,
    /// STARTTIME: another one is another run of the master, perhaps of another program.
    pub started: Option<String>,
    /// UPSNAME and what does not change.
    pub identity: Identity,
    /// What is measured.
    pub values: Values,
}

impl MasterStatus {
    /// The reading that it is: one sample of what the master believes, made with this evidence.
    #[must_use]
    pub fn reading(&self, at: Instant, evidence: Evidence) -> Reading {
        let (low, high) = (self.identity.low_transfer, self.identity.high_transfer);
        let mains = self.values.line_voltage.and_then(|volts| volts.within(low, high));
        let status = self.flags & StatusFlags::FROM_UPS;
        Reading::sampled(at, status, evidence, self.values.clone()).with_mains(mains)
    }

    /// Takes one record. What a slave does not relay is left out (nis §9.2).
    fn note(&mut self, form: &Form, value: &[u8]) {
        let said = SaidMut { identity: &mut self.identity, values: &mut self.values };
        match form {
            Form::DaemonText(DaemonText::UpsName) => self.identity.name = Some(text(value)),
            Form::DaemonText(DaemonText::Class) => self.mode = Some(text(value)),
            Form::Date(DaemonDate::Started) => self.started = Some(text(value)),
            Form::Text(Text { set: Some(set), .. }) => set(said, &String::from_utf8_lossy(value)),
            Form::Tenths(Access { set: Some(set), .. })
            | Form::Hundredths(Access { set: Some(set), .. })
            | Form::Truncated(Access { set: Some(set), .. }) => set(said, number(value)),
            Form::Whole(Access { set: Some(set), .. }) | Form::WholePoint0(Access { set: Some(set), .. }) => {
                set(said, whole(value));
            }
            _ => {}
        }
    }
}

fn text(value: &[u8]) -> String {
    clean(&String::from_utf8_lossy(value))
}

/// The first word, if it is a number.
fn number(value: &[u8]) -> Option<f64> {
    let word = value.split(u8::is_ascii_whitespace).find(|word| !word.is_empty())?;
    decimal(std::str::from_utf8(word).ok()?)
}

/// As [`number`], cut to whole units as in 3.14.14.
fn whole(value: &[u8]) -> Option<i32> {
    let number = number(value).filter(|number| number.abs() < f64::from(i32::MAX))?;
    // The bound makes the conversion exact.
    #[allow(clippy::cast_possible_truncation)]
    Some(number as i32)
}

/// What a record says that is STATFLAG.
fn flags_of(record: &[u8]) -> Option<StatusFlags> {
    let (key, value) = split_record(record)?;
    if matches!(Field::of_key(key)?.form, Form::Hex8) { hexadecimal(value) } else { None }
}

fn hexadecimal(value: &[u8]) -> Option<StatusFlags> {
    let digits = std::str::from_utf8(value).ok()?.trim().strip_prefix("0x")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| plain).map(StatusFlags::from_bits_retain)
}
