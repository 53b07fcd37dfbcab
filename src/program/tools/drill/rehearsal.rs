//! The rehearsal: a simulated UPS and the power machine of the daemon, with the settings of a configuration, in a time of their
//! own. It has no `Act`, which could carry an order out: each is told.

use std::fmt::Arguments;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use super::story::Story;
use crate::act::SHUTDOWN_HOLD_UP;
use crate::config::Config;
use crate::daemon::settings;
use crate::drivers::Traits;
use crate::link::simulated::{Script, Simulated};
use crate::link::{Link, LinkEvent};
use crate::power::{AtStart, HookReport, Machine, Order};
use crate::ups::{Command, CommandResult, Event, Evidence, Fixed, Reading, StatusFlags, Values};

/// What is rehearsed.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// What happens.
    pub story: Story,
    /// How long the full battery carries the load, in minutes.
    pub runtime: u32,
    /// From `doshutdown` until the machine is off.
    pub takes: Duration,
    /// A slave is there, and does not go.
    pub slave: bool,
}

/// Where a rehearsal is told.
pub trait DrillOutput {
    /// A line: the time since the story began, an event or nothing, and words.
    fn tell(&mut self, at: Duration, what: &str, words: Arguments<'_>);
    /// The hook of an event is due. It is told or run; how long it took.
    fn hook(&mut self, at: Duration, event: Event) -> Duration;
}

impl Plan<'_> {
    /// Mains is there for so many seconds before the story begins: the UPS is found, and believed.
    #[must_use]
    pub fn lead(&self) -> u64 {
        3 * settings::poll_time(self.config).as_secs() + 60
    }

    /// The script of the simulated UPS.
    #[must_use]
    pub fn script(&self) -> String {
        self.story.script(self.config, self.runtime, self.lead())
    }

    /// Plays it; `start` is any moment. What would have gone wrong.
    pub fn rehearse(&self, start: Instant, output: &mut dyn DrillOutput) -> Vec<String> {
        let zero = start + Duration::from_secs(self.lead());
        let script = Script::parse(&self.script()).unwrap_or_default();
        let after = |seconds: Option<u64>| seconds.map(|seconds| zero + Duration::from_secs(seconds));
        let mut rehearsal = Rehearsal {
            plan: *self,
            machine: Machine::new(
                settings::power_as_called(self.config, false, false),
                start,
                AtStart::default(),
            ),
            ups: Simulated::new(script, settings::poll_time(self.config), start),
            zero,
            now: start,
            hooks_end_at: start,
            begins_at: None,
            begun: None,
            cut_at: None,
            remote_at: after(self.story.order()),
            over_at: after(self.story.length(self.config)),
            wrong: Vec::new(),
            output,
        };
        rehearsal.play();
        rehearsal.wrong
    }
}

struct Rehearsal<'a> {
    plan: Plan<'a>,
    machine: Machine,
    ups: Simulated,
    zero: Instant,
    now: Instant,
    /// Hooks run one at a time: the last of them has ended by then.
    hooks_end_at: Instant,
    /// `doshutdown` is ordered, and begins at this moment.
    begins_at: Option<Instant>,
    /// It has begun.
    begun: Option<Instant>,
    /// The UPS, told to, cuts its power.
    cut_at: Option<Instant>,
    /// The shutdown is ordered from outside.
    remote_at: Option<Instant>,
    over_at: Option<Instant>,
    wrong: Vec<String>,
    output: &'a mut dyn DrillOutput,
}

impl Rehearsal<'_> {
    fn play(&mut self) {
        loop {
            self.pump();
            if self.is_over() {
                return;
            }
            let timers = [
                self.ups.poll_timeout(),
                self.machine.poll_timeout(),
                self.begins_at,
                self.off_at(),
                self.cut_at,
                self.remote_at,
                self.over_at,
            ];
            let next = crate::ups::earliest(&timers).unwrap_or(self.now);
            // What is due at once, again and again, does not stop the clock.
            self.now = next.max(self.now + Duration::from_millis(1));
        }
    }

    /// As the daemon's: what the UPS says comes before what is due.
    fn pump(&mut self) {
        self.ups.handle_timeout(self.now);
        self.take_link_events();
        if self.remote_at.take_if(|at| *at <= self.now).is_some() {
            self.machine.handle_remote(self.now, true, Evidence::AlertAndRead);
        }
        self.machine.handle_timeout(self.now);
        loop {
            while let Some(order) = self.machine.poll_order() {
                self.carry_out(order);
                self.take_link_events();
            }
            if self.begins_at.is_none_or(|at| at > self.now) {
                return;
            }
            self.begins_at = None;
            self.begin_shutdown();
        }
    }

    fn take_link_events(&mut self) {
        let now = self.now;
        let is_slave = self.plan.config.ups_is(Traits::SLAVE);
        while let Some(event) = self.ups.poll_event() {
            match event {
                LinkEvent::Attached(_) => self.machine.handle_attached(now),
                LinkEvent::Reading(reading) if self.plan.config.measures() => {
                    self.machine.handle_reading(now, &reading);
                }
                LinkEvent::Reading(reading) => {
                    let mains = reading.mains;
                    let bare = Reading::sampled(now, reading.status, reading.evidence, Values::default());
                    self.machine.handle_reading(now, &bare.with_mains(mains));
                }
                LinkEvent::Lost { reason } => {
                    self.machine.handle_lost(now, &reason);
                    if is_slave {
                        self.machine.handle_master(now, Some(now));
                    }
                }
                LinkEvent::Command(result) => self.machine.handle_command_result(now, &result),
                _ => {}
            }
        }
    }

    fn carry_out(&mut self, order: Order) {
        let config = self.plan.config;
        match order {
            Order::Event(event) => {
                self.tell(event.arg(), format_args!("{}", event.text()));
                self.hook(event);
            }
            Order::EventWithReason(event, reason) => {
                self.tell(event.arg(), format_args!("{}", event.text()));
                self.tell("", format_args!("{reason}"));
                self.hook(event);
            }
            // It comes again and again.
            Order::Hook(Event::AnnoyMe) => {}
            Order::Hook(event) => self.hook(event),
            Order::Log(_, text) => self.tell("", format_args!("{text}")),
            Order::SetPace(rate) => self.ups.set_poll_rate(rate, self.now),
            Order::Command(command) => self.send(command),
            Order::CreatePowerfail => self.flag(&config.powerfail_dir.join("powerfail")),
            Order::CreateNologin => self.flag(&config.nologin_dir.join("nologin")),
            Order::CountSlaves => {
                let slave = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
                self.machine.handle_slaves(self.now, if self.plan.slave { &slave } else { &[] });
            }
            Order::Shutdown { .. } => {
                // Hooks that were queued before hold it up, but not for long.
                let limit = self.now + SHUTDOWN_HOLD_UP;
                if self.hooks_end_at > limit {
                    self.wrong.push(format!(
                        "{}: hooks had not ended {} s after the shutdown was ordered: it would begin without waiting for them",
                        clock(limit - self.zero),
                        SHUTDOWN_HOLD_UP.as_secs()
                    ));
                }
                self.begins_at = Some(self.hooks_end_at.clamp(self.now, limit));
            }
            Order::RemovePowerfail | Order::RemoveNologin | Order::Save(_) | Order::Exit => {}
        }
    }

    fn hook(&mut self, event: Event) {
        let took = self.output.hook(self.now.saturating_duration_since(self.zero), event);
        self.hooks_end_at = self.hooks_end_at.max(self.now) + took;
    }

    fn flag(&mut self, path: &Path) {
        self.tell("", format_args!("{}: told, not made", path.display()));
    }

    /// Nothing that changes what the UPS does is sent, not even to the simulated one.
    fn send(&mut self, command: Command) {
        let Some(words) = command.order() else { return self.ups.command(command, self.now) };
        self.tell("", format_args!("told, not sent to the UPS: {words}"));
        if command == Command::KillPower && self.cut_at.is_none() {
            let config = self.plan.config;
            let delay =
                u64::try_from(config.eeprom.sleep).ok().filter(|_| config.ups_is(Traits::KEEPS_SETTINGS));
            self.cut_at = Some(self.now + Duration::from_secs(delay.unwrap_or(0)));
        }
        let result = CommandResult::new(command, Ok("nothing was sent: drill".to_owned()));
        self.machine.handle_command_result(self.now, &result);
    }

    fn begin_shutdown(&mut self) {
        let apccontrol = self.plan.config.script_dir.join("apccontrol");
        self.tell("doshutdown", format_args!("{} doshutdown: told, never run", apccontrol.display()));
        let values = self.ups.model().values();
        if let (Some(charge), Some(left)) = (values.battery_charge, values.runtime_left) {
            self.tell(
                "",
                format_args!("the battery has {:.0} %, for {:.1} minutes", Fixed(charge.0), Fixed(left.0)),
            );
        }
        if let Some(begun) = self.begun {
            self.wrong.push(format!(
                "{}: doshutdown would begin again {} s after it began (SHUTDOWNGRACE), while it is under way (--takes)",
                self.clock(),
                (self.now - begun).as_secs()
            ));
        }
        self.begun.get_or_insert(self.now);
        self.machine.handle_report(self.now, HookReport::ShutdownStarted);
    }

    fn off_at(&self) -> Option<Instant> {
        self.begun.map(|begun| begun + self.plan.takes)
    }

    /// Whether the machine is off, or the story is told.
    fn is_over(&mut self) -> bool {
        let is = |at: Option<Instant>| at.is_some_and(|at| at <= self.now);
        if is(self.off_at()) {
            self.tell("", format_args!("the machine is off by now (--takes)"));
            let on_battery = self.machine.view().flags.contains(StatusFlags::ONBATT);
            if on_battery && settings::role(self.plan.config).tells_at_the_end() {
                self.tell(
                    "killpower",
                    format_args!("apccontrol killpower, at the end of the shutdown: told, never run"),
                );
            }
            return true;
        }
        let what = if is(self.cut_at) {
            "KILLDELAY: the UPS cuts its power"
        } else if self.ups.model().dark() {
            "the battery is empty"
        } else {
            return is(self.over_at);
        };
        self.tell("", format_args!("{what}"));
        let rest = match self.begun {
            Some(begun) => format!(
                "{} s after doshutdown began, while the machine takes {} s to go down (--takes)",
                (self.now - begun).as_secs(),
                self.plan.takes.as_secs()
            ),
            None => "and no shutdown has begun".to_owned(),
        };
        self.wrong.push(format!("{}: {what}, {rest}", self.clock()));
        true
    }

    fn clock(&self) -> String {
        clock(self.now.saturating_duration_since(self.zero))
    }

    fn tell(&mut self, what: &str, words: Arguments<'_>) {
        self.output.tell(self.now.saturating_duration_since(self.zero), what, words);
    }
}

/// Minutes and seconds.
pub(super) fn clock(span: Duration) -> String {
    let seconds = span.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}
