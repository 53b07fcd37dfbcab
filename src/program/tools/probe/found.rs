//! A UPS that was found, and the lines of a configuration for it.

use std::path::Path;
use std::time::Duration;

use crate::config;
use crate::daemon::{driver, settings};
use crate::port::device_lock::DeviceLocks;
use crate::program::daemon::conversation::{GO_ON, NOT_FOUND, Patience, converse_with};
use crate::program::daemon::run_files;
use crate::program::out::Out;
use crate::program::which_file::WhichFile;
use crate::sys::process;
use crate::ups::{Command, Identity};

/// One UPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// What it calls itself, and where it is.
    pub name: String,
    /// UPSCABLE.
    pub cable: &'static str,
    /// UPSTYPE.
    pub ups_type: &'static str,
    /// DEVICE, where it has to be named.
    pub device: String,
    /// DEVICE, where there is another UPS of this UPSTYPE.
    pub among_others: String,
}

/// The end of the output: a configuration for each of them.
pub(super) fn print(out: &mut Out<'_>, all: &[Found]) {
    out.line(match all {
        [] => "\nNo UPS was found.",
        [_] => "\nConfiguration:",
        _ => "\nConfiguration: a file for each UPS, and for each a daemon (mainsd(8), SEVERAL UPSES).",
    });
    for ups in all {
        let alone = all.iter().filter(|other| other.ups_type == ups.ups_type).count() < 2;
        let device = if alone { &ups.device } else { &ups.among_others };
        let Found { name, cable, ups_type, .. } = ups;
        out.line(&format!("\n# {name}\nUPSCABLE {cable}\nUPSTYPE {ups_type}\nDEVICE {device}"));
    }
}

/// Where devices are locked.
pub(super) fn locks() -> DeviceLocks {
    run_files::locks_for_order(&WhichFile::new(None).path)
}

/// Asks by this driver whether there is a UPS, with one reading of it.
///
/// # Errors
/// Why there is none, in words.
pub(super) fn ask(ups: &Found, find: Duration) -> Result<Identity, String> {
    let Found { cable, ups_type, device, .. } = ups;
    let text = format!("UPSCABLE {cable}\nUPSTYPE {ups_type}\nDEVICE {device}\n");
    let config = config::parse(text.as_bytes(), "probe").config;
    let mut identity = None;
    let mut answer = Ok(String::new());
    let locks = locks();
    let patience = Patience { before: Duration::ZERO, find, until_loss: true };
    let ended = converse_with(
        &|now| driver::open(&config, &locks, None, None, None, now),
        settings::role(&config),
        &[Command::Poll],
        patience,
        &mut |_, text| log::debug!("{text}"),
        &mut |result, heard| {
            answer.clone_from(&result.outcome);
            identity.clone_from(&heard.ups);
            GO_ON
        },
    );
    let reason = |text: String| text.strip_prefix(NOT_FOUND).map(str::to_owned).unwrap_or(text);
    ended.map_err(|refusal| reason(refusal.text)).and(answer)?;
    identity.map(|identity| *identity).ok_or_else(|| "it does not say what it is".to_owned())
}

/// Which other process has a device, in words; `None`: nobody whose files this one may see.
pub(super) fn holder(node: &Path) -> Option<String> {
    let (pid, name) = process::users(Path::new("/proc"), node).seen.into_iter().next()?;
    Some(format!("held by {} (process {pid})", process::program(pid).unwrap_or(name)))
}

/// What a UPS calls itself.
pub(super) fn name(identity: &Identity) -> String {
    let model = identity.model.as_deref().map(str::trim).filter(|model| !model.is_empty()).unwrap_or("UPS");
    let serial = identity.serial.as_deref().map(str::trim).filter(|serial| !serial.is_empty());
    serial.map_or_else(|| model.to_owned(), |serial| format!("{model}, serial number {serial}"))
}
