//! What outlives a restart of the daemon during an outage (STATEFILE; power-events §10 item 22).
//!
//! ```text
//! mainsd state 1
//! boot 2d0ef0c5-6a0f-4c30-8f6e-0f0a4a6f2a0c
//! on_battery_since 1234.567
//! transfers 3
//! seconds_on_battery 33.500
//! end
//! ```
//!
//! `on_battery_since` is missing on mains. All times are seconds, the first since boot. After a restart of the machine the
//! file is void.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::replace::{self, Durable};
use crate::power::SavedOutage;
use crate::sys::{clock, reason};

const HEAD: &str = "mainsd state 1";
const END: &str = "end";

/// Longest file that is looked at, in bytes; a complete one has about 150.
const MAX_BYTES: u64 = 4096;

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
    pub fn load(&mut self) -> Result<Option<SavedOutage>, String> {
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
        let saved = parse_state(&bytes, boot_id, clock::since_boot().as_secs_f64());
        let saved = saved.ok_or_else(|| ignored("it is from before the last boot, or broken"))?;
        self.written = Some(saved.clone());
        Ok(Some(saved))
    }

    /// Writes it, unless it holds just that. A line about the trouble if there is any, but only the first time until it is over.
    pub fn save(&mut self, saved: &SavedOutage) -> Option<String> {
        if self.written.as_ref() == Some(saved) {
            return None;
        }
        let text = emit_state(saved, self.boot_id.as_deref()?);
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
pub fn emit_state(saved: &SavedOutage, boot_id: &str) -> String {
    let mut text = format!("{HEAD}\nboot {boot_id}\n");
    if let Some(since) = saved.on_battery_since {
        let _ = writeln!(text, "on_battery_since {since:.3}");
    }
    let _ = writeln!(text, "transfers {}", saved.transfers);
    let _ = writeln!(text, "seconds_on_battery {:.3}", saved.seconds_on_battery);
    let _ = writeln!(text, "{END}");
    text
}

/// Reads a state file of this boot, `uptime` seconds after it. `None` for anything that [`emit_state`] would not have
/// written since then: another boot's, cut short, with numbers that cannot be. Never panics.
#[must_use]
pub fn parse_state(bytes: &[u8], boot_id: &str, uptime: f64) -> Option<SavedOutage> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.strip_suffix('\n')?.split('\n');
    if lines.next() != Some(HEAD) || lines.next()?.strip_prefix("boot ") != Some(boot_id) {
        return None;
    }
    let mut line = lines.next()?;
    let mut on_battery_since = None;
    if let Some(value) = line.strip_prefix("on_battery_since ") {
        on_battery_since = Some(seconds(value, uptime)?);
        line = lines.next()?;
    }
    let transfers = digits(line.strip_prefix("transfers ")?)?.parse().ok()?;
    let seconds_on_battery = seconds(lines.next()?.strip_prefix("seconds_on_battery ")?, f64::MAX)?;
    let complete = lines.next() == Some(END) && lines.next().is_none();
    complete.then_some(SavedOutage { on_battery_since, transfers, seconds_on_battery })
}

/// A number of seconds as [`emit_state`] writes it.
fn seconds(text: &str, at_most: f64) -> Option<f64> {
    let (whole, fraction) = text.split_once('.')?;
    digits(whole).and(digits(fraction))?;
    let value: f64 = text.parse().ok()?;
    (value.is_finite() && value <= at_most).then_some(value)
}

/// The text if it is digits and nothing else: the number formats of the language allow signs, exponents and names.
fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::Folder;
    use proptest::prelude::*;

    const BOOT: &str = "2d0ef0c5-6a0f-4c30-8f6e-0f0a4a6f2a0c";

    fn outage() -> SavedOutage {
        SavedOutage { on_battery_since: Some(1234.567), transfers: 3, seconds_on_battery: 33.5 }
    }

    #[test]
    fn a_state_comes_back_as_it_was_saved() {
        let folder = Folder::new("state");
        let path = folder.join("state");
        let mut file = StateFile::new(&path);
        assert_eq!(file.load(), Ok(None));
        let since = (clock::since_boot().as_secs_f64() * 1000.0).floor() / 1000.0;
        let saved = SavedOutage { on_battery_since: Some(since), ..outage() };
        assert_eq!(file.save(&saved), None);
        assert_eq!(StateFile::new(&path).load(), Ok(Some(saved.clone())));
        let on_mains = SavedOutage { on_battery_since: None, ..saved };
        assert_eq!(file.save(&on_mains), None);
        assert_eq!(StateFile::new(&path).load(), Ok(Some(on_mains)));
    }

    #[test]
    fn it_is_written_only_when_something_changed() {
        let folder = Folder::new("state-unchanged");
        let path = folder.join("state");
        let mut file = StateFile::new(&path);
        file.save(&outage());
        std::fs::remove_file(&path).unwrap();
        file.save(&outage());
        assert!(!path.exists());
        file.save(&SavedOutage { transfers: 4, ..outage() });
        assert!(path.exists());
    }

    #[test]
    fn after_a_reboot_or_a_broken_write_it_is_void() {
        let good = emit_state(&outage(), BOOT);
        let parse = |text: &str| parse_state(text.as_bytes(), BOOT, 2000.0);
        assert_eq!(parse(&good), Some(outage()));
        let broken = [
            String::new(),
            "\n".to_owned(),
            good.replace(BOOT, "00000000-6a0f-4c30-8f6e-0f0a4a6f2a0c"),
            good.replace("state 1", "state 2"),
            good.replace("1234.567", "2000.001"),
            good.replace("1234.567", "-1.0"),
            good.replace("1234.567", "NaN"),
            good.replace("1234.567", "1e3"),
            good.replace("1234.567", ""),
            good.replace("33.500", "inf"),
            good.replace("33.500", &format!("{}.0", "9".repeat(400))),
            good.replace("transfers 3", "transfers +3"),
            good.replace("transfers 3", "transfers 4294967296"),
            good.replace("transfers 3\n", ""),
            good.replace("end\n", "end\nmore\n"),
            format!("{good}{good}"),
        ];
        for text in broken {
            assert_eq!(parse(&text), None, "{text}");
        }
        for length in 0..good.len() {
            assert_eq!(parse(&good[..length]), None, "cut after {length} bytes");
        }
    }

    #[test]
    fn a_file_that_is_ignored_says_so_and_the_next_save_mends_it() {
        let folder = Folder::new("state-broken");
        let path = folder.join("state");
        std::fs::write(&path, "garbage").unwrap();
        let mut file = StateFile::new(&path);
        let line = file.load().unwrap_err();
        assert!(line.contains("is ignored: it is from before the last boot, or broken"), "{line}");
        let on_mains = SavedOutage { on_battery_since: None, ..outage() };
        assert_eq!(file.save(&on_mains), None);
        assert_eq!(StateFile::new(&path).load(), Ok(Some(on_mains)));
    }

    #[test]
    fn a_full_disk_costs_one_line() {
        let mut file = StateFile::new(Path::new("/dev/full"));
        assert!(file.save(&outage()).is_some());
        assert_eq!(file.save(&outage()), None);
    }

    proptest! {
        #[test]
        fn any_outage_survives_the_file(
            since in prop::option::of(0_u32..4_000_000_000),
            transfers: u32,
            milliseconds in 0_u64..1 << 50,
        ) {
            let saved = SavedOutage {
                on_battery_since: since.map(|since| f64::from(since) / 1000.0),
                transfers,
                seconds_on_battery: milliseconds as f64 / 1000.0,
            };
            prop_assert_eq!(parse_state(emit_state(&saved, BOOT).as_bytes(), BOOT, 4_000_000.0), Some(saved));
        }

        #[test]
        fn any_bytes_are_an_outage_that_can_be_or_nothing(mut bytes: Vec<u8>, at: prop::sample::Index, byte: u8) {
            prop_assert_eq!(parse_state(&bytes, BOOT, 2000.0), None);
            bytes = emit_state(&outage(), BOOT).into_bytes();
            let index = at.index(bytes.len());
            bytes[index] = byte;
            if let Some(saved) = parse_state(&bytes, BOOT, 2000.0) {
                prop_assert!(saved.on_battery_since.is_none_or(|since| (0.0..=2000.0).contains(&since)));
                prop_assert!(saved.seconds_on_battery.is_finite() && saved.seconds_on_battery >= 0.0);
            }
        }
    }
}
