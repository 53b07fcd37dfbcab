//! The vocabulary: what a UPS says, what it can be told, and the names of what happens to it.
//!
//! Plain values only: no I/O, no clock, no text of one driver. Every other room may import this one.

mod command;
mod event;
mod names;
mod nologon;
mod reading;
mod status;
mod transfer;
mod units;

pub use command::{Command, CommandResult, Pace, Setting, SettingValue};
pub use event::{Event, Priority};
pub use names::Names;
pub use nologon::NoLogon;
pub use reading::{Evidence, Identity, Reading, Values};
pub use status::StatusFlags;
pub use transfer::{AlarmDelay, SelfTestInterval, SelfTestResult, Sensitivity, TransferCause};
pub use units::{Amps, Celsius, Hertz, Minutes, Percent, VoltAmps, Volts, Watts};
