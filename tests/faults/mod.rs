//! Seeded runs of the real program: an outage story, a fault, and a judge that knows what must come of them.

pub mod chance;
pub mod fault;
pub mod guard;
pub mod judge;
pub mod record;
pub mod run;
pub mod story;
pub mod table;
