//! The power machine: `(state, reading, now) → orders`. Pure: no I/O, no wall clock, no configuration text.
//!
//! [`Machine`] takes readings, silence, reports and time by `handle_*`, and gives [`Order`]s by `poll_order`. The manual
//! page `mainsd-power(7)` says what it believes, when it waits and how it differs from apcupsd 3.14.14. It joins a
//! supply, which is one UPS, and a host, which is this computer. The states: the supply's line, whether the host is to be shut down, and
//! whether the UPS answers:
//!
//! ```text
#![doc = include_str!("diagram.txt")]
//! ```
//!
//! Where things are:
//!
//! - `supply/`: one UPS. `transitions`: readings, and the changes of the line that they make; `debounce`: agreement of samples;
//!   `measurements`: what is data and what is not, and when it was read; `outage`: the line's states with their data; `selftest`:
//!   tests and calibrations; `comm`: whether the UPS answers; `limits`: the table of limits; `low_battery`: what the UPS's
//!   word of a low battery counts for; `text`: the reasons of a shutdown; `other_ups`: an exchanged UPS starts anew;
//! - `host/`: this computer. `shutdown_state` and `shutdown`: the decision and what follows from it; `slaves`: who is told and waited
//!   for before; `operator`: the shutdown that root orders;
//! - `permit`: what somebody else may tell the UPS, and when;
//! - `condition`: what the two tell each other: a supply's news, its demand for a shutdown, and its condition;
//! - `machine`: the two joined; what comes in. Every timer by name: `timers` of each.

mod condition;
mod host;
pub mod kill_power;
mod machine;
mod order;
pub mod permit;
mod supply;

pub use machine::Machine;
pub use order::{AtStart, Cause, HookReport, Order, PowerView, SavedOutage, Settings};

#[cfg(test)]
pub(crate) mod tests;
