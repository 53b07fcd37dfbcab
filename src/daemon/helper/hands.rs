//! What is done for the loop beside it: hooks, flags, the shutdown, the configuration that is read again, word to the service
//! manager. The same code in a process of its own, and in the loop's where there is none.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mio::Registry;

use super::Told;
use crate::act::{Act, Outcome, Request};
use crate::config::{self, Config};
use crate::daemon::reread::{Found, Reread};
use crate::daemon::settings::{self, Invocation};
use crate::sys::notify::Notifier;

/// How long each of the flags may hold up the end of the daemon.
const FLAGS_AT_EXIT: Duration = Duration::from_secs(1);

/// Carries out.
#[derive(Debug)]
pub struct Hands {
    invocation: Invocation,
    /// The configuration as its file has it, as far as it applies before a restart.
    of_the_file: Config,
    act: Act,
    reread: Reread,
    notifier: Notifier,
    /// How often the service manager is told that the daemon is alive, and when next.
    watchdog: Option<(Duration, Instant)>,
    /// The service manager waits for word that the daemon guards.
    awaits_ready: bool,
    told: VecDeque<Told>,
}

impl Hands {
    /// Does nothing until asked to; takes over the words to the service manager. `of_the_file`: before what a dry run changes.
    #[must_use]
    pub fn new(of_the_file: Config, invocation: Invocation, now: Instant) -> Self {
        let notifier = Notifier::from_environment();
        let config = invocation.dry_run.redirect(of_the_file.clone());
        Self {
            act: Act::new(settings::act(&config, &invocation)),
            reread: Reread::new(invocation.config_file.clone(), invocation.surroundings),
            watchdog: notifier.watchdog_interval().map(|interval| (interval, now + interval)),
            notifier,
            awaits_ready: true,
            of_the_file,
            invocation,
            told: VecDeque::new(),
        }
    }

    /// The configuration that holds, as its file has it.
    #[must_use]
    pub const fn of_the_file(&self) -> &Config {
        &self.of_the_file
    }

    /// The configuration that holds, as a dry run changes it.
    #[must_use]
    pub fn config(&self) -> Config {
        self.invocation.dry_run.redirect(self.of_the_file.clone())
    }

    /// How the daemon was called.
    #[must_use]
    pub const fn invocation(&self) -> &Invocation {
        &self.invocation
    }

    /// Carries one request out, or queues it.
    pub fn handle(&mut self, request: Request, now: Instant) {
        self.act.handle(request, now);
    }

    /// Has the configuration read again (SIGHUP). What comes of it is told.
    pub fn reload(&mut self, registry: &Registry, now: Instant) {
        self.notifier.reloading();
        self.awaits_ready = true;
        if let Err(error) = self.reread.start(registry, now) {
            self.told.push_back(Told::NotRead(error));
        }
    }

    /// Word to the service manager: the daemon guards. Only where it waits for that: another main process says so too, and one
    /// that is somebody else's could say nothing else.
    pub fn ready(&mut self) {
        if std::mem::take(&mut self.awaits_ready) {
            self.notifier.ready();
        }
    }

    /// Word to the service manager: the daemon ends.
    pub fn stopping(&mut self) {
        self.awaits_ready = false;
        self.notifier.stopping();
    }

    /// A child may have ended.
    pub fn handle_child_signal(&mut self, now: Instant) {
        self.act.handle_child_signal(now);
    }

    /// Deadlines may have passed; what the child that reads the configuration has said is taken.
    pub fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.act.handle_timeout(now);
        if let Some((interval, next)) = &mut self.watchdog {
            if *next <= now {
                *next = now + *interval;
                self.notifier.alive();
            }
        }
        match self.reread.poll(registry, now) {
            None => return,
            Some(Ok((found, answer))) => {
                self.take(&found);
                self.told.push_back(Told::Configuration(found, answer));
            }
            Some(Err(error)) => self.told.push_back(Told::NotRead(error)),
        }
        if self.reread.take_again() {
            self.reload(registry, now);
        }
    }

    /// Applies a configuration, if it is one to be applied.
    fn take(&mut self, found: &Found) {
        let Some(parsed) = found.parsed(&self.invocation.config_file).filter(|_| found.obstacles.is_empty())
        else {
            return;
        };
        self.of_the_file = settings::in_place(&self.of_the_file, parsed.config);
        self.act.reconfigure(settings::act(&self.config(), &self.invocation));
    }

    /// The next deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let watchdog = self.watchdog.map(|(_, next)| next);
        crate::ups::earliest(&[self.act.poll_timeout(), self.reread.poll_timeout(), watchdog])
    }

    /// What came of requests; call until `None`.
    pub fn poll_outcome(&mut self) -> Option<Outcome> {
        self.act.poll_outcome()
    }

    /// What else there is to tell; call until `None`.
    pub fn poll_told(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    /// Whether a shutdown is under way whose end is not yet known.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.act.is_shutting_down()
    }

    /// Whether no child is waited for.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.act.poll_timeout().is_none()
    }

    /// The daemon ends: begins what still waits, and waits for the flags, a second each at most.
    pub fn finish(&mut self, now: Instant) {
        self.act.run_pending_now(now);
        self.act.finish_flags(FLAGS_AT_EXIT, now);
    }
}

impl Found {
    /// The configuration that was found; `None`: it has mistakes.
    #[must_use]
    pub fn parsed(&self, file: &std::path::Path) -> Option<config::Parsed> {
        Some(config::parse(&self.text, &file.to_string_lossy())).filter(|parsed| !parsed.has_errors())
    }
}
