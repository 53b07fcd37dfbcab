//! A state file that goes from one process of the daemon to another.

use std::os::fd::{AsRawFd, RawFd};

use super::{StateFile, is_in_use};
use crate::power::SavedOutage;
use crate::sys::trust;

impl StateFile {
    /// The same, for another process: nothing is locked.
    #[must_use]
    pub fn for_another(&self) -> Self {
        let mut other = Self::new(&self.path, self.ups.clone());
        // What has been told of it is not told again.
        other.failing = self.failing;
        other
    }

    /// Locks the file that another process has handed over, if it is there and nobody else's.
    pub fn lock_again(&mut self) {
        if self.locked.is_none() {
            self.locked = trust::open_to_read(&self.path).ok().filter(|file| !is_in_use(file));
        }
    }

    /// Goes on in place of a process of the same daemon, with what that had to save: whatever the UPS tells now belongs to it.
    pub fn resume_saved_outage(&mut self, saved: &SavedOutage) {
        self.left = None;
        self.written = None;
        self.obsolete = None;
        self.latest = saved.clone();
    }

    /// The descriptor of the file that is locked.
    #[must_use]
    pub fn lock(&self) -> Option<RawFd> {
        self.locked.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// The lock is that of another process, which has inherited the descriptor: this one closes its own, while it is not the
    /// last.
    pub fn hand_over_lock(&mut self) {
        self.locked = None;
    }
}
