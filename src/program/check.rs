//! `mainsd check`: what a configuration file means, and what is wrong with it, for a person.

#[cfg_attr(not(feature = "check"), path = "check/no_explain.rs")]
mod explain;
#[cfg_attr(not(feature = "check"), path = "check/no_meaning.rs")]
mod meaning;
#[cfg(feature = "check")]
mod story;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use super::out::{self, complain, print};
use super::which_file::WhichFile;
use super::{mistake, surroundings};
use crate::config::{Diagnostic, Parsed, Severity, load, nearest_directive};
use crate::daemon::obstacles;

pub use explain::explained;

/// The help text.
pub const USAGE: &str = "\
usage: mainsd check [-q] [-f FILE]
       mainsd check --explain DIRECTIVE

Reads a configuration file as the daemon would, and tells what it means and what is wrong with it.
Changes nothing, needs no rights, and does not look for a UPS.

  -f, --config-file FILE   the file; otherwise /etc/mainsd/mainsd.conf, else /etc/apcupsd/apcupsd.conf
  -q, --quiet              say only what keeps the daemon from starting
      --explain DIRECTIVE  what this directive does and accepts, instead
  -h, --help               this text

Exit status: 0 the daemon starts with this file, perhaps with warnings; 1 it does not; 2 the file
cannot be read.
";

/// The long options.
const OPTIONS: [&str; 4] = ["config-file", "quiet", "explain", "help"];

/// The file cannot be read.
const UNREADABLE: u8 = 2;

/// Runs the program; `args` without the names of the program.
pub fn main(args: Vec<OsString>) -> ExitCode {
    match options(args) {
        Ok(Task::Help) => print("mainsd check", USAGE.as_bytes(), ExitCode::SUCCESS),
        Ok(Task::Explain(name)) => match explained(&name) {
            Some(text) => print("mainsd check", text.as_bytes(), ExitCode::SUCCESS),
            None => {
                let near = nearest_directive(&name.to_ascii_uppercase());
                out::fail(
                    "mainsd check",
                    &match near {
                        Some(near) => format!("no such directive '{name}'; the nearest is {near}"),
                        None => format!("no such directive '{name}'; mainsd.conf(5) has the list of all"),
                    },
                    1,
                )
            }
        },
        Ok(Task::Check { file, quiet }) => match load(&file.path) {
            Ok(parsed) if quiet => only_obstacles(&parsed),
            Ok(parsed) => {
                let shutdown_commands = surroundings::shutdown_commands(&parsed);
                let mut around = surroundings::examine(&parsed, &shutdown_commands);
                around.extend(surroundings::remarks(&parsed));
                let why = file.why_it_is_read();
                let text = report(&parsed, why.as_deref(), &around, &shutdown_commands);
                let starts = obstacles(&parsed).is_empty();
                let status = if starts { ExitCode::SUCCESS } else { ExitCode::FAILURE };
                print("mainsd check", text.as_bytes(), status)
            }
            Err(error) => out::fail("mainsd check", &file.words_of(&error), UNREADABLE),
        },
        Err(words) => out::fail("mainsd check", &format!("{words} (mainsd check --help)"), 1),
    }
}

enum Task {
    Check { file: WhichFile, quiet: bool },
    Explain(String),
    Help,
}

fn options(args: Vec<OsString>) -> Result<Task, String> {
    use lexopt::prelude::{Long, Short, Value, ValueExt as _};
    let wrong = |error: lexopt::Error| mistake::words(&error, &OPTIONS);
    let mut parser = lexopt::Parser::from_args(args);
    let mut file = None;
    let mut quiet = false;
    while let Some(arg) = parser.next().map_err(wrong)? {
        match arg {
            Short('f') | Long("config-file") => file = Some(PathBuf::from(parser.value().map_err(wrong)?)),
            Short('q') | Long("quiet") => quiet = true,
            Long("explain") => {
                return Ok(Task::Explain(parser.value().and_then(|word| word.string()).map_err(wrong)?));
            }
            Short('h') | Long("help") => return Ok(Task::Help),
            // `mainsd check my.conf`: what else could be meant?
            Value(path) if file.is_none() => file = Some(PathBuf::from(path)),
            other => return Err(wrong(other.unexpected())),
        }
    }
    Ok(Task::Check { file: WhichFile::new(file), quiet })
}

fn only_obstacles(parsed: &Parsed) -> ExitCode {
    let obstacles = obstacles(parsed);
    for obstacle in &obstacles {
        complain(&format!("mainsd check: {}", obstacle.diagnostic));
    }
    if obstacles.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Everything there is to say; `why_it_is_read` is said of the file. What matters most comes last, where a terminal shows it.
pub fn report(
    parsed: &Parsed,
    why_it_is_read: Option<&str>,
    surroundings: &[Diagnostic],
    shutdown_commands: &[String],
) -> String {
    let mut out = meaning::meaning(parsed, why_it_is_read, shutdown_commands);
    let obstacles = obstacles(parsed);
    let errors: Vec<&Diagnostic> = obstacles.iter().map(|obstacle| &obstacle.diagnostic).collect();
    let of_the_file = parsed.of(Severity::Warning).chain(parsed.of(Severity::Advice));
    let warnings: Vec<&Diagnostic> = of_the_file.chain(surroundings).collect();
    problems(&mut out, "Warnings", &warnings);
    problems(&mut out, "Errors", &errors);
    out.push_str(&verdict(errors.len(), warnings.len()));
    out
}

fn verdict(errors: usize, warnings: usize) -> String {
    let count = |n: usize, what: &str| match n {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    };
    let start =
        if errors > 0 { "mainsd does NOT start with this file" } else { "mainsd starts with this file" };
    format!("{}, {}: {start}.\n", count(errors, "error"), count(warnings, "warning"))
}

fn problems(out: &mut String, title: &str, list: &[&Diagnostic]) {
    if list.is_empty() {
        return;
    }
    let _ = writeln!(out, "{title}\n");
    for diagnostic in list {
        let _ = writeln!(out, "  {diagnostic}");
    }
    out.push('\n');
}

#[cfg(test)]
mod tests;
