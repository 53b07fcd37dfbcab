//! What is written down, and when: the log, the status file, data records, the state file, word to the service manager.

#![allow(
    clippy::disallowed_methods,
    reason = "wall time is read here to be written down, and nowhere decides anything"
)]

use std::time::{Duration, Instant};

use super::settings::{self, Invocation};
use super::status::Status;
use crate::config::Config;
use crate::drivers::Traits;
use crate::journal::{BootClock, Journal, StateFile, StatusFile, data_record, dumb_data_record};
use crate::power::SavedOutage;
use crate::sys::clock;
use crate::sys::notify::Notifier;
use crate::ups::{Priority, StatusFlags};

/// How long after a line the events file is looked at for trimming; lines that come together cost one look.
const TRIM_DELAY: Duration = Duration::from_secs(10);

/// Writes down what happens.
#[derive(Debug)]
pub struct Recorder {
    journal: Journal,
    status_file: Option<StatusFile>,
    state_file: Option<StateFile>,
    notifier: Notifier,
    log_stats: bool,
    dumb: bool,
    /// Alternates 1 and 0 with each data record (config §3, DATA record).
    toggle: bool,
    stat: Periodic,
    data: Periodic,
    watchdog: Periodic,
    trim_at: Option<Instant>,
    /// Lines were written since the events file was last looked at.
    written: bool,
}

/// A deadline that comes again.
#[derive(Clone, Copy, Debug)]
struct Periodic {
    period: Duration,
    next: Option<Instant>,
}

impl Periodic {
    fn new(period: Duration, now: Instant) -> Self {
        Self { period, next: (!period.is_zero()).then(|| now + period) }
    }

    /// Whether it is due; missed turns are not made up for.
    fn take(&mut self, now: Instant) -> bool {
        let due = self.next.is_some_and(|at| at <= now);
        if due {
            self.next = Some(now + self.period);
        }
        due
    }
}

impl Recorder {
    /// Writes by this configuration.
    #[must_use]
    pub fn new(
        config: &Config,
        invocation: &Invocation,
        state_file: Option<StateFile>,
        now: Instant,
    ) -> Self {
        let notifier = Notifier::from_environment();
        let watchdog = notifier.watchdog_interval().unwrap_or_default();
        let mut recorder = Self {
            journal: Journal::new(settings::journal(config, invocation)),
            status_file: None,
            state_file,
            notifier,
            log_stats: false,
            dumb: false,
            toggle: true,
            stat: Periodic::new(Duration::ZERO, now),
            data: Periodic::new(Duration::ZERO, now),
            watchdog: Periodic::new(watchdog, now),
            trim_at: None,
            written: false,
        };
        recorder.schedule(config, now);
        recorder
    }

    /// Writes by a new configuration from now on.
    pub fn reconfigure(&mut self, config: &Config, invocation: &Invocation, now: Instant) {
        self.journal.reconfigure(settings::journal(config, invocation));
        self.schedule(config, now);
    }

    fn schedule(&mut self, config: &Config, now: Instant) {
        self.log_stats = config.log_stats;
        self.dumb = !config.measures();
        self.status_file = None;
        if let Some(path) = config.stat_file.as_deref() {
            if config.stat_time.is_zero() {
                // Without STATTIME a file left from before would look like news (config §3).
                let _ = StatusFile::remove(path);
            } else {
                self.status_file = Some(StatusFile::new(path));
            }
        }
        self.stat = Periodic::new(config.stat_time, now);
        let has_records = config.ups_is(Traits::HAS_RECORDS);
        let data_time = if has_records { config.data_time } else { Duration::ZERO };
        self.data = Periodic::new(data_time, now);
    }

    /// Logs one line.
    pub fn log(&mut self, priority: Priority, text: &str) {
        self.journal.log(priority, text, clock::now());
        self.written |= priority != Priority::Info;
        log::debug!("{text}");
    }

    /// Writes the state file. Words about the trouble, if there is any that has not been told.
    pub fn save(&mut self, saved: &SavedOutage, now: Instant) -> Option<String> {
        let clock = BootClock { now, uptime: clock::since_boot() };
        self.state_file.as_mut()?.save(saved, clock)
    }

    /// The UPS has told its serial number, or none. A line for the log if what was taken over at the start is of another UPS.
    pub fn told_serial(&mut self, serial: Option<&str>, now: Instant) -> Option<String> {
        let clock = BootClock { now, uptime: clock::since_boot() };
        self.state_file.as_mut()?.told_serial(serial?, clock)
    }

    /// Writes what is due.
    pub fn handle_timeout(&mut self, status: &mut Status, now: Instant) {
        if self.watchdog.take(now) {
            self.notifier.alive();
        }
        if self.stat.take(now) {
            let wall = clock::now();
            let text = status.text(now);
            let trouble = self.status_file.as_mut().and_then(|file| file.write(text));
            if self.log_stats {
                self.journal.log_status(text, wall);
            }
            if let Some(trouble) = trouble {
                self.log(Priority::Warning, &trouble);
            }
        }
        if self.data.take(now) {
            let snapshot = status.snapshot();
            let record = if self.dumb {
                dumb_data_record(snapshot.flags).to_owned()
            } else {
                data_record(&snapshot.values, self.toggle)
            };
            self.toggle = !self.toggle;
            self.log(Priority::Info, &record);
        }
        if std::mem::take(&mut self.written) {
            self.trim_at.get_or_insert(now + TRIM_DELAY);
        }
        let on_battery = status.snapshot().flags.contains(StatusFlags::ONBATT);
        match self.trim_at {
            Some(at) if at <= now && on_battery => self.trim_at = Some(now + TRIM_DELAY),
            Some(at) if at <= now => {
                self.trim_at = None;
                self.journal.trim_events(clock::now());
            }
            _ => {}
        }
    }

    /// The next deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.stat.next, self.data.next, self.watchdog.next, self.trim_at].into_iter().flatten().min()
    }

    /// Tells the service manager that the daemon guards.
    pub fn ready(&self) {
        self.notifier.ready();
    }

    /// Tells the service manager that the configuration is being read again.
    pub fn reloading(&self) {
        self.notifier.reloading();
    }

    /// Tells the service manager that the daemon ends.
    pub fn stopping(&self) {
        self.notifier.stopping();
    }
}
