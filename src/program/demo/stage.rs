//! The folder that the demonstration plays in: configuration, hooks that only print, flags, events.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A folder of its own in the temporary folder; removed when dropped.
#[derive(Debug)]
pub struct Stage {
    folder: PathBuf,
    port: u16,
    hooks: File,
    /// What has been read of a line that is not complete yet.
    partial: Vec<u8>,
}

/// The port that clients try by themselves, and how many after it are tried.
const PORT: u16 = 3551;
const PORTS: u16 = 100;

impl Stage {
    /// Makes the folder, writes everything into it, and chooses a port.
    ///
    /// # Errors
    /// Words for a person: what could not be made, and where.
    pub fn set() -> Result<Self, String> {
        let port = free_port().ok_or("no free port from 3551 to 3650 on 127.0.0.1")?;
        let folder = make_folder()?;
        Self::fill(&folder, port).map_err(|error| {
            let _ = fs::remove_dir_all(&folder);
            format!("cannot write into {}: {error}", folder.display())
        })
    }

    fn fill(folder: &Path, port: u16) -> io::Result<Self> {
        let log = folder.join("hooks.log");
        let hooks = File::options().read(true).append(true).create_new(true).open(&log)?;
        fs::create_dir(folder.join("flags"))?;
        let quoted = shell_quoted(&log);
        script(&folder.join("apccontrol"), &format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> {quoted}\n"))?;
        script(&folder.join("shutdown"), &format!("#!/bin/sh\necho SHUTDOWNCMD >> {quoted}\n"))?;
        fs::write(folder.join("apcupsd.conf"), configuration(folder, port))?;
        Ok(Self { folder: folder.to_owned(), port, hooks, partial: Vec::new() })
    }

    /// The configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.folder.join("apcupsd.conf")
    }

    /// The port that was free.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
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

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("mainsd: cannot remove {}: {error}", self.folder.display());
        }
    }
}

fn make_folder() -> Result<PathBuf, String> {
    let temporary = std::env::temp_dir();
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    // Others may have made a folder of this name to be in the way; it is not used, another name is.
    for number in 0..1000 {
        let folder = temporary.join(format!("mainsd-demo-{}-{number}", std::process::id()));
        match builder.create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("cannot make a folder in {}: {error}", temporary.display())),
        }
    }
    Err(format!("cannot make a folder in {}: every name is taken", temporary.display()))
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

fn free_port() -> Option<u16> {
    (PORT..PORT + PORTS).find(|port| {
        let address = (Ipv4Addr::LOCALHOST, *port);
        TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hook_prints_its_arguments_and_the_folder_goes_with_the_stage() {
        let mut stage = Stage::set().unwrap();
        assert_eq!(stage.next_hook(), None);
        let hook = stage.folder.join("apccontrol");
        // Through sh: another test's child may still hold the fresh script open for writing (ETXTBSY).
        for event in ["powerout", "onbattery"] {
            let status = std::process::Command::new("sh").arg(&hook).args([event, "demo", "1", "0"]).status();
            assert!(status.unwrap().success());
        }
        assert_eq!(stage.next_hook().as_deref(), Some("powerout demo 1 0"));
        assert_eq!(stage.next_hook().as_deref(), Some("onbattery demo 1 0"));
        assert_eq!(stage.next_hook(), None);
        let folder = stage.folder.clone();
        assert!(folder.is_dir());
        drop(stage);
        assert!(!folder.exists());
    }

    #[test]
    fn two_stages_share_neither_folder_nor_need_the_same_port() {
        let first = Stage::set().unwrap();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first.port()));
        let second = Stage::set().unwrap();
        assert_ne!(first.folder, second.folder);
        assert!(taken.is_err() || first.port() != second.port());
    }
}
