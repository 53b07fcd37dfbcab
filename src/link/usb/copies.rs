//! Status bits that a UPS says in several places, and that contradict each other: until all agree, the harmless one counts.
//!
//! The line state is not among them: of it, the report that tells it first is the one that counts, as a copy that is stuck
//! would hide an outage for ever.

use super::decode::View;
use super::table::Key;
use crate::ups::{NEAR_END_MINUTES, NEAR_END_PERCENT};

/// Any of them says that the battery is low.
pub(super) const LOW_BATTERY: [Key; 3] =
    [Key::BelowCapacityLimit, Key::TimeLimitExpired, Key::ShutdownImminent];

/// What a bit says when nothing is wrong.
const fn harmless(key: Key) -> bool {
    matches!(key, Key::BatteryPresent)
}

impl View<'_> {
    /// Whether a bit raises an alarm that a copy of it could deny: then the copies are read.
    pub(super) fn alarms_with_copies(&self) -> bool {
        self.layout.copies.iter().any(|(key, _)| self.bit(*key) == Some(!harmless(*key)))
    }

    /// Whether another copy of this bit denies what it says.
    pub(super) fn is_contradicted(&self, key: Key) -> bool {
        let Some(said) = self.raw(key) else { return false };
        let copies = self.layout.copies.iter().filter(|(of, _)| *of == key);
        copies
            .filter_map(|(_, field)| self.store.feature(field))
            .any(|copy| (copy != 0) != (said != 0) && (copy != 0) == harmless(key))
    }

    /// Some copies say that the battery is low, and others deny it.
    pub(super) fn low_is_contradicted(&self) -> bool {
        LOW_BATTERY.into_iter().any(|key| self.bit(key) == Some(true) && self.is_contradicted(key))
    }

    /// What a contradicted low battery counts for: charge or runtime say the same, or neither is known and no copy was stuck
    /// on mains. Else it would be a false reason for a shutdown, or a dead copy would keep a true one back for ever.
    pub(super) fn low_is_confirmed(&self) -> bool {
        let charge = self.charge().map(|charge| charge <= f64::from(NEAR_END_PERCENT));
        let runtime = self.runtime().map(|runtime| runtime.0 <= f64::from(NEAR_END_MINUTES));
        match (charge, runtime) {
            (None, None) => !self.meaning.low_is_stuck(),
            said => said.0 == Some(true) || said.1 == Some(true),
        }
    }
}
