//! What can go wrong with an event on its way from a device.

/// A fault that is put on purpose between a device and its link, to try the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The device has said nothing.
    Silence,
    /// A bit is wrong: this one, counted from the first and over the end round again.
    Bit(usize),
    /// Only the first half has come.
    Half,
}

impl Fault {
    /// Does it to bytes.
    pub fn spoil(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Silence => bytes.clear(),
            Self::Half => bytes.truncate(bytes.len() / 2),
            Self::Bit(bit) => {
                let length = bytes.len().max(1);
                if let Some(byte) = bytes.get_mut((bit / 8) % length) {
                    *byte ^= 1 << (bit % 8);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_lost_cut_or_changed_by_one_bit() {
        let after = |fault: Fault, bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            fault.spoil(&mut bytes);
            bytes
        };
        assert_eq!(after(Fault::Silence, b"SM"), b"");
        assert_eq!(after(Fault::Half, b"SM\r\n"), b"SM");
        assert_eq!(after(Fault::Bit(8), b"SM"), b"SL");
        assert_eq!(after(Fault::Bit(8 * 2 + 1), b"SM"), b"QM");
        assert_eq!(after(Fault::Bit(usize::MAX), b""), b"");
    }
}
