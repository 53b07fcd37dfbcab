//! A master's answers, as far as they have come.

use std::ops::Range;
use std::time::Instant;

use crate::ups::{Evidence, Reading, StatusFlags, key};
use crate::wire::nis::{Frame, parse_frame, split_record};
use crate::wire::nis_status::{MasterStatus, flags_of};

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
        MasterStatus::of_records(self.records())
    }
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
}
