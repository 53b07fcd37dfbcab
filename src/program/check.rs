//! `mainsd check`: what a configuration file means, and what is wrong with it, for a person.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::surroundings;
use crate::act::Fallback;
use crate::config::directives::{self, Directive, Reload, SECTIONS};
use crate::config::{Config, DEFAULT_PATH, Diagnostic, DriverKind, NoLogon, Origin, Parsed, Severity, load};

const USAGE: &str = "\
usage: mainsd check [-f FILE]
       mainsd check --explain DIRECTIVE

Reads a configuration file as the daemon would, and tells what it means and what is wrong with it.
Changes nothing, needs no rights, and does not look for a UPS.

  -f, --config-file FILE   the file; otherwise /etc/apcupsd/apcupsd.conf
      --explain DIRECTIVE  what this directive accepts, instead
  -h, --help               this text

Exit status: 0 the daemon starts with this file, perhaps with warnings; 1 it does not; 2 the file
cannot be read.
";

/// The file cannot be read.
const UNREADABLE: u8 = 2;

/// Runs the program; `args` without the names of the program.
pub fn main(args: Vec<OsString>) -> ExitCode {
    match options(args) {
        Ok(Task::Help) => print(USAGE, ExitCode::SUCCESS),
        Ok(Task::Explain(name)) => match directives::find(&name.to_ascii_uppercase()) {
            Some(directive) => print(&explanation(directive), ExitCode::SUCCESS),
            None => complain(&format!("{name} is no directive; mainsd.conf(5) has the list of all"), 1),
        },
        Ok(Task::Check(path)) => match load(&path) {
            Ok(parsed) => {
                let ways_down = Fallback::armed(parsed.config.shutdown_cmd.clone()).describe();
                let text = report(&parsed, &surroundings::examine(&parsed, &ways_down), &ways_down);
                print(&text, if parsed.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
            }
            Err(error) => complain(&error.to_string(), UNREADABLE),
        },
        Err(error) => complain(&format!("{error}; mainsd check --help tells more"), 1),
    }
}

enum Task {
    Check(PathBuf),
    Explain(String),
    Help,
}

fn options(args: Vec<OsString>) -> Result<Task, lexopt::Error> {
    use lexopt::prelude::{Long, Short, Value, ValueExt as _};
    let mut parser = lexopt::Parser::from_args(args);
    let mut file = None;
    while let Some(arg) = parser.next()? {
        match arg {
            Short('f') | Long("config-file") => file = Some(PathBuf::from(parser.value()?)),
            Long("explain") => return Ok(Task::Explain(parser.value()?.string()?)),
            Short('h') | Long("help") => return Ok(Task::Help),
            // `mainsd check my.conf`: what else could be meant?
            Value(path) if file.is_none() => file = Some(PathBuf::from(path)),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Task::Check(file.unwrap_or_else(|| PathBuf::from(DEFAULT_PATH))))
}

/// A closed pipe (`mainsd check | head`) is nobody's error.
fn print(text: &str, code: ExitCode) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    code
}

fn complain(text: &str, code: u8) -> ExitCode {
    eprintln!("mainsd check: {text}");
    ExitCode::from(code)
}

/// Everything there is to say. What matters most comes last, where a terminal shows it.
pub fn report(parsed: &Parsed, surroundings: &[Diagnostic], ways_down: &[String]) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "Effective values of {}\n", parsed.name);
    values(&mut out, parsed);
    if parsed.config.ups_type.is_some() {
        let _ = writeln!(out, "What will happen\n");
        story(&mut out, parsed, ways_down);
    }
    let errors: Vec<&Diagnostic> = parsed.of(Severity::Error).collect();
    let warnings: Vec<&Diagnostic> = parsed.of(Severity::Warning).chain(surroundings).collect();
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

fn values(out: &mut String, parsed: &Parsed) {
    let file = Path::new(&*parsed.name)
        .file_name()
        .map_or_else(|| parsed.name.as_ref().into(), |n| n.to_string_lossy());
    for section in SECTIONS {
        let shown: Vec<&Directive> = section
            .directives
            .iter()
            .filter(|d| d.reload != Reload::Unused || parsed.origin(d.name) != Origin::Default)
            .collect();
        if shown.is_empty() {
            continue;
        }
        let _ = writeln!(out, "  {}", section.title);
        for directive in shown {
            let value = directive.present(&parsed.config);
            let origin = match parsed.origin(directive.name) {
                Origin::Default => "default".to_owned(),
                Origin::Line(line) => format!("{file}:{line}"),
                Origin::Because(other) => format!("because of {other}"),
            };
            let _ = writeln!(out, "    {:<14}  {:<22}  {value}", directive.name, origin);
        }
        out.push('\n');
    }
}

/// The configuration as a story: what is watched, when the machine goes down, and how.
fn story(out: &mut String, parsed: &Parsed, ways_down: &[String]) {
    let config = &parsed.config;
    let mut tell = |what: &str, text: String| {
        let _ = writeln!(out, "  {what:<11} {text}");
    };
    tell("Watched", watched(config));
    tell("Mains fail", format!("at once: event powerout, believed after {}", readings(config)));
    tell(
        "",
        format!("after {}: event onbattery, users are told", seconds(config.on_battery_delay.as_secs())),
    );
    tell("", logins(config));
    tell("Shutdown", "at the first of these, on battery:".to_owned());
    tell("", "- the UPS says that its battery is exhausted".to_owned());
    match config.ups_type {
        Some(DriverKind::Net) => {
            let patience = seconds(config.net_timeout.as_secs());
            tell(
                "",
                format!("- the master shuts down, or is lost while on battery for {patience} (NETTIMEOUT)"),
            );
        }
        Some(DriverKind::Snmp | DriverKind::Pcnet) => tell("", "- the management card orders it".to_owned()),
        _ => {}
    }
    let limits = [("BATTERYLEVEL", charge(config)), ("MINUTES", runtime(config)), ("TIMEOUT", time(config))];
    for (name, limit) in &limits {
        if let Some(limit) = limit {
            tell("", format!("- {limit} ({name})"));
        }
    }
    let off: Vec<&str> = limits.iter().filter(|(_, limit)| limit.is_none()).map(|(name, _)| *name).collect();
    if !off.is_empty() {
        tell("", format!("off: {}", off.join(", ")));
    }
    if config.net_server && !config.slave_wait.is_zero() && !local_only(config) {
        let wait = seconds(config.slave_wait.as_secs());
        tell("Slaves", format!("are told at once and waited for, {wait} at most (SLAVEWAIT)"));
    }
    tell("How", format!("{} doshutdown", config.script_dir.join("apccontrol").display()));
    tell(
        "",
        format!("if that fails: {}", ways_down.first().map_or("the kernel switches off", String::as_str)),
    );
    for way in ways_down.iter().skip(1) {
        tell("", format!("if that fails: {way}"));
    }
    tell("", format!("if still up and on battery {} later: again", seconds(config.shutdown_grace.as_secs())));
    if config.kill_delay > 0 {
        let delay = u64::from(config.kill_delay.unsigned_abs());
        tell(
            "",
            format!(
                "{} after its start the UPS is told to cut its power, whether the machine is down or not",
                seconds(delay)
            ),
        );
    }
    tell("Clients", clients(config));
    if let Some(file) = &config.events_file {
        tell("Events", format!("{} and syslog", file.display()));
    } else {
        tell("Events", "syslog only: no EVENTSFILE".to_owned());
    }
    out.push('\n');
}

fn watched(config: &Config) -> String {
    let device = directives::find("DEVICE").map(|d| d.present(config)).unwrap_or_default();
    match config.ups_type {
        Some(DriverKind::Usb) if config.device.is_empty() => "the first UPS found on USB".to_owned(),
        Some(DriverKind::Usb) => format!("the UPS {device} on USB"),
        Some(DriverKind::Test) => "a simulated UPS (UPSTYPE test); the shutdown is real".to_owned(),
        Some(driver) => format!("the UPS at {device}, by {}", driver.word()),
        None => "nothing".to_owned(),
    }
}

fn readings(config: &Config) -> String {
    match config.confirm_polls {
        1 => "one reading".to_owned(),
        n => format!("{n} readings that agree"),
    }
}

fn seconds(n: u64) -> String {
    match n {
        1 => "1 second".to_owned(),
        n if n >= 120 => format!("{n} seconds ({}:{:02} minutes)", n / 60, n % 60),
        n => format!("{n} seconds"),
    }
}

fn logins(config: &Config) -> String {
    match config.no_logon {
        NoLogon::Disable => "users can log in all the time",
        NoLogon::Timeout => "users cannot log in after nine tenths of TIMEOUT",
        NoLogon::Percent => "users cannot log in from one tenth above BATTERYLEVEL",
        NoLogon::Minutes => "users cannot log in from one tenth above MINUTES",
        NoLogon::Always => "users cannot log in from the beginning (NOLOGON always)",
    }
    .to_owned()
}

/// A UPS with simple signalling knows no numbers.
fn measures(config: &Config) -> bool {
    config.ups_type != Some(DriverKind::Dumb)
}

fn charge(config: &Config) -> Option<String> {
    (config.battery_level >= 0 && measures(config))
        .then(|| format!("the charge is {} percent or less", config.battery_level))
}

fn runtime(config: &Config) -> Option<String> {
    let unit = if config.minutes == 1 { "minute" } else { "minutes" };
    (config.minutes >= 0 && measures(config))
        .then(|| format!("the runtime left is {} {unit} or less", config.minutes))
}

/// TIMEOUT counts from the event onbattery, unless it is over before (power-events §3).
fn time(config: &Config) -> Option<String> {
    let timeout = u64::try_from(config.timeout).ok().filter(|t| *t > 0)?;
    let delay = config.on_battery_delay.as_secs();
    Some(if timeout < delay || delay == 0 {
        format!("the mains have been away for {}", seconds(timeout))
    } else {
        format!("the mains have been away for {}: TIMEOUT after ONBATTERYDELAY", seconds(delay + timeout))
    })
}

fn clients(config: &Config) -> String {
    if !config.net_server {
        return "none: NETSERVER is off, so 'mainsd status' does not work either".to_owned();
    }
    let list: Vec<String> = config.nis_ip.iter().map(ToString::to_string).collect();
    let protocol = if config.nis_udp { "TCP and UDP" } else { "TCP" };
    let only = if local_only(config) { ", from this machine only" } else { ", from NISALLOW" };
    format!("{protocol} port {} at {}{only}", config.nis_port, list.join(" "))
}

/// Nobody on another machine can ask.
fn local_only(config: &Config) -> bool {
    config.nis_ip.iter().all(|ip| ip.to_canonical().is_loopback())
}

/// What `--explain` prints.
fn explanation(directive: &Directive) -> String {
    let mut out = format!("{}\n", directive.name);
    out.push_str("  accepted  ");
    wrap(&mut out, &directive.accepted(), 12);
    let default = if directive.default.is_empty() { directive.blank } else { directive.default };
    let _ = writeln!(out, "  default   {default}");
    let _ = writeln!(out, "  example   {} {}", directive.name, directive.example);
    out.push_str("\nmainsd.conf(5) tells what it does, and why.\n");
    out
}

/// Breaks a paragraph at blanks, for a terminal of 80 columns; all lines but the first, which has begun, are indented.
fn wrap(out: &mut String, text: &str, indent: usize) {
    let mut column = indent;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > indent {
            if column + 1 + length > 79 {
                let _ = write!(out, "\n{:indent$}", "");
                column = indent;
            } else {
                out.push(' ');
                column += 1;
            }
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests;
