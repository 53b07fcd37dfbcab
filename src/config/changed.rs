//! What a new file changes for a running daemon.

use std::fmt;

use super::directives::{self, Directive, Reload};
use super::settings::Config;

/// One directive with another value than before, shown as `TIMEOUT: 0 seconds, now 60 seconds`.
#[derive(Clone)]
pub struct Change {
    /// Which.
    pub directive: &'static Directive,
    /// What is effective so far; passphrases are left out.
    pub old: String,
    /// What the new file says; passphrases are left out.
    pub new: String,
}

impl Change {
    /// Whether a running daemon can take it; if not, it waits for the next start.
    pub fn in_place(&self) -> bool {
        self.directive.reload == Reload::InPlace
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { directive, old, new } = self;
        if old == new {
            // Only a passphrase differs.
            return write!(f, "{}: changed", directive.name);
        }
        write!(f, "{}: {old}, now {new}", directive.name)
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The directives whose effective values differ, in the order of the table; none that the daemon does not use.
pub fn changed(old: &Config, new: &Config) -> Vec<Change> {
    directives::all()
        .filter(|d| d.reload != Reload::Unused && d.show(old) != d.show(new))
        .map(|directive| Change { directive, old: directive.present(old), new: directive.present(new) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn between(old: &str, new: &str) -> Vec<(String, bool)> {
        let config = |lines: &str| parse(format!("UPSTYPE usb\n{lines}").as_bytes(), "t").config;
        changed(&config(old), &config(new)).iter().map(|c| (c.to_string(), c.in_place())).collect()
    }

    #[test]
    fn the_same_values_in_other_words_are_no_change() {
        assert_eq!(between("", "TIMEOUT 0\nupscable USB # so\nNISIP 127.0.0.1,::1"), []);
    }

    #[test]
    fn each_change_names_old_and_new_and_whether_it_waits_for_a_restart() {
        assert_eq!(
            between("EVENTSFILE /a\nMINUTES 3", "TIMEOUT 60\nDEVICE 1-1\nMINUTES -1"),
            [
                ("DEVICE: (automatic), now 1-1".to_owned(), false),
                ("MINUTES: 3 minutes, now off".to_owned(), true),
                ("TIMEOUT: off, now 60 seconds".to_owned(), true),
                ("EVENTSFILE: /a, now (none)".to_owned(), true),
            ]
        );
    }

    #[test]
    fn what_the_daemon_does_not_use_is_no_change() {
        assert_eq!(between("", "BEEPSTATE T\nLOWBATT 2"), []);
    }

    #[test]
    fn a_passphrase_never_reaches_the_log() {
        let config = |device: &str| parse(format!("UPSTYPE pcnet\nDEVICE {device}").as_bytes(), "t").config;
        let changes = changed(&config("10.0.0.1:apc:secret one"), &config("10.0.0.2:apc:secret:two:3052"));
        assert_eq!(changes[0].to_string(), "DEVICE: 10.0.0.1:apc:***, now 10.0.0.2:apc:***");
        let changes = changed(&config("10.0.0.1:apc:secret"), &config("10.0.0.1:apc:other"));
        assert_eq!(changes[0].to_string(), "DEVICE: changed");
    }
}
