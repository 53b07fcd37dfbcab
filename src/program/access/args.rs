//! The command lines of `apcaccess` (status-fields §7) and of `mainsd status`, `events` and `clients`.

use std::ffi::OsString;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::program::mistake;

/// How the client was called: this decides about its words, and about nothing else but a second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalledAs {
    /// `apcaccess`, by a link or as `mainsd apcaccess`: the command is an operand, and the words are those of 3.14.14.
    Apcaccess {
        /// What the user has typed before the arguments.
        typed: &'static str,
    },
    /// `mainsd status`, `mainsd events` or `mainsd clients`.
    Mainsd(Command),
}

/// The long options.
const OPTIONS: [&str; 4] = ["json", "watch", "help", "version"];

/// What to ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Command {
    /// `status`.
    #[default]
    Status,
    /// `events`.
    Events,
    /// `clients`.
    Clients,
}

impl Command {
    /// As the user and the protocol have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Events => "events",
            Self::Clients => "clients",
        }
    }
}

/// A command line, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    /// What to ask for.
    pub command: Command,
    /// `-f`.
    pub config: Option<PathBuf>,
    /// `-h` or, before it, the second operand: host and perhaps port.
    pub host: Option<String>,
    /// `-p`.
    pub key: Option<String>,
    /// `-u`.
    pub strip_units: bool,
    /// `--json`.
    pub json: bool,
    /// `--watch`.
    pub watch: bool,
}

/// What the command line asks for, other than the normal work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Other {
    /// `--help`.
    Help,
    /// `--version`.
    Version,
    /// It is wrong; one line that says how.
    Wrong(String),
}

/// Reads the command line, the program's name and, of `mainsd`, its command left out.
///
/// # Errors
///
/// [`Other`]: there is nothing to ask a server.
pub fn parse(called_as: CalledAs, args: Vec<OsString>) -> Result<Args, Other> {
    let mut found = Args::default();
    let mut operands = Vec::new();
    let mut parser = lexopt::Parser::from_args(args);
    let ours = matches!(called_as, CalledAs::Mainsd(_));
    let wrong = |error: lexopt::Error| {
        Other::Wrong(if ours { mistake::words(&error, &OPTIONS) } else { getopt_words(&error) })
    };
    while let Some(arg) = parser.next().map_err(wrong)? {
        match arg {
            Short('f') => found.config = Some(parser.value().map_err(wrong)?.into()),
            Short('h') => found.host = Some(text(parser.value().map_err(wrong)?)),
            Short('p') => found.key = Some(text(parser.value().map_err(wrong)?)),
            Short('u') => found.strip_units = true,
            Long("json") => found.json = true,
            Long("watch") => found.watch = true,
            Long("help") => return Err(Other::Help),
            Long("version") => return Err(Other::Version),
            Value(operand) => operands.push(text(operand)),
            other => return Err(wrong(other.unexpected())),
        }
    }
    let mut operands = operands.into_iter();
    match called_as {
        CalledAs::Mainsd(command) => found.command = command,
        CalledAs::Apcaccess { .. } => {
            if let Some(command) = operands.next() {
                found.command = match command.as_str() {
                    "status" => Command::Status,
                    "events" => Command::Events,
                    "clients" => Command::Clients,
                    _ => return Err(Other::Wrong(format!("Unknown command {command}"))),
                };
            }
        }
    }
    if let Some(host) = operands.next() {
        found.host = Some(host);
    }
    if found.watch && (found.command != Command::Status || found.key.is_some() || found.strip_units) {
        return Err(Other::Wrong("--watch shows the whole status, without -p and -u".to_owned()));
    }
    match operands.next() {
        // 3.14.14 takes no notice of it.
        Some(more) if ours => Err(wrong(lexopt::Error::UnexpectedArgument(more.into()))),
        _ => Ok(found),
    }
}

fn text(arg: OsString) -> String {
    arg.to_string_lossy().into_owned()
}

/// What getopt(3) says for 3.14.14.
fn getopt_words(error: &lexopt::Error) -> String {
    match error {
        lexopt::Error::MissingValue { option: Some(option) } => {
            format!("apcaccess: option requires an argument -- '{}'", option.trim_start_matches('-'))
        }
        lexopt::Error::UnexpectedOption(option) => match option.strip_prefix("--") {
            Some(_) => format!("apcaccess: unrecognized option '{option}'"),
            None => format!("apcaccess: invalid option -- '{}'", option.trim_start_matches('-')),
        },
        other => format!("apcaccess: {other}"),
    }
}

/// Host and port in `host`, `host:port`, `[v6]:port`, `[v6]` or a bare IPv6 address. The port is read as the C function
/// `atoi` does, as 3.14.14 has it: what is no number is 0.
#[must_use]
pub fn split_host(text: &str) -> (&str, Option<u32>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':').map(leading_number));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return (text, None);
    }
    match text.split_once(':') {
        Some((host, port)) => (host, Some(leading_number(port))),
        None => (text, None),
    }
}

fn leading_number(text: &str) -> u32 {
    let digits = text.trim_start();
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(called_as: CalledAs, line: &str) -> Result<Args, Other> {
        parse(called_as, line.split(' ').filter(|s| !s.is_empty()).map(OsString::from).collect())
    }

    fn of(line: &str) -> Result<Args, Other> {
        by(CalledAs::Apcaccess { typed: "apcaccess" }, line)
    }

    #[test]
    fn of_mainsd_the_command_is_said_before_and_a_mistake_is_told_in_its_words() {
        let events = |line| by(CalledAs::Mainsd(Command::Events), line);
        let asked =
            Args { command: Command::Events, host: Some("nas".into()), json: true, ..Args::default() };
        assert_eq!(events("--json nas"), Ok(asked));
        let table = [
            ("nas two", "one word too many: 'two'"),
            ("--jsno", "no such option '--jsno'; the nearest is '--json'"),
            ("-x", "no such option '-x'"),
            ("-h", "-h needs a value"),
        ];
        for (line, words) in table {
            assert_eq!(events(line), Err(Other::Wrong(words.into())), "{line}");
        }
        assert_eq!(events("--help"), Err(Other::Help));
    }

    #[test]
    fn options_may_follow_operands_and_share_a_dash() {
        let all = Args {
            command: Command::Events,
            config: Some("file".into()),
            host: Some("b:2".into()),
            key: Some("STATUS".into()),
            strip_units: true,
            json: true,
            watch: false,
        };
        for line in [
            "-f file -h a:1 -up STATUS --json events b:2",
            "events b:2 more -uf file -pSTATUS --json -h a:1",
            "-uffile --json -h a:1 -p STATUS -- events b:2",
        ] {
            assert_eq!(of(line), Ok(all.clone()), "{line}");
        }
        assert_eq!(of(""), Ok(Args::default()));
    }

    #[test]
    fn mistakes_are_named() {
        let table = [
            ("-x", "apcaccess: invalid option -- 'x'"),
            ("-V", "apcaccess: invalid option -- 'V'"),
            ("-p", "apcaccess: option requires an argument -- 'p'"),
            ("status -h", "apcaccess: option requires an argument -- 'h'"),
            ("--bogus", "apcaccess: unrecognized option '--bogus'"),
            ("STATUS", "Unknown command STATUS"),
            ("--watch events", "--watch shows the whole status, without -p and -u"),
            ("--watch -p STATUS", "--watch shows the whole status, without -p and -u"),
        ];
        for (line, words) in table {
            assert_eq!(of(line), Err(Other::Wrong(words.into())), "{line}");
        }
        assert_eq!(of("foo --help"), Err(Other::Help));
    }

    #[test]
    fn a_host_may_have_a_port_and_an_ipv6_address_brackets() {
        let table = [
            ("ups", ("ups", None)),
            ("ups:1234", ("ups", Some(1234))),
            ("ups:", ("ups", Some(0))),
            ("ups:abc", ("ups", Some(0))),
            ("ups:12x", ("ups", Some(12))),
            (":7", ("", Some(7))),
            ("::1", ("::1", None)),
            ("fe80::1:2", ("fe80::1:2", None)),
            ("[::1]", ("::1", None)),
            ("[::1]:3551", ("::1", Some(3551))),
            ("[::1]:", ("::1", Some(0))),
            ("ups:99999999999", ("ups", Some(0))),
        ];
        for (text, expected) in table {
            assert_eq!(split_host(text), expected, "{text}");
        }
    }
}
