//! The keys of an account of v3, and what they sign (snmp §9.2, §9.3).

use hmac::digest::DynDigest;
use hmac::{Hmac, KeyInit, Mac};

/// Of so many bytes of a pass phrase, repeated, a key is made.
const STRETCHED: usize = 1 << 20;
/// So many of them in one step: 6 ms of SHA-512 on a processor that needs 150 cycles for a byte and has 400 MHz.
const STEP: usize = 1 << 14;
/// The longest digest, SHA-512, in bytes.
const DIGEST_MAX: usize = 64;

/// How a message is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// HMAC-MD5-96.
    Md5,
    /// HMAC-SHA-96.
    Sha1,
    /// HMAC-128-SHA-224.
    Sha224,
    /// HMAC-192-SHA-256.
    Sha256,
    /// HMAC-256-SHA-384.
    Sha384,
    /// HMAC-384-SHA-512.
    Sha512,
}

/// `$do` with the hash of `$auth` as `$hash`.
macro_rules! with_hash {
    ($auth:expr, $hash:ident => $do:expr) => {
        match $auth {
            Auth::Md5 => with_hash!(in md5::Md5, $hash => $do),
            Auth::Sha1 => with_hash!(in sha1::Sha1, $hash => $do),
            Auth::Sha224 => with_hash!(in sha2::Sha224, $hash => $do),
            Auth::Sha256 => with_hash!(in sha2::Sha256, $hash => $do),
            Auth::Sha384 => with_hash!(in sha2::Sha384, $hash => $do),
            Auth::Sha512 => with_hash!(in sha2::Sha512, $hash => $do),
        }
    };
    (in $type:ty, $hash:ident => $do:expr) => {{
        type $hash = $type;
        $do
    }};
}

impl Auth {
    /// How many bytes of a digest a message has.
    #[must_use]
    pub const fn kept(self) -> usize {
        match self {
            Self::Md5 | Self::Sha1 => 12,
            Self::Sha224 => 16,
            Self::Sha256 => 24,
            Self::Sha384 => 32,
            Self::Sha512 => 48,
        }
    }

    fn hasher(self) -> Box<dyn DynDigest> {
        with_hash!(self, Hash => Box::new(Hash::default()))
    }

    /// Signs a message, in whose place for it, at this byte, are zeros.
    pub(super) fn sign(self, key: &Key, message: &mut [u8], at: usize) {
        let mut whole = [0; DIGEST_MAX];
        with_hash!(self, Hash => {
            if let Ok(mut mac) = Hmac::<Hash>::new_from_slice(&key.0) {
                mac.update(message);
                for (to, from) in whole.iter_mut().zip(mac.finalize().into_bytes()) {
                    *to = from;
                }
            }
        });
        for (to, from) in message.iter_mut().skip(at).take(self.kept()).zip(whole) {
            *to = from;
        }
    }

    /// Whether this is the signature that a message has at this byte. It takes as long whatever differs.
    pub(super) fn is_signed(self, key: &Key, message: &[u8], at: usize, signature: &[u8]) -> bool {
        if signature.len() != self.kept() {
            return false;
        }
        let Some((before, rest)) = message.split_at_checked(at) else { return false };
        let behind = rest.get(signature.len()..).unwrap_or_default();
        let zeros = [0; DIGEST_MAX];
        with_hash!(self, Hash => Hmac::<Hash>::new_from_slice(&key.0).is_ok_and(|mut mac| {
            mac.update(before);
            mac.update(zeros.get(..signature.len()).unwrap_or_default());
            mac.update(behind);
            mac.verify_truncated_left(signature).is_ok()
        }))
    }
}

/// A key: of a pass phrase, or of a pass phrase and an engine. It is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub(super) Vec<u8>);

// Without what it is.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    fn finish(hasher: &mut dyn DynDigest) -> Self {
        let mut key = vec![0; hasher.output_size()];
        // The length is that of the digest.
        let _ = hasher.finalize_into_reset(&mut key);
        Self(key)
    }

    /// The key of this pass phrase at this engine.
    #[must_use]
    pub fn localized(&self, auth: Auth, engine: &[u8]) -> Self {
        let mut hasher = auth.hasher();
        for part in [&self.0, engine, &self.0] {
            hasher.update(part);
        }
        Self::finish(&mut *hasher)
    }
}

/// A key being made of a pass phrase, in steps: all of it takes a router the better part of a second.
pub struct Stretching {
    hasher: Box<dyn DynDigest>,
    /// The pass phrase, so often that it is long.
    text: Vec<u8>,
    left: usize,
}

// Without the pass phrase.
impl std::fmt::Debug for Stretching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stretching").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Stretching {
    /// Of this pass phrase, which is not empty.
    #[must_use]
    pub fn new(auth: Auth, passphrase: &[u8]) -> Self {
        let times = STEP / passphrase.len().max(1);
        Self { hasher: auth.hasher(), text: passphrase.repeat(times.max(1)), left: STRETCHED }
    }

    /// One step; the key, if it was the last.
    pub fn step(&mut self) -> Option<Key> {
        let part = self.text.get(..self.left.min(self.text.len())).unwrap_or_default();
        self.hasher.update(part);
        self.left -= part.len();
        (self.left == 0 || part.is_empty()).then(|| Key::finish(&mut *self.hasher))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::snmp::tests::bytes;

    const ENGINE: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

    fn key(auth: Auth, passphrase: &[u8]) -> Key {
        let mut stretching = Stretching::new(auth, passphrase);
        loop {
            if let Some(key) = stretching.step() {
                return key;
            }
        }
    }

    /// RFC 3414 A.3 for the first two; the others by an independent program, whose first two are those of the RFC.
    #[test]
    fn the_keys_of_maplesyrup_are_those_of_the_standard() {
        for (auth, whole, localized) in [
            (Auth::Md5, "9faf3283884e92834ebc9847d8edd963", "526f5eed9fcce26f8964c2930787d82b"),
            (
                Auth::Sha1,
                "9fb5cc0381497b3793528939ff788d5d79145211",
                "6695febc9288e36282235fc7151f128497b38f3f",
            ),
            (
                Auth::Sha224,
                "282a5867ee9aac639ad59df9572c7d3ac0fbc13a905b6df07dbbf00b",
                "0bd8827c6e29f8065e08e09237f177e410f69b90e1782be682075674",
            ),
            (
                Auth::Sha256,
                "ab51014d1e077f6017df2b12bee5f5aa72993177e9bb569c4dff5a4ca0b4afac",
                "8982e0e549e866db361a6b625d84cccc11162d453ee8ce3a6445c2d6776f0f8b",
            ),
            (
                Auth::Sha384,
                "e06eccdf2c68a06ed034723c9c26e0db3b669e1e2efed49150b55377a2e98f383c86fb836857444654b287c93f51ff64",
                "3b298f16164a11184279d5432bf169e2d2a48307de02b3d3f7e2b4f36eb6f0455a53689a3937eea07319a633d2ccba78",
            ),
            (
                Auth::Sha512,
                "7e4396de5aadc77be853819b98c9406265b3a9c37cc3176569847a4e4f6fba63dd3a73d04924d31a63f95a601f9385af6be4ed1b37f87d040f7c6ed6f8d38a91",
                "22a5a36cedfcc085807a128d7bc6c2382167ad6c0dbc5fdff856740f3d84c099ad1ea87a8db096714d9788bd544047c9021e4229ce27e4c0a69250adfcffbb0b",
            ),
        ] {
            let made = key(auth, b"maplesyrup");
            assert_eq!(made.0, bytes(whole), "{auth:?}");
            assert_eq!(made.localized(auth, &ENGINE).0, bytes(localized), "{auth:?}");
        }
    }

    #[test]
    fn a_pass_phrase_of_any_length_ends() {
        for length in [1, 8, STEP - 1, STEP, STEP + 1, STRETCHED, STRETCHED + 1] {
            let phrase: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let text: Vec<u8> = phrase.iter().copied().cycle().take(STRETCHED).collect();
            let mut hasher = Auth::Sha1.hasher();
            hasher.update(&text);
            assert_eq!(key(Auth::Sha1, &phrase), Key::finish(&mut *hasher), "{length}");
        }
        let _ = key(Auth::Md5, b"");
    }

    /// RFC 2202 and RFC 4231, second test case.
    #[test]
    fn signatures_are_those_of_the_standard_and_only_they_are_taken() {
        const TEXT: &[u8] = b"what do ya want for nothing?";
        for (auth, expected) in [
            (Auth::Md5, "750c783e6ab0b503eaa86e310a5db738"),
            (Auth::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Auth::Sha224, "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"),
            (Auth::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ] {
            let key = Key(b"Jefe".to_vec());
            let mut message = TEXT.to_vec();
            auth.sign(&key, &mut message, 0);
            let kept = auth.kept();
            assert_eq!(message[..kept], bytes(expected)[..kept], "{auth:?}");
            assert_eq!(message[kept..], TEXT[kept..]);
            // Over zeros it is another one, and that is what a message has.
            let mut message = [&vec![0; kept][..], TEXT].concat();
            auth.sign(&key, &mut message, 0);
            let signature = message[..kept].to_vec();
            assert!(auth.is_signed(&key, &message, 0, &signature), "{auth:?}");
            assert!(!auth.is_signed(&Key(b"Jeff".to_vec()), &message, 0, &signature));
            assert!(!auth.is_signed(&key, &message, 0, &signature[1..]));
            assert!(!auth.is_signed(&key, &message, 0, &[]));
            for at in 0..kept {
                let mut wrong = signature.clone();
                wrong[at] ^= 1;
                assert!(!auth.is_signed(&key, &message, 0, &wrong), "{auth:?} {at}");
            }
            message[kept] ^= 1;
            assert!(!auth.is_signed(&key, &message, 0, &signature));
        }
    }

    #[test]
    fn nothing_of_a_secret_is_in_debug_output() {
        let text = format!("{:?} {:?}", Key(b"secret".to_vec()), Stretching::new(Auth::Md5, b"secret"));
        assert!(!text.contains("secret") && !text.contains("115"), "{text}");
    }
}
