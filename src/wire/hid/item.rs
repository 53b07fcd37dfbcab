//! The items of a report descriptor.

/// One item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Type and tag: the prefix without its two size bits.
    pub tag: u8,
    /// The data, zero-extended.
    pub unsigned: u32,
    /// The data, sign-extended from its own size.
    pub signed: i32,
    /// Bytes of data: 0, 1, 2 or 4.
    pub size: u8,
}

/// Cuts a descriptor into items; long items are skipped (no device uses them).
#[derive(Clone, Debug)]
pub(super) struct Items<'a> {
    rest: &'a [u8],
    cut_short: bool,
}

/// Prefix of a long item: the next byte is the length of its data, then comes its tag.
const LONG_ITEM: u8 = 0xfe;

impl<'a> Items<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, cut_short: false }
    }

    /// Whether the last item lacked some of its data.
    pub(super) const fn cut_short(&self) -> bool {
        self.cut_short
    }
}

impl Iterator for Items<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            let (&prefix, rest) = self.rest.split_first()?;
            if prefix == LONG_ITEM {
                let skip = rest.first().map_or(usize::MAX, |&length| usize::from(length) + 2);
                self.cut_short |= skip > rest.len();
                self.rest = rest.get(skip..).unwrap_or_default();
                continue;
            }
            let size = [0_u8, 1, 2, 4].get(usize::from(prefix & 0x03)).copied().unwrap_or(0);
            let Some((data, rest)) = rest.split_at_checked(usize::from(size)) else {
                self.cut_short = true;
                self.rest = &[];
                return None;
            };
            self.rest = rest;
            let (unsigned, signed) = match *data {
                [a] => (u32::from(a), i32::from(a as i8)),
                [a, b] => {
                    let value = u16::from_le_bytes([a, b]);
                    (u32::from(value), i32::from(value as i16))
                }
                [a, b, c, d] => {
                    let value = u32::from_le_bytes([a, b, c, d]);
                    (value, value as i32)
                }
                _ => (0, 0),
            };
            return Some(Item { tag: prefix & 0xfc, unsigned, signed, size });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_extended_from_its_own_size() {
        let items: Vec<_> = Items::new(&[0x15, 0xff, 0x26, 0xff, 0x00, 0x17, 1, 0, 0, 0x80, 0xc0]).collect();
        let values: Vec<_> = items.iter().map(|item| (item.tag, item.unsigned, item.signed)).collect();
        assert_eq!(
            values,
            [(0x14, 0xff, -1), (0x24, 0xff, 255), (0x14, 0x8000_0001, -2_147_483_647), (0xc0, 0, 0)]
        );
    }

    #[test]
    fn a_long_item_is_skipped() {
        let mut items = Items::new(&[0xfe, 2, 0x77, 1, 2, 0xc0]);
        assert_eq!(items.next().map(|item| item.tag), Some(0xc0));
        assert!(items.next().is_none() && !items.cut_short());
    }

    #[test]
    fn a_cut_item_is_noticed() {
        for bytes in [&[0x26, 0xff][..], &[0xfe], &[0xfe, 9, 1]] {
            let mut items = Items::new(bytes);
            assert!(items.next().is_none());
            assert!(items.cut_short(), "{bytes:02x?}");
        }
    }
}
