//! What interrupt reports hint at: looks at the line state, and polls that come sooner.

use super::*;

/// A hint about a value brings a poll no sooner.
const VALUE_HINT: Duration = Duration::from_secs(20);
/// Pauses between looks while the reads do not confirm the hint: the feature report may lag behind by seconds, but noise must
/// not flood the device.
const LOOK_PAUSES: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(600),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(3),
];

/// After so many looks in vain in a row, the UPS sends what is not so: each hint is worth one look, and this long after the last.
const VAIN_MAX: u8 = 3;
const VAIN_PAUSE: Duration = Duration::from_secs(3);

/// A look at the line state that a hint asked for.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// What the hint said: on battery?
    claim: bool,
    cursor: usize,
    tries: usize,
    /// It is not followed by others.
    once: bool,
}

/// Looks at the line state: the one that is wanted or under way, and what limits them.
#[derive(Debug)]
pub(super) struct Looks {
    look: Option<Look>,
    not_before: Instant,
    /// Those in a row that did not show what the hint said.
    vain: u8,
}

impl Looks {
    pub(super) const fn new(now: Instant) -> Self {
        Self { look: None, not_before: now, vain: 0 }
    }

    /// When there is one to do.
    pub(super) fn at(&self) -> Option<Instant> {
        self.look.map(|_| self.not_before)
    }

    /// What it reads next.
    pub(super) fn next(&mut self, device: &OpenDevice, now: Instant) -> Option<(Asked, Transmit)> {
        let look = self.look.as_mut().filter(|_| now >= self.not_before)?;
        while look.cursor < device.store.reports.len() && !device.view().decides(look.cursor) {
            look.cursor += 1;
        }
        let index = look.cursor;
        if index >= device.store.reports.len() {
            self.look = None;
            return None;
        }
        look.cursor += 1;
        device.request_report(index, true)
    }

    /// The same report again, at once.
    pub(super) fn again(&mut self, index: usize) {
        if let Some(look) = &mut self.look {
            if look.cursor == index + 1 {
                look.cursor = index;
            }
        }
    }

    /// Whether the hint said what has been read.
    pub(super) fn claims(&self, on_battery: Option<bool>) -> bool {
        self.look.is_some_and(|look| Some(look.claim) == on_battery)
    }

    /// Reports without end, each the opposite of the last, must leave room for the polls.
    pub(super) fn pause(&mut self, now: Instant) {
        self.not_before = now + LOOK_PAUSES[0];
    }

    /// The look showed what the hint said.
    pub(super) fn confirmed(&mut self) {
        self.look = None;
        self.vain = 0;
    }

    /// The look did not show what the hint said: another one, after a pause, while there are any.
    pub(super) fn in_vain(&mut self, now: Instant) {
        let Some(look) = self.look else { return };
        self.look = LOOK_PAUSES.get(look.tries).filter(|_| !look.once).map(|pause| {
            self.not_before = now + *pause;
            Look { cursor: 0, tries: look.tries + 1, ..look }
        });
        if self.look.is_none() {
            self.vain = self.vain.saturating_add(1);
        }
    }

    /// The hint is over.
    pub(super) fn end(&mut self) {
        self.look = None;
    }

    /// The UPS sends what is not so.
    fn are_vain(&self) -> bool {
        self.vain >= VAIN_MAX
    }

    /// A hint says the opposite of what is believed: looks until a read says the same, as far as there are any.
    fn begin(&mut self, claim: bool, now: Instant) {
        if !self.look.is_some_and(|look| look.claim == claim && !look.once) {
            self.look = Some(Look { claim, cursor: 0, tries: 0, once: false });
            self.not_before = self.not_before.min(now + LOOK_PAUSES[0]);
        }
    }

    /// One look, not before, unless there is one already.
    fn once(&mut self, claim: bool, not_before: Instant) {
        if self.look.is_none() {
            self.look = Some(Look { claim, cursor: 0, tries: 0, once: true });
            self.not_before = self.not_before.max(not_before);
        }
    }
}

impl Watch {
    /// An interrupt report, the `same` as before it or not: a hint.
    pub(super) fn handle_interrupt(&mut self, now: Instant, report: &[u8], id: u8, same: bool) {
        // APC units answer feature reads; only elsewhere may pushed reports stand in for them.
        if !self.device.is_apc() {
            self.device.store.update_input_preference(&self.device.layout);
        }
        let hint = self.device.view().hint(report, id);
        if hint.on_battery.is_some() && hint.on_battery == self.believed_line() {
            self.told_line();
            if !hint.line {
                self.looks.vain = 0;
            }
        }
        if self.device.store.counts_pushed(&self.device.layout, id) {
            return self.pushed_counts(now, same);
        }
        // So long after the line state was last read.
        let after = self.schedule.glanced_at;
        match hint.on_battery {
            // It says what is believed: an older hint is over.
            Some(claim) if Some(claim) == self.believed_line() => self.looks.end(),
            Some(claim) if self.looks.are_vain() => self.looks.once(claim, after + VAIN_PAUSE),
            Some(claim) => self.looks.begin(claim, now),
            None => {}
        }
        if hint.line {
            // The bits are others, whatever they mean together.
            let pause = if self.looks.are_vain() { VAIN_PAUSE } else { FAST_POLL_INTERVAL };
            self.looks.once(self.believed_line() == Some(false), after + pause);
        }
        if hint.test {
            self.schedule.test_hinted = true;
            self.schedule.read_all();
        }
        if hint.alarm || hint.test {
            self.schedule.poll_no_sooner_than(now, SLOW_VALUE_INTERVAL);
        } else if hint.changed {
            self.schedule.poll_no_sooner_than(now, VALUE_HINT);
        }
    }

    /// There is no feature report to ask: a second report that says the same is the confirmation.
    fn pushed_counts(&mut self, now: Instant, same: bool) {
        let line = self.device.view().line();
        if line.on_battery().is_some() && line.on_battery() != self.believed_line() {
            if same {
                self.emit_alert(now, line, Some(now));
            } else {
                self.pushed_at.get_or_insert(now);
            }
            self.schedule.poll_no_sooner_than(now, if same { Duration::ZERO } else { FAST_POLL_INTERVAL });
        }
        if line.on_battery() == self.believed_line() {
            self.pushed_at = None;
        }
    }
}
