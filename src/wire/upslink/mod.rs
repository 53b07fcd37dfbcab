//! UPS-Link, APC's "smart" serial protocol: what each byte asks and what each answer means (apcsmart §2, §6 to §8).

mod capabilities;
mod eeprom;
mod model;
mod value;

pub use capabilities::{Capabilities, Set};
pub use eeprom::{Eeprom, Permitted};
pub use model::{firmware_is_voltage, model_of_old_revision};
pub use value::{Bad, Form, Value, decode};

use crate::ups::Setting;

/// Enter smart mode; also the check whether the UPS is there.
pub const SMART_MODE: u8 = b'Y';
/// The answer to [`SMART_MODE`]; to another query it means "not ready yet".
pub const SMART: &[u8] = b"SM";
/// Not known, not supported.
pub const NOT_AVAILABLE: &[u8] = b"NA";
/// The status byte.
pub const STATUS: u8 = b'Q';
/// Protocol, alerts and commands.
pub const CAPABILITIES: u8 = b'a';
/// Model.
pub const MODEL: u8 = 0x01;
/// Old firmware revision, which tells the model too.
pub const OLD_REVISION: u8 = b'V';
/// Cause of the last transfer.
pub const TRANSFER_CAUSE: u8 = b'G';
/// Result of the last self test.
pub const SELF_TEST_RESULT: u8 = b'X';
/// Permitted values of the EEPROM's variables.
pub const EEPROM: u8 = 0x1a;
/// The next permitted value of the variable that was asked for last.
pub const NEXT_VALUE: u8 = b'-';
/// The query of a setting (apcsmart §8, kind E).
#[must_use]
pub const fn query_of(setting: Setting) -> u8 {
    match setting {
        Setting::Sensitivity => b's',
        Setting::WakeDelay => b'r',
        Setting::ShutdownDelay => b'p',
        Setting::LowTransfer => b'l',
        Setting::HighTransfer => b'u',
        Setting::ReturnCharge => b'e',
        Setting::AlarmDelay => b'k',
        Setting::LowBattery => b'q',
        Setting::SelfTestInterval => b'E',
        Setting::OutputVoltage => b'o',
        Setting::BatteryDate => b'x',
        Setting::Name => b'c',
    }
}
/// Shakes a confused unit loose (apcsmart §2).
pub const ESCAPE: u8 = 0x1b;

/// Read once, when the UPS is found, in this order (apcsmart §5).
pub const READ_ONCE: &[u8] = b"srplukeqcEmnxgob><\x01\x1a";

/// Read in every poll, in this order: first what limits are judged by, then what changes fast. Line quality (`9`) and the
/// hours since the last self test (`d`) have no status key, so they are not asked (apcsmart §5).
pub const POLLED: &[u8] = b"fjLPG'BXMNOFC7~8ht";

/// What the UPS says by itself (apcsmart §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alert {
    /// `!`: went on battery.
    OnBattery,
    /// `$`: back on line.
    OnLine,
    /// `%`: battery low.
    BatteryLow,
    /// `+`: battery no longer low.
    BatteryNotLow,
    /// `#`: replace the battery.
    ReplaceBattery,
    /// `|`: a variable of the EEPROM has changed.
    EepromChanged,
    /// `?`: abnormal condition.
    Abnormal,
    /// `=`: no longer abnormal.
    Normal,
    /// `*`: the load is about to be switched off.
    SwitchingOff,
    /// `&`: an alarm of the Measure-UPS accessory.
    Accessory,
}

impl Alert {
    /// The alert that this byte is, if any.
    #[must_use]
    pub const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            b'!' => Self::OnBattery,
            b'$' => Self::OnLine,
            b'%' => Self::BatteryLow,
            b'+' => Self::BatteryNotLow,
            b'#' => Self::ReplaceBattery,
            b'|' => Self::EepromChanged,
            b'?' => Self::Abnormal,
            b'=' => Self::Normal,
            b'*' => Self::SwitchingOff,
            b'&' => Self::Accessory,
            _ => return None,
        })
    }

    /// Whether it can also be a character of a free text: a name, a date.
    #[must_use]
    pub const fn is_also_text(self) -> bool {
        matches!(self, Self::Abnormal | Self::Normal | Self::SwitchingOff | Self::Accessory)
    }
}

/// What an answer to `query` looks like; `None`: the byte is no query of ours.
#[must_use]
pub const fn form(query: u8) -> Option<Form> {
    Some(match query {
        b'B' | b'C' | b'F' | b'L' | b'M' | b'N' | b'O' | b'P' | b'f' | b'g' | b'h' | b'j' | b't' => {
            Form::Number
        }
        b'e' | b'l' | b'o' | b'p' | b'q' | b'r' | b'u' | b'>' | b'<' => Form::Whole,
        STATUS | b'7' | b'8' | b'\'' | b'~' => Form::Hex,
        TRANSFER_CAUSE => Form::TransferCause,
        SELF_TEST_RESULT => Form::SelfTest,
        b's' => Form::Sensitivity,
        b'k' => Form::AlarmDelay,
        b'E' | b'V' | b'b' | b'c' | b'm' | b'n' | b'x' | MODEL => Form::Text,
        CAPABILITIES | EEPROM => Form::Raw,
        _ => return None,
    })
}
