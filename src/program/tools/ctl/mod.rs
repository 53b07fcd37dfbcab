//! `mainsd ctl ORDER`: an order to the UPS or the daemon, by the daemon's control socket; where no daemon runs, to the UPS itself.

pub(super) mod client;
mod direct;
mod help;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::*;

use crate::program::mistake;
use crate::program::out::{self, Out, complain};
use crate::report::json_answer;
use crate::wire::control::{Answer, Outcome, Request};
use client::NoAnswer;

pub use client::listens;
#[cfg(feature = "dumb")]
pub(super) use direct::alone;
pub(super) use direct::options;
pub use help::usage;

/// The long options; `--wait` and `--yes` belong to orders.
const OPTIONS: [&str; 5] = ["config-file", "json", "help", "wait", "yes"];

/// A command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Args {
    /// `-f`.
    config: Option<PathBuf>,
    /// `--json`.
    json: bool,
    /// `--help`, or `help` in place of an order.
    help: bool,
    /// The order, as it goes over the socket.
    line: String,
}

/// Runs the program; `args` follow the word `ctl`.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let args = match parse(args) {
        Ok(args) => args,
        Err(error) => return usage_error(&error),
    };
    if args.help || args.line.is_empty() {
        return match help::about(&args.line) {
            Ok(text) => out::print(
                "mainsd ctl",
                text.as_bytes(),
                if args.help { ExitCode::SUCCESS } else { status(Outcome::Usage) },
            ),
            Err(words) => usage_error(&words),
        };
    }
    let request = match Request::parse(args.line.as_bytes()) {
        Ok(request) => request,
        Err(words) => return usage_error(&words),
    };
    show(&give(args.config.as_ref(), &args.line, &request), request.row.words, args.json)
}

/// Gives an order, to the daemon if there is one; `line` is what `request` was read from.
pub(super) fn give(config: Option<&PathBuf>, line: &str, request: &Request) -> Answer {
    match client::ask(config, line) {
        Ok(answer) => answer,
        Err(NoAnswer::NoDaemon) => direct::order(config, request),
        Err(NoAnswer::Denied(words)) => Answer::new(Outcome::Refused, words),
        Err(NoAnswer::Lost(words)) => Answer::new(Outcome::Lost, words),
    }
}

/// The values of an answer, one a line.
pub(super) fn values(answer: &Answer) -> String {
    let Answer { values, permitted, .. } = answer;
    let may_be = |name: &str| permitted.iter().find(|(of, _)| of == name).map(|(_, values)| values);
    let mut text = String::new();
    for (name, value) in values {
        let may_be = may_be(name).map(|values| format!("  (may be: {values})")).unwrap_or_default();
        text.push_str(&format!("{name}: {value}{may_be}\n"));
    }
    for (name, may_be) in permitted.iter().filter(|(name, _)| !values.iter().any(|(of, _)| of == name)) {
        text.push_str(&format!("{name}:  (may be: {may_be})\n"));
    }
    text
}

fn parse(args: Vec<OsString>) -> Result<Args, String> {
    let mut found = Args::default();
    let mut words: Vec<String> = Vec::new();
    let mut parser = lexopt::Parser::from_args(args);
    let wrong = |error: lexopt::Error| mistake::words(&error, &OPTIONS);
    while let Some(arg) = parser.next().map_err(wrong)? {
        match arg {
            Short('f') | Long("config-file") => found.config = Some(parser.value().map_err(wrong)?.into()),
            Long("json") => found.json = true,
            Short('h') | Long("help") => found.help = true,
            Long("wait") => words.push("--wait".to_owned()),
            Long("yes") => words.push("--yes".to_owned()),
            Value(word) if word == "help" && words.is_empty() => found.help = true,
            Value(word) => words.push(word.to_string_lossy().into_owned()),
            other => return Err(wrong(other.unexpected())),
        }
    }
    found.line = words.join(" ");
    Ok(found)
}

fn status(outcome: Outcome) -> ExitCode {
    ExitCode::from(outcome.status())
}

fn usage_error(words: &str) -> ExitCode {
    out::fail("mainsd ctl", words, Outcome::Usage.status())
}

fn show(answer: &Answer, order: &str, json: bool) -> ExitCode {
    let Answer { values, permitted, outcome, text } = answer;
    let mut out = Out::new("mainsd ctl");
    if json {
        let members = [("order", order), ("result", outcome.word()), ("text", text)];
        out.line(&json_answer(&members, &[("values", values), ("permitted", permitted)]));
        return out.end(status(*outcome));
    }
    out.text(&self::values(answer));
    if *outcome != Outcome::Done {
        complain(&format!("mainsd ctl: {order}: {text}"));
    } else if !text.is_empty() {
        out.line(text);
    }
    out.end(status(*outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(args: &[&str]) -> Result<Args, String> {
        parse(args.iter().map(OsString::from).collect())
    }

    #[test]
    fn options_stand_anywhere_and_the_rest_is_the_order() {
        let args = of(&["--json", "self-test", "--wait", "-f", "/x"]).unwrap();
        assert_eq!(
            (args.line.as_str(), args.json, args.config),
            ("self-test --wait", true, Some("/x".into()))
        );
        assert_eq!(of(&["name", "MY UPS"]).unwrap().line, "name MY UPS");
        assert!(of(&["help", "beeper"]).unwrap().help && !of(&["beeper", "help"]).unwrap().help);
        assert_eq!(of(&["poll", "--jsn"]).unwrap_err(), "no such option '--jsn'; the nearest is '--json'");
    }
}
