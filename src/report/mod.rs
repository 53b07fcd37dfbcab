//! A [`Snapshot`] as NIS text or JSON. Pure.

mod field;
mod snapshot;
mod stamp;
mod text;

pub use field::status_words;
pub use snapshot::{Facts, Snapshot};
pub use stamp::Stamp;
pub use text::{MAX_RECORD, Renderer, text};
