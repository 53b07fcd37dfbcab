//! The loop and the pump.

mod driver;
pub mod token;

pub use driver::Driver;
