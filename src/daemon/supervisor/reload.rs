//! SIGHUP: the configuration that the helper has had read again is applied in place.

use std::time::Instant;

use mio::Registry;

use super::Supervisor;
use crate::config::{self, Config};
use crate::daemon::reread::Found;
use crate::daemon::settings;
use crate::ups::Priority;

impl Supervisor {
    /// Has the configuration read again (SIGHUP). A good one is applied in place; a bad one changes nothing.
    pub fn reload(&mut self, registry: &Registry, now: Instant) {
        self.helper.reload(registry, now);
    }

    pub(super) fn not_read(&mut self, error: &str, now: Instant) {
        let words = format!("{error}; the old configuration stays");
        self.log(Priority::Error, &words, now);
        self.control.desk.reloaded(&Err(words));
        self.helper.ready(now);
    }

    pub(super) fn take_configuration(&mut self, found: Found, registry: &Registry, now: Instant) {
        let file = self.invocation.config_file.clone();
        let parsed = config::parse(&found.text, &file.to_string_lossy());
        for diagnostic in parsed.of(config::Severity::Warning) {
            self.log(Priority::Warning, &diagnostic.to_string(), now);
        }
        // Also what would only keep the next start from guarding: now somebody is there to read it.
        for obstacle in &found.obstacles {
            self.log(Priority::Error, obstacle, now);
        }
        if !found.obstacles.is_empty() || parsed.has_errors() {
            let words = format!("{}: not applied; the old configuration stays", file.display());
            self.log(Priority::Error, &words, now);
            self.control.desk.reloaded(&Err(format!("{words} (the log says why)")));
        } else {
            for warning in &found.warnings {
                self.log(Priority::Warning, warning, now);
            }
            self.apply(self.invocation.dry_run.redirect(parsed.config), registry, now);
            self.control.desk.reloaded(&Ok(format!("{}: applied", file.display())));
        }
        self.helper.ready(now);
    }

    fn apply(&mut self, new: Config, registry: &Registry, now: Instant) {
        for change in config::changed(&self.config, &new) {
            let wait = if change.in_place() { "" } else { "; waits for the next start" };
            self.log(Priority::Notice, &format!("{change}{wait}"), now);
        }
        // The lines above have named what stays.
        let new = settings::in_place(&self.config, new);
        self.machine.reconfigure(settings::power(&new, &self.invocation), now);
        self.server.reconfigure(settings::server(&new), registry, now);
        self.driver.set_poll_time(settings::poll_time(&new), now);
        self.recorder.reconfigure(&new, &self.invocation, &mut self.status, now);
        let start_time = self.status.snapshot().facts.start_time;
        let mut facts = settings::facts(&new, &self.invocation, &self.hostname, start_time);
        let snapshot = self.status.update();
        if snapshot.master.is_some() {
            facts.class = std::mem::take(&mut snapshot.facts.class);
        }
        snapshot.facts = facts;
        self.config = new;
        self.show_ups_name();
        self.log(Priority::Notice, &format!("{}: applied", self.invocation.config_file.display()), now);
    }
}
