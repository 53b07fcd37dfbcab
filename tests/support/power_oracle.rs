//! What must hold after each step: what the oracle knows, and its rules, on their own.

use std::time::{Duration, Instant};

use mainsd::power::{Cause, HookReport, Order};
use mainsd::ups::{
    Command, Event, Evidence, Item, LowBatteryFlag, NoLogon, RateLimit, Reading, SelfTestResult, StatusFlags,
    TransferCause,
};

use super::Simulation;
use super::power_input::secs;
use super::power_samples::{Samples, is_copy};

/// The longest a confirmed transfer waits for its cause, and a limit for a doubt about mains.
const SLACK: Duration = Duration::from_secs(1 + 3);

/// What the announcements say to a user who knows nothing else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Open {
    No,
    Outage,
    Test,
}

/// Changes that one alert each is enough for, and after how long there may be one more (mainsd-power(7)).
const AT_ONCE: RateLimit = RateLimit::new(8, secs(10));

pub struct Oracle {
    pub at_once: RateLimit,
    /// Believed: on battery?
    pub line: Option<bool>,
    pub candidate: Option<(bool, Samples)>,
    /// The last sample of the line.
    pub line_read: Option<(Instant, bool)>,
    /// The end of the last stall or suspend.
    pub held_up: Option<Instant>,
    pub since: Instant,
    /// When `since` was confirmed.
    pub confirmed: Instant,
    /// A confirmed transfer that has not been announced: each is announced once, a blip too.
    pub unannounced: bool,
    /// Nothing has been counted before this.
    pub not_before: Instant,
    /// Something has been said that can make this transfer a test.
    pub doubtful: bool,
    pub low: Samples,
    pub charge: Samples,
    pub runtime: Samples,
    /// A charge of 50 % or less.
    pub near_end: Samples,
    /// When the charge was sampled at or below its limit, whatever else was said in between.
    pub low_charges: Vec<Instant>,
    /// When the limit was changed.
    pub limit_changed: Option<Instant>,
    pub comm_up: bool,
    pub comm_failed: bool,
    pub remote: bool,
    /// When a remote order was given that no shutdown has followed yet.
    pub unheeded: Option<Instant>,
    pub open: Open,
    pub announced: bool,
    pub closed: bool,
    /// A shutdown has been decided and not ordered yet: when, the line then, and whether a remote order stood.
    pub decided: Option<(Instant, Option<bool>, bool)>,
    /// It was decided because of a remote order.
    pub decided_by_order: bool,
    /// The outage is that of an earlier run.
    pub taken_over: bool,
    /// The next order repeats one.
    pub again: bool,
    pub cause: Option<Cause>,
    pub last_shutdown: Option<Instant>,
    pub report: Option<HookReport>,
    pub no_login: bool,
    pub transfers: u32,
    pub total: Duration,
    pub cumulated: Duration,
}

impl Oracle {
    /// Nothing is known, and no outage was saved.
    pub fn new(now: Instant) -> Self {
        Self {
            at_once: AT_ONCE,
            line: None,
            candidate: None,
            line_read: None,
            held_up: None,
            since: now,
            confirmed: now,
            unannounced: false,
            not_before: now,
            doubtful: false,
            low: Samples::default(),
            charge: Samples::default(),
            runtime: Samples::default(),
            near_end: Samples::default(),
            low_charges: Vec::new(),
            limit_changed: None,
            comm_up: false,
            comm_failed: false,
            remote: false,
            unheeded: None,
            open: Open::No,
            announced: false,
            closed: false,
            decided: None,
            decided_by_order: false,
            taken_over: false,
            again: false,
            cause: None,
            last_shutdown: None,
            report: None,
            no_login: false,
            transfers: 0,
            total: Duration::ZERO,
            cumulated: Duration::ZERO,
        }
    }

    /// One more sample of the line.
    fn line_sampled(&mut self, battery: bool, at: Instant, evidence: Evidence, now: Instant, n: u32) {
        if self.line == Some(battery) {
            self.candidate = None;
            return;
        }
        if self.line.is_none() && !battery {
            self.line = Some(false);
            self.taken_over = false;
            self.candidate = None;
            self.since = now;
            return;
        }
        let mut samples =
            self.candidate.filter(|(on, _)| *on == battery).map(|(_, run)| run).unwrap_or_default();
        samples.note(true, Some(at));
        self.candidate = Some((battery, samples));
        let by_alert = || samples.agreed(1).filter(|_| evidence != Evidence::Poll && self.at_once.take(now));
        let Some(run) = samples.agreed(n).or_else(by_alert) else { return };
        self.candidate = None;
        self.line = Some(battery);
        self.taken_over = false;
        self.since = if battery { run.since } else { now };
        self.confirmed = now;
        self.not_before = now;
        for samples in [&mut self.charge, &mut self.runtime, &mut self.near_end] {
            samples.end();
        }
        self.doubtful = false;
        self.unannounced |= battery;
    }
}

impl Simulation {
    /// The rules of belief, on their own.
    pub(super) fn believe(&mut self, reading: &Reading) {
        let (now, n) = (self.now, self.settings.confirm_polls.max(1));
        let oracle = &mut self.oracle;
        oracle.comm_up = true;
        let battery = reading.status.contains(StatusFlags::ONBATT);
        if !battery && !reading.status.contains(StatusFlags::ONLINE) {
            return;
        }
        // What comes from the future is of now at most.
        let read = |item| reading.read.of(item).map(|at: Instant| at.min(now));
        oracle.low.note(reading.status.contains(StatusFlags::BATTLOW), read(Item::LowBattery));
        let values = &reading.values;
        let test_bits = reading.status.contains(StatusFlags::CALIBRATION)
            || values.transfer_cause == Some(TransferCause::SelfTest)
            || values.self_test == Some(SelfTestResult::InProgress);
        if let Some(at) = read(Item::Line).filter(|at| !is_copy(oracle.line_read, battery, *at)) {
            oracle.line_read = Some((at, battery));
            oracle.line_sampled(battery, at, reading.evidence, now, n);
        }
        oracle.doubtful |= test_bits;
        let charge = values.battery_charge.map(|v| v.0).filter(|v| (1.0..=100.0).contains(v));
        let runtime = values.runtime_left.map(|v| v.0).filter(|v| (0.1..=1000.0).contains(v));
        // One of before the outage is none of it, and it takes a second to be sure that it is one.
        let of_it = |at: &std::time::Instant| oracle.line == Some(true) && *at >= oracle.confirmed + secs(1);
        let (charge_at, runtime_at) = (read(Item::Charge), read(Item::Runtime));
        let level = self.settings.battery_level.map_or(-1.0, |limit| limit.0);
        let minutes = self.settings.minutes.map_or(-1.0, |limit| limit.0);
        let low = [
            (charge.is_some_and(|v| v <= level), charge_at),
            (runtime.is_some_and(|v| v <= minutes), runtime_at),
            (charge.is_some_and(|v| v <= 50.0), charge_at),
        ]
        .map(|(low, at)| (low && at.as_ref().is_some_and(of_it), at));
        for ((low, at), samples) in
            low.into_iter().zip([&mut oracle.charge, &mut oracle.runtime, &mut oracle.near_end])
        {
            // A sample of mains that waits for another says nothing about an outage.
            if battery || !low {
                samples.note(low, at);
            }
        }
        let any_low = values.battery_charge.is_some_and(|v| v.0 <= level);
        if let Some(at) = charge_at.filter(|at| any_low && !oracle.low_charges.contains(at)) {
            oracle.low_charges.push(at);
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
        // (h) nothing is believed by less than it takes, however often it is told.
        let n = self.settings.confirm_polls.max(1);
        assert_eq!(
            view.flags.contains(StatusFlags::BATTLOW),
            oracle.low.agreed(n).is_some(),
            "step {step}: low battery by other than {n} samples"
        );
        let closed = view.flags.contains(StatusFlags::SHUTDOWN);
        let in_outage = oracle.low_charges.iter().filter(|at| **at >= oracle.since).count();
        let enough = in_outage >= n as usize || oracle.limit_changed >= Some(oracle.since);
        assert!(
            closed || !view.flags.contains(StatusFlags::SHUT_LOAD) || enough,
            "step {step}: a limit of charge by less than {n} samples"
        );
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
            || self.oracle.candidate.is_some_and(|(battery, samples)| {
                !battery && samples.run.is_some_and(|run| self.now < run.since + secs(3))
            })
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
        let low = match (settings.low_battery_flag, oracle.low.agreed(n), oracle.near_end.agreed(n)) {
            (LowBatteryFlag::Ups, low, _) => low,
            (LowBatteryFlag::Confirm, Some(low), Some(near)) if low.since < near.since => Some(near),
            (LowBatteryFlag::Confirm, low, Some(_)) => low,
            (LowBatteryFlag::Confirm | LowBatteryFlag::Ignore, ..) => None,
        };
        let limits =
            [(low, "LOWBATT"), (oracle.charge.agreed(n), "charge"), (oracle.runtime.agreed(n), "runtime")];
        for (run, what) in limits {
            if let Some(run) = run {
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
            Order::SetPace(poll_rate) => self.poll_rate = poll_rate,
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
            Order::Event(event) | Order::Hook(event) | Order::EventWithReason(event, _) => self.event(event),
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
                // (i) A flag that does not count decides nothing; a silence does.
                let by_flag = matches!(event, Event::Failing | Event::Emergency);
                let ignored = self.settings.low_battery_flag == LowBatteryFlag::Ignore;
                assert!(!by_flag || !ignored || !oracle.comm_up, "step {step}: a flag to ignore decides");
                oracle.decided = Some((self.now, oracle.line, oracle.remote));
                oracle.decided_by_order = event == Event::RemoteDown;
            }
            Event::DoShutdown => panic!("step {step}: doshutdown is an order of its own"),
            _ => {}
        }
    }
}
