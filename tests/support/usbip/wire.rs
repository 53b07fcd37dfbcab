//! USB/IP messages, as far as a virtual host controller sends and takes them. Every number is big-endian.

/// Length of each message's head.
pub const HEAD: usize = 48;

/// A request of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A transfer.
    Submit(Submit),
    /// Forget a transfer.
    Unlink {
        /// Its own number.
        seq: u32,
        /// The transfer's.
        victim: u32,
    },
}

/// A transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submit {
    /// Number that the answer carries.
    pub seq: u32,
    /// Device to host.
    pub inward: bool,
    /// Endpoint number.
    pub endpoint: u32,
    /// Bytes wanted or sent.
    pub length: usize,
    /// Setup packet (control transfers).
    pub setup: [u8; 8],
}

fn word(head: &[u8; HEAD], at: usize) -> u32 {
    u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
}

impl Request {
    /// From a head; the data of an outward transfer follows on the socket.
    pub fn parse(head: &[u8; HEAD]) -> Option<Self> {
        let seq = word(head, 4);
        match word(head, 0) {
            1 => Some(Self::Submit(Submit {
                seq,
                inward: word(head, 12) == 1,
                endpoint: word(head, 16),
                length: word(head, 24) as usize,
                setup: head[40..48].try_into().ok()?,
            })),
            2 => Some(Self::Unlink { seq, victim: word(head, 20) }),
            _ => None,
        }
    }
}

fn head(command: u32, seq: u32, status: i32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; HEAD];
    bytes[0..4].copy_from_slice(&command.to_be_bytes());
    bytes[4..8].copy_from_slice(&seq.to_be_bytes());
    bytes[20..24].copy_from_slice(&status.to_be_bytes());
    bytes[24..28].copy_from_slice(&(length as u32).to_be_bytes());
    bytes
}

/// A transfer, as a host asks for it; the data of an outward one follows.
pub fn submit(seq: u32, inward: bool, endpoint: u32, length: usize, setup: [u8; 8]) -> Vec<u8> {
    let mut bytes = vec![0; HEAD];
    let words = [(0, 1), (4, seq), (12, u32::from(inward)), (16, endpoint), (24, length as u32)];
    for (at, word) in words {
        bytes[at..at + 4].copy_from_slice(&word.to_be_bytes());
    }
    bytes[40..48].copy_from_slice(&setup);
    bytes
}

/// Forget the transfer `victim`, as a host asks for it.
pub fn unlink(seq: u32, victim: u32) -> Vec<u8> {
    let mut bytes = vec![0; HEAD];
    for (at, word) in [(0, 2), (4, seq), (20, victim)] {
        bytes[at..at + 4].copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// The transfer ended well: data for an inward one, the count for an outward one.
pub fn done(submit: &Submit, data: &[u8]) -> Vec<u8> {
    if submit.inward {
        let data = &data[..data.len().min(submit.length)];
        let mut bytes = head(3, submit.seq, 0, data.len());
        bytes.extend_from_slice(data);
        bytes
    } else {
        head(3, submit.seq, 0, submit.length)
    }
}

/// The transfer failed with this errno (negative).
pub fn failed(submit: &Submit, errno: i32) -> Vec<u8> {
    head(3, submit.seq, errno, 0)
}

/// Answer to an unlink: `-ECONNRESET` if the transfer was still waiting, 0 if it had been answered.
pub fn unlinked(seq: u32, waiting: bool) -> Vec<u8> {
    head(4, seq, if waiting { -104 } else { 0 }, 0)
}
