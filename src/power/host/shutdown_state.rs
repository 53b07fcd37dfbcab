//! Whether a shutdown is decided: one decision, carried out until the machine is down; no longer when mains is back for good.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Cause, Condition};

/// Every way to shut down failed: all of them are tried again after this.
pub(super) const TRY_AGAIN: Duration = Duration::from_secs(30);
/// However short SHUTDOWNGRACE is, a shutdown has this long.
const SHORTEST: Duration = Duration::from_secs(1);
/// Mains must be back this long before the decision is dropped.
pub(super) const MAINS_STABLE: Duration = Duration::from_secs(60);
/// A kill-power command that failed is sent again after this.
pub(super) const KILL_AGAIN: Duration = Duration::from_secs(10);

/// Whether a shutdown has been decided.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ShutdownState {
    /// No shutdown is decided.
    Idle,
    /// One is, and it is carried out.
    Decided(Decision),
}

/// A decided shutdown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decision {
    pub(super) cause: Cause,
    /// When it was decided first.
    pub(super) decided: Instant,
    /// When slaves were told, perhaps by an earlier run of the daemon.
    pub(super) announced: Instant,
    /// When it was ordered first, if slaves had their time before.
    pub(super) waited_until: Option<Instant>,
    /// When it was ordered last.
    pub(super) ordered: Instant,
    pub(super) progress: Progress,
    /// When the UPS is to be told to switch off.
    pub(super) kill_at: Option<Instant>,
    /// A share master has left its slaves their time.
    pub(super) share_waited: bool,
    pub(super) explanation: String,
}

impl Decision {
    /// Root has ordered it on mains, and this outage began after that.
    pub(super) fn is_before(&self, supply: &Condition) -> bool {
        let is_ordered = matches!(self.progress, Progress::Ordered | Progress::UnderWay);
        is_ordered
            && self.cause == Cause::Operator
            && supply.on_battery_since.is_some_and(|since| since > self.ordered)
    }
}

/// Progress of the decided shutdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Decided; slaves are told and have some time.
    Waiting(Waiting),
    /// Ordered; no report yet.
    Ordered,
    /// The shutdown command exited with success.
    UnderWay,
    /// Every way failed, at this moment.
    Failed(Instant),
}

/// Slaves that have been told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Their time counts from here.
    pub(super) from: Instant,
    /// When it was asked last who is there.
    pub(super) looked: Instant,
    /// The battery was low already when it was decided.
    pub(super) low: bool,
    /// How many were there at the last look.
    pub(super) present: Option<usize>,
    /// All that have been there.
    pub(super) slaves: Vec<IpAddr>,
}

impl ShutdownState {
    pub(super) fn waiting(&self) -> Option<&Waiting> {
        match &self.decision()?.progress {
            Progress::Waiting(waiting) => Some(waiting),
            _ => None,
        }
    }

    pub(super) fn waiting_mut(&mut self) -> Option<&mut Waiting> {
        match &mut self.decision_mut()?.progress {
            Progress::Waiting(waiting) => Some(waiting),
            _ => None,
        }
    }

    pub(super) const fn decision(&self) -> Option<&Decision> {
        match self {
            Self::Idle => None,
            Self::Decided(decision) => Some(decision),
        }
    }

    pub(super) const fn decision_mut(&mut self) -> Option<&mut Decision> {
        match self {
            Self::Idle => None,
            Self::Decided(decision) => Some(decision),
        }
    }
}

impl Decision {
    /// Root has ordered it and every way has failed: it is tried until it is cancelled. One that was carried out is not repeated.
    pub(super) fn is_operators_to_repeat(&self) -> bool {
        self.cause == Cause::Operator && matches!(self.progress, Progress::Failed(_))
    }

    /// When it is ordered again if it is still wanted then: when its grace is over, or soon after every way has failed.
    pub(super) fn again_at(&self, grace: Duration) -> Option<Instant> {
        let timeout = self.ordered.checked_add(grace.max(SHORTEST))?;
        match self.progress {
            Progress::Waiting(_) => None,
            Progress::Ordered | Progress::UnderWay => Some(timeout),
            Progress::Failed(at) => Some(at.checked_add(TRY_AGAIN)?.min(timeout)),
        }
    }
}
