//! From the command line to the running loop: everything that can be wrong is said before the caller gets its prompt back.

#![allow(clippy::disallowed_methods, reason = "the moment of the start is read here")]

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use super::debug;
use super::options::{CalledAs, Options};
use crate::config::{self, Config, DriverKind};
use crate::daemon::{Clock, EventLoop, House, Invocation, LockedDriver, Parts, Unobserved, drivers};
use crate::journal::{
    BootClock, LOCK_FATAL, LockError, LockFile, PidFile, StateFile, is_ups_program, lock_path,
};
use crate::power::AtStart;
use crate::program::surroundings;
use crate::report::Stamp;
use crate::sys::daemonize::{Readiness, Side, daemonize};
use crate::sys::{clock, process};
use crate::ups::Priority;

/// Environment variable that keeps the built-in ways to shut down from being used: for tests.
pub const DRY_RUN: &str = "MAINSD_DRY_RUN";

/// A reason not to start, with the exit status.
pub struct Refusal {
    /// For standard error, without the program's name.
    pub text: String,
    /// 1, or 2 for a file that cannot be read.
    pub status: u8,
}

impl Refusal {
    pub(super) fn new(text: impl Display) -> Self {
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
            eprintln!("{}: {warning}", options.called_as.name());
        }
    }
}

/// Reads the configuration and finds everything that is wrong with it; prints it if there are errors.
///
/// # Errors
/// A [`Refusal`] if it cannot be read or has errors.
pub fn load(options: &Options) -> Result<Loaded, Refusal> {
    let path = options.config_file.clone().unwrap_or_else(|| PathBuf::from(config::DEFAULT_PATH));
    // In the background the working directory is `/`.
    let path = std::path::absolute(&path).unwrap_or(path);
    let parsed = config::load(&path).map_err(|error| Refusal { text: error.to_string(), status: 2 })?;
    for diagnostic in parsed.of(config::Severity::Debug) {
        log::debug!("{diagnostic}");
    }
    let name = options.called_as.name();
    if parsed.has_errors() {
        for diagnostic in parsed.diagnostics.iter().filter(|it| it.severity != config::Severity::Debug) {
            eprintln!("{name}: {diagnostic}");
        }
        return Err(Refusal::new("Terminating due to configuration file errors."));
    }
    let mut warnings: Vec<String> = parsed.of(config::Severity::Warning).map(ToString::to_string).collect();
    warnings.extend(surroundings::warnings(&parsed));
    Ok(Loaded { config: parsed.config, path, warnings })
}

/// Guards the machine until a signal ends it.
pub fn run(options: &Options) -> Result<ExitCode, Refusal> {
    debug::start(options).map_err(Refusal::new)?;
    let start_time = stamp();
    let loaded = load(options)?;
    drivers::check(&loaded.config).map_err(Refusal::new)?;
    if options.foreground {
        return guard(options, loaded, start_time, None);
    }
    loaded.print_warnings(options);
    match daemonize().map_err(|error| Refusal::new(format!("cannot go to the background: {error}")))? {
        Side::Caller(0) => Ok(ExitCode::SUCCESS),
        Side::Caller(status) => Ok(ExitCode::from(status)),
        Side::Background(readiness) => guard(options, loaded, start_time, Some(readiness)),
    }
}

fn guard(
    options: &Options,
    loaded: Loaded,
    start_time: Stamp,
    readiness: Option<Readiness>,
) -> Result<ExitCode, Refusal> {
    let Loaded { config, path, warnings } = loaded;
    let clock = Clock::default();
    let dry_run = std::env::var_os(DRY_RUN).is_some_and(|value| !value.is_empty());
    let how = Invocation {
        name: options.called_as.name(),
        version: crate::program::VERSION,
        config_file: path,
        pid_file: Some(options.pid_file.clone().unwrap_or_else(|| default_pid_file(options.called_as))),
        foreground: options.foreground,
        kill_on_powerfail: options.kill_on_powerfail,
        term_on_powerfail: options.term_on_powerfail,
        dry_run,
        // Alerts of a rehearsal have no place in the log of a real machine.
        syslog: !dry_run,
        stderr: true,
        surroundings: surroundings::warnings,
    };
    let (lock, wait_for_port) = match take_lock(&config)? {
        Lock::Held(lock) => (lock, None),
        Lock::Later(path) => (None, Some(path)),
    };
    let mut trouble = Vec::new();
    let pid_file = how.pid_file.as_deref().and_then(|file| match PidFile::write(file) {
        Ok(pid_file) => Some(pid_file),
        Err(error) => {
            trouble.push((Priority::Warning, format!("Cannot write pid file {}: {error}", file.display())));
            None
        }
    });
    trouble.extend(warnings.into_iter().map(|warning| (Priority::Warning, warning)));
    let now = clock.now();
    let boot = BootClock { now, uptime: crate::sys::clock::since_boot() };
    let at_start = AtStart {
        saved: config.state_file.as_deref().and_then(|file| match StateFile::new(file).load(boot) {
            Ok(saved) => saved,
            Err(line) => {
                trouble.push((Priority::Notice, line));
                None
            }
        }),
        powerfail: config.powerfail_dir.join("powerfail").exists(),
    };
    let mut driver = drivers::open(&config, now).map_err(Refusal::new)?;
    if let Some(path) = wait_for_port {
        driver = Box::new(LockedDriver::new(driver, path, config.device.clone(), now));
    }
    let hostname = process::hostname();
    let mut house = House::new(Parts { config, how, driver, at_start, hostname, start_time }, now);
    for (priority, line) in trouble {
        house.log(priority, &line);
    }
    let mut event_loop = EventLoop::new(clock).map_err(Refusal::new)?;
    if let Some(readiness) = readiness {
        readiness.ready(options.debug > 0);
    }
    let exit = event_loop.run(&mut house, &mut Unobserved).map_err(Refusal::new)?;
    event_loop.close(&mut house, exit);
    if let Some(lock) = lock {
        lock.release();
    }
    if let Some(pid_file) = pid_file {
        pid_file.remove();
    }
    Ok(ExitCode::SUCCESS)
}

/// What has come of the port's lock.
enum Lock {
    /// Had, or not needed.
    Held(Option<LockFile>),
    /// To be waited for: this file.
    Later(PathBuf),
}

/// The lock that other programs know (config §5). Cards and networks have none, and the simulated UPS is nobody's.
fn take_lock(config: &Config) -> Result<Lock, Refusal> {
    let shared = matches!(
        config.ups_type,
        Some(DriverKind::Net | DriverKind::Snmp | DriverKind::Pcnet | DriverKind::Test) | None
    );
    if shared {
        return Ok(Lock::Held(None));
    }
    let path = lock_path(&config.lock_dir, &config.device);
    match LockFile::acquire(&path, &config.device) {
        Ok(lock) => Ok(Lock::Held(Some(lock))),
        // A terminal program, say: it will end, and the UPS must be watched then. Two that watch a UPS are a mistake to be told.
        Err(LockError::Held(pid))
            if matches!(config.ups_type, Some(DriverKind::ApcSmart | DriverKind::Dumb))
                && pid > 0
                && !is_ups_program(pid) =>
        {
            Ok(Lock::Later(path))
        }
        // Two of us may look for a USB UPS each; they agree by the device itself. Only apcupsd does not know how.
        Err(LockError::Held(pid))
            if config.ups_type == Some(DriverKind::Usb)
                && process::program(pid).as_deref() == Some("mainsd") =>
        {
            Ok(Lock::Held(None))
        }
        Err(error) => Err(Refusal::new(format!("{error}\n{LOCK_FATAL}"))),
    }
}

fn default_pid_file(called_as: CalledAs) -> PathBuf {
    PathBuf::from(format!("/run/{}.pid", called_as.name()))
}

/// The present moment, to be shown.
pub(super) fn stamp() -> Stamp {
    let wall = SystemTime::now();
    Stamp::new(clock::unix_seconds(wall), clock::local(wall).utc_offset)
}
