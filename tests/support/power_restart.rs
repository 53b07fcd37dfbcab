//! A restart of the daemon, and a UPS that turns out to be another one than before it.

use std::time::Duration;

use mainsd::power::{AtStart, Cause, Machine};
use mainsd::ups::PollRate;

use super::Simulation;
use super::power_input::{Input, secs};
use super::power_oracle::{Open, Oracle};

impl Simulation {
    /// Killed and started again, or stopped and started again.
    pub(super) fn restart(&mut self, input: &mut Input) {
        self.summary.restarts += 1;
        if input.pick(&[false, true]) {
            // The loop ends with it, whatever else was due.
            self.machine.handle_stop(self.now);
            while let Some(order) = self.machine.poll_order() {
                self.order(order);
            }
        }
        let powerfail = input.pick(&[false, true]);
        let at_start = AtStart { saved: self.saved.clone(), powerfail, ..AtStart::default() };
        let since = self.saved.as_ref().and_then(|saved| saved.on_battery_since);
        let announced = self.saved.as_ref().is_some_and(|saved| saved.announced);
        self.machine = Machine::new(self.settings.clone(), self.now, at_start);
        self.poll_rate = PollRate::Normal;
        self.asked.clear();
        let now = self.now;
        let oracle = &mut self.oracle;
        *oracle = Oracle {
            line: since.map(|_| true),
            since: since.unwrap_or(now),
            not_before: now + secs(60),
            open: if since.is_some() { Open::Outage } else { Open::No },
            announced,
            taken_over: since.is_some(),
            transfers: oracle.transfers,
            total: oracle.total,
            ..Oracle::new(now)
        };
        self.settled();
    }

    /// The UPS tells another serial number than the state that was taken over.
    pub(super) fn other_ups(&mut self) {
        let now = self.now;
        let oracle = &mut self.oracle;
        (oracle.transfers, oracle.total, oracle.cumulated) = (0, Duration::ZERO, Duration::ZERO);
        if std::mem::take(&mut oracle.taken_over) {
            self.summary.foreign += 1;
            oracle.line = None;
            (oracle.open, oracle.announced) = (Open::No, false);
            (oracle.unannounced, oracle.doubtful) = (false, false);
            for samples in [&mut oracle.charge, &mut oracle.runtime, &mut oracle.near_end] {
                samples.end();
            }
            oracle.not_before = now;
            let by_order = match oracle.decided {
                Some(_) => oracle.decided_by_order,
                None => oracle.cause == Some(Cause::Remote),
            };
            if !by_order {
                oracle.closed = false;
                oracle.decided = None;
                oracle.again = false;
                oracle.cause = None;
                // It is heeded now, in place of what was dropped.
                oracle.unheeded = oracle.unheeded.map(|_| now);
            }
        }
        self.machine.handle_other_ups(now);
        self.settled();
        let view = self.machine.view();
        assert!(view.transfers <= 1 && view.on_battery_total == Duration::ZERO, "counters of another UPS");
    }
}
