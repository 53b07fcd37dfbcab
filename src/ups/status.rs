//! The status bits of a UPS and of its daemon: `STATFLAG` (status-fields §3, usb-hid §9).

use std::fmt;

use bitflags::bitflags;

bitflags! {
    /// A set of `STATFLAG` bits. Bits 0 to 7 equal the status byte of APC's serial protocol.
    #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
    pub struct StatusFlags: u32 {
        /// Runtime calibration is running.
        const CALIBRATION = 0x0000_0001;
        /// SmartTrim: input voltage is lowered.
        const TRIM = 0x0000_0002;
        /// SmartBoost: input voltage is raised.
        const BOOST = 0x0000_0004;
        /// On line: the load runs from mains.
        const ONLINE = 0x0000_0008;
        /// On battery.
        const ONBATT = 0x0000_0010;
        /// Load above the rating.
        const OVERLOAD = 0x0000_0020;
        /// Battery low: the UPS itself says that the end is near.
        const BATTLOW = 0x0000_0040;
        /// The battery must be replaced.
        const REPLACEBATT = 0x0000_0080;
        /// Communication with the UPS is lost.
        const COMMLOST = 0x0000_0100;
        /// System shutdown in progress.
        const SHUTDOWN = 0x0000_0200;
        /// This daemon is a network slave.
        const SLAVE = 0x0000_0400;
        /// `onbattery` has been announced.
        const ONBATT_MSG = 0x0002_0000;
        /// The UPS is polled fast.
        const FASTPOLL = 0x0004_0000;
        /// Shutdown reason: battery charge.
        const SHUT_LOAD = 0x0008_0000;
        /// Shutdown reason: time on battery.
        const SHUT_BTIME = 0x0010_0000;
        /// Shutdown reason: runtime left.
        const SHUT_LTIME = 0x0020_0000;
        /// Shutdown reason: emergency.
        const SHUT_EMERG = 0x0040_0000;
        /// Shutdown reason: a remote order.
        const SHUT_REMOTE = 0x0080_0000;
        /// Always set.
        const PLUGGED = 0x0100_0000;
        /// A battery is present.
        const BATTPRESENT = 0x0400_0000;
        /// The bits that a UPS reports; all others are the daemon's own.
        const FROM_UPS = 0x0400_00ff;
        /// A master of another version may send more.
        const _ = !0;
    }
}

impl StatusFlags {
    /// With the bits of `other` set or cleared.
    #[must_use]
    pub const fn with(self, other: Self, on: bool) -> Self {
        if on { self.union(other) } else { Self::from_bits_retain(self.bits() & !other.bits()) }
    }
}

impl fmt::Debug for StatusFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatusFlags(0x{:08X})", self.bits())
    }
}
