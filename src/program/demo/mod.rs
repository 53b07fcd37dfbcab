//! `mainsd demo`: the whole daemon on a simulated UPS, watched live.
//!
//! The loop, the power machine, the hooks and port 3551 are the daemon's own; only the UPS is simulated, the hooks only
//! print, and everything lies in a temporary folder. `--speed` makes the loop's clock run faster, so that every delay,
//! limit and debounce keeps its proportion to the story.

#![allow(clippy::disallowed_methods, reason = "the moment of the start is read here")]

mod options;
mod show;
mod stage;
mod story;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use options::{Action, Options, parse};
use show::{Face, Show};
use stage::Stage;

pub use options::usage;

use super::live::{Plain, Screen, clock as minutes};
use super::out::{complain, print};
use crate::config::{self, Config};
use crate::daemon::helper::{Hands, Helper};
use crate::daemon::{
    Clock, DryRun, EventLoop, Invocation, Observed, Places, Recorder, Supervisor, SupervisorConfig,
    Unobserved, driver, settings,
};
use crate::power::AtStart;
use crate::report::Stamp;
use crate::sys::signals::Signals;
use crate::sys::{clock, process, reason};
use crate::ups;

/// What the last step brings about is seen this long after it.
const AFTERMATH: Duration = Duration::from_secs(6);

/// Runs the demonstration; `args` follow the word `demo`.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let shown = match parse(args) {
        Ok(Action::Run(options)) => run(options),
        Ok(Action::Help) => {
            return print("mainsd demo", usage().as_bytes(), ExitCode::SUCCESS);
        }
        Err(error) => Err(format!("{error} (mainsd demo --help)")),
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("mainsd demo: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<(), String> {
    let clock = Clock::faster(options.speed);
    // Takes the signals over first: from here on nothing but the end of this function ends the program.
    let signals = Signals::new().map_err(|error| error.to_string())?;
    let mut event_loop = EventLoop::new(clock, signals).map_err(|error| error.to_string())?;
    let stage = Stage::set()?;
    let config = load(&stage)?;
    let now = clock.now();
    let script = options.scenario.script();
    let driver = driver::simulated(script.clone(), settings::poll_time(&config), now);
    let invocation = invocation(&stage);
    // Its files are its own, and gone with it.
    let places = Places { forks: false, ..settings::places(&config, &invocation, None, None) };
    let recorder = Recorder::new(&config, places, now);
    let hands = Hands::new(config.clone(), invocation.clone(), now);
    let mut supervisor = Supervisor::new(
        SupervisorConfig {
            invocation,
            driver: Box::new(driver),
            recorder,
            helper: Helper::Here(Box::new(hands)),
            is_restarted: false,
            config,
            control: None,
            at_start: AtStart::default(),
            hostname: process::hostname(),
            start_time: stamp(),
        },
        now,
    );
    let on_terminal = io::stdout().is_terminal();
    let screen = if options.plain { None } else { Screen::take() };
    let face = match screen {
        Some(screen) => Face::Live(screen),
        None => {
            let lapse = story::time_lapse(&script, Duration::ZERO);
            let began = begin(options, lapse, stage.command());
            match began {
                Ok(plain) => Face::Plain(plain),
                Err(error) => return shown(Err(error)),
            }
        }
    };
    let length = script.length();
    let once = (!on_terminal && !length.is_zero()).then(|| length + AFTERMATH);
    let mut show = Show::new(stage, face, script, options, now, once);
    let exit =
        event_loop.run(&mut Observed::new(&mut supervisor, &mut show)).map_err(|error| error.to_string())?;
    let length = show.elapsed(clock.now());
    let (live, stage, failure) = show.end();
    event_loop.close(&mut Observed::new(&mut supervisor, &mut Unobserved), exit);
    drop(stage);
    if let Some(error) = failure {
        return shown(Err(error));
    }
    if live {
        let ended = format!("mainsd demo ended after {}; nothing was touched.\n", minutes(length).trim());
        print("mainsd demo", ended.as_bytes(), ExitCode::SUCCESS);
    }
    Ok(())
}

/// The lines that say what this is.
fn begin(options: Options, lapse: f64, command: &str) -> io::Result<Plain<io::Stdout>> {
    let (scenario, speed) = (options.scenario.name(), options.speed);
    let mut plain = Plain::new(io::stdout());
    plain.line(&format!(
        "mainsd demo: a simulated UPS; nothing real is touched. Scenario {scenario}, speed {}.",
        ups::plain(speed)
    ))?;
    if lapse > 1.0 {
        plain.line(&format!(
            "Time-lapse: the battery discharges and charges {} times as fast as a real one, or faster.",
            ups::plain(lapse)
        ))?;
    }
    plain.line(
        "Hooks are only printed: apccontrol EVENT UPSNAME CONNECTED POWERED (0: nothing is powered).",
    )?;
    plain.line(&format!("Try in another terminal: {command}    Ctrl-C ends."))?;
    Ok(plain)
}

/// A reader that has left early is no failure.
fn shown(result: io::Result<()>) -> Result<(), String> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write: {}", reason(&error)))
        }
        _ => Ok(()),
    }
}

fn load(stage: &Stage) -> Result<Config, String> {
    let parsed = config::load(&stage.config_file()).map_err(|error| error.to_string())?;
    if let Some(error) = parsed.of(config::Severity::Error).next() {
        return Err(format!("the demonstration's own configuration: {error}"));
    }
    Ok(parsed.config)
}

fn invocation(stage: &Stage) -> Invocation {
    Invocation {
        name: "mainsd",
        version: super::VERSION,
        config_file: stage.config_file(),
        pid_file: None,
        foreground: false,
        kill_on_powerfail: false,
        term_on_powerfail: false,
        dry_run: DryRun::HooksRun,
        syslog: false,
        stderr: false,
        shutdown_commands: crate::act::BuiltIn::default(),
        surroundings: |_| Vec::new(),
    }
}

fn stamp() -> Stamp {
    let wall = clock::now();
    Stamp::new(clock::unix_seconds(wall), clock::local(wall).utc_offset)
}
