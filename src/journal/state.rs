//! What outlives a restart of the daemon during an outage (STATEFILE; power-events §10 item 22).
//!
//! ```text
//! mainsd state 1
//! boot 2d0ef0c5-6a0f-4c30-8f6e-0f0a4a6f2a0c
//! on_battery_since 1234.567
//! announced yes
//! transfers 3
//! on_battery_total 33.500
//! on_battery_at 1234.567
//! off_battery_at 1100.000
//! last_self_test_at 500.250
//! decided_at 1240.000
//! end
//! ```
//!
//! Times are seconds; moments count from the boot of the machine, so after a restart of that the file is void. A moment that
//! never came has no line.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::str::Split;
use std::time::{Duration, Instant};

use super::replace::{self, Durable};
use crate::power::SavedOutage;
use crate::sys::{clock, reason};

const HEAD: &str = "mainsd state 1";
const END: &str = "end";

/// Longest file that is looked at, in bytes; a complete one has about 250.
const MAX_BYTES: u64 = 4096;

/// One moment on both clocks: the machine's, and the one that counts from boot. Links moments of the one to the other.
#[derive(Clone, Copy, Debug)]
pub struct BootClock {
    /// Now, on the machine's clock.
    pub now: Instant,
    /// Now, from boot ([`clock::since_boot`]).
    pub uptime: Duration,
}

impl BootClock {
    fn since_boot(self, moment: Instant) -> Duration {
        let later = moment.saturating_duration_since(self.now);
        self.uptime.saturating_sub(self.now.saturating_duration_since(moment)).saturating_add(later)
    }

    fn moment(self, since_boot: Duration) -> Option<Instant> {
        self.now.checked_sub(self.uptime.checked_sub(since_boot)?)
    }
}

/// The state file. Written only when something changed.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    boot_id: Option<String>,
    written: Option<SavedOutage>,
    failing: bool,
}

impl StateFile {
    /// Nothing is read or written yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), boot_id: clock::boot_id(), written: None, failing: false }
    }

    /// What an instance before us left. `None` if there is none.
    ///
    /// # Errors
    ///
    /// A line for the log that says why the file is ignored: from before the last boot, broken, unreadable.
    pub fn load(&mut self, clock: BootClock) -> Result<Option<SavedOutage>, String> {
        let ignored = |why: &str| format!("State file {} is ignored: {why}", self.path.display());
        let mut bytes = Vec::new();
        let read = File::open(&self.path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ignored(&reason(&error))),
            Ok(_) => {}
        }
        let boot_id =
            self.boot_id.as_deref().ok_or_else(|| ignored("this system does not number its boots"))?;
        let saved = parse_state(&bytes, boot_id, clock);
        let saved = saved.ok_or_else(|| ignored("it is from before the last boot, or broken"))?;
        self.written = Some(saved.clone());
        Ok(Some(saved))
    }

    /// Writes it, unless it holds just that. A line about the trouble if there is any, but only the first time until it is over.
    pub fn save(&mut self, saved: &SavedOutage, clock: BootClock) -> Option<String> {
        if self.written.as_ref() == Some(saved) {
            return None;
        }
        let text = emit_state(saved, self.boot_id.as_deref()?, clock);
        let result = replace::with(&self.path, |file| file.write_all(text.as_bytes()), Durable::No);
        let first = !std::mem::replace(&mut self.failing, result.is_err());
        self.written = result.is_ok().then(|| saved.clone());
        match result {
            Err(error) if first => {
                Some(format!("Cannot write state file {}: {}", self.path.display(), reason(&error)))
            }
            _ => None,
        }
    }
}

/// The text of a state file.
#[must_use]
pub fn emit_state(saved: &SavedOutage, boot_id: &str, clock: BootClock) -> String {
    let mut text = format!("{HEAD}\nboot {boot_id}\n");
    emit_moment(&mut text, "on_battery_since", saved.on_battery_since, clock);
    let _ = writeln!(text, "announced {}", if saved.announced { "yes" } else { "no" });
    let _ = writeln!(text, "transfers {}", saved.transfers);
    emit_seconds(&mut text, "on_battery_total", saved.on_battery_total);
    emit_moment(&mut text, "on_battery_at", saved.on_battery_at, clock);
    emit_moment(&mut text, "off_battery_at", saved.off_battery_at, clock);
    emit_moment(&mut text, "last_self_test_at", saved.last_self_test_at, clock);
    emit_moment(&mut text, "decided_at", saved.decided_at, clock);
    let _ = writeln!(text, "{END}");
    text
}

fn emit_moment(text: &mut String, key: &str, moment: Option<Instant>, clock: BootClock) {
    if let Some(moment) = moment {
        emit_seconds(text, key, clock.since_boot(moment));
    }
}

fn emit_seconds(text: &mut String, key: &str, span: Duration) {
    let _ = writeln!(text, "{key} {}.{:03}", span.as_secs(), span.subsec_millis());
}

/// Reads a state file of this boot. `None` for anything that [`emit_state`] would not have written since then: another boot's,
/// one cut short, moments to come. Never panics.
#[must_use]
pub fn parse_state(bytes: &[u8], boot_id: &str, clock: BootClock) -> Option<SavedOutage> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = Lines { rest: text.strip_suffix('\n')?.split('\n').peekable(), clock };
    if lines.rest.next() != Some(HEAD) || lines.value("boot")? != boot_id {
        return None;
    }
    let saved = SavedOutage {
        on_battery_since: lines.moment("on_battery_since")?,
        announced: match lines.value("announced")? {
            "yes" => true,
            "no" => false,
            _ => return None,
        },
        transfers: digits(lines.value("transfers")?)?.parse().ok()?,
        on_battery_total: seconds(lines.value("on_battery_total")?)?,
        on_battery_at: lines.moment("on_battery_at")?,
        off_battery_at: lines.moment("off_battery_at")?,
        last_self_test_at: lines.moment("last_self_test_at")?,
        decided_at: lines.moment("decided_at")?,
    };
    let complete = lines.rest.next() == Some(END) && lines.rest.next().is_none();
    complete.then_some(saved)
}

struct Lines<'a> {
    rest: Peekable<Split<'a, char>>,
    clock: BootClock,
}

impl<'a> Lines<'a> {
    /// The value of the next line, if that has this key.
    fn value(&mut self, key: &str) -> Option<&'a str> {
        let value = self.rest.peek()?.strip_prefix(key)?.strip_prefix(' ')?;
        self.rest.next();
        Some(value)
    }

    /// `Some(None)`: the moment never came, and the next line is another's.
    #[allow(clippy::option_option, reason = "broken, absent and present are three things")]
    fn moment(&mut self, key: &str) -> Option<Option<Instant>> {
        match self.value(key) {
            None => Some(None),
            Some(value) => Some(Some(self.clock.moment(seconds(value)?)?)),
        }
    }
}

/// A span as [`emit_state`] writes it.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.')?;
    let milliseconds: u64 = digits(fraction).filter(|digits| digits.len() == 3)?.parse().ok()?;
    Some(Duration::from_secs(digits(whole)?.parse().ok()?) + Duration::from_millis(milliseconds))
}

/// The text if it is digits and nothing else: the number formats of the language allow signs as well. No more than a span
/// can hold with room to spare.
fn digits(text: &str) -> Option<&str> {
    (1..=12)
        .contains(&text.len())
        .then_some(text)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
