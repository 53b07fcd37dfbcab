//! As much of BER as an agent of SNMP v1 and v2c needs. Without anything of the program's own, so that both are not wrong in the same
//! way.

/// An element: its tag and what is in it; and what comes behind it.
pub fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
    };
    let (content, behind) = rest.split_at_checked(length)?;
    Some((*tag, content, behind))
}

/// The elements in these bytes.
pub fn elements(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (tag, content, rest) = split(bytes)?;
        found.push((tag, content));
        bytes = rest;
    }
    Some(found)
}

/// An element.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=127 => out.push(short as u8),
        long => out.extend([0x82, (long >> 8) as u8, long as u8]),
    }
    out.extend_from_slice(content);
    out
}

/// The content of an integer, as short as it can be.
pub fn integer(value: i64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let fits = |at: usize| {
        let rest = if value < 0 { 0xff } else { 0 };
        bytes[..at].iter().all(|byte| *byte == rest) && (bytes[at] & 0x80 != 0) == (value < 0)
    };
    bytes[(0..8).rev().find(|at| fits(*at)).unwrap_or(0)..].to_vec()
}

pub fn number(content: &[u8]) -> i64 {
    let first = content.first().map_or(0, |byte| i64::from(*byte as i8));
    content.iter().skip(1).fold(first, |sum, byte| sum << 8 | i64::from(*byte))
}

pub fn oid(numbers: &[u32]) -> Vec<u8> {
    let mut out = vec![(numbers[0] * 40 + numbers[1]) as u8];
    for number in &numbers[2..] {
        let mut digits = vec![(number & 0x7f) as u8];
        let mut rest = number >> 7;
        while rest > 0 {
            digits.insert(0, (rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.extend(digits);
    }
    out
}

pub fn numbers(content: &[u8]) -> Vec<u32> {
    let first = content.first().map_or(0, |byte| u32::from(*byte));
    let mut out = vec![first / 40, first % 40];
    let mut number = 0;
    for byte in &content[1..] {
        number = number << 7 | u32::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            out.push(number);
            number = 0;
        }
    }
    out
}
