//! The loop and the pump.

mod calibration;
mod clock;
mod contact;
#[cfg_attr(not(feature = "control"), path = "no_control.rs")]
pub mod control;
pub mod driver;
mod dry_run;
mod event_limit;
mod event_loop;
mod held_hooks;
pub mod helper;
mod line_limit;
mod observed;
mod obstacles;
mod recorder;
mod reread;
#[cfg_attr(not(feature = "control"), path = "no_self_tests.rs")]
mod self_tests;
pub mod settings;
mod status;
mod supervisor;
pub mod token;
mod writers;

pub use clock::Clock;
pub use driver::{Driver, LockedDriver, connection};
pub use dry_run::{DryRun, Place};
pub use event_loop::{EventLoop, Exit, Source};
pub use observed::{Observed, Observer, Unobserved};
pub use obstacles::{Obstacle, obstacles};
pub use recorder::Recorder;
pub use settings::Invocation;
pub use supervisor::{Supervisor, SupervisorConfig};
pub use writers::Places;
