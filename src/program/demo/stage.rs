//! The folder that the demonstration plays in: configuration, hooks that only print, flags, events.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::program::private_folder::PrivateFolder;
use crate::sys::socket::free_local_port;

/// A folder of its own in the temporary folder; removed when dropped.
#[derive(Debug)]
pub struct Stage {
    folder: PrivateFolder,
    /// What a user can type to ask the demonstration.
    command: String,
    hooks: File,
    /// What has been read of a line that is not complete yet.
    partial: Vec<u8>,
}

/// The port that clients try by themselves, and how many after it are tried.
const FIRST_PORT: u16 = 3551;
const PORTS_TRIED: u16 = 100;

impl Stage {
    /// Makes the folder, writes everything into it, and chooses a port.
    ///
    /// # Errors
    /// Words for a person: what could not be made, and where.
    pub fn set() -> Result<Self, String> {
        let port =
            free_local_port(FIRST_PORT, PORTS_TRIED).ok_or("no free port from 3551 to 3650 on 127.0.0.1")?;
        let folder = PrivateFolder::new("mainsd-demo")?;
        let hooks = Self::fill(folder.path(), port)
            .map_err(|error| format!("cannot write into {}: {error}", folder.path().display()))?;
        let command = format!("{} status 127.0.0.1:{port}", program(folder.path()));
        Ok(Self { folder, command, hooks, partial: Vec::new() })
    }

    fn fill(folder: &Path, port: u16) -> io::Result<File> {
        let log = folder.join("hooks.log");
        let hooks = File::options().read(true).append(true).create_new(true).open(&log)?;
        fs::create_dir(folder.join("flags"))?;
        let quoted = shell_quoted(&log);
        script(&folder.join("apccontrol"), &format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> {quoted}\n"))?;
        script(&folder.join("shutdown"), &format!("#!/bin/sh\necho SHUTDOWNCMD >> {quoted}\n"))?;
        fs::write(folder.join("apcupsd.conf"), configuration(folder, port))?;
        Ok(hooks)
    }

    /// The configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("apcupsd.conf")
    }

    /// A command that asks the demonstration how its UPS is, to be pasted into another terminal.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.command
    }

    /// The next line that a hook has printed.
    pub fn next_hook(&mut self) -> Option<String> {
        let mut chunk = [0; 512];
        // A regular file never makes its reader wait. Bounded, should a hook print without end.
        while !self.partial.contains(&b'\n') && self.partial.len() < 4096 {
            match self.hooks.read(&mut chunk) {
                Ok(count) if count > 0 => self.partial.extend(chunk.iter().take(count)),
                _ => break,
            }
        }
        let end = self.partial.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.partial.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

/// What starts this program in another terminal: its name if the shell finds it by that, else its path, or a link to it in
/// `folder` if the path is too long for a line.
fn program(folder: &Path) -> String {
    const NAME: &str = "mainsd";
    let Ok(path) = std::env::current_exe() else { return NAME.to_owned() };
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join(NAME)).find(|path| path.is_file());
    if found.is_some_and(|found| found.canonicalize().ok() == path.canonicalize().ok()) {
        return NAME.to_owned();
    }
    let link = folder.join(NAME);
    let is_long = path.as_os_str().len() > link.as_os_str().len();
    let path = if is_long && std::os::unix::fs::symlink(&path, &link).is_ok() { link } else { path };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if path.to_str().is_some_and(|path| path.chars().all(plain)) {
        path.display().to_string()
    } else {
        shell_quoted(&path)
    }
}

fn script(path: &Path, content: &str) -> io::Result<()> {
    File::options().write(true).create_new(true).mode(0o700).open(path)?.write_all(content.as_bytes())
}

fn shell_quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

fn configuration(folder: &Path, port: u16) -> String {
    format!(
        "## apcupsd.conf v1.1 ##\n\
         # The demonstration's own configuration; removed with its folder.\n\
         UPSNAME demo\n\
         UPSCABLE usb\n\
         UPSTYPE test\n\
         DEVICE\n\
         POLLTIME 1\n\
         ONBATTERYDELAY 4\n\
         BATTERYLEVEL 10\n\
         MINUTES 5\n\
         TIMEOUT 0\n\
         COMMLOSTDELAY 5\n\
         NOLOGON disable\n\
         NETSERVER on\n\
         NISIP 127.0.0.1\n\
         NISPORT {port}\n\
         LOCKFILE {folder}\n\
         SCRIPTDIR {folder}\n\
         PWRFAILDIR {folder}/flags\n\
         NOLOGINDIR {folder}/flags\n\
         EVENTSFILE {folder}/events\n\
         STATEFILE {folder}/state\n\
         STATTIME 0\n\
         SHUTDOWNCMD {folder}/shutdown\n",
        folder = folder.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn the_hook_prints_its_arguments_and_the_folder_goes_with_the_stage() {
        let mut stage = Stage::set().unwrap();
        assert_eq!(stage.next_hook(), None);
        let hook = stage.folder.path().join("apccontrol");
        // Through sh: another test's child may still hold the fresh script open for writing (ETXTBSY).
        for event in ["powerout", "onbattery"] {
            let status = std::process::Command::new("sh").arg(&hook).args([event, "demo", "1", "0"]).status();
            assert!(status.unwrap().success());
        }
        assert_eq!(stage.next_hook().as_deref(), Some("powerout demo 1 0"));
        assert_eq!(stage.next_hook().as_deref(), Some("onbattery demo 1 0"));
        assert_eq!(stage.next_hook(), None);
        // A stage of another test may take the folder's name as soon as it is free: a file of this one's own tells.
        let own = stage.folder.path().join("own");
        fs::write(&own, "").unwrap();
        drop(stage);
        assert!(!own.exists());
    }

    #[test]
    fn the_command_can_be_pasted_into_a_shell() {
        let stage = Stage::set().unwrap();
        let (program, arguments) = stage.command().split_once(" status ").unwrap();
        let found = std::process::Command::new("sh").args(["-c", &format!("test -x {program}")]).status();
        assert!(found.unwrap().success(), "{program}");
        assert!(arguments.starts_with("127.0.0.1:") && stage.command().len() < 70, "{}", stage.command());
    }

    #[test]
    fn two_stages_share_neither_folder_nor_need_the_same_port() {
        let first = Stage::set().unwrap();
        let port = |stage: &Stage| stage.command().rsplit_once(':').unwrap().1.parse::<u16>().unwrap();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port(&first)));
        let second = Stage::set().unwrap();
        assert_ne!(first.folder.path(), second.folder.path());
        assert!(taken.is_err() || port(&first) != port(&second));
    }
}
