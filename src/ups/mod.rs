//! The vocabulary: what a UPS says, what it can be told, and the names of what happens to it.
//!
//! Plain values only: no I/O, no clock, no text of one driver. Every other room may import this one.

mod calendar;
mod clean;
mod command;
mod earliest;
mod event;
mod field;
mod fixed;
mod lowbattery;
mod nologon;
mod rate_limit;
mod reading;
mod setting;
mod status;
mod test_schedule;
mod transfer;
mod units;

pub use calendar::calendar_date;
pub(crate) use calendar::civil;
#[cfg(feature = "tools")]
pub(crate) use calendar::day_of;
pub use clean::{MAX_LINE, clean, is_unsafe, one_line};
pub use command::{Asker, Beeper, Command, CommandResult, PollRate, Switch};
pub use earliest::earliest;
pub use event::{Event, Priority};
pub use field::{
    Access, DaemonDate, DaemonNumber, DaemonText, FIELDS, Field, Form, Said, SaidMut, Text, Unit, key,
};
pub use fixed::{Fixed, plain};
pub use lowbattery::{LowBatteryFlag, NEAR_END_MINUTES, NEAR_END_PERCENT};
pub use nologon::NoLogon;
pub use rate_limit::RateLimit;
pub use reading::{Evidence, Identity, Item, ReadTimes, Reading, Values};
pub use setting::{Setting, SettingValue, ShortText};
pub use status::StatusFlags;
pub use test_schedule::TestSchedule;
pub use transfer::{
    AlarmDelay, CalibrationResult, SelfTestInterval, SelfTestResult, Sensitivity, TransferCause, test_reasons,
};
pub use units::{Amps, Celsius, Hertz, Minutes, Percent, VoltAmps, Volts, Watts};
