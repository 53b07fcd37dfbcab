//! Commands in a conversation: one at a time, in the order they came.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Session;
use super::query::UnderWay;
use crate::link::LinkEvent;
use crate::link::apcsmart::order::{Order, Running};
use crate::link::apcsmart::write::Write;
use crate::ups::{Command, CommandResult, Priority, Setting, SettingValue, StatusFlags, TransferCause};
use crate::wire::upslink;

/// Commands that wait.
const COMMANDS_MAX: usize = 8;
/// The UPS may not know the cause of a transfer yet.
const CAUSE_ATTEMPTS: u8 = 3;
const CAUSE_PAUSE: Duration = Duration::from_millis(200);

/// How far the front command is, as long as it is no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Front {
    /// What it wants is to be read; queries for it so far, or polls begun.
    Wants { tries: u8 },
    /// It is done once a reading has been told.
    Read,
}

/// A setting being written, between two steps.
#[derive(Debug)]
struct Parked {
    until: Instant,
    order: Order,
}

/// The commands that wait, the front one of which may be under way.
#[derive(Debug)]
pub(super) struct Commands {
    queue: VecDeque<Command>,
    /// The front one goes on.
    at: Instant,
    progress: Front,
    parked: Option<Parked>,
}

impl Commands {
    pub(super) fn new(now: Instant) -> Self {
        Self { queue: VecDeque::new(), at: now, progress: Front::Wants { tries: 0 }, parked: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Nothing else waits for as long as a setting takes; what is under way stays in front.
    fn push(&mut self, command: Command, under_way: bool, now: Instant) {
        let at = match command {
            Command::Set(..) => self.queue.len(),
            _ => self.first_write(usize::from(under_way)),
        };
        self.queue.insert(at, command);
        if at == 0 {
            self.begin(now);
        }
    }

    /// Begins with the front one.
    fn begin(&mut self, now: Instant) {
        self.at = match (self.queue.front(), &self.parked) {
            (Some(Command::Set(..)), Some(parked)) => now.max(parked.until),
            _ => now,
        };
        self.progress = Front::Wants { tries: 0 };
    }

    /// Ends the front one.
    fn finish(&mut self, now: Instant) -> Option<Command> {
        let command = self.queue.pop_front();
        self.begin(now);
        command
    }

    /// Where the first setting to be written stands in the queue, or its end.
    fn first_write(&self, from: usize) -> usize {
        let is_write = |at: &usize| matches!(self.queue.get(*at), Some(Command::Set(..)));
        (from..self.queue.len()).find(is_write).unwrap_or(self.queue.len())
    }

    /// Everything else goes before the rest of the setting in front, and the UPS is watched.
    fn park(&mut self, order: Order, pause: Duration, now: Instant) {
        self.parked = Some(Parked { until: now + pause, order });
        if let Some(write) = self.queue.pop_front() {
            self.queue.insert(self.first_write(0), write);
        }
        self.begin(now);
    }

    /// What stands between two steps of a setting is over.
    fn take_parked(&mut self) -> Option<Order> {
        let order = self.parked.take()?.order;
        self.queue.remove(self.first_write(0));
        Some(order)
    }

    /// The query that the front one wants answered.
    fn query(&self) -> Option<u8> {
        match self.queue.front()? {
            Command::ReadTransferCause => Some(upslink::TRANSFER_CAUSE),
            Command::ReadSelfTest => Some(upslink::SELF_TEST_RESULT),
            _ => None,
        }
    }

    /// Whether the front one wants just this answered.
    pub(super) fn reads(&self, query: u8) -> bool {
        self.query() == Some(query) && self.progress != Front::Read
    }

    /// What the front one wants has been asked. `true`: that is all, and a reading is to say so.
    pub(super) fn tried(&mut self, available: bool, now: Instant) -> bool {
        let Front::Wants { tries } = &mut self.progress else { return true };
        *tries = tries.saturating_add(1);
        let may_come = self.queue.front() == Some(&Command::ReadTransferCause) && !available;
        if may_come && *tries < CAUSE_ATTEMPTS {
            self.at = now + CAUSE_PAUSE;
            return false;
        }
        self.progress = Front::Read;
        true
    }

    /// A poll has ended: perhaps that of the front command.
    pub(super) fn round_ended(&mut self) {
        if self.queue.front() == Some(&Command::Poll) && matches!(self.progress, Front::Wants { tries: 1.. })
        {
            self.progress = Front::Read;
        }
    }
}

impl Session {
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
        if query.is_some_and(|query| self.rounds.is_past_first() && !self.queries.answered.contains(query)) {
            return Err("this UPS does not have it".to_owned());
        }
        if self.commands.queue.len() >= COMMANDS_MAX {
            return Err("too many commands wait for the UPS".to_owned());
        }
        if command == Command::Calibrate {
            self.store.values.permit_calibration()?;
        }
        if let Command::Set(setting, SettingValue::Number(volts)) = command {
            self.store.identity.permit_transfer(setting, volts)?;
        }
        self.commands.push(command, matches!(self.under_way, UnderWay::Order(_)), now);
        Ok(())
    }

    /// Moves the front command on: the query it needs, or its order.
    pub(super) fn next_for_command(&mut self, now: Instant) -> UnderWay {
        let Front::Wants { tries } = self.commands.progress else { return UnderWay::Nothing };
        if now < self.commands.at {
            return UnderWay::Nothing;
        }
        let order = match self.commands.queue.front().copied() {
            None => return UnderWay::Nothing,
            Some(Command::ReadTransferCause) => return UnderWay::query(upslink::TRANSFER_CAUSE, 0, now),
            Some(Command::ReadSelfTest) => return UnderWay::query(upslink::SELF_TEST_RESULT, 0, now),
            Some(Command::Poll) => {
                if tries == 0 && self.static_queries.is_done() {
                    self.commands.progress = Front::Wants { tries: 1 };
                    self.rounds.call(now);
                }
                return UnderWay::Nothing;
            }
            // Its permitted values belong to the static_queries.
            Some(Command::Set(..)) if !self.static_queries.is_done() => return UnderWay::Nothing,
            Some(Command::Set(setting, value)) => self.write(setting, value),
            Some(command) => Order::new(command, self.running(), self.status.is_on_line()),
        };
        match order {
            Ok(order) => UnderWay::Order(order),
            Err(reason) => {
                self.end_command(Err(reason), now);
                UnderWay::Nothing
            }
        }
    }

    /// A setting being written goes on, or one to be written begins.
    fn write(&mut self, setting: Setting, value: SettingValue) -> Result<Order, String> {
        if let Some(parked) = self.commands.parked.take() {
            return Ok(parked.order);
        }
        if self.status.is_on_battery() {
            return Err("not while the UPS is on battery".to_owned());
        }
        let permitted = &self.store.identity.permitted;
        let permitted = permitted.iter().find(|(of, _)| *of == setting).map(|(_, values)| values.clone());
        let write = Box::new(Write::new(setting, value, permitted.unwrap_or_default()));
        Ok(Order::of_write(Command::Set(setting, value), write))
    }

    pub(super) fn running(&self) -> Running {
        let flags = self.status.flags();
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

    pub(super) fn order_ended(&mut self, outcome: Option<Result<String, String>>, now: Instant) {
        let pause = match &mut self.under_way {
            UnderWay::Order(order) if outcome.is_none() => order.take_pause(),
            _ => None,
        };
        if outcome.is_none() && pause.is_none() {
            return;
        }
        let Some(order) = self.under_way.take_order() else { return };
        if let Some(pause) = pause {
            return self.commands.park(order, pause, now);
        }
        let Some(outcome) = outcome else { return };
        if outcome.is_ok() && order.command.cuts_power() {
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
            self.static_queries.read_again(now);
        }
        self.end_command(outcome, now);
        self.status.wanted = true;
        self.readings.wanted = true;
        // The order had the line for as long as it took.
        self.readings.silence.pause(now);
    }

    /// The front command ends so, and the next one begins.
    fn end_command(&mut self, outcome: Result<String, String>, now: Instant) {
        if let Some(command) = self.commands.finish(now) {
            self.result(command, outcome);
        }
    }

    /// A reading has been told: perhaps the one that the front command waited for.
    pub(super) fn end_command_read(&mut self, now: Instant) {
        if self.commands.progress == Front::Read {
            self.end_command(Ok("read".to_owned()), now);
        }
    }

    /// What comes of the commands when the conversation ends.
    pub(super) fn end_commands(&mut self, reason: &str) {
        if let Some(order) = self.under_way.take_order() {
            self.commands.queue.pop_front();
            self.result(order.command, Err(order.interrupted(reason)));
        }
        if let Some(order) = self.commands.take_parked() {
            self.result(order.command, Err(order.interrupted(reason)));
        }
        for command in std::mem::take(&mut self.commands.queue) {
            self.result(command, Err(reason.to_owned()));
        }
    }

    fn result(&mut self, command: Command, outcome: Result<String, String>) {
        self.events.push(LinkEvent::Command(CommandResult::new(command, outcome)));
    }
}
