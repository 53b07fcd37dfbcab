//! What a run of the daemon has beside its configuration: folder and locks in `/run`, lock file of the port, pid file, state
//! file. Dropped, everything is given back.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::start::Refusal;
use crate::config::Config;
use crate::config::directives;
use crate::drivers::PortLock;
use crate::journal::{
    BootClock, LOCK_FATAL, LockError, LockFile, PidError, PidFile, RunFolder, StateFile, UpsIdentity,
    is_ups_program, lock_path, state_in,
};
use crate::port::device_lock::DeviceLocks;
use crate::power::SavedOutage;
use crate::program::control_socket::{self, ControlSocket};
use crate::sys::named_lock::NamedLock;
use crate::sys::{access, in_child, process, reason};
use crate::ups::Priority;

/// Environment variable that names another run folder, for tests. As root it does no harm: the folder must be root's, and
/// nobody else may be able to write to it.
const RUN_FOLDER: &str = "MAINSD_RUN_DIR";

/// Lines for the log, once there is one.
pub type Trouble = Vec<(Priority, String)>;

/// Where the folder may be: in `/run`; an ordinary user's else in `XDG_RUNTIME_DIR`, or in the folder for temporary files.
pub fn places() -> Vec<PathBuf> {
    if let Some(given) = std::env::var_os(RUN_FOLDER).filter(|given| !given.is_empty()) {
        return vec![PathBuf::from(given)];
    }
    let run = if Path::new("/run").is_dir() { "/run/mainsd" } else { "/var/run/mainsd" };
    let mut places = vec![PathBuf::from(run)];
    if !access::is_root() {
        let session =
            std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        places.extend(session.map(|path| path.join("mainsd")));
        places.push(std::env::temp_dir().join(format!("mainsd-{}", access::user())));
    }
    places
}

/// The first of the places that can be used, made if it is missing.
///
/// # Errors
/// Why the last of them cannot, in words.
pub fn run_folder() -> Result<RunFolder, String> {
    let mut why = String::new();
    for place in places() {
        match RunFolder::prepare(&place) {
            Ok(folder) => return Ok(folder),
            Err(reason) => why = reason,
        }
    }
    Err(why)
}

/// The folder, if a daemon has made it: late in a shutdown, and for an order to the UPS, none is made.
pub fn existing_run_folder() -> Option<RunFolder> {
    places().into_iter().filter(|place| place.is_dir()).find_map(|place| RunFolder::prepare(&place).ok())
}

/// The locks of devices for a program that has, or looks for, a UPS by this configuration.
pub fn device_locks(folder: Option<&RunFolder>, config: &Path) -> DeviceLocks {
    DeviceLocks::new(folder.map(RunFolder::locks), config)
}

/// The same for an order to the UPS: no folder is made for it.
pub fn locks_for_order(config: &Path) -> DeviceLocks {
    device_locks(existing_run_folder().as_ref(), config)
}

/// What belongs to one run.
pub struct RunFiles {
    /// Where devices are locked.
    pub devices: DeviceLocks,
    /// A folder with nothing in it.
    pub empty: Option<PathBuf>,
    /// The port's lock file is another program's: it is to be waited for.
    pub wait_for_port: Option<PathBuf>,
    /// The state file, and what an earlier run left in it.
    pub state: Option<(StateFile, Option<SavedOutage>)>,
    /// The control socket.
    pub control: Option<ControlSocket>,
    /// What is on disks that may not answer when it is to be removed.
    on_disk: Option<(Option<PidFile>, Option<LockFile>)>,
    /// Given back last: what is above belongs to the one daemon with this configuration.
    _config: Option<NamedLock>,
}

/// How long the removal of files may hold up the end of the daemon.
const AT_EXIT: Duration = Duration::from_secs(1);

impl Drop for RunFiles {
    fn drop(&mut self) {
        let control = self.control.take();
        in_child::finish(AT_EXIT, || {
            if let Some(control) = &control {
                control.remove_file();
            }
            drop(self.on_disk.take());
        });
        // It is the child that has removed them, or waits to; this process would wait with it.
        std::mem::forget(self.on_disk.take());
    }
}

impl RunFiles {
    /// Takes everything that this configuration names; `folder`: that of [`run_folder`], or another. What cannot be had is told
    /// in `trouble`, and is no reason not to guard.
    ///
    /// # Errors
    /// A [`Refusal`] if a daemon runs with this configuration already, or apcupsd has the port.
    pub fn take(
        config: &Config,
        file: &Path,
        folder: Result<RunFolder, String>,
        pid_file: Option<&Path>,
        clock: BootClock,
        trouble: &mut Trouble,
    ) -> Result<Self, Refusal> {
        let folder = folder.map_err(|why| {
            let effect = "a second daemon is not noticed, and without STATEFILE a restart during an outage begins to count anew";
            trouble.push((Priority::Warning, format!("{why}; without this folder {effect}")));
        });
        let folder = folder.ok();
        // One file by two names is one configuration.
        let given = file;
        let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let config_lock = match folder.as_ref().map(|folder| folder.lock_config(&file)) {
            Some(Err(pid)) => {
                let (who, file) = (process::describe(pid), file.display());
                return Err(Refusal::new(format!("{who} runs with {file} already; this one ends")));
            }
            lock => lock.and_then(Result::ok).flatten(),
        };
        let (port, wait_for_port) = match take_port(config, trouble)? {
            Port::Ours(lock) => (lock, None),
            Port::Later(path) => (None, Some(path)),
        };
        let pid_file = pid_file.and_then(|path| take_pid_file(path, trouble));
        let state = take_state(config, folder.as_ref(), &file, clock, trouble);
        let path = control_socket::path(config, folder.as_ref().map(RunFolder::path), given);
        let locks = folder.as_ref().map(RunFolder::locks);
        let control = path.and_then(|path| ControlSocket::make(config, &path, locks.as_deref(), trouble));
        Ok(Self {
            control,
            devices: device_locks(folder.as_ref(), &file),
            empty: folder.as_ref().and_then(RunFolder::empty),
            wait_for_port,
            state,
            on_disk: Some((pid_file, port)),
            _config: config_lock,
        })
    }
}

impl RunFiles {
    /// Removes the lock file of the port, if a child of this process has made it.
    pub fn give_back_port(&self) {
        if let Some(path) = &self.wait_for_port {
            let owner = std::process::id();
            in_child::finish(AT_EXIT, || LockFile::give_back(owner, path));
        }
    }
}

/// What has come of the port's lock file.
enum Port {
    /// Had, or done without.
    Ours(Option<LockFile>),
    /// To be waited for: this file.
    Later(PathBuf),
}

/// The lock file that other programs know (config §5). Cards and networks have none, and the simulated UPS is nobody's.
fn take_port(config: &Config, trouble: &mut Trouble) -> Result<Port, Refusal> {
    if config.port_lock() == PortLock::None {
        return Ok(Port::Ours(None));
    }
    let path = lock_path(&config.lock_dir, &config.device);
    match LockFile::acquire(&path, &config.device) {
        Ok(lock) => Ok(Port::Ours(Some(lock))),
        Err(error @ LockError::Io(..)) => {
            trouble.push((Priority::Warning, error.and_goes_on()));
            Ok(Port::Ours(None))
        }
        // apcupsd, or its test program: two that watch a UPS are a mistake to be told.
        Err(error @ LockError::Held(pid))
            if is_ups_program(pid) && process::program(pid).as_deref() != Some("mainsd") =>
        {
            Err(Refusal::new(format!("{error}\n{LOCK_FATAL}")))
        }
        // A terminal program, say, or another configuration: it will end, and the UPS must be watched then. Two of us may look
        // for a USB UPS each; they agree by the device itself.
        Err(LockError::Held(_)) => Ok(match config.port_lock() {
            PortLock::Awaited => Port::Later(path),
            PortLock::Shown | PortLock::None => Port::Ours(None),
        }),
    }
}

fn take_pid_file(path: &Path, trouble: &mut Trouble) -> Option<PidFile> {
    let text = match PidFile::write(path) {
        Ok(file) => return Some(file),
        Err(PidError::Other(pid)) => format!(
            "Pid file {} stays that of {}, which runs; give each daemon its own with -P",
            path.display(),
            process::describe(pid)
        ),
        Err(PidError::Io(error)) => format!("Cannot write pid file {}: {}", path.display(), reason(&error)),
    };
    trouble.push((Priority::Warning, text));
    None
}

/// The UPS of a configuration, as a state file names it.
fn identity(config: &Config) -> UpsIdentity {
    // As `check` shows it: without passphrases.
    let device = directives::find("DEVICE").map(|device| device.present(config)).unwrap_or_default();
    UpsIdentity::new(config.ups_type.map_or("", |driver| driver.word), &device)
}

/// Where the state of a configuration is kept; `None`: nowhere. A STATEFILE that ends in a slash is a folder.
fn state_path(config: &Config, folder: Option<&RunFolder>, file: &Path) -> Option<PathBuf> {
    let given = config.state_file.as_deref()?;
    if is_default(given) {
        return folder.map(|folder| state_in(&folder.states(), file));
    }
    Some(if given.as_os_str().as_bytes().ends_with(b"/") { state_in(given, file) } else { given.to_owned() })
}

fn is_default(state_file: &Path) -> bool {
    directives::find("STATEFILE").is_some_and(|it| state_file.as_os_str() == it.default)
}

fn take_state(
    config: &Config,
    folder: Option<&RunFolder>,
    file: &Path,
    clock: BootClock,
    trouble: &mut Trouble,
) -> Option<(StateFile, Option<SavedOutage>)> {
    let path = state_path(config, folder, file)?;
    let is_new = !path.exists();
    let mut state = StateFile::new(&path, identity(config));
    let mut loaded = state.load(clock);
    if is_new {
        if let Some(folder) = folder {
            if config.state_file.as_deref().is_some_and(is_default) {
                loaded = state.load_old(&folder.old_state(), clock);
            }
        }
    }
    let saved = loaded.unwrap_or_else(|line| {
        trouble.push((Priority::Notice, line));
        None
    });
    // Written at once, it is ours and locked from now on.
    if let Some(line) = state.save(&saved.clone().unwrap_or_default(), clock) {
        trouble.push((Priority::Warning, line));
    }
    Some((state, saved))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn config(lines: &str) -> Config {
        parse(format!("UPSTYPE test\n{lines}\n").as_bytes(), "t").config
    }

    #[test]
    fn a_state_is_in_the_run_folder_in_a_folder_of_ones_own_or_where_statefile_says() {
        let place = std::env::temp_dir().join(format!("mainsd-run-files-{}", std::process::id()));
        let folder = RunFolder::prepare(&place).unwrap();
        let file = Path::new("/etc/apcupsd/apcupsd.conf");
        let path = |lines: &str, folder| state_path(&config(lines), folder, file);
        let by_default = place.join("state/etc-apcupsd-apcupsd.conf");
        assert_eq!(path("", Some(&folder)).as_ref(), Some(&by_default));
        assert_eq!(path("STATEFILE /run/mainsd/state/", Some(&folder)), Some(by_default));
        assert_eq!(path("", None), None, "no folder, no state");
        assert_eq!(path("STATEFILE /x/y", None), Some("/x/y".into()));
        assert_eq!(path("STATEFILE /x/y/", None), Some("/x/y/etc-apcupsd-apcupsd.conf".into()));
        assert_eq!(path("STATEFILE /run/mainsd/state", None), Some("/run/mainsd/state".into()), "a file");
        assert_eq!(path("STATEFILE", Some(&folder)), None);
        std::fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn a_ups_is_named_without_passphrases() {
        let of = |text: &str| identity(&parse(text.as_bytes(), "t").config);
        let ups = of("UPSTYPE pcnet\nDEVICE 10.0.0.1:apc:secret\n");
        assert_eq!((ups.driver.as_str(), ups.device.as_str()), ("pcnet", "10.0.0.1:apc:***"));
        assert_eq!(of("UPSTYPE usb\n").device, "(automatic)");
    }
}
