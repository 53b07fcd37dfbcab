//! A USB UPS that is a program: the real kernel sees a device, whose other end is here.
//!
//! Linux's virtual host controller takes one end of a socket pair and speaks USB/IP over it. [`Unit`]
//! keeps the other end and answers like the UPS of a file of `tests/devices`: the same descriptors, the same reports,
//! and every fault a test can think of.
//!
//! Needs root and the kernel module `vhci-hcd`, so it is used inside the virtual machine of `tests/vm`.
#![allow(dead_code, unused_imports, reason = "each program uses its own part")]
#![allow(clippy::disallowed_methods, reason = "a test program: real threads, real clock")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program reports by panicking"
)]

pub mod descriptor;
pub mod ftdi;
#[path = "../modbus/unit.rs"]
#[allow(clippy::duplicate_mod, reason = "the program of tests/vm has no other")]
pub mod modbus;
pub mod model;
pub mod redir;
mod standard;
pub mod unit;
pub mod vhci;
pub mod wire;

pub use ftdi::Adapter;
pub use model::Model;
pub use unit::{Faults, Seen, Unit};
