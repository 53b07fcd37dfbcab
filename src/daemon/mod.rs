//! The loop and the pump.

mod clock;
mod contact;
pub mod driver;
mod dry_run;
mod event_limit;
mod event_loop;
mod house;
mod journalist;
mod line_limit;
mod obstacles;
pub mod settings;
mod status;
pub mod token;

pub use clock::Clock;
pub use driver::{Driver, LockedDriver};
pub use dry_run::{DryRun, Place};
pub use event_loop::{EventLoop, Exit, Observer, Unobserved};
pub use house::{House, Parts};
pub use obstacles::{Obstacle, obstacles};
pub use settings::Invocation;
