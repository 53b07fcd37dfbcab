//! The power machine: `(state, reading, now) → orders`. Pure: no I/O, no wall clock, no configuration text.

mod comm;
mod known;
mod latch;
mod limits;
mod machine;
mod order;
mod outage;
mod selftest;
mod shutdown;
mod streak;
mod text;
mod timers;
mod transitions;

pub use machine::Machine;
pub use order::{AtStart, Cause, HookReport, Order, PowerView, SavedOutage, Settings};

#[cfg(test)]
mod tests;
