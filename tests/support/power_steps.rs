//! Any bytes as a life of the power machine, and what must hold in each.
//!
//! The bytes choose settings and then steps: what the UPS says, silence, command results, hook reports, time, restarts.
//! An oracle of its own, which knows the rules of belief and nothing of the machine's states, watches every order.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // what fails here is a test

#[path = "power_oracle.rs"]
mod power_oracle;

use std::time::{Duration, Instant};

use mainsd::power::{AtStart, Cause, HookReport, Machine, SavedOutage, Settings};
use mainsd::ups::{
    Command, CommandResult, Evidence, Minutes, NoLogon, Pace, Percent, Reading, SelfTestResult, StatusFlags,
    TransferCause, Values, Volts,
};

/// Readings closer together are one look.
const APART: Duration = Duration::from_millis(200);
/// The longest a confirmed transfer waits for its cause, and a limit for a doubt about mains.
const SLACK: Duration = Duration::from_secs(1 + 3);

/// What a run did, so that a test can see that it did something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    pub steps: u64,
    pub outages: u64,
    pub tests: u64,
    pub shutdowns: u64,
    pub waits: u64,
    pub kills: u64,
    pub comm_failures: u64,
    pub restarts: u64,
}

/// Lives through `bytes`; panics with the step if something that must hold does not.
pub fn run(bytes: &[u8], start: Instant) -> Summary {
    let mut input = Input { bytes, at: 0 };
    let mut world = World::new(&mut input, start);
    while let Some(op) = input.next() {
        world.summary.steps += 1;
        world.step(op, &mut input);
    }
    let end = input.at % 3;
    match end {
        0 => world.end_in_silence(),
        1 => world.end_on_mains(),
        _ => {}
    }
    world.summary
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Input<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[usize::from(self.next().unwrap_or(0)) % from.len()].clone()
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Readings in a row that agree, as the machine counts them.
#[derive(Clone, Copy, Debug)]
struct Run {
    since: Instant,
    counted: Instant,
    count: u32,
}

fn note(run: &mut Option<Run>, says: bool, now: Instant) {
    *run = match (*run, says) {
        (_, false) => None,
        (None, true) => Some(Run { since: now, counted: now, count: 1 }),
        (Some(run), true) if now - run.counted < APART => Some(run),
        (Some(run), true) => Some(Run { counted: now, count: run.count + 1, ..run }),
    };
}

/// What the announcements say to a user who knows nothing else.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Open {
    No,
    Outage,
    Test,
}

struct Oracle {
    /// Believed: on battery?
    line: Option<bool>,
    candidate: Option<(bool, Run)>,
    /// The end of the last stall or suspend.
    held_up: Option<Instant>,
    since: Instant,
    /// When `since` was confirmed.
    confirmed: Instant,
    /// A confirmed transfer that has not been announced: each is announced once, a blip too.
    unannounced: bool,
    /// Nothing has been counted before this.
    not_before: Instant,
    /// Something has been said that can make this transfer a test.
    doubtful: bool,
    low: Option<Run>,
    charge: Option<Run>,
    runtime: Option<Run>,
    comm_up: bool,
    comm_failed: bool,
    remote: bool,
    /// When a remote order was given that no shutdown has followed yet.
    unheeded: Option<Instant>,
    open: Open,
    announced: bool,
    closed: bool,
    /// A shutdown has been decided and not ordered yet: when, the line then, and whether a remote order stood.
    decided: Option<(Instant, Option<bool>, bool)>,
    /// The next order repeats one.
    again: bool,
    cause: Option<Cause>,
    last_shutdown: Option<Instant>,
    report: Option<HookReport>,
    no_login: bool,
    transfers: u32,
    total: Duration,
    cumulated: Duration,
}

struct World {
    machine: Machine,
    settings: Settings,
    now: Instant,
    pace: Pace,
    status: StatusFlags,
    values: Values,
    answering: bool,
    saved: Option<SavedOutage>,
    asked: Vec<Command>,
    /// Slaves that are there; `None`: nobody says.
    slaves: Option<usize>,
    oracle: Oracle,
    summary: Summary,
}

impl World {
    fn new(input: &mut Input, start: Instant) -> Self {
        let settings = pick_settings(input);
        let machine = Machine::new(
            settings.clone(),
            start,
            AtStart { saved: None, powerfail: input.pick(&[false, true]) },
        );
        let values = Values {
            battery_charge: Some(Percent(100.0)),
            runtime_left: Some(Minutes(30.0)),
            line_voltage: Some(Volts(230.0)),
            transfer_cause: input.pick(&[None, Some(TransferCause::None)]),
            ..Values::default()
        };
        let oracle = Oracle {
            line: None,
            candidate: None,
            held_up: None,
            since: start,
            confirmed: start,
            unannounced: false,
            not_before: start,
            doubtful: false,
            low: None,
            charge: None,
            runtime: None,
            comm_up: false,
            comm_failed: false,
            remote: false,
            unheeded: None,
            open: Open::No,
            announced: false,
            closed: false,
            decided: None,
            again: false,
            cause: None,
            last_shutdown: None,
            report: None,
            no_login: false,
            transfers: 0,
            total: Duration::ZERO,
            cumulated: Duration::ZERO,
        };
        let mut world = Self {
            machine,
            settings,
            now: start,
            pace: Pace::Normal,
            status: StatusFlags::ONLINE | StatusFlags::BATTPRESENT,
            values,
            answering: true,
            saved: None,
            asked: Vec::new(),
            slaves: Some(0),
            oracle,
            summary: Summary::default(),
        };
        world.settled();
        world
    }

    fn step(&mut self, op: u8, input: &mut Input) {
        let line = StatusFlags::ONLINE | StatusFlags::ONBATT;
        match op % 32 {
            0..=3 => self.set_line(StatusFlags::ONBATT, Some(0.0), op & 32 != 0),
            4..=6 => self.set_line(StatusFlags::ONLINE, Some(230.0), op & 32 != 0),
            7 => self.status = self.status.with(line, op & 32 != 0),
            8 => self.status.set(StatusFlags::BATTLOW, op & 32 != 0),
            9 => {
                self.status.set(StatusFlags::CALIBRATION, op & 32 != 0);
            }
            10 => {
                self.values.transfer_cause = input.pick(&[
                    Some(TransferCause::SelfTest),
                    Some(TransferCause::LowLine),
                    Some(TransferCause::None),
                    None,
                ]);
            }
            11 => {
                let charge = input.pick(&[100.0, 50.0, 16.0, 14.0, 5.0, 3.0, 0.0, f64::NAN, -1.0, 255.0]);
                self.values.battery_charge = if op & 32 == 0 { Some(Percent(charge)) } else { None };
            }
            12 => {
                let runtime =
                    input.pick(&[60.0, 20.0, 5.0, 3.0, 2.0, 0.5, 0.0, 1092.25, 65535.0, f64::INFINITY]);
                self.values.runtime_left = if op & 32 == 0 { Some(Minutes(runtime)) } else { None };
            }
            13 => self.values.line_voltage = input.pick(&[None, Some(Volts(0.0)), Some(Volts(230.0))]),
            14 => {
                let bit =
                    input.pick(&[StatusFlags::BATTPRESENT, StatusFlags::REPLACEBATT, StatusFlags::OVERLOAD]);
                self.status.set(bit, op & 32 != 0);
            }
            15 => self.read(StatusFlags(0), Evidence::Poll, Values::default()),
            16 => {
                let zero = Values {
                    battery_charge: Some(Percent(0.0)),
                    runtime_left: Some(Minutes(0.0)),
                    ..self.values.clone()
                };
                self.read(self.status, Evidence::Poll, zero);
            }
            17 => self.lose(),
            18 => self.attach(),
            19 => self.read(self.status, Evidence::Poll, self.values.clone()),
            20 => {
                let report = input.pick(&[
                    HookReport::ShutdownStarted,
                    HookReport::ShutdownFellBack,
                    HookReport::ShutdownFailed,
                ]);
                self.oracle.report = Some(report.clone());
                self.machine.handle_report(self.now, report);
                self.settled();
            }
            21 => {
                let command = input.pick(&[
                    Command::ReadTransferCause,
                    Command::ReadSelfTest,
                    Command::KillPower,
                    Command::Poll,
                    Command::SelfTest,
                ]);
                let outcome = if op & 32 == 0 { Ok("done".to_owned()) } else { Err("refused".to_owned()) };
                self.machine.handle_command_result(self.now, &CommandResult { command, outcome });
                self.settled();
            }
            22 => {
                let ordered = op & 32 != 0;
                let new = (!self.oracle.remote).then_some(self.now);
                self.oracle.unheeded = self.oracle.unheeded.or(new).filter(|_| ordered);
                self.oracle.remote = ordered;
                self.machine.handle_remote(self.now, op & 32 != 0);
                self.settled();
            }
            23 if op & 0xc0 != 0 => {
                self.slaves = input.pick(&[Some(0), Some(1), Some(3), None]);
                self.count_slaves();
                self.settled();
            }
            23 => {
                self.oracle.candidate = None;
                self.oracle.held_up = Some(self.now);
                self.machine.handle_resume(self.now);
                self.settled();
            }
            24 if op & 0xe0 == 0 => self.restart(input),
            24 => {
                self.values.self_test =
                    input.pick(&[None, Some(SelfTestResult::InProgress), Some(SelfTestResult::Passed)]);
            }
            25 if op & 0xe0 == 0 => {
                self.settings = pick_settings(input);
                // What agreement means changes with it; the oracle starts counting anew.
                let oracle = &mut self.oracle;
                oracle.not_before = oracle.not_before.max(self.now);
                oracle.low = None;
                oracle.charge = None;
                oracle.runtime = None;
                self.machine.reconfigure(self.settings.clone(), self.now);
                self.settled();
            }
            25 => self.answer_asked(),
            26 => self.stall(input.pick(&[0, 1, 7, 100, 4000])),
            27 => self.live(input.pick(&[60, 120, 400, 700, 8000])),
            _ => self.live(input.pick(&[1, 1, 2, 2, 3, 5, 5, 6, 7, 10, 12, 20, 41])),
        }
    }

    fn count_slaves(&mut self) {
        if let Some(slaves) = self.slaves {
            let address = std::net::Ipv4Addr::LOCALHOST.into();
            self.machine.handle_slaves(self.now, &vec![address; slaves]);
        }
    }

    fn set_line(&mut self, bits: StatusFlags, volts: Option<f64>, alert: bool) {
        self.status.set(StatusFlags::ONLINE | StatusFlags::ONBATT, false);
        self.status |= bits;
        if self.values.line_voltage.is_some() {
            self.values.line_voltage = volts.map(Volts);
        }
        if alert && self.answering {
            self.read(self.status, Evidence::AlertAndRead, self.values.clone());
            self.answer_asked();
        }
    }

    /// So many seconds with polls at the pace that the machine wants, and all its timers on time.
    fn live(&mut self, seconds: u64) {
        let end = self.now + secs(seconds);
        let mut polled = self.now;
        let mut polls = 0;
        loop {
            let wait = if self.pace == Pace::Fast && polls < 60 { secs(1) } else { secs(60) };
            let poll = self.answering.then(|| polled + wait);
            let timer = self.machine.poll_timeout();
            let Some(next) = [poll, timer].into_iter().flatten().min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            if poll.is_some_and(|poll| poll <= self.now) {
                polled = self.now;
                polls += 1;
                self.summary.steps += 1;
                self.read(self.status, Evidence::Poll, self.values.clone());
                self.answer_asked();
            } else {
                self.machine.handle_timeout(self.now);
                self.settled();
            }
        }
        self.now = end;
        self.machine.handle_timeout(end);
        self.settled();
    }

    /// The loop was stopped for so many seconds.
    fn stall(&mut self, seconds: u64) {
        self.now += secs(seconds);
        self.oracle.held_up = Some(self.now);
        self.machine.handle_timeout(self.now);
        self.settled();
    }

    fn answer_asked(&mut self) {
        for command in std::mem::take(&mut self.asked) {
            if self.answering {
                self.read(self.status, Evidence::Poll, self.values.clone());
                self.machine
                    .handle_command_result(self.now, &CommandResult { command, outcome: Ok(String::new()) });
                self.settled();
            }
        }
    }

    fn attach(&mut self) {
        self.answering = true;
        self.oracle.comm_up = true;
        self.machine.handle_attached(self.now);
        self.settled();
    }

    fn lose(&mut self) {
        self.answering = false;
        if std::mem::take(&mut self.oracle.comm_up) {
            self.oracle.candidate = None;
            if self.oracle.line != Some(true) {
                self.oracle.low = None;
            }
        }
        self.machine.handle_lost(self.now, "no answer");
        self.settled();
    }

    fn read(&mut self, status: StatusFlags, evidence: Evidence, values: Values) {
        let reading = Reading { at: self.now, status, evidence, values };
        self.believe(&reading);
        self.machine.handle_reading(self.now, &reading);
        self.settled();
    }

    /// Killed and started again, or stopped and started again.
    fn restart(&mut self, input: &mut Input) {
        self.summary.restarts += 1;
        if input.pick(&[false, true]) {
            // The loop ends with it, whatever else was due.
            self.machine.handle_stop(self.now);
            while let Some(order) = self.machine.poll_order() {
                self.order(order);
            }
        }
        let at_start = AtStart { saved: self.saved.clone(), powerfail: input.pick(&[false, true]) };
        let since = self.saved.as_ref().and_then(|saved| saved.on_battery_since);
        let announced = self.saved.as_ref().is_some_and(|saved| saved.announced);
        self.machine = Machine::new(self.settings.clone(), self.now, at_start);
        self.pace = Pace::Normal;
        self.asked.clear();
        let now = self.now;
        let oracle = &mut self.oracle;
        *oracle = Oracle {
            line: since.map(|_| true),
            candidate: None,
            held_up: None,
            since: since.unwrap_or(now),
            confirmed: now,
            unannounced: false,
            not_before: now + secs(60),
            doubtful: false,
            low: None,
            charge: None,
            runtime: None,
            comm_up: false,
            comm_failed: false,
            remote: false,
            unheeded: None,
            open: if since.is_some() { Open::Outage } else { Open::No },
            announced,
            closed: false,
            decided: None,
            again: false,
            cause: None,
            last_shutdown: None,
            report: None,
            no_login: false,
            transfers: oracle.transfers,
            total: oracle.total,
            cumulated: Duration::ZERO,
        };
        self.settled();
    }

    /// The UPS never answers again: on battery, the machine is shut down.
    fn end_in_silence(&mut self) {
        self.lose();
        for _ in 0..200 {
            let Some(at) = self.machine.poll_timeout().filter(|at| *at < self.now + secs(30 * 3600)) else {
                break;
            };
            self.now = self.now.max(at);
            self.machine.handle_timeout(self.now);
            self.settled();
        }
        // Timers of every second can use up the hops.
        self.stall(30 * 3600);
        self.stall(4);
        if self.oracle.line == Some(true) {
            assert!(
                self.oracle.closed,
                "on battery, the UPS silent for ever, and no shutdown: {:?}",
                self.machine
            );
        }
    }

    /// Mains for an hour: everything is closed and nothing is left.
    fn end_on_mains(&mut self) {
        self.attach();
        self.status = StatusFlags::ONLINE | StatusFlags::BATTPRESENT;
        self.values = Values { self_test: Some(SelfTestResult::Passed), ..Values::default() };
        self.oracle.remote = false;
        self.oracle.unheeded = None;
        self.machine.handle_remote(self.now, false);
        self.settled();
        self.live(5000);
        let oracle = &self.oracle;
        assert_eq!(oracle.line, Some(false));
        assert_eq!((oracle.open, oracle.announced), (Open::No, false), "an outage that never ends");
        assert!(!oracle.closed && !oracle.no_login && !oracle.comm_failed, "something left over");
        assert_eq!(self.machine.poll_timeout(), None, "a timer ticks on mains");
        assert_eq!(self.pace, Pace::Normal);
        assert_eq!(self.machine.view().flags.0, 0x0500_0008 | if self.settings.slave { 0x400 } else { 0 });
    }
}

fn pick_settings(input: &mut Input) -> Settings {
    Settings {
        on_battery_delay: secs(input.pick(&[0, 6, 6, 30])),
        battery_level: input.pick(&[None, Some(Percent(5.0)), Some(Percent(50.0))]),
        minutes: input.pick(&[None, Some(Minutes(3.0)), Some(Minutes(10.0))]),
        timeout: input.pick(&[None, None, Some(secs(1)), Some(secs(20)), Some(secs(300))]),
        annoy: secs(input.pick(&[0, 5, 300])),
        annoy_delay: secs(input.pick(&[0, 60])),
        no_logon: input.pick(&[
            NoLogon::Disable,
            NoLogon::Always,
            NoLogon::Timeout,
            NoLogon::Percent,
            NoLogon::Minutes,
        ]),
        kill_delay: input.pick(&[None, Some(secs(0)), Some(secs(12))]),
        kill_on_powerfail: input.pick(&[false, true]),
        kill_wait: Duration::ZERO,
        term_on_powerfail: input.pick(&[false, false, false, true]),
        comm_lost_delay: secs(input.pick(&[0, 10, 20])),
        confirm_polls: input.pick(&[2, 2, 1, 3]),
        shutdown_grace: secs(input.pick(&[300, 20, 5])),
        slave: input.pick(&[false, false, true]),
        net_timeout: secs(10),
        slave_wait: secs(input.pick(&[30, 30, 0, 600])),
        slave_lead: secs(input.pick(&[0, 0, 10, 40])),
    }
}
