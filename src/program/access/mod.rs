//! `apcaccess`, and `mainsd status`, `events` and `clients`: asks a server on port 3551 and prints what it says
//! (status-fields §7).
//!
//! As `apcaccess`, options, output bytes, words and exit statuses are those of 3.14.14; `events`, IPv6, `--json`, `--help` and
//! `--version` are new. One thing is stricter: an answer that breaks off is an error, where 3.14.14 takes it for a short
//! answer. As `mainsd status` it says in words what is wrong.

mod args;
mod client;
mod failure;
mod show;
mod usage;
#[cfg_attr(not(feature = "tools"), path = "no_watch.rs")]
mod watch;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use super::out::{complain, print};
use super::which_file::WhichFile;
use crate::config::{self, Diagnostic, Origin, Parsed, Severity, nearest_of};
use crate::report;
use crate::wire::nis;
use args::{Args, Other};
use failure::Cause;

pub use args::{CalledAs, Command};
pub use client::{Limits, ask};
pub use failure::Failure;
pub use usage::usage;

/// The host where no file says otherwise.
const LOCAL: &str = "localhost";
/// `NISPORT` where no file says otherwise.
const DEFAULT_PORT: u32 = 3551;
/// Longest frame of an answer to `events` that is taken (nis §2).
const MAX_EVENT: usize = 1023;
/// There is no such key, or the file of `-f` cannot be read.
const NOT_THERE: u8 = 2;

/// Runs the client with these arguments, the program's name left out.
pub fn main(called_as: CalledAs, args: Vec<OsString>) -> ExitCode {
    let voice = Voice(called_as);
    let args = match args::parse(called_as, args) {
        Ok(args) => args,
        Err(Other::Help) => return voice.print(usage(called_as).as_bytes(), ExitCode::SUCCESS),
        Err(Other::Version) => {
            let version = format!("{} {}\n", voice.program(), super::VERSION);
            return voice.print(version.as_bytes(), ExitCode::SUCCESS);
        }
        Err(Other::Wrong(line)) => {
            match called_as {
                CalledAs::Apcaccess { .. } => {
                    complain(&format!(
                        "{line}\n{}",
                        usage(CalledAs::Apcaccess { typed: "apcaccess" }).trim_end()
                    ));
                }
                CalledAs::Mainsd(_) => voice.complain(&format!("{line} ({} --help)", voice.typed())),
            }
            return ExitCode::FAILURE;
        }
    };
    let target = match target(voice, &args) {
        Ok(target) => target,
        Err(status) => return status,
    };
    match args.command {
        Command::Status if args.watch => watch::run(voice, args.json, target),
        Command::Status => status(voice, &args, &target),
        Command::Events => lines(voice, &args, report::json_events, &target),
        Command::Clients => lines(voice, &args, report::json_clients, &target),
    }
}

/// In whose words the client speaks.
#[derive(Clone, Copy)]
struct Voice(CalledAs);

impl Voice {
    const fn is_ours(self) -> bool {
        matches!(self.0, CalledAs::Mainsd(_))
    }

    const fn program(self) -> &'static str {
        if self.is_ours() { "mainsd" } else { "apcaccess" }
    }

    /// What the user has typed before the arguments.
    fn typed(self) -> String {
        match self.0 {
            CalledAs::Apcaccess { typed } => typed.to_owned(),
            CalledAs::Mainsd(command) => format!("mainsd {}", command.name()),
        }
    }

    fn print(self, bytes: &[u8], status: ExitCode) -> ExitCode {
        print(self.program(), bytes, status)
    }

    /// A line of ours, after what was typed.
    fn complain(self, words: &str) {
        complain(&format!("{}: {words}", self.typed()));
    }
}

/// Whom to ask.
pub(in crate::program) struct Target {
    pub host: String,
    pub port: u32,
}

impl Target {
    /// The daemon of this file.
    pub fn of_file(file: &Parsed) -> Self {
        // It listens on loopback addresses where the file names none; `localhost` is all of these.
        let listens = Some(&file.config.nis_ip).filter(|_| file.origin("NISIP") != Origin::Default);
        let address = listens.and_then(|all| all.first()).filter(|ip| !ip.is_unspecified());
        let host = address.map_or_else(|| LOCAL.to_owned(), ToString::to_string);
        Self { host, port: file.config.nis_port.into() }
    }

    /// Host and port; an address with colons needs its brackets to be read.
    pub fn at(&self) -> String {
        let Self { host, port } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// Whom to ask: the command line wins over the file. Of the file's mistakes only those in what is needed from it end
/// the program: a client must not fall silent for a wrong directive of the daemon, as that of 3.14.14 does.
fn target(voice: Voice, args: &Args) -> Result<Target, ExitCode> {
    let (host, port) = args.host.as_deref().map(args::split_host).unwrap_or_default();
    if voice.is_ours() && port.is_some_and(|port| !(1..=65_535).contains(&port)) {
        let given = args.host.as_deref().unwrap_or_default();
        voice.complain(&Failure::Contact(Cause::BadPort).in_words(host, given));
        return Err(ExitCode::FAILURE);
    }
    let given = args.config.as_deref();
    let which = WhichFile::new(given.map(Path::to_owned));
    let file = match (config::load(&which.path), given) {
        (Ok(file), _) => Some(file),
        (Err(_), None) => None,
        (Err(error), Some(path)) => {
            match voice.0 {
                CalledAs::Mainsd(_) => voice.complain(&error.to_string()),
                CalledAs::Apcaccess { .. } => {
                    complain(&format!("Unable to open config file '{}'", path.display()));
                }
            }
            return Err(ExitCode::from(NOT_THERE));
        }
    };
    let matters = |error: &&Diagnostic| match error.keyword.as_str() {
        "NISIP" => host.is_empty(),
        "NISPORT" => port.is_none(),
        "" => host.is_empty() || port.is_none(),
        _ => false,
    };
    let errors: Vec<_> = file.iter().flat_map(|file| file.of(Severity::Error)).filter(matters).collect();
    if !errors.is_empty() {
        errors.iter().for_each(|error| complain(&error.to_string()));
        complain("Terminating due to configuration file errors.");
        return Err(ExitCode::FAILURE);
    }
    let mut target =
        file.as_ref().map_or_else(|| Target { host: LOCAL.to_owned(), port: DEFAULT_PORT }, Target::of_file);
    if args.host.is_some() {
        target.host = if matches!(host, "" | "0.0.0.0" | "::") { LOCAL } else { host }.to_owned();
    }
    target.port = port.unwrap_or(target.port);
    Ok(target)
}

/// Asks. A server that closes without a byte gives no record and, as with 3.14.14, `apcaccess` no error.
fn ask_target(
    voice: Voice,
    args: &Args,
    target: &Target,
    longest: usize,
    record: &mut dyn FnMut(&[u8]),
) -> Result<(), Failure> {
    let at = (target.host.as_str(), target.port);
    match ask(at, args.command.name(), longest, client::LIMITS, record) {
        Err(Failure::Read(Cause::Silent)) if !voice.is_ours() => Ok(()),
        asked => asked,
    }
}

fn status(voice: Voice, args: &Args, target: &Target) -> ExitCode {
    let mut out = Vec::new();
    let mut found = false;
    let mut keys = Vec::new();
    let asked = ask_target(voice, args, target, nis::MAX_CLIENT, &mut |record| match &args.key {
        _ if args.json => out.extend_from_slice(record),
        None => out.extend(show::without_unit(record, args.strip_units)),
        Some(key) if !found => {
            if let Some(value) = show::value_of(record, key) {
                found = true;
                out.extend(show::without_unit(value, args.strip_units));
            }
            keys.extend(show::key_of(record));
        }
        Some(_) => {}
    });
    if args.json {
        let text = String::from_utf8_lossy(&out).into_owned();
        out.clear();
        match &args.key {
            _ if asked.is_err() => {}
            None => out.extend(report::json(&text).into_bytes()),
            Some(key) => {
                if let Some(value) = text.lines().find_map(|line| show::value_of(line.as_bytes(), key)) {
                    found = true;
                    out.extend(report::json_value(key, &String::from_utf8_lossy(value)).into_bytes());
                }
                keys = text.lines().filter_map(|line| show::key_of(line.as_bytes())).collect();
            }
        }
        if !out.is_empty() {
            out.push(b'\n');
        }
    }
    match asked {
        Err(failure) => fail(voice, args, &out, target, &failure),
        Ok(()) if found => voice.print(&out, ExitCode::SUCCESS),
        Ok(()) => {
            let Some(key) = &args.key else { return voice.print(&out, ExitCode::SUCCESS) };
            if voice.is_ours() {
                voice.complain(&no_such_key(key, &keys));
            }
            voice.print(&out, ExitCode::from(NOT_THERE))
        }
    }
}

/// Keys are upper case, which nobody need know.
fn no_such_key(key: &str, keys: &[String]) -> String {
    match nearest_of(&key.to_ascii_uppercase(), keys.iter().map(String::as_str)) {
        Some(near) => format!("no such key: {key}; the nearest is {near}"),
        None => {
            format!("no such key: {key}; the UPS may not tell it ('mainsd status' shows all that it tells)")
        }
    }
}

fn lines(voice: Voice, args: &Args, json: fn(&str) -> String, target: &Target) -> ExitCode {
    let mut out = Vec::new();
    let asked = ask_target(voice, args, target, MAX_EVENT, &mut |record| out.extend_from_slice(record));
    // The server's words for "no events file", and those of one that does not know the command.
    if let Some(words) = out.strip_suffix(b"\n\0") {
        let words = match args.command {
            Command::Clients => "only mainsd lists its clients, and only to its own machine".into(),
            _ => String::from_utf8_lossy(words).into_owned(),
        };
        return fail(voice, args, &[], target, &Failure::Read(Cause::Server(words)));
    }
    if args.json {
        out = json(&String::from_utf8_lossy(&out)).into_bytes();
        out.push(b'\n');
    }
    match asked {
        Err(failure) => fail(voice, args, &out, target, &failure),
        Ok(()) => voice.print(&out, ExitCode::SUCCESS),
    }
}

/// Prints what came before the failure, and the failure.
fn fail(voice: Voice, args: &Args, out: &[u8], target: &Target, failure: &Failure) -> ExitCode {
    voice.print(out, ExitCode::FAILURE);
    match voice.0 {
        CalledAs::Apcaccess { .. } => complain(&failure.as_apcaccess(args.command.name(), &target.at())),
        CalledAs::Mainsd(_) => voice.complain(&failure.in_words(&target.host, &target.at())),
    }
    ExitCode::FAILURE
}
