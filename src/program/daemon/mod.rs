//! The daemon's command line: options as apcupsd has them (config §6), start-up, and exit status.

mod configure;
mod debug;
mod one_shot;
mod options;
mod start;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::ups::Command;

pub use options::{Action, CalledAs, Options, parse};
pub use start::DRY_RUN;

/// Runs the daemon program.
pub fn main(called_as: CalledAs, args: Vec<OsString>) -> ExitCode {
    let action = match parse(called_as, args) {
        Ok(action) => action,
        Err(error) => {
            eprint!("{}: {error}\n{}", called_as.name(), options::usage(called_as));
            return ExitCode::FAILURE;
        }
    };
    let ended = match action {
        Action::Version => {
            println!("{} {}", called_as.name(), super::VERSION);
            Ok(ExitCode::SUCCESS)
        }
        Action::Help => {
            print!("{}", options::usage(called_as));
            Ok(ExitCode::SUCCESS)
        }
        Action::Run(options) => start::run(&options),
        Action::KillPower(options) => one_shot::run(&options, Command::KillPower),
        Action::PowerOff(options) => one_shot::run(&options, Command::PowerOff),
        Action::Configure(options) => configure::run(&options),
    };
    ended.unwrap_or_else(|refusal| {
        eprintln!("{}: {}", called_as.name(), refusal.text);
        ExitCode::from(refusal.status)
    })
}
