//! Is the machine as the configuration needs it? Looked at while somebody is still at the terminal: at each start and in
//! `mainsd check`. Everything found is a warning: guarding goes on in every case.

mod apcupsd_folder;
mod calls;
mod hooks;
mod killpower;
mod machine;
mod privileges;

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::UdpSocket;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use machine::{End, Init, entries};

use super::shared_folders;
use crate::act::{BuiltIn, Fallback};
use crate::config::wrappers;
use crate::config::{Diagnostic, NoLogon, Origin, Parsed, Severity};
use crate::drivers::{DeviceForm, PortLock};
use crate::sys::rights::find_group;
use crate::sys::{access, reason};

/// What is missing or not permitted, as warnings that name the line of the directive. Reads the file system and changes
/// nothing on it. `shutdown_commands` are the commands that would shut the machine down, as [`crate::act::Fallback::describe`]
/// gives them.
pub fn examine(parsed: &Parsed, shutdown_commands: &[String]) -> Vec<Diagnostic> {
    examine_at(parsed, shutdown_commands, Path::new("/"))
}

fn examine_at(parsed: &Parsed, shutdown_commands: &[String], root: &Path) -> Vec<Diagnostic> {
    let warnings = examine_with(parsed, shutdown_commands, &root.join("etc"));
    let mut found = Found { parsed, warnings };
    found.changed_after_copied(root);
    found.warnings
}

/// What else a person should know who looks at this machine: is it a container, is the UPS told to cut its power at the end
/// of a shutdown, can anybody log in during an outage, which rights are not given up, does a package that is removed take something with it? Said by
/// `mainsd check` only: it is no news at each start.
pub fn remarks(parsed: &Parsed) -> Vec<Diagnostic> {
    let mut found = Found { parsed, warnings: Vec::new() };
    found.logins();
    found.machine(Path::new("/"));
    found.privileges(Path::new("/"));
    found.purge_would_take(Path::new("/"));
    found.warnings
}

/// [`examine`] and [`remarks`] for the machine whose root folder this is, but for what [`End`] says.
pub fn all(parsed: &Parsed, shutdown_commands: &[String], root: &Path) -> Vec<Diagnostic> {
    let mut found = Found { parsed, warnings: examine_at(parsed, shutdown_commands, root) };
    found.logins();
    found.privileges_of_daemon(root);
    found.purge_would_take(root);
    found.warnings
}

/// The hooks that would be run, and the commands that one calls and that do not exist.
pub fn missing_commands(parsed: &Parsed) -> Vec<(PathBuf, Vec<String>)> {
    let calls = |path: PathBuf| (calls::missing(&path), path);
    hooks::scripts(&parsed.config.script_dir).map(calls).map(|(missing, path)| (path, missing)).collect()
}

fn examine_with(parsed: &Parsed, shutdown_commands: &[String], etc: &Path) -> Vec<Diagnostic> {
    let mut found = Found { parsed, warnings: Vec::new() };
    found.hooks(shutdown_commands);
    found.shutdown_command(shutdown_commands);
    found.folders();
    found.records();
    found.device();
    found.addresses();
    found.tcp_wrappers(etc);
    found.control_group(etc);
    found.file_itself();
    found.secrets();
    for (keyword, text) in shared_folders::warnings(parsed) {
        found.warn(keyword, text);
    }
    found.warnings
}

/// [`examine`] with the commands of this machine, as lines for a log.
pub fn warnings(parsed: &Parsed) -> Vec<String> {
    examine(parsed, &shutdown_commands(parsed)).iter().map(ToString::to_string).collect()
}

/// The commands that would shut this machine down, in the order in which they are tried.
pub fn shutdown_commands(parsed: &Parsed) -> Vec<String> {
    Fallback::system(parsed.config.shutdown_cmd.clone(), BuiltIn::of_this_machine()).describe()
}

/// What runs SHUTDOWNCMD.
const SHELL: &str = "/bin/sh";

/// How much of `hosts.allow` and `hosts.deny` is looked at, in bytes.
const LONGEST_RULES: u64 = 64 * 1024;

struct Found<'a> {
    parsed: &'a Parsed,
    warnings: Vec<Diagnostic>,
}

impl Found<'_> {
    fn warn(&mut self, keyword: &str, text: String) {
        let line = match self.parsed.origin(keyword) {
            Origin::Line(line) => Some(line),
            Origin::Default | Origin::Because(_) => None,
        };
        let file = self.parsed.name.clone();
        self.warnings.push(Diagnostic {
            severity: Severity::Warning,
            file,
            line,
            keyword: keyword.to_owned(),
            text,
        });
    }

    fn control_group(&mut self, etc: &Path) {
        let name = &self.parsed.config.control_group;
        let groups = fs::read_to_string(etc.join("group")).unwrap_or_default();
        if !name.is_empty() && find_group(&groups, name).is_none() {
            let text =
                format!("there is no group {name} in /etc/group: only root may use the control socket");
            self.warn("CONTROLGROUP", text);
        }
    }

    fn shutdown_command(&mut self, shutdown_commands: &[String]) {
        if shutdown_commands.is_empty() {
            let text = "no systemctl, shutdown, poweroff or halt can shut this machine down: if the hook fails, the kernel is told \
                        to write the disks and switch off, with no service stopped; give the command that shuts down";
            self.warn("SHUTDOWNCMD", text.to_owned());
        }
        let Some(command) = self.parsed.config.shutdown_cmd.clone() else { return };
        if hooks::cannot_run(Path::new(SHELL)).is_some() {
            let text =
                format!("{SHELL} cannot be run, and the command is a line for it: nothing comes of it");
            return self.warn("SHUTDOWNCMD", text);
        }
        // What is not a plain path is left to the shell to find.
        let program = PathBuf::from(command.split_whitespace().next().unwrap_or(""));
        if program.is_absolute() && hooks::cannot_run(&program).is_some() {
            let text =
                format!("{} cannot be run; give the path of a program that shuts down", program.display());
            self.warn("SHUTDOWNCMD", text);
        }
    }

    fn folders(&mut self) {
        let config = &self.parsed.config;
        let powerfail = config.powerfail_dir.clone();
        let nologin = (config.no_logon != NoLogon::Disable).then(|| config.nologin_dir.clone());
        let lock = (config.port_lock() != PortLock::None).then(|| config.lock_dir.clone());
        let effect = "the flag 'powerfail' cannot be written, so the UPS is not told to cut its power after a shutdown";
        self.folder("PWRFAILDIR", &powerfail, effect);
        if let Some(dir) = nologin {
            self.folder("NOLOGINDIR", &dir, "users can log in during an outage");
        }
        if let Some(dir) = lock {
            self.folder("LOCKFILE", &dir, "other programs do not see that the port is in use");
        }
    }

    fn folder(&mut self, keyword: &str, dir: &Path, effect: &str) {
        if !dir.is_dir() {
            let text =
                format!("the folder {} does not exist: {effect}; create it or set {keyword}", dir.display());
            self.warn(keyword, text);
        } else if let Err(error) = access::writable(dir) {
            self.warn(
                keyword,
                format!("cannot write in {}: {}: {effect}{}", dir.display(), reason(&error), as_whom()),
            );
        }
    }

    fn records(&mut self) {
        let config = &self.parsed.config;
        let status = config.stat_file.clone().filter(|_| config.stat_time > Duration::ZERO);
        // The folder of the default is made at the start.
        let state = config.state_file.clone().filter(|_| self.parsed.origin("STATEFILE") != Origin::Default);
        let files = [
            ("EVENTSFILE", config.events_file.clone(), "events are only logged to syslog"),
            ("STATFILE", status, "no status file is written"),
            ("STATEFILE", state, "a restart during an outage begins to count anew"),
        ];
        for (keyword, path, effect) in files {
            if let Some(path) = path {
                self.file(keyword, &path, effect);
            }
        }
    }

    fn file(&mut self, keyword: &str, path: &Path, effect: &str) {
        let dir = match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        if path.as_os_str().as_bytes().ends_with(b"/") && keyword == "STATEFILE" {
            self.folder(keyword, path, effect);
        } else if path.is_dir() {
            self.warn(keyword, format!("{} is a folder: {effect}; give the name of a file", path.display()));
        } else if path.exists() {
            if let Err(error) = access::writable(path) {
                let text =
                    format!("cannot write to {}: {}: {effect}{}", path.display(), reason(&error), as_whom());
                self.warn(keyword, text);
            }
        } else {
            self.folder(keyword, dir, effect);
        }
    }

    fn device(&mut self) {
        let config = &self.parsed.config;
        let form = config.ups_type.map(|driver| driver.device);
        let path = PathBuf::from(&config.device);
        if form == Some(DeviceForm::SerialPort) && path.is_absolute() && !path.exists() {
            let text =
                format!("{} does not exist now; mainsd waits for it, unguarded meanwhile", path.display());
            self.warn("DEVICE", text);
        }
    }

    /// A socket that is bound and closed again shows whether an address is this machine's. Only of addresses from the
    /// file: a machine without IPv6 need not hear that it has no `::1`.
    fn addresses(&mut self) {
        let config = &self.parsed.config;
        if !config.net_server || self.parsed.origin("NISIP") == Origin::Default {
            return;
        }
        for ip in config.nis_ip.clone() {
            if UdpSocket::bind((ip, 0)).is_err_and(|e| e.kind() == io::ErrorKind::AddrNotAvailable) {
                let text =
                    format!("{ip} is no address of this machine now: nobody can ask there; see 'ip address'");
                self.warn("NISIP", text);
            }
        }
    }

    /// Who came from apcupsd may have said there who is answered. With NISALLOW it is said here.
    fn tcp_wrappers(&mut self, etc: &Path) {
        if !self.parsed.config.net_server || self.parsed.origin("NISALLOW") != Origin::Default {
            return;
        }
        let read = |name: &str| {
            let mut bytes = Vec::new();
            let file = File::open(etc.join(name));
            // A file that is not there, or cannot be read, has no rules.
            let _ = file.and_then(|file| file.take(LONGEST_RULES).read_to_end(&mut bytes));
            bytes
        };
        if let Some(text) = wrappers::advice(&read("hosts.allow"), &read("hosts.deny")) {
            self.warn("NISALLOW", text);
        }
    }

    fn file_itself(&mut self) {
        let path = PathBuf::from(&*self.parsed.name);
        if path.is_file() && for_anyone(&path) {
            let shown = path.display();
            self.warn(
                "",
                format!(
                    "any user can write to this file, which names commands run as root; chmod o-w {shown}"
                ),
            );
        }
    }
}

impl Found<'_> {
    /// The pass phrases of SNMP, which are none if others know them.
    fn secrets(&mut self) {
        let config = &self.parsed.config;
        let is_used = config.ups_type.is_some_and(|driver| driver.device == DeviceForm::Snmp);
        let Some(path) = config.snmp.secrets.clone().filter(|_| is_used) else { return };
        if fs::metadata(&path).is_ok_and(|data| data.mode() & 0o077 != 0) {
            let shown = path.display();
            let text = format!(
                "others than root can read {shown}, so its pass phrases are no secrets; chmod 600 {shown}"
            );
            self.warn("SNMPSECRETS", text);
        }
    }
}

fn for_anyone(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.mode() & 0o002 != 0)
}

/// Ends what is said of a file that root can perhaps write to.
pub const AS_ORDINARY_USER: &str = " (asked as an ordinary user; ask again as the user that mainsd runs as)";

/// The answer depends on who asks.
fn as_whom() -> &'static str {
    if access::is_root() { "" } else { AS_ORDINARY_USER }
}

#[cfg(test)]
mod tests;
