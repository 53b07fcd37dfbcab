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
    /// In an outage a master or a management card orders the shutdown.
    Remote,
    /// A self test fails.
    SelfTest,
    /// On mains the battery is taken out, and the UPS stops answering.
    Faults,
}

impl Story {
    /// All of them, with the names that users give and one line of words.
    pub const ALL: [(Self, &'static str, &'static str); 7] = [
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
        (
            Self::Remote,
            "remote",
            "mains fails, and after 20 s a master or a management card orders the shutdown",
        ),
        (Self::SelfTest, "self-test", "a self test fails, and the battery must be replaced"),
        (
            Self::Faults,
            "faults",
            "on mains the battery is out for 20 s, and then the UPS is silent for a while",
        ),
    ];

    /// When the shutdown is ordered from outside, in seconds.
    pub(super) fn order(self) -> Option<u64> {
        (self == Self::Remote).then_some(20)
    }

    /// When it is over, in seconds, if the machine still runs; `None`: when the battery is empty.
    pub(super) fn length(self, config: &Config) -> Option<u64> {
        match self {
            // What is done once mains is back for good is seen.
            Self::Short => Some(return_of_mains(config) + 70),
            Self::SelfTest => Some(90),
            Self::Faults => Some(answer(config) + 20),
            Self::Outage | Self::Remote | Self::LowBattery | Self::CommLoss => None,
        }
    }

    /// Its script, as UPSTYPE `test` reads it, on a battery that lasts so many minutes. It begins at second `zero`.
    #[must_use]
    pub fn script(self, config: &Config, minutes: u32, zero: u64) -> String {
        let (back, later) = (return_of_mains(config), zero + 20);
        let steps = match self {
            Self::Outage | Self::Remote => String::new(),
            Self::Short => format!("{} mains on\n", zero + back),
            Self::LowBattery => format!("{later} lowbatt on\n{} charge 0\n", zero + 140),
            Self::CommLoss => format!("{later} silent\n"),
            Self::SelfTest => {
                return format!("{zero} selftest 8 failed\n{later} replace on\n");
            }
            Self::Faults => {
                let (silent, answer) = (later + 20, zero + answer(config));
                return format!("{zero} battery out\n{later} battery in\n{silent} silent\n{answer} answer\n");
            }
        };
        format!("0 lasts {minutes}\n{zero} mains off\n{steps}")
    }
}

/// When a UPS that was silent answers again.
fn answer(config: &Config) -> u64 {
    config.comm_lost_delay.as_secs() + 60
}

fn return_of_mains(config: &Config) -> u64 {
    config.on_battery_delay.as_secs() + 10
}
