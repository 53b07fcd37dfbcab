//! The status bits of a UPS and of its daemon: `STATFLAG` (status-fields §3, usb-hid §9).

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign};

/// A set of `STATFLAG` bits. Bits 0 to 7 equal the status byte of APC's serial protocol.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct StatusFlags(pub u32);

impl StatusFlags {
    /// Runtime calibration is running.
    pub const CALIBRATION: Self = Self(0x0000_0001);
    /// SmartTrim: input voltage is lowered.
    pub const TRIM: Self = Self(0x0000_0002);
    /// SmartBoost: input voltage is raised.
    pub const BOOST: Self = Self(0x0000_0004);
    /// On line: the load runs from mains.
    pub const ONLINE: Self = Self(0x0000_0008);
    /// On battery.
    pub const ONBATT: Self = Self(0x0000_0010);
    /// Load above the rating.
    pub const OVERLOAD: Self = Self(0x0000_0020);
    /// Battery low: the UPS itself says that the end is near.
    pub const BATTLOW: Self = Self(0x0000_0040);
    /// The battery must be replaced.
    pub const REPLACEBATT: Self = Self(0x0000_0080);
    /// Communication with the UPS is lost.
    pub const COMMLOST: Self = Self(0x0000_0100);
    /// System shutdown in progress.
    pub const SHUTDOWN: Self = Self(0x0000_0200);
    /// This daemon is a network slave.
    pub const SLAVE: Self = Self(0x0000_0400);
    /// `onbattery` has been announced.
    pub const ONBATT_MSG: Self = Self(0x0002_0000);
    /// The UPS is polled fast.
    pub const FASTPOLL: Self = Self(0x0004_0000);
    /// Shutdown reason: battery charge.
    pub const SHUT_LOAD: Self = Self(0x0008_0000);
    /// Shutdown reason: time on battery.
    pub const SHUT_BTIME: Self = Self(0x0010_0000);
    /// Shutdown reason: runtime left.
    pub const SHUT_LTIME: Self = Self(0x0020_0000);
    /// Shutdown reason: emergency.
    pub const SHUT_EMERG: Self = Self(0x0040_0000);
    /// Shutdown reason: a remote order.
    pub const SHUT_REMOTE: Self = Self(0x0080_0000);
    /// Always set.
    pub const PLUGGED: Self = Self(0x0100_0000);
    /// A battery is present.
    pub const BATTPRESENT: Self = Self(0x0400_0000);
    /// The bits that a UPS reports; all others are the daemon's own.
    pub const FROM_UPS: Self = Self(0x0400_00ff);

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// With the bits of `other` set or cleared.
    #[must_use]
    pub const fn with(self, other: Self, on: bool) -> Self {
        if on { Self(self.0 | other.0) } else { Self(self.0 & !other.0) }
    }

    /// Sets or clears the bits of `other` in place.
    pub const fn set(&mut self, other: Self, on: bool) {
        *self = self.with(other, on);
    }
}

impl BitOr for StatusFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for StatusFlags {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOrAssign for StatusFlags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for StatusFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatusFlags(0x{:08X})", self.0)
    }
}
