//! One conversation for each way of reaching a UPS.
//!
//! Every link is sans-I/O. `handle_*` takes what came from outside, with `now`; `poll_*` yields what must
//! happen next; `poll_timeout` is the next deadline. `handle_timeout` too early or twice is a no-op. Links never
//! decide about power: they say what the UPS says, once it is plausible.

pub mod apcsmart;
pub mod dumb;
pub mod net;
pub mod simulated;
pub mod usb;

use crate::ups::{CommandResult, Identity, Priority, Reading};

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
        since: std::time::Instant,
    },
    /// A master or management card orders the shutdown, or takes the order back. Sent once per change.
    Remote(bool),
    /// A command ended.
    Command(CommandResult),
    /// A line for the log, already rate-limited by the link.
    Log(Priority, String),
}
