//! From the command line to the running loop: everything that can be wrong is said before the caller gets its prompt back.

#![allow(clippy::disallowed_methods, reason = "the moment of the start is read here")]

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;

use super::beginning::Beginning;
use super::debug;
use super::options::{CalledAs, Options};
use super::run_files::{self, RunFiles, Trouble};
use crate::act::BuiltIn;
use crate::config::{self, Config, Parsed};
use crate::daemon::helper::Hands;
use crate::daemon::{Clock, DryRun, EventLoop, Invocation, Obstacle, Place, driver, obstacles};
use crate::journal::{BootClock, DebugTarget, RunFolder};
use crate::power::AtStart;
use crate::program::out::complain;
use crate::program::private_folder::PrivateFolder;
use crate::program::surroundings;
use crate::program::which_file::WhichFile;
use crate::report::Stamp;
use crate::sys::daemonize::{Readiness, Side, daemonize};
use crate::sys::signals::Signals;
use crate::sys::socket::free_local_port;
use crate::sys::{access, clock, first_process, process, rights};
use crate::ups::Priority;

/// Environment variable that keeps the built-in ways to shut down from being used, and the hooks not: for tests.
pub const DRY_RUN: &str = "MAINSD_DRY_RUN";

/// Exit status if the configuration, or the script of a simulated UPS, cannot be read: it may be readable later.
const UNREADABLE: u8 = 2;
/// Exit status for a configuration that was read and holds a mistake with which nothing can be guarded: the same file will
/// not do later either (`EX_CONFIG` of sysexits.h; `RestartPreventExitStatus=` in the unit).
const BAD_CONFIGURATION: u8 = 78;

/// Ports that are tried for a dry run.
const DRY_PORTS: u16 = 100;

/// A reason not to start, with the exit status.
pub struct Refusal {
    /// For standard error, without the program's name.
    pub text: String,
    /// 1, [`UNREADABLE`] or [`BAD_CONFIGURATION`].
    pub status: u8,
}

impl Refusal {
    pub(in crate::program) fn new(text: impl Display) -> Self {
        Self { text: text.to_string(), status: 1 }
    }
}

/// A configuration fit to run, and where it came from.
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file.
    pub path: PathBuf,
    /// Warnings, to be logged once there is a log.
    pub warnings: Vec<String>,
}

impl Loaded {
    /// Prints the warnings, for who has no log on standard error.
    pub fn print_warnings(&self, options: &Options) {
        for warning in &self.warnings {
            complain(&format!("{}: {warning}", options.called_as.name()));
        }
    }
}

/// Reads the configuration for one order to the UPS and finds what is wrong with it; prints it if the daemon cannot start with it.
/// Of what is around it only a daemon has to know: late in a shutdown each folder is read-only, which is as it should be.
///
/// # Errors
/// A [`Refusal`] if it cannot be read, or there are [`obstacles`].
pub fn load(options: &Options) -> Result<Loaded, Refusal> {
    load_with(options, |_| Vec::new())
}

/// The same with warnings about what is around it.
fn load_with(options: &Options, surroundings: fn(&Parsed) -> Vec<String>) -> Result<Loaded, Refusal> {
    let file = WhichFile::new(options.config_file.clone());
    // In the background the working directory is `/`.
    let path = std::path::absolute(&file.path).unwrap_or_else(|_| file.path.clone());
    let parsed =
        config::load(&path).map_err(|error| Refusal { text: file.words_of(&error), status: UNREADABLE })?;
    for diagnostic in parsed.of(config::Severity::Debug) {
        log::debug!("{diagnostic}");
    }
    let name = options.called_as.name();
    let obstacles = obstacles(&parsed);
    if !obstacles.is_empty() {
        let warnings = parsed.of(config::Severity::Warning);
        for diagnostic in warnings.chain(obstacles.iter().map(|it| &it.diagnostic)) {
            complain(&format!("{name}: {diagnostic}"));
        }
        let text = "Terminating due to configuration file errors.".to_owned();
        return Err(Refusal { text, status: status_of(options.called_as, &obstacles) });
    }
    let mut warnings: Vec<String> = parsed.of(config::Severity::Warning).map(ToString::to_string).collect();
    warnings.extend(surroundings(&parsed));
    Ok(Loaded { config: parsed.config, path, warnings })
}

/// apcupsd ends with 1 whatever is wrong (config §1).
fn status_of(called_as: CalledAs, obstacles: &[Obstacle]) -> u8 {
    match called_as {
        CalledAs::Apcupsd => 1,
        CalledAs::Mainsd if obstacles.iter().all(|obstacle| obstacle.may_pass) => UNREADABLE,
        CalledAs::Mainsd => BAD_CONFIGURATION,
    }
}

/// Guards the machine until a signal ends it.
pub fn run(mut options: Options) -> Result<ExitCode, Refusal> {
    if first_process::is_first() {
        // The end of the first process is that of all others.
        options.foreground = true;
        // Where none can be forked this one guards, and leaves the entries of processes that it has not started.
        if let Ok(Some(status)) = first_process::run_child() {
            return Ok(ExitCode::from(status));
        }
    }
    let mut debug = debug::start_queued(&options).map_err(Refusal::new)?;
    let ended = start(&options, &mut debug);
    if ended.is_err() {
        debug::print_rest(debug);
    }
    ended
}

/// Takes `debug`, where debug output goes, when there is a writer for it.
fn start(options: &Options, debug: &mut Option<DebugTarget>) -> Result<ExitCode, Refusal> {
    let start_time = stamp();
    let loaded = load_with(options, surroundings::warnings)?;
    if options.foreground {
        return guard(options, loaded, start_time, debug, None);
    }
    loaded.print_warnings(options);
    match daemonize().map_err(|error| Refusal::new(format!("cannot go to the background: {error}")))? {
        Side::Caller(0) => Ok(ExitCode::SUCCESS),
        Side::Caller(status) => Ok(ExitCode::from(status)),
        Side::Background(readiness) => guard(options, loaded, start_time, debug, Some(readiness)),
    }
}

fn guard(
    options: &Options,
    loaded: Loaded,
    start_time: Stamp,
    debug: &mut Option<DebugTarget>,
    readiness: Option<Readiness>,
) -> Result<ExitCode, Refusal> {
    let ready = prepare(options, loaded, start_time, debug)?;
    if let Some(readiness) = readiness {
        readiness.ready(options.debug > 0);
    }
    let Ready { beginning, event_loop, hands, at_start, folder: _removed_at_the_end } = ready;
    beginning.guard(event_loop, hands, at_start).map_err(Refusal::new)
}

/// What guards, before its loop begins.
struct Ready {
    beginning: Box<Beginning>,
    event_loop: EventLoop,
    hands: Box<Hands>,
    at_start: AtStart,
    folder: Option<PrivateFolder>,
}

/// A function of its own: what it needs of the stack, each process would have that is forked from this one.
#[inline(never)]
fn prepare(
    options: &Options,
    loaded: Loaded,
    start_time: Stamp,
    debug: &mut Option<DebugTarget>,
) -> Result<Ready, Refusal> {
    // Before anything is held: from here on a signal ends the daemon in order.
    let signals = Signals::new().map_err(Refusal::new)?;
    let Loaded { config, path, warnings } = loaded;
    let clock = Clock::default();
    // Removed with everything in it when the daemon has ended.
    let folder =
        options.dry_run.then(|| PrivateFolder::new("mainsd-dry-run")).transpose().map_err(Refusal::new)?;
    let dry_run = match &folder {
        Some(folder) => DryRun::LogOnly(Place { folder: folder.path().to_owned(), port: dry_port(&config) }),
        None if std::env::var_os(DRY_RUN).is_some_and(|value| !value.is_empty()) => DryRun::HooksRun,
        None => DryRun::No,
    };
    // Its port may be the one that a master's is taken from, so the driver knows the file's own.
    let of_the_file = config.clone();
    let config = dry_run.redirect(config);
    let is_dry = dry_run != DryRun::No;
    let invocation = Invocation {
        name: options.called_as.name(),
        version: crate::program::VERSION,
        config_file: path,
        pid_file: options.pid_file.clone().or_else(|| {
            // That of the daemon that guards stays.
            (!options.dry_run).then(|| default_pid_file(options.called_as))
        }),
        foreground: options.foreground,
        kill_on_powerfail: options.kill_on_powerfail,
        term_on_powerfail: options.term_on_powerfail,
        dry_run,
        // Alerts of a rehearsal have no place in the log of a real machine.
        syslog: !is_dry,
        stderr: true,
        shutdown_commands: BuiltIn::of_this_machine(),
        surroundings: surroundings::warnings,
    };
    let mut trouble = Trouble::new();
    if !access::is_root() && !is_dry {
        let text = "Not run as root: this machine cannot be shut down, unless apccontrol or SHUTDOWNCMD gets the right by itself \
                    (sudo, polkit)";
        trouble.push((Priority::Warning, text.to_owned()));
    }
    let now = clock.now();
    let boot = BootClock { now, uptime: crate::sys::clock::since_boot() };
    let own = folder.as_ref().map(|folder| RunFolder::prepare(&folder.path().join("run")));
    let run_folder = own.unwrap_or_else(run_files::run_folder);
    let pid_file = invocation.pid_file.as_deref();
    let mut files =
        RunFiles::take(&config, &invocation.config_file, run_folder, pid_file, boot, &mut trouble)?;
    if folder.is_some() {
        // The UPS is not its own: another daemon may have it.
        files.devices = run_files::locks_for_order(&invocation.config_file);
    }
    if let Some(seed) = options.faults {
        trouble
            .push((Priority::Warning, format!("What the UPS says is spoilt on purpose (--faults {seed})")));
    }
    trouble.extend(warnings.into_iter().map(|warning| (Priority::Warning, warning)));
    let saved = files.state.as_mut().and_then(|(_, saved)| saved.take());
    let powerfail = config.powerfail_dir.join("powerfail").exists();
    let at_start = AtStart { saved, powerfail, no_login: false };
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let (user, is_own) = rights::find_user(&passwd);
    if config.privsep && access::is_root() && !is_own {
        let line = "There is no user mainsd: the main process runs as nobody";
        trouble.push((Priority::Info, line.to_owned()));
    }
    let secrets = driver::secrets(&of_the_file).map_err(|refused| Refusal::new(refused.text))?;
    let beginning = Box::new(Beginning {
        clock,
        files,
        debug: debug.take(),
        trouble,
        secrets,
        faults: options.faults,
        hostname: process::hostname(),
        start_time,
        user,
    });
    let event_loop = EventLoop::new(clock, signals).map_err(Refusal::new)?;
    let hands = Box::new(Hands::new(of_the_file, invocation, now));
    Ok(Ready { beginning, event_loop, hands, at_start, folder })
}

/// A port beside that of the daemon that guards, which may start later.
fn dry_port(config: &Config) -> u16 {
    free_local_port(config.nis_port.saturating_add(1), DRY_PORTS).unwrap_or(0)
}

fn default_pid_file(called_as: CalledAs) -> PathBuf {
    PathBuf::from(format!("/run/{}.pid", called_as.name()))
}

/// The present moment, to be shown.
pub(super) fn stamp() -> Stamp {
    let wall = clock::now();
    Stamp::new(clock::unix_seconds(wall), clock::local(wall).utc_offset)
}
