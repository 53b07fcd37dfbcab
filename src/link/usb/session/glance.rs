//! Glances: between two polls at normal pace the line state is read by itself, by the fewest reports that tell it.

use super::steps::set_line;
use super::*;

/// Time between two glances at the line state of a UPS that has not told it by itself so far: with the read that confirms it,
/// an outage is announced within 5 s.
const UNTOLD: Duration = Duration::from_secs(3);
/// The same for a UPS that has told it: it may fall mute.
const TOLD: Duration = Duration::from_secs(10);

impl Session {
    /// The UPS has told its line state by itself.
    pub(super) fn told_line(&mut self) {
        if !std::mem::replace(&mut self.tells_line, true) {
            self.plan_glance();
        }
    }

    /// Decides when the next glance is due; none where no report that can be read tells the line state.
    pub(super) fn plan_glance(&mut self) {
        let mut reports = 0..self.store.reports.len();
        let wanted = self.pace == Pace::Normal
            && self.pushed_at.is_none()
            && reports.any(|index| self.view().decides(index));
        let every = if self.tells_line { TOLD } else { UNTOLD };
        self.next_glance = wanted.then(|| self.glanced_at + every);
    }

    /// What tells the line state is fresh; the rest is as last known.
    pub(super) fn finish_glance(&mut self, now: Instant) {
        self.plan_glance();
        let (line, flags) = (self.view().line(), self.view().flags());
        let (read, mains) = (self.view().times(now), self.view().mains(now).map(|(there, _)| there));
        let changed = line.on_battery() != self.believed_line();
        if line.on_battery().is_none() || changed {
            self.read_all_at = None;
            self.next_poll = now + SOON;
        }
        let Some(last) = self.last.as_mut().filter(|_| line.on_battery().is_some()) else { return };
        let alarms =
            |status: StatusFlags| status.bits() & !(StatusFlags::ONLINE | StatusFlags::ONBATT).bits();
        let alarmed = alarms(flags) != alarms(last.status);
        last.at = now;
        last.evidence = Evidence::Poll;
        last.mains = mains;
        set_line(&mut last.status, line);
        for item in [Item::Line, Item::Mains] {
            last.read.set(item, read.of(item));
        }
        self.told.push_back(Told::Event(LinkEvent::Reading(Box::new(last.clone()))));
        if alarmed {
            self.poll_no_sooner_than(now, SLOW);
        }
    }
}
