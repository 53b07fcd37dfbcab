//! `--killpower` and `--power-off`: one order to the UPS, its result in words and in the exit status.

#![allow(
    clippy::disallowed_methods,
    reason = "a share slave waits for its master with nothing else left to do"
)]

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::conversation::{GO_ON, converse};
use super::options::Options;
use super::run_files;
use super::start::{self, Refusal};
use crate::config::Config;
use crate::daemon::{DryRun, Invocation, settings};
use crate::journal::SystemLog;
use crate::power::kill_power::{FlagDoubt, NotOurs, flag_allows};
use crate::program::out::complain;
use crate::sys::{clock, trust};
use crate::ups::{Command, Priority, one_line};

/// How long a share slave waits before it says that it waits for its master to kill the power, and then (config §3, UPSCLASS).
const SLAVE_WAITS: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(60)];

/// Gives the UPS one order; the exit status says whether it is done.
///
/// # Errors
/// A [`Refusal`] if the configuration is bad, the UPS is not found, or mainsd is against it, as [`give`] says.
pub fn run(options: &Options, command: Command) -> Result<ExitCode, Refusal> {
    let (is_done, _) = give(options, command, true)?.map_err(Refusal::new)?;
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Gives the UPS one order. Whether it is done, and in which words that has been told; or, with nothing sent, why mainsd is against it: the
/// `powerfail` flag is missing ([`Command::KillPower`] only), or the UPS is another machine's. `says_end`: what came of it is said on standard
/// error too; else the caller says it.
///
/// # Errors
/// A [`Refusal`] if the configuration is bad, or the UPS is not found.
pub(in crate::program) fn give(
    options: &Options,
    command: Command,
    says_end: bool,
) -> Result<Result<(bool, String), String>, Refusal> {
    super::debug::start(options).map_err(Refusal::new)?;
    let loaded = start::load(options)?;
    loaded.print_warnings(options);
    let config = loaded.config;
    let invocation = Invocation {
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
        shutdown_commands: crate::act::BuiltIn::default(),
        surroundings: crate::program::surroundings::warnings,
    };
    // No events file: late in a shutdown its disk is read-only or gone.
    let mut system_log = SystemLog::new(settings::system_log(&config, &invocation));
    let mut tell = |says: bool, priority: Priority, text: &str| {
        if says {
            complain(&format!("{}: {text}", invocation.name));
        }
        system_log.write(priority, clock::unix_seconds(clock::now()), &one_line(text));
    };
    let mut say = |priority: Priority, text: &str| tell(true, priority, text);
    let kill = command == Command::KillPower;
    let wait = settings::role(&config).wait();
    if wait == Err(NotOurs::Master) {
        return Ok(Err("UPSTYPE net: a slave never switches off its master's UPS".to_owned()));
    }
    if kill && !check_flag(&config, &mut say) {
        return Ok(Err(FLAG_MISSING.to_owned()));
    }
    let wait = match wait {
        Err(_) if kill => {
            wait_for_master(&mut say, std::thread::sleep);
            return Ok(Ok((false, "the master of the UPS has not done it".to_owned())));
        }
        Ok(wait) if kill => wait,
        Ok(_) | Err(_) => Duration::ZERO,
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
    let locks = run_files::locks_for_order(&invocation.config_file);
    converse(&config, &locks, &[command], wait, &mut say, &mut |result, _| {
        outcome = result.outcome.clone();
        GO_ON
    })?;
    match &outcome {
        Ok(words) => {
            tell(says_end, Priority::Warning, words);
            tell(says_end, Priority::Notice, &format!("{} shutdown succeeded", invocation.name));
        }
        Err(words) => {
            tell(says_end, Priority::Error, &format!("Failed to issue shutdown command! {words}"));
        }
    }
    Ok(Ok((outcome.is_ok(), outcome.unwrap_or_else(|words| words))))
}

/// What is said last where it is.
const FLAG_MISSING: &str = "nothing was sent to the UPS; 'mainsd --power-off', or 'mainsd ctl power-off --yes', switches it off without the flag";

/// Power is killed only after a power failure, which the flag tells (power-events §8); says what is wrong with it.
fn check_flag(config: &Config, say: &mut dyn FnMut(Priority, &str)) -> bool {
    let flag = config.powerfail_dir.join("powerfail");
    let said = match read_flag(&flag) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        // There is one, whatever it holds.
        read => Some(read.unwrap_or_default()),
    };
    let text = match flag_allows(said.as_deref(), clock::boot_id().as_deref()) {
        Ok(()) => return true,
        Err(FlagDoubt::Missing) => format!(
            "Cannot find {} file.\n Killpower requested in non-power fail condition or bug.\n Killpower request ignored",
            flag.display()
        ),
        Err(FlagDoubt::Old) => format!(
            "{} was left by a power failure before this boot. Killpower request ignored",
            flag.display()
        ),
    };
    say(Priority::Error, &text);
    false
}

/// The beginning of the flag; whatever has its name is not waited for.
fn read_flag(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    trust::open_to_read(path)?.take(4096).read_to_string(&mut text)?;
    Ok(text)
}

/// A share slave halts here until its master kills the power; nothing else is left to do on this machine.
fn wait_for_master(say: &mut dyn FnMut(Priority, &str), mut wait: impl FnMut(Duration)) {
    let [before, after] = SLAVE_WAITS;
    wait(before);
    say(Priority::Warning, "Waiting For ShareUPS Master to shutdown");
    wait(after);
    say(Priority::Error, "Failed to have power killed by Master!");
    say(Priority::Error, "Perform CPU-reset or power-off");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_slave_says_that_it_waits_and_after_a_minute_that_its_master_has_failed() {
        use std::cell::RefCell;

        let done = RefCell::new(Vec::new());
        wait_for_master(
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
    }
}
