//! The non-blocking ends in the loop: open, reopen, back off. No protocol knowledge.

#[cfg(feature = "card")]
pub mod card;
#[cfg(feature = "datagram")]
pub mod datagram;
pub mod device_lock;
pub mod faulty;
pub mod lookup;
#[cfg(feature = "unconnected")]
pub mod none;
#[cfg(feature = "serial-port")]
pub mod serial;
#[cfg(feature = "stream")]
pub mod stream;
#[cfg(feature = "stream")]
pub mod tcp_client;
#[cfg(feature = "usb")]
pub mod usb;

use std::time::Instant;

use mio::{Registry, Token};

use crate::bus::Bus;
use crate::ups::Priority;

/// One connection to the outside, as the loop has it. No call blocks.
pub trait Port {
    /// Whose events it tells.
    type Bus: Bus;
    /// Makes what takes files, before this process gives up its right to them. False: it cannot yet, and will need them.
    fn prepare(&mut self) -> bool {
        true
    }
    /// Binds the sockets that it listens at, before this process gives up its right to that. A program that gives one order does not
    /// call it, and so takes no port from the daemon.
    fn listen(&mut self) {}
    /// Opens what can be opened. What is missing is a state, not an error: it is tried again by the port's own deadline.
    fn start(&mut self, registry: &Registry, now: Instant);
    /// One of this port's tokens is ready.
    fn ready(&mut self, registry: &Registry, token: Token, now: Instant);
    /// Takes everything that has come, whether the loop has been told of it or not.
    fn take_waiting(&mut self, registry: &Registry, now: Instant);
    /// A deadline may have passed; early calls do nothing.
    fn handle_timeout(&mut self, registry: &Registry, now: Instant);
    /// The next deadline; in the past: at once; `None`: only a descriptor is waited for.
    fn poll_timeout(&self) -> Option<Instant>;
    /// What has happened; to be called until `None`.
    fn poll_event(&mut self) -> Option<<Self::Bus as Bus>::Event<'_>>;
    /// A line for the log, already rate-limited by the port; to be called until `None`.
    fn poll_log(&mut self) -> Option<(Priority, String)>;
    /// Does what the link wants. What comes of it are events.
    fn transmit(&mut self, registry: &Registry, transmit: <Self::Bus as Bus>::Transmit, now: Instant);
    /// Gives the device back. Bounded: a few milliseconds, whatever the device does. The port is of no use afterwards.
    fn close(&mut self, registry: &Registry);
}
