//! The daemon's command line: options as apcupsd has them (config §6), start-up, and exit status.

mod options;

use std::ffi::OsString;
use std::process::ExitCode;

pub use options::{Action, CalledAs, Options, parse};

/// Runs the daemon program.
pub fn main(called_as: CalledAs, args: Vec<OsString>) -> ExitCode {
    match parse(called_as, args) {
        Ok(Action::Version) => {
            println!("{} {}", called_as.name(), super::VERSION);
            ExitCode::SUCCESS
        }
        Ok(Action::Help) => {
            print!("{}", options::usage(called_as));
            ExitCode::SUCCESS
        }
        Ok(Action::Run(_) | Action::KillPower(_) | Action::PowerOff(_)) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("{}: {error}\n{}", called_as.name(), options::usage(called_as));
            ExitCode::FAILURE
        }
    }
}
