//! The daemon's command line: options as apcupsd has them (config §6), start-up, and exit status.

mod beginning;
pub(super) mod configure;
pub(super) mod conversation;
mod debug;
pub(super) mod one_shot;
mod options;
pub(super) mod run_files;
pub(super) mod start;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::sys::signals;
use crate::ups::Command;

use super::out::{complain, print};

pub use options::{Action, CalledAs, Options, parse, usage};
pub use start::DRY_RUN;

/// Runs the daemon program; `typed` is what the user has typed before the arguments.
pub fn main(called_as: CalledAs, typed: &str, args: Vec<OsString>) -> ExitCode {
    // First of all: whatever takes time from here on, neither of the two signals ends what may be the machine's guard.
    signals::hold_hangup();
    let action = match parse(called_as, args) {
        Ok(action) => action,
        Err(error) => {
            match called_as {
                CalledAs::Mainsd => complain(&format!("mainsd: {error} ({typed} --help)")),
                CalledAs::Apcupsd => {
                    complain(&format!("apcupsd: {error}\n{}", usage(called_as, typed).trim_end()));
                }
            }
            return ExitCode::FAILURE;
        }
    };
    let ended = match action {
        Action::Version => {
            let version = format!("{} {}\n", called_as.name(), super::VERSION);
            Ok(print(called_as.name(), version.as_bytes(), ExitCode::SUCCESS))
        }
        Action::Help => Ok(print(called_as.name(), usage(called_as, typed).as_bytes(), ExitCode::SUCCESS)),
        Action::Run(options) => start::run(options),
        Action::KillPower(options) => one_shot::run(&options, Command::KillPower),
        Action::PowerOff(options) => one_shot::run(&options, Command::PowerOff),
        Action::Configure(options) => configure::run(&options),
    };
    ended.unwrap_or_else(|refusal| {
        complain(&format!("{}: {}", called_as.name(), refusal.text));
        ExitCode::from(refusal.status)
    })
}
