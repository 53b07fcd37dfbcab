//! What a supply and the computer that it feeds tell each other, as plain values.

use std::time::Instant;

use super::supply::Aged;
use super::{Cause, Order};

/// What a supply tells its host, in the order in which it happens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum News {
    /// Something to be done, logged or announced because of this UPS; none of it is about this computer.
    Order(Order),
    /// The load runs from mains again.
    MainsBack,
    /// Enough samples agree that it does. Told again with each reading.
    MainsConfirmed,
    /// A limit is reached.
    Demand(Demand),
}

/// A supply wants its host shut down. It stands as long as [`Condition::upholds`] its cause.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Demand {
    pub(super) cause: Cause,
    /// The values that decided, since when, and the limits; one line.
    pub(super) explanation: String,
}

/// A supply as believed at one moment: all that a host knows of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Condition {
    /// Since when the load runs from mains.
    pub(super) mains_since: Option<Instant>,
    /// Since when it runs from battery, for whatever reason.
    pub(super) on_battery_since: Option<Instant>,
    /// It runs from battery for a self test or calibration.
    pub(super) tests: bool,
    /// It runs from battery because mains failed.
    pub(super) outage: Option<OutageView>,
    /// A sample contradicts the line as believed and waits for another.
    pub(super) changing: bool,
    /// Nothing that cannot be undone is done before this moment: mains may be back.
    pub(super) doubt_until: Option<Instant>,
    /// The UPS does not answer.
    pub(super) silent: bool,
    /// The UPS says that its battery is low, and that counts.
    pub(super) low: bool,
    /// The UPS says that its battery fails, and that counts.
    pub(super) emergency: bool,
    /// The last runtime that can be true, in minutes.
    pub(super) runtime: Option<Aged>,
    /// A slave's master was lost during an outage, and is away still.
    pub(super) master_lost: bool,
}

/// What a host knows of an outage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct OutageView {
    /// TIMEOUT, ANNOYDELAY and NOLOGON count from here.
    pub(super) counted_from: Instant,
    /// Last `annoyme`.
    pub(super) annoyed: Option<Instant>,
    /// When a limit is so near that NOLOGON prohibits logins.
    pub(super) no_login_at: Option<Instant>,
}

impl Condition {
    /// Whether a demand made for this cause stands; `false`: it is taken back.
    pub(super) const fn upholds(&self, cause: Cause) -> bool {
        match cause {
            // What becomes of an order is the host's.
            Cause::Remote | Cause::Operator => false,
            Cause::MasterLost => self.master_lost,
            Cause::LowBattery | Cause::Timeout | Cause::Charge | Cause::Runtime | Cause::Emergency => {
                self.outage.is_some()
            }
        }
    }

    /// No earlier than the end of a doubt.
    pub(super) fn defer_while_ambiguous(&self, at: Instant) -> Instant {
        self.doubt_until.map_or(at, |until| at.max(until))
    }
}
