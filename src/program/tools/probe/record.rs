//! `mainsd probe --record`: one USB UPS into a file.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{toml, usb};
use crate::bus::usb::{DeviceInfo, Verdict};
use crate::link::usb::{RECORD_TIME, Recording, Wanted, verdict};
use crate::port::usb::Roots;
use crate::program::out::complain;
use crate::program::tools::ctl::client::{self, NoAnswer};
use crate::sys::reason;
use crate::wire::control::Outcome;

/// Records the UPS that `device` names, or the only one, into a new file; what was done, in words. One that a daemon has is recorded
/// by the daemon of this configuration, which listens as long as it likes.
///
/// # Errors
/// Why not, in words.
pub(super) fn run(
    config: Option<&PathBuf>,
    path: &Path,
    device: &str,
    listen: Option<Duration>,
) -> Result<String, String> {
    let roots = Roots::default();
    let wanted = Wanted::from_device(device);
    let mut ups = usb::candidates(&roots);
    ups.retain(|one| !matches!(verdict(&one.info, &wanted), Verdict::Foreign | Verdict::Other));
    let candidate = match ups.as_slice() {
        [] => return Err("there is no such UPS on USB ('mainsd probe' says what there is)".to_owned()),
        [one] => one,
        [..] => {
            let line = |info: &DeviceInfo| format!("\n  --device {}  {}", info.location, usb::name(info));
            let each: String = ups.iter().map(|one| line(&one.info)).collect();
            return Err(format!("there are several UPSes: name one{each}"));
        }
    };
    let info = &candidate.info;
    let cannot = |error| format!("{}: {}", path.display(), reason(&error));
    // A new file only: neither a file that is there nor one behind a link is written over.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(cannot)?;
    let holder = usb::holder(candidate, &roots);
    let listen = listen.filter(|_| holder.is_none()).unwrap_or(RECORD_TIME);
    complain(&format!("mainsd probe: {}: this takes {} s and some", usb::name(info), listen.as_secs()));
    let recorded = match holder {
        None => usb::record(&info.location, Some(listen)),
        Some(words) => by_daemon(config, info)
            .map_err(|why| format!("UPS {} is {words}, and not recorded: {why}", candidate.words())),
    };
    let written = recorded.and_then(|mut recording| {
        recording.blank_serials();
        file.write_all(toml::text(&recording, crate::program::VERSION).as_bytes()).map_err(cannot)
    });
    if let Err(words) = written {
        let _ = fs::remove_file(path);
        return Err(words);
    }
    let path = path.display();
    Ok(format!("{path} is written. Serial numbers are blanked; look through it before you send it.\n"))
}

/// Has the daemon of this configuration record its UPS, which must be this one.
fn by_daemon(config: Option<&PathBuf>, info: &DeviceInfo) -> Result<Recording, String> {
    let answer = client::ask(config, "record").map_err(|why| match why {
        NoAnswer::NoDaemon => {
            "no mainsd answers at its control socket (-f names the configuration); stop that program first"
                .to_owned()
        }
        NoAnswer::Denied(words) | NoAnswer::Lost(words) => words,
    })?;
    if answer.outcome != Outcome::Done {
        return Err(answer.text);
    }
    let mut recording = Recording { info: info.clone(), ..Recording::default() };
    recording.info.report_descriptor.clear();
    for (word, text) in &answer.values {
        recording.decode(word, text).ok_or("what answers is no recording")?;
    }
    match recording.info.location == info.location {
        true => Ok(recording),
        false => Err("the daemon has another UPS; -f names the configuration".to_owned()),
    }
}
