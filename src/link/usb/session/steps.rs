//! What each answer leads to while the UPS is watched.

use super::watch::Unreadable;
use super::*;

impl Watch {
    pub(super) fn report_read(
        &mut self,
        now: Instant,
        index: usize,
        look: bool,
        result: Result<&[u8], TransferError>,
    ) {
        let Some(answered) = self.device.take_report(index, result, now) else {
            return self.again(index);
        };
        if let Some(poll) = &mut self.poll {
            // A stall is an answer too: the device is there.
            let alive = answered || result == Err(TransferError::Stall);
            *if alive { &mut poll.answers } else { &mut poll.failures } += 1;
        }
        self.job_read(now, index, answered);
        let line = self.device.tells_line(index);
        if line {
            if !answered {
                return self.line_failed(now);
            }
            self.unreadable = None;
        }
        let glance =
            !look && self.poll.is_some_and(|poll| poll.deepest == When::Line && poll.cursor == index + 1);
        if look || glance {
            if !self.device.any_decides(index + 1) {
                self.line_read(now, look);
                if glance {
                    self.finish_poll(now);
                }
            }
        } else if line && !self.device.more_tell_line(index) {
            self.line_read(now, look);
        }
    }

    /// The same report again, at once.
    fn again(&mut self, index: usize) {
        if let Some(poll) = &mut self.poll {
            if poll.cursor == index + 1 {
                poll.cursor = index;
            }
        }
        self.looks.again(index);
    }

    /// All line-state reports are fresh; `looked`: they were read because of a hint.
    fn line_read(&mut self, now: Instant, looked: bool) {
        let line = self.device.view().line();
        let on_battery = line.on_battery();
        self.schedule.glanced_at = now;
        self.plan_glance();
        let confirmed = self.looks.claims(on_battery);
        if looked {
            // Reports without end, each the opposite of the last, must leave room for the polls.
            self.looks.pause(now);
        }
        if confirmed {
            self.looks.confirmed();
            self.told_line();
        } else if looked {
            self.looks.in_vain(now);
            if on_battery.is_none() {
                // It takes the other reports to tell.
                self.schedule.poll_no_sooner_than(now, FAST_POLL_INTERVAL);
            }
        }
        if on_battery.is_some() && on_battery != self.believed_line() {
            // Without an alert the reading at the poll's end says it.
            if confirmed {
                let at = self.device.view().line_read_at(now);
                self.emit_alert(now, line, at);
            }
            self.schedule.read_all_by(now);
        }
    }

    /// The line state could not be read: soon again, and after a few times the UPS is lost.
    fn line_failed(&mut self, now: Instant) {
        self.looks.end();
        let since = self.unreadable.map_or(now, |before| before.since);
        let times = self.unreadable.map_or(1, |before| before.times.saturating_add(1));
        self.unreadable = Some(Unreadable { times, since });
        if times >= LOST_AFTER || now.saturating_duration_since(since) >= LOST_AFTER_TIME {
            self.device.give_up("does not say its line state any more", true);
            return;
        }
        self.poll = None;
        self.schedule.next_poll = now + FAST_POLL_INTERVAL;
    }

    /// Sends a reading whose line state is new, alerted and confirmed, and was read at `line_at`; the rest is as last known.
    pub(super) fn emit_alert(&mut self, now: Instant, line: Line, line_at: Option<Instant>) {
        let Some(last) = &mut self.last else { return };
        last.at = now;
        last.evidence = Evidence::AlertAndRead;
        set_line(&mut last.status, line);
        last.read.set(Item::Line, line_at);
        self.device.tell(LinkEvent::Reading(Box::new(last.clone())));
    }

    pub(super) fn finish_poll(&mut self, now: Instant) {
        let poll = self.poll.take();
        if poll.is_some_and(|poll| poll.answers == 0 && poll.failures > 0) {
            return self.line_failed(now);
        }
        if poll.is_some_and(|poll| poll.deepest == When::Line) {
            return self.finish_glance(now);
        }
        let unknown = self.device.learn_meaning();
        let view = self.device.view();
        let (mut line, mut status, values) = (view.line(), view.flags(), view.values());
        let (mut read, mains) = (view.times(now), view.mains(now).map(|(there, _)| there));
        if self.pushed_at.is_some_and(|at| now.saturating_duration_since(at) < SLOW_VALUE_INTERVAL) {
            // One pushed report alone: the line state stays as believed for a while.
            line = match self.believed_line() {
                Some(true) => Line::Battery,
                Some(false) => Line::Mains,
                None => line,
            };
            read.set(Item::Line, self.last.as_ref().and_then(|last| last.read.of(Item::Line)));
        }
        if line == Line::Blank {
            // A blank report says nothing about alarms either.
            let last = self.last.as_ref();
            status = last.map_or(StatusFlags::BATTPRESENT, |last| last.status);
            for item in [Item::LowBattery, Item::ReplaceBattery, Item::BatteryPresent, Item::Calibration] {
                read.set(item, last.and_then(|last| last.read.of(item)));
            }
        }
        set_line(&mut status, line);
        let mut reading = Reading { at: now, status, evidence: Evidence::Poll, mains, values, read };
        for item in [Item::Charge, Item::Runtime] {
            // Read, but no charge or runtime by the meaning of the field.
            reading.read.set(item, read.of(item).filter(|_| reading.states(item)));
        }
        // Another state than before is read again soon: it takes two samples that agree.
        let before = self.last.as_ref().map_or(StatusFlags::BATTPRESENT, |last| last.status);
        let alarmed = alarms(before) != alarms(status);
        self.last = Some(reading.clone());
        self.device.tell(LinkEvent::Reading(Box::new(reading)));
        let unclear = unknown || alarmed || matches!(line, Line::Blank | Line::Contradiction);
        self.schedule.is_unclear = unclear;
        let pause =
            if unclear { self.schedule.interval().min(FAST_POLL_INTERVAL) } else { self.schedule.interval() };
        self.schedule.next_poll = self.schedule.polled_at.unwrap_or(now) + pause;
        if unclear {
            self.schedule.read_all();
        }
        if self.pushed_at.is_some_and(|at| now.saturating_duration_since(at) >= SLOW_VALUE_INTERVAL) {
            // It has stood, and counts.
            self.pushed_at = None;
        }
        if let Some(at) = self.pushed_at {
            // What one report said counts when it has stood for a while.
            self.schedule.next_poll =
                self.schedule.next_poll.min((at + SLOW_VALUE_INTERVAL).max(now + FAST_POLL_INTERVAL));
        }
        self.plan_glance();
        if poll.is_some_and(|poll| poll.deepest == When::Volatile) {
            self.schedule.test_hinted = false;
        }
        for _ in 0..std::mem::take(&mut self.schedule.commanded) {
            self.device.answer(Command::Poll, Ok("read anew".into()));
        }
    }
}

/// The flags without the line state.
pub(super) const fn alarms(status: StatusFlags) -> StatusFlags {
    status.difference(StatusFlags::ONLINE.union(StatusFlags::ONBATT))
}

pub(super) fn set_line(status: &mut StatusFlags, line: Line) {
    let on_battery = line.on_battery();
    status.set(StatusFlags::ONLINE, on_battery == Some(false));
    status.set(StatusFlags::ONBATT, on_battery == Some(true));
}
