//! `mainsd doctor`: is every part of the chain from the UPS to a machine that is off as it must be, and what mends it? What `mainsd check`
//! finds around a configuration is found by the same code; this adds what runs, what the kernel shows, and what the daemon says.
//!
//! Nothing is changed, and no device is opened. All is looked at below a root folder, so that a test can make each finding.

mod device;
mod machine;
mod port;
mod table;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use lexopt::prelude::*;

use super::ctl;
use crate::act::{BuiltIn, Fallback};
use crate::config::{self, Diagnostic, Parsed};
use crate::daemon::obstacles;
use crate::program::mistake;
use crate::program::out::{self, print};
use crate::program::surroundings::{self, AS_ORDINARY_USER, End, Init};
use crate::program::which_file::WhichFile;
use crate::sys::clock;
use port::Daemon;
use table::{Area, Finding, Findings, Severity, What};

const USAGE: &str = "\
usage: mainsd doctor [-q] [--json] [-f FILE]

Looks at everything between the UPS and a machine that is off: device, configuration, hooks, shutdown,
kill power, port, battery, machine. Says what it finds, and what to do about it. Changes nothing.
Root sees more than an ordinary user, and a daemon that runs is asked.

  -f, --config-file FILE   the file; otherwise /etc/mainsd/mainsd.conf, else /etc/apcupsd/apcupsd.conf
  -q, --quiet              say only what is not fine
      --json               print JSON
  -h, --help               this text

Exit status: 0 all is fine, perhaps with notes; 1 there is a warning, or the options are wrong; 2 there
is a fault; 3 the file cannot be read.
";

/// The long options.
const OPTIONS: [&str; 4] = ["config-file", "quiet", "json", "help"];
/// The file cannot be read.
const UNREADABLE: u8 = 3;
/// Environment variable that names the root folder of what is looked at, for tests.
const ROOT: &str = "MAINSD_ROOT";

/// The help text.
#[must_use]
pub fn usage() -> String {
    USAGE.to_owned()
}

#[derive(Default)]
struct Args {
    file: Option<PathBuf>,
    quiet: bool,
    json: bool,
    help: bool,
}

/// Runs the program; `args` follow the word `doctor`.
#[allow(clippy::disallowed_methods, reason = "a program of its own: the time of its one look")]
pub fn main(args: Vec<OsString>) -> ExitCode {
    let args = match options(args) {
        Ok(args) if args.help => return print("mainsd doctor", USAGE.as_bytes(), ExitCode::SUCCESS),
        Ok(args) => args,
        Err(words) => return out::fail("mainsd doctor", &format!("{words} (mainsd doctor --help)"), 1),
    };
    let file = WhichFile::new(args.file.clone());
    let parsed = match config::load(&file.path) {
        Ok(parsed) => parsed,
        Err(error) => return out::fail("mainsd doctor", &file.words_of(&error), UNREADABLE),
    };
    let root = std::env::var_os(ROOT).map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let daemon = Daemon::ask(&parsed);
    let runs = if daemon.is_heard().is_some() { Some(true) } else { ctl::listens(args.file.as_ref()) };
    let look =
        Look { root: &root, parsed: &parsed, now: clock::now(), daemon, runs, findings: Findings::default() };
    let found = look.all();
    let worst = found.iter().map(|it| it.what.severity()).max().unwrap_or(Severity::Fine);
    let status = match worst {
        Severity::Fine | Severity::Note => 0,
        Severity::Warning => 1,
        Severity::Fault => 2,
    };
    let text = if args.json { json(&found, args.quiet) } else { text(&found, args.quiet) };
    print("mainsd doctor", text.as_bytes(), ExitCode::from(status))
}

fn options(args: Vec<OsString>) -> Result<Args, String> {
    let wrong = |error: lexopt::Error| mistake::words(&error, &OPTIONS);
    let mut parser = lexopt::Parser::from_args(args);
    let mut found = Args::default();
    while let Some(arg) = parser.next().map_err(wrong)? {
        match arg {
            Short('f') | Long("config-file") => found.file = Some(parser.value().map_err(wrong)?.into()),
            Short('q') | Long("quiet") => found.quiet = true,
            Long("json") => found.json = true,
            Short('h') | Long("help") => found.help = true,
            other => return Err(wrong(other.unexpected())),
        }
    }
    Ok(found)
}

/// The findings by area, those that are shown.
fn shown(found: &[Finding], quiet: bool) -> Vec<(&'static str, Vec<&Finding>)> {
    let of = |area| {
        let of_area = found.iter().filter(move |it| it.what.area() == area);
        of_area.filter(|it| !quiet || it.what.severity() > Severity::Fine).collect::<Vec<_>>()
    };
    let blocks = Area::ALL.into_iter().map(|(area, name)| (name, of(area)));
    blocks.filter(|(_, found)| !found.is_empty()).collect()
}

fn text(found: &[Finding], quiet: bool) -> String {
    let mut out = String::new();
    for (name, found) in shown(found, quiet) {
        out.push_str(name);
        for finding in found {
            let Finding { what, words, remedy } = finding;
            out.push_str(&format!("\n  {:<8} {words}", what.severity().word()));
            if !remedy.is_empty() {
                out.push_str("\n           do: ");
                out.push_str(remedy);
            }
        }
        out.push_str("\n\n");
    }
    let count = |severity| found.iter().filter(|it| it.what.severity() == severity).count();
    let [faults, warnings, notes] = [Severity::Fault, Severity::Warning, Severity::Note].map(count);
    if !quiet || faults + warnings + notes > 0 {
        out.push_str(&format!("faults: {faults}, warnings: {warnings}, notes: {notes}\n"));
    }
    out
}

fn json(found: &[Finding], quiet: bool) -> String {
    let lines = shown(found, quiet)
        .into_iter()
        .flat_map(|(name, found)| found.into_iter().map(move |it| it.json(name)));
    format!("[{}]\n", lines.collect::<Vec<_>>().join(",\n "))
}

/// One look at a machine.
struct Look<'a> {
    /// What stands for `/`.
    root: &'a Path,
    parsed: &'a Parsed,
    /// For the age of things.
    now: SystemTime,
    daemon: Daemon,
    /// Whether a daemon runs with this configuration; `None`: this user cannot know.
    runs: Option<bool>,
    findings: Findings,
}

impl Look<'_> {
    fn say(&mut self, what: What, texts: &[&str]) {
        self.findings.say(what, texts);
    }

    /// Everything that can be found.
    fn all(mut self) -> Vec<Finding> {
        let commands =
            Fallback::system(self.parsed.config.shutdown_cmd.clone(), BuiltIn::of(self.root)).describe();
        self.device();
        self.configuration(&commands);
        self.hooks();
        self.shutdown(&commands);
        self.port();
        self.battery();
        self.state();
        self.findings.0
    }

    /// What the configuration says and what it names.
    fn configuration(&mut self, commands: &[String]) {
        let obstacles = obstacles(self.parsed);
        for obstacle in &obstacles {
            self.repeat(What::Mistake, &obstacle.diagnostic);
        }
        if obstacles.is_empty() {
            self.say(What::Starts, &[&self.parsed.name]);
        }
        for (severity, what) in
            [(config::Severity::Warning, What::Doubt), (config::Severity::Advice, What::Advice)]
        {
            self.parsed.of(severity).for_each(|it| self.repeat(what, it));
        }
        for diagnostic in surroundings::all(self.parsed, commands, self.root) {
            let what = match diagnostic.keyword.as_str() {
                // Looked at more closely.
                "DEVICE" => continue,
                "SCRIPTDIR" => What::BadHook,
                "SHUTDOWNCMD" => What::NoWay,
                "PWRFAILDIR" => What::NoFlag,
                "NISIP" | "NISALLOW" | "CONTROLGROUP" => What::PortDoubt,
                "PRIVSEP" => What::Rights,
                "NOLOGON" => What::Advice,
                _ => What::Doubt,
            };
            match diagnostic.to_string().strip_suffix(AS_ORDINARY_USER) {
                Some(text) => self.say(What::AskedAsUser, &[text]),
                None => self.repeat(what, &diagnostic),
            }
        }
    }

    fn repeat(&mut self, what: What, diagnostic: &Diagnostic) {
        let otherwise = match diagnostic.keyword.as_str() {
            "" => "mainsd.conf(5)".to_owned(),
            keyword => format!("mainsd check --explain {keyword}"),
        };
        self.findings.repeat(what, &diagnostic.to_string(), &otherwise);
    }

    fn hooks(&mut self) {
        for (path, missing) in surroundings::missing_commands(self.parsed) {
            let path = path.display().to_string();
            missing.iter().for_each(|command| self.say(What::NoCommand, &[&path, command]));
            // `apccontrol` comes first, and what is wrong with it has been said.
            if missing.is_empty() && !self.findings.has(Area::Hooks) {
                self.say(What::HooksFine, &[&path]);
            }
        }
    }

    /// Who shuts the machine down, and what its last step is.
    fn shutdown(&mut self, commands: &[String]) {
        match self.runs {
            Some(true) => {
                let version = self.daemon.version().unwrap_or("by its control socket").to_owned();
                self.say(What::DaemonRuns, &[&version]);
            }
            Some(false) => self.say(What::NoDaemon, &[self.start()]),
            None => self.say(What::DaemonUnknown, &[]),
        }
        let end = End::of(self.parsed, self.root);
        // What starts a container is not to be seen in it.
        let is_machine = !matches!(end, End::Container(_));
        self.boot(is_machine);
        match end {
            End::Container(text) => self.findings.repeat(What::Container, &text, ""),
            End::Needless => self.say(What::Needless, &[]),
            End::Untold(text) => self.findings.repeat(What::Untold, &text, ""),
            End::Told { hook, too_early } => {
                let hook = hook.display().to_string();
                match too_early {
                    Some(remedy) => self.say(What::TooEarly, &[&hook, remedy]),
                    None => self.say(What::Told, &[&hook]),
                }
            }
        }
        if is_machine && !commands.is_empty() {
            let init = match Init::of(self.root) {
                Init::Systemd => "systemd",
                Init::OpenRc => "OpenRC",
                Init::Procd => "procd",
                Init::Other => "an init such as sysvinit's or busybox's",
            };
            self.say(What::Ways, &[init, &commands.join(", then ")]);
        }
        let has_systemctl = commands.iter().any(|command| command.contains("systemctl"));
        if Init::of(self.root) == Init::Systemd && !has_systemctl && self.parsed.config.shutdown_cmd.is_none()
        {
            self.say(What::NoSystemctl, &[]);
        }
    }
}
