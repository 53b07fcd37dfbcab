//! Glances: between two polls at the normal poll rate the line state is read by itself, by the fewest reports that tell it.

use super::steps::{alarms, set_line};
use super::*;

impl Watch {
    /// The UPS has told its line state by itself.
    pub(super) fn told_line(&mut self) {
        if !std::mem::replace(&mut self.schedule.tells_line, true) {
            self.plan_glance();
        }
    }

    /// Decides when the next glance is due; none where no report that can be read tells the line state.
    pub(super) fn plan_glance(&mut self) {
        self.schedule.plan_glance(self.pushed_at.is_none() && self.device.any_decides(0));
    }

    /// What tells the line state is fresh; the rest is as last known.
    pub(super) fn finish_glance(&mut self, now: Instant) {
        self.plan_glance();
        let (line, flags) = (self.device.view().line(), self.device.view().flags());
        let (read, mains) =
            (self.device.view().times(now), self.device.view().mains(now).map(|(there, _)| there));
        let changed = line.on_battery() != self.believed_line();
        if line.on_battery().is_none() || changed {
            self.schedule.read_all_by(now + FAST_POLL_INTERVAL);
        }
        let Some(last) = self.last.as_mut().filter(|_| line.on_battery().is_some()) else { return };
        let alarmed = alarms(flags) != alarms(last.status);
        last.at = now;
        last.evidence = Evidence::Poll;
        last.mains = mains;
        set_line(&mut last.status, line);
        for item in [Item::Line, Item::Mains] {
            last.read.set(item, read.of(item));
        }
        self.device.tell(LinkEvent::Reading(Box::new(last.clone())));
        if alarmed {
            self.schedule.poll_no_sooner_than(now, SLOW_VALUE_INTERVAL);
        }
    }
}
