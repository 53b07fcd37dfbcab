//! What is around a request or an answer: address and checksum on a serial line, a header over TCP, reports over USB.

/// The longest frame on a serial line, in bytes (modbus §2).
pub const RTU_MAX: usize = 256;
/// The longest frame over TCP, in bytes: header, function and data.
pub const TCP_MAX: usize = 260;
/// The longest frame over USB, in bytes: address, function, length, and as many registers as fit.
pub const USB_MAX: usize = 258;
/// Most reports of one frame (modbus §1.2).
const USB_REPORTS_MAX: usize = 5;
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
        /// The number that a TCP request has given it; 0 on a serial line and over USB.
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

/// A request as output reports of this length, each with its id (modbus §1.2); empty: it does not fit in them.
#[must_use]
pub fn usb(id: u8, report_len: u16, content: &[u8]) -> Vec<Vec<u8>> {
    let mut frame = vec![UNIT];
    frame.extend(content);
    let room = usize::from(report_len).saturating_sub(1);
    if room == 0 || frame.len() > room * USB_REPORTS_MAX {
        return Vec::new();
    }
    let report = |part: &[u8]| {
        let mut report = vec![id];
        report.extend(part);
        report.resize(room + 1, 0);
        report
    };
    frame.chunks(room).map(report).collect()
}

/// The frame that these bytes of input reports, without their ids, begin with. It has no checksum, and says by its first three bytes how
/// long it is; zeros fill up its last report.
#[must_use]
pub fn of_usb(bytes: &[u8]) -> Frame<'_> {
    let &[unit, function, next, ..] = bytes else { return Frame::Incomplete };
    let length = match function {
        _ if unit != UNIT => return Frame::Bad,
        0x80.. => 3,
        3 => 3 + usize::from(next),
        16 => 6,
        _ => return Frame::Bad,
    };
    match bytes.get(1..length) {
        Some(content) => Frame::Whole { content, length, transaction: 0 },
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
            let frame = [&[UNIT], content].concat();
            for end in 0..frame.len() {
                assert_eq!(of_usb(&frame[..end]), Frame::Incomplete, "{content:?} {end}");
            }
            let more = [&frame[..], &[0; 40]].concat();
            assert_eq!(of_usb(&more), Frame::Whole { content, length: frame.len(), transaction: 0 });
            let frame = tcp(7, content);
            for end in 0..frame.len() {
                assert_eq!(of_tcp(&frame[..end]), Frame::Incomplete, "{content:?} {end}");
            }
            assert_eq!(of_tcp(&frame), Frame::Whole { content, length: frame.len(), transaction: 7 });
        }
    }

    #[test]
    fn a_request_is_one_report_or_as_many_as_it_needs_up_to_five() {
        let reports = usb(0x89, 64, &[3, 0, 0, 0, 2]);
        assert_eq!(reports.len(), 1);
        assert_eq!((reports[0].len(), &reports[0][..7]), (64, &[0x89, 1, 3, 0, 0, 0, 2][..]));
        assert!(reports[0][7..].iter().all(|byte| *byte == 0));
        let long: Vec<u8> = (0..=255).collect();
        let reports = usb(0x89, 64, &long);
        assert_eq!(reports.len(), 5);
        let frame: Vec<u8> = reports.iter().flat_map(|report| report[1..].to_vec()).collect();
        assert_eq!((frame[0], &frame[1..257]), (1, &long[..]));
        assert!(frame[257..].iter().all(|byte| *byte == 0));
        assert!(usb(0x89, 64, &[0; 315]).is_empty() && usb(0x89, 1, &[0]).is_empty());
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

    proptest::proptest! {
        #[test]
        fn any_reports_are_a_frame_within_them_or_none(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..320),
            head in proptest::sample::select(vec![vec![], vec![1, 3], vec![1, 16], vec![1, 0x83]]),
        ) {
            let bytes = [head, bytes].concat();
            match of_usb(&bytes) {
                Frame::Whole { content, length, .. } => {
                    assert!(length <= bytes.len() && length <= USB_MAX && content == &bytes[1..length]);
                }
                Frame::Incomplete => assert!(bytes.len() < USB_MAX),
                Frame::Bad => {}
            }
        }
    }
}
