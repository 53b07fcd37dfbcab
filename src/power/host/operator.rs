//! A shutdown that root orders by the control socket, and its end before it has begun.

use super::shutdown_state::{Decision, Progress, ShutdownState};
use super::{Cause, Condition, Demand, Host};
use crate::ups::Priority;

impl Host {
    /// Root orders the shutdown; `demand`: with its words.
    ///
    /// # Errors
    /// One is decided already.
    pub(in crate::power) fn shut_down_now(
        &mut self,
        demand: Demand,
        supply: &Condition,
    ) -> Result<(), &'static str> {
        if self.has_decided() {
            return Err("a shutdown is decided already");
        }
        self.decide(demand, supply);
        Ok(())
    }

    /// Root takes its order back.
    ///
    /// # Errors
    /// Why it stays: there is none, it is somebody else's, somebody else has ordered one too, or it has begun.
    pub(in crate::power) fn cancel_shutdown(&mut self) -> Result<(), &'static str> {
        match &self.shutdown {
            ShutdownState::Idle => return Err("no shutdown is decided"),
            ShutdownState::Decided(_) if self.remote.stands() => {
                return Err("a master or a card has ordered it too");
            }
            ShutdownState::Decided(Decision { cause: Cause::Operator, progress, .. }) => match progress {
                Progress::Waiting(_) | Progress::Failed(_) => {}
                Progress::Ordered | Progress::UnderWay => return Err("doshutdown has started"),
            },
            ShutdownState::Decided(_) => {
                return Err("the shutdown was decided by a limit, the UPS or a master, and is not cancelled");
            }
        }
        self.shutdown = ShutdownState::Idle;
        self.exit_at = None;
        if self.no_login {
            self.allow_logins();
        }
        self.log(Priority::Alert, "The shutdown that root had ordered is cancelled.");
        Ok(())
    }
}
