//! `mainsd probe --record`: one USB UPS into a file.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use super::{toml, usb};
use crate::bus::usb::Verdict;
use crate::link::usb::{Wanted, verdict};
use crate::port::usb::Roots;
use crate::program::out::complain;
use crate::sys::reason;

/// Records the UPS that `device` names, or the only one, into a new file; what was done, in words.
///
/// # Errors
/// Why not, in words.
pub(super) fn run(path: &Path, device: &str, listen: Duration) -> Result<String, String> {
    let roots = Roots::default();
    let wanted = Wanted::from_device(device);
    let mut ups = usb::candidates(&roots);
    ups.retain(|one| !matches!(verdict(&one.info, &wanted), Verdict::Foreign | Verdict::Other));
    let candidate = match ups.as_slice() {
        [] => return Err("there is no such UPS on USB ('mainsd probe' says what there is)".to_owned()),
        [one] => one,
        [..] => {
            let each =
                ups.iter().map(|one| format!("\n  --device {}  {}", one.info.location, usb::name(&one.info)));
            return Err(format!("there are several UPSes: name one{}", each.collect::<String>()));
        }
    };
    if let Some(words) = usb::holder(candidate, &roots) {
        return Err(format!("UPS {} is {words}: stop that program first", candidate.words()));
    }
    let cannot = |error| format!("{}: {}", path.display(), reason(&error));
    // A new file only: neither a file that is there nor one behind a link is written over.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(cannot)?;
    complain(&format!(
        "mainsd probe: {}: this takes {} s and some",
        usb::name(&candidate.info),
        listen.as_secs()
    ));
    let recorded = usb::record(&candidate.info.location, Some(listen)).and_then(|mut recording| {
        recording.blank_serials();
        file.write_all(toml::text(&recording, crate::program::VERSION).as_bytes()).map_err(cannot)
    });
    if let Err(words) = recorded {
        drop(std::fs::remove_file(path));
        return Err(words);
    }
    Ok(format!(
        "{} is written. Serial numbers are blanked; look through it before you send it.\n",
        path.display()
    ))
}
