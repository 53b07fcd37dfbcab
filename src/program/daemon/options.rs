//! Options of the daemon (config §6): accepted as apcupsd accepts them, with their meaning.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::program::mistake;

/// The long options.
const OPTIONS: [&str; 12] = [
    "debug",
    "config-file",
    "pid-file",
    "killpower",
    "hibernate",
    "power-off",
    "configure",
    "kill-on-powerfail",
    "term-on-powerfail",
    "dry-run",
    "version",
    "help",
];

/// The name the daemon goes by: decides the default of `-b` and the name in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalledAs {
    /// `mainsd`: stays in the foreground.
    Mainsd,
    /// `apcupsd`: goes to the background unless `-b`.
    Apcupsd,
}

impl CalledAs {
    /// The program's name in messages and in syslog.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mainsd => "mainsd",
            Self::Apcupsd => "apcupsd",
        }
    }
}

/// Options of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The name the daemon goes by.
    pub called_as: CalledAs,
    /// Stay in the foreground.
    pub foreground: bool,
    /// `-d`: debug level; 0: none.
    pub debug: u32,
    /// `-T`: debug output to `./apcupsd.trace`.
    pub trace: bool,
    /// `-f`: the configuration file, if given.
    pub config_file: Option<PathBuf>,
    /// `-P`: the pid file, if given.
    pub pid_file: Option<PathBuf>,
    /// `-p`: kill UPS power once the system shutdown is under way.
    pub kill_on_powerfail: bool,
    /// `-t`: exit once the system shutdown is under way.
    pub term_on_powerfail: bool,
    /// `--dry-run`: watch and decide, and do nothing.
    pub dry_run: bool,
    /// `--faults`, which no help shows: the seed of the faults that the port is to have. Only with `--dry-run`.
    pub faults: Option<u64>,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Guard the machine.
    Run(Options),
    /// `-k`: one shot, hibernate the UPS.
    KillPower(Options),
    /// `-o`: one shot, switch the UPS off.
    PowerOff(Options),
    /// `--configure`: one shot, write settings into the UPS.
    Configure(Options),
    /// `-V`.
    Version,
    /// `-h`.
    Help,
}

/// Parses the arguments after the program's name.
///
/// # Errors
/// One line for a person, without the program's name, for an unknown option, a missing or unusable value, or a one-shot
/// option combined with options that only make sense for a daemon (`Error: too many arguments.`, config §6).
pub fn parse(called_as: CalledAs, args: Vec<OsString>) -> Result<Action, String> {
    let mut options = Options {
        called_as,
        foreground: called_as == CalledAs::Mainsd,
        debug: 0,
        trace: false,
        config_file: None,
        pid_file: None,
        kill_on_powerfail: false,
        term_on_powerfail: false,
        dry_run: false,
        faults: None,
    };
    let mut kill_power = false;
    let mut power_off = false;
    let mut configure = false;
    let mut version = false;
    let mut daemon_only = false;
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next().map_err(|error| mistake::words(&error, &OPTIONS))? {
        match arg {
            Short('b') => {
                options.foreground = true;
                daemon_only = true;
            }
            Short('d') | Long("debug") => {
                let text = value_of(&mut parser, "-d")?;
                options.debug = text.to_str().and_then(|t| t.parse().ok()).ok_or_else(|| {
                    format!("-d takes a debug level, 0 to 999, not {}", text.to_string_lossy())
                })?;
            }
            Short('f') | Long("config-file") => {
                options.config_file = Some(value_of(&mut parser, "-f")?.into());
            }
            Short('P') | Long("pid-file") => options.pid_file = Some(value_of(&mut parser, "-P")?.into()),
            Short('T') => {
                options.trace = true;
                daemon_only = true;
            }
            Short('k') | Long("killpower" | "hibernate") => kill_power = true,
            Short('o') | Long("power-off") => power_off = true,
            Long("configure") => configure = true,
            Short('p') | Long("kill-on-powerfail") => {
                options.kill_on_powerfail = true;
                daemon_only = true;
            }
            Short('t') | Long("term-on-powerfail") => {
                options.term_on_powerfail = true;
                daemon_only = true;
            }
            Long("dry-run") => {
                options.dry_run = true;
                // Its log is what it is for.
                options.foreground = true;
                daemon_only = true;
            }
            Long("faults") => {
                let seed = value_of(&mut parser, "--faults")?;
                let seed = seed.to_str().and_then(|text| text.parse().ok());
                options.faults = Some(seed.ok_or("--faults takes a number, the seed")?);
                daemon_only = true;
            }
            Short('R') => daemon_only = true,
            Short('V') | Long("version") => version = true,
            Short('h' | '?') | Long("help") => return Ok(Action::Help),
            // apcupsd ignores operands; a word after `mainsd` is more likely a misspelt program.
            Value(_) if called_as == CalledAs::Apcupsd => {}
            other => return Err(mistake::words(&other.unexpected(), &OPTIONS)),
        }
    }
    if options.faults.is_some() && !options.dry_run {
        return Err(
            "--faults spoils what the UPS says, to try mainsd: it goes with --dry-run only".to_owned()
        );
    }
    let one_shots = [kill_power, power_off, configure, version].into_iter().filter(|wanted| *wanted).count();
    if one_shots > 1 || (one_shots == 1 && daemon_only) {
        return Err(match called_as {
            CalledAs::Apcupsd => "Error: too many arguments.".to_owned(),
            CalledAs::Mainsd => {
                "--killpower, --power-off, --configure and --version go with -d, -f and -P only".to_owned()
            }
        });
    }
    Ok(match () {
        () if kill_power => Action::KillPower(options),
        () if power_off => Action::PowerOff(options),
        () if configure => Action::Configure(options),
        () if version => Action::Version,
        () => Action::Run(options),
    })
}

fn value_of(parser: &mut lexopt::Parser, option: &str) -> Result<OsString, String> {
    let value = parser.value().map_err(|_| format!("{option} needs a value"))?;
    if value.as_encoded_bytes().first().is_none_or(|b| *b == b'-') {
        return Err(format!("{option} needs a value, not {}", value.to_string_lossy()));
    }
    Ok(value)
}

/// The help text; `typed` is what the user has typed before the options.
#[must_use]
pub fn usage(called_as: CalledAs, typed: &str) -> String {
    let name = called_as.name();
    let background = match called_as {
        CalledAs::Mainsd => "stay in the foreground (the default when called as mainsd)",
        CalledAs::Apcupsd => "stay in the foreground",
    };
    let programs = match called_as {
        CalledAs::Mainsd => {
            "\n\
             mainsd check [-f FILE]       say what a configuration means and what is wrong with it\n\
             mainsd status [HOST[:PORT]]  what the UPS says (apcaccess), live with --watch; mainsd events: the last events; mainsd clients: who asks\n\
             mainsd ctl ORDER             a self test, a setting of the UPS, a shutdown: 'mainsd ctl help' lists the orders\n\
             mainsd apctest               the same as a menu\n\
             mainsd doctor                check the whole chain from the UPS to the shutdown, with a remedy for each finding\n\
             mainsd drill [-f FILE]       what this machine would do in an outage, and what would go wrong; nothing is shut down\n\
             mainsd probe                 which UPSes there are, with a configuration; --record FILE: one of them for a bug report\n\
             mainsd demo                  watch a simulated UPS through an outage\n\
             mainsd apcupsd [OPTIONS]     the daemon, behaving as apcupsd (goes to the background)\n\
             mainsd help [WORD]           this text, or about a command or a directive of the configuration\n\
             mainsd version               the version\n"
        }
        CalledAs::Apcupsd => "",
    };
    format!(
        "usage: {typed} [options]\n\
         Guards this machine with a UPS: answers on port 3551, runs hooks, shuts down when the battery runs out.\n\
         \n\
         \x20 -b                       {background}\n\
         \x20 -d, --debug LEVEL        debug messages on standard output\n\
         \x20 -f, --config-file FILE   configuration (default /etc/mainsd/mainsd.conf, else /etc/apcupsd/apcupsd.conf)\n\
         \x20 -P, --pid-file FILE      pid file (default /run/{name}.pid)\n\
         \x20 -T                       debug messages to ./apcupsd.trace\n\
         \x20 -k, --killpower          one shot: order the UPS to cut its power until mains is back, if the powerfail flag exists\n\
         \x20 -o, --power-off          one shot: switch the UPS off; it stays off\n\
         \x20     --configure          one shot: write the settings that the UPS keeps into it (serial UPS)\n\
         \x20 -p, --kill-on-powerfail  the same as -k once the system shutdown is under way\n\
         \x20 -t, --term-on-powerfail  exit once the system shutdown is under way\n\
         \x20     --dry-run            watch the UPS and decide, and only log what would be done: no hook, no shutdown\n\
         \x20 -V, --version            version\n\
         \x20 -h, --help               this text\n{programs}\n\
         See mainsd(8), mainsd.conf(5).\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(called_as: CalledAs, args: &[&str]) -> Result<Action, String> {
        parse(called_as, args.iter().map(OsString::from).collect())
    }

    #[test]
    fn mainsd_stays_in_the_foreground_and_apcupsd_does_not() {
        let Ok(Action::Run(options)) = run(CalledAs::Mainsd, &[]) else { panic!("runs") };
        assert!(options.foreground);
        let Ok(Action::Run(options)) = run(CalledAs::Apcupsd, &[]) else { panic!("runs") };
        assert!(!options.foreground);
        let Ok(Action::Run(options)) = run(CalledAs::Apcupsd, &["-b"]) else { panic!("runs") };
        assert!(options.foreground);
    }

    #[test]
    fn every_option_of_apcupsd_is_accepted() {
        let Ok(Action::Run(options)) = run(CalledAs::Apcupsd, &["--dry-run"]) else { panic!("runs") };
        assert!(options.dry_run && options.foreground);
        assert!(run(CalledAs::Mainsd, &["-k", "--dry-run"]).is_err());
        assert!(run(CalledAs::Mainsd, &["--faults", "7"]).is_err());
        assert!(run(CalledAs::Mainsd, &["--dry-run", "--faults", "seven"]).is_err());
        let Ok(Action::Run(options)) = run(CalledAs::Mainsd, &["--dry-run", "--faults", "7"]) else {
            panic!()
        };
        assert_eq!(options.faults, Some(7));
        let args = ["-b", "-d", "100", "-T", "-f", "/x", "-P", "/y", "-p", "-t", "-R"];
        let Ok(Action::Run(options)) = run(CalledAs::Apcupsd, &args) else { panic!("runs") };
        assert_eq!(options.debug, 100);
        assert!(options.trace && options.kill_on_powerfail && options.term_on_powerfail);
        assert_eq!(options.config_file.as_deref(), Some("/x".as_ref()));
        assert_eq!(options.pid_file.as_deref(), Some("/y".as_ref()));
        for args in [["--killpower"], ["--hibernate"], ["-k"]] {
            assert!(matches!(run(CalledAs::Mainsd, &args), Ok(Action::KillPower(_))));
        }
        for args in [["--power-off"], ["-o"]] {
            assert!(matches!(run(CalledAs::Mainsd, &args), Ok(Action::PowerOff(_))));
        }
        assert!(matches!(run(CalledAs::Mainsd, &["--configure"]), Ok(Action::Configure(_))));
        assert_eq!(run(CalledAs::Mainsd, &["--version"]), Ok(Action::Version));
        assert_eq!(run(CalledAs::Mainsd, &["--help"]), Ok(Action::Help));
    }

    #[test]
    fn one_shot_options_take_no_daemon_options_beside_them() {
        for args in [["-k", "-b"], ["-o", "-p"], ["-V", "-t"], ["-k", "-o"], ["-k", "--configure"]] {
            assert_eq!(run(CalledAs::Apcupsd, &args), Err("Error: too many arguments.".to_owned()));
        }
        assert!(run(CalledAs::Apcupsd, &["-k", "-f", "/x", "-P", "/y", "-d", "1"]).is_ok());
    }

    #[test]
    fn values_that_look_like_options_are_refused() {
        for args in [["-f", "-b"], ["-P", "-b"], ["-d", "-1"]] {
            assert!(run(CalledAs::Apcupsd, &args).is_err());
        }
    }

    #[test]
    fn operands_are_ignored_only_when_called_as_apcupsd() {
        assert!(run(CalledAs::Apcupsd, &["word", "-b"]).is_ok());
        assert!(run(CalledAs::Mainsd, &["-b", "word"]).is_err());
    }
}
