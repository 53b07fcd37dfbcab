//! What is written down, and when: the log, the status file, data records, the state file.

#![allow(
    clippy::disallowed_methods,
    reason = "wall time is read here to be written down, and nowhere decides anything"
)]

use std::time::{Duration, Instant};

use mio::{Registry, Token};

use super::settings::{self, Invocation};
use super::status::Status;
use super::writers::{Places, Told, Writers};
use crate::config::Config;
use crate::drivers::Traits;
use crate::journal::{data_record, dumb_data_record, end_of_events, event_record};
use crate::power::SavedOutage;
use crate::server::nis::EventsTail;
use crate::sys::clock;
use crate::ups::{Priority, StatusFlags, one_line};
use crate::wire::nis::MAX_EVENTS_FILE_END;

/// How long after a line the events file is looked at for trimming; lines that come together cost one look.
const TRIM_DELAY: Duration = Duration::from_secs(10);

/// Has written down what happens.
#[derive(Debug)]
pub struct Recorder {
    writers: Writers,
    log_stats: bool,
    dumb: bool,
    /// Alternates 1 and 0 with each data record (config §3, DATA record).
    toggle: bool,
    stat: Periodic,
    data: Periodic,
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
    /// Writes by this configuration: starts the writers. To be called before anything that somebody else says is read.
    #[must_use]
    pub fn new(config: &Config, places: Places, now: Instant) -> Self {
        let mut recorder = Self {
            writers: Writers::start(places, now),
            log_stats: false,
            dumb: false,
            toggle: true,
            stat: Periodic::new(Duration::ZERO, now),
            data: Periodic::new(Duration::ZERO, now),
            trim_at: None,
            written: false,
        };
        recorder.schedule(config, now);
        recorder
    }

    /// The end of the events file of this configuration. It is read here, so this is for the start only.
    #[must_use]
    pub(super) fn read_events(config: &Config) -> EventsTail {
        let end = |path: &std::path::PathBuf| end_of_events(path, MAX_EVENTS_FILE_END).ok();
        EventsTail::new(config.events_file.as_ref().and_then(end))
    }

    /// Writes by a new configuration from now on.
    pub fn reconfigure(
        &mut self,
        config: &Config,
        invocation: &Invocation,
        status: &mut Status,
        now: Instant,
    ) {
        let log = settings::system_log(config, invocation);
        self.writers.reconfigure(log, settings::files(config), now);
        self.ask_for_events(status, now);
        self.schedule(config, now);
    }

    /// Has the end of the events file told by its writer, for clients.
    pub fn ask_for_events(&mut self, status: &mut Status, now: Instant) {
        status.events().await_file();
        self.writers.ask_for_events(now);
    }

    fn schedule(&mut self, config: &Config, now: Instant) {
        self.log_stats = config.log_stats;
        self.dumb = !config.measures();
        // Where it is neither written nor logged, it is not put together.
        let is_wanted = config.stat_file.is_some() || config.log_stats;
        let stat_time = if is_wanted { config.stat_time } else { Duration::ZERO };
        self.stat = Periodic::new(stat_time, now);
        let has_records = config.ups_is(Traits::HAS_RECORDS);
        let data_time = if has_records { config.data_time } else { Duration::ZERO };
        self.data = Periodic::new(data_time, now);
    }

    /// Makes the loop wake for what the writers tell.
    pub fn register(&mut self, registry: &Registry) {
        self.writers.register(registry);
    }

    /// Whether a token is one of a writer.
    #[must_use]
    pub const fn owns(token: Token) -> bool {
        Writers::owns(token)
    }

    /// A writer has told something.
    pub fn handle_readable(&mut self, token: Token, now: Instant) {
        self.writers.handle_readable(token, now);
    }

    /// A child of ours may have ended.
    pub fn handle_child_signal(&mut self, now: Instant) {
        self.writers.handle_child_signal(now);
    }

    /// Logs one line, and one only, whatever `text` holds: every line to the system log, all but [`Priority::Info`] to the
    /// events file (config §8).
    pub fn log(&mut self, status: &mut Status, priority: Priority, text: &str, now: Instant) {
        self.write_line(status, priority, &one_line(text), true, now);
        log::debug!("{text}");
    }

    fn write_line(
        &mut self,
        status: &mut Status,
        priority: Priority,
        text: &str,
        for_files: bool,
        now: Instant,
    ) {
        let unix = clock::unix_seconds(clock::now());
        self.writers.log(priority, unix, text, for_files, now);
        if for_files && priority != Priority::Info && self.writers.has_events_file() {
            self.written = true;
            status.events().push(&event_record(&clock::local_of(unix), text));
        }
    }

    /// The next line that a writer has for the log.
    pub fn poll_line(&mut self, status: &mut Status, now: Instant) -> Option<(Priority, String)> {
        self.writers.print_debug_lines(now);
        loop {
            match self.writers.poll_told()? {
                Told::Line(priority, text) => return Some((priority, text)),
                Told::NotForFiles(text) => self.write_line(status, Priority::Warning, &text, false, now),
                Told::Events(bytes, [first, last, found]) => {
                    status.events().take_piece(&bytes, first, last, found);
                }
            }
        }
    }

    /// The newest line for the events file, for [`Recorder::is_past`].
    #[must_use]
    pub const fn newest_line(&self) -> u64 {
        self.writers.newest_for_files()
    }

    /// Whether the events file has this line, or its writer is not worth waiting for.
    #[must_use]
    pub fn is_past(&self, line: u64, now: Instant) -> bool {
        self.writers.files_are_past(line, now)
    }

    /// Writes the state file.
    pub fn save(&mut self, saved: &SavedOutage, now: Instant) {
        if let Some(state) = self.writers.state() {
            state.note(saved);
        }
        self.writers.write_state(now);
    }

    /// The UPS has told its serial number, or none. A line for the log if what was taken over at the start is of another UPS.
    pub fn told_serial(&mut self, serial: Option<&str>, now: Instant) -> Option<String> {
        let line = self.writers.state()?.told_serial(serial?);
        self.writers.write_state(now);
        line
    }

    /// Writes what is due.
    pub fn handle_timeout(&mut self, registry: &Registry, status: &mut Status, now: Instant) {
        self.writers.handle_timeout(registry, now);
        if self.stat.take(now) {
            let text = status.text(now).to_owned();
            self.writers.write_status(&text, now);
            if self.log_stats {
                for line in text.lines() {
                    self.write_line(status, Priority::Notice, &one_line(line), true, now);
                }
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
            self.log(status, Priority::Info, &record, now);
        }
        if std::mem::take(&mut self.written) {
            self.trim_at.get_or_insert(now + TRIM_DELAY);
        }
        let on_battery = status.snapshot().flags.contains(StatusFlags::ONBATT);
        match self.trim_at {
            Some(at) if at <= now && on_battery => self.trim_at = Some(now + TRIM_DELAY),
            Some(at) if at <= now => {
                self.trim_at = None;
                self.writers.trim_events(now);
            }
            _ => {}
        }
    }

    /// The next deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let writers = self.writers.poll_timeout();
        crate::ups::earliest(&[self.stat.next, self.data.next, self.trim_at, writers])
    }

    /// Has everything written, and waits for it, a second at most.
    pub fn finish(&mut self, now: Instant) {
        self.writers.print_debug_lines(now);
        self.writers.finish();
    }
}
