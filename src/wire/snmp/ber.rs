//! Elements of BER: a tag, a length, and so many bytes (snmp §8.1). What is read is a part of the datagram, never a copy.

/// Why bytes are no message. It says what is wrong with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error(pub(super) &'static str);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Error {}

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// In the first byte of a tag: more bytes of it follow.
const LONG_TAG: u8 = 0x1f;
/// In the first byte of a length: the others are the length. In a byte of a long tag or of a number of an OID: not the last.
const MORE: u8 = 0x80;

/// An element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    /// The first byte of its tag.
    pub tag: u8,
    /// What is in it.
    pub content: &'a [u8],
    /// Where in the datagram that begins.
    pub at: usize,
}

/// Elements one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Of a datagram.
    pub fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram, at: 0 }
    }

    /// Of what is in an element.
    pub fn inside(element: Element<'a>) -> Self {
        Self { rest: element.content, at: element.at }
    }

    pub fn is_empty(self) -> bool {
        self.rest.is_empty()
    }

    /// What has not been read.
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        self.at += 1;
        Some(*byte)
    }

    /// The next element. A length may have more bytes than it needs: some agents write three always.
    pub fn element(&mut self) -> Result<Element<'a>, Error> {
        self.next().ok_or(Error("it ends within an element"))
    }

    fn next(&mut self) -> Option<Element<'a>> {
        let tag = self.byte()?;
        if tag & LONG_TAG == LONG_TAG {
            while self.byte()? & MORE != 0 {}
        }
        let mut length = usize::from(self.byte()?);
        // A length of no bytes would be one that an end mark tells, which SNMP does not have.
        if length == usize::from(MORE) {
            return None;
        }
        if let Some(bytes) = length.checked_sub(usize::from(MORE)) {
            length = 0;
            for _ in 0..bytes {
                length = length.checked_mul(256)?.checked_add(usize::from(self.byte()?))?;
            }
        }
        let (content, rest) = self.rest.split_at_checked(length)?;
        let element = Element { tag, content, at: self.at };
        self.rest = rest;
        self.at += length;
        Some(element)
    }

    /// The next element, which has this tag.
    pub fn tagged(&mut self, tag: u8) -> Result<Element<'a>, Error> {
        let element = self.element()?;
        if element.tag == tag {
            Ok(element)
        } else {
            Err(Error("an element is of another kind than it has to be"))
        }
    }

    /// What is in the next element, which is a sequence.
    pub fn sequence(&mut self) -> Result<Self, Error> {
        Ok(Self::inside(self.tagged(SEQUENCE)?))
    }

    /// The next element, which is an INTEGER of 32 bits.
    pub fn integer(&mut self) -> Result<i32, Error> {
        integer(self.tagged(INTEGER)?.content).ok_or(Error("an integer has more than 32 bits, or none"))
    }

    /// The next element, which is a string of bytes.
    pub fn octets(&mut self) -> Result<&'a [u8], Error> {
        Ok(self.tagged(OCTETS)?.content)
    }
}

/// A number with a sign, of any number of bytes; `None`: it is empty or has more than 32 bits.
pub(super) fn integer(content: &[u8]) -> Option<i32> {
    let sign = if content.first()? & 0x80 == 0 { 0 } else { -1 };
    content.iter().try_fold(sign, |value: i32, byte| value.checked_mul(256)?.checked_add(i32::from(*byte)))
}

/// A number without a sign, of any number of bytes. Some agents leave out the zero before a byte with its high bit set, so that bit is
/// none of a sign. `None`: it is empty or has more than 64 bits.
pub(super) fn unsigned(content: &[u8]) -> Option<u64> {
    content.first()?;
    content.iter().try_fold(0, |value: u64, byte| value.checked_mul(256)?.checked_add(u64::from(*byte)))
}

/// The numbers of an OID; `None`: one of them has more than 32 bits, or the last is not whole.
pub(super) fn oid(content: &[u8]) -> Option<Vec<u32>> {
    let mut numbers = Vec::with_capacity(content.len() + 1);
    let mut number: u32 = 0;
    for byte in content {
        number = number.checked_mul(128)?.checked_add(u32::from(byte & !MORE))?;
        if byte & MORE != 0 {
            continue;
        }
        if numbers.is_empty() {
            // The first two are one number.
            let first = (number / 40).min(2);
            numbers.push(first);
            number -= first * 40;
        }
        numbers.push(number);
        number = 0;
    }
    content.last().is_none_or(|last| last & MORE == 0).then_some(numbers)
}

/// Makes an element of what has been written since `start`.
pub(super) fn wrap(out: &mut Vec<u8>, start: usize, tag: u8) {
    let length = out.len().saturating_sub(start).to_be_bytes();
    let bytes =
        length.iter().position(|byte| *byte != 0).and_then(|first| length.get(first..)).unwrap_or(&[0]);
    let mut header = vec![tag];
    if !matches!(bytes, [..=0x7f]) {
        header.push(MORE | u8::try_from(bytes.len()).unwrap_or_default());
    }
    header.extend(bytes);
    out.splice(start..start, header);
}

/// Writes an element.
pub(super) fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    let start = out.len();
    out.extend(content);
    wrap(out, start, tag);
}

/// Writes a number with a sign, in as few bytes as it takes.
pub(super) fn put_integer(out: &mut Vec<u8>, tag: u8, value: i64) {
    let bytes = value.to_be_bytes();
    let is_spare = |pair: &[u8]| matches!(pair, [0, ..=0x7f] | [0xff, 0x80..=0xff]);
    let spare = bytes.windows(2).take_while(|pair| is_spare(pair)).count();
    put(out, tag, bytes.get(spare..).unwrap_or_default());
}

/// Writes a number without a sign.
pub(super) fn put_unsigned(out: &mut Vec<u8>, tag: u8, value: u64) {
    match i64::try_from(value) {
        Ok(value) => put_integer(out, tag, value),
        Err(_) => put(out, tag, &[&[0][..], &value.to_be_bytes()].concat()),
    }
}

/// Writes an OID. One with less than two numbers gets zeros.
pub(super) fn put_oid(out: &mut Vec<u8>, oid: &[u32]) {
    let start = out.len();
    let first = oid.first().copied().unwrap_or(0).min(2);
    let second = oid.get(1).copied().unwrap_or(0);
    put_number(out, u64::from(first) * 40 + u64::from(second));
    for number in oid.iter().skip(2) {
        put_number(out, u64::from(*number));
    }
    wrap(out, start, OID);
}

fn put_number(out: &mut Vec<u8>, number: u64) {
    for septet in (0..5).rev() {
        let rest = number >> (septet * 7);
        if rest != 0 || septet == 0 {
            let more = if septet == 0 { 0 } else { MORE };
            out.push(more | u8::try_from(rest & 0x7f).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_may_have_more_bytes_than_it_needs_and_not_more_than_there_are() {
        for bytes in [
            &[4, 1, 7][..],
            &[4, 0x81, 1, 7],
            &[4, 0x84, 0, 0, 0, 1, 7],
            &[4, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7],
        ] {
            assert_eq!(Reader::new(bytes).octets(), Ok(&[7][..]), "{bytes:?}");
            for end in 0..bytes.len() {
                assert!(Reader::new(&bytes[..end]).octets().is_err(), "{bytes:?} {end}");
            }
        }
        for bytes in
            [&[4, 0x80, 7, 0, 0][..], &[4, 0x88, 255, 255, 255, 255, 255, 255, 255, 255], &[4, 0xff, 1]]
        {
            assert!(Reader::new(bytes).octets().is_err(), "{bytes:?}");
        }
        assert_eq!(Reader::new(&[0x3f, 0x81, 0x01, 2, 5, 6]).element().unwrap().content, [5, 6]);
    }

    #[test]
    fn an_element_says_where_it_is() {
        let bytes = [0x30, 0x81, 5, 2, 1, 9, 4, 0];
        let mut inside = Reader::new(&bytes).sequence().unwrap();
        assert_eq!(inside.element().unwrap().at, 5);
        assert_eq!(inside.element().unwrap().at, 8);
        assert!(inside.is_empty());
    }

    #[test]
    fn numbers_come_back_in_as_few_bytes_as_they_take() {
        for (value, length) in
            [(0, 1), (127, 1), (128, 2), (-128, 1), (-129, 2), (i32::MAX, 4), (i32::MIN, 4)]
        {
            let mut out = Vec::new();
            put_integer(&mut out, INTEGER, i64::from(value));
            assert_eq!(out.len(), 2 + length, "{value}");
            assert_eq!(Reader::new(&out).integer(), Ok(value));
        }
        for value in [0, 127, 128, u64::from(u32::MAX), u64::MAX / 2, u64::MAX] {
            let mut out = Vec::new();
            put_unsigned(&mut out, INTEGER, value);
            assert_eq!(unsigned(&out[2..]), Some(value));
        }
        assert_eq!(integer(&[0, 0, 0, 0, 5]), Some(5));
        assert_eq!(integer(&[0xff, 0xff, 0xff, 0xff, 0xfb]), Some(-5));
        assert_eq!(integer(&[0, 0x80, 0, 0, 0]), None);
        assert_eq!(integer(&[]), None);
        assert_eq!(unsigned(&[0x80, 0, 0, 0]), Some(0x8000_0000));
        assert_eq!(unsigned(&[1, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(unsigned(&[]), None);
    }

    #[test]
    fn an_oid_comes_back_and_one_with_too_large_a_number_is_none() {
        for numbers in
            [&[1, 3, 6, 1, 4, 1, 318][..], &[0, 0], &[2, 999, 3], &[1, 3, u32::MAX], &[1, 39], &[2, 40]]
        {
            let mut out = Vec::new();
            put_oid(&mut out, numbers);
            assert_eq!(oid(&out[2..]).as_deref(), Some(numbers));
        }
        assert_eq!(oid(&[]), Some(vec![]));
        assert_eq!(oid(&[0x2b, 0x90, 0x80, 0x80, 0x80, 0]), None);
        assert_eq!(oid(&[0x2b, 0x82]), None);
    }

    #[test]
    fn a_long_element_has_a_long_length() {
        for length in [0, 127, 128, 255, 256, 70_000] {
            let mut out = Vec::new();
            put(&mut out, OCTETS, &vec![1; length]);
            assert_eq!(Reader::new(&out).octets().unwrap().len(), length);
        }
    }
}
