//! The live view of a UPS, on a terminal or as lines: what `mainsd demo` and `mainsd status --watch` have in common.

mod gauge;
mod history;
mod plain;
mod screen;
mod style;
mod view;

pub use history::{Happening, History, RecentEvents};
pub use plain::Plain;
pub use screen::Screen;
#[cfg(feature = "test")]
pub use view::clock;
pub use view::{About, Scene, render};
