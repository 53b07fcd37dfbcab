//! `--killpower` and `--power-off`: one order to the UPS, its result in words and in the exit status.

#![allow(clippy::disallowed_methods, reason = "a small loop of its own needs a clock")]

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use super::options::Options;
use super::run_files;
use super::start::{self, Refusal};
use crate::config::{Config, UpsClass};
use crate::daemon::{Driver, DryRun, Invocation, driver, settings};
use crate::drivers::Traits;
use crate::journal::Journal;
use crate::link::LinkEvent;
use crate::port::device_lock::DeviceLocks;
use crate::program::out::complain;
use crate::sys::{self, clock, trust};
use crate::ups::{Command, CommandResult, Identity, Item, Pace, Priority, Reading, StatusFlags};

/// How long to look for the UPS. The system is halting: longer than this, and the battery is better saved by other means.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one setting may take: ten steps through its values.
const SETTING_PATIENCE: Duration = Duration::from_secs(180);
/// How long a share slave waits before it says that it waits for its master to kill the power, and then (config §3, UPSCLASS).
const SLAVE_WAITS: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(60)];

/// How long to wait, once the UPS answers, for readings that agree on the line. A UPS whose line is unknown is told to
/// switch off as if on battery: that is why the machine went down.
const LINE_WAIT: Duration = Duration::from_secs(5);
/// So many readings agree.
const AGREE: u8 = 2;
/// Set by the last hook of a system that restarts: with mains back, it needs nobody to start it again.
const RESTARTS: &str = "MAINSD_RESTARTS";

/// Gives the UPS one order.
///
/// # Errors
/// A [`Refusal`] if the configuration is bad, the `powerfail` flag is missing (`--killpower` only), or the UPS is not found, does not
/// know the order, or refuses it.
pub fn run(options: &Options, command: Command) -> Result<ExitCode, Refusal> {
    super::debug::start(options).map_err(Refusal::new)?;
    let loaded = start::load(options)?;
    loaded.print_warnings(options);
    let config = loaded.config;
    let how = Invocation {
        name: options.called_as.name(),
        version: crate::program::VERSION,
        config_file: loaded.path,
        pid_file: None,
        foreground: true,
        kill_on_powerfail: false,
        term_on_powerfail: false,
        dry_run: DryRun::No,
        syslog: true,
        stderr: false,
        surroundings: crate::program::surroundings::warnings,
    };
    let mut journal_settings = settings::journal(&config, &how);
    // Late in a shutdown the disk with the events file is read-only or gone.
    journal_settings.events_file = None;
    let mut journal = Journal::new(journal_settings);
    let mut say = |priority: Priority, text: &str| {
        complain(&format!("{}: {text}", how.name));
        journal.log(priority, text, clock::now());
    };
    if config.ups_is(Traits::SLAVE) {
        return Err(Refusal::new("UPSTYPE net: a slave never switches off its master's UPS"));
    }
    if command == Command::KillPower {
        check_flag(&config, &mut say)?;
    }
    if command == Command::KillPower && config.ups_class == Some(UpsClass::ShareSlave) {
        return Ok(wait_for_master(&mut say, std::thread::sleep));
    }
    let wait = match command {
        Command::KillPower => settings::share_wait(&config),
        _ => Duration::ZERO,
    };
    if !wait.is_zero() {
        say(Priority::Warning, "Waiting 30 seconds for slave(s) to shutdown.");
    }
    say(
        Priority::Warning,
        match command {
            Command::PowerOff => "Attempting to shutdown the UPS!",
            _ => "Attempting to kill the UPS power!",
        },
    );
    let mut outcome = Err(String::new());
    let locks = run_files::device_locks(run_files::existing_run_folder().as_ref(), &how.config_file);
    converse(&config, &locks, &[command], wait, &mut say, &mut |result, _| outcome = result.outcome.clone())?;
    match outcome {
        Ok(words) => {
            say(Priority::Warning, &words);
            say(Priority::Notice, &format!("{} shutdown succeeded", how.name));
            Ok(ExitCode::SUCCESS)
        }
        Err(words) => {
            say(Priority::Error, &format!("Failed to issue shutdown command! {words}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// `--killpower` acts only after a power failure, which the flag tells (power-events §8).
fn check_flag(config: &Config, say: &mut dyn FnMut(Priority, &str)) -> Result<(), Refusal> {
    let flag = config.powerfail_dir.join("powerfail");
    let text = match read_flag(&flag) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => format!(
            "Cannot find {} file.\n Killpower requested in non-power fail condition or bug.\n Killpower request ignored",
            flag.display()
        ),
        // One that apcupsd has made is empty; one that a hand has made may hold anything.
        Ok(boot) if clock::boot_id().is_some_and(|id| boot.trim().len() == id.len() && boot.trim() != id) => {
            format!(
                "{} was left by a power failure before this boot. Killpower request ignored",
                flag.display()
            )
        }
        _ => return Ok(()),
    };
    say(Priority::Error, &text);
    Err(Refusal::new("nothing was sent to the UPS; --power-off switches it off without the flag"))
}

/// The beginning of the flag; whatever has its name is not waited for.
fn read_flag(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    trust::open_to_read(path)?.take(4096).read_to_string(&mut text)?;
    Ok(text)
}

/// A share slave halts here until its master kills the power; nothing else is left to do on this machine.
fn wait_for_master(say: &mut dyn FnMut(Priority, &str), mut wait: impl FnMut(Duration)) -> ExitCode {
    let [before, after] = SLAVE_WAITS;
    wait(before);
    say(Priority::Warning, "Waiting For ShareUPS Master to shutdown");
    wait(after);
    say(Priority::Error, "Failed to have power killed by Master!");
    say(Priority::Error, "Perform CPU-reset or power-off");
    ExitCode::FAILURE
}

/// Gives the UPS orders, one after the other; `done` hears how each ended, and what the UPS is.
pub(super) fn converse(
    config: &Config,
    locks: &DeviceLocks,
    mut commands: &[Command],
    wait: Duration,
    say: &mut dyn FnMut(Priority, &str),
    done: &mut dyn FnMut(&CommandResult, &Identity),
) -> Result<(), Refusal> {
    let mut poll = Poll::new().map_err(Refusal::new)?;
    let mut events = Events::with_capacity(16);
    let start = Instant::now();
    let mut driver = driver::open(config, locks, None, start).map_err(Refusal::new)?;
    driver.start(poll.registry(), start);
    let order_at = start + wait;
    let mut heard = Heard::default();
    let mut attached_at = None;
    let mut ordered = false;
    if commands.contains(&Command::KillPower) {
        // Two samples make a line state, also here.
        driver.set_pace(Pace::Fast, start);
    }
    let mut deadline = order_at + PATIENCE;
    let ended = loop {
        let Some((command, rest)) = commands.split_first() else { break Ok(()) };
        let now = Instant::now();
        if let Some(mut result) = take_events(driver.as_mut(), *command, &mut heard, say) {
            if let (Err(words), Command::KillPower, true) = (&mut result.outcome, command, heard.is_mains()) {
                words.push_str("; with mains there it is not switched off for good");
            }
            done(&result, heard.ups.as_deref().unwrap_or(&Identity::default()));
            commands = rest;
            ordered = false;
            continue;
        }
        if now >= deadline {
            let Heard { ups, last_loss, .. } = heard;
            break Err(match ups {
                None if matches!(command, Command::Poll | Command::Set(..)) => {
                    format!("Unable to open UPS device: {last_loss}")
                }
                None => format!("Unable to open UPS device for hibernate or shutdown: {last_loss}"),
                Some(_) => "the UPS did not answer the order in time".to_owned(),
            });
        }
        attached_at = heard.ups.as_ref().and(attached_at.or(Some(now)));
        let known = heard.agree >= AGREE || *command != Command::KillPower;
        let due = attached_at.filter(|_| !ordered);
        let due = due.map(|at: Instant| if known { order_at } else { order_at.max(at + LINE_WAIT) });
        if due.is_some_and(|at| now >= at) {
            if *command == Command::KillPower && heard.is_mains() {
                if std::env::var_os(RESTARTS).is_some_and(|value| !value.is_empty()) {
                    let words = "Mains is back and this machine restarts by itself: the UPS is left alone";
                    let result = CommandResult { command: *command, outcome: Ok(words.to_owned()) };
                    done(&result, &Identity::default());
                    break Ok(());
                }
                let words = match config.ups_is(Traits::DELAYS_OFF) {
                    false => "Mains is back: the UPS is told in case that it fails again at once",
                    true => {
                        "Mains is back: the UPS interrupts the power all the same, or this machine would stay off"
                    }
                };
                say(Priority::Warning, words);
            }
            ordered = true;
            if matches!(command, Command::Poll | Command::Set(..)) {
                deadline = now + SETTING_PATIENCE;
            }
            driver.command(*command, now);
            continue;
        }
        let wake = due.unwrap_or(deadline);
        let wake = driver.poll_timeout().map_or(wake, |at| at.min(wake));
        if let Err(error) = sys::poll(&mut poll, &mut events, wake.saturating_duration_since(now)) {
            break Err(error.to_string());
        }
        let now = Instant::now();
        for event in &events {
            driver.ready(poll.registry(), event, now);
        }
        driver.handle_timeout(poll.registry(), now);
    };
    driver.close(poll.registry());
    ended.map_err(Refusal::new)
}

/// What the UPS has said.
#[derive(Debug, Default)]
struct Heard {
    ups: Option<Box<Identity>>,
    /// The line in the last sample of it, and how many in a row agree.
    mains: bool,
    agree: u8,
    /// When that sample was read: a copy of it agrees with nothing.
    line_at: Option<Instant>,
    last_loss: String,
}

impl Heard {
    const fn is_mains(&self) -> bool {
        self.mains && self.agree >= AGREE
    }

    fn note(&mut self, reading: &Reading) {
        let at = reading.read.of(Item::Line);
        if !reading.states(Item::Line) || at <= self.line_at {
            return;
        }
        let mains = !reading.status.contains(StatusFlags::ONBATT);
        self.agree = if self.mains == mains { self.agree.saturating_add(1) } else { 1 };
        (self.mains, self.line_at) = (mains, at);
    }
}

fn take_events(
    driver: &mut dyn Driver,
    command: Command,
    heard: &mut Heard,
    say: &mut dyn FnMut(Priority, &str),
) -> Option<CommandResult> {
    while let Some(event) = driver.poll_event() {
        match event {
            LinkEvent::Attached(identity) => heard.ups = Some(identity),
            LinkEvent::Lost { reason } => {
                let line_at = heard.line_at;
                *heard = Heard { last_loss: reason, line_at, ..Heard::default() };
            }
            LinkEvent::Reading(reading) => {
                heard.note(&reading);
            }
            LinkEvent::Command(result) if result.command == command => return Some(result),
            LinkEvent::Log(priority, text) => say(priority, &text),
            LinkEvent::Command(_)
            | LinkEvent::Master { .. }
            | LinkEvent::MasterUnreachable { .. }
            | LinkEvent::Remote(_) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_slave_says_that_it_waits_and_after_a_minute_that_its_master_has_failed() {
        use std::cell::RefCell;

        let done = RefCell::new(Vec::new());
        let status = wait_for_master(
            &mut |priority, text| done.borrow_mut().push(format!("{priority:?}: {text}")),
            |time| done.borrow_mut().push(format!("{time:?}")),
        );
        let expected = [
            "10s",
            "Warning: Waiting For ShareUPS Master to shutdown",
            "60s",
            "Error: Failed to have power killed by Master!",
            "Error: Perform CPU-reset or power-off",
        ];
        assert_eq!(done.into_inner(), expected);
        assert_eq!(status, ExitCode::FAILURE);
    }
}
