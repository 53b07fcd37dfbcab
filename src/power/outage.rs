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
/// How long the end of a self test waits for a result that is not "in progress".
pub(super) const RESULT_WAIT: Duration = Duration::from_secs(5);
/// How often, during a self test, the UPS is asked whether it still calls it one.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(2);

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
    /// Readings that agree on it: what an earlier run left behind is removed when there are enough.
    pub(super) agreed: Streak,
    /// A self test that has just ended and whose result has not been told yet.
    pub(super) ended_test: Option<Query>,
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
    /// When the UPS was asked last whether it is one.
    pub(super) asked: Instant,
    /// It had been announced as an outage before the UPS said that it calibrates.
    pub(super) announced_as: Option<Box<Outage>>,
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
    /// Readings that say that the UPS calibrates after all.
    pub(super) calibration: Streak,
    /// It has been a test already, so it is never one again.
    pub(super) tested: bool,
    /// Taken over from an earlier run: nothing is announced and no limit counts until readings agree, or until this.
    pub(super) hearsay: Option<Hearsay>,
}

/// An outage of which only an earlier run knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Hearsay {
    /// Readings that agree.
    pub(super) agreed: Streak,
    /// Without any reading it is believed from here on.
    pub(super) until: Instant,
}

/// Something that the UPS has been asked: its answer counts once the command has ended and a reading has come since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Query {
    /// Nothing asked.
    #[default]
    Idle,
    /// Asked; `read`: a reading has come since.
    Asked { read: bool },
    /// The command has ended, the reading is missing.
    Answered,
    /// Both are there.
    Fresh,
}

impl Query {
    /// Asked just now.
    pub(super) const ASKED: Self = Self::Asked { read: false };

    pub(super) const fn reading(&mut self) {
        match self {
            Self::Asked { read } => *read = true,
            Self::Answered => *self = Self::Fresh,
            Self::Idle | Self::Fresh => {}
        }
    }

    pub(super) const fn answered(&mut self) {
        match self {
            Self::Asked { read: true } => *self = Self::Fresh,
            Self::Asked { read: false } => *self = Self::Answered,
            Self::Idle | Self::Answered | Self::Fresh => {}
        }
    }
}

impl Line {
    /// `onbattery` has been announced and not been taken back.
    pub(super) fn announced(&self) -> bool {
        match self {
            Self::Battery(outage) => outage.announced,
            Self::Test(test) => test.announced_as.as_ref().is_some_and(|outage| outage.announced),
            Self::Unknown | Self::Mains(_) | Self::Transferred { .. } => false,
        }
    }
}

impl Mains {
    pub(super) const fn new(since: Instant) -> Self {
        Self { since, agreed: Streak::NONE, ended_test: None }
    }
}

impl Outage {
    /// No earlier than the end of hearsay.
    pub(super) fn not_before(&self, at: Instant) -> Instant {
        self.hearsay.map_or(at, |hearsay| at.max(hearsay.until))
    }

    pub(super) const fn new(since: Instant, counted_from: Instant) -> Self {
        Self {
            since,
            counted_from,
            announced: false,
            annoyed: None,
            charge_low: Streak::NONE,
            runtime_low: Streak::NONE,
            first_charge: None,
            calibration: Streak::NONE,
            tested: false,
            hearsay: None,
        }
    }
}
