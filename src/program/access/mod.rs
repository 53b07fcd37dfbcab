//! `apcaccess`: asks a server on port 3551 and prints what it says (status-fields §7).
//!
//! Options, output bytes and exit statuses are those of 3.14.14; `events`, IPv6, `--json`, `--help` and `--version` are
//! new. One thing is stricter: an answer that breaks off is an error, where 3.14.14 takes it for a short answer.

mod args;
mod client;
mod show;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::config::{self, Diagnostic, Origin, Severity};
use crate::report;
use crate::wire::nis;
use args::{Args, Command, Other};
use client::Failure;

/// `NISPORT` where no file says otherwise.
const DEFAULT_PORT: u32 = 3551;
/// Longest frame of an answer to `events` that is taken (nis §2).
const MAX_EVENT: usize = 1023;

const USAGE: &str = "\
Usage: apcaccess [-f <config-file>] [-h <host>[:<port>]] [-p <parameter-name>] [-u] [<command>] [<host>[:<port>]]

 -f         Take host and port from this configuration file (default: /etc/apcupsd/apcupsd.conf)
 -h         Ask this host; it wins over the file. IPv6 addresses: [::1]:3551
 -p         Print the value of this one key only; exit status 2 if there is none
 -u         Leave out units
 --json     Print JSON: numbers as numbers, in the unit of their key; N/A as null
 --help     Print this
 --version  Print the version

Supported commands: 'status' (default), 'events', 'clients' (who is connected; asked on the server itself only)
A host behind the command wins over -h and the file.
";

/// Runs `apcaccess` with these arguments, the program's name left out.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let args = match args::parse(args) {
        Ok(args) => args,
        Err(Other::Help) => return print(USAGE.as_bytes(), ExitCode::SUCCESS),
        Err(Other::Version) => {
            return print(format!("apcaccess {}\n", super::VERSION).as_bytes(), ExitCode::SUCCESS);
        }
        Err(Other::Wrong(line)) => {
            eprintln!("{line}");
            eprint!("{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let (host, port) = match target(&args) {
        Ok(target) => target,
        Err(status) => return status,
    };
    match args.command {
        Command::Status => status(&args, &host, port),
        Command::Events => lines(&args, "events", report::json_events, &host, port),
        Command::Clients => lines(&args, "clients", report::json_clients, &host, port),
    }
}

/// Whom to ask: the command line wins over the file. Of the file's mistakes only those in what is needed from it end
/// the program: a client must not fall silent for a wrong directive of the daemon, as that of 3.14.14 does.
fn target(args: &Args) -> Result<(String, u32), ExitCode> {
    let (host, port) = args.host.as_deref().map(args::split_host).unwrap_or_default();
    let given = args.config.as_deref();
    let file = match (config::load(given.unwrap_or(Path::new(config::DEFAULT_PATH))), given) {
        (Ok(file), _) => Some(file),
        (Err(_), None) => None,
        (Err(_), Some(path)) => {
            eprintln!("Unable to open config file '{}'", path.display());
            return Err(ExitCode::from(2));
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
        errors.iter().for_each(|error| eprintln!("{error}"));
        eprintln!("Terminating due to configuration file errors.");
        return Err(ExitCode::FAILURE);
    }
    // The daemon listens on loopback addresses where the file names none; `localhost` is all of these.
    let listens = file.as_ref().filter(|file| file.origin("NISIP") != Origin::Default);
    let listens = listens.and_then(|file| file.config.nis_ip.first()).map(ToString::to_string);
    let host = match (args.host.is_some(), listens) {
        (false, Some(address)) => address,
        _ => host.to_owned(),
    };
    let host = if matches!(host.as_str(), "" | "0.0.0.0" | "::") { "localhost".to_owned() } else { host };
    Ok((host, port.unwrap_or_else(|| file.as_ref().map_or(DEFAULT_PORT, |file| file.config.nis_port.into()))))
}

fn status(args: &Args, host: &str, port: u32) -> ExitCode {
    let mut out = Vec::new();
    let mut found = false;
    let asked = client::ask(host, port, "status", nis::MAX_CLIENT, &mut |record| match &args.key {
        _ if args.json => out.extend_from_slice(record),
        None => out.extend(show::without_unit(record, args.strip_units)),
        Some(key) if !found => {
            if let Some(value) = show::value_of(record, key) {
                found = true;
                out.extend(show::without_unit(value, args.strip_units));
            }
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
            }
        }
        if !out.is_empty() {
            out.push(b'\n');
        }
    }
    match asked {
        Err(failure) => fail(&out, "status", host, port, &failure),
        Ok(()) if args.key.is_some() && !found => print(&out, ExitCode::from(2)),
        Ok(()) => print(&out, ExitCode::SUCCESS),
    }
}

fn lines(args: &Args, what: &str, json: fn(&str) -> String, host: &str, port: u32) -> ExitCode {
    let mut out = Vec::new();
    let asked = client::ask(host, port, what, MAX_EVENT, &mut |record| out.extend_from_slice(record));
    // The server's words for "no events file", and those of one that does not know the command.
    if let Some(words) = out.strip_suffix(b"\n\0") {
        let words = match args.command {
            Command::Clients => "only mainsd lists its clients, and only to its own machine".into(),
            _ => String::from_utf8_lossy(words).into_owned(),
        };
        return fail(&[], what, host, port, &Failure::Read(words));
    }
    if args.json {
        out = json(&String::from_utf8_lossy(&out)).into_bytes();
        out.push(b'\n');
    }
    match asked {
        Err(failure) => fail(&out, what, host, port, &failure),
        Ok(()) => print(&out, ExitCode::SUCCESS),
    }
}

/// Prints what came before the failure, and the failure.
fn fail(out: &[u8], what: &str, host: &str, port: u32, failure: &Failure) -> ExitCode {
    print(out, ExitCode::FAILURE);
    // An address with colons needs its brackets to be read.
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    match failure {
        Failure::Contact(words) => eprintln!("Error contacting apcupsd @ {host}:{port}: {words}"),
        Failure::Read(words) => eprintln!("Error reading {what} from apcupsd @ {host}:{port}: {words}"),
    }
    ExitCode::FAILURE
}

/// Writes to stdout. A reader that left early (`apcaccess | head -1`) is no error; a full disk is.
fn print(bytes: &[u8], status: ExitCode) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("apcaccess: cannot write: {error}");
            ExitCode::FAILURE
        }
        _ => status,
    }
}
