//! A build without the control socket.

use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use crate::config::{Config, directives};
use crate::daemon::control::Listening;
use crate::ups::Priority;

/// The socket that a file asks for by name; `None`: it says nothing, or that it wants none.
pub fn path(config: &Config, _folder: Option<&Path>, _file: &Path) -> Option<PathBuf> {
    let given = config.control_socket.as_ref()?;
    let default = directives::find("CONTROLSOCKET").is_some_and(|it| given.as_os_str() == it.default);
    (!default).then(|| given.clone())
}

/// There is none.
#[derive(Debug)]
pub enum ControlSocket {}

impl ControlSocket {
    /// Says that there is none.
    pub fn make(
        _: &Config,
        path: &Path,
        _: Option<&Path>,
        trouble: &mut Vec<(Priority, String)>,
    ) -> Option<Self> {
        let words = format!(
            "No control socket: {}: this build of mainsd has none (feature 'control')",
            path.display()
        );
        trouble.push((Priority::Warning, words));
        None
    }

    /// For a main process.
    pub fn listening(&self) -> Option<Listening> {
        match *self {}
    }

    /// The descriptor that a main process keeps.
    pub fn fd(&self) -> RawFd {
        match *self {}
    }

    /// Removes its file.
    pub fn remove_file(&self) {
        match *self {}
    }
}
