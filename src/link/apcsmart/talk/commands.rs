//! Commands in a conversation: one at a time, in the order they came.

use std::time::Instant;

use super::{COMMANDS_MAX, FULL, Talk};
use crate::link::LinkEvent;
use crate::link::apcsmart::order::{Order, Running};
use crate::link::apcsmart::write::Write;
use crate::ups::{Command, CommandResult, Priority, StatusFlags, TransferCause};
use crate::wire::upslink;

impl Talk {
    pub(in crate::link::apcsmart) fn command(
        &mut self,
        command: Command,
        now: Instant,
    ) -> Result<(), String> {
        let query = match command {
            Command::ReadTransferCause => Some(upslink::TRANSFER_CAUSE),
            Command::ReadSelfTest => Some(upslink::SELF_TEST_RESULT),
            Command::Set(setting, _) => Some(upslink::query_of(setting)),
            _ => None,
        };
        if query.is_some_and(|query| self.rounds > 0 && !self.known.contains(query)) {
            return Err("this UPS does not have it".to_owned());
        }
        if self.commands.len() >= COMMANDS_MAX {
            return Err("too many commands wait for the UPS".to_owned());
        }
        if command == Command::Calibrate
            && let Some(charge) = self.store.values.battery_charge.filter(|charge| charge.0 < FULL)
        {
            return Err(format!("the battery is charged to {:.0} %; a calibration needs 100 %", charge.0));
        }
        // Nothing else waits for as long as a setting takes.
        let at = match command {
            Command::Set(..) => self.commands.len(),
            _ => self.first_write(usize::from(self.order.is_some())),
        };
        self.commands.insert(at, command);
        if at == 0 {
            self.begin_command(now);
        }
        Ok(())
    }

    /// The query that the front command wants answered.
    pub(super) fn for_command(&self) -> Option<u8> {
        match self.commands.front()? {
            Command::ReadTransferCause => Some(upslink::TRANSFER_CAUSE),
            Command::ReadSelfTest => Some(upslink::SELF_TEST_RESULT),
            _ => None,
        }
    }

    /// Moves the front command on: the query it needs, or its order.
    pub(super) fn next_for_command(&mut self, now: Instant) -> Option<u8> {
        if self.command_read || now < self.command_at {
            return None;
        }
        if let Some(query) = self.for_command() {
            return Some(query);
        }
        let command = *self.commands.front()?;
        if command == Command::Poll {
            if self.command_tries == 0 && self.inventory_done {
                self.command_tries = 1;
                if !self.in_round {
                    self.round_at = now;
                }
            }
            return None;
        }
        if let Command::Set(setting, value) = command {
            let on_battery = StatusFlags::from_bits_retain(u32::from(self.status.unwrap_or_default()))
                .contains(StatusFlags::ONBATT);
            if !self.inventory_done {
                return None;
            }
            if let Some((_, order)) = self.parked.take() {
                self.order = Some(order);
                return None;
            }
            if on_battery {
                self.commands.pop_front();
                self.result(command, Err("not while the UPS is on battery".to_owned()));
                self.begin_command(now);
                return None;
            }
            let permitted = &self.store.identity.permitted;
            let permitted = permitted.iter().find(|(of, _)| *of == setting).map(|(_, values)| values.clone());
            let write = Box::new(Write::new(setting, value, permitted.unwrap_or_default()));
            self.order = Some(Order::of_write(command, write));
            return None;
        }
        match Order::new(command, self.running(), self.on_line()) {
            Ok(order) => self.order = Some(order),
            Err(reason) => {
                self.commands.pop_front();
                self.result(command, Err(reason));
                self.begin_command(now);
            }
        }
        None
    }

    pub(super) fn begin_command(&mut self, now: Instant) {
        self.command_at = match (self.commands.front(), &self.parked) {
            (Some(Command::Set(..)), Some((until, _))) => now.max(*until),
            _ => now,
        };
        self.command_tries = 0;
        self.command_read = false;
    }

    fn on_line(&self) -> bool {
        let flags = StatusFlags::from_bits_retain(u32::from(self.status.unwrap_or_default()));
        flags.contains(StatusFlags::ONLINE) && !flags.contains(StatusFlags::ONBATT)
    }

    pub(super) fn running(&self) -> Running {
        let flags = StatusFlags::from_bits_retain(u32::from(self.status.unwrap_or_default()));
        if flags.contains(StatusFlags::CALIBRATION) {
            Running::Calibration
        } else if flags.contains(StatusFlags::ONBATT)
            && self.store.values.transfer_cause == Some(TransferCause::SelfTest)
        {
            Running::SelfTest
        } else {
            Running::Nothing
        }
    }

    /// Where the first setting to be written stands in the queue, or its end.
    fn first_write(&self, from: usize) -> usize {
        let is_write = |at: &usize| matches!(self.commands.get(*at), Some(Command::Set(..)));
        (from..self.commands.len()).find(is_write).unwrap_or(self.commands.len())
    }

    /// What stands between two steps of a setting is over.
    pub(super) fn take_parked(&mut self) -> Option<Order> {
        let (_, order) = self.parked.take()?;
        self.commands.remove(self.first_write(0));
        Some(order)
    }

    pub(super) fn order_ended(&mut self, outcome: Option<Result<String, String>>, now: Instant) {
        let Some(outcome) = outcome else {
            let Some(pause) = self.order.as_mut().and_then(Order::take_pause) else { return };
            // Everything else goes first, and the UPS is watched.
            self.parked = self.order.take().map(|order| (now + pause, order));
            if let Some(write) = self.commands.pop_front() {
                self.commands.insert(self.first_write(0), write);
            }
            self.begin_command(now);
            return;
        };
        let Some(order) = self.order.take() else { return };
        self.commands.pop_front();
        if outcome.is_ok() && matches!(order.command, Command::KillPower | Command::PowerOff) {
            // The words that administrators know (power-events §8).
            let delay = match self.store.identity.shutdown_delay {
                Some(seconds) => format!("UPS will power off after {seconds} seconds ..."),
                None => "UPS will power off after the configured delay  ...".to_owned(),
            };
            self.events.push(LinkEvent::Log(Priority::Warning, delay));
            let button = "Please power off your UPS before rebooting your computer ...".to_owned();
            self.events.push(LinkEvent::Log(Priority::Warning, button));
        }
        if matches!(order.command, Command::Set(..)) {
            self.read_again_at = Some(now);
        }
        self.result(order.command, outcome);
        self.begin_command(now);
        self.status_wanted = true;
        self.tell = true;
        // The order had the line for as long as it took.
        self.silence.pause(now);
    }

    pub(super) fn result(&mut self, command: Command, outcome: Result<String, String>) {
        self.events.push(LinkEvent::Command(CommandResult::new(command, outcome)));
    }
}
