//! Commands that either source can carry out: tried with one, then with the other.

use super::{Command, Source};

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
    /// A command for these sources, in turn.
    pub(super) fn begin(&mut self, command: Command, first: Source, then: Option<Source>) -> Next {
        if self.0.len() >= UNDER_WAY_MAX {
            return Next::Told(command, Err("too many orders are under way".to_owned()));
        }
        // What it takes the place of is not to be done afterwards, by the other one.
        for order in self.0.iter_mut().filter(|order| command.displaces(order.command)) {
            order.then = None;
        }
        self.0.push(Order { command, at: Some(first), then, why: Vec::new() });
        Next::Give(command, first)
    }

    /// The command that was given last is to wait until it is known whether Modbus is answered.
    pub(super) fn wait(&mut self, command: Command) {
        if let Some(order) = self.0.iter_mut().rev().find(|order| order.command == command) {
            order.at = None;
        }
    }

    /// One that waits no longer: it is given to Modbus now.
    pub(super) fn waiting(&mut self) -> Option<Command> {
        let order = self.0.iter_mut().find(|order| order.at.is_none())?;
        order.at = Some(Source::Modbus);
        Some(order.command)
    }

    /// A command ended at this source. Of equal ones the first is answered first.
    pub(super) fn ended(
        &mut self,
        command: Command,
        source: Source,
        outcome: Result<String, String>,
    ) -> Option<Next> {
        let is_it = |order: &Order| order.command == command && order.at == Some(source);
        let at = self.0.iter().position(is_it)?;
        let order = self.0.get_mut(at)?;
        let outcome = match outcome {
            Ok(words) => Ok(words),
            Err(why) => {
                order.why.push(format!("{}: {why}", source.name()));
                if let Some(next) = order.then.take() {
                    order.at = Some(next);
                    return Some(Next::Give(command, next));
                }
                Err(if order.why.len() > 1 { order.why.join("; ") } else { why })
            }
        };
        self.0.remove(at);
        Some(Next::Told(command, outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Switched off to stay off after kill power, the machine would not come back with mains.
    #[test]
    fn an_order_whose_place_kill_power_has_taken_is_not_tried_with_the_other_source() {
        let mut orders = Orders::default();
        orders.begin(Command::PowerOff, Source::Modbus, Some(Source::Hid));
        orders.begin(Command::KillPower, Source::Modbus, Some(Source::Hid));
        let why = || Err("another order took its place".to_owned());
        assert_eq!(
            orders.ended(Command::PowerOff, Source::Modbus, why()),
            Some(Next::Told(Command::PowerOff, why()))
        );
        assert_eq!(
            orders.ended(Command::KillPower, Source::Modbus, Err("refused".to_owned())),
            Some(Next::Give(Command::KillPower, Source::Hid))
        );
    }
}
