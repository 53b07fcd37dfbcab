//! What is around a request or an answer: address and checksum on a serial line, a header over TCP.

/// The longest frame on a serial line, in bytes (modbus §2).
pub const RTU_MAX: usize = 256;
/// The longest frame over TCP, in bytes: header, function and data.
pub const TCP_MAX: usize = 260;
/// The header of a TCP frame: transaction, protocol, length, unit.
const HEADER: usize = 7;
/// The only UPS on a line, and the usual unit of a card (modbus §1.1, §1.3).
const UNIT: u8 = 1;

/// What the first bytes of what has come are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The beginning of a frame.
    Incomplete,
    /// No frame of our UPS: noise, a wrong checksum, or somebody else's.
    Bad,
    /// A frame.
    Whole {
        /// Its content: function and data.
        content: &'a [u8],
        /// How many bytes it has taken.
        length: usize,
        /// The number that a TCP request has given it; 0 on a serial line.
        transaction: u16,
    },
}

/// A request as a frame for a serial line.
#[must_use]
pub fn rtu(content: &[u8]) -> Vec<u8> {
    let mut frame = vec![UNIT];
    frame.extend(content);
    frame.extend(checksum(&frame).to_le_bytes());
    frame
}

/// The frame that these bytes of a serial line begin with. An answer says by its first three bytes how long it is.
#[must_use]
pub fn of_rtu(bytes: &[u8]) -> Frame<'_> {
    let &[unit, function, next, ..] = bytes else { return Frame::Incomplete };
    if unit != UNIT {
        return Frame::Bad;
    }
    let length = match function {
        0x80.. => 5,
        3 => 5 + usize::from(next),
        16 => 8,
        _ => return Frame::Bad,
    };
    let Some((frame, sum)) = bytes.get(..length).and_then(<[u8]>::split_last_chunk::<2>) else {
        return if length > RTU_MAX { Frame::Bad } else { Frame::Incomplete };
    };
    match frame.split_first() {
        Some((_, content)) if u16::from_le_bytes(*sum) == checksum(frame) => {
            Frame::Whole { content, length, transaction: 0 }
        }
        _ => Frame::Bad,
    }
}

/// CRC-16 of Modbus.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |sum, byte| {
        (0..8)
            .fold(sum ^ u16::from(*byte), |sum, _| if sum & 1 == 0 { sum >> 1 } else { (sum >> 1) ^ 0xa001 })
    })
}

/// A request as a frame for TCP; its answer has the same number.
#[must_use]
pub fn tcp(transaction: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 1).unwrap_or(u16::MAX);
    let mut frame: Vec<u8> = [transaction, 0, length].into_iter().flat_map(u16::to_be_bytes).collect();
    frame.push(UNIT);
    frame.extend(content);
    frame
}

/// The frame that these bytes of a connection begin with. After a bad one nothing that follows can be told apart.
#[must_use]
pub fn of_tcp(bytes: &[u8]) -> Frame<'_> {
    let &[a, b, c, d, e, f, _, ..] = bytes else { return Frame::Incomplete };
    let length = usize::from(u16::from_be_bytes([e, f])) + HEADER - 1;
    if [c, d] != [0, 0] || !(HEADER + 2..=TCP_MAX).contains(&length) {
        return Frame::Bad;
    }
    match bytes.get(HEADER..length) {
        Some(content) => Frame::Whole { content, length, transaction: u16::from_be_bytes([a, b]) },
        None => Frame::Incomplete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_specification() {
        // Its own example: 02 07 41 12.
        assert_eq!(checksum(&[0x02, 0x07]), 0x1241);
        assert_eq!(rtu(&[3, 0, 0, 0, 2]), [1, 3, 0, 0, 0, 2, 0xc4, 0x0b]);
    }

    #[test]
    fn a_frame_is_whole_at_its_last_byte_and_not_before() {
        for content in [&[3, 2, 0x12, 0x34][..], &[0x83, 2], &[16, 6, 4, 0, 1]] {
            let frame = rtu(content);
            for end in 0..frame.len() {
                assert_eq!(of_rtu(&frame[..end]), Frame::Incomplete, "{content:?} {end}");
            }
            let more = [&frame[..], &[0xaa]].concat();
            assert_eq!(of_rtu(&more), Frame::Whole { content, length: frame.len(), transaction: 0 });
            let frame = tcp(7, content);
            for end in 0..frame.len() {
                assert_eq!(of_tcp(&frame[..end]), Frame::Incomplete, "{content:?} {end}");
            }
            assert_eq!(of_tcp(&frame), Frame::Whole { content, length: frame.len(), transaction: 7 });
        }
    }

    #[test]
    fn one_wrong_bit_makes_it_no_frame_or_another_beginning() {
        let frame = rtu(&[3, 4, 0, 1, 0xff, 0xfe]);
        for bit in 0..frame.len() * 8 {
            let mut wrong = frame.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(of_rtu(&wrong), Frame::Whole { .. }), "{bit}");
        }
        for bad in [[0, 1, 0, 1, 0, 6, 1], [0, 1, 0, 0, 0, 2, 1], [0, 1, 0, 0, 1, 0, 1]] {
            assert_eq!(of_tcp(&bad), Frame::Bad, "{bad:?}");
        }
    }
}
