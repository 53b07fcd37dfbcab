//! The line, as believed, with the data that each state needs.

use std::time::{Duration, Instant};

use super::debounce::Debounce;

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
/// How long after an answer that is no news the UPS is asked again why it transferred, until then.
pub(super) const CAUSE_PAUSE: Duration = Duration::from_millis(100);
/// How often, during a self test, the UPS is asked whether it still calls it one.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(2);
/// A UPS that says of a self test that mains is not there says so within this time of its beginning: then it is no news.
pub(super) const MAINS_SETTLES: Duration = Duration::from_secs(10);
/// How often the UPS is asked, until `onbattery` is due, whether a power failure is a self test after all; and, when
/// something speaks against a test, or its result is awaited, for the next sample.
pub(super) const ASK_SOON: Duration = Duration::from_secs(1);

/// What the line is believed to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    /// No reading has said.
    Unknown,
    /// The load runs from mains.
    Mains(Mains),
    /// On battery, confirmed, not yet announced: the UPS is being asked why.
    Transferred {
        /// The first sample that said so.
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
    /// Samples that agree on it: what an earlier run left behind is removed when there are enough.
    pub(super) agreed: Debounce,
    /// A self test that has just ended and whose result has not been told yet.
    pub(super) ended_test: Option<Query>,
}

/// A self test or calibration.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Test {
    /// The first sample on battery.
    pub(super) since: Instant,
    /// When it is taken for an outage.
    pub(super) until: Instant,
    /// The UPS says that it calibrates.
    pub(super) calibration: bool,
    /// The UPS says that a self test is under way, and that mains is there.
    pub(super) with_mains: bool,
    /// The UPS says of this test that mains is there, and not only at first: if it says otherwise, mains has failed.
    pub(super) mains_seen: bool,
    /// What speaks against it.
    pub(super) refuted: Refuted,
    /// The calibration bit has dropped.
    pub(super) calibration_over: Debounce,
    /// The self test is not said to be under way any more, or mains not to be there.
    pub(super) with_mains_over: Debounce,
    /// When the UPS was asked last whether it is one.
    pub(super) asked: Instant,
    /// When everything was asked for the last time, because something speaks against it.
    pub(super) polled: Instant,
    /// It had been announced as an outage before the UPS said that it is a test.
    pub(super) announced_as: Option<Box<Outage>>,
}

/// What shows that a test is none, each by samples of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Refuted {
    /// The line voltage is gone.
    pub(super) line_dead: Debounce,
    /// Mains was there, and is not.
    pub(super) mains_gone: Debounce,
    /// The charge is too low for a calibration.
    pub(super) charge_low: Debounce,
    /// The UPS names another cause.
    pub(super) other_cause: Debounce,
}

impl Refuted {
    const fn all(&self) -> [(Debounce, &'static str); 4] {
        [
            (self.line_dead, "the line voltage is gone"),
            (self.mains_gone, "mains is not there any more"),
            (self.charge_low, "the charge is lower than a test leaves it"),
            (self.other_cause, "the UPS names another cause"),
        ]
    }

    /// Why it is no test, if so many samples say so.
    pub(super) fn reason(&self, samples: u32) -> Option<&'static str> {
        self.all().into_iter().find(|(streak, _)| streak.since(samples).is_some()).map(|(_, reason)| reason)
    }

    /// A sample speaks against it and waits for another.
    pub(super) fn in_doubt(&self) -> bool {
        self.all().into_iter().any(|(streak, _)| streak.first().is_some())
    }
}

/// An outage.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outage {
    /// Since when the load runs from battery.
    pub(super) since: Instant,
    /// Charge and runtime count if they were read no earlier.
    pub(super) values_from: Instant,
    /// TIMEOUT, ANNOYDELAY and NOLOGON count from here: the announcement, then again `onbattery` (power-events §3).
    pub(super) counted_from: Instant,
    /// `onbattery` has been announced.
    pub(super) announced: bool,
    /// Last `annoyme`.
    pub(super) annoyed: Option<Instant>,
    /// Charge at or below BATTERYLEVEL.
    pub(super) charge_low: Debounce,
    /// Runtime at or below MINUTES.
    pub(super) runtime_low: Debounce,
    /// First charge of this outage, for its rate of fall.
    pub(super) first_charge: Option<(f64, Instant)>,
    /// What says that it is a test after all.
    pub(super) after_all: AfterAll,
    /// It has been a test already, so it is never one again.
    pub(super) tested: bool,
    /// When the UPS was asked last why it transferred.
    pub(super) asked: Option<Instant>,
    /// That the low battery flag is not counted has been logged.
    pub(super) flag_told: bool,
    /// An earlier run saw it begin.
    pub(super) taken_over: bool,
    /// Taken over from an earlier run: nothing is announced and no limit counts until readings agree, or until this.
    pub(super) unconfirmed: Option<UnconfirmedOutage>,
}

/// What says that an outage is a test after all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct AfterAll {
    /// The calibration bit.
    pub(super) calibration: Debounce,
    /// A self test under way, and mains there.
    pub(super) with_mains: Debounce,
    /// A cause that has become "self test".
    pub(super) cause: Debounce,
}

/// An outage of which only an earlier run knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct UnconfirmedOutage {
    /// Samples that agree.
    pub(super) agreed: Debounce,
    /// Without any sample it is believed from here on.
    pub(super) until: Instant,
}

/// Something that the UPS has been asked: its answer counts once the command has ended and a reading has come since with a
/// sample that is no older than the question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Query {
    /// Nothing asked.
    #[default]
    Idle,
    /// Asked at this moment; `read`: a sample has come since.
    Asked { at: Instant, read: bool },
    /// The command has ended, the sample is missing.
    Answered { at: Instant },
    /// Both are there.
    Fresh,
}

impl Query {
    /// Asked now.
    pub(super) const fn asked(now: Instant) -> Self {
        Self::Asked { at: now, read: false }
    }

    /// A reading has come with a sample of this time.
    pub(super) fn reading(&mut self, sample: Option<Instant>) {
        match self {
            Self::Asked { at, read } => *read |= sample >= Some(*at),
            Self::Answered { at } if sample >= Some(*at) => *self = Self::Fresh,
            Self::Answered { .. } | Self::Idle | Self::Fresh => {}
        }
    }

    /// Whether a sample has come since.
    pub(super) const fn is_read(self) -> bool {
        matches!(self, Self::Asked { read: true, .. } | Self::Fresh)
    }

    pub(super) const fn answered(&mut self) {
        match *self {
            Self::Asked { read: true, .. } => *self = Self::Fresh,
            Self::Asked { at, read: false } => *self = Self::Answered { at },
            Self::Idle | Self::Answered { .. } | Self::Fresh => {}
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

impl Line {
    /// It goes back to an outage that an earlier run saw begin.
    pub(super) fn is_taken_over(&self) -> bool {
        match self {
            Self::Battery(outage) => outage.taken_over,
            Self::Test(test) => test.announced_as.as_ref().is_some_and(|outage| outage.taken_over),
            Self::Unknown | Self::Mains(_) | Self::Transferred { .. } => false,
        }
    }
}

impl Mains {
    pub(super) const fn new(since: Instant) -> Self {
        Self { since, agreed: Debounce::NONE, ended_test: None }
    }
}

impl Outage {
    /// No earlier than an unconfirmed outage counts.
    pub(super) fn not_before(&self, at: Instant) -> Instant {
        self.unconfirmed.map_or(at, |unconfirmed| at.max(unconfirmed.until))
    }

    /// On battery since; counted from; and by values read from `values_from` on.
    pub(super) const fn new(since: Instant, counted_from: Instant, values_from: Instant) -> Self {
        Self {
            since,
            values_from,
            counted_from,
            announced: false,
            annoyed: None,
            charge_low: Debounce::NONE,
            runtime_low: Debounce::NONE,
            first_charge: None,
            after_all: AfterAll {
                calibration: Debounce::NONE,
                with_mains: Debounce::NONE,
                cause: Debounce::NONE,
            },
            tested: false,
            asked: None,
            flag_told: false,
            taken_over: false,
            unconfirmed: None,
        }
    }
}

impl Test {
    /// On battery since; an outage from `until` on.
    pub(super) fn new(since: Instant, until: Instant, now: Instant) -> Self {
        Self {
            since,
            until,
            calibration: false,
            with_mains: false,
            mains_seen: false,
            refuted: Refuted::default(),
            calibration_over: Debounce::NONE,
            with_mains_over: Debounce::NONE,
            asked: now,
            polled: now,
            announced_as: None,
        }
    }
}
