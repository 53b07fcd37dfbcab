//! Where the control socket of a configuration is, and its making before the daemon gives up its rights.

use std::path::{Path, PathBuf};

use crate::config::{APCUPSD_PATH, Config, OWN_PATH, directives};
use crate::daemon::control::Listening;
use crate::journal::name_of;
use crate::sys::local::{LocalListener, Refused};
use crate::sys::named_lock::NamedLock;
use crate::sys::{access, reason, rights};
use crate::ups::Priority;

/// Longest path of a socket, in bytes (unix(7)).
const MAX_PATH: usize = 107;

/// Where the socket is; `None`: there is none. `folder`: `/run/mainsd`, or what stands for it; `file`: the configuration.
pub fn path(config: &Config, folder: Option<&Path>, file: &Path) -> Option<PathBuf> {
    let given = config.control_socket.as_deref()?;
    let default = directives::find("CONTROLSOCKET").is_some_and(|it| given.as_os_str() == it.default);
    if !default {
        return Some(given.to_owned());
    }
    let folder = folder?;
    let path = folder.join(name(file));
    if path.as_os_str().len() <= MAX_PATH {
        return Some(path);
    }
    // The end of such a name is a number that stands for the whole.
    let name = name(file);
    let room = MAX_PATH.checked_sub(folder.as_os_str().len() + "/control-".len())?;
    let end = name.get(name.len().checked_sub(room)?..)?;
    Some(folder.join(format!("control-{end}")))
}

/// `control` for the default configuration, of which one is in force; `control-rack` for a `rack.conf` beside ours, else after the whole path:
/// files of one name in two folders are two UPSes.
fn name(file: &Path) -> String {
    let defaults = [OWN_PATH, APCUPSD_PATH].map(Path::new);
    if defaults.contains(&file) {
        return "control".to_owned();
    }
    let beside = Path::new(OWN_PATH).parent() == file.parent();
    match file
        .file_stem()
        .and_then(|stem| stem.to_str())
        // The names of other files end so.
        .filter(|stem| !stem.ends_with(".conf"))
        .filter(|_| beside && file.extension().is_some_and(|it| it == "conf"))
    {
        Some(stem) => format!("control-{stem}"),
        None => format!("control-{}", name_of(file)),
    }
}

/// A socket that listens, for each main process in turn; its file is removed with it.
#[derive(Debug)]
pub struct ControlSocket {
    listener: LocalListener,
    group: Option<(u32, String)>,
    /// Two daemons that start at once do not take each other's.
    _lock: Option<NamedLock>,
}

impl ControlSocket {
    /// Makes it; lines for the log go into `trouble`. `locks`: the folder of locks.
    pub fn make(
        config: &Config,
        path: &Path,
        locks: Option<&Path>,
        trouble: &mut Vec<(Priority, String)>,
    ) -> Option<Self> {
        let group = find_group(&config.control_group);
        let mut say = |what: &str| {
            trouble.push((Priority::Warning, format!("No control socket: {}: {what}", path.display())));
        };
        let lock = match locks.map(|locks| NamedLock::take(&locks.join(format!("ctl-{}", name_of(path))), ""))
        {
            Some(Err(crate::sys::named_lock::Refused::Held(_))) => {
                say("another daemon has it; give each a CONTROLSOCKET of its own");
                return None;
            }
            other => other.and_then(Result::ok),
        };
        match LocalListener::new(path, group.as_ref().map(|(number, _)| *number)) {
            Ok(listener) => Some(Self { listener, group, _lock: lock }),
            Err(Refused::InUse) => {
                say("another program listens there; give each a CONTROLSOCKET of its own");
                None
            }
            Err(Refused::NoSocket) => {
                say("the file is no socket, and is not replaced");
                None
            }
            Err(Refused::Io(error)) => {
                say(&reason(&error));
                None
            }
        }
    }

    /// For a main process.
    pub fn listening(&self) -> Option<Listening> {
        let socket = self.listener.duplicate().ok()?;
        Some(Listening { socket, group: self.group.clone(), owner: access::user() })
    }

    /// The descriptor that a main process keeps.
    pub fn fd(&self) -> i32 {
        self.listener.fd()
    }

    /// Removes its file, if it is still its own.
    pub fn remove_file(&self) {
        self.listener.remove_file();
    }
}

/// CONTROLGROUP; that there is no such group the surroundings tell.
fn find_group(name: &str) -> Option<(u32, String)> {
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    rights::find_group(&groups, name).map(|number| (number, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[test]
    fn each_configuration_has_a_socket_of_its_own() {
        let of = |lines: &str, file: &str| {
            let config = parse(format!("UPSTYPE test\n{lines}\n").as_bytes(), "t").config;
            path(&config, Some(Path::new("/run/mainsd")), Path::new(file))
                .map(|path| path.display().to_string())
        };
        let expected = |text: &str| Some(text.to_owned());
        assert_eq!(of("", "/etc/mainsd/mainsd.conf"), expected("/run/mainsd/control"));
        assert_eq!(of("", "/etc/apcupsd/apcupsd.conf"), expected("/run/mainsd/control"));
        assert_eq!(of("", "/etc/mainsd/rack.conf"), expected("/run/mainsd/control-rack"));
        assert_eq!(of("", "/tmp/x/rack.conf"), expected("/run/mainsd/control-tmp-x-rack.conf"));
        // Files of one name in two folders are two.
        assert_eq!(of("", "/etc/apcupsd/rack.conf"), expected("/run/mainsd/control-etc-apcupsd-rack.conf"));
        assert_ne!(of("", "/etc/mainsd/tmp-x-rack.conf.conf"), of("", "/tmp/x/rack.conf"));
        assert_eq!(of("CONTROLSOCKET /x/y", "/etc/mainsd/rack.conf"), expected("/x/y"));
        for off in ["CONTROLSOCKET off", "CONTROLSOCKET OFF", "CONTROLSOCKET"] {
            assert_eq!(of(off, "/etc/mainsd/mainsd.conf"), None, "{off}");
        }
        let long = of("", &format!("/tmp/{}/rack.conf", "x".repeat(150))).unwrap();
        assert!(long.len() == MAX_PATH && long.ends_with("rack.conf"), "{long}");
    }
}
