//! What interrupt reports hint at: looks at the line state, and polls that come sooner.

use super::*;

/// A hint about a value brings a poll no sooner.
const VALUE_HINT: Duration = Duration::from_secs(20);
/// Pauses between looks while the reads do not confirm the hint: the feature report may lag behind by seconds, but noise must
/// not flood the device.
pub(super) const LOOK_PAUSES: [Duration; 6] = [
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
pub(super) struct Look {
    /// What the hint said: on battery?
    pub claim: bool,
    pub cursor: usize,
    pub tries: usize,
    /// It is not followed by others.
    pub once: bool,
}

impl Session {
    pub(super) fn next_look(&mut self, now: Instant) -> Option<(Asked, Transmit)> {
        let mut look = self.look.filter(|_| now >= self.look_not_before)?;
        while look.cursor < self.store.reports.len() && !self.view().decides(look.cursor) {
            look.cursor += 1;
        }
        if look.cursor >= self.store.reports.len() {
            self.look = None;
            return None;
        }
        let index = look.cursor;
        look.cursor += 1;
        self.look = Some(look);
        self.request_report(index, true)
    }

    /// The look did not show what the hint said: another one, after a pause, while there are any.
    pub(super) fn look_again(&mut self, now: Instant) {
        let Some(look) = self.look else { return };
        self.look = LOOK_PAUSES.get(look.tries).filter(|_| !look.once).map(|pause| {
            self.look_not_before = now + *pause;
            Look { cursor: 0, tries: look.tries + 1, ..look }
        });
        if self.look.is_none() {
            self.vain_looks = self.vain_looks.saturating_add(1);
        }
    }

    /// An interrupt report: a hint. Unknown ids and cut reports are ignored (usb-hid §10).
    pub(in super::super) fn handle_interrupt(&mut self, now: Instant, report: &[u8]) {
        let id = if self.layout.numbered { report.first().copied().unwrap_or_default() } else { 0 };
        let Some(wire) = self.layout.input_wire(&self.descriptor, id) else { return };
        if report.len() < usize::from(wire.len) {
            return;
        }
        let same = self.store.push(wire, report, now);
        if let Phase::Listening { .. } = self.phase
            && self.view().line().on_battery().is_some()
        {
            self.phase = Phase::Strings;
        }
        if !self.attached {
            return;
        }
        // APC units answer feature reads; only elsewhere may pushed reports stand in for them.
        if !self.is_apc() {
            self.store.weigh_inputs(&self.layout);
        }
        let hint = self.view().hint(report, id);
        if hint.on_battery.is_some() && hint.on_battery == self.believed_line() {
            self.told_line();
            if !hint.line {
                self.vain_looks = 0;
            }
        }
        if self.store.counts_pushed(&self.layout, id) {
            return self.pushed_counts(now, same);
        }
        match hint.on_battery {
            Some(claim) if Some(claim) != self.believed_line() && self.vain_looks >= VAIN_MAX => {
                self.look_once(claim, VAIN_PAUSE);
            }
            Some(claim) if Some(claim) != self.believed_line() => match &mut self.look {
                Some(look) if look.claim == claim && !look.once => {}
                look => {
                    *look = Some(Look { claim, cursor: 0, tries: 0, once: false });
                    self.look_not_before = self.look_not_before.min(now + LOOK_PAUSES[0]);
                }
            },
            // It says what is believed: an older hint is over.
            Some(_) => self.look = None,
            None => {}
        }
        if hint.line {
            // The bits are others, whatever they mean together.
            let pause = if self.vain_looks >= VAIN_MAX { VAIN_PAUSE } else { SOON };
            self.look_once(self.believed_line() == Some(false), pause);
        }
        if hint.test {
            self.test_hinted = true;
            self.read_all_at = None;
        }
        if hint.alarm || hint.test {
            self.poll_no_sooner_than(now, SLOW);
        } else if hint.changed {
            self.poll_no_sooner_than(now, VALUE_HINT);
        }
    }

    /// One look, so long after the line state was last read, unless there is one already.
    fn look_once(&mut self, claim: bool, pause: Duration) {
        if self.look.is_none() {
            self.look = Some(Look { claim, cursor: 0, tries: 0, once: true });
            self.look_not_before = self.look_not_before.max(self.glanced_at + pause);
        }
    }

    /// There is no feature report to ask: a second report that says the same is the confirmation.
    fn pushed_counts(&mut self, now: Instant, same: bool) {
        let line = self.view().line();
        if line.on_battery().is_some() && line.on_battery() != self.believed_line() {
            if same {
                self.emit_alert(now, line, Some(now));
            } else {
                self.pushed_at.get_or_insert(now);
            }
            self.poll_no_sooner_than(now, if same { Duration::ZERO } else { SOON });
        }
        if line.on_battery() == self.believed_line() {
            self.pushed_at = None;
        }
    }
}
