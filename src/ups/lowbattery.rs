//! What a UPS's word that its battery is low counts for.

/// Up to this charge, in per cent, a UPS that says that its battery is low is no surprise.
pub const NEAR_END_PERCENT: i32 = 50;
/// The same of the runtime, in minutes.
pub const NEAR_END_MINUTES: i32 = 5;

/// `LOWBATTERYFLAG`: whether the machine is shut down because the UPS says that its battery is low.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LowBatteryFlag {
    /// Yes: the UPS knows its battery.
    #[default]
    Ups,
    /// When charge or runtime say the same, or cannot be trusted either.
    Confirm,
    /// Never.
    Ignore,
}

impl LowBatteryFlag {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ups, Self::Confirm, Self::Ignore];

    /// How a configuration file spells it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ups => "ups",
            Self::Confirm => "confirm",
            Self::Ignore => "ignore",
        }
    }
}
