//! A packet: lines of text, each a key and a value (pcnet §2).

/// Most pairs of one packet (pcnet §2).
const PAIRS_MAX: usize = 256;
/// What the digest stands behind.
const DIGEST: &[u8] = b"MD=";

/// How often the card has started, and how long it has run since, in hundredths of a second: each packet has higher ones than the
/// packet before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counters {
    /// `SR`.
    pub starts: u32,
    /// `SU`.
    pub uptime: u32,
}

/// A packet that has a digest. Nothing of it is checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    signed: &'a [u8],
    digest: &'a [u8],
    pairs: Vec<(&'a [u8], &'a [u8])>,
}

/// There is no digest, or nothing before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl<'a> Packet<'a> {
    /// Reads a packet. What stands behind its digest is not signed, and left out.
    ///
    /// # Errors
    /// [`Malformed`] if it has no digest, or nothing before it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let at = bytes.windows(DIGEST.len()).position(|window| window == DIGEST).ok_or(Malformed)?;
        let (signed, rest) = bytes.split_at_checked(at).ok_or(Malformed)?;
        if signed.is_empty() {
            return Err(Malformed);
        }
        let digest = lines(rest).next().and_then(pair).map(|(_, value)| value).unwrap_or_default();
        Ok(Self { signed, digest, pairs: lines(signed).filter_map(pair).take(PAIRS_MAX).collect() })
    }

    /// What its digest covers, and the digest.
    #[must_use]
    pub const fn signed(&self) -> (&'a [u8], &'a [u8]) {
        (self.signed, self.digest)
    }

    /// The first value with this key.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&'a [u8]> {
        self.pairs.iter().find(|(other, _)| *other == key.as_bytes()).map(|(_, value)| *value)
    }

    /// Its counters; `None`: they are not there, or no numbers.
    #[must_use]
    pub fn counters(&self) -> Option<Counters> {
        let number = |key| {
            let digits = self.value(key)?;
            let is_number = digits.len() <= 8 && digits.iter().all(u8::is_ascii_hexdigit);
            let text = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
            u32::from_str_radix(text, 16).ok()
        };
        Some(Counters { starts: number("SR")?, uptime: number("SU")? })
    }

    /// Answers of the UPS in their order: the byte that asks for it in the serial protocol, and what the UPS has answered.
    pub fn answers(&self) -> impl Iterator<Item = (u8, &'a [u8])> + '_ {
        self.pairs.iter().filter_map(|(key, value)| {
            let is_code = key.len() == 2 && key.iter().all(u8::is_ascii_hexdigit);
            let code = std::str::from_utf8(key).ok().filter(|_| is_code)?;
            Some((u8::from_str_radix(code, 16).ok()?, *value))
        })
    }
}

/// Its lines, without blanks around them.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii)
}

/// Key and value of a line; an empty value is none.
fn pair(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (line.get(..at)?, line.get(at + 1..)?);
    (!value.is_empty()).then_some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: &[u8] =
        b"MASTATUS\n<BODY>\nPC=10.0.0.1\r\nSR=09\nSU=1BED3F\n 51=08\n63=UPS03R  \n4C=\n4C=230.1\nPC=9\nMD=ab\n</BODY>\n50=1\n";

    #[test]
    fn lines_are_read_as_the_reference_says() {
        let packet = Packet::parse(PACKET).unwrap();
        assert_eq!(packet.value("PC"), Some(&b"10.0.0.1"[..]), "the first one counts");
        assert_eq!(packet.counters(), Some(Counters { starts: 9, uptime: 0x1b_ed3f }));
        let answers: Vec<_> = packet.answers().collect();
        assert_eq!(answers, [(0x51, &b"08"[..]), (0x63, b"UPS03R"), (0x4c, b"230.1")]);
        let (signed, digest) = packet.signed();
        assert!(signed.ends_with(b"PC=9\n") && digest == b"ab");
    }

    #[test]
    fn what_has_no_digest_or_begins_with_it_is_no_packet() {
        for bytes in [&b""[..], b"MASTATUS\nSR=1\n", b"MD=ab\nSR=1\nSU=1\n", b"MD"] {
            assert_eq!(Packet::parse(bytes), Err(Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn counters_that_are_no_numbers_are_none() {
        for text in
            ["SR=1\n", "SU=1\n", "SR=+1\nSU=1\n", "SR=1\nSU=123456789\n", "SR=\nSU=1\n", "SR=1\nSU=xy\n"]
        {
            let bytes = [text.as_bytes(), b"MD=a"].concat();
            assert_eq!(Packet::parse(&bytes).unwrap().counters(), None, "{text}");
        }
    }

    #[test]
    fn more_starts_are_newer_whatever_the_time() {
        let at = |starts, uptime| Counters { starts, uptime };
        assert!(at(2, 0) > at(1, 99) && at(2, 1) > at(2, 0));
    }
}
