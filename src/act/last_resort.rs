//! What the disks are given before the machine is switched off without anybody's help.

use std::io;
use std::time::{Duration, Instant};

use crate::sys::reboot;
use crate::sys::spawn::Child;

/// How long the disks have to take what is dirty. A disk that hangs must not keep the others from what comes next.
const SYNC_LIMIT: Duration = Duration::from_secs(6);

/// How long they have for everything, before the machine is switched off all the same.
const DISKS_TIMEOUT: Duration = Duration::from_secs(10);

/// While no process can be made, it is tried again after this.
const FORK_RETRY: Duration = Duration::from_secs(1);

/// The disks are written by one child; then another makes the file systems read-only. Neither is waited for beyond its time.
#[derive(Debug)]
pub(super) struct Syncing {
    child: Option<Child>,
    /// The child makes the file systems read-only.
    remounts: bool,
    /// When its time is over, or it is tried again to make one.
    next_at: Instant,
    over_at: Instant,
}

impl Syncing {
    pub fn begin(now: Instant) -> Self {
        let mut syncing = Self { child: None, remounts: false, next_at: now, over_at: now + DISKS_TIMEOUT };
        syncing.start(reboot::start_sync, now, now + SYNC_LIMIT);
        syncing
    }

    /// Goes on; true once the machine is to be switched off.
    pub fn is_over(&mut self, now: Instant) -> bool {
        if now >= self.over_at {
            return true;
        }
        let ended = self.child.as_mut().is_some_and(|child| child.try_wait().is_some());
        if ended && self.remounts {
            return true;
        }
        if ended || now >= self.next_at {
            // What hangs is left behind.
            self.remounts |= self.child.take().is_some();
            let start = if self.remounts { reboot::start_remount } else { reboot::start_sync };
            self.start(start, now, if self.remounts { self.over_at } else { now + SYNC_LIMIT });
        }
        false
    }

    pub fn deadline(&self) -> Instant {
        self.next_at.min(self.over_at)
    }

    fn start(&mut self, child: fn() -> io::Result<Child>, now: Instant, until: Instant) {
        self.child = child().ok();
        self.next_at = if self.child.is_some() { until } else { now + FORK_RETRY };
    }
}
