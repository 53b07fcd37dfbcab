//! A line of `/proc/self/maps`, and the first line of each mapping in `smaps`.

use std::ops::Range;

/// A mapping of a file (proc(5), `/proc/pid/maps`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping<'a> {
    /// Its addresses.
    pub range: Range<usize>,
    /// As in `r-xp`.
    pub permissions: &'a str,
    /// Device, inode and path.
    pub file: &'a str,
}

impl<'a> Mapping<'a> {
    /// `None`: it is of no file, or the line is none.
    pub fn parse(line: &'a str) -> Option<Self> {
        let range = range(line)?;
        let mut words = line.splitn(4, ' ').skip(1);
        let permissions = words.next()?;
        let file = words.nth(1)?;
        file.contains('/').then_some(Self { range, permissions, file })
    }
}

/// The addresses that a line begins with; `None`: it is no such line.
pub(super) fn range(line: &str) -> Option<Range<usize>> {
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
    (range.start <= range.end).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps_are_understood() {
        let line = "7f00-8000 r-xp 00026000 fe:00 326279      /usr/lib/a b.so";
        let mapping =
            Mapping { range: 0x7f00..0x8000, permissions: "r-xp", file: "fe:00 326279      /usr/lib/a b.so" };
        assert_eq!(Mapping::parse(line), Some(mapping));
        for other in [
            "7f00-8000 rw-p 00000000 00:00 0    [heap]",
            "7f00-8000 rw-p 00000000 00:00 0 ",
            "8000-7f00 r--p 0 0:0 1 /a",
            "7f00 r",
            "",
        ] {
            assert_eq!(Mapping::parse(other), None, "{other}");
        }
    }
}
