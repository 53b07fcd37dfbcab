//! A build without the control socket: there are no orders.

use std::time::Instant;

use super::Supervisor;
use crate::ups::CommandResult;

impl Supervisor {
    /// No test is ordered.
    pub(super) fn look_at_schedule(&mut self, _: Instant) {}

    /// There are none.
    pub(super) fn serve_orders(&mut self, _: Instant) -> bool {
        false
    }

    /// Nobody has given one.
    pub(super) fn order_ended(&mut self, _: u32, _: CommandResult, _: Instant) {}
}
