//! Commands that either source can carry out: tried with one, then with the other.

use super::{Command, CommandResult, Source};

/// Most that are under way.
const UNDER_WAY_MAX: usize = 16;

/// A command under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) command: Command,
    /// Who has it; `None`: it waits until it is known whether Modbus is answered.
    at: Option<Source>,
    /// Who is tried if that fails.
    then: Option<Source>,
    /// Why it failed.
    why: Vec<String>,
}

/// What is to be done next with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Give(Command, Source),
    Told(Command, Result<String, String>),
}

/// Those under way, in the order in which they were given.
#[derive(Debug, Default)]
pub(super) struct Orders(Vec<Order>);

impl Orders {
    /// A command for these sources, in turn. `modbus_waits`: whether Modbus is answered is not known yet. `None`: this one waits for that.
    pub(super) fn begin(
        &mut self,
        command: Command,
        (first, then): (Source, Option<Source>),
        modbus_waits: bool,
    ) -> Option<Next> {
        if self.0.len() >= UNDER_WAY_MAX {
            return Some(Next::Told(command, Err("too many orders are under way".to_owned())));
        }
        // What it takes the place of is not to be done afterwards, by the other one.
        for order in self.0.iter_mut().filter(|order| command.displaces(order.command)) {
            order.then = None;
        }
        let mut order = Order { command, at: None, then, why: Vec::new() };
        let next = order.give(first, modbus_waits);
        self.0.push(order);
        next
    }

    /// One that waits no longer: it is given to Modbus now.
    pub(super) fn waiting(&mut self) -> Option<Command> {
        let order = self.0.iter_mut().find(|order| order.at.is_none())?;
        order.at = Some(Source::Modbus);
        Some(order.command)
    }

    /// A command ended at this source. Of equal ones the first is answered first. `modbus_waits`: see [`Self::begin`].
    pub(super) fn ended(
        &mut self,
        result: CommandResult,
        source: Source,
        modbus_waits: bool,
    ) -> Option<Next> {
        let is_it = |order: &Order| order.command == result.command && order.at == Some(source);
        let at = self.0.iter().position(is_it)?;
        let order = self.0.get_mut(at)?;
        let outcome = match result.outcome {
            Ok(words) => Ok(words),
            Err(why) => {
                order.why.push(format!("{}: {why}", source.name()));
                // A UPS that has been told to switch off is not told twice: the second time might begin when it has switched on again.
                let is_once = result.is_acknowledged && result.command.cuts_power();
                if let Some(next) = order.then.take().filter(|_| !is_once) {
                    return order.give(next, modbus_waits);
                }
                Err(if order.why.len() > 1 { order.why.join("; ") } else { why })
            }
        };
        self.0.remove(at);
        Some(Next::Told(result.command, outcome))
    }
}

impl Order {
    fn give(&mut self, to: Source, modbus_waits: bool) -> Option<Next> {
        self.at = Some(to).filter(|to| *to == Source::Hid || !modbus_waits);
        self.at.map(|at| Next::Give(self.command, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Switched off to stay off after kill power, the machine would not come back with mains.
    #[test]
    fn an_order_whose_place_kill_power_has_taken_is_not_tried_with_the_other_source() {
        let mut orders = Orders::default();
        let both = (Source::Modbus, Some(Source::Hid));
        orders.begin(Command::PowerOff, both, false);
        orders.begin(Command::KillPower, both, false);
        let why = || Err("another order took its place".to_owned());
        assert_eq!(
            orders.ended(CommandResult::new(Command::PowerOff, why()), Source::Modbus, false),
            Some(Next::Told(Command::PowerOff, why()))
        );
        let refused = CommandResult::new(Command::KillPower, Err("refused".to_owned()));
        assert_eq!(
            orders.ended(refused, Source::Modbus, false),
            Some(Next::Give(Command::KillPower, Source::Hid))
        );
    }
}
