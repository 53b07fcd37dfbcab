//! `--killpower` and `--power-off`: one order to the UPS, its result in words and in the exit status.

#![allow(clippy::disallowed_methods, reason = "a small loop of its own needs a clock")]

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use mio::{Events, Poll};

use super::options::Options;
use super::start::{self, Refusal};
use crate::config::{Config, DriverKind, UpsClass};
use crate::daemon::{Driver, Invocation, drivers, settings};
use crate::journal::Journal;
use crate::link::LinkEvent;
use crate::ups::{Command, CommandResult, Identity, Priority};

/// How long to look for the UPS. The system is halting: longer than this, and the battery is better saved by other means.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one setting may take: ten steps through its values.
const SETTING_PATIENCE: Duration = Duration::from_secs(180);
/// How long a share master waits for its slaves (config §3, UPSCLASS).
const SHARE_WAIT: Duration = Duration::from_secs(30);

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
        dry_run: false,
        syslog: true,
        stderr: false,
        surroundings: crate::program::surroundings::warnings,
    };
    let mut journal_settings = settings::journal(&config, &how);
    // Late in a shutdown the disk with the events file is read-only or gone.
    journal_settings.events_file = None;
    let mut journal = Journal::new(journal_settings);
    let mut say = |priority: Priority, text: &str| {
        eprintln!("{}: {text}", how.name);
        journal.log(priority, text, SystemTime::now());
    };
    if config.ups_type == Some(DriverKind::Net) {
        return Err(Refusal::new("UPSTYPE net: a slave never switches off its master's UPS"));
    }
    if command == Command::KillPower {
        check_flag(&config, &mut say)?;
    }
    say(
        Priority::Warning,
        match command {
            Command::PowerOff => "Attempting to shutdown the UPS!",
            _ => "Attempting to kill the UPS power!",
        },
    );
    let wait = match (command, config.ups_class) {
        (Command::KillPower, Some(UpsClass::ShareMaster)) => {
            say(Priority::Warning, "Waiting 30 seconds for slave(s) to shutdown.");
            SHARE_WAIT
        }
        (Command::KillPower, Some(UpsClass::ShareSlave)) => {
            return Err(Refusal::new(
                "UPSCLASS shareslave: the share master kills the power, not this machine",
            ));
        }
        _ => Duration::ZERO,
    };
    let mut outcome = Err(String::new());
    converse(&config, &[command], wait, &mut say, &mut |result, _| outcome = result.outcome.clone())?;
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
    if flag.exists() {
        return Ok(());
    }
    let text = format!(
        "Cannot find {} file.\n Killpower requested in non-power fail condition or bug.\n Killpower request ignored",
        flag.display()
    );
    say(Priority::Error, &text);
    Err(Refusal::new("nothing was sent to the UPS; --power-off switches it off without the flag"))
}

/// Gives the UPS orders, one after the other; `done` hears how each ended, and what the UPS is.
pub(super) fn converse(
    config: &Config,
    mut commands: &[Command],
    wait: Duration,
    say: &mut dyn FnMut(Priority, &str),
    done: &mut dyn FnMut(&CommandResult, &Identity),
) -> Result<(), Refusal> {
    let mut poll = Poll::new().map_err(Refusal::new)?;
    let mut events = Events::with_capacity(16);
    let start = Instant::now();
    let mut driver = drivers::open(config, start).map_err(Refusal::new)?;
    driver.start(poll.registry(), start);
    let order_at = start + wait;
    let mut attached = None;
    let mut ordered = false;
    let mut last_loss = String::new();
    let mut deadline = order_at + PATIENCE;
    let ended = loop {
        let Some((command, rest)) = commands.split_first() else { break Ok(()) };
        let now = Instant::now();
        if let Some(result) = take_events(driver.as_mut(), *command, &mut attached, &mut last_loss, say) {
            done(&result, attached.as_deref().unwrap_or(&Identity::default()));
            commands = rest;
            ordered = false;
            continue;
        }
        if now >= deadline {
            break Err(match attached {
                None if matches!(command, Command::Poll | Command::Set(..)) => {
                    format!("Unable to open UPS device: {last_loss}")
                }
                None => format!("Unable to open UPS device for hibernate or shutdown: {last_loss}"),
                Some(_) => "the UPS did not answer the order in time".to_owned(),
            });
        }
        if attached.is_some() && !ordered && now >= order_at {
            ordered = true;
            if matches!(command, Command::Poll | Command::Set(..)) {
                deadline = now + SETTING_PATIENCE;
            }
            driver.command(*command, now);
            continue;
        }
        let wake = if attached.is_some() && !ordered { order_at } else { deadline };
        let wake = driver.poll_timeout().map_or(wake, |at| at.min(wake));
        match poll.poll(&mut events, Some(wake.saturating_duration_since(now))) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => break Err(error.to_string()),
            _ => {}
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

fn take_events(
    driver: &mut dyn Driver,
    command: Command,
    attached: &mut Option<Box<Identity>>,
    last_loss: &mut String,
    say: &mut dyn FnMut(Priority, &str),
) -> Option<CommandResult> {
    while let Some(event) = driver.poll_event() {
        match event {
            LinkEvent::Attached(identity) => *attached = Some(identity),
            LinkEvent::Lost { reason } => {
                *attached = None;
                *last_loss = reason;
            }
            LinkEvent::Command(result) if result.command == command => return Some(result),
            LinkEvent::Log(priority, text) => say(priority, &text),
            LinkEvent::Command(_)
            | LinkEvent::Reading(_)
            | LinkEvent::Master { .. }
            | LinkEvent::MasterUnreachable { .. }
            | LinkEvent::Remote(_) => {}
        }
    }
    None
}
