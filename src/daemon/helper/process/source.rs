//! The helper's process as a source of its loop.

use std::time::{Duration, Instant};

use mio::Registry;
use mio::event::Event as IoEvent;

use super::{END_TIMEOUT, Ending, HelperProcess};
use crate::daemon::event_loop::{Exit, Source};
use crate::daemon::helper::main_role::MainRole;
use crate::daemon::helper::stand_in::StandIn;
use crate::daemon::token;
use crate::sys::signals::Signal;
use crate::wire::helper::FromHelper;

impl Source for HelperProcess {
    fn start(&mut self, registry: &Registry, _: Instant) {
        self.restarts.note_start();
        if let Some(main) = &self.main {
            main.register(registry);
        }
    }

    fn ready(&mut self, _: &Registry, event: &IoEvent, now: Instant) {
        if event.token() == token::HELPER {
            self.take_all(now);
        }
    }

    fn handle_signal(&mut self, signal: Signal, registry: &Registry, now: Instant) {
        match signal {
            Signal::Terminate(number) => {
                let exit = Exit::Signal(number);
                if self.main.is_none() && self.told_fork {
                    self.exit = Some(exit);
                }
                // The next main process, if there is none, ends the daemon in order.
                self.restarts.start_now(now);
                self.hands.stopping();
                let (kill_at, is_last) = (now + END_TIMEOUT, self.main.is_none());
                self.ending.get_or_insert(Ending { exit, kill_at, finished: false, is_last });
                self.outbox.push(FromHelper::Terminate(number).encode());
            }
            Signal::Reload => self.hands.reload(registry, now),
            Signal::Child => {
                self.hands.handle_child_signal(now);
                self.jobs.handle_child_signal(now);
                self.end_if_reaped();
                if self.main.as_mut().is_some_and(|main| main.role().has_ended()) {
                    // What it has said before that counts.
                    self.take_all(now);
                    if self.more.is_none() {
                        self.handle_end(now);
                    }
                }
            }
        }
    }

    fn handle_resume(&mut self, _: Duration, now: Instant) {
        if let Some(main) = &mut self.main {
            main.note_heard(now);
        }
    }

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        if self.more.is_some() {
            self.take_all(now);
        }
        if self.reread.take().is_some() {
            self.hands.reload(registry, now);
        }
        self.hands.handle_timeout(registry, now);
        self.jobs.handle_timeout(now);
        self.run_stand_in(now);
        if self.restarts.handle_timeout(now) {
            self.tell_end();
        }
        if let Some(ending) = self.ending.as_mut().filter(|ending| ending.kill_at <= now) {
            ending.is_last = true;
            self.exit = Some(ending.exit);
            self.give_up("does not end", now);
        } else {
            self.watch(now);
        }
    }

    fn pump(&mut self, now: Instant) {
        self.pump_told(now);
        if let Some(main) = &mut self.main {
            main.fill_spares(now);
        }
        self.send(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let main = self.main.as_ref().map(|main| main.poll_timeout(self.on_battery()));
        let stand_in = self.outage.stand_in.as_ref().and_then(StandIn::poll_timeout);
        let outbox = self.outbox.poll_timeout().filter(|_| self.main.is_some());
        let spares = self.main.as_ref().and_then(MainRole::spares_at);
        let kill_at = self.ending.map(|ending| ending.kill_at);
        let (restarts, hands) = (self.restarts.poll_timeout(), self.hands.poll_timeout());
        let jobs = self.jobs.poll_timeout();
        crate::ups::earliest(&[
            main,
            stand_in,
            outbox,
            spares,
            self.more,
            self.reread,
            kill_at,
            restarts,
            hands,
            jobs,
        ])
    }

    fn exit(&self) -> Option<Exit> {
        self.exit.or(self.restarts.is_due().then_some(Exit::StartMain))
    }

    fn close(&mut self, _: &Registry, _: Exit, now: Instant) {
        if !self.ending.is_some_and(|ending| ending.finished) {
            self.hands.stopping();
            self.hands.finish(now);
        }
    }
}
