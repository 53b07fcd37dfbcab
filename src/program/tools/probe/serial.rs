//! Serial ports: which there are, and, where that is wanted, what answers.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::found::{self, Found};
use crate::config::Config;
use crate::drivers::{self, Cabling, UpsType};
use crate::journal::{LockFile, lock_path};
use crate::program::out::Out;
use crate::sys::tty;

/// A UPS answers within so much, in each protocol.
const FIND: Duration = Duration::from_secs(30);

/// Lists the ports; `asked`: they may be written to, these or, if none is named, all that there are.
pub(super) fn list(out: &mut Out<'_>, asked: Option<&[PathBuf]>) -> Vec<Found> {
    let named = asked.filter(|named| !named.is_empty());
    let there = || ports(Path::new("/sys/class/tty"), Path::new("/dev"));
    list_these(out, named.map_or_else(there, <[PathBuf]>::to_vec), asked.is_some())
}

fn list_these(out: &mut Out<'_>, ports: Vec<PathBuf>, may_write: bool) -> Vec<Found> {
    if ports.is_empty() {
        out.line("Serial ports: none.");
    }
    let mut all = Vec::new();
    for port in ports {
        let name = port.display();
        let words = match found::holder(&port) {
            Some(holder) => format!("{holder}: not opened"),
            None if !may_write => "not asked: --serial sends to it".to_owned(),
            None => match ask(&port) {
                Ok(ups) => {
                    let words = format!("a UPS by UPSTYPE {}: {}", ups.ups_type, ups.name);
                    all.push(ups);
                    words
                }
                Err(words) => words,
            },
        };
        out.line(&format!("Serial port {name}: {words}"));
    }
    all
}

fn ask(port: &Path) -> Result<Found, String> {
    let device = port.to_string_lossy().into_owned();
    if tty::device_name(port).is_none() {
        return Err("no such device".to_owned());
    }
    // Other programs keep away while it is asked.
    let lock = LockFile::acquire(&lock_path(&Config::new().lock_dir, &device), &device);
    if let Err(error @ crate::journal::LockError::Held(_)) = &lock {
        return Err(format!("not opened: {error}"));
    }
    let mut answers = String::new();
    // Those that carry bytes on a serial line; simple signalling has none.
    let by_bytes = |row: &&UpsType| {
        matches!(row.cabling, Cabling::Implied("smart") | Cabling::Bytes) && row.connect.is_some()
    };
    for row in drivers::ALL.iter().filter(by_bytes) {
        let ups_type = row.word;
        let (cable, among_others) = ("smart", device.clone());
        let mut ups = Found { name: String::new(), cable, ups_type, among_others, device: device.clone() };
        match found::ask(&ups, FIND) {
            Ok(identity) => {
                ups.name = format!("{} at {device}", found::name(&identity));
                return Ok(ups);
            }
            Err(words) => answers.push_str(&format!("\n    {ups_type}: {words}")),
        }
    }
    Err(format!(
        "nothing answers; a UPS with simple signalling (UPSTYPE dumb) cannot be told from nothing{answers}"
    ))
}

/// The ports of this machine that have hardware behind them.
fn ports(folder: &Path, dev: &Path) -> Vec<PathBuf> {
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // Of the ports that a PC may have, those without a chip are of type 0.
        let missing = fs::read_to_string(entry.path().join("type")).is_ok_and(|kind| kind.trim() == "0");
        if entry.path().join("device").exists() && !missing {
            let Ok(name) = entry.file_name().into_string() else { continue };
            names.insert(names.partition_point(|other| *other < name), name);
        }
    }
    names.iter().map(|name| dev.join(name)).filter(|path| path.exists()).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn ports_with_hardware_are_listed_and_without_leave_nothing_is_opened() {
        let folder = std::env::temp_dir().join(format!("mainsd-ports-{}", std::process::id()));
        let (sys, dev) = (folder.join("sys"), folder.join("dev"));
        for (name, kind) in [("ttyS0", Some("4")), ("ttyS1", Some("0")), ("ttyUSB0", None), ("ttyUSB1", None)]
        {
            fs::create_dir_all(sys.join(name).join("device")).unwrap();
            if let Some(kind) = kind {
                fs::write(sys.join(name).join("type"), format!("{kind}\n")).unwrap();
            }
        }
        // A console has no hardware of its own.
        fs::create_dir_all(sys.join("tty0")).unwrap();
        fs::create_dir(&dev).unwrap();
        let (master, slave) = tty::pty().unwrap();
        for name in ["tty0", "ttyS0", "ttyS1", "ttyUSB0"] {
            symlink(&slave, dev.join(name)).unwrap();
        }
        let found = ports(&sys, &dev);
        assert_eq!(found, [dev.join("ttyS0"), dev.join("ttyUSB0")], "ttyUSB1 has no node");
        assert!(list_these(&mut Out::new("probe"), found, false).is_empty());
        // A port that was opened since has something to read, or its end; this one has not.
        let mut byte = [0];
        let read = fs::File::from(master).read(&mut byte);
        assert_eq!(read.map_err(|error| error.kind()), Err(std::io::ErrorKind::WouldBlock));
        fs::remove_dir_all(folder).unwrap();
    }
}
