//! The UPS turns out to be another one than that of the state which an earlier run left: it starts anew.

use super::latch::{Closed, Latch};
use super::machine::{Counters, Machine};
use super::outage::Line;
use super::{Cause, Order};
use crate::ups::Command;

impl Machine {
    /// Drops what was taken over at the start, and what follows from it.
    pub(super) fn drop_taken_over(&mut self) {
        self.decided_before = None;
        let taken_over = self.line.is_taken_over();
        // What has begun since the start is this UPS's own.
        let own = self.on_battery_since().filter(|_| !taken_over);
        let counted = matches!(self.line, Line::Battery(_) | Line::Test(_)) && own.is_some();
        self.counters = Counters {
            transfers: u32::from(counted),
            on_battery_at: own.filter(|_| counted),
            ..Counters::default()
        };
        if !taken_over {
            return;
        }
        self.line = Line::Unknown;
        if matches!(&self.latch, Latch::Closed(Closed { cause, .. }) if *cause != Cause::Remote) {
            self.latch = Latch::Armed;
            self.exit_at = None;
        }
        if self.latch == Latch::Armed {
            if self.no_login {
                self.allow_logins();
            }
            // An order from outside stands, whatever UPS this is.
            self.remote_order(self.remote);
        }
        // Its readings say the rest; the next of them is wanted soon.
        self.order(Order::Command(Command::Poll));
    }
}
