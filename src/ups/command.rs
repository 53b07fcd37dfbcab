//! What a UPS can be told.

/// An order to the UPS. The only thing that flows from the power machine or a client to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Read everything now, ahead of the polling schedule.
    Poll,
    /// Read the transfer cause now (`LASTXFER`): was the transfer a self test?
    ReadTransferCause,
    /// Read the result of the last self test now.
    ReadSelfTest,
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
}

impl Command {
    /// What the UPS is to do, in words; `None`: it is only read.
    #[must_use]
    pub const fn order(self) -> Option<&'static str> {
        Some(match self {
            Self::Poll | Self::ReadTransferCause | Self::ReadSelfTest => return None,
            Self::KillPower => "cut the power until mains is back",
            Self::PowerOff => "switch off and stay off",
            Self::SelfTest => "test itself",
            Self::Calibrate => "calibrate its runtime",
            Self::AbortTest => "stop the test",
            Self::Set(..) => "change a setting",
        })
    }
}

/// A setting that the UPS keeps itself, by its UPS-Link query (apcsmart §8, kind E).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Setting {
    /// SENSITIVITY: H, M, L.
    Sensitivity = b's',
    /// WAKEUP, seconds.
    WakeDelay = b'r',
    /// SLEEP, seconds.
    ShutdownDelay = b'p',
    /// LOTRANSFER, volts.
    LowTransfer = b'l',
    /// HITRANSFER, volts.
    HighTransfer = b'u',
    /// RETURNCHARGE, per cent.
    ReturnCharge = b'e',
    /// BEEPSTATE: 0, T, L, N.
    AlarmDelay = b'k',
    /// LOWBATT, minutes.
    LowBattery = b'q',
    /// SELFTEST: 336, 168, ON, OFF.
    SelfTestInterval = b'E',
    /// OUTPUTVOLTS, volts.
    OutputVoltage = b'o',
    /// BATTDATE: 8 characters.
    BatteryDate = b'x',
    /// UPSNAME: up to 8 characters.
    Name = b'c',
}

/// The value of a [`Setting`]: up to eight printable characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SettingValue([u8; 8]);

impl SettingValue {
    /// `None` if the text is empty, longer than eight characters, or has others than letters, digits, blanks, `-`, `_`, `.` and `/`:
    /// the rest of ASCII means something else on the line.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" -_./".contains(&byte);
        let mut bytes = [b' '; 8];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        (!text.trim().is_empty() && text.bytes().all(plain)).then_some(Self(bytes))
    }

    /// Eight characters, filled up with blanks.
    #[must_use]
    pub const fn padded(&self) -> [u8; 8] {
        self.0
    }

    /// Without the blanks behind it.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default().trim_end()
    }
}

/// How a command ended, with words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandResult {
    /// The command.
    pub command: Command,
    /// What the UPS did, or why it did not; one line without a full stop.
    pub outcome: Result<String, String>,
}

/// How often the power machine wants to see the UPS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// POLLTIME, on mains.
    #[default]
    Normal,
    /// Every second: on battery, battery absent, or a change waits for its confirmation.
    Fast,
}
