//! What goes between a link and its port, as plain values: one file for each way of being connected.
//!
//! A port ([`crate::port::Port`]) turns what happens at a descriptor into events of its bus; a link ([`crate::link::Link`])
//! answers with what the port is to do. Neither knows the other.

pub mod card;
pub mod datagram;
mod fault;
pub mod serial;
pub mod stream;
pub mod usb;

pub use fault::Fault;

use std::convert::Infallible;

/// A way of being connected.
pub trait Bus {
    /// What the port tells the link.
    type Event<'a>;
    /// What the link has the port do.
    type Transmit;
    /// The event with a fault. Whether there is a connection is not changed; what an answer is waited for gets one. `spoilt` holds the
    /// bytes.
    fn spoil<'a>(event: Self::Event<'a>, fault: Fault, spoilt: &'a mut Vec<u8>) -> Self::Event<'a>;
}

/// No connection: for a link that needs none.
#[derive(Debug)]
pub struct Unconnected;

impl Bus for Unconnected {
    type Event<'a> = Infallible;
    type Transmit = Infallible;

    fn spoil(event: Infallible, _: Fault, _: &mut Vec<u8>) -> Infallible {
        match event {}
    }
}
