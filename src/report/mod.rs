//! A [`Snapshot`] as NIS text or JSON. Pure.

mod snapshot;

pub use snapshot::{Facts, Snapshot, Stamp};
