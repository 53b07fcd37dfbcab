//! The loop and the pump.

mod clock;
mod driver;
mod simulated;
pub mod token;

pub use clock::Clock;
pub use driver::{Driver, UsbDriver};
pub use simulated::SimulatedDriver;
