//! What a UPS can be told.

use super::{Setting, SettingValue};

/// An order to the UPS. The only thing that flows from the power machine or a client to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Read everything now, ahead of the polling schedule.
    Poll,
    /// Read the transfer cause now (`LASTXFER`): was the transfer a self test?
    ReadTransferCause,
    /// Read the result of the last self test now.
    ReadSelfTest,
    /// Read everything that the UPS has to say, for a bug report; the result is the lines of the recording.
    Record,
    /// Switch the load off after the UPS's delay, on again when mains returns (hibernate, kill power).
    KillPower,
    /// Switch the load off and leave it off.
    PowerOff,
    /// Start the quick self test.
    SelfTest,
    /// Start a runtime calibration.
    Calibrate,
    /// Stop a running self test or calibration.
    AbortTest,
    /// Change what the UPS keeps in its EEPROM.
    Set(Setting, SettingValue),
    /// Change when the UPS beeps.
    Beeper(Beeper),
    /// Switch lamps and beeper on for a moment.
    PanelTest,
    /// Say which outlet groups it can switch beside the main one; the result is a line for each: its number, a blank, how it is.
    Outlets,
    /// Switch one of those.
    Outlet(Switch, u32),
}

/// What an outlet group is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Switch {
    /// Supply.
    On,
    /// Supply nothing.
    Off,
    /// Supply nothing for some seconds.
    Reboot,
}

/// What the beeper is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Beeper {
    /// Beep at each alarm.
    On,
    /// Never beep.
    Off,
    /// Be silent until the next alarm.
    Mute,
}

impl Command {
    /// What the UPS is to do, in words; `None`: it is only read.
    #[must_use]
    pub const fn order(self) -> Option<&'static str> {
        Some(match self {
            Self::Poll | Self::ReadTransferCause | Self::ReadSelfTest | Self::Record => return None,
            Self::KillPower => "cut the power until mains is back",
            Self::PowerOff => "switch off and stay off",
            Self::SelfTest => "test itself",
            Self::Calibrate => "calibrate its runtime",
            Self::AbortTest => "stop the test",
            Self::Set(..) => "change a setting",
            Self::Beeper(_) => "change its beeper",
            Self::PanelTest => "test its lamps and beeper",
            Self::Outlets | Self::Outlet(..) => "switch outlet groups",
        })
    }

    /// Whether it has the UPS switch off what it supplies.
    #[must_use]
    pub const fn cuts_power(self) -> bool {
        matches!(self, Self::KillPower | Self::PowerOff)
    }

    /// Whether this order takes the place of `other`, which is under way: none holds up the one that cuts the power in a shutdown.
    #[must_use]
    pub fn displaces(self, other: Self) -> bool {
        self == Self::KillPower || self.cuts_power() && other != Self::KillPower
    }

    /// The words of a link that has no way for this order.
    #[must_use]
    pub fn not_known(self) -> String {
        match self {
            Self::Outlets | Self::Outlet(..) => {
                "the UPS has no outlet groups that its driver knows".to_owned()
            }
            Self::Set(..) => "this driver does not change this setting, or not on this UPS".to_owned(),
            _ => format!("this driver cannot have a UPS {}", self.order().unwrap_or("read this")),
        }
    }
}

/// Who has given a command, so that its result finds the way back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asker {
    /// The power machine.
    #[default]
    Machine,
    /// Somebody else, by a number of their own.
    Other(u32),
}

/// How a command ended, with words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandResult {
    /// Who has given it. Links do not know; the driver keeps it.
    pub asker: Asker,
    /// The command.
    pub command: Command,
    /// What the UPS did, or why it did not; one line without a full stop.
    pub outcome: Result<String, String>,
    /// The UPS has acknowledged it: it may do it, whatever the outcome says. Only drivers set it that have two ways to one UPS.
    pub is_acknowledged: bool,
}

impl CommandResult {
    /// The end of a command.
    #[must_use]
    pub const fn new(command: Command, outcome: Result<String, String>) -> Self {
        Self { asker: Asker::Machine, command, outcome, is_acknowledged: false }
    }
}

/// How often the power machine wants to see the UPS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PollRate {
    /// POLLTIME, on mains.
    #[default]
    Normal,
    /// Every second: on battery, battery absent, or a change waits for its confirmation.
    Fast,
}
