//! Usages: the names of things.

use std::fmt;

/// A usage with its page in the upper 16 bits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Usage(pub u32);

impl Usage {
    /// Power Device page.
    pub const POWER_PAGE: u16 = 0x84;
    /// The application collection of a UPS.
    pub const UPS: Self = Self(0x0084_0004);

    /// The usage page.
    #[must_use]
    pub const fn page(self) -> u16 {
        (self.0 >> 16) as u16
    }
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
