//! From the process that knows what is to be saved to the one that writes the state file.

use super::{BootClock, StateFile, plain};
use crate::power::SavedOutage;
use crate::wire::role::Saved;

impl StateFile {
    /// What there is to be written that the file does not hold, for [`StateFile::put`]; it counts as written from now on.
    pub fn take_unwritten(&mut self, clock: BootClock) -> Option<Saved<'_>> {
        let content = Some((self.ups.clone(), self.latest.clone()));
        if self.written == content {
            return None;
        }
        self.written = content;
        Some(saved_message(&self.latest, self.ups.serial.as_deref().unwrap_or_default(), clock))
    }

    /// Writes what was to be written last and could not be; true: nor can it be now. Who has found it unwritten will not say it
    /// again.
    pub fn try_again(&mut self, clock: BootClock) -> bool {
        if self.failing && self.written.is_none() {
            let latest = self.latest.clone();
            // The trouble has been told.
            let _ = self.save(&latest, clock);
            return self.failing;
        }
        false
    }

    /// Writes what another [`StateFile`] has found unwritten. A line about the trouble, as [`StateFile::save`].
    pub fn put(&mut self, saved: &Saved<'_>, clock: BootClock) -> Option<String> {
        self.ups.serial = Some(plain(saved.serial)).filter(|serial| !serial.is_empty());
        self.written = None;
        self.save(&saved_outage(saved, clock), clock)
    }
}

/// What there is to be saved, as a message; `serial`: of the UPS, in plain ASCII.
#[must_use]
pub fn saved_message<'a>(outage: &SavedOutage, serial: &'a str, clock: BootClock) -> Saved<'a> {
    let moments = [
        outage.on_battery_since,
        outage.on_battery_at,
        outage.off_battery_at,
        outage.last_self_test_at,
        outage.decided_at,
    ];
    Saved {
        announced: outage.announced,
        transfers: outage.transfers,
        on_battery_total: outage.on_battery_total,
        moments: moments.map(|moment| moment.map(|moment| clock.since_boot(moment))),
        counters: outage.counters,
        serial,
    }
}

/// What a message says; a moment that cannot be is now.
#[must_use]
pub fn saved_outage(saved: &Saved<'_>, clock: BootClock) -> SavedOutage {
    let [on_battery_since, on_battery_at, off_battery_at, last_self_test_at, decided_at] =
        saved.moments.map(|moment| moment.map(|moment| clock.moment(moment).unwrap_or(clock.now)));
    SavedOutage {
        on_battery_since,
        announced: saved.announced,
        transfers: saved.transfers,
        on_battery_total: saved.on_battery_total,
        on_battery_at,
        off_battery_at,
        last_self_test_at,
        decided_at,
        counters: saved.counters,
    }
}
