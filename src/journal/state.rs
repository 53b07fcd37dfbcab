//! What outlives a restart of the daemon during an outage (STATEFILE; power-events §10 item 22).
//!
//! ```text
//! mainsd state 2
//! boot 2d0ef0c5-6a0f-4c30-8f6e-0f0a4a6f2a0c
//! driver usb
//! device 1-1.2
//! serial 3B1004X02003
//! on_battery_since 1234.567
//! announced yes
//! transfers 3
//! on_battery_total 33.500
//! on_battery_at 1234.567
//! off_battery_at 1100.000
//! last_self_test_at 500.250
//! decided_at 1240.000
//! counters 9 1830207
//! end
//! ```
//!
//! Times are seconds; moments count from the boot of the machine, so after a restart of that the file is void. A moment that
//! never came has no line, and no more a serial number that the UPS has not told, or counters of packets that no card has sent. Version 1, of the first mainsd, has no
//! lines about the UPS.

mod handover;
mod message;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::iter::Peekable;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::Split;
use std::time::{Duration, Instant};

use super::replace::{self, Durable, Owner};
use super::run_folder::{BETWEEN_LOOKS, LOOKS};
use crate::power::SavedOutage;
use crate::sys::fs::{flock, flock_release};
use crate::sys::named_lock::still_named;
use crate::sys::{access, clock, reason, trust};
use crate::wire::role::MAX_SERIAL;

pub use message::{saved_message, saved_outage};

const HEAD: &str = "mainsd state 2";
/// As the first version wrote it.
const OLD_HEAD: &str = "mainsd state 1";
const END: &str = "end";

/// Longest file that is looked at, in bytes; a complete one has about 300.
const MAX_BYTES: u64 = 4096;
/// Longest description of a driver, device or serial number in the file, in bytes.
const MAX_TEXT: usize = MAX_SERIAL;

/// The UPS that a state belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpsIdentity {
    /// UPSTYPE.
    pub driver: String,
    /// DEVICE.
    pub device: String,
    /// Serial number, once the UPS has told it.
    pub serial: Option<String>,
}

impl UpsIdentity {
    /// As the file has it: one line of plain characters each, so long at most.
    #[must_use]
    pub fn new(driver: &str, device: &str) -> Self {
        Self { driver: plain(driver), device: plain(device), serial: None }
    }
}

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

/// What an earlier instance left behind.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedState {
    /// Whose it is; `None`: the first version did not say.
    pub ups: Option<UpsIdentity>,
    /// What was going on.
    pub outage: SavedOutage,
}

/// The state file of one UPS. It is locked (`flock`) from [`StateFile::load`] on, and written only when something changed.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    boot_id: Option<String>,
    ups: UpsIdentity,
    /// The serial number that an earlier instance left, until the UPS has told its own.
    left: Option<String>,
    /// The file that has the name, locked.
    locked: Option<File>,
    written: Option<(UpsIdentity, SavedOutage)>,
    latest: SavedOutage,
    failing: bool,
    /// The file of the first version, whose content has been taken over, to be removed when that is written here.
    obsolete: Option<PathBuf>,
}

impl StateFile {
    /// The state of this UPS, in this file. Nothing is read or written yet.
    #[must_use]
    pub fn new(path: &Path, ups: UpsIdentity) -> Self {
        Self {
            path: path.to_owned(),
            boot_id: clock::boot_id(),
            ups,
            left: None,
            locked: None,
            written: None,
            latest: SavedOutage::default(),
            failing: false,
            obsolete: None,
        }
    }

    /// What an instance before us left. `None` if there is none.
    ///
    /// # Errors
    ///
    /// A line for the log that says why the file is ignored: it is in use, another user's, writable by others, of another UPS,
    /// from before the last boot, broken, unreadable.
    pub fn load(&mut self, clock: BootClock) -> Result<Option<SavedOutage>, String> {
        let path = self.path.clone();
        let found = self.read(&path, clock, true);
        let ignored = |why: String| format!("State file {} is ignored: {why}", path.display());
        let Some(saved) = found.map_err(ignored)? else { return Ok(None) };
        Ok(Some(self.take(saved)))
    }

    /// Takes over, once, what the first version left in its one file for all configurations: only if this file has not been
    /// there yet.
    ///
    /// # Errors
    ///
    /// As [`StateFile::load`].
    pub fn load_old(&mut self, old: &Path, clock: BootClock) -> Result<Option<SavedOutage>, String> {
        let found = self.read(old, clock, false);
        let ignored = |why: String| format!("State file {} is ignored: {why}", old.display());
        let Some(saved) = found.map_err(ignored)? else { return Ok(None) };
        self.obsolete = Some(old.to_owned());
        Ok(Some(self.take(saved)))
    }

    fn take(&mut self, saved: SavedState) -> SavedOutage {
        self.left = saved.ups.and_then(|ups| ups.serial);
        self.ups.serial.clone_from(&self.left);
        self.latest = saved.outage.clone();
        saved.outage
    }

    /// Reads a state that fits; the reason why it does not, without a name. `keep`: locks the file for as long as we run.
    fn read(&mut self, path: &Path, clock: BootClock, keep: bool) -> Result<Option<SavedState>, String> {
        let file = match trust::open_to_read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                // That it cannot be written either, for the same reason, needs no other line.
                self.failing = keep;
                return Err(reason(&error));
            }
            Ok(file) => file,
        };
        let data = file.metadata().map_err(|error| reason(&error))?;
        if !data.is_file() {
            self.failing = keep;
            return Err("it is no plain file".to_owned());
        }
        if data.uid() != access::user() {
            return Err(format!("it belongs to another user (uid {})", data.uid()));
        }
        if data.mode() & 0o022 != 0 {
            return Err("others can write to it".to_owned());
        }
        if keep && stays_in_use(&file) {
            self.failing = true;
            return Err(
                "another process is using it; a restart during an outage will begin to count anew".to_owned()
            );
        }
        let mut bytes = Vec::new();
        (&file).take(MAX_BYTES).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
        if keep {
            self.locked = Some(file);
        }
        let boot_id = self.boot_id.as_deref().ok_or("this system does not number its boots")?;
        let saved = parse_state(&bytes, boot_id, clock);
        let saved = saved.ok_or("it is from before the last boot, or broken")?;
        if let Some(ups) = &saved.ups {
            if ups.driver != self.ups.driver {
                return Err(format!("it is of a UPS with UPSTYPE {}", ups.driver));
            }
            if ups.device != self.ups.device {
                return Err(format!("it is of the UPS at DEVICE {}", ups.device));
            }
        }
        Ok(Some(saved))
    }

    /// The UPS has told its serial number. Another one than an earlier instance left means that what was taken over is of
    /// another UPS: a line for the log, and the caller must forget it. Later changes are only noted. What is to be written
    /// after this has changed.
    pub fn told_serial(&mut self, serial: &str) -> Option<String> {
        let serial = plain(serial);
        if serial.is_empty() {
            return None;
        }
        let left = self.left.take();
        if self.ups.serial.as_ref() == Some(&serial) {
            return None;
        }
        self.ups.serial = Some(serial.clone());
        left.map(|left| {
            self.latest = SavedOutage::default();
            format!("The UPS is another one than before the restart, serial number {serial} and not {left}: it starts anew")
        })
    }

    /// Takes note of what is to be saved.
    pub fn note(&mut self, saved: &SavedOutage) {
        self.latest = saved.clone();
    }

    /// Writes it, unless it holds just that. A line about the trouble if there is any, but only the first time until it is over.
    pub fn save(&mut self, saved: &SavedOutage, clock: BootClock) -> Option<String> {
        self.latest = saved.clone();
        let content = (self.ups.clone(), saved.clone());
        if self.written.as_ref() == Some(&content) {
            return None;
        }
        let text = emit_state(&self.ups, saved, self.boot_id.as_deref()?, clock);
        let result = self.write(&text);
        let first = !std::mem::replace(&mut self.failing, result.is_err());
        self.written = result.is_ok().then_some(content);
        match result {
            Err(error) if first => {
                Some(format!("Cannot write state file {}: {}", self.path.display(), reason(&error)))
            }
            Err(_) => None,
            Ok(()) => {
                if let Some(old) = self.obsolete.take() {
                    let _ = std::fs::remove_file(old);
                }
                None
            }
        }
    }

    /// Puts the text in place of the old one. At every moment the file that has the name is locked by us.
    fn write(&mut self, text: &str) -> io::Result<()> {
        let path = trust::resolve(&self.path)?;
        if !self.locked.as_ref().is_some_and(|file| still_named(file, &path)) {
            self.locked = None;
            // One that cannot be opened is nobody's state.
            self.locked = trust::open_to_read(&path).ok();
            if self.locked.as_ref().is_some_and(is_in_use) {
                self.locked = None;
                return Err(io::Error::other("another process is using it"));
            }
        }
        let held = &self.locked;
        let is_held = |file: &File| held.as_ref().is_some_and(|held| same(held, file));
        let file = replace::with(
            &path,
            |file| {
                // Written in place, it is the file that we have locked by another descriptor.
                if !is_held(file) {
                    flock(&*file)?;
                }
                file.write_all(text.as_bytes())
            },
            Durable::No,
            Owner::Ours,
        )?;
        if !is_held(&file) {
            self.locked = Some(file);
        }
        Ok(())
    }
}

impl Drop for StateFile {
    /// A child on its way to another program has inherited the descriptor, and would hold the lock for as long.
    fn drop(&mut self) {
        if let Some(file) = &self.locked {
            flock_release(file);
        }
    }
}

/// Locks a state file; whether another process has done so. A file that others can open may be locked by anybody, which says
/// nothing.
fn is_in_use(file: &File) -> bool {
    let locked = flock(file).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
    locked && file.metadata().is_ok_and(|data| data.uid() == access::user() && data.mode() & 0o077 == 0)
}

/// Whether it is in use still after a moment: the writer of a daemon that was killed ends by itself.
#[allow(clippy::disallowed_methods, reason = "before the loop begins, and for a second at most")]
fn stays_in_use(file: &File) -> bool {
    for _ in 1..LOOKS {
        if !is_in_use(file) {
            return false;
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    is_in_use(file)
}

/// Whether two open files are one.
fn same(one: &File, other: &File) -> bool {
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// A text that fits into a line of the file, whatever a device or a configuration has in it: blanks at its ends are cut,
/// bytes that are no printable ASCII become `%XX`.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for byte in text.trim().bytes() {
        if out.len() + 3 > MAX_TEXT {
            break;
        }
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// The text of a state file.
#[must_use]
pub fn emit_state(ups: &UpsIdentity, saved: &SavedOutage, boot_id: &str, clock: BootClock) -> String {
    let mut text = format!("{HEAD}\nboot {boot_id}\ndriver {}\ndevice {}\n", ups.driver, ups.device);
    if let Some(serial) = &ups.serial {
        let _ = writeln!(text, "serial {serial}");
    }
    emit_moment(&mut text, "on_battery_since", saved.on_battery_since, clock);
    let _ = writeln!(text, "announced {}", if saved.announced { "yes" } else { "no" });
    let _ = writeln!(text, "transfers {}", saved.transfers);
    emit_seconds(&mut text, "on_battery_total", saved.on_battery_total);
    emit_moment(&mut text, "on_battery_at", saved.on_battery_at, clock);
    emit_moment(&mut text, "off_battery_at", saved.off_battery_at, clock);
    emit_moment(&mut text, "last_self_test_at", saved.last_self_test_at, clock);
    emit_moment(&mut text, "decided_at", saved.decided_at, clock);
    if let Some([first, second]) = saved.counters {
        let _ = writeln!(text, "counters {first} {second}");
    }
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

/// Reads a state file of this boot. `None` for anything that [`emit_state`], or that of the first version, would not have
/// written since then: another boot's, one cut short, moments to come. Never panics.
#[must_use]
pub fn parse_state(bytes: &[u8], boot_id: &str, clock: BootClock) -> Option<SavedState> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = Lines { rest: text.strip_suffix('\n')?.split('\n').peekable(), clock };
    let names_ups = match lines.rest.next()? {
        HEAD => true,
        OLD_HEAD => false,
        _ => return None,
    };
    if lines.value("boot")? != boot_id {
        return None;
    }
    let ups = if names_ups { Some(lines.ups()?) } else { None };
    let outage = SavedOutage {
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
        counters: lines.counters()?,
    };
    let complete = lines.rest.next() == Some(END) && lines.rest.next().is_none();
    complete.then_some(SavedState { ups, outage })
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

    fn ups(&mut self) -> Option<UpsIdentity> {
        let ups = UpsIdentity {
            driver: self.value("driver")?.to_owned(),
            device: self.value("device")?.to_owned(),
            serial: self.value("serial").map(str::to_owned),
        };
        let sound = |text: &str| {
            text.len() <= MAX_TEXT
                && text.trim() == text
                && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        };
        let serial = ups.serial.as_deref().is_none_or(|serial| sound(serial) && !serial.is_empty());
        (sound(&ups.driver) && sound(&ups.device) && serial).then_some(ups)
    }

    /// `Some(None)`: there are none, and the next line is another's.
    #[allow(clippy::option_option, reason = "broken, absent and present are three things")]
    fn counters(&mut self) -> Option<Option<[u32; 2]>> {
        let Some(value) = self.value("counters") else { return Some(None) };
        let (first, second) = value.split_once(' ')?;
        Some(Some([digits(first)?.parse().ok()?, digits(second)?.parse().ok()?]))
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
