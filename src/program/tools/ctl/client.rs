//! The client of the control socket.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{self, Config};
use crate::program::control_socket;
use crate::program::daemon::run_files;
use crate::program::which_file::WhichFile;
use crate::sys::{local, reason};
use crate::wire::control::{Answer, AnswerReader, Foreign};

/// An answer takes no longer; the daemon gives a self test 90 s and a setting 200 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);
/// A daemon that does not accept a client for so long hangs.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer, in bytes.
const MAX_ANSWER: u64 = 256 * 1024;

/// Why there is no answer.
pub(in crate::program::tools) enum NoAnswer {
    /// Nobody listens.
    NoDaemon,
    /// This user may not ask.
    Denied(String),
    /// The daemon does not answer, in words.
    Lost(String),
}

/// Sends one order to the daemon of this configuration.
pub(in crate::program::tools) fn ask(config: Option<&PathBuf>, line: &str) -> Result<Answer, NoAnswer> {
    let mut denied = None;
    for path in sockets(config) {
        match local::connect(&path, CONNECT_TIMEOUT, ANSWER_TIMEOUT) {
            Ok(stream) => {
                return talk(stream, line)
                    .map_err(|why| NoAnswer::Lost(format!("{}: {why}", path.display())));
            }
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => {}
                ErrorKind::PermissionDenied => denied = Some(path),
                _ => return Err(NoAnswer::Lost(format!("{}: {}", path.display(), reason(&error)))),
            },
        }
    }
    Err(match denied {
        Some(path) => NoAnswer::Denied(format!(
            "{}: only root and the group CONTROLGROUP, if one is configured, may use it",
            path.display()
        )),
        None => NoAnswer::NoDaemon,
    })
}

/// Whether a daemon of this configuration listens at its control socket; `None`: this user may not know.
pub fn listens(config: Option<&PathBuf>) -> Option<bool> {
    let mut is_known = true;
    for path in sockets(config) {
        match local::connect(&path, CONNECT_TIMEOUT, CONNECT_TIMEOUT) {
            Ok(_) => return Some(true),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => is_known = false,
            Err(_) => {}
        }
    }
    is_known.then_some(false)
}

/// Where the socket may be.
fn sockets(config: Option<&PathBuf>) -> Vec<PathBuf> {
    let file = WhichFile::new(config.cloned()).path;
    // Who may use the socket need not be able to read the file.
    let config = config::load(&file).map_or_else(|_| Config::new(), |parsed| parsed.config);
    let given = std::path::absolute(&file).unwrap_or_else(|_| file.clone());
    let names = [Some(given.clone()), given.canonicalize().ok().filter(|real| *real != given)];
    let folders = run_files::places();
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in &folders {
        let of = |name: &PathBuf| control_socket::path(&config, Some(folder.as_path() as &Path), name);
        for path in names.iter().flatten().filter_map(of) {
            if !found.contains(&path) {
                found.push(path);
            }
        }
    }
    found
}

fn talk(mut stream: std::os::unix::net::UnixStream, line: &str) -> Result<Answer, String> {
    stream.write_all(format!("{line}\n").as_bytes()).map_err(|error| reason(&error))?;
    let mut reader = AnswerReader::default();
    let mut lines = BufReader::new(stream.take(MAX_ANSWER));
    loop {
        let mut text = String::new();
        match lines.read_line(&mut text) {
            Ok(0) => return Err("the daemon has ended without an answer".to_owned()),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err("the daemon does not answer".to_owned());
            }
            Err(error) => return Err(reason(&error)),
        }
        match reader.take(text.trim_end_matches('\n')) {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => {}
            Err(Foreign) => return Err("what answers is no mainsd".to_owned()),
        }
    }
}
