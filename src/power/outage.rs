//! The line, as believed, with the data that each state needs.

use std::time::{Duration, Instant};

use super::streak::Streak;

/// A self test may last this long before it is taken for an outage (power-events §3).
pub(super) const SELF_TEST_LONGEST: Duration = Duration::from_secs(40);
/// A calibration whose bit has dropped gets this long to return to mains.
pub(super) const CALIBRATION_ENDING: Duration = Duration::from_secs(10);
/// Bounds of a calibration: twice the runtime that the UPS claimed, but at least and, if it claimed none, at most:
pub(super) const CALIBRATION_AT_LEAST: Duration = Duration::from_secs(30 * 60);
/// See [`CALIBRATION_AT_LEAST`].
pub(super) const CALIBRATION_IF_UNKNOWN: Duration = Duration::from_secs(4 * 3600);
/// Bound of a calibration by charge: UPSes stop at 25 %. Per cent.
pub(super) const CALIBRATION_CHARGE: f64 = 15.0;
/// How long a confirmed transfer waits for the UPS to say its cause, before it is announced as a power failure.
pub(super) const CAUSE_WAIT: Duration = Duration::from_secs(1);
/// How long the end of a self test waits for its result.
pub(super) const RESULT_WAIT: Duration = Duration::from_secs(3);

/// What the line is believed to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    /// No reading has said.
    Unknown,
    /// The load runs from mains.
    Mains(Mains),
    /// On battery, confirmed, not yet announced: the UPS is being asked why.
    Transferred {
        /// The first reading that said so.
        since: Instant,
        /// When it was confirmed.
        confirmed: Instant,
    },
    /// On battery for a self test or calibration, as far as can be told: no limit counts.
    Test(Test),
    /// On battery because mains failed.
    Battery(Outage),
}

/// On mains.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mains {
    /// Since when.
    pub(super) since: Instant,
    /// A self test that has just ended and whose result has not been told yet.
    pub(super) ended_test: Option<Instant>,
}

/// A self test or calibration.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Test {
    /// The first reading on battery.
    pub(super) since: Instant,
    /// When it is taken for an outage.
    pub(super) until: Instant,
    /// The UPS says that it calibrates.
    pub(super) calibration: bool,
    /// Readings that show that it is no test.
    pub(super) refuted: Streak,
    /// Readings that say that the calibration bit has dropped.
    pub(super) calibration_over: Streak,
}

/// An outage.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outage {
    /// Since when the load runs from battery.
    pub(super) since: Instant,
    /// TIMEOUT, ANNOYDELAY and NOLOGON count from here: the announcement, then again `onbattery` (power-events §3).
    pub(super) counted_from: Instant,
    /// `onbattery` has been announced.
    pub(super) announced: bool,
    /// Last `annoyme`.
    pub(super) annoyed: Option<Instant>,
    /// Charge at or below BATTERYLEVEL.
    pub(super) charge_low: Streak,
    /// Runtime at or below MINUTES.
    pub(super) runtime_low: Streak,
    /// First charge of this outage, for its rate of fall.
    pub(super) first_charge: Option<(f64, Instant)>,
    /// No limit counts before this: an outage taken over from an earlier run waits for the UPS to say something.
    pub(super) not_before: Option<Instant>,
}

impl Outage {
    pub(super) const fn new(since: Instant, counted_from: Instant) -> Self {
        Self {
            since,
            counted_from,
            announced: false,
            annoyed: None,
            charge_low: Streak::NONE,
            runtime_low: Streak::NONE,
            first_charge: None,
            not_before: None,
        }
    }
}
