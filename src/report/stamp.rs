//! A moment of wall-clock time, for display only.

use std::fmt;

use crate::ups::civil;

/// A moment as users read it: local time `2026-11-21 04:09:56 +0100` (nis §5.3), without the two spaces that
/// follow it in a status record. Plain numbers, so that keeping and comparing one costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Seconds since 1970-01-01 00:00:00 UTC.
    pub unix: i64,
    /// Seconds that local time was ahead of UTC at that moment.
    pub utc_offset: i32,
}

impl Stamp {
    /// The moment `unix` seconds after the epoch, shown `utc_offset` seconds ahead of UTC.
    #[must_use]
    pub const fn new(unix: i64, utc_offset: i32) -> Self {
        Self { unix, utc_offset }
    }
}

impl fmt::Display for Stamp {
    /// Years are shown as 0000 to 9999: a clock outside that is broken, and 25 columns are the format.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.unix.saturating_add(i64::from(self.utc_offset)).clamp(YEAR_0, YEAR_10000 - 1);
        let (year, month, day) = civil(local.div_euclid(86_400));
        let second = local.rem_euclid(86_400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let minutes = (self.utc_offset.unsigned_abs() / 60).min(99 * 60 + 59);
        let sign = if self.utc_offset < 0 { '-' } else { '+' };
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} {sign}{:02}{:02}",
            minutes / 60,
            minutes % 60
        )
    }
}

/// 0000-01-01 00:00:00 and 10000-01-01 00:00:00, in seconds from the epoch.
const YEAR_0: i64 = -62_167_219_200;
const YEAR_10000: i64 = 253_402_300_800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_read_as_date_would_print_them() {
        // Expected texts: date(1) of GNU coreutils, TZ as stated.
        let table = [
            (0, 0, "1970-01-01 00:00:00 +0000"),
            (1_795_230_596, 3600, "2026-11-21 04:09:56 +0100"),
            (951_782_400, 0, "2000-02-29 00:00:00 +0000"),
            (4_107_542_399, 0, "2100-02-28 23:59:59 +0000"),
            (4_107_542_400, 0, "2100-03-01 00:00:00 +0000"),
            (1_767_225_599, -12_600, "2025-12-31 20:29:59 -0330"),
            (1_767_225_600, 20_700, "2026-01-01 05:45:00 +0545"),
            (-1, 0, "1969-12-31 23:59:59 +0000"),
        ];
        for (unix, offset, text) in table {
            assert_eq!(Stamp::new(unix, offset).to_string(), text);
        }
    }

    #[test]
    fn a_broken_clock_keeps_the_width() {
        for unix in [i64::MIN, i64::MAX, -70_000_000_000, 300_000_000_000] {
            for offset in [i32::MIN, i32::MAX, 0] {
                assert_eq!(Stamp::new(unix, offset).to_string().len(), 25, "{unix} {offset}");
            }
        }
    }
}
