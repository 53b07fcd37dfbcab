//! What happens to the simulated UPS of a drill.

use crate::config::Config;

/// A story.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Story {
    /// Mains stays away.
    #[default]
    Outage,
    /// Mains returns after `onbattery`.
    Short,
    /// The UPS says that its battery is low long before its values do.
    LowBattery,
    /// The UPS stops answering in an outage.
    CommLoss,
    /// A self test fails.
    SelfTest,
}

impl Story {
    /// All of them, with the names that users give and one line of words.
    pub const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Outage, "outage", "mains fails and stays away (the default)"),
        (Self::Short, "short", "mains returns 10 seconds after ONBATTERYDELAY"),
        (
            Self::LowBattery,
            "low-battery",
            "the UPS says after 20 s that its battery is low; it is empty after 140 s",
        ),
        (
            Self::CommLoss,
            "comm-loss",
            "mains fails, and after 20 s the UPS (of a slave: the master) is silent",
        ),
        (Self::SelfTest, "self-test", "a self test fails, and the battery must be replaced"),
    ];

    /// When it is over, in seconds, if the machine still runs; `None`: when the battery is empty.
    pub(super) fn length(self, config: &Config) -> Option<u64> {
        match self {
            // What is done once mains is back for good is seen.
            Self::Short => Some(return_of_mains(config) + 70),
            Self::SelfTest => Some(90),
            Self::Outage | Self::LowBattery | Self::CommLoss => None,
        }
    }

    /// Its script, as UPSTYPE `test` reads it, on a battery that lasts so many minutes. It begins at second `zero`.
    #[must_use]
    pub fn script(self, config: &Config, minutes: u32, zero: u64) -> String {
        let (back, later) = (return_of_mains(config), zero + 20);
        let steps = match self {
            Self::Outage => String::new(),
            Self::Short => format!("{} mains on\n", zero + back),
            Self::LowBattery => format!("{later} lowbatt on\n{} charge 0\n", zero + 140),
            Self::CommLoss => format!("{later} silent\n"),
            Self::SelfTest => {
                return format!("{zero} selftest 8 failed\n{later} replace on\n");
            }
        };
        format!("0 lasts {minutes}\n{zero} mains off\n{steps}")
    }
}

fn return_of_mains(config: &Config) -> u64 {
    config.on_battery_delay.as_secs() + 10
}
