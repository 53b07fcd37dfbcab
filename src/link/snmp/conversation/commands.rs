//! What the daemon has a card do, and what takes the place of what.

use std::time::Instant;

use super::{Conversation, State, Under};
use crate::link::snmp::order::Order;
use crate::link::snmp::told::Told;
use crate::ups::Command;

impl Conversation {
    pub(in crate::link::snmp) fn command(&mut self, command: Command, told: &mut Told, now: Instant) {
        // What cuts the power is given to a card whatever it says.
        if self.state != State::Watching && command != Command::KillPower {
            return told.ended(command, Err("no communication with the UPS".to_owned()));
        }
        if command.order().is_none() {
            self.reads.push(command);
            return self.begin_round(now);
        }
        if self.order.as_ref().is_some_and(|order| !command.displaces(order.command)) {
            return told.ended(command, Err("another order is under way".to_owned()));
        }
        match Order::new(command, self.objects.mib, self.store.calibrates(), now) {
            Ok(order) => {
                if order.is_urgent() {
                    self.interrupt(now);
                }
                if let Some(old) = self.order.replace(order) {
                    told.ended(old.command, Err("another order took its place".to_owned()));
                }
            }
            Err(reason) => told.ended(command, Err(reason)),
        }
    }

    /// The request under way is dropped; what it was to read is read later.
    fn interrupt(&mut self, now: Instant) {
        self.exchange.drop_pending();
        match self.under.take() {
            Some(Under::Job(job)) => self.queue.push_front(job),
            Some(Under::Status(_)) => self.schedule.status_at = now,
            Some(Under::Order) | None => {}
        }
    }
}
