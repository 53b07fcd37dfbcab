//! Frames of the network information server, both ways (nis §2, §3).
//!
//! A frame is a 16-bit big-endian length and that many bytes. A request is one frame that holds the bare command;
//! a response is one frame a record and an empty frame at its end.

use std::fmt;

/// Longest request payload; a longer one ends the connection (nis §2).
pub const MAX_REQUEST: usize = 256;
/// Longest chunk of a line in an answer to `events` (nis §6).
pub const MAX_EVENT: usize = 255;
/// Most chunks in an answer to `events` (nis §6).
pub const MAX_EVENTS: usize = 50;
/// How much of the events file's end an answer to `events` is made from, in bytes: all that it can hold, and some more.
pub const MAX_EVENTS_FILE_END: usize = 16 * 1024;
/// Longest payload that `apcaccess` takes (nis §2).
pub const MAX_CLIENT: usize = 257;
/// The frame that ends a response.
pub const END: [u8; 2] = [0, 0];
/// The whole answer to an unknown command; the NUL belongs to it (nis §3).
pub const INVALID_COMMAND: &[u8] = b"\x00\x11Invalid command\n\0\x00\x00";
/// The whole answer to `events` when there is no events file; the NUL belongs to it (nis §3).
pub const NOT_AVAILABLE: &[u8] = b"\x00\x0fNot available\n\0\x00\x00";

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// `status`.
    Status,
    /// `events`.
    Events,
    /// `watch`: `status` now, at each change of state, and from time to time (mainsd-nis(7)).
    Watch,
    /// `clients`: who is connected; answered to the machine itself only (mainsd-nis(7)).
    Clients,
    /// Anything else; exact length and case count (nis §3).
    Unknown,
}

impl Request {
    /// The request that a frame's payload holds.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Self {
        match payload {
            b"status" => Self::Status,
            b"events" => Self::Events,
            b"watch" => Self::Watch,
            b"clients" => Self::Clients,
            _ => Self::Unknown,
        }
    }

    /// The request in a datagram, bare or framed; a bare one may end in the newline that a person's tool adds.
    /// `None`: not a request; a datagram is never answered with an error (two servers would answer each other for
    /// ever), watched, or told of other clients.
    #[must_use]
    pub fn parse_datagram(datagram: &[u8]) -> Option<Self> {
        let framed = match datagram {
            [0, 6, payload @ ..] if payload.len() == 6 => Some(payload),
            _ => None,
        };
        let bare = datagram.strip_suffix(b"\n").unwrap_or(datagram);
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        match Self::parse(framed.unwrap_or(bare)) {
            Self::Unknown | Self::Watch | Self::Clients => None,
            request => Some(request),
        }
    }
}

/// Why a connection must end without an answer (nis §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// A frame of length 0.
    Empty,
    /// A frame longer than [`MAX_REQUEST`]; plain text from telnet looks like this.
    TooLong(u16),
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty request"),
            Self::TooLong(length) => {
                write!(f, "request of {length} bytes, at most {MAX_REQUEST} are accepted")
            }
        }
    }
}

/// Reads requests from a stream that may come byte by byte or many requests at once. Keeps no more of a request
/// than is needed to know it.
#[derive(Clone, Debug, Default)]
pub struct RequestReader {
    /// Bytes of the frame seen so far, the length included.
    seen: u16,
    /// The frame's length field.
    length: u16,
    /// The beginning of the payload; longer than any command by one.
    head: [u8; 8],
}

impl RequestReader {
    /// Takes bytes up to the end of the next request. Returns how many were taken, and the request if it is
    /// complete; call again with the rest.
    ///
    /// # Errors
    ///
    /// [`BadRequest`]: the connection has to be closed; the reader is of no further use.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(usize, Option<Request>), BadRequest> {
        let mut taken = 0;
        while let Some(&byte) = bytes.get(taken) {
            match self.seen {
                0 => self.length = u16::from(byte) << 8,
                1 => {
                    self.length |= u16::from(byte);
                    if self.length == 0 {
                        return Err(BadRequest::Empty);
                    }
                    if usize::from(self.length) > MAX_REQUEST {
                        return Err(BadRequest::TooLong(self.length));
                    }
                }
                n => {
                    if let Some(place) = self.head.get_mut(usize::from(n) - 2) {
                        *place = byte;
                    }
                }
            }
            taken += 1;
            self.seen += 1;
            if self.seen >= 2 && self.seen - 2 == self.length {
                let payload = self.head.get(..usize::from(self.length)).unwrap_or(&self.head);
                let request = Request::parse(payload);
                *self = Self::default();
                return Ok((taken, Some(request)));
            }
        }
        Ok((taken, None))
    }

    /// Whether a request has begun and is not complete.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        self.seen > 0
    }
}

/// Appends one frame. A payload beyond the 16-bit length is cut; ours never are ([`MAX_EVENT`] is the longest).
pub fn push_frame(out: &mut Vec<u8>, payload: &[u8]) {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(payload.get(..usize::from(length)).unwrap_or(payload));
}

/// Appends the framed response that holds this text: one frame a line, its newline included, and the end frame.
pub fn push_lines(out: &mut Vec<u8>, text: &str) {
    for line in text.split_inclusive('\n') {
        push_frame(out, line.as_bytes());
    }
    out.extend_from_slice(&END);
}

/// One frame of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A record; never empty.
    Record(&'a [u8]),
    /// The end of the response.
    End,
}

/// A response frame longer than the reader takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTooLong {
    /// Its length.
    pub length: u16,
    /// The longest that is taken.
    pub limit: usize,
}

impl fmt::Display for FrameTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame of {} bytes, at most {} are accepted", self.length, self.limit)
    }
}

impl std::error::Error for FrameTooLong {}

/// The first frame in `bytes` and its size there; `None` if it is not complete. `limit` bounds the payload.
///
/// # Errors
///
/// [`FrameTooLong`], as soon as the length is known.
pub fn parse_frame(bytes: &[u8], limit: usize) -> Result<Option<(Frame<'_>, usize)>, FrameTooLong> {
    let [high, low, rest @ ..] = bytes else { return Ok(None) };
    let length = u16::from_be_bytes([*high, *low]);
    if length == 0 {
        return Ok(Some((Frame::End, 2)));
    }
    if usize::from(length) > limit {
        return Err(FrameTooLong { length, limit });
    }
    Ok(rest.get(..usize::from(length)).map(|payload| (Frame::Record(payload), 2 + payload.len())))
}

/// Key and value of a status record: split at the first colon, the key without its padding, the value without the
/// one space before it and the newline behind it; trailing spaces stay (nis §5.2). `None`: no colon.
#[must_use]
pub fn split_record(record: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = record.iter().position(|&b| b == b':')?;
    let (key, value) = record.split_at_checked(colon)?;
    let value = value.strip_prefix(b":").unwrap_or(value);
    let value = value.strip_prefix(b" ").unwrap_or(value);
    Some((key.trim_ascii_end(), value.strip_suffix(b"\n").unwrap_or(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn requests(chunks: &[&[u8]]) -> Result<Vec<Request>, BadRequest> {
        let mut reader = RequestReader::default();
        let mut found = Vec::new();
        for chunk in chunks {
            let mut rest = *chunk;
            while !rest.is_empty() {
                let (taken, request) = reader.read(rest)?;
                found.extend(request);
                rest = &rest[taken..];
            }
        }
        Ok(found)
    }

    const STATUS: &[u8] = b"\0\x06status";

    #[test]
    fn a_request_may_come_byte_by_byte_or_with_its_neighbours() {
        let bytes: Vec<&[u8]> = STATUS.chunks(1).collect();
        assert_eq!(requests(&bytes), Ok(vec![Request::Status]));
        assert_eq!(requests(&[b"\0\x06", b"events"]), Ok(vec![Request::Events]));
        assert_eq!(requests(&[b"\0\x05wat", b"ch"]), Ok(vec![Request::Watch]));
        assert_eq!(requests(&[b"\0\x07clients"]), Ok(vec![Request::Clients]));
        let three = [STATUS, b"\0\x01x", b"\0\x06events\0"].concat();
        assert_eq!(requests(&[&three]), Ok(vec![Request::Status, Request::Unknown, Request::Events]));
    }

    #[test]
    fn a_command_counts_only_in_its_exact_form() {
        let others = [
            &b"STATUS"[..],
            b"status\n",
            b"status\0",
            b"statu",
            b"s",
            b"help",
            b"watch\n",
            b"clients!",
            &[b's'; 256],
        ];
        for text in others {
            let mut frame = Vec::new();
            push_frame(&mut frame, text);
            assert_eq!(requests(&[&frame]), Ok(vec![Request::Unknown]), "{text:?}");
        }
    }

    #[test]
    fn lengths_outside_1_to_256_are_refused_at_the_second_byte() {
        assert_eq!(requests(&[b"\0\0"]), Err(BadRequest::Empty));
        assert_eq!(requests(&[b"\x01\x01"]), Err(BadRequest::TooLong(257)));
        assert_eq!(requests(&[b"status\n"]), Err(BadRequest::TooLong(29556)));
        assert_eq!(requests(&[b"\x01\x00"]), Ok(vec![]));
    }

    #[test]
    fn a_datagram_is_a_bare_or_framed_command_and_nothing_else() {
        use Request::{Events, Status};
        let table: [(&[u8], Option<Request>); 15] = [
            (b"status", Some(Status)),
            (b"status\n", Some(Status)),
            (b"status\r\n", Some(Status)),
            (STATUS, Some(Status)),
            (b"\0\x06events", Some(Events)),
            (b"events", Some(Events)),
            (b"", None),
            (b"watch", None),
            (b"clients", None),
            (b"\0\x05watch", None),
            (b"\0\x06status\n", None),
            (b"\0\x07status\n", None),
            (b"status\n\n", None),
            (INVALID_COMMAND, None),
            (b"\0\0", None),
        ];
        for (datagram, expected) in table {
            assert_eq!(Request::parse_datagram(datagram), expected, "{datagram:?}");
        }
    }

    #[test]
    fn recorded_responses_parse_and_emit_to_the_same_bytes() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/nis");
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "bin") {
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            let mut emitted = Vec::new();
            let mut at = 0;
            while let Some((frame, size)) = parse_frame(&bytes[at..], MAX_CLIENT).unwrap() {
                at += size;
                match frame {
                    Frame::Record(record) => push_frame(&mut emitted, record),
                    Frame::End => emitted.extend(END),
                }
            }
            assert_eq!(emitted, bytes, "{}", path.display());
        }
        assert!(files >= 9, "captures are missing");
    }

    #[test]
    fn a_record_splits_at_its_first_colon() {
        assert_eq!(split_record(b"STATUS   : ONLINE \n"), Some((&b"STATUS"[..], &b"ONLINE "[..])));
        assert_eq!(split_record(b"STARTTIME: 04:09\n"), Some((&b"STARTTIME"[..], &b"04:09"[..])));
        assert_eq!(split_record(b"END APC  : x  \n"), Some((&b"END APC"[..], &b"x  "[..])));
        assert_eq!(split_record(b"UPSMODE  : \n"), Some((&b"UPSMODE"[..], &b""[..])));
        assert_eq!(split_record(b"Invalid command\n\0"), None);
    }

    proptest! {
        #[test]
        fn how_a_stream_is_cut_does_not_change_what_it_asks(
            bytes in proptest::collection::vec(prop_oneof![Just(0u8), Just(6), any::<u8>()], 0..600),
            cuts in proptest::collection::vec(1usize..9, 1..200),
        ) {
            let whole = requests(&[&bytes]);
            let mut chunks = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts {
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                chunks.push(head);
                rest = tail;
            }
            chunks.push(rest);
            prop_assert_eq!(requests(&chunks), whole);
        }

        #[test]
        fn any_bytes_give_a_frame_an_error_or_a_wish_for_more(
            bytes in proptest::collection::vec(any::<u8>(), 0..700), limit in 1usize..1000,
        ) {
            match parse_frame(&bytes, limit) {
                Ok(Some((Frame::Record(record), size))) => {
                    prop_assert!(!record.is_empty() && record.len() <= limit && size == record.len() + 2);
                    prop_assert_eq!(&bytes[2..size], record);
                }
                Ok(Some((Frame::End, size))) => prop_assert_eq!(&bytes[..size], &END[..]),
                Ok(None) => prop_assert!(bytes.len() < limit + 2),
                Err(error) => prop_assert!(usize::from(error.length) > limit),
            }
            let _ = split_record(&bytes);
            let _ = Request::parse_datagram(&bytes);
        }
    }
}
