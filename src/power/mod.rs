//! The power machine: `(state, reading, now) → orders`. Pure: no I/O, no wall clock, no configuration text.
//!
//! [`Machine`] takes readings, silence, reports and time by `handle_*`, and gives [`Order`]s by `poll_order`. The manual
//! page `mainsd-power(7)` says what it believes, when it waits and how it differs from apcupsd 3.14.14. Its states:
//!
//! ```text
#![doc = include_str!("diagram.txt")]
//! ```
//!
//! Where things are:
//!
//! - `machine`: what comes in and what is kept; `transitions`: readings, and the changes of the line that they make;
//! - `streak`: agreement of samples; `known`: what is data and what is not, and when it was read;
//! - `outage`: the line's states with their data; `selftest`: tests and calibrations; `comm`: whether the UPS answers;
//! - `limits`: the table of limits; `low_battery`: what the UPS's word of a low battery counts for; `latch` and `shutdown`: the decision and what follows from it; `slaves`: who is told and
//!   waited for before; `text`: its reason;
//! - `other_ups`: an exchanged UPS starts anew;
//! - `timers`: every timer by name.

mod comm;
pub mod kill_power;
mod known;
mod latch;
mod limits;
mod low_battery;
mod machine;
mod order;
mod other_ups;
mod outage;
mod selftest;
mod shutdown;
mod slaves;
mod streak;
mod text;
mod timers;
mod transitions;

pub use machine::Machine;
pub use order::{AtStart, Cause, HookReport, Order, PowerView, SavedOutage, Settings};

#[cfg(test)]
mod tests;
