//! `mainsd help [WORD]`: every command's help text, and what a directive of the configuration means.

use std::ffi::OsString;
use std::process::ExitCode;

use super::access::{self, Command};
use super::daemon::{self, CalledAs};
use super::out::{complain, print};
use super::{COMMANDS, check, demo, mistake, tools};
use crate::config::nearest_directive;

/// Runs the program; `args` follow the word `help`.
pub fn main(args: &[OsString]) -> ExitCode {
    match args {
        [] => print("mainsd", daemon::usage(CalledAs::Mainsd, "mainsd").as_bytes(), ExitCode::SUCCESS),
        [word] => match about(&word.to_string_lossy()) {
            Ok(text) => print("mainsd", text.as_bytes(), ExitCode::SUCCESS),
            Err(words) => {
                complain(&format!("mainsd help: {words}"));
                ExitCode::FAILURE
            }
        },
        [_, more, ..] => {
            complain(&format!("mainsd help: one word too many: '{}'", more.to_string_lossy()));
            ExitCode::FAILURE
        }
    }
}

/// The text about a command or a directive.
fn about(word: &str) -> Result<String, String> {
    let of_access = |command| access::usage(access::CalledAs::Mainsd(command));
    Ok(match word {
        "mainsd" => daemon::usage(CalledAs::Mainsd, "mainsd"),
        "status" => of_access(Command::Status),
        "events" => of_access(Command::Events),
        "clients" => of_access(Command::Clients),
        "apcaccess" => access::usage(access::CalledAs::Apcaccess { typed: "mainsd apcaccess" }),
        "apcupsd" => daemon::usage(CalledAs::Apcupsd, "mainsd apcupsd"),
        "check" => check::USAGE.to_owned(),
        "demo" => demo::usage(),
        "help" => "usage: mainsd help [WORD]\n\nSays what a command does, or what a directive of the configuration means.\n".to_owned(),
        "version" => "usage: mainsd version\n\nPrints the version.\n".to_owned(),
        _ => match tools::named(word).map(|tool| (tool.usage)()).or_else(|| check::explained(word)) {
            Some(text) => text,
            None => {
                if let Some(lacked) = tools::lacked(word) {
                    return Err(lacked);
                }
                return Err(match nearest_directive(&word.to_ascii_uppercase()) {
                    Some(directive) => {
                        format!("no such command or directive '{word}'; the nearest is '{directive}'")
                    }
                    None => mistake::no_such("command or directive", word, COMMANDS.into_iter().chain(tools::words())),
                });
            }
        },
    })
}
