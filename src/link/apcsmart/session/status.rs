//! The status byte, and the readings that are told for it.

use std::time::{Duration, Instant};

use super::alerts::ALERT_PAUSE;
use super::plan::Attach;
use super::{NextStep, Session};
use crate::link::LinkEvent;
use crate::link::silence::Silence;
use crate::ups::{Reading, StatusFlags};

/// A poll begins with a status byte unless it is as young as this.
const STATUS_FRESH: Duration = Duration::from_millis(500);
/// Tries for a status byte that the UPS is not ready to say, and the pause before each (apcsmart §5).
const NOT_READY_ATTEMPTS: u8 = 6;
const NOT_READY_PAUSE: Duration = Duration::from_millis(200);
/// A status byte without either says nothing.
const LINE: StatusFlags =
    StatusFlags::from_bits_retain(StatusFlags::ONLINE.bits() | StatusFlags::ONBATT.bits());

/// Whether the UPS is ready to say its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ready {
    Yes,
    /// It says no; it has been asked so often, and is again after a pause.
    NotYet {
        tries: u8,
        /// It has been given up once since it was ready.
        given_up: bool,
    },
    /// Given up for this time.
    GivenUp,
}

/// When the status byte is asked for, and what it said last.
#[derive(Debug)]
pub(super) struct StatusByte {
    /// The last one with a line state.
    known: Option<u8>,
    /// When it was read last, or given up for this time.
    read_at: Option<Instant>,
    at: Instant,
    /// It is wanted now, whatever the clock says.
    pub(super) wanted: bool,
    /// The one under way may have been made before an alert: it is asked for once more.
    pub(super) doubted: bool,
    ready: Ready,
}

impl StatusByte {
    pub(super) fn new(now: Instant) -> Self {
        Self { known: None, read_at: None, at: now, wanted: true, doubted: false, ready: Ready::Yes }
    }

    pub(super) fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// Its bits; none before the first.
    pub(super) fn flags(&self) -> StatusFlags {
        StatusFlags::from_bits_retain(u32::from(self.known.unwrap_or_default()))
    }

    pub(super) fn is_on_battery(&self) -> bool {
        self.flags().contains(StatusFlags::ONBATT)
    }

    pub(super) fn is_on_line(&self) -> bool {
        is_on_line(self.flags())
    }

    pub(super) fn at(&self) -> Instant {
        self.at
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.wanted || self.at <= now
    }

    /// It is due then, or earlier.
    pub(super) fn no_later_than(&mut self, at: Instant) {
        self.at = self.at.min(at);
    }

    /// Whether a poll need not begin with another one.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.read_at.is_some_and(|at| now.saturating_duration_since(at) < STATUS_FRESH)
    }

    /// When an alert has it asked for.
    pub(super) fn look_at(&self, now: Instant) -> Instant {
        self.read_at.map_or(now, |at| now.max(at + ALERT_PAUSE))
    }

    /// The UPS was not ready to say it, and nothing else is asked before the next try.
    pub(super) fn pauses(&self) -> bool {
        matches!(self.ready, Ready::NotYet { .. })
    }

    pub(super) fn is_put_off(&self, now: Instant) -> bool {
        self.pauses() && now < self.at
    }

    /// The UPS is not ready to say it, now or since it was given up.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.ready, Ready::NotYet { given_up: true, .. } | Ready::GivenUp)
    }

    /// The UPS says that it is not ready to say it, while it is asked every `interval`.
    fn refuse(&mut self, interval: Duration, now: Instant) {
        let (tries, given_up) = match self.ready {
            Ready::Yes => (1, false),
            Ready::NotYet { tries, given_up } => (tries.saturating_add(1), given_up),
            Ready::GivenUp => (1, true),
        };
        if tries < NOT_READY_ATTEMPTS {
            self.ready = Ready::NotYet { tries, given_up };
            self.wanted = true;
            self.at = now + NOT_READY_PAUSE;
            return;
        }
        // The byte from before stands; a reading without a new one would be none.
        self.ready = Ready::GivenUp;
        self.at = now + interval;
        self.read_at = Some(now);
    }

    /// It came; the next one is due at `next`.
    fn read(&mut self, next: Instant, now: Instant) {
        self.ready = Ready::Yes;
        self.read_at = Some(now);
        self.at = next;
        if std::mem::take(&mut self.doubted) {
            self.no_later_than(now + ALERT_PAUSE);
        }
    }
}

/// The readings that have been told.
#[derive(Debug)]
pub(super) struct Readings {
    /// The next status byte makes one even if nothing has changed.
    pub(super) wanted: bool,
    /// When the last one was told, and for which status byte.
    last: Option<(Instant, u8)>,
    /// On mains or on battery, as the last one with a line state said.
    line: Option<StatusFlags>,
    pub(super) silence: Silence,
}

impl Readings {
    pub(super) const fn new(silence: Silence) -> Self {
        Self { wanted: false, last: None, line: None, silence }
    }

    /// When the next status byte is due: an interval after the last reading, and no later for a byte that nothing is told of.
    fn due(&self, interval: Duration, now: Instant) -> Option<Instant> {
        self.last.map(|(at, _)| at + interval).filter(|due| now < *due)
    }

    /// Whether this status byte is no news.
    fn is_last(&self, status: u8) -> bool {
        self.last.is_some_and(|(_, last)| last == status)
    }

    /// One is told now while the UPS is asked every `interval`; `agreed`: an alert announced it. `true`: it is not the first
    /// and says something new.
    fn tell(
        &mut self,
        status: u8,
        flags: StatusFlags,
        agreed: bool,
        interval: Duration,
        now: Instant,
    ) -> bool {
        self.wanted = false;
        let line = flags & LINE;
        if line != StatusFlags::default() {
            // A change that no alert announced is to be confirmed.
            let changed = self.line.replace(line).is_some_and(|before| before != line);
            self.silence.told(now, interval, changed && !agreed);
        }
        self.last.replace((now, status)).is_some_and(|(_, before)| before != status)
    }
}

impl Session {
    pub(super) fn not_ready(&mut self, now: Instant) -> NextStep {
        self.status.refuse(self.status_interval(), now);
        NextStep::GoOn
    }

    /// Whether the UPS has not said its status for so long that it counts as lost.
    pub(in crate::link::apcsmart) fn is_lost(&self, now: Instant) -> bool {
        now >= self.readings.silence.until()
    }

    pub(super) fn take_status(&mut self, status: u8, now: Instant) {
        let interval = self.status_interval();
        let next = self.readings.due(interval, now);
        self.status.read(next.unwrap_or(now + interval), now);
        let flags = self.store.flags(status);
        let agreed = self.confirm_alerts(flags, now);
        if flags.intersects(LINE) {
            self.status.known = Some(status);
        } else if self.readings.last.is_none() {
            // It does not end a loss.
            return;
        }
        let on_line = is_on_line(flags);
        self.end_transfer(on_line);
        match self.attach {
            Attach::By(latest) if now >= latest || self.rounds.is_past_first() => self.attach(),
            // On line nothing is urgent: the first reading is a whole one.
            Attach::By(_) if on_line && self.readings.last.is_none() => return,
            Attach::By(_) | Attach::Done => {}
        }
        let is_due = next.is_none();
        if self.readings.wanted || is_due || agreed || !self.readings.is_last(status) {
            self.tell(status, flags, agreed, now);
        }
    }

    /// Tells a reading for this status byte.
    fn tell(&mut self, status: u8, flags: StatusFlags, agreed: bool, now: Instant) {
        let interval = self.status_interval();
        self.status.no_later_than(now + interval);
        if self.readings.tell(status, flags, agreed, interval, now) {
            // The values belong to the state before.
            self.rounds.no_later_than(now);
        }
        let reading = Reading {
            at: now,
            status: flags,
            evidence: self.cause.take_evidence(agreed),
            mains: self.store.mains(),
            values: self.store.values.clone(),
            read: self.store.times(now),
        };
        self.events.push(LinkEvent::Reading(Box::new(reading)));
        self.end_command_read(now);
    }
}

fn is_on_line(flags: StatusFlags) -> bool {
    flags.contains(StatusFlags::ONLINE) && !flags.contains(StatusFlags::ONBATT)
}
