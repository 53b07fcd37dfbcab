//! USB devices: which are UPSes, and why.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::found::{self, Found};
use crate::bus::usb::{DeviceInfo, Verdict};
use crate::config::Config;
use crate::daemon::{driver, settings};
use crate::link::usb::{Recording, RecordingLink, Wanted, describe, verdict};
use crate::port::usb::{Candidate, Roots, passed_over};
use crate::program::daemon::conversation::{GO_ON, Patience, converse_with};
use crate::program::out::{Out, complain};
use crate::ups::Command;
use crate::wire::hid::is_power_device;

/// A device is opened within so much.
const FIND: Duration = Duration::from_secs(15);

/// Lists the devices.
pub(super) fn list(out: &mut Out<'_>) -> Vec<Found> {
    let roots = Roots::default();
    let (foreign, ours): (Vec<_>, Vec<_>) =
        candidates(&roots).into_iter().partition(|one| verdict(&one.info, &Wanted::Any) == Verdict::Foreign);
    let others = passed_over(&roots, &foreign);
    if others.is_empty() && ours.is_empty() {
        out.line("USB devices: none.");
    }
    let mut all = Vec::new();
    for candidate in &ours {
        let holder = holder(candidate, &roots);
        let (is_ups, why) = judge(candidate, holder.is_some());
        let name = name(&candidate.info);
        let holder = holder.map(|words| format!("; {words}")).unwrap_or_default();
        out.line(&format!("USB device {}: {why}: {name}{holder}", candidate.words()));
        if is_ups {
            let serial = candidate.info.serial.as_deref().map(str::trim).filter(|serial| !serial.is_empty());
            let found = Found {
                name: format!("{name}, USB port {}", candidate.info.location),
                cable: "usb",
                ups_type: "usb",
                device: String::new(),
                among_others: serial.unwrap_or(&candidate.info.location).to_owned(),
            };
            all.push((found, &candidate.info.location));
        }
    }
    // Two units of one serial number, or none, are told apart by their ports.
    let names: Vec<String> = all.iter().map(|(ups, _)| ups.among_others.clone()).collect();
    let is_twice = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    for (ups, location) in &mut all {
        if is_twice(&ups.among_others) {
            ups.among_others.clone_from(location);
        }
    }
    others.iter().for_each(|line| out.line(line));
    all.into_iter().map(|(ups, _)| ups).collect()
}

/// All HID interfaces, with their strings.
pub(super) fn candidates(roots: &Roots) -> Vec<Candidate> {
    let mut all = roots.scan();
    all.iter_mut().for_each(Candidate::read_strings);
    all
}

/// Who has it, in words.
pub(super) fn holder(candidate: &Candidate, roots: &Roots) -> Option<String> {
    let nodes = candidate.nodes(roots);
    let holder = nodes.iter().find_map(|node| found::holder(node));
    holder.or_else(|| {
        candidate.is_claimed().then(|| "held by a program that cannot be seen from here".to_owned())
    })
}

/// What it calls itself.
pub(super) fn name(info: &DeviceInfo) -> String {
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().trim().to_owned();
    let (maker, product, serial) = (text(&info.manufacturer), text(&info.product_name), text(&info.serial));
    let serial =
        if serial.is_empty() { "no serial number".to_owned() } else { format!("serial number {serial}") };
    format!("{} ({serial})", format!("{maker} {product}").trim())
}

/// Whether it is a UPS, and why; one that may be and that nobody has is opened to see its report descriptor.
fn judge(candidate: &Candidate, is_held: bool) -> (bool, String) {
    let is_power = |info: &DeviceInfo| describe(info).is_ok_and(|descriptor| is_power_device(&descriptor));
    if is_power(&candidate.info) {
        return (true, "a UPS by its report descriptor".to_owned());
    }
    if is_held {
        return (true, "a UPS by its numbers; its report descriptor is not shown".to_owned());
    }
    match record(&candidate.info.location, None) {
        Ok(_) => (true, "a UPS by the report descriptor that was read from it".to_owned()),
        Err(words) => (false, format!("its vendor makes UPSes, but {words}")),
    }
}

/// Records the UPS at this bus port; `listen`: `None`, only its report descriptor.
///
/// # Errors
/// Why not, in words.
pub(super) fn record(location: &str, listen: Option<Duration>) -> Result<Recording, String> {
    let recording = Rc::new(RefCell::new(Recording::default()));
    let wanted = Wanted::Port(location.to_owned());
    let open = |now| {
        let link = RecordingLink::new(Rc::clone(&recording), listen, now);
        let wanted = wanted.clone();
        let matcher = Box::new(move |info: &DeviceInfo| verdict(info, &wanted));
        Ok(driver::open_usb(Box::new(link), matcher, found::locks(), None, now))
    };
    let mut ended = Err("it did not answer".to_owned());
    let patience = Patience { before: Duration::ZERO, find: FIND, until_loss: true };
    let done = converse_with(
        &open,
        settings::role(&Config::new()),
        &[Command::Poll],
        patience,
        &mut |_, text| complain(text),
        &mut |result, _| {
            ended.clone_from(&result.outcome);
            GO_ON
        },
    );
    done.map_err(|refusal| refusal.text).and(ended)?;
    Ok(recording.take())
}
