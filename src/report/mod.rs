//! A [`Snapshot`] as NIS text or JSON. Pure.

mod json;
mod snapshot;
mod stamp;
mod text;
mod value;

pub use json::{json, json_answer, json_clients, json_events, json_value, quoted};
pub use snapshot::{Facts, Snapshot};
pub use stamp::Stamp;
pub use text::{MAX_RECORD, Renderer, text};
