//! The power machine: `(state, reading, now) → orders`. Pure: no I/O, no wall clock, no configuration text.

mod order;

pub use order::{Cause, HookReport, Order, PowerView, SavedOutage, Settings};
