//! Modbus, as newer APC UPSes speak it: requests, answers, and the frames around them (modbus §1, §2).
//!
//! Registers have 16 bits, high byte first; a value of several registers has its high word first.

mod frame;
mod registers;

pub use frame::{Frame, RTU_MAX, TCP_MAX, USB_MAX, of_rtu, of_tcp, of_usb, rtu, tcp, usb};
pub use registers::{
    BATTERY_DATE, BATTERY_TEST, CALIBRATION, Form, GROUP_OFF_COUNTDOWN, HIGH_TRANSFER, Item, LOW_TRANSFER,
    NAME, OFF_DELAY, ON_DELAY, PROBES, REGISTERS, Register, SHUTDOWN_ORDER, STATUS, Span, USER_INTERFACE,
    value,
};

/// Read registers.
const READ: u8 = 3;
/// Write registers.
const WRITE: u8 = 16;
/// Set in the function of an answer that is an exception.
const EXCEPTION: u8 = 0x80;

/// What is asked of the UPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Registers are read, 125 at most.
    Read(Span),
    /// One register is written. It is a whole block for each of those that are written here (modbus §2.1).
    Write {
        /// Its address.
        address: u16,
        /// What it is to be.
        value: u16,
    },
    /// A number of two registers is written.
    WriteLong {
        /// The first address.
        address: u16,
        /// What they are to be, the high word first.
        value: u32,
    },
    /// A text of eight registers is written.
    WriteText {
        /// The first address.
        address: u16,
        /// What they are to be, two characters each, the first in the high byte.
        words: [u16; 8],
    },
}

/// What the UPS says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The registers that were asked for, all of them.
    Registers(Vec<u16>),
    /// It is written.
    Written,
    /// It refuses the request; the code says why: 1 function, 2 address, 3 value, 4 device failure.
    Exception(u8),
}

impl Request {
    /// The function and what it is about, without a frame.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        let words = |function: u8, words: [u16; 2]| {
            let mut bytes = vec![function];
            bytes.extend(words.into_iter().flat_map(u16::to_be_bytes));
            bytes
        };
        match self {
            Self::Read(span) => words(READ, [span.address, span.count]),
            Self::Write { address, value } => {
                let mut bytes = words(WRITE, [address, 1]);
                bytes.push(2);
                bytes.extend(value.to_be_bytes());
                bytes
            }
            Self::WriteLong { address, value } => {
                let mut bytes = words(WRITE, [address, 2]);
                bytes.push(4);
                bytes.extend(value.to_be_bytes());
                bytes
            }
            Self::WriteText { address, words: text } => {
                let mut bytes = words(WRITE, [address, 8]);
                bytes.push(16);
                bytes.extend(text.into_iter().flat_map(u16::to_be_bytes));
                bytes
            }
        }
    }

    /// What these bytes, without their frame, answer to this request; `None`: they do not answer it.
    #[must_use]
    pub fn answer(self, bytes: &[u8]) -> Option<Answer> {
        let (function, rest) = bytes.split_first()?;
        match (self, function, rest) {
            (Self::Read(_), &function, &[code]) if function == READ | EXCEPTION => {
                Some(Answer::Exception(code))
            }
            (Self::Read(_), ..) if *function != READ => None,
            (_, &function, &[code]) if function == WRITE | EXCEPTION => Some(Answer::Exception(code)),
            (Self::Read(span), &READ, [length, data @ ..]) => {
                let is_whole =
                    usize::from(*length) == data.len() && data.len() == usize::from(span.count) * 2;
                let words =
                    data.chunks_exact(2).filter_map(|word| Some(u16::from_be_bytes(word.try_into().ok()?)));
                is_whole.then(|| Answer::Registers(words.collect()))
            }
            // The first five bytes of the request come back.
            (_, &WRITE, _) => (self.bytes().get(..5) == Some(bytes)).then_some(Answer::Written),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { address: 128, count: 2 };

    #[test]
    fn a_request_is_what_the_specification_has() {
        assert_eq!(Request::Read(SPAN).bytes(), [3, 0, 128, 0, 2]);
        assert_eq!(Request::Write { address: 1540, value: 1 }.bytes(), [16, 6, 4, 0, 1, 2, 0, 1]);
    }

    #[test]
    fn only_what_has_the_form_of_its_answer_is_one() {
        let read = Request::Read(SPAN);
        assert_eq!(read.answer(&[3, 4, 0, 1, 0xff, 0xfe]), Some(Answer::Registers(vec![1, 0xfffe])));
        assert_eq!(read.answer(&[0x83, 2]), Some(Answer::Exception(2)));
        for other in [
            &[][..],
            &[3],
            &[3, 4, 0, 1],
            &[3, 2, 0, 1],
            &[3, 4, 0, 1, 0, 2, 0],
            &[4, 4, 0, 1, 0, 2],
            &[0x90, 2],
            &[0x83, 2, 0],
        ] {
            assert_eq!(read.answer(other), None, "{other:?}");
        }
        let write = Request::Write { address: 1540, value: 1 };
        assert_eq!(write.answer(&[16, 6, 4, 0, 1]), Some(Answer::Written));
        assert_eq!(write.answer(&[0x90, 3]), Some(Answer::Exception(3)));
        for other in [&[16, 6, 5, 0, 1][..], &[16, 6, 4, 0, 2], &[16, 6, 4, 0], &[3, 2, 0, 1], &[0x83, 2]] {
            assert_eq!(write.answer(other), None, "{other:?}");
        }
    }
}
