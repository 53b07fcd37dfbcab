//! The loop and the pump.

mod clock;
mod driver;
pub mod drivers;
mod event_loop;
mod house;
mod journalist;
pub mod settings;
mod simulated;
mod status;
pub mod token;

pub use clock::Clock;
pub use driver::{Driver, LockedDriver, SerialDriver, UsbDriver};
pub use event_loop::{EventLoop, Exit, Observer, Unobserved};
pub use house::{House, Parts};
pub use settings::Invocation;
pub use simulated::SimulatedDriver;
