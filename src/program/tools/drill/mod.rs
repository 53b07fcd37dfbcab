//! `mainsd drill`: what this machine would do in an outage, by its own configuration and a simulated UPS, beside the daemon that
//! guards it.
//!
//! Nothing here can shut a machine down: the rehearsal has the power machine and no `Act`, and hooks are
//! [`RehearsedHook`]s, which `doshutdown` and `killpower` cannot be. No file is written and no port opened.

#![allow(clippy::disallowed_methods, reason = "the moment of the start, and how long a hook takes")]

mod options;
mod rehearsal;
mod story;

use std::ffi::OsString;
use std::fmt::Arguments;
use std::io::{self, BufRead as _, Read as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

pub use options::usage;
use options::{Options, parse};
pub use rehearsal::{DrillOutput, Plan};
pub use story::Story;

use crate::act::{HookArgs, HookEnd, RehearsedHook};
use crate::config::{Config, Parsed, Severity, load};
use crate::daemon::obstacles;
use crate::drivers::Traits;
use crate::program::out::{self, Out, complain, print};
use crate::program::surroundings;
use crate::sys::{access, process};
use crate::ups::{Event, Fixed};

const NAME: &str = "mainsd drill";
/// Something would have gone wrong.
const WRONG: u8 = 1;
/// A mistake on the command line, or hooks that were not confirmed.
const USAGE: u8 = 2;
/// The daemon does not start with this configuration, or it cannot be read.
const NO_CONFIGURATION: u8 = 3;
/// The longest answer to the question that is read, in bytes.
const ANSWER_MAX: u64 = 256;

/// Runs the program; `args` follow the word `drill`.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let options = match parse(args) {
        Ok(Some(options)) => options,
        Ok(None) => return print(NAME, usage().as_bytes(), ExitCode::SUCCESS),
        Err(words) => return out::fail(NAME, &format!("{words} ({NAME} --help)"), USAGE),
    };
    let parsed = match load(&options.file.path) {
        Ok(parsed) => parsed,
        Err(error) => return out::fail(NAME, &options.file.words_of(&error), NO_CONFIGURATION),
    };
    let obstacles = obstacles(&parsed);
    if !obstacles.is_empty() {
        for obstacle in &obstacles {
            complain(&format!("{NAME}: {}", obstacle.diagnostic));
        }
        return ExitCode::from(NO_CONFIGURATION);
    }
    drill(&options, &parsed)
}

fn drill(options: &Options, parsed: &Parsed) -> ExitCode {
    let config = &parsed.config;
    let mut drill = Drill::new(config, options.run_hooks);
    let ways = surroundings::shutdown_commands(parsed);
    drill.introduce(options, parsed, &ways);
    if drill.hooks.is_empty() {
        drill.out.line("No event has a script that a drill may run.");
    } else if options.run_hooks && !options.yes && !drill.confirmed() {
        return out::fail(NAME, "not confirmed: nothing was run", USAGE);
    }
    drill.out.line("");
    let Options { story, runtime, takes, slave, .. } = *options;
    let mut wrong = Plan { config, story, runtime, takes, slave }.rehearse(Instant::now(), &mut drill);
    let Drill { mut out, wrong: of_hooks, .. } = drill;
    wrong.extend(of_hooks);
    wrong.extend(parsed.of(Severity::Warning).map(ToString::to_string));
    wrong.extend(surroundings::examine(parsed, &ways).iter().map(ToString::to_string));
    if wrong.is_empty() {
        out.line("\nNothing would have gone wrong.");
        return out.end(ExitCode::SUCCESS);
    }
    out.line("\nWhat would have gone wrong:");
    for line in wrong {
        out.line(&format!("  {line}"));
    }
    out.end(ExitCode::from(WRONG))
}

/// Tells a rehearsal on standard output, and runs the hooks that may be run.
struct Drill<'a> {
    config: &'a Config,
    out: Out<'static>,
    hooks: Vec<(Event, RehearsedHook)>,
    args: HookArgs,
    run: bool,
    wrong: Vec<String>,
}

impl<'a> Drill<'a> {
    fn new(config: &'a Config, run: bool) -> Self {
        let ups_name = match config.ups_name.as_str() {
            "" => process::hostname(),
            name => name.to_owned(),
        };
        let (connected, powered) = (!config.ups_is(Traits::SLAVE), !config.ups_is(Traits::SIMULATED));
        let args = HookArgs { ups_name, connected, powered };
        Self { config, out: Out::new(NAME), hooks: Vec::new(), args, run, wrong: Vec::new() }
    }

    /// Says what this is, and lists the hooks.
    fn introduce(&mut self, options: &Options, parsed: &Parsed, ways: &[String]) {
        let folder = &self.config.script_dir;
        self.out.line(&format!(
            "A drill with {}: simulated UPS, battery for {} minutes, time that passes at once.\n\
             Nothing is shut down, no UPS gets an order, no file is written; a daemon that runs goes on guarding.\n\
             'told': it would be done, and is not.\n\n\
             Hooks in {}",
            parsed.name,
            options.runtime,
            folder.display()
        ));
        let may = if self.run { "run with MAINSD_DRILL=1" } else { "told; --run-hooks runs it" };
        self.list("apccontrol", "told, never run");
        for event in Event::ALL {
            match RehearsedHook::find(folder, event) {
                Ok(Some(hook)) => {
                    self.hooks.push((event, hook));
                    self.list(event.arg(), may);
                }
                Ok(None) => {}
                Err(why) => self.list(event.arg(), &why),
            }
        }
        if folder.join("killpower").exists() {
            self.list("killpower", "never run");
        }
        for way in ways {
            self.list("shutdown", &format!("{way}: never run"));
        }
    }

    fn list(&mut self, what: &str, words: &str) {
        self.out.line(&format!("  {what:<14} {words}"));
    }

    /// Asks on the terminal.
    fn confirmed(&mut self) -> bool {
        let whose = if access::is_root() {
            ""
        } else {
            " (here without the rights of root, which the daemon's have)"
        };
        self.out.line(&format!(
            "\nHooks that do not know the variable MAINSD_DRILL do their real work{whose}.\nType 'yes' to run them:"
        ));
        let mut answer = String::new();
        let read = io::stdin().lock().take(ANSWER_MAX).read_line(&mut answer);
        read.is_ok() && answer.trim() == "yes"
    }
}

impl DrillOutput for Drill<'_> {
    fn tell(&mut self, at: Duration, what: &str, words: Arguments<'_>) {
        self.out.line(&format!("{:>7}  {what:<13}  {words}", rehearsal::clock(at)));
    }

    fn hook(&mut self, at: Duration, event: Event) -> Duration {
        let name = self.config.script_dir.join(event.arg());
        let name = name.display();
        let Some((_, hook)) = self.hooks.iter().find(|(of, _)| *of == event) else {
            self.tell(at, "", format_args!("hook: apccontrol {}: told", event.arg()));
            return Duration::ZERO;
        };
        if !self.run {
            self.tell(at, "", format_args!("hook: {name}: told"));
            return Duration::ZERO;
        }
        let limit = self.config.hook_timeout;
        let (end, took) = hook.run(&self.args, limit, Instant::now);
        let words = format!("{name} {end} after {:.1} s", Fixed(took.as_secs_f64()));
        self.tell(at, "", format_args!("hook: {words}"));
        // 99 has `apccontrol` leave out what it does itself.
        if !matches!(end, HookEnd::Exited(0 | 99)) {
            let limit = if end == HookEnd::TimedOut {
                format!(" (HOOKTIMEOUT {} s)", limit.as_secs())
            } else {
                String::new()
            };
            self.wrong.push(format!("{}: {words}{limit}", rehearsal::clock(at)));
        }
        took
    }
}
