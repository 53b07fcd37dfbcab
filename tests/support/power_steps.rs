//! Any bytes as a life of the power machine, and what must hold in each.
//!
//! The bytes choose settings and then steps: what the UPS says, which of it is read anew and which is a copy, silence, command
//! results, hook reports, time, restarts.
//! An oracle of its own, which knows the rules of belief and nothing of the machine's states, watches every order.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // what fails here is a test

#[path = "power_input.rs"]
mod power_input;
#[path = "power_oracle.rs"]
mod power_oracle;
#[path = "power_restart.rs"]
mod power_restart;
#[path = "power_samples.rs"]
mod power_samples;

use std::time::Instant;

use mainsd::power::{AtStart, HookReport, Machine, SavedOutage, Settings};
use mainsd::ups::{
    Command, CommandResult, Evidence, Item, Minutes, Percent, PollRate, ReadTimes, Reading, SelfTestResult,
    StatusFlags, TransferCause, Values, Volts,
};
use power_input::{Input, pick_settings, secs};
use power_oracle::{Open, Oracle};
use power_samples::copy;

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
    /// States that turned out to be of another UPS.
    pub foreign: u64,
}

/// Lives through `bytes`; panics with the step if something that must hold does not.
pub fn run(bytes: &[u8], start: Instant) -> Summary {
    let mut input = Input { bytes, at: 0 };
    let mut world = Simulation::new(&mut input, start);
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

struct Simulation {
    machine: Machine,
    settings: Settings,
    now: Instant,
    poll_rate: PollRate,
    status: StatusFlags,
    values: Values,
    /// Whether mains is there, as the UPS says it beside the line.
    mains: Option<bool>,
    /// Items that are not read anew, by bit.
    stale: u16,
    /// The last reading.
    told: Option<Reading>,
    answering: bool,
    saved: Option<SavedOutage>,
    asked: Vec<Command>,
    /// Slaves that are there; `None`: nobody says.
    slaves: Option<usize>,
    oracle: Oracle,
    summary: Summary,
}

impl Simulation {
    fn new(input: &mut Input, start: Instant) -> Self {
        let settings = pick_settings(input);
        let machine = Machine::new(
            settings.clone(),
            start,
            AtStart { powerfail: input.pick(&[false, true]), ..AtStart::default() },
        );
        let values = Values {
            battery_charge: Some(Percent(100.0)),
            runtime_left: Some(Minutes(30.0)),
            line_voltage: Some(Volts(230.0)),
            transfer_cause: input.pick(&[None, Some(TransferCause::None)]),
            ..Values::default()
        };
        let oracle = Oracle::new(start);
        let mut world = Self {
            machine,
            settings,
            now: start,
            poll_rate: PollRate::Normal,
            status: StatusFlags::ONLINE | StatusFlags::BATTPRESENT,
            values,
            mains: None,
            stale: 0,
            told: None,
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
            13 => {
                self.values.line_voltage = input.pick(&[None, Some(Volts(0.0)), Some(Volts(230.0))]);
                self.mains = input.pick(&[None, Some(true), Some(false)]);
            }
            14 => {
                let bit =
                    input.pick(&[StatusFlags::BATTPRESENT, StatusFlags::REPLACEBATT, StatusFlags::OVERLOAD]);
                self.status.set(bit, op & 32 != 0);
            }
            15 => self.read(StatusFlags::empty(), Evidence::Poll, Values::default()),
            16 => {
                let zero = Values {
                    battery_charge: Some(Percent(0.0)),
                    runtime_left: Some(Minutes(0.0)),
                    ..self.values.clone()
                };
                self.read(self.status, Evidence::Poll, zero);
            }
            17 => self.lose(),
            18 if op & 0xe0 == 0 => self.other_ups(),
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
                self.machine.handle_command_result(self.now, &CommandResult::new(command, outcome));
                self.settled();
            }
            22 => {
                let ordered = op & 32 != 0;
                let new = (!self.oracle.remote).then_some(self.now);
                self.oracle.unheeded = self.oracle.unheeded.or(new).filter(|_| ordered);
                self.oracle.remote = ordered;
                self.machine.handle_remote(self.now, op & 32 != 0, Evidence::AlertAndRead);
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
                for samples in [&mut oracle.charge, &mut oracle.runtime, &mut oracle.near_end] {
                    samples.end();
                }
                oracle.limit_changed = Some(self.now);
                self.machine.reconfigure(self.settings.clone(), self.now);
                self.settled();
            }
            25 => self.answer_asked(),
            26 => self.stall(input.pick(&[0, 1, 7, 100, 4000])),
            // What is told now and then is read anew only in part, or not at all.
            27 if op & 0xe0 == 0x20 => {
                let part = [input.next(), input.next()].map(Option::unwrap_or_default);
                self.stale = u16::from_le_bytes(part) & input.pick(&[0xffff, 0xffff, 0x0fff, 0x0ffe, 0]);
            }
            27 if op & 0xe0 == 0x40 => {
                if let Some(told) = self.told.clone().filter(|_| self.answering) {
                    let evidence = input.pick(&[Evidence::Poll, Evidence::AlertAndRead]);
                    self.tell(Reading { at: self.now, evidence, ..told });
                }
            }
            27 if op & 0xe0 == 0x60 => self.tell_with_foreign_times(input),
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
        self.mains = self.mains.map(|_| bits == StatusFlags::ONLINE);
        if alert && self.answering {
            self.read(self.status, Evidence::AlertAndRead, self.values.clone());
            self.answer_asked();
        }
    }

    /// So many seconds with polls at the poll rate that the machine wants, and all its timers on time.
    fn live(&mut self, seconds: u64) {
        let end = self.now + secs(seconds);
        let mut polled = self.now;
        let mut polls = 0;
        loop {
            let wait = if self.poll_rate == PollRate::Fast && polls < 60 { secs(1) } else { secs(60) };
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
                self.machine.handle_command_result(self.now, &CommandResult::new(command, Ok(String::new())));
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
                self.oracle.low.end();
            }
        }
        self.machine.handle_lost(self.now, "no answer");
        self.settled();
    }

    /// What the UPS says now, but for what is not read anew.
    fn read(&mut self, status: StatusFlags, evidence: Evidence, values: Values) {
        let mut reading = Reading::sampled(self.now, status, evidence, values).with_mains(self.mains);
        if let Some(told) = &self.told {
            for item in Item::ALL.into_iter().filter(|item| self.stale & 1 << *item as u16 != 0) {
                copy(told, &mut reading, item);
            }
        }
        self.tell(reading);
    }

    fn tell(&mut self, reading: Reading) {
        self.believe(&reading);
        self.machine.handle_reading(self.now, &reading);
        self.told = Some(reading);
        self.settled();
    }

    /// Times that no good driver gives: none, from the future, from long ago.
    fn tell_with_foreign_times(&mut self, input: &mut Input) {
        let mut reading = Reading::sampled(self.now, self.status, Evidence::Poll, self.values.clone());
        let mut read = ReadTimes::default();
        for item in Item::ALL {
            let at = input.pick(&[
                None,
                Some(self.now),
                Some(self.now + secs(3600)),
                self.now.checked_sub(secs(7)),
                self.now.checked_sub(secs(90_000)),
            ]);
            read.set(item, at);
        }
        reading.read = read;
        if self.answering {
            self.tell(reading);
        }
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
        self.stale = 0;
        self.mains = None;
        self.status = StatusFlags::ONLINE | StatusFlags::BATTPRESENT;
        self.values = Values { self_test: Some(SelfTestResult::Passed), ..Values::default() };
        self.oracle.remote = false;
        self.oracle.unheeded = None;
        self.machine.handle_remote(self.now, false, Evidence::AlertAndRead);
        self.settled();
        self.live(5000);
        let oracle = &self.oracle;
        assert_eq!(oracle.line, Some(false));
        assert_eq!((oracle.open, oracle.announced), (Open::No, false), "an outage that never ends");
        assert!(!oracle.closed && !oracle.no_login && !oracle.comm_failed, "something left over");
        assert_eq!(self.machine.poll_timeout(), None, "a timer ticks on mains");
        assert_eq!(self.poll_rate, PollRate::Normal);
        assert_eq!(
            self.machine.view().flags.bits(),
            0x0500_0008 | if self.settings.slave { 0x400 } else { 0 }
        );
    }
}
