//! A driver: one link and the port it talks through, as the loop sees it.

mod locked;
mod open;
mod pump;

pub use locked::{LockedDriver, try_lock};
#[cfg(feature = "serial-port")]
pub use open::at_rest;
#[cfg(feature = "card")]
pub use open::card_listening;
#[cfg(feature = "datagram")]
pub use open::listened;
#[cfg(feature = "usb")]
pub use open::open_usb;
#[cfg(feature = "test")]
pub use open::simulated;
#[cfg(any(feature = "stream", feature = "datagram"))]
pub use open::targets;
pub use open::{check, connection, open};
pub use pump::Pump;

use std::time::Instant;

use mio::{Registry, event::Event as IoEvent};

use crate::link::LinkEvent;
use crate::ups::{Asker, Command, PollRate};

/// One link with its port. The loop calls it; nothing else does. No call blocks.
pub trait Driver {
    /// Makes what takes files, before this process gives up its right to them. False: it cannot yet, and will need them.
    fn prepare(&mut self) -> bool {
        true
    }
    /// See [`crate::port::Port::listen`].
    fn listen(&mut self) {}
    /// Opens what can be opened. A missing device is a state, not an error: the driver retries by its own deadline
    /// and says [`LinkEvent::Lost`].
    fn start(&mut self, registry: &Registry, now: Instant);
    /// A descriptor with a token in this driver's range is ready.
    fn ready(&mut self, registry: &Registry, event: &IoEvent, now: Instant);
    /// A deadline may have passed; early calls do nothing. What waits at the descriptor is read before the link judges its
    /// deadlines: this process may have been stopped, and the answer there for long.
    fn handle_timeout(&mut self, registry: &Registry, now: Instant);
    /// The next deadline; `None`: only input wakes it.
    fn poll_timeout(&self) -> Option<Instant>;
    /// What the link has to tell; call until `None`.
    fn poll_event(&mut self) -> Option<LinkEvent>;
    /// How often to poll from now on.
    fn set_poll_rate(&mut self, poll_rate: PollRate, now: Instant);
    /// POLLTIME changed (SIGHUP).
    fn set_poll_time(&mut self, poll_time: std::time::Duration, now: Instant);
    /// Something to tell the UPS; the answer comes as [`LinkEvent::Command`], with who asked for it.
    fn command(&mut self, asker: Asker, command: Command, now: Instant);
    /// Gives the device back (kernel driver re-attached, locks removed). Bounded: returns within a few milliseconds
    /// whatever the device does.
    fn close(&mut self, registry: &Registry);
}
