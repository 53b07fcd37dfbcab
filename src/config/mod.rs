//! `apcupsd.conf`: grammar, the directive table, [`Config`], diagnostics with file and line.

mod settings;

pub use settings::{Cable, Config, DriverKind, Eeprom, Facility, NisAllow, NoLogon, UpsClass, UpsMode};
