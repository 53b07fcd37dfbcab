//! Whether the UPS answers.

use std::time::{Duration, Instant};

/// How long the first contact may take before `commfailure` (power-events §6: device cannot be opened at start).
pub(super) const FIRST_CONTACT: Duration = Duration::from_secs(60);
/// How often `Communications with UPS lost.` is logged again (power-events §6).
pub(super) const SAY_AGAIN: Duration = Duration::from_secs(600);

/// The link, as the machine sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Comm {
    /// Not heard of since the daemon started.
    Starting { since: Instant, reason: String },
    /// It answers.
    Up,
    /// It has stopped answering; `commfailure` has not been issued yet.
    Silent { since: Instant, reason: String },
    /// `commfailure` has been issued.
    Lost { since: Instant, said_at: Instant, reason: String },
}

impl Comm {
    /// Since when it has not answered.
    pub(super) const fn silent_since(&self) -> Option<Instant> {
        match self {
            Self::Up => None,
            Self::Starting { since, .. } | Self::Silent { since, .. } | Self::Lost { since, .. } => {
                Some(*since)
            }
        }
    }

    /// `commfailure` has been issued.
    pub(super) const fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }

    /// The link's last words about it.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Up => "",
            Self::Starting { reason, .. } | Self::Silent { reason, .. } | Self::Lost { reason, .. } => reason,
        }
    }
}
