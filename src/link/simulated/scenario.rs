//! Stories that are built in.

use super::Script;

/// A story for a simulated UPS, told in about a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Steady mains.
    None,
    /// Mains fails, the battery carries the load, mains returns.
    Outage,
    /// Mains stays away until the battery is nearly empty: the shutdown is decided.
    LowBattery,
    /// Mains comes and goes, with sags in between.
    Flapping,
    /// The UPS stops answering for a while.
    CommLoss,
    /// A self test.
    SelfTest,
}

impl Scenario {
    /// All of them, with the names that users give and one line of words.
    pub const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Outage, "outage", "mains fails, the battery carries the load, mains returns"),
        (Self::LowBattery, "low-battery", "mains stays away until a shutdown is decided"),
        (Self::Flapping, "flapping", "mains comes and goes"),
        (Self::CommLoss, "comm-loss", "the UPS stops answering for a while"),
        (Self::SelfTest, "self-test", "the UPS tests its battery"),
        (Self::None, "none", "steady mains"),
    ];

    /// The scenario of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, its, _)| *its == name).map(|(scenario, ..)| *scenario)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(scenario, ..)| *scenario == self).map_or("none", |(_, name, _)| name)
    }

    /// Its script; repeats.
    #[must_use]
    pub fn script(self) -> Script {
        Script::parse(self.text()).unwrap_or_default()
    }

    const fn text(self) -> &'static str {
        match self {
            Self::None => "",
            // Battery times are lapsed, so that a person sees the gauges move.
            Self::Outage => {
                "0 lapse 60\n6 mains off\n32 mains on\n32 lapse 900\n50 repeat\n\
                 14 load 31\n24 load 27\n32 load 24\n"
            }
            Self::LowBattery => {
                // Mains stays for more than the minute that arms the machine for another shutdown.
                "0 charge 62\n0 lapse 50\n5 mains off\n12 load 33\n24 lapse 12\n\
                 48 mains on\n48 load 24\n48 lapse 300\n113 repeat\n"
            }
            Self::Flapping => {
                "0 lapse 30\n4 line 201\n8 line 230\n9 mains off\n11 mains on\n13 mains off\n14 mains on\n\
                 17 mains off\n18.5 mains on\n20 line 196\n23 line 160\n32 line 230\n33 lapse 900\n45 repeat\n"
            }
            Self::CommLoss => {
                "0 lapse 30\n5 silent\n17 answer\n22 mains off\n26 unplug\n38 plug\n44 mains on\n\
                 45 lapse 600\n55 repeat\n"
            }
            Self::SelfTest => {
                "0 lapse 30\n5 selftest 9 passed\n20 selftest 6 capacity\n27 replace on\n\
                 38 replace off\n38 lapse 600\n45 repeat\n"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_scenario_has_a_script_that_reads_and_a_name_that_finds_it() {
        for (scenario, name, _) in Scenario::ALL {
            assert!(Script::parse(scenario.text()).is_ok(), "{name}");
            assert_eq!(Scenario::named(name), Some(scenario));
            assert_eq!(scenario.name(), name);
            let length = scenario.script().length();
            assert!(length <= Duration::from_secs(60) && (scenario == Scenario::None) == length.is_zero());
        }
        assert_eq!(Scenario::named("Outage"), None);
    }
}
