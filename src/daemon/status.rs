//! What clients are told: the snapshot, kept up to date, with the wall-clock stamps of what happened.

#![allow(
    clippy::disallowed_methods,
    reason = "wall time is read here to be shown, and nowhere decides anything"
)]

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use crate::power::PowerView;
use crate::report::{Snapshot, Stamp};
use crate::server::nis::{Cache, EventsTail, StatusSource};
use crate::sys::clock;
use crate::ups::{Identity, Reading, Values};

/// The status as clients see it.
#[derive(Debug)]
pub struct Status {
    cache: Cache,
    events: EventsTail,
    wall: WallClock,
    /// When the outage that runs now began, and the finished part of CUMONBATT.
    on_battery_since: Option<Instant>,
    on_battery_total: Duration,
    /// The loop's time at the last turn: TONBATT is counted up to it.
    now: Instant,
    shown: [Option<Instant>; 3],
    /// The state of the UPS, not only a measured value, has changed since [`Status::take_changed`].
    changed: bool,
}

/// Turns wall time into stamps; asks the C library once a second at most.
#[derive(Debug, Default)]
struct WallClock {
    last: Stamp,
}

impl WallClock {
    fn stamp(&mut self, wall: SystemTime) -> Stamp {
        let unix = clock::unix_seconds(wall);
        if unix != self.last.unix {
            self.last = Stamp::new(unix, clock::local(wall).utc_offset);
        }
        self.last
    }
}

impl Status {
    /// Shows `snapshot`, and these events.
    #[must_use]
    pub fn new(snapshot: Snapshot, events: EventsTail, now: Instant) -> Self {
        Self {
            cache: Cache::new(snapshot),
            events,
            wall: WallClock::default(),
            on_battery_since: None,
            on_battery_total: Duration::ZERO,
            now,
            shown: [None; 3],
            changed: false,
        }
    }

    /// Whether there is a change of state that clients who watch are to be told of; once.
    pub const fn take_changed(&mut self) -> bool {
        std::mem::replace(&mut self.changed, false)
    }

    /// The present snapshot, to be changed in place.
    pub fn update(&mut self) -> &mut Snapshot {
        self.cache.update()
    }

    /// The present snapshot.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        self.cache.snapshot()
    }

    /// What answers `events`.
    pub const fn events(&mut self) -> &mut EventsTail {
        &mut self.events
    }

    /// Wall time, as a stamp.
    pub fn stamp(&mut self) -> Stamp {
        self.wall.stamp(clock::now())
    }

    /// A poll brought new values.
    pub fn show_reading(&mut self, reading: Reading) {
        let stamp = self.stamp();
        let snapshot = self.cache.update();
        let words = |values: &Values| (values.self_test, values.transfer_cause);
        self.changed |= words(&snapshot.values) != words(&reading.values);
        snapshot.values = reading.values;
        snapshot.polled_at = Some(stamp);
    }

    /// The UPS has said what it is.
    pub fn show_identity(&mut self, identity: Identity) {
        self.changed = true;
        self.cache.update().identity = identity;
    }

    /// What the power machine believes now.
    pub fn show_power(&mut self, view: &PowerView, now: Instant) {
        self.now = now;
        self.on_battery_since = view.on_battery_since;
        self.on_battery_total = view.on_battery_total;
        let snapshot = self.cache.snapshot();
        if snapshot.flags != view.flags || snapshot.transfers != view.transfers {
            self.changed = true;
            let snapshot = self.cache.update();
            snapshot.flags = view.flags;
            snapshot.transfers = view.transfers;
        }
        let moments = [view.on_battery_at, view.off_battery_at, view.last_self_test_at];
        if moments == self.shown {
            return;
        }
        let stamps: [Option<Stamp>; 3] =
            std::array::from_fn(|i| moments.get(i).copied().flatten().map(|at| self.stamp_of(i, at, now)));
        self.shown = moments;
        self.changed = true;
        let snapshot = self.cache.update();
        [snapshot.on_battery_at, snapshot.off_battery_at, snapshot.last_self_test_at] = stamps;
    }

    /// The stamp of a moment: as first shown, so that a step of the wall clock does not rewrite the past.
    fn stamp_of(&mut self, index: usize, at: Instant, now: Instant) -> Stamp {
        let snapshot = self.cache.snapshot();
        let shown = [snapshot.on_battery_at, snapshot.off_battery_at, snapshot.last_self_test_at];
        if self.shown.get(index).copied().flatten() == Some(at) {
            if let Some(stamp) = shown.get(index).copied().flatten() {
                return stamp;
            }
        }
        let wall = clock::now();
        let then = wall.checked_sub(now.saturating_duration_since(at)).unwrap_or(wall);
        Stamp::new(clock::unix_seconds(then), clock::local(then).utc_offset)
    }

    /// The status as plain text: status file and LOGSTATS.
    pub fn text(&mut self, now: Instant) -> &str {
        self.now = now;
        let stamp = self.stamp();
        let (since, total) = (self.on_battery_since, self.on_battery_total);
        self.cache.text(stamp, |snapshot| count(snapshot, since, total, now))
    }

    /// The snapshot with everything that follows the clock set to `now`.
    pub fn refreshed(&mut self, now: Instant) -> &Snapshot {
        self.now = now;
        let stamp = self.stamp();
        let (since, total) = (self.on_battery_since, self.on_battery_total);
        let snapshot = self.cache.update();
        snapshot.now = stamp;
        count(snapshot, since, total, now);
        self.cache.snapshot()
    }

    /// Answers are counted up to this moment until the next turn.
    pub const fn set_now(&mut self, now: Instant) {
        self.now = now;
    }
}

fn count(snapshot: &mut Snapshot, since: Option<Instant>, total: Duration, now: Instant) {
    snapshot.time_on_battery = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
    snapshot.total_on_battery = total + snapshot.time_on_battery;
}

impl StatusSource for Status {
    fn status(&mut self) -> Rc<[u8]> {
        let stamp = self.stamp();
        let (since, total, now) = (self.on_battery_since, self.on_battery_total, self.now);
        self.cache.status(stamp, |snapshot| count(snapshot, since, total, now))
    }

    fn events(&mut self) -> Rc<[u8]> {
        self.events.answer()
    }

    fn stamp(&mut self) -> Stamp {
        Self::stamp(self)
    }
}
