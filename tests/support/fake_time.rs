//! The whole daemon on a simulated UPS, in a time that only a test lets pass: scenarios of minutes and hours in
//! milliseconds, at their exact moments. Configuration, driver, power machine, hooks (real processes), flags and journal are
//! the program's own; only the loop is another, which takes the next deadline for the present moment instead of waiting.

use std::time::{Duration, Instant};

use mainsd::config::{self, Config};
use mainsd::daemon::helper::{Hands, Helper};
use mainsd::daemon::{Driver, Invocation, Places, Recorder, Supervisor, SupervisorConfig, driver, settings};
use mainsd::port::device_lock::DeviceLocks;
use mainsd::power::AtStart;
use mainsd::report::{Stamp, text};
use mio::Poll;

use super::{Lines, Scratch, Setup, Status, TIMEOUT, write_config};

/// What the clock on the wall shows at second zero: 2026-03-29 00:00.
const SUNDAY: i64 = 20_541 * 86_400;

/// A daemon in fake time.
pub struct FakeTime {
    supervisor: Supervisor,
    poll: Poll,
    scratch: Scratch,
    hooks: Lines,
    zero: Instant,
    now: Instant,
    /// What was logged, and at which second from zero.
    pub log: Vec<(f64, String)>,
}

impl FakeTime {
    /// Starts it so many seconds before second zero. `arrange` changes the folder before; files there count as left by an
    /// earlier run.
    pub fn start(setup: &Setup, script: &str, before: f64, arrange: impl FnOnce(&Scratch)) -> Self {
        let scratch = Scratch::new();
        let path = scratch.file("script", script);
        let setup = setup.clone().with("DEVICE", &path.display().to_string());
        Self::begin(&setup, scratch, before, arrange, |config, now| {
            driver::open(config, &DeviceLocks::default(), None, None, None, now).unwrap()
        })
    }

    /// The same, with a driver of the test's own; UPSTYPE only says what the program takes it for.
    pub fn start_with(
        setup: &Setup,
        before: f64,
        driver: impl FnOnce(&Config, Instant) -> Box<dyn Driver>,
    ) -> Self {
        Self::begin(setup, Scratch::new(), before, |_| {}, driver)
    }

    fn begin(
        setup: &Setup,
        scratch: Scratch,
        before: f64,
        arrange: impl FnOnce(&Scratch),
        driver: impl FnOnce(&Config, Instant) -> Box<dyn Driver>,
    ) -> Self {
        let setup = setup.clone().with("NETSERVER", "off");
        let file = write_config(&setup, &scratch, 3551);
        arrange(&scratch);
        let parsed = config::load(&file).unwrap();
        assert!(!parsed.has_errors(), "{:?}", parsed.diagnostics);
        let config = parsed.config;
        let fifo = std::fs::OpenOptions::new().read(true).write(true).open(scratch.path().join("hooks"));
        let hooks = Lines::collect(fifo.unwrap());
        let invocation = Invocation {
            name: "mainsd",
            version: mainsd::program::VERSION,
            config_file: file,
            pid_file: None,
            foreground: true,
            kill_on_powerfail: setup.args.iter().any(|arg| arg == "-p"),
            term_on_powerfail: setup.args.iter().any(|arg| arg == "-t"),
            dry_run: mainsd::daemon::DryRun::HooksRun,
            syslog: false,
            shutdown_commands: mainsd::act::BuiltIn::default(),
            surroundings: |_| Vec::new(),
            stderr: false,
        };
        let now = Instant::now();
        let powerfail = config.powerfail_dir.join("powerfail").exists();
        let at_start = AtStart { powerfail, ..AtStart::default() };
        let driver = driver(&config, now);
        let (hostname, start_time) = ("harness".to_owned(), Stamp::new(0, 0));
        // Tests have threads, and a writer is a fork.
        let places = Places { forks: false, ..settings::places(&config, &invocation, None, None) };
        let recorder = Recorder::new(&config, places, now);
        let helper = Helper::Here(Box::new(Hands::new(config.clone(), invocation.clone(), now)));
        let parts = SupervisorConfig {
            config,
            invocation,
            driver,
            recorder,
            helper,
            is_restarted: false,
            control: None,
            at_start,
            hostname,
            start_time,
        };
        let mut supervisor = Supervisor::new(parts, now);
        supervisor.subscribe_log();
        let poll = Poll::new().unwrap();
        let zero = now + Duration::from_secs_f64(before);
        let mut fake = Self { supervisor, poll, scratch, hooks, zero, now, log: Vec::new() };
        let clock = move |at: Instant| {
            let after = i64::try_from(at.saturating_duration_since(zero).as_secs()).unwrap();
            SUNDAY + after - i64::try_from(zero.saturating_duration_since(at).as_secs()).unwrap()
        };
        fake.supervisor.set_local_time(Box::new(clock));
        fake.supervisor.start(fake.poll.registry(), now);
        fake.settle();
        fake
    }

    /// The folder, as a daemon's of the harness.
    pub fn dir(&self) -> &std::path::Path {
        self.scratch.path()
    }

    /// Lets time pass until this second.
    pub fn run_to(&mut self, second: f64) {
        let span = Duration::from_secs_f64(second.abs());
        let end = if second < 0.0 { self.zero - span } else { self.zero + span };
        loop {
            let next = self.supervisor.poll_timeout().map_or(end, |at| at.min(end));
            self.now = self.now.max(next);
            self.supervisor.handle_timeout(self.poll.registry(), self.now);
            self.settle();
            if self.now >= end && self.supervisor.poll_timeout().is_none_or(|at| at > end) {
                return;
            }
        }
    }

    /// The status as clients would see it.
    pub fn status(&mut self) -> Status {
        Status::from_text(&text(self.supervisor.snapshot(self.now)))
    }

    /// What the hooks have logged, once there are so many lines.
    pub fn hooks(&self, count: usize) -> Vec<String> {
        self.hooks.wait_for_count(count, TIMEOUT);
        self.hooks.since(0).into_iter().map(|line| line.text).collect()
    }

    /// Whether this flag exists.
    pub fn flag(&self, name: &str) -> bool {
        self.dir().join("flags").join(name).exists()
    }

    /// No time passes while hooks run: they are as slow as this machine is loaded.
    fn settle(&mut self) {
        let timeout = Instant::now() + TIMEOUT;
        loop {
            self.supervisor.handle_child_signal(self.now);
            self.supervisor.pump(self.now);
            let after = self.now.saturating_duration_since(self.zero).as_secs_f64();
            let before = self.zero.saturating_duration_since(self.now).as_secs_f64();
            while let Some((_, line)) = self.supervisor.poll_log_line() {
                self.log.push((after - before, line));
            }
            if self.supervisor.is_idle() {
                return;
            }
            assert!(Instant::now() < timeout, "hooks still run after {TIMEOUT:?}; log: {:?}", self.log);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
