//! What must hold after each step: the oracle's rules, on their own.

use std::time::Duration;

use mainsd::power::{Cause, HookReport, Order};
use mainsd::ups::{Command, Event, Evidence, NoLogon, Reading, StatusFlags, TransferCause};

use super::{Open, SLACK, World, note, secs};

impl World {
    /// The rules of belief, on their own.
    pub(super) fn believe(&mut self, reading: &Reading) {
        let (now, n) = (self.now, self.settings.confirm_polls.max(1));
        let oracle = &mut self.oracle;
        oracle.comm_up = true;
        let battery = reading.status.contains(StatusFlags::ONBATT);
        if !battery && !reading.status.contains(StatusFlags::ONLINE) {
            return;
        }
        note(&mut oracle.low, reading.status.contains(StatusFlags::BATTLOW), now);
        let test_bits = reading.status.contains(StatusFlags::CALIBRATION)
            || reading.values.transfer_cause == Some(TransferCause::SelfTest);
        if oracle.line == Some(battery) {
            oracle.candidate = None;
        } else if oracle.line.is_none() && !battery {
            oracle.line = Some(false);
            oracle.candidate = None;
            oracle.since = now;
        } else {
            let mut run = oracle.candidate.filter(|(on, _)| *on == battery).map(|(_, run)| run);
            note(&mut run, true, now);
            oracle.candidate = run.map(|run| (battery, run));
            let run = run.expect("just noted");
            if run.count >= n || reading.evidence != Evidence::Poll {
                oracle.candidate = None;
                oracle.line = Some(battery);
                oracle.since = if battery { run.since } else { now };
                oracle.confirmed = now;
                oracle.not_before = now;
                oracle.charge = None;
                oracle.runtime = None;
                oracle.doubtful = false;
                oracle.unannounced |= battery;
            }
        }
        oracle.doubtful |= test_bits;
        let values = &reading.values;
        let charge = values.battery_charge.map(|v| v.0).filter(|v| (1.0..=100.0).contains(v));
        let runtime = values.runtime_left.map(|v| v.0).filter(|v| (0.1..=1000.0).contains(v));
        let counts = oracle.line == Some(true) && now >= oracle.confirmed + secs(1);
        let level = self.settings.battery_level.map_or(-1.0, |limit| limit.0);
        let minutes = self.settings.minutes.map_or(-1.0, |limit| limit.0);
        if battery {
            // A reading on mains that waits for another says nothing about an outage.
            note(&mut oracle.charge, counts && charge.is_some_and(|v| v <= level), now);
            note(&mut oracle.runtime, counts && runtime.is_some_and(|v| v <= minutes), now);
        }
    }

    /// Takes the orders, then looks at what must hold between inputs.
    pub(super) fn settled(&mut self) {
        while let Some(order) = self.machine.poll_order() {
            self.order(order);
        }
        let view = self.machine.view();
        let step = self.summary.steps;
        let oracle = &mut self.oracle;
        if let Some(at) = self.machine.poll_timeout() {
            assert!(at > self.now, "step {step}: a timer is due but did not fire: {:?}", self.machine);
        }
        assert_eq!(
            view.flags.contains(StatusFlags::ONBATT),
            oracle.line == Some(true),
            "step {step}: what is shown is not what has been confirmed"
        );
        let closed = view.flags.contains(StatusFlags::SHUTDOWN);
        if oracle.closed && !closed {
            let mains = oracle.line == Some(false) && self.now >= oracle.since + secs(60);
            let taken_back = oracle.cause == Some(Cause::Remote) && !oracle.remote;
            assert!(mains || taken_back, "step {step}: armed again without mains for good");
            oracle.not_before = oracle.not_before.max(self.now);
        }
        oracle.closed = closed;
        // (g) A decided shutdown is ordered within SLAVEWAIT, whatever happens.
        if let Some((at, ..)) = oracle.decided {
            assert!(closed, "step {step}: a decided shutdown is forgotten");
            assert!(self.now < at + self.settings.slave_wait, "step {step}: slaves hold up the shutdown");
        }
        // (e) counters never go back.
        let running = view.on_battery_since.map_or(Duration::ZERO, |since| self.now - since);
        assert!(view.transfers >= oracle.transfers, "step {step}: NUMXFERS fell");
        assert!(view.on_battery_total >= oracle.total, "step {step}: the finished part of CUMONBATT fell");
        assert!(view.on_battery_total + running >= oracle.cumulated, "step {step}: CUMONBATT fell");
        oracle.transfers = view.transfers;
        oracle.total = view.on_battery_total;
        oracle.cumulated = view.on_battery_total + running;
        // (d) the flag says what was announced.
        assert_eq!(view.flags.contains(StatusFlags::ONBATT_MSG), oracle.announced, "step {step}: ONBATT_MSG");
        assert_eq!(
            oracle.comm_up && oracle.line.is_some(),
            !view.flags.contains(StatusFlags::COMMLOST),
            "step {step}"
        );
        // A remote order is carried out at once, or when the shutdown ordered before has had its time, and slaves theirs.
        let grace = self.settings.shutdown_grace.max(secs(30)) + SLACK + self.settings.slave_wait;
        let in_doubt = self.in_doubt();
        let lost = self.oracle.unheeded.is_some_and(|at| self.now >= at + grace);
        assert!(!lost || in_doubt, "step {step}: a remote order is lost: {:?}", self.machine);
        self.limits_are_kept();
    }

    /// A reading on mains waits for another one, or a daemon that was held up for any.
    pub(super) fn in_doubt(&self) -> bool {
        let held_up = self.oracle.held_up.is_some_and(|at| self.now < at + secs(3));
        held_up
            || self.oracle.candidate.is_some_and(|(battery, run)| !battery && self.now < run.since + secs(3))
    }

    /// (b) Beyond a limit for its debounce time, the shutdown is decided.
    pub(super) fn limits_are_kept(&self) {
        let (oracle, settings, step) = (&self.oracle, &self.settings, self.summary.steps);
        if oracle.line != Some(true) || oracle.closed || oracle.doubtful {
            return;
        }
        if self.in_doubt() {
            return;
        }
        let from = oracle.confirmed.max(oracle.not_before);
        let n = settings.confirm_polls.max(1);
        if let Some(timeout) = settings.timeout {
            let due = from + settings.on_battery_delay + timeout + SLACK;
            assert!(
                self.now < due,
                "step {step}: TIMEOUT is over and nothing happens: {:?} {:?}",
                self.now,
                self.machine
            );
        }
        for (run, what) in [(oracle.low, "LOWBATT"), (oracle.charge, "charge"), (oracle.runtime, "runtime")] {
            if let Some(run) = run.filter(|run| run.count >= n) {
                let due = run.since.max(from) + secs(5) + SLACK;
                assert!(
                    self.now < due,
                    "step {step}: {what} is low and nothing happens: {run:?} {:?} {:?}",
                    self.now,
                    self.machine
                );
            }
        }
    }

    pub(super) fn order(&mut self, order: Order) {
        let step = self.summary.steps;
        let oracle = &mut self.oracle;
        match order {
            Order::SetPace(pace) => self.pace = pace,
            Order::Save(saved) => self.saved = Some(saved),
            Order::Command(Command::KillPower) => {
                self.summary.kills += 1;
                assert!(!self.settings.slave, "step {step}: a slave kills power");
                assert_eq!(oracle.line, Some(true), "step {step}: power off with mains present");
                assert!(oracle.comm_up, "step {step}: a command to a silent UPS");
                let under_way =
                    matches!(oracle.report, Some(HookReport::ShutdownStarted | HookReport::ShutdownFellBack));
                assert!(under_way, "step {step}: power off before the shutdown is under way");
            }
            Order::Command(command) => self.asked.push(command),
            Order::CreateNologin => {
                assert!(!oracle.no_login, "step {step}: nologin twice");
                assert_ne!(self.settings.no_logon, NoLogon::Disable, "step {step}: nologin though disabled");
                oracle.no_login = true;
            }
            Order::RemoveNologin => oracle.no_login = false,
            Order::RemovePowerfail => {
                assert_eq!(oracle.line, Some(false), "step {step}: powerfail removed on battery");
                let fresh =
                    oracle.last_shutdown.is_some_and(|at| self.now < at + self.settings.shutdown_grace);
                assert!(!fresh, "step {step}: powerfail removed during a shutdown");
            }
            Order::Shutdown { cause, explanation } => {
                let decided = oracle.decided.take();
                let (line, remote) =
                    decided.map_or((oracle.line, oracle.remote), |(_, line, remote)| (line, remote));
                self.summary.shutdowns += u64::from(decided.is_some());
                self.summary.waits += u64::from(decided.is_some_and(|(at, ..)| at < self.now));
                assert!(
                    explanation.starts_with("Shutdown because ") && !explanation.contains('\n'),
                    "step {step}"
                );
                // (a) only on battery, confirmed, or ordered from outside.
                if cause == Cause::Remote {
                    assert!(remote, "step {step}: a remote order nobody gave");
                } else {
                    assert_eq!(line, Some(true), "step {step}: {cause:?} without a confirmed outage");
                }
                // (f) once in a latch period.
                if let Some(last) = oracle.last_shutdown.filter(|_| oracle.closed && decided.is_none()) {
                    let failed = oracle.report == Some(HookReport::ShutdownFailed);
                    let least = if failed { secs(1) } else { self.settings.shutdown_grace };
                    assert!(self.now >= last + least, "step {step}: doshutdown twice");
                }
                oracle.unheeded = None;
                oracle.again = false;
                oracle.closed = true;
                oracle.cause = Some(cause);
                oracle.last_shutdown = Some(self.now);
                oracle.report = None;
            }
            Order::Exit => {
                let failed = matches!(oracle.report, None | Some(HookReport::ShutdownFailed));
                assert!(!failed || oracle.last_shutdown.is_none(), "step {step}: left without a shutdown");
            }
            Order::Event(event) | Order::Hook(event) => self.event(event),
            Order::CountSlaves => self.count_slaves(),
            // Of a shutdown that is ordered again the event may be said again: its cause has become another.
            Order::Log(_, text) => oracle.again |= text.ends_with(": trying again."),
            Order::CreatePowerfail => {}
        }
    }

    /// (c) and (d): announcements open and close as a user expects.
    pub(super) fn event(&mut self, event: Event) {
        let step = self.summary.steps;
        let oracle = &mut self.oracle;
        match event {
            Event::PowerOut | Event::StartSelfTest => {
                assert_eq!(oracle.open, Open::No, "step {step}: {event:?} within an outage");
                assert!(std::mem::take(&mut oracle.unannounced), "step {step}: {event:?} without a transfer");
                oracle.open = if event == Event::PowerOut { Open::Outage } else { Open::Test };
                self.summary.outages += 1;
                self.summary.tests += u64::from(event == Event::StartSelfTest);
            }
            Event::OnBattery => {
                assert!(oracle.open != Open::No && !oracle.announced, "step {step}: onbattery out of place");
                oracle.announced = true;
            }
            Event::OffBattery => {
                assert!(oracle.announced, "step {step}: offbattery without onbattery");
                oracle.announced = false;
            }
            Event::MainsBack => {
                assert!(oracle.open != Open::No && !oracle.announced, "step {step}: mainsback out of place");
                assert_eq!(oracle.line, Some(false), "step {step}: mainsback on battery");
                oracle.open = Open::No;
            }
            Event::EndSelfTest => {
                assert!(
                    oracle.open == Open::Test && !oracle.announced,
                    "step {step}: endselftest out of place"
                );
                oracle.open = Open::No;
            }
            Event::CommFailure => {
                assert!(!oracle.comm_up && !oracle.comm_failed, "step {step}: commfailure out of place");
                oracle.comm_failed = true;
                self.summary.comm_failures += 1;
            }
            Event::CommOk => {
                assert!(oracle.comm_failed, "step {step}: commok without commfailure");
                oracle.comm_failed = false;
            }
            Event::AnnoyMe => assert!(oracle.no_login, "step {step}: annoyme without nologin"),
            Event::Timeout
            | Event::Failing
            | Event::LoadLimit
            | Event::RunLimit
            | Event::Emergency
            | Event::RemoteDown
                if !oracle.again =>
            {
                assert!(oracle.decided.is_none(), "step {step}: decided twice");
                oracle.decided = Some((self.now, oracle.line, oracle.remote));
            }
            Event::DoShutdown => panic!("step {step}: doshutdown is an order of its own"),
            _ => {}
        }
    }
}
