//! Messages between the main process and its writers: one message a packet, little-endian, a tag first.
//!
//! ```text
//! to a writer:   tag, number (8), …      L priority (1) unix seconds (8) text      D text      S last (1) text
//!                                        O flags (1) NUMXFERS (4) CUMONBATT and five moments (8 each) two counters (4 each) serial number
//!                                        T                                         E
//! from a writer: a number (8)            t about (1) text                          e flags (1) bytes
//! ```
//!
//! No path, no command line and no format string crosses. What is out of range is no message: texts are UTF-8 that no
//! terminal obeys, spans have an end, flags that mean nothing are 0, and nothing follows.

use std::time::Duration;

use crate::ups::{MAX_LINE, Priority, is_unsafe};

/// Longest packet in bytes.
pub const MAX_PACKET: usize = HEAD + 10 + MAX_LINE;
/// Tag and number.
const HEAD: usize = 9;
/// Longest serial number in bytes.
pub const MAX_SERIAL: usize = 400;
/// Longest span, in milliseconds: what twelve digits of seconds hold, as in the state file.
const MAX_SPAN: u64 = 999_999_999_999_999;
/// Seconds from 1970 on, or before, that a clock can show: a hundred million years.
const MAX_UNIX: i64 = 1 << 51;

/// Of the flags of [`Saved`]: after those of the moments.
const COUNTERS_BIT: u8 = 6;

const LINE: u8 = b'L';
const DEBUG: u8 = b'D';
const STATUS: u8 = b'S';
const SAVED: u8 = b'O';
const TRIM: u8 = b'T';
const TELL_EVENTS: u8 = b'E';
const ACKNOWLEDGED: u8 = b'a';
const TROUBLE: u8 = b't';
const EVENTS: u8 = b'e';

/// What a writer is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToWriter<'a> {
    /// A line of the log.
    Line {
        /// How urgent it is.
        priority: Priority,
        /// When it was said, in seconds since 1970.
        unix: i64,
        /// One line of at most [`MAX_LINE`] bytes.
        text: &'a str,
    },
    /// A line of debug output.
    Debug(&'a str),
    /// A piece of the status file, at most [`MAX_LINE`] bytes.
    Status {
        /// It is the last one: the file is written.
        last: bool,
        /// Lines.
        text: &'a str,
    },
    /// What the state file is to hold.
    Saved(Saved<'a>),
    /// Trim the events file if it is too long.
    Trim,
    /// Tell the end of the events file.
    TellEvents,
}

/// What the state file holds, with moments counted from the boot of the machine. Spans are whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saved<'a> {
    /// `onbattery` has been announced.
    pub announced: bool,
    /// NUMXFERS.
    pub transfers: u32,
    /// The finished part of CUMONBATT.
    pub on_battery_total: Duration,
    /// Beginning of the outage, XONBATT, XOFFBATT, LASTSTEST, and when the shutdown was decided; `None`: it never was.
    pub moments: [Option<Duration>; 5],
    /// How far the counters of a card's packets have come.
    pub counters: Option<[u32; 2]>,
    /// Serial number of the UPS in plain ASCII; empty: not told.
    pub serial: &'a str,
}

/// What a writer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromWriter<'a> {
    /// Everything up to the message with this number is done.
    Acknowledged(u64),
    /// A line for the log.
    Trouble {
        /// It is about the events file, so it cannot go there.
        events: bool,
        /// One line of at most [`MAX_LINE`] bytes.
        text: &'a str,
    },
    /// A piece of the end of the events file, at most [`MAX_LINE`] bytes.
    Events {
        /// The first piece.
        first: bool,
        /// The last piece.
        last: bool,
        /// There is such a file.
        found: bool,
        /// Any bytes.
        bytes: &'a [u8],
    },
}

impl ToWriter<'_> {
    /// The packet of this message. A text that is too long is cut.
    #[must_use]
    pub fn encode(&self, number: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD + 9 + 128);
        let mut begin = |tag: u8| {
            out.push(tag);
            out.extend_from_slice(&number.to_le_bytes());
        };
        match self {
            Self::Line { priority, unix, text } => {
                begin(LINE);
                out.push(*priority as u8);
                out.extend_from_slice(&unix.to_le_bytes());
                out.extend_from_slice(cut(text, MAX_LINE).as_bytes());
            }
            Self::Debug(text) => {
                begin(DEBUG);
                out.extend_from_slice(cut(text, MAX_LINE).as_bytes());
            }
            Self::Status { last, text } => {
                begin(STATUS);
                out.push(u8::from(*last));
                out.extend_from_slice(cut(text, MAX_LINE).as_bytes());
            }
            Self::Saved(saved) => {
                begin(SAVED);
                saved.encode(&mut out);
            }
            Self::Trim => begin(TRIM),
            Self::TellEvents => begin(TELL_EVENTS),
        }
        out
    }

    /// The message in a packet, and its number. `None`: it is none.
    #[must_use]
    pub fn decode(packet: &[u8]) -> Option<(u64, ToWriter<'_>)> {
        let (tag, rest) = packet.split_first()?;
        let (number, rest) = u64_from(rest)?;
        let message = match *tag {
            LINE => {
                let (priority, rest) = rest.split_first()?;
                let (unix, rest) = rest.split_first_chunk()?;
                let unix =
                    Some(i64::from_le_bytes(*unix)).filter(|unix| (-MAX_UNIX..=MAX_UNIX).contains(unix))?;
                ToWriter::Line { priority: priority_of(*priority)?, unix, text: line(rest)? }
            }
            DEBUG => ToWriter::Debug(line(rest)?),
            STATUS => {
                let (last, rest) = rest.split_first()?;
                ToWriter::Status { last: flag(*last)?, text: text(rest, |c| c == '\n' || !is_unsafe(c))? }
            }
            SAVED => ToWriter::Saved(Saved::decode(rest)?),
            TRIM if rest.is_empty() => ToWriter::Trim,
            TELL_EVENTS if rest.is_empty() => ToWriter::TellEvents,
            _ => return None,
        };
        Some((number, message))
    }
}

impl<'a> Saved<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let present = self.moments.iter().zip(1..);
        let flags = present
            .fold(u8::from(self.announced), |flags, (moment, bit)| flags | u8::from(moment.is_some()) << bit);
        out.push(flags | u8::from(self.counters.is_some()) << COUNTERS_BIT);
        out.extend_from_slice(&self.transfers.to_le_bytes());
        let spans = [Some(self.on_battery_total)].into_iter().chain(self.moments);
        for span in spans {
            let milliseconds = u64::try_from(span.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
            out.extend_from_slice(&milliseconds.min(MAX_SPAN).to_le_bytes());
        }
        for counter in self.counters.unwrap_or_default() {
            out.extend_from_slice(&counter.to_le_bytes());
        }
        out.extend_from_slice(cut(self.serial, MAX_SERIAL).as_bytes());
    }

    pub(super) fn decode(body: &'a [u8]) -> Option<Self> {
        let (flags, rest) = body.split_first().filter(|(flags, _)| **flags < 0x80)?;
        let (transfers, rest) = rest.split_first_chunk()?;
        let (on_battery_total, mut rest) = span(rest)?;
        let mut moments = [None; 5];
        for (moment, bit) in moments.iter_mut().zip(1..) {
            let (since_boot, after) = span(rest)?;
            rest = after;
            *moment = (flags >> bit & 1 == 1).then_some(since_boot);
            if moment.is_none() && !since_boot.is_zero() {
                return None;
            }
        }
        let (first, rest) = rest.split_first_chunk()?;
        let (second, rest) = rest.split_first_chunk()?;
        let counters = [first, second].map(|bytes| u32::from_le_bytes(*bytes));
        let is_there = flags >> COUNTERS_BIT & 1 == 1;
        if !is_there && counters != [0; 2] {
            return None;
        }
        let counters = is_there.then_some(counters);
        let serial = std::str::from_utf8(rest).ok().filter(|serial| {
            serial.len() <= MAX_SERIAL && serial.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        })?;
        let transfers = u32::from_le_bytes(*transfers);
        Some(Self { announced: flags & 1 == 1, transfers, on_battery_total, moments, counters, serial })
    }
}

impl FromWriter<'_> {
    /// The packet of this message. What is too long is cut.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD);
        match self {
            Self::Acknowledged(number) => {
                out.push(ACKNOWLEDGED);
                out.extend_from_slice(&number.to_le_bytes());
            }
            Self::Trouble { events, text } => {
                out.extend_from_slice(&[TROUBLE, u8::from(*events)]);
                out.extend_from_slice(cut(text, MAX_LINE).as_bytes());
            }
            Self::Events { first, last, found, bytes } => {
                let flags = u8::from(*first) | u8::from(*last) << 1 | u8::from(*found) << 2;
                out.extend_from_slice(&[EVENTS, flags]);
                out.extend_from_slice(bytes.get(..MAX_LINE).unwrap_or(bytes));
            }
        }
        out
    }

    /// The message in a packet. `None`: it is none.
    #[must_use]
    pub fn decode(packet: &[u8]) -> Option<FromWriter<'_>> {
        let (tag, rest) = packet.split_first()?;
        match *tag {
            ACKNOWLEDGED => {
                let (number, rest) = u64_from(rest)?;
                rest.is_empty().then_some(FromWriter::Acknowledged(number))
            }
            TROUBLE => {
                let (events, rest) = rest.split_first()?;
                Some(FromWriter::Trouble { events: flag(*events)?, text: line(rest)? })
            }
            EVENTS => {
                let (flags, bytes) = rest.split_first().filter(|(flags, _)| **flags < 8)?;
                let is = |bit: u8| flags >> bit & 1 == 1;
                let (first, last, found) = (is(0), is(1), is(2));
                (bytes.len() <= MAX_LINE).then_some(FromWriter::Events { first, last, found, bytes })
            }
            _ => None,
        }
    }
}

fn u64_from(bytes: &[u8]) -> Option<(u64, &[u8])> {
    bytes.split_first_chunk().map(|(number, rest)| (u64::from_le_bytes(*number), rest))
}

fn span(bytes: &[u8]) -> Option<(Duration, &[u8])> {
    let (milliseconds, rest) = u64_from(bytes)?;
    (milliseconds <= MAX_SPAN).then(|| (Duration::from_millis(milliseconds), rest))
}

pub(super) const fn flag(byte: u8) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

pub(super) fn line(bytes: &[u8]) -> Option<&str> {
    text(bytes, |c| !is_unsafe(c))
}

fn text(bytes: &[u8], allowed: impl Fn(char) -> bool) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (text.len() <= MAX_LINE && text.chars().all(allowed)).then_some(text)
}

pub(super) fn priority_of(number: u8) -> Option<Priority> {
    use Priority::{Alert, Critical, Error, Info, Notice, Warning};
    [Alert, Critical, Error, Warning, Notice, Info].into_iter().find(|priority| *priority as u8 == number)
}

/// The longest beginning of at most `bytes` bytes that does not split a character.
#[must_use]
pub fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests;
