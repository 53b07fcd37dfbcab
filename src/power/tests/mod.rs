//! A fake clock, a fake UPS and a fake `act/`, and the scenarios of power-events §6 driven through them.

mod comm;
mod flapping;
mod held_up;
mod limits;
mod long_tests;
mod low_battery;
mod manual;
mod operator;
mod other_ups;
mod outages;
mod samples;
mod selftests;
mod shown;
mod shutdown;
mod slave;
mod slaves;
mod start;
mod walk;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{AtStart, HookReport, Machine, Order, Settings};
use crate::ups::{
    Command, CommandResult, Event, Evidence, LowBatteryFlag, Minutes, NoLogon, Percent, PollRate, Priority,
    Reading, SelfTestResult, StatusFlags, TransferCause, Values, Volts,
};

/// Whole or broken seconds.
pub(super) fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// The Debian file's settings, as the captures have them.
pub(crate) fn settings() -> Settings {
    Settings {
        on_battery_delay: secs(6.0),
        battery_level: Some(Percent(5.0)),
        minutes: Some(Minutes(3.0)),
        timeout: None,
        annoy: secs(300.0),
        annoy_delay: secs(0.0),
        no_logon: NoLogon::Disable,
        kill_delay: None,
        kill_on_powerfail: false,
        kill_wait: Duration::ZERO,
        term_on_powerfail: false,
        comm_lost_delay: secs(20.0),
        confirm_polls: 2,
        low_battery_flag: LowBatteryFlag::Ups,
        shutdown_grace: secs(300.0),
        slave: false,
        net_timeout: secs(10.0),
        slave_wait: secs(30.0),
        slave_lead: secs(0.0),
    }
}

/// The captures' simulated Smart-UPS: it sends alerts, so a change is seen at once.
pub(super) struct Bench {
    pub(super) machine: Machine,
    /// Second 0 of the scenario.
    zero: Instant,
    pub(super) now: Instant,
    next_poll: Instant,
    poll_rate: PollRate,
    pub(super) poll_time: Duration,
    /// What the UPS says now.
    pub(super) status: StatusFlags,
    pub(super) values: Values,
    /// Whether it says that mains is there, apart from what feeds the load.
    pub(super) mains: Option<bool>,
    pub(super) answers: bool,
    /// What `act/` reports on a shutdown order.
    pub(super) report: Option<HookReport>,
    /// Who depends on this machine.
    pub(super) slaves: Vec<std::net::IpAddr>,
    /// Everything that happened, `"<second> <what>"`.
    pub(super) log: Vec<(f64, String)>,
    pub(super) wake_ups: u32,
}

impl Bench {
    /// On mains since 4 s, as most captures begin.
    pub(super) fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut bench = Self::cold(change, AtStart::default());
        bench.machine.handle_attached(bench.now);
        bench.poll(Evidence::Poll);
        bench.run_to(0.0);
        bench
    }

    /// Just started, 4 s before second 0, the UPS not heard of.
    pub(super) fn cold(change: impl FnOnce(&mut Settings), at_start: AtStart) -> Self {
        let mut settings = settings();
        change(&mut settings);
        #[allow(clippy::disallowed_methods)] // any moment will do; there is no other way to have one
        let now = Instant::now() + secs(1_000_000.0);
        let zero = now + secs(4.0);
        let values = Values {
            battery_charge: Some(Percent(100.0)),
            runtime_left: Some(Minutes(45.0)),
            line_voltage: Some(Volts(230.4)),
            transfer_cause: Some(TransferCause::None),
            self_test: Some(SelfTestResult::NotAvailable),
            ..Values::default()
        };
        let mut bench = Self {
            machine: Machine::new(settings, now, at_start),
            zero,
            now,
            next_poll: now + secs(60.0),
            poll_rate: PollRate::Normal,
            poll_time: secs(60.0),
            status: StatusFlags::ONLINE | StatusFlags::BATTPRESENT,
            values,
            mains: None,
            answers: true,
            report: Some(HookReport::ShutdownStarted),
            slaves: Vec::new(),
            log: Vec::new(),
            wake_ups: 0,
        };
        bench.drain();
        bench
    }

    pub(super) fn instant(&self, second: f64) -> Instant {
        if second < 0.0 { self.zero - secs(-second) } else { self.zero + secs(second) }
    }

    /// Mains fails, for a real reason, and the UPS says so by itself.
    pub(super) fn mains_lost(&mut self) {
        self.values.transfer_cause = Some(TransferCause::LowLine);
        self.values.line_voltage = Some(Volts(0.0));
        self.set_line(StatusFlags::ONBATT);
    }

    /// Mains returns, and the UPS says so by itself.
    pub(super) fn mains_back(&mut self) {
        self.values.line_voltage = Some(Volts(230.4));
        self.set_line(StatusFlags::ONLINE);
    }

    /// A self test starts: on battery with mains present.
    pub(super) fn self_test(&mut self) {
        self.values.transfer_cause = Some(TransferCause::SelfTest);
        self.set_line(StatusFlags::ONBATT);
    }

    /// The line bits and nothing else, said by itself.
    pub(super) fn set_line(&mut self, line: StatusFlags) {
        self.line_silently(line);
        if self.answers {
            self.poll(Evidence::AlertAndRead);
        }
    }

    /// The line bits, to be found by the next poll.
    pub(super) fn line_silently(&mut self, line: StatusFlags) {
        self.status.set(StatusFlags::ONLINE | StatusFlags::ONBATT, false);
        self.status |= line;
    }

    pub(super) fn bit(&mut self, bit: StatusFlags, on: bool) {
        self.status.set(bit, on);
    }

    pub(super) fn charge(&mut self, percent: f64) {
        self.values.battery_charge = Some(Percent(percent));
    }

    pub(super) fn runtime(&mut self, minutes: f64) {
        self.values.runtime_left = Some(Minutes(minutes));
    }

    /// The UPS stops answering.
    pub(super) fn silence(&mut self) {
        self.answers = false;
        self.machine.handle_lost(self.now, "no reply");
        self.drain();
    }

    /// The UPS answers again.
    pub(super) fn answer(&mut self) {
        self.answers = true;
        self.machine.handle_attached(self.now);
        self.drain();
        self.poll(Evidence::Poll);
    }

    /// One reading of what the UPS says now.
    pub(super) fn poll(&mut self, evidence: Evidence) {
        let reading = self.reading(evidence);
        self.feed(&reading);
        self.schedule();
    }

    /// What the UPS says now, read now.
    pub(super) fn reading(&self, evidence: Evidence) -> Reading {
        Reading::sampled(self.now, self.status, evidence, self.values.clone()).with_mains(self.mains)
    }

    pub(super) fn feed(&mut self, reading: &Reading) {
        self.machine.handle_reading(self.now, reading);
        self.drain();
    }

    fn schedule(&mut self) {
        let wait = if self.poll_rate == PollRate::Fast { secs(1.0) } else { self.poll_time };
        self.next_poll = self.now + wait;
    }

    /// Lets time pass until the given second of the scenario.
    pub(super) fn run_to(&mut self, second: f64) {
        let end = self.instant(second);
        loop {
            let poll = self.answers.then_some(self.next_poll);
            let timer = self.machine.poll_timeout();
            let Some(next) = [poll, timer].into_iter().flatten().min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            if timer == Some(next) {
                self.wake_ups += 1;
                self.machine.handle_timeout(self.now);
                self.drain();
                assert!(
                    self.machine.poll_timeout().is_none_or(|at| at > self.now),
                    "a timer that does not move"
                );
            }
            if poll == Some(next) {
                self.poll(Evidence::Poll);
            }
        }
        self.now = end;
        self.machine.handle_timeout(end);
        self.drain();
    }

    /// The second of the scenario.
    fn second(&self) -> f64 {
        self.now.duration_since(self.zero).as_secs_f64()
            - self.zero.saturating_duration_since(self.now).as_secs_f64()
    }

    pub(super) fn drain(&mut self) {
        let mut answers = Vec::new();
        let mut reports = 0;
        while let Some(order) = self.machine.poll_order() {
            let what = match order {
                Order::Event(event) => event.arg().to_owned(),
                Order::EventWithReason(event, reason) => {
                    let second = self.second();
                    self.log.push((second, event.arg().to_owned()));
                    format!("log {reason}")
                }
                Order::Hook(event) => format!("hook {}", event.arg()),
                Order::Log(_, text) => format!("log {text}"),
                Order::SetPace(poll_rate) => {
                    self.poll_rate = poll_rate;
                    self.schedule();
                    continue;
                }
                Order::Command(command @ (Command::ReadTransferCause | Command::ReadSelfTest)) => {
                    answers.push(command);
                    continue;
                }
                Order::Command(command) => format!("command {command:?}"),
                Order::CountSlaves => {
                    self.machine.handle_slaves(self.now, &self.slaves);
                    continue;
                }
                Order::CreatePowerfail => "+powerfail".to_owned(),
                Order::RemovePowerfail => "-powerfail".to_owned(),
                Order::CreateNologin => "+nologin".to_owned(),
                Order::RemoveNologin => "-nologin".to_owned(),
                Order::Shutdown { cause, .. } => {
                    reports += 1;
                    format!("shutdown {cause:?}")
                }
                Order::Save(_) => continue,
                Order::Exit => "exit".to_owned(),
            };
            let second = self.second();
            self.log.push((second, what));
        }
        for command in answers {
            if self.answers {
                self.feed(&self.reading(Evidence::Poll));
                let result = CommandResult::new(command, Ok("read".to_owned()));
                self.machine.handle_command_result(self.now, &result);
                self.drain();
            }
        }
        for _ in 0..reports {
            if let Some(report) = self.report.clone() {
                self.machine.handle_report(self.now, report);
                self.drain();
            }
        }
    }

    /// What has happened since the last look: events, hooks, flags and shutdowns with their second, rounded down.
    pub(super) fn happened(&mut self) -> Vec<String> {
        let log = std::mem::take(&mut self.log);
        log.into_iter()
            .filter(|(_, what)| !what.starts_with("log ") && what != "-nologin")
            .map(|(second, what)| format!("{} {what}", second.floor()))
            .collect()
    }

    /// The log lines since the last look.
    pub(super) fn logged(&self) -> Vec<&str> {
        self.log.iter().filter_map(|(_, what)| what.strip_prefix("log ")).collect()
    }

    /// The syslog lines of 3.14.14 in the same scenario, with their second.
    pub(super) fn capture(name: &str) -> Vec<(f64, String)> {
        let path = format!("{}/tests/captures/events-{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("a capture");
        text.lines()
            .filter_map(|line| {
                let (second, rest) = line.trim_start().split_once(char::is_whitespace)?;
                let (_, text) = rest.trim_start().strip_prefix("SYSLOG")?.split_once(": ")?;
                let ours = KNOWN_LINES.contains(&text) || text.starts_with("UPS Self Test completed: ");
                ours.then_some((second.parse().ok()?, text.to_owned()))
            })
            .collect()
    }

    /// Compares the log with a capture's: same lines, same order; each no more than `early` before and `late` after
    /// 3.14.14, which counts whole seconds and polls once a second, so it is up to 2 s later than its settings say.
    pub(super) fn assert_as_captured(&self, name: &str) {
        self.assert_log_is(&Self::capture(name));
    }

    /// See [`Self::assert_as_captured`]; for captures with deliberate differences worked in.
    pub(super) fn assert_log_is(&self, expected: &[(f64, String)]) {
        let texts: HashMap<&str, &str> = Event::ALL.iter().map(|event| (event.arg(), event.text())).collect();
        let ours: Vec<(f64, String)> = self
            .log
            .iter()
            .filter_map(|(second, what)| {
                let text = texts.get(what.as_str()).copied().or_else(|| what.strip_prefix("log "))?;
                let ours = KNOWN_LINES.contains(&text) || text.starts_with("UPS Self Test completed: ");
                ours.then(|| (*second, text.to_owned()))
            })
            .collect();
        let lines = |log: &[(f64, String)]| log.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
        assert_eq!(lines(&ours), lines(expected), "ours, then 3.14.14's: {ours:?} {expected:?}");
        for ((mine, text), (theirs, _)) in ours.iter().zip(expected) {
            assert!((theirs - 2.5..=theirs + 1.1).contains(mine), "{text}: {mine} s, 3.14.14 {theirs} s");
        }
    }

    pub(super) fn flags(&self) -> u32 {
        self.machine.view().flags.bits()
    }
}

/// The lines of 3.14.14 that come from its power machine; all others are other rooms'.
const KNOWN_LINES: &[&str] = &[
    "Power failure.",
    "Running on UPS batteries.",
    "Battery power exhausted.",
    "Reached run time limit on batteries.",
    "Battery charge below low limit.",
    "Reached remaining time percentage limit on batteries.",
    "Initiating system shutdown!",
    "Power is back. UPS running on mains.",
    "Users requested to logoff.",
    "Battery failure. Emergency.",
    "UPS battery must be replaced.",
    "Remote shutdown requested.",
    "Communications with UPS lost.",
    "Communications with UPS restored.",
    "UPS Self Test switch to battery.",
    "Mains returned. No longer on UPS batteries.",
    "Battery disconnected.",
    "Battery reattached.",
    "User logins prohibited",
    "Allowing logins",
    "Attempting to kill the UPS power!",
];

/// Replaces the seconds of one line of a capture, for a deliberate difference in time.
pub(super) fn moved(capture: Vec<(f64, String)>, text: &str, second: f64) -> Vec<(f64, String)> {
    capture.into_iter().map(|(at, line)| if line == text { (second, line) } else { (at, line) }).collect()
}

/// Takes lines out of a capture.
pub(super) fn without(capture: Vec<(f64, String)>, text: &str) -> Vec<(f64, String)> {
    capture.into_iter().filter(|(_, line)| line != text).collect()
}

/// Puts a line into a capture, at its second.
pub(super) fn with(mut capture: Vec<(f64, String)>, second: f64, text: &str) -> Vec<(f64, String)> {
    let place = capture.iter().position(|(at, _)| *at > second).unwrap_or(capture.len());
    capture.insert(place, (second, text.to_owned()));
    capture
}
