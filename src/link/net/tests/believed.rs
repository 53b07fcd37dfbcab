//! What the power machine believes of a master's shutdown.

use super::*;
use crate::power::tests::settings;
use crate::power::{AtStart, Machine, Order, Settings};

/// A machine that is told nothing but this.
pub(super) struct Believed {
    pub(super) machine: Machine,
    ordered: bool,
    /// It has asked the master again and has no result yet.
    pub(super) asked: bool,
}

impl Believed {
    pub(super) fn new(now: Instant) -> Self {
        let settings = Settings { slave: true, ..settings() };
        Self { machine: Machine::new(settings, now, AtStart::default()), ordered: false, asked: false }
    }
}

impl Bench {
    /// Tells what is believed, if that has changed, and lets the machine ask.
    pub(super) fn believe(&mut self) {
        let at = self.now.duration_since(self.zero).as_secs();
        self.believed.machine.handle_timeout(self.now);
        while let Some(order) = self.believed.machine.poll_order() {
            match order {
                Order::Command(Command::Poll) => {
                    self.believed.asked = true;
                    self.link.command(Command::Poll, self.now);
                }
                Order::Log(Priority::Error, text) => self.told.push(format!("{at} log {text}")),
                _ => {}
            }
        }
        let ordered = self.believed.machine.remote_order_stands();
        if std::mem::replace(&mut self.believed.ordered, ordered) != ordered {
            self.told.push(format!("{at} remote {ordered}"));
        }
    }
}
