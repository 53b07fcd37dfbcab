//! The loop and the pump.

mod driver;
mod simulated;
pub mod token;

pub use driver::Driver;
pub use simulated::SimulatedDriver;
