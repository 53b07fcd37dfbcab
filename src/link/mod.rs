//! One conversation for each way of reaching a UPS.
//!
//! Every link is sans-I/O and keeps the contract of [`Link`]. Links never decide about power: they say what the UPS says, once it is
//! plausible.

#[cfg(feature = "apcsmart")]
pub mod apcsmart;
#[cfg(feature = "dumb")]
pub mod dumb;
#[cfg(any(feature = "apcsmart", feature = "pcnet"))]
mod letters;
#[cfg(any(feature = "apcsmart", feature = "dumb", feature = "modbus", feature = "pcnet", feature = "snmp"))]
mod loss;
#[cfg(feature = "modbus")]
pub mod modbus;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "pcnet")]
pub mod pcnet;
#[cfg(any(
    feature = "apcsmart",
    feature = "dumb",
    feature = "modbus",
    feature = "net",
    feature = "pcnet",
    feature = "snmp",
    feature = "usb"
))]
mod silence;
#[cfg(feature = "test")]
pub mod simulated;
#[cfg(feature = "snmp")]
pub mod snmp;
#[cfg(feature = "usb")]
pub mod usb;
#[cfg(all(feature = "usb", feature = "modbus"))]
pub mod usb_modbus;

use std::time::{Duration, Instant};

use crate::bus::Bus;
use crate::ups::{Command, CommandResult, Identity, PollRate, Priority, Reading};

/// A conversation with a UPS, without the descriptor that carries it.
///
/// There are four kinds of methods. `handle_*` take what has happened: an event of the port, or that time has passed. `poll_*`
/// yield what follows from it: what the port is to do, what there is to tell, and the next deadline. `set_*` change how the link
/// works from now on. [`command`](Self::command) takes an order to the UPS.
///
/// After each call of a `handle_*`, a `set_*` or `command`, the caller calls [`poll_transmit`](Self::poll_transmit) until `None`
/// and hands over the port's events that come of it, then [`poll_event`](Self::poll_event) until `None`, and at
/// [`poll_timeout`](Self::poll_timeout) at the latest it calls `handle_timeout` and `poll_transmit` again.
///
/// The link never looks at a clock. `now` never goes back from one call to the next; a call too early, or twice with the same
/// `now`, does no harm. Events that have waited, perhaps for long, come before `handle_timeout` judges deadlines by their absence.
pub trait Link {
    /// What carries the conversation.
    type Bus: Bus;
    /// The port tells something.
    fn handle_event(&mut self, now: Instant, event: <Self::Bus as Bus>::Event<'_>);
    /// A deadline may have passed.
    fn handle_timeout(&mut self, now: Instant);
    /// What the port must do now, if anything.
    fn poll_transmit(&mut self, now: Instant) -> Option<<Self::Bus as Bus>::Transmit>;
    /// What the link has to tell.
    fn poll_event(&mut self) -> Option<LinkEvent>;
    /// The next moment at which [`handle_timeout`](Self::handle_timeout) and [`poll_transmit`](Self::poll_transmit) want to be
    /// called; in the past: at once; `None`: only an event is waited for.
    fn poll_timeout(&self) -> Option<Instant>;
    /// How often to poll from now on.
    fn set_poll_rate(&mut self, poll_rate: PollRate, now: Instant);
    /// POLLTIME changed.
    fn set_poll_time(&mut self, poll_time: Duration, now: Instant);
    /// Something to tell the UPS; the answer comes as [`LinkEvent::Command`].
    fn command(&mut self, command: Command, now: Instant);
}

/// What a link has to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkEvent {
    /// The UPS answers and has said what it is. Also sent after each return, with the values read anew.
    Attached(Box<Identity>),
    /// A complete, plausible reading.
    Reading(Box<Reading>),
    /// The UPS does not answer, or is not there. Sent once per loss, at once (the power machine decides when it
    /// becomes `commfailure`). Also sent when the first look at start finds nothing.
    Lost {
        /// What happened and to which device, for the log.
        reason: String,
    },
    /// A slave's master has answered; sent before what the answer says.
    Master {
        /// Its address as configured, MASTER.
        name: String,
        /// Its UPSMODE, which a slave shows as its own.
        mode: Option<String>,
    },
    /// A slave's master has not answered five checks in a row (nis §9.4). Sent once per loss, after [`Self::Lost`].
    MasterUnreachable {
        /// When the first of them failed.
        since: Instant,
    },
    /// A master or management card says that the shutdown is ordered, or that it is not; nothing before the first such order.
    Remote(bool),
    /// How far the counters of a card's packets have come: what the link wants back after a restart, lest old packets pass for new
    /// ones.
    Counters([u32; 2]),
    /// A command ended.
    Command(CommandResult),
    /// A line for the log, already rate-limited by the link.
    Log(Priority, String),
}
