//! What keeps a message of v3 from being read by others (snmp §9.4).

use aes::Aes128;
use cbc::cipher::array::Array;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use des::Des;

use super::keys::Key;

/// How a message is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// CBC-DES.
    Des,
    /// CFB128-AES-128.
    Aes,
}

/// A block of DES, and the salt of both, in bytes.
const BLOCK: usize = 8;

impl Privacy {
    /// Key and initial vector. `None`: the key is too short, which that of no [`super::Auth`] is.
    fn key_and_vector(self, key: &Key, clock: [u32; 2], salt: [u8; 8]) -> Option<([u8; 16], [u8; 16])> {
        let key: [u8; 16] = *key.0.first_chunk()?;
        let mut vector = [0; 16];
        match self {
            Self::Des => {
                let (_, before) = key.split_last_chunk::<BLOCK>()?;
                for ((to, before), salt) in vector.iter_mut().zip(before).zip(salt) {
                    *to = before ^ salt;
                }
            }
            Self::Aes => {
                let [boots, time] = clock.map(u32::to_be_bytes);
                for (to, from) in vector.iter_mut().zip(boots.into_iter().chain(time).chain(salt)) {
                    *to = from;
                }
            }
        }
        Some((key, vector))
    }

    /// Encrypts in place, and says what the message tells of it. `clock`: boots and time of the engine; `number`: never the same again
    /// with the same key.
    pub(super) fn encrypt(self, key: &Key, clock: [u32; 2], number: u64, data: &mut Vec<u8>) -> [u8; 8] {
        let mut salt = number.to_be_bytes();
        if let (Self::Des, Some(first)) = (self, salt.first_chunk_mut()) {
            let [boots, _] = clock;
            *first = boots.to_be_bytes();
        }
        let Some((key, vector)) = self.key_and_vector(key, clock, salt) else { return salt };
        match self {
            Self::Des => {
                data.resize(data.len().next_multiple_of(BLOCK), 0);
                if let Ok(mut des) = cbc::Encryptor::<Des>::new_from_slices(half(&key), half(&vector)) {
                    for block in data
                        .chunks_exact_mut(BLOCK)
                        .filter_map(|block| <&mut Array<u8, _>>::try_from(block).ok())
                    {
                        des.encrypt_block(block);
                    }
                }
            }
            Self::Aes => cfb_mode::Encryptor::<Aes128>::new(&key.into(), &vector.into()).encrypt(data),
        }
        salt
    }

    /// What was encrypted; there may be something behind it. `None`: the form is not that of something encrypted.
    pub(super) fn decrypt(self, key: &Key, clock: [u32; 2], salt: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        let (key, vector) = self.key_and_vector(key, clock, salt.try_into().ok()?)?;
        let mut data = data.to_vec();
        match self {
            Self::Des => {
                if data.len() % BLOCK != 0 {
                    return None;
                }
                let mut des = cbc::Decryptor::<Des>::new_from_slices(half(&key), half(&vector)).ok()?;
                for block in data.chunks_exact_mut(BLOCK) {
                    des.decrypt_block(<&mut Array<u8, _>>::try_from(block).ok()?);
                }
            }
            Self::Aes => cfb_mode::Decryptor::<Aes128>::new(&key.into(), &vector.into()).decrypt(&mut data),
        }
        Some(data)
    }
}

fn half(bytes: &[u8; 16]) -> &[u8] {
    bytes.get(..BLOCK).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encrypted_comes_back_and_only_with_the_same_key_clock_and_salt() {
        let key = Key((1..=20).collect());
        for privacy in [Privacy::Des, Privacy::Aes] {
            for length in [0, 1, 7, 8, 9, 100] {
                let plain: Vec<u8> = (0..length).collect();
                let mut data = plain.clone();
                let salt = privacy.encrypt(&key, [3, 4], 0x0102_0304_0506_0708, &mut data);
                let back = privacy.decrypt(&key, [3, 4], &salt, &data).unwrap();
                assert_eq!(back[..plain.len()], plain, "{privacy:?}");
                assert!(back.len() - plain.len() < BLOCK);
                if length < 9 {
                    continue;
                }
                assert_ne!(data[..plain.len()], plain);
                let mut other = salt;
                other[7] ^= 1;
                assert_ne!(privacy.decrypt(&key, [3, 4], &other, &data).unwrap()[..plain.len()], plain);
                let other = Key((2..=21).collect());
                assert_ne!(privacy.decrypt(&other, [3, 4], &salt, &data).unwrap()[..plain.len()], plain);
                assert_eq!(privacy.decrypt(&key, [3, 4], &salt[1..], &data), None);
                assert_eq!(privacy.decrypt(&Key(vec![1; 15]), [3, 4], &salt, &data), None);
            }
        }
        let des = Privacy::Des.encrypt(&key, [3, 4], 0x0102_0304_0506_0708, &mut vec![1]);
        assert_eq!(des, [0, 0, 0, 3, 5, 6, 7, 8]);
        assert_eq!(Privacy::Des.decrypt(&key, [3, 4], &des, &[1; 9]), None);
    }
}
