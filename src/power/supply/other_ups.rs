//! The UPS turns out to be another one than that of the state which an earlier run left: it starts anew.

use super::outage::Line;
use super::{Counters, Order, Supply};
use crate::ups::Command;

impl Supply {
    /// Drops what was taken over at the start; `true`: the outage itself was.
    pub(in crate::power) fn drop_taken_over(&mut self) -> bool {
        let taken_over = self.line.is_taken_over();
        // What has begun since the start is this UPS's own.
        let own = self.on_battery_since().filter(|_| !taken_over);
        let counted = matches!(self.line, Line::Battery(_) | Line::Test(_)) && own.is_some();
        self.counters = Counters {
            transfers: u32::from(counted),
            on_battery_at: own.filter(|_| counted),
            ..Counters::default()
        };
        if taken_over {
            self.line = Line::Unknown;
        }
        taken_over
    }

    /// Its readings say the rest; the next of them is wanted soon.
    pub(in crate::power) fn look_soon(&mut self) {
        self.order(Order::Command(Command::Poll));
    }
}
