//! A [`Snapshot`] as NIS text or JSON. Pure.

mod snapshot;
mod stamp;

pub use snapshot::{Facts, Snapshot};
pub use stamp::Stamp;
