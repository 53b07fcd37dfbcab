//! How a card signs: MD5, because cards know nothing else (pcnet §2.1).

use std::fmt;

use md5::{Digest as _, Md5};

/// An MD5 sum as a card writes it: lower-case hexadecimal digits.
pub type Digest = [u8; 32];

/// What only the card and we know: its user and its pass phrase. Shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    user: String,
    phrase: String,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Secret {
    /// Of this user.
    #[must_use]
    pub fn new(user: &str, phrase: &str) -> Self {
        Self { user: user.to_owned(), phrase: phrase.to_owned() }
    }

    /// The digest of these bytes, the user and the pass phrase, with nothing between (pcnet §2.1).
    #[must_use]
    pub fn sign(&self, parts: &[&[u8]]) -> Digest {
        let mut all = parts.to_vec();
        all.extend([self.user.as_bytes(), self.phrase.as_bytes()]);
        digest(&all)
    }
}

/// The digest of these bytes, one after the other.
#[must_use]
pub fn digest(parts: &[&[u8]]) -> Digest {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    let mut out = [b'0'; 32];
    for (pair, byte) in out.chunks_exact_mut(2).zip(md5.finalize()) {
        for (digit, value) in pair.iter_mut().zip([byte >> 4, byte & 0xf]) {
            *digit = if value < 10 { b'0' + value } else { b'a' + value - 10 };
        }
    }
    out
}

/// Whether what was sent is this digest. It takes as long however much of it is right: the time tells nothing.
#[must_use]
pub fn is_equal(sent: &[u8], digest: &Digest) -> bool {
    let differing = sent.iter().zip(digest).fold(0, |differing, (one, other)| differing | (one ^ other));
    sent.len() == digest.len() && std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1321, A.5.
    #[test]
    fn sums_are_those_of_the_standard() {
        assert_eq!(&digest(&[]), b"d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(&digest(&[b"message", b" ", b"digest"]), b"f96b697d7cb7938d525a2f31aaf161d0");
    }

    #[test]
    fn only_the_whole_digest_is_equal() {
        let right = digest(&[b"abc"]);
        assert!(is_equal(&right, &right));
        assert!(!is_equal(&right[..31], &right) && !is_equal(b"", &right));
        assert!(!is_equal(&[&right[..], b"0"].concat(), &right));
        for at in 0..right.len() {
            let mut wrong = right;
            wrong[at] ^= 1;
            assert!(!is_equal(&wrong, &right), "{at}");
        }
        assert!(!is_equal(&right.to_ascii_uppercase(), &right), "a card writes small letters");
    }

    #[test]
    fn a_pass_phrase_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("apc", "admin user phrase")), "Secret(***)");
    }
}
