//! `apcupsd.conf`: grammar, the directive table, [`Config`], diagnostics with file and line.
//!
//! [`load`] reads a file, [`parse()`] bytes; both find everything that is wrong in one run. The table of
//! [`directives`] drives them, and the texts made from it: the list in the man page, the example configuration.

mod changed;
pub mod device;
mod diagnostic;
pub mod directives;
mod enums;
mod load;
#[cfg(test)]
mod manual;
mod nis_allow;
mod parse;
mod rules;
mod settings;
mod short_address;
mod suggest;
mod typography;
pub mod wrappers;

pub use changed::{Change, changed};
pub use diagnostic::{Diagnostic, Severity};
pub use enums::{Cable, CableClass, Facility, UpsClass, UpsMode};
pub use load::{LoadError, load, read};
pub use nis_allow::{NisAllow, NotANetwork};
pub use parse::{Origin, Parsed, parse};
pub use settings::{Config, Eeprom};
pub use suggest::{nearest_directive, nearest_of};

pub use crate::ups::NoLogon;

/// The file that is read when none is named: mainsd's own, which a package makes.
pub const OWN_PATH: &str = "/etc/mainsd/mainsd.conf";

/// The file that is read when none is named and there is no [`OWN_PATH`]: the one that a machine with apcupsd has.
pub const APCUPSD_PATH: &str = "/etc/apcupsd/apcupsd.conf";
